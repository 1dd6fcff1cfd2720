package io.multidb.sample.elections;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

import io.multidb.sample.SampleFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Ten thousand elections, a database each, of which 200 may be open: every vote is
 * counted where it belongs, and threads and handles do not grow with the elections.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.NONE)
@DirtiesContext
@Tag("stress")
@EnabledOnOs(OS.LINUX)
class TenThousandElectionsTests {

	private static final int ELECTIONS = Integer.getInteger("elections", 10_000);

	private static final int MAX_OPEN = 200;

	@TempDir
	static Path data;

	@Autowired
	private ElectionService elections;

	@Autowired
	private SourceRegistry registry;

	@DynamicPropertySource
	static void useTemporaryFolder(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((name, value) -> registry.add(name, () -> value));
	}

	@Test
	void everyVoteIsCountedInItsElection() throws Exception {
		this.elections.vote("0", "warm-up");
		int threads = Thread.activeCount();
		AtomicInteger mostOpen = new AtomicInteger();
		AtomicInteger mostThreads = new AtomicInteger();
		long start = System.nanoTime();
		inParallel((election) -> () -> {
			this.elections.vote(election, "Ada");
			this.elections.vote(election, "candidate of " + election);
			if (Integer.parseInt(election) % 100 == 0) {
				mostOpen.accumulateAndGet(open(), Math::max);
				mostThreads.accumulateAndGet(Thread.activeCount(), Math::max);
			}
			return null;
		});
		report("voted twice in each", start);
		start = System.nanoTime();
		inParallel((election) -> () -> {
			assertThat(this.elections.results(election)).containsEntry("Ada", 1L)
				.containsEntry("candidate of " + election, 1L);
			return null;
		});
		report("asked each for its results", start);
		assertThat(mostOpen.get()).isPositive().isLessThanOrEqualTo(MAX_OPEN);
		assertThat(mostThreads.get() - threads).as("threads, 8 of them are of this test").isLessThanOrEqualTo(8 + 12);
		assertThat(Sources.openFiles(data).size()).as("three per open file").isLessThanOrEqualTo(3 * (MAX_OPEN + 20));
	}

	private interface Work {

		Callable<Void> on(String election);

	}

	private static void inParallel(Work work) throws Exception {
		ExecutorService executor = Executors.newFixedThreadPool(8);
		try {
			List<Future<Void>> futures = new ArrayList<>();
			for (int i = 0; i < ELECTIONS; i++) {
				futures.add(executor.submit(work.on(Integer.toString(i))));
			}
			for (Future<Void> future : futures) {
				future.get();
			}
		}
		finally {
			executor.shutdownNow();
		}
	}

	private static void report(String what, long start) {
		Duration took = Duration.ofNanos(System.nanoTime() - start);
		System.out.println(ELECTIONS + " elections: " + what + " in " + took.toMillis() + " ms, "
				+ took.dividedBy(ELECTIONS).toNanos() / 1000 + " us each");
	}

	private int open() {
		return (int) this.registry.sources()
			.stream()
			.filter((source) -> source.state() instanceof SourceState.Open
					&& "election".equals(source.definition().template()))
			.count();
	}

}
