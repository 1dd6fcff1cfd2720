package io.multidb.catalog;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import io.multidb.SourceUnavailableException;
import io.multidb.routing.Shards;
import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Places of tenants that are kept in a catalog on PostgreSQL.
 */
class CatalogShardsIntegrationTests extends CatalogShardsTests {

	private static TestPostgres server;

	@BeforeAll
	static void startServer() {
		server = TestPostgres.start();
	}

	@AfterAll
	static void stopServer() throws Exception {
		server.close();
	}

	@BeforeEach
	void createDatabase() throws SQLException {
		server.run("CREATE DATABASE places");
	}

	@Override
	@AfterEach
	void close() throws Exception {
		super.close();
		server.run("DROP DATABASE places WITH (FORCE)");
	}

	@Override
	SourceDefinition.Builder main() {
		return main(server.url("places"), server.username(), server.password());
	}

	@Override
	SourceDefinition.Builder impatient() {
		return main().hikari(Map.of("maximum-pool-size", "20", "connection-timeout", "3000"));
	}

	private static SourceDefinition.Builder main(String url, String username, String password) {
		return SourceDefinition.named("main")
			.url(url)
			.username(username)
			.password(password)
			.hikari(Map.of("maximum-pool-size", "5"));
	}

	@Override
	Connection connect() throws SQLException {
		return server.connect("places");
	}

	@Test
	void whileTheServerIsGoneThoseWhoAreKnownAreServedAndAfterItNobodyHasMoved() throws SQLException {
		CatalogNode node = node(1, "a", "b");
		String known = node.routes.resolve("chat-1").name();
		String other = node(1, "a", "b").routes.resolve("chat-2").name();
		server.run("ALTER DATABASE places ALLOW_CONNECTIONS false");
		try {
			server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'places'");
			assertThat(node.routes.resolve("chat-1").name()).isEqualTo(known);
			for (String tenant : List.of("chat-2", "chat-3")) {
				assertThatExceptionOfType(SourceUnavailableException.class)
					.isThrownBy(() -> node.routes.resolve(tenant))
					.withMessageContaining(tenant)
					.withMessageContaining("not placed anew");
			}
		}
		finally {
			server.run("ALTER DATABASE places ALLOW_CONNECTIONS true");
		}
		await().atMost(CatalogNode.LONG)
			.ignoreException(SourceUnavailableException.class)
			.until(() -> node.routes.resolve("chat-2").name().equals(other));
	}

	@Test
	void whoComesSecondFindsWhereTheTenantWasPlacedMeanwhile() throws Exception {
		CatalogNode node = node(1, "a", "b");
		node.routes.checkShards();
		String preferred = new Shards(List.of("a", "b"), 1).preferredBy("chat-1").get(0);
		String other = preferred.equals("a") ? "b" : "a";
		List<Object> outcomes;
		try (Connection first = connect()) {
			first.setAutoCommit(false);
			Sources.execute(first, "INSERT INTO courts_place VALUES ('chat-1', '" + other + "')");
			FutureTask<String> second = new FutureTask<>(() -> node.routes.resolve("chat-1").name());
			new Thread(second).start();
			await().until(this::somebodyWaits);
			first.commit();
			outcomes = List.of(second.get(60, TimeUnit.SECONDS), node.routes.resolve("chat-1").name());
		}
		assertThat(outcomes).containsOnly(other);
		assertThat(kept()).isEqualTo(Map.of("chat-1", other));
	}

	private boolean somebodyWaits() throws SQLException {
		try (Connection connection = server.connect("postgres")) {
			return !"0".equals(Sources.query(connection,
					"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'places'"));
		}
	}

	@Test
	void processesThatRaceAgreeOnEveryTenant() throws Exception {
		List<Process> processes = new ArrayList<>();
		for (int i = 0; i < 2; i++) {
			processes.add(new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
					"-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
					CatalogShardsIntegrationTests.class.getName(), this.directory.toString(), server.url("places"),
					server.username(), server.password())
				.redirectError(ProcessBuilder.Redirect.INHERIT)
				.start());
		}
		try {
			List<BufferedReader> outputs = new ArrayList<>();
			for (Process process : processes) {
				BufferedReader output = new BufferedReader(
						new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
				assertThat(output.lines().filter("ready"::equals).findFirst()).isPresent();
				outputs.add(output);
			}
			for (Process process : processes) {
				process.getOutputStream().write('\n');
				process.getOutputStream().flush();
			}
			List<List<String>> places = new ArrayList<>();
			for (BufferedReader output : outputs) {
				places.add(output.lines().filter((line) -> line.contains("@")).toList());
			}
			assertThat(places.get(0)).hasSize(100).isEqualTo(places.get(1));
			assertThat(kept()).hasSize(100);
		}
		finally {
			processes.forEach(Process::destroyForcibly);
		}
	}

	/** A process that waits for a line and then places tenants. */
	public static void main(String[] arguments) throws Exception {
		Sources sources = new Sources().with(main(arguments[1], arguments[2], arguments[3]));
		for (String name : List.of("a", "b", "c")) {
			sources.with(Sources.sqlite(name, Path.of(arguments[0])));
		}
		try (CatalogNode node = new CatalogNode(sources, Duration.ofHours(1), spread(1, "a", "b", "c"))) {
			System.out.println("ready");
			int unused = System.in.read();
			for (int i = 0; i < 100; i++) {
				String tenant = "chat-" + i;
				System.out.println(tenant + "@"
						+ await().atMost(CatalogNode.LONG)
							.ignoreException(SourceUnavailableException.class)
							.until(() -> node.routes.resolve(tenant).name(), (place) -> true));
			}
		}
	}

}
