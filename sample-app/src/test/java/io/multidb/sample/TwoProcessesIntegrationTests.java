package io.multidb.sample;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Two processes of the sample in one folder.
 */
class TwoProcessesIntegrationTests {

	private static final Pattern CREATED = Pattern.compile("election-(\\S+): database created");

	private static final int ELECTIONS = 10;

	private static final int VOTES = 8;

	@TempDir
	private Path folder;

	@AutoClose("shutdownNow")
	private final ExecutorService threads = Executors.newFixedThreadPool(2 * VOTES);

	private final List<RunningSample> processes = new ArrayList<>();

	/** Both at once, in an empty folder: they race for main.db and archive.db too. */
	@BeforeEach
	void start() throws IOException {
		this.processes.add(RunningSample.start("one", this.folder));
		this.processes.add(RunningSample.start("two", this.folder));
	}

	@AfterEach
	void kill() {
		this.processes.forEach(RunningSample::kill);
	}

	@Test
	void oneOfThemMakesEachElectionAndNoVoteIsLost() throws Exception {
		SampleFiles files = new SampleFiles(this.folder.resolve("data"));
		TreeSet<String> expected = new TreeSet<>(List.of("apps.db", "archive.db", "main.db", "user.db"));
		expected.addAll(SampleFiles.COURTS);
		List<SampleClient> samples = this.processes.stream().map(RunningSample::connect).toList();
		samples.forEach((sample) -> sample.health().expectStatus().isOk());
		for (int i = 0; i < ELECTIONS; i++) {
			String election = "race-" + i;
			expected.add("elections/" + election + ".db");
			voteAtOnce(samples, election);
			for (SampleClient sample : samples) {
				sample.results(election)
					.expectStatus()
					.isOk()
					.expectBody(String.class)
					.isEqualTo("{\"one\":" + VOTES + ",\"two\":" + VOTES + "}");
			}
		}
		assertThat(files.list()).isEqualTo(expected);
		List<String> created = new ArrayList<>();
		for (RunningSample process : this.processes) {
			process.stop();
			CREATED.matcher(process.log()).results().forEach((match) -> created.add(match.group(1)));
		}
		assertThat(created).doesNotHaveDuplicates().hasSize(ELECTIONS);
		try (var left = Files.walk(this.folder.resolve("data"))) {
			assertThat(left.filter(Files::isRegularFile)).hasSize(expected.size());
		}
	}

	private void voteAtOnce(List<SampleClient> samples, String election) throws Exception {
		List<Callable<Void>> votes = new ArrayList<>();
		for (int i = 0; i < 2 * VOTES; i++) {
			int process = i % 2;
			votes.add(() -> {
				samples.get(process).vote(election, this.processes.get(process).name()).expectStatus().isCreated();
				return null;
			});
		}
		for (Future<Void> vote : this.threads.invokeAll(votes)) {
			vote.get();
		}
	}

}
