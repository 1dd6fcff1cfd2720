package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests for {@link PhysicalDataSource}.
 */
class PhysicalDataSourceTests {

	private static final int THREADS = 8;

	@TempDir
	private Path directory;

	/** Without trying again, one in a thousand is turned away. */
	@Test
	void thoseWhoConnectToANewFileTogetherAllGetIn() throws Exception {
		ExecutorService executor = Executors.newFixedThreadPool(THREADS);
		try {
			for (int round = 0; round < 200; round++) {
				String url = "jdbc:sqlite:" + this.directory.resolve(round + ".db");
				CyclicBarrier together = new CyclicBarrier(THREADS);
				List<Future<?>> connects = new ArrayList<>();
				for (int i = 0; i < THREADS; i++) {
					SourceDefinition definition = SourceDefinition.named("s" + i).url(url).build();
					PhysicalDataSource dataSource = new PhysicalDataSource(definition, new Properties(), null, true,
							null, Duration.ofSeconds(1));
					connects.add(executor.submit(() -> {
						together.await();
						try (Connection connection = dataSource.getConnection()) {
							return connection.isValid(1);
						}
					}));
				}
				for (Future<?> connect : connects) {
					connect.get();
				}
			}
		}
		finally {
			executor.shutdownNow();
		}
	}

}
