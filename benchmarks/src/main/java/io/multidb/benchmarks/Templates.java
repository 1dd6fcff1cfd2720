package io.multidb.benchmarks;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import liquibase.UpdateSummaryEnum;
import liquibase.integration.spring.SpringLiquibase;

import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.util.FileSystemUtils;

import io.multidb.migration.LiquibaseMigrator;
import io.multidb.migration.StartupMigration;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.NamePattern;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

/**
 * New tenants of a template with twenty change sets, and a start with many databases that
 * are up to date: beside Liquibase for each, and beside the least that can be done. In
 * each round everybody has a turn; what counts is the median of the rounds.
 */
public final class Templates {

	private static final String CHANGE_LOG = "classpath:db/twenty.sql";

	/** Liquibase takes too long to have as many as the others. */
	private static final int LIQUIBASE_TURN = 5;

	private final Map<String, List<Double>> millis = new LinkedHashMap<>();

	private final int databases;

	private final int rounds;

	private int made;

	private Templates(int databases, int rounds) {
		this.databases = databases;
		this.rounds = rounds;
	}

	/**
	 * Runs it.
	 * @param arguments {@code new} and {@code start} for what is measured, {@code sqlite}
	 * and {@code postgresql} for where, {@code databases=1000}, {@code rounds=10}
	 */
	public static void main(String[] arguments) throws Exception {
		List<String> words = List.of(arguments);
		for (String product : List.of("sqlite", "postgresql")) {
			for (String what : List.of("new", "start")) {
				if (words.contains(product) && words.contains(what)) {
					int databases = Integer.parseInt(option(arguments, "databases", "1000"));
					Templates templates = new Templates(databases, Integer.parseInt(option(arguments, "rounds", "10")));
					templates.run(product, what);
					templates.print(what + ", " + product + ", " + databases + " databases, ms for each");
				}
			}
		}
	}

	private static String option(String[] arguments, String name, String otherwise) {
		return Arrays.stream(arguments)
			.filter((argument) -> argument.startsWith(name + "="))
			.map((argument) -> argument.substring(name.length() + 1))
			.findFirst()
			.orElse(otherwise);
	}

	private void run(String product, String what) throws Exception {
		Path directory = Files.createTempDirectory("multidb-benchmark-");
		try {
			if (product.equals("sqlite")) {
				run(what, new SqliteFiles(directory));
				return;
			}
			try (EmbeddedPostgres server = EmbeddedPostgres.builder()
				.setServerConfig("fsync", "on")
				.setServerConfig("synchronous_commit", "on")
				.start()) {
				PostgresDatabases databases = new PostgresDatabases(server.getPort());
				run(what, databases);
				// It is given five seconds to stop.
				databases.execute("CHECKPOINT");
			}
		}
		finally {
			FileSystemUtils.deleteRecursively(directory);
		}
	}

	private void run(String what, Databases product) throws Exception {
		if (what.equals("new")) {
			newTenants(product);
		}
		else {
			start(product);
		}
	}

