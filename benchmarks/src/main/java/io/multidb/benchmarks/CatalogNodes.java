package io.multidb.benchmarks;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogCredentials;
import io.multidb.catalog.CatalogSettings;
import io.multidb.catalog.UrlRules;
import io.multidb.discovery.ProvidedSources;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * A catalog of many sources on PostgreSQL, followed by several nodes: how long a start
 * takes and what it keeps in memory, and how long one change takes until a node has it,
 * while connections that listen are killed now and then. The nodes poll once an hour, so
 * that what they learn they were told. {@code benchmarks/run catalog} runs it; it fails
 * if a node misses a change.
 */
public final class CatalogNodes {

	private static final Duration LONG = Duration.ofMinutes(2);

	private static final String USER = "postgres";

	private final String url;

	private final List<Node> nodes = new ArrayList<>();

	private CatalogNodes(String url) {
		this.url = url;
	}

	/** Runs it: {@code [sources=100000] [nodes=8] [changes=500] [kill=0,1000]}. */
	public static void main(String[] args) throws Exception {
		Options options = new Options(args);
		int sources = options.number("sources", 100_000);
		int changes = options.number("changes", 500);
		int count = options.number("nodes", 8);
		try (EmbeddedPostgres server = EmbeddedPostgres.builder().setPGStartupWait(Duration.ofMinutes(2)).start()) {
			String url = "jdbc:postgresql://localhost:" + server.getPort() + "/postgres";
			CatalogNodes run = new CatalogNodes(url);
			try {
				run.fill(sources);
				run.start(count);
				System.out.println("| Connections killed | Changes | p50 ms | p99 ms | p99.9 ms | longest ms |");
				System.out.println("| --- | ---: | ---: | ---: | ---: | ---: |");
				for (String pause : options.text("kill", "0,1000,200").split(",", -1)) {
					run.change(changes, Integer.parseInt(pause));
				}
			}
			finally {
				run.nodes.forEach(Node::close);
			}
		}
	}

	/** One process of an application. */
	private static final class Node {

		/** When a source was added, by System.nanoTime(). */
		private final Map<String, Long> added = new ConcurrentHashMap<>();

		private volatile boolean watching;

		private final SourceRegistry registry;

		private final ProvidedSources provided;

		private final Catalog catalog;

		Node(String url) {
			this.registry = new SourceRegistry(List.of(SourceDefinition.named("main")
				.url(url)
				.username(USER)
				.hikari(Map.of("maximum-pool-size", "2"))
				.build()), List.of(), SourceMigrator.NONE, this::on);
			CatalogSettings settings = new CatalogSettings("main", "multidb_", Duration.ofHours(1), false,
					new UrlRules(List.of("postgresql"), Map.of(), null),
					new CatalogCredentials(List.of(), (name) -> null, Map.of(), null, true));
			this.catalog = new Catalog(settings, this.registry,
					() -> new RoutingDataSource(new Routes(List.of(), null, this.registry)),
					new LiquibaseMigrator(new DefaultResourceLoader()), (event) -> {
					}, this::provided);
			this.provided = new ProvidedSources(this.registry, List.of(this.catalog.provider()));
		}

		private ProvidedSources provided() {
			return this.provided;
		}

		private void on(SourceEvent event) {
			if (this.watching && event instanceof SourceEvent.Added) {
				this.added.put(event.source(), System.nanoTime());
			}
		}

		void start() {
			this.catalog.start(LONG);
			this.provided.start(LONG);
			this.watching = true;
		}

		void close() {
			this.catalog.close();
			this.provided.close();
			this.registry.close();
		}

	}

	private Connection connect() throws SQLException {
		return DriverManager.getConnection(this.url, USER, "");
	}

	/** The first node makes the tables; the rows are added when it has ended. */
	private void fill(int sources) throws SQLException {
		Node first = new Node(this.url);
		first.start();
		first.close();
		try (Connection connection = connect(); Statement statement = connection.createStatement()) {
			statement.execute("INSERT INTO multidb_source (name, display_name, url, username, password, type,"
					+ " jurisdiction, attributes) SELECT 'court_' || i, 'Court number ' || i, 'jdbc:postgresql://db'"
					+ " || i % 100 || '.example/court_' || i, 'court_' || i, 'secret' || i, 'appeals', 'NY',"
					+ " '{\"since\": \"1847\"}' FROM generate_series(1, " + sources + ") i");
			statement.execute("VACUUM ANALYZE multidb_source");
		}
	}

	private void start(int count) throws Exception {
		for (int i = 0; i < count; i++) {
			long heap = Resources.now().heap();
			long begin = System.nanoTime();
			Node node = new Node(this.url);
			this.nodes.add(node);
			node.start();
			long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
			System.out.printf(Locale.ROOT, "node %d: %d sources after %d ms, %.0f MB%n", i + 1,
					node.registry.sources().size(), took, (Resources.now().heap() - heap) / 1e6);
		}
		System.out.println();
	}

	private void change(int changes, int pause) throws Exception {
		AtomicBoolean ended = new AtomicBoolean();
		int[] killed = new int[1];
		Thread killer = new Thread(() -> kill(pause, ended, killed), "killer");
		if (pause > 0) {
			killer.start();
		}
		String prefix = "k" + pause + "_";
		long[] begun = new long[changes];
		try (Connection connection = connect();
				PreparedStatement insert = connection
					.prepareStatement("INSERT INTO multidb_source (name, url) VALUES (?, ?)")) {
			for (int i = 0; i < changes; i++) {
				insert.setString(1, prefix + i);
				insert.setString(2, "jdbc:postgresql://db/" + prefix + i);
				begun[i] = System.nanoTime();
				insert.executeUpdate();
				TimeUnit.MILLISECONDS.sleep(20);
			}
		}
		ended.set(true);
		if (pause > 0) {
			killer.join();
		}
		long[] took = new long[changes * this.nodes.size()];
		int next = 0;
		for (Node node : this.nodes) {
			for (int i = 0; i < changes; i++) {
				took[next++] = arrived(node, prefix + i) - begun[i];
			}
		}
		Arrays.sort(took);
		System.out.printf(Locale.ROOT, "| %s | %d on %d nodes | %.1f | %.1f | %.1f | %.1f |%n",
				(pause > 0) ? killed[0] + ", one every " + pause + " ms" : "none", changes, this.nodes.size(),
				took[took.length / 2] / 1e6, took[took.length * 99 / 100] / 1e6,
				took[(int) (took.length * 999L / 1000)] / 1e6, took[took.length - 1] / 1e6);
	}

	private static long arrived(Node node, String source) throws InterruptedException {
		long deadline = System.nanoTime() + LONG.toNanos();
		while (System.nanoTime() < deadline) {
			Long at = node.added.get(source);
			if (at != null) {
				return at;
			}
			TimeUnit.MILLISECONDS.sleep(5);
		}
		throw new IllegalStateException("A node has missed '" + source + "'");
	}

	/** Ends one connection that listens, each time that of another node. */
	private void kill(int pause, AtomicBoolean ended, int[] killed) {
		try (Connection connection = connect(); Statement statement = connection.createStatement()) {
			while (!ended.get()) {
				TimeUnit.MILLISECONDS.sleep(pause);
				statement.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
						+ " WHERE application_name = 'multidb-catalog' ORDER BY random() LIMIT 1");
				killed[0]++;
			}
		}
		catch (SQLException | InterruptedException ex) {
			throw new IllegalStateException(ex);
		}
	}

}
