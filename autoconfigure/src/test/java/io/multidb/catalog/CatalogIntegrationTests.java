package io.multidb.catalog;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.discovery.ProvidedSources;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CallerSession;
import io.multidb.source.PoolLimits;
import io.multidb.source.Race;
import io.multidb.source.ServerSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.source.TestPgBouncer;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

/**
 * Several nodes with one catalog on PostgreSQL. They poll once an hour, so that whatever
 * they learn they were told.
 */
class CatalogIntegrationTests {

	private static final Duration LONG = Duration.ofSeconds(60);

	private static TestPostgres server;

	private final List<Node> nodes = new ArrayList<>();

	/** One process of the application. */
	private static final class Node {

		final List<CatalogEvent> events = new CopyOnWriteArrayList<>();

		final SourceRegistry registry;

		final ProvidedSources provided;

		final Catalog catalog;

		Node(SourceDefinition main, Duration pollInterval) {
			this(main, pollInterval, PoolLimits.DEFAULT);
		}

		Node(SourceDefinition main, Duration pollInterval, PoolLimits limits) {
			this.registry = new SourceRegistry(List.of(main), List.of(), SourceMigrator.NONE, (event) -> {
			}, CallerSession.NONE, limits);
			CatalogSettings settings = new CatalogSettings("main", "courts_", pollInterval, true,
					new UrlRules(List.of("sqlite"), Map.of(), null),
					new CatalogCredentials(List.of(), (name) -> null, Map.of(), null, true));
			this.catalog = new Catalog(settings, this.registry,
					() -> new RoutingDataSource(new Routes(List.of(), null, this.registry)),
					new LiquibaseMigrator(new DefaultResourceLoader()), this.events::add, this::provided);
			this.provided = new ProvidedSources(this.registry, List.of(this.catalog.provider()));
			this.catalog.start(LONG);
			this.provided.start(LONG);
		}

		private ProvidedSources provided() {
			return this.provided;
		}