	/** What {@code copy} leaves out: the name is there after a power cut, too. */
	private static void flush(Path directory) throws IOException {
		try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
			channel.force(true);
		}
	}

	/** What differs between products. */
	private interface Databases {

		String url(String name);

		void createEmpty(String name) throws Exception;

		/** The least that makes a database out of another one. */
		void copy(String from, String to) throws Exception;

		List<SourceDefinition> maintenance();

	}

	private record SqliteFiles(Path directory) implements Databases {

		@Override
		public String url(String name) {
			return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
		}

		@Override
		public void createEmpty(String name) {
		}

		@Override
		public void copy(String from, String to) throws IOException {
			Path temporary = this.directory.resolve(to + ".tmp");
			Files.copy(this.directory.resolve(from + ".db"), temporary);
			try (FileChannel file = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
				file.force(true);
			}
			Files.move(temporary, this.directory.resolve(to + ".db"), StandardCopyOption.ATOMIC_MOVE);
		}

		@Override
		public List<SourceDefinition> maintenance() {
			return List.of();
		}

	}

	private record PostgresDatabases(int port) implements Databases {

		@Override
		public String url(String name) {
			return "jdbc:postgresql://localhost:" + this.port + "/" + name + "?user=postgres";
		}

		@Override
		public void createEmpty(String name) throws SQLException {
			execute("CREATE DATABASE \"" + name + "\"");
		}

		@Override
		public void copy(String from, String to) throws SQLException {
			execute("CREATE DATABASE \"" + to + "\" TEMPLATE \"" + from + "\" STRATEGY wal_log");
		}

		private void execute(String sql) throws SQLException {
			try (Connection connection = DriverManager.getConnection(url("postgres"));
					Statement statement = connection.createStatement()) {
				statement.execute(sql);
			}
		}

		@Override
		public List<SourceDefinition> maintenance() {
			return List.of(SourceDefinition.named("server").url(url("postgres")).build());
		}

	}

	private interface Turn {

		void run(int number) throws Exception;

	}

	private void turn(String name, int times, Turn turn) throws Exception {
		long start = System.nanoTime();
		for (int i = 0; i < times; i++) {
			turn.run(this.made++);
		}
		this.millis.computeIfAbsent(name, (key) -> new ArrayList<>()).add((System.nanoTime() - start) / 1e6 / times);
	}

	private void newTenants(Databases product) throws Exception {
		product.createEmpty("model");
		migrate(product, "model");
		int each = this.databases / this.rounds;
		SourceTemplate template = new SourceTemplate(NamePattern.of("t-{id}"),
				SourceDefinition.named("t")
					.url(product.url("{id}"))
					.liquibase(LiquibaseSettings.of(CHANGE_LOG))
					.build(),
				CreatePolicy.EXPLICIT, product.maintenance().isEmpty() ? null : "server");
		try (SourceRegistry registry = new SourceRegistry(product.maintenance(), List.of(template),
				new LiquibaseMigrator(new DefaultResourceLoader()), (event) -> {
				})) {
			turn("multidb, the first", 1, (number) -> registry.create("t-first"));
			for (int round = 0; round < this.rounds; round++) {
				turn("liquibase", Math.min(each, LIQUIBASE_TURN), (number) -> {
					product.createEmpty("liquibase" + number);
					migrate(product, "liquibase" + number);
				});
				turn("bare copy", each, (number) -> product.copy("model", "bare" + number));
				if (product instanceof SqliteFiles files) {
					turn("bare copy, directory flushed", each, (number) -> {
						product.copy("model", "flushed" + number);
						flush(files.directory());
					});
				}
				turn("multidb", each, (number) -> registry.create("t-" + number));
			}
		}
	}

	private void start(Databases product) throws Exception {
		product.createEmpty("model");
		migrate(product, "model");
		List<SourceDefinition> definitions = new ArrayList<>();
		for (int i = 0; i < this.databases; i++) {
			product.copy("model", "s" + i);
			definitions.add(SourceDefinition.named("s" + i)
				.url(product.url("s" + i))
				.liquibase(LiquibaseSettings.of(CHANGE_LOG))
				.build());
		}
		for (int round = 0; round < this.rounds; round++) {
			turn("liquibase", Math.min(this.databases, LIQUIBASE_TURN), (number) -> migrate(product, "s" + number));
			long start = System.nanoTime();
			try (SourceRegistry registry = new SourceRegistry(definitions, List.of(),
					new LiquibaseMigrator(new DefaultResourceLoader()), (event) -> {
					})) {
				RoutingDataSource router = new RoutingDataSource(new Routes(List.of(), null, registry));
				StartupMigration migration = new StartupMigration(registry, router, 4, Duration.ofMinutes(10), true);
				migration.afterPropertiesSet();
				this.millis.computeIfAbsent("multidb", (key) -> new ArrayList<>())
					.add((System.nanoTime() - start) / 1e6 / this.databases);
				migration.destroy();
			}
		}
	}

	private static void migrate(Databases product, String name) throws Exception {
		SpringLiquibase liquibase = new SpringLiquibase();
		liquibase.setResourceLoader(new DefaultResourceLoader());
		liquibase.setDataSource(new DriverManagerDataSource(product.url(name)));
		liquibase.setChangeLog(CHANGE_LOG);
		liquibase.setShowSummary(UpdateSummaryEnum.OFF);
		liquibase.setAnalyticsEnabled(false);
		liquibase.afterPropertiesSet();
	}

	private void print(String title) {
		System.out.println(title + ":");
		double bare = median(this.millis.getOrDefault("bare copy", List.of(Double.NaN)));
		this.millis.forEach((name,
				all) -> System.out.println(String.format(Locale.ROOT, "| %s | %.2f | %.2f-%.2f | %.2f |", name,
						median(all), all.stream().min(Double::compare).orElse(0.0),
						all.stream().max(Double::compare).orElse(0.0), median(all) / bare)));
	}

	private static double median(List<Double> all) {
		List<Double> sorted = all.stream().sorted().toList();
		return sorted.get(sorted.size() / 2);
	}

}
