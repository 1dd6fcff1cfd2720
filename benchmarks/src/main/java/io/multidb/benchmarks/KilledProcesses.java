package io.multidb.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;

import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.util.FileSystemUtils;

import io.multidb.MultiDbException;
import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.source.CallerSession;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.NamePattern;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

/**
 * Processes that are killed (SIGKILL) at any moment while they make databases, migrate
 * one, or replace a source under load: what is found afterwards, and whether the next
 * process can go on. Part of {@code benchmarks/run faults}.
 */
public final class KilledProcesses {

	private static final int TABLES = 20;

	/** Held, so that it stays as quiet as it is told to be. */
	private static final Logger LIQUIBASE = Logger.getLogger("liquibase");

	private final Path directory;

	private final String url;

	private final String maintenance;

	private KilledProcesses(Path directory, String url, String maintenance) {
		this.directory = directory;
		this.url = url;
		this.maintenance = maintenance;
	}

	/**
	 * Runs it.
	 * @param arguments {@code kills=5} of each kind; in a process of its own, what to do,
	 * and the URLs
	 */
	public static void main(String[] arguments) throws Exception {
		LIQUIBASE.setLevel(Level.OFF);
		if (arguments.length == 4) {
			new KilledProcesses(Path.of(arguments[1]), arguments[2], arguments[3]).work(arguments[0]);
			return;
		}
		int kills = new Options(arguments).number("kills", 5);
		System.out.println("""

				| killed (SIGKILL) | times | databases found complete | half | next process ms, median, at most |
				| --- | ---: | ---: | ---: | ---: |""");
		Path directory = Files.createTempDirectory("killed");
		try (MortalPostgres postgres = MortalPostgres.start()) {
			KilledProcesses files = new KilledProcesses(directory, "jdbc:sqlite:" + directory.resolve("{id}.db"), "");
			KilledProcesses databases = new KilledProcesses(directory, postgres.url("{id}"), postgres.url("postgres"));
			files.kill("create", "SQLite", kills);
			databases.kill("create", "PostgreSQL", kills);
			files.kill("migrate", "SQLite", kills);
			databases.kill("migrate", "PostgreSQL", kills);
			files.kill("replace", "SQLite", kills);
		}
		finally {
			FileSystemUtils.deleteRecursively(directory);
		}
	}

	private SourceDefinition.Builder definition(String name, String id) {
		return SourceDefinition.named(name)
			.url(this.url.replace("{id}", id))
			.username(this.maintenance.isEmpty() ? null : MortalPostgres.USER)
			.liquibase(LiquibaseSettings.of("classpath:db/twenty.sql"));
	}

	private SourceRegistry registry(boolean copied, SourceDefinition... more) {
		List<SourceDefinition> definitions = new ArrayList<>(List.of(more));
		if (!this.maintenance.isEmpty()) {
			definitions
				.add(SourceDefinition.named("server").url(this.maintenance).username(MortalPostgres.USER).build());
		}
		SourceTemplate template = new SourceTemplate(NamePattern.of("tenant-{id}"),
				definition("tenant", "made_{id}").copied(copied).build(), CreatePolicy.EXPLICIT,
				this.maintenance.isEmpty() ? null : "server");
		return new SourceRegistry(definitions, List.of(template), new LiquibaseMigrator(new DefaultResourceLoader()),
				(event) -> {
				}, CallerSession.NONE, PoolLimits.DEFAULT);
	}

	/** What the process that is killed does. */
	private void work(String what) throws Exception {
		int number = Integer.parseInt(what.replaceAll("\\D", ""));
		boolean copied = number % 2 == 0;
		SourceDefinition declared = definition("main", what.replaceAll("\\d", "") + "_" + number).build();
		SourceDefinition other = definition("main", "other_" + number).build();
		try (SourceRegistry registry = registry(copied, declared)) {
			if (what.startsWith("replace")) {
				registry.prepare("main");
			}
			System.out.println("ready");
			if (what.startsWith("create")) {
				for (int i = 0; i < 10_000; i++) {
					registry.create("tenant-" + number + "-" + i);
				}
			}
			else if (what.startsWith("migrate")) {
				registry.prepare("main");
				TimeUnit.MINUTES.sleep(1);
			}
			else {
				for (int i = 0; i < 10_000; i++) {
					registry.replace((i % 2 == 0) ? other : declared);
					try (Connection connection = registry.get("main").getConnection();
							Statement statement = connection.createStatement()) {
						statement.execute("insert into t1 (name) values ('" + "x".repeat(100) + "')");
					}
				}
			}
		}
	}

