package io.multidb.sample;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The command line of the sample's own jar, as the build has packaged it.
 */
class PackagedIntegrationTests {

	@TempDir
	private Path folder;

	private Path jar;

	/** What was asked for. */
	private Path out;

	/** What is wrong. */
	private Path err;

	@BeforeEach
	void find() throws IOException {
		try (Stream<Path> files = Files.list(Path.of("target"))) {
			this.jar = files
				.filter((file) -> file.getFileName().toString().matches("multidb-sample-app-[^-]*(-SNAPSHOT)?\\.jar"))
				.findAny()
				.orElseThrow(() -> new IllegalStateException("No jar: ./mvnw package -pl sample-app -am"))
				.toAbsolutePath();
		}
		this.out = this.folder.resolve("out.txt");
		this.err = this.folder.resolve("err.txt");
	}

	private int run(List<String> options, String... arguments) throws Exception {
		List<String> command = new ArrayList<>(
				List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1"));
		command.addAll(options);
		command.addAll(List.of("-jar", this.jar.toString(), "datasources"));
		command.addAll(List.of(arguments));
		Process process = new ProcessBuilder(command).directory(this.folder.toFile())
			.redirectOutput(this.out.toFile())
			.redirectError(this.err.toFile())
			.start();
		try {
			assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
			assertThat(this.out).content().doesNotContain("Tomcat", "Spring Boot");
			assertThat(this.err).content().doesNotContain("Tomcat");
			return process.exitValue();
		}
		finally {
			process.destroyForcibly();
		}
	}

	@Test
	void migratesCreatesAndLists() throws Exception {
		SampleFiles files = new SampleFiles(this.folder.resolve("data"));
		assertThat(run(List.of(), "discover")).isZero();
		assertThat(files.list()).isEmpty();
		assertThat(run(List.of(), "migrate", "--all")).isZero();
		assertThat(this.out).content().containsPattern("archive +migrated in").containsPattern("main +migrated in");
		assertThat(run(List.of(), "create", "election-mayor")).isZero();
		assertThat(files.list()).isEqualTo(new TreeSet<>(
				List.of("apps.db", "archive.db", "courts.db", "elections/mayor.db", "main.db", "user.db")));
		assertThat(run(List.of("-Dspring.aot.enabled=true"), "list")).isZero();
		assertThat(this.out).content()
			.containsPattern("main +jdbc:sqlite:data/main.db +sqlite +.*application.yaml.* +up +4 run")
			.containsPattern("election +jdbc:sqlite:data/elections/\\{id}.db +sqlite +.* +template");
		assertThat(this.err).isEmptyFile();
	}

	@Test
	void readsTheProfileThatTheCommandLineNames() throws Exception {
		assertThat(run(List.of(), "check", "--spring.profiles.active=fallback")).isZero();
		assertThat(this.out).content().containsPattern("copy +ok").contains("6 sources, 0 failed");
		assertThat(run(List.of(), "check", "mian")).isEqualTo(2);
		assertThat(this.err).content().contains("Did you mean 'main'?");
	}

}
