package io.multidb.actuate;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;

import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Pools that were open before their server stopped answering. The server's processes are
 * stopped by a signal: their sockets stay open and accept what is sent.
 */
@EnabledOnOs(OS.LINUX)
class HangingServerIntegrationTests {

	private static final int SOURCES = 10;

	@TempDir
	private Path directory;

	private final SourceRegistry registry = new SourceRegistry(List.of(), List.of(), SourceMigrator.NONE, (event) -> {
	});

	private final SourcesHealthContributor health = new SourcesHealthContributor(this.registry, Duration.ofSeconds(1));

	private final List<Long> stopped = new ArrayList<>();

	@AfterEach
	void close() {
		this.health.destroy();
		this.registry.close();
	}

	@Test
	void sourcesOfAServerThatHangsAreDownTogetherWithinOneTimeoutAndOthersUp() throws Exception {
		// Not a container, whose process ids mean others out here.
		try (EmbeddedPostgres postgres = TestPostgres.builder().start()) {
			openAll(postgres.getJdbcUrl("postgres", "postgres"));
			try {
				signalBackends("STOP");
				long start = System.nanoTime();
				Map<String, Status> statuses = ask();
				assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(SOURCES - 1));
				assertThat(statuses).hasSize(SOURCES + 1).containsEntry("lisbon", Status.UP);
				statuses.remove("lisbon");
				assertThat(statuses.values()).containsOnly(Status.DOWN);
			}
			finally {
				signalBackends("CONT");
			}
			await().untilAsserted(() -> assertThat(ask().values()).containsOnly(Status.UP));
		}
	}

	private void openAll(String url) throws SQLException {
		for (int i = 0; i < SOURCES; i++) {
			this.registry.add(SourceDefinition.named("server" + i)
				.url(url + (url.contains("?") ? "&" : "?") + "currentSchema=s" + i)
				.hikari(Map.of("maximum-pool-size", "1"))
				.build());
			try (Connection connection = this.registry.get("server" + i).getConnection();
					Statement statement = connection.createStatement();
					ResultSet pid = statement.executeQuery("select pg_backend_pid()")) {
				pid.next();
				this.stopped.add(pid.getLong(1));
			}
		}
		this.registry
			.add(SourceDefinition.named("lisbon").url("jdbc:sqlite:" + this.directory.resolve("lisbon.db")).build());
		this.registry.get("lisbon").getConnection().close();
	}

	private Map<String, Status> ask() {
		Map<String, Status> statuses = new TreeMap<>();
		this.health.stream()
			.forEach((entry) -> statuses.put(entry.name(),
					((HealthIndicator) entry.contributor()).health().getStatus()));
		return statuses;
	}

	private void signalBackends(String signal) throws IOException, InterruptedException {
		List<String> command = new ArrayList<>(List.of("kill", "-" + signal));
		this.stopped.forEach((pid) -> command.add(Long.toString(pid)));
		new ProcessBuilder(command).inheritIO().start().waitFor();
	}

}