	private void kill(String what, String product, int times) throws Exception {
		int complete = 0;
		int half = 0;
		List<Double> took = new ArrayList<>();
		String failure = "";
		Random random = new Random(7);
		for (int i = 0; i < times; i++) {
			if (what.equals("migrate") && !this.maintenance.isEmpty()) {
				makeEmpty(what + "_" + i);
			}
			Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
					"-cp", System.getProperty("java.class.path"), KilledProcesses.class.getName(), what + i,
					this.directory.toString(), this.url, this.maintenance)
				.redirectError(ProcessBuilder.Redirect.INHERIT)
				.start();
			try (BufferedReader output = new BufferedReader(
					new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
				String line = output.readLine();
				while (line != null && !line.equals("ready")) {
					line = output.readLine();
				}
				if (what.equals("migrate")) {
					awaitFirstTable(what + "_" + i);
				}
				TimeUnit.MILLISECONDS.sleep(random.nextInt(what.equals("migrate") ? 150 : 3000));
				process.destroyForcibly().waitFor();
			}
			long start = System.nanoTime();
			try {
				goOn(what, i);
			}
			catch (MultiDbException | SQLException ex) {
				failure = " **" + ex.getMessage() + "**";
			}
			took.add((System.nanoTime() - start) / 1e6);
			for (String database : databases((what.equals("create") ? "made_" : what + "_") + i)) {
				if (tables(database) == TABLES) {
					complete++;
				}
				else {
					half++;
				}
			}
		}
		System.out.printf(Locale.ROOT, "| %s, %s | %d | %d | %d | %.0f, %.0f%s |%n", what, product, times, complete,
				half, took.stream().sorted().toList().get((times - 1) / 2),
				took.stream().max(Double::compare).orElse(0.0), failure);
	}

	/** As the next process does; not in this one, so that nothing is remembered. */
	private void goOn(String what, int number) throws SQLException {
		SourceDefinition declared = definition("main", what + "_" + number).build();
		try (SourceRegistry registry = registry(true, declared)) {
			String source = "main";
			if (what.equals("create")) {
				source = "tenant-" + number + "-next";
				registry.create(source);
			}
			try (Connection connection = registry.get(source).getConnection();
					Statement statement = connection.createStatement()) {
				statement.execute("insert into t20 (id, name) values (1, 'y')");
			}
		}
	}

	private void makeEmpty(String database) throws SQLException {
		try (Connection connection = DriverManager.getConnection(this.maintenance, MortalPostgres.USER, "");
				Statement statement = connection.createStatement()) {
			statement.execute("CREATE DATABASE " + database);
		}
	}

	private void awaitFirstTable(String id) throws InterruptedException, SQLException {
		long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
		while (System.nanoTime() < end && (databases(id).isEmpty() || tables(id) == 0)) {
			TimeUnit.MILLISECONDS.sleep(2);
		}
	}

	private List<String> databases(String prefix) throws SQLException {
		List<String> found = new ArrayList<>();
		if (this.maintenance.isEmpty()) {
			try (Stream<Path> files = Files.list(this.directory)) {
				files.map((file) -> file.getFileName().toString())
					.filter((name) -> name.startsWith(prefix) && name.endsWith(".db"))
					.forEach((name) -> found.add(name.replace(".db", "")));
			}
			catch (IOException ex) {
				throw new IllegalStateException(ex);
			}
			return found;
		}
		try (Connection connection = DriverManager.getConnection(this.maintenance, MortalPostgres.USER, "");
				Statement statement = connection.createStatement();
				ResultSet rows = statement.executeQuery("SELECT datname FROM pg_database")) {
			while (rows.next()) {
				if (rows.getString(1).startsWith(prefix)) {
					found.add(rows.getString(1));
				}
			}
		}
		return found;
	}

	private int tables(String id) throws SQLException {
		String sql = this.maintenance.isEmpty() ? "select count(*) from sqlite_master where name glob 't[0-9]*_name'"
				: "SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]+$'";
		try (Connection connection = DriverManager.getConnection(this.url.replace("{id}", id), MortalPostgres.USER, "");
				Statement statement = connection.createStatement();
				ResultSet row = statement.executeQuery(sql)) {
			row.next();
			return row.getInt(1);
		}
	}

}
