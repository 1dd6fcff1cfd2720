package io.multidb.actuate;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Meters of servers that come and go; one PostgreSQL stands for several by name.
 */
class ServerMetersIntegrationTests {

	private static TestPostgres server;

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private final AtomicLong time = new AtomicLong();

	private final MeterRegistry meters = new SimpleMeterRegistry();

	@BeforeAll
	static void startServer() throws Exception {
		server = TestPostgres.start();
		for (int i = 0; i < 3; i++) {
			server.run("CREATE DATABASE d" + i);
		}
	}

	@AfterAll
	static void stopServer() throws IOException {
		server.close();
	}

	@BeforeEach
	void measure() {
		this.sources.with(Sources.sqlite("file", this.directory));
		SourceMeters measured = new SourceMeters(this.sources::registry, 2, HikariMeters.NONE, this.time::get);
		this.sources.registry().measure(measured, 1);
		measured.bindTo(this.meters);
	}

	@AfterEach
	void close() {
		this.sources.close();
	}

	private SourceRegistry open(int number) throws Exception {
		SourceRegistry registry = this.sources.registry();
		if (registry.find("d" + number) == null) {
			registry.add(SourceDefinition.named("d" + number)
				.url(server.url("d" + number))
				.username(server.username())
				.password(server.password())
				.server("server-" + number)
				.hikari(Map.of("maximum-pool-size", "2"))
				.build());
		}
		registry.get("d" + number).getConnection().close();
		return registry;
	}

	private List<String> servers() {
		return this.meters.find(DatasourcesMeter.SERVER_ACTIVE.getName())
			.meters()
			.stream()
			.map((meter) -> meter.getId().getTag("server"))
			.sorted()
			.toList();
	}

	private void scrapeAfterRanking() {
		this.time.addAndGet(SourceMeters.RANKING_INTERVAL + TimeUnit.SECONDS.toNanos(15));
		this.meters.getMeters().forEach((meter) -> meter.measure().forEach((each) -> each.getValue()));
	}

	@Test
	void aServerLosesItsMetersWithItsLastSource() throws Exception {
		SourceRegistry registry = open(0);
		open(1);
		assertThat(servers()).containsExactly("server-0", "server-1");
		scrapeAfterRanking();
		assertThat(servers()).containsExactly("server-0", "server-1");
		registry.remove("d0");
		scrapeAfterRanking();
		assertThat(servers()).containsExactly("server-1");
		registry.drain("d1");
		scrapeAfterRanking();
		assertThat(servers()).as("it is there, cold").containsExactly("server-1");
		open(0);
		assertThat(servers()).containsExactly("server-0", "server-1");
	}

	@Test
	void theRestKeepsWhoItIs() throws Exception {
		SourceRegistry registry = open(0);
		open(1);
		open(2);
		assertThat(servers()).containsExactly("other", "server-0", "server-1");
		registry.remove("d0");
		scrapeAfterRanking();
		open(2);
		assertThat(servers()).as("or a counter of the rest would become less").containsExactly("other", "server-1");
	}

}