		void close() {
			this.catalog.close();
			this.provided.close();
			this.registry.close();
		}

	}

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
		server.run("CREATE DATABASE courts");
	}

	@AfterEach
	void close() throws SQLException {
		this.nodes.forEach(Node::close);
		server.run("DROP DATABASE courts WITH (FORCE)");
	}

	private Node node() {
		return node(Duration.ofHours(1));
	}

	private Node node(Duration pollInterval) {
		Node node = new Node(main().hikari(Map.of("maximum-pool-size", "3")).build(), pollInterval);
		this.nodes.add(node);
		return node;
	}

	private static SourceDefinition.Builder main() {
		return SourceDefinition.named("main")
			.url(server.url("courts"))
			.username(server.username())
			.password(server.password());
	}

	private static CatalogSource.Builder court(String name) {
		return CatalogSource.named(name).url("jdbc:sqlite:/nowhere/" + name + ".db");
	}

	private void foreign(String... statements) throws SQLException {
		try (Connection connection = server.connect("courts")) {
			for (String sql : statements) {
				Sources.execute(connection, sql);
			}
		}
	}

	private int listeners() throws SQLException {
		try (Connection connection = server.connect("postgres")) {
			return Integer.parseInt(Sources.query(connection,
					"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'multidb-catalog'"));
		}
	}

	private int killListeners() throws SQLException {
		try (Connection connection = server.connect("postgres")) {
			return Integer.parseInt(Sources.query(connection,
					"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'multidb-catalog'"));
		}
	}

	@Test
	void everyNodeIsToldOfEveryChange() {
		Node one = node();
		Node two = node();
		assertThat(two.catalog.status().listening()).isTrue();
		one.catalog.save(court("ny").build());
		assertThat(one.registry.find("ny")).as("on its own node when it returns").isNotNull();
		await().until(() -> two.registry.find("ny") != null);
		two.catalog.save(court("ny").url("jdbc:sqlite:/nowhere/moved.db").build());
		await().until(() -> one.registry.get("ny").definition().url().text().endsWith("moved.db"));
		one.catalog.deactivate("ny");
		await().until(() -> two.registry.find("ny") == null);
		two.catalog.remove("ny");
		await().until(() -> one.catalog.find("ny") == null);
	}

	@Test
	void whoeverListensConnectsAsThePoolDoes() throws Exception {
		server.run("CREATE ROLE clerk LOGIN PASSWORD 's3cret'");
		try {
			server.run("ALTER DATABASE courts OWNER TO clerk");
			Node node = new Node(SourceDefinition.named("main")
				.url(server.url("courts"))
				.hikari(Map.of("maximum-pool-size", "3", "data-source-properties.user", "clerk",
						"data-source-properties.password", "s3cret"))
				.build(), Duration.ofHours(1));
			this.nodes.add(node);
			assertThat(node.catalog.status().error()).isNull();
			assertThat(node.catalog.status().listening()).isTrue();
			foreign("INSERT INTO courts_source (name, url) VALUES ('ny', 'jdbc:sqlite:/nowhere/ny.db')");
			await().until(() -> node.registry.find("ny") != null);
			node.close();
			this.nodes.clear();
		}
		finally {
			this.nodes.forEach(Node::close);
			server.run("ALTER DATABASE courts OWNER TO " + server.username());
			try (Connection connection = server.connect("courts")) {
				Sources.execute(connection, "DROP OWNED BY clerk CASCADE");
			}
			server.run("DROP ROLE clerk");
		}
	}

	@Test
	void whatOthersDoWithSqlIsToldToo() throws Exception {
		Node node = node();
		foreign("INSERT INTO courts_source (name, url) SELECT 's' || i, 'jdbc:sqlite:/nowhere/' || i || '.db'"
				+ " FROM generate_series(1, 1000) i");
		await().until(() -> node.registry.sources().size() == 1001);
		foreign("UPDATE courts_source SET active = false WHERE name <> 's1'");
		await().until(() -> node.registry.sources().size() == 2);
		foreign("UPDATE courts_source SET name = 'renamed' WHERE name = 's1'");
		await().until(() -> node.registry.find("renamed") != null && node.registry.find("s1") == null);
		foreign("TRUNCATE courts_source");
		await().until(() -> node.registry.sources().size() == 1);
	}

	@Test
	void aTransactionThatCommitsLateIsNotMissed() throws Exception {
		Node node = node();
		try (Connection late = server.connect("courts"); Connection blocked = server.connect("courts")) {
			late.setAutoCommit(false);
			Sources.execute(late, "INSERT INTO courts_source (name, url) VALUES ('late', 'jdbc:sqlite:/nowhere/l.db')");
			Thread second = new Thread(() -> {
				try {
					Sources.execute(blocked,
							"INSERT INTO courts_source (name, url) VALUES ('second', 'jdbc:sqlite:/nowhere/s.db')");
				}
				catch (SQLException ex) {
					throw new IllegalStateException(ex);
				}
			});
			second.start();
			await().until(() -> {
				try (Connection connection = server.connect("courts")) {
					return !"0".equals(Sources.query(connection,
							"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'courts'"));
				}
			});
			assertThat(node.catalog.all()).isEmpty();
			late.commit();
			second.join();
		}
		await().until(() -> node.registry.find("late") != null && node.registry.find("second") != null);
	}

	@Test
	void whoeverKillsTheConnectionThatListensNothingIsMissed() throws Exception {
		Node one = node();
		Node two = node();
		for (int i = 0; i < 25; i++) {
			int unused = killListeners();
			one.catalog.save(court("s" + i).build());
			if (i % 5 == 4) {
				one.catalog.remove("s" + (i - 1));
			}
		}
		await().atMost(LONG).untilAsserted(() -> assertThat(two.registry.sources()).hasSize(21));
		await().atMost(LONG).untilAsserted(() -> assertThat(one.registry.sources()).hasSize(21));
		await().atMost(LONG).until(() -> listeners() == 2);
	}

	@Test
	void withoutAConnectionThatListensPollingFindsEverything() throws Exception {
		Node one = node(Duration.ofMillis(100));
		Node two = node(Duration.ofMillis(100));
		// No hint from here on, nor an error.
		foreign("DROP TRIGGER courts_tell ON courts_revision");
		foreign("INSERT INTO courts_source (name, url) VALUES ('a', 'jdbc:sqlite:/nowhere/a.db')");
		await().until(() -> one.registry.find("a") != null && two.registry.find("a") != null);
	}

	@Test
	void nodesThatStartTogetherMakeTheTablesOnce() throws Exception {
		List<Object> outcomes = Race.run(4, () -> {
			Node started = new Node(main().build(), Duration.ofHours(1));
			synchronized (this.nodes) {
				this.nodes.add(started);
			}
			return started.catalog.status().error();
		});
		assertThat(outcomes).containsOnlyNulls();
		assertThat(this.nodes).allSatisfy((node) -> assertThat(node.catalog.status().revision()).isZero());
	}

	@Test
	void whenTheServerIsGoneTheLastKnownStateServesOnAndItComesBack() throws Exception {
		Node node = node(Duration.ofMillis(200));
		node.catalog.save(court("ny").build());
		server.run("ALTER DATABASE courts ALLOW_CONNECTIONS false");
		try {
			server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'courts'");
			await().atMost(LONG).until(() -> node.catalog.status().error() != null);
			assertThat(node.registry.find("ny")).isNotNull();
			assertThat(node.catalog.status().listening()).isFalse();
		}
		finally {
			server.run("ALTER DATABASE courts ALLOW_CONNECTIONS true");
		}
		foreign("INSERT INTO courts_source (name, url) VALUES ('ca', 'jdbc:sqlite:/nowhere/ca.db')");
		await().atMost(LONG).until(() -> node.registry.find("ca") != null && node.catalog.status().listening());
		assertThat(node.events).contains(new CatalogEvent.Recovered());
	}

	@Test
	@ExtendWith(OutputCaptureExtension.class)
	void whereSessionsAreGivenToOthersNobodyListensWhichIsSaidOnce(CapturedOutput output) throws Exception {
		assumeTrue(TestPgBouncer.isThere());
		try (TestPgBouncer bouncer = bouncer("transaction")) {
			Node node = new Node(main().url(bouncer.url("courts")).build(), Duration.ofMillis(100));
			this.nodes.add(node);
			assertThat(node.catalog.status().listening()).isFalse();
			for (String name : List.of("ca", "ny", "tx")) {
				node().catalog.save(court(name).build());
				await().atMost(LONG).until(() -> node.registry.find(name) != null);
			}
			assertThat(output.getOut().split("no connection that listens for changes", -1)).hasSize(2);
			assertThat(output).contains("Source 'main' listens for changes, and goes through a proxy such as PgBouncer")
				.contains("session-pooling' to true");
			close(node);
		}
	}

	@Test
	void whereAProxyLeavesEachConnectionItsSessionItIsListenedTo() throws Exception {
		assumeTrue(TestPgBouncer.isThere());
		try (TestPgBouncer bouncer = bouncer("session")) {
			PoolLimits limits = new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(1),
					Map.of("pooled", new ServerSettings(null, null, 1, 0, true)));
			Node node = new Node(main().url(bouncer.url("courts")).server("pooled").build(), Duration.ofHours(1),
					limits);
			this.nodes.add(node);
			assertThat(node.catalog.status().listening()).isTrue();
			node().catalog.save(court("ca").build());
			await().atMost(LONG).until(() -> node.registry.find("ca") != null);
			close(node);
		}
	}

	private static TestPgBouncer bouncer(String poolMode) throws IOException {
		return TestPgBouncer.start(server, poolMode, "server_login_retry = 0",
				"ignore_startup_parameters = extra_float_digits");
	}

	private void close(Node node) {
		this.nodes.remove(node);
		node.close();
	}

	@Test
	void afterwardsNobodyListens() throws Exception {
		Node node = node();
		assertThat(listeners()).isEqualTo(1);
		node.close();
		await().until(() -> listeners() == 0);
		assertThat(Sources.threads("multidb-catalog")).isEmpty();
	}

}
