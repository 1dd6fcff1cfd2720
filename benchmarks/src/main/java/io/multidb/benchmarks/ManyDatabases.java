package io.multidb.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.jspecify.annotations.Nullable;

/**
 * Many databases on one PostgreSQL that has 100 connections: a pool per tenant, the same
 * with PgBouncer in front, and sources that share the server's budget. In rounds, each
 * competitor in a fresh JVM, or in several that share the server.
 */
public final class ManyDatabases {

	private static final String USER = "app";

	private ManyDatabases() {
	}

	/**
	 * Runs the rounds.
	 * @param arguments {@code databases=300}, {@code threads=32}, {@code rates=100,…} in
	 * transactions per second, {@code rounds=3}, {@code seconds=15}, {@code warmup=8},
	 * {@code pool=5}, {@code nodes=1}, {@code bouncer-connections=92},
	 * {@code only=hikari,pgbouncer,multidb}, {@code out=…} for the file the table goes to
	 */
	public static void main(String[] arguments) throws Exception {
		Options options = new Options(arguments);
		List<String> only = List.of(options.text("only", "hikari,pgbouncer,multidb").split(",", -1));
		List<Integer> rates = List.of(options.text("rates", "100").split(",", -1))
			.stream()
			.map(Integer::valueOf)
			.toList();
		int rounds = options.number("rounds", 3);
		Map<String, List<Result>> results = new LinkedHashMap<>();
		try (EmbeddedPostgres postgres = EmbeddedPostgres.builder()
			.setServerConfig("max_connections", "100")
			.setServerConfig("shared_buffers", "256MB")
			.setServerConfig("fsync", "off")
			.start()) {
			prepare(postgres, options.number("databases", 300));
			for (int round = 1; round <= rounds; round++) {
				for (int rate : rates) {
					for (String competitor : only) {
						Result result = turn(postgres, competitor, rate, options);
						if (result != null) {
							results.computeIfAbsent(rate + "/s, " + competitor, (name) -> new ArrayList<>())
								.add(result);
						}
					}
				}
				String report = report(results);
				System.out.println("Round " + round + " of " + rounds + "\n" + report);
				String file = options.text("out", "");
				if (!file.isEmpty()) {
					Files.writeString(Path.of(file), report);
				}
			}
		}
	}

	private static @Nullable Result turn(EmbeddedPostgres postgres, String competitor, int rate, Options options)
			throws IOException, InterruptedException, SQLException {
		awaitNoConnections(postgres);
		if (!competitor.equals("pgbouncer")) {
			return run(competitor, postgres.getPort(), rate, options);
		}
		Process pgbouncer = pgbouncer(postgres.getPort(), options);
		if (pgbouncer == null) {
			return null;
		}
		try {
			return run(competitor, options.number("bouncer-port", 0), rate, options);
		}
		finally {
			pgbouncer.destroy();
			pgbouncer.waitFor(10, TimeUnit.SECONDS);
		}
	}

	/** What the last turn left ends a little later than its process. */
	private static void awaitNoConnections(EmbeddedPostgres postgres) throws SQLException, InterruptedException {
		String url = "jdbc:postgresql://localhost:" + postgres.getPort() + "/postgres";
		try (Connection connection = DriverManager.getConnection(url, "postgres", "");
				Statement statement = connection.createStatement()) {
			boolean none = false;
			while (!none) {
				try (ResultSet row = statement
					.executeQuery("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")) {
					row.next();
					none = row.getInt(1) == 0;
				}
				TimeUnit.MILLISECONDS.sleep(none ? 0 : 50);
			}
		}
	}

	private static void prepare(EmbeddedPostgres postgres, int databases) throws SQLException {
		String url = "jdbc:postgresql://localhost:" + postgres.getPort() + "/";
		try (Connection connection = DriverManager.getConnection(url + "postgres", "postgres", "");
				Statement statement = connection.createStatement()) {
			statement.execute("CREATE ROLE app LOGIN");
			statement.execute("CREATE DATABASE model OWNER app");
			try (Connection model = DriverManager.getConnection(url + "model", USER, "");
					Statement filling = model.createStatement()) {
				filling.execute("CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)");
				filling.execute("INSERT INTO account SELECT i, 0 FROM generate_series(1, 1000) i");
			}
			for (int i = 0; i < databases; i++) {
				statement.execute("CREATE DATABASE d" + i + " TEMPLATE model OWNER app STRATEGY file_copy");
			}
			statement.execute("CHECKPOINT");
		}
	}

	/** PgBouncer in transaction mode; {@code null} if it is not installed. */
	private static @Nullable Process pgbouncer(int postgresPort, Options options) throws IOException {
		int port;
		try (ServerSocket free = new ServerSocket(0)) {
			port = free.getLocalPort();
		}
		Path directory = Files.createTempDirectory("pgbouncer");
		// A user that is not forced on it, as its limit would count for each database.
		Path users = Files.writeString(directory.resolve("users.txt"), "\"app\" \"\"\n");
		Path settings = directory.resolve("pgbouncer.ini");
		Files.writeString(settings, """
				[databases]
				* = host=127.0.0.1 port=%d
				[pgbouncer]
				listen_addr = 127.0.0.1
				listen_port = %d
				unix_socket_dir =
				auth_type = trust
				auth_file = %s
				pool_mode = transaction
				max_client_conn = 10000
				default_pool_size = %d
				max_user_connections = %d
				ignore_startup_parameters = extra_float_digits
				log_connections = 0
				log_disconnections = 0
				log_pooler_errors = 1
				""".formatted(postgresPort, port, users, options.number("pool", 5),
				options.number("bouncer-connections", 92)));
		directory.toFile().setExecutable(true, false);
		directory.toFile().setReadable(true, false);
		settings.toFile().setReadable(true, false);
		users.toFile().setReadable(true, false);
		List<String> command = new ArrayList<>(List.of("pgbouncer"));
		if ("root".equals(System.getProperty("user.name"))) {
			command.addAll(List.of("-u", "nobody"));
		}
		command.add(settings.toString());
		try {
			Process process = new ProcessBuilder(command).redirectErrorStream(true)
				.redirectOutput(directory.resolve("pgbouncer.log").toFile())
				.start();
			options.set("bouncer-port", port);
			return process;
		}
		catch (IOException ex) {
			System.out.println("Without PgBouncer, which is not installed: " + ex.getMessage());
			return null;
		}
	}

	private static Result run(String competitor, int port, int rate, Options options)
			throws IOException, InterruptedException {
		int nodes = options.number("nodes", 1);
		List<Process> processes = new ArrayList<>();
		for (int node = 0; node < nodes; node++) {
			List<String> command = new ArrayList<>(
					List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xms512m", "-Xmx512m",
							"-cp", System.getProperty("java.class.path"), ManyDatabasesLoad.class.getName(),
							"competitor=" + competitor, "port=" + port, "rate=" + rate / nodes, "node=" + node));
			command.addAll(options.all());
			processes.add(new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start());
		}
		List<Result> results = new ArrayList<>();
		for (Process process : processes) {
			try (BufferedReader output = new BufferedReader(
					new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
				String line = output.readLine();
				while (line != null) {
					if (line.startsWith(Result.PREFIX)) {
						results.add(Result.of(line));
					}
					else {
						System.out.println(line);
					}
					line = output.readLine();
				}
			}
			process.waitFor(1, TimeUnit.MINUTES);
		}
		System.out.println(competitor + " at " + rate + "/s: " + results);
		return Result.together(results);
	}

	/** One turn of one competitor; times in milliseconds. */
	record Result(long errors, double share, double p50, double p99, double connection50, double connection99) {

		static final String PREFIX = "RESULT ";

		static Result of(String line) {
			List<Double> parts = List.of(line.substring(PREFIX.length()).split(" ", -1))
				.stream()
				.map(Double::valueOf)
				.toList();
			return new Result(parts.get(0).longValue(), parts.get(1), parts.get(2), parts.get(3), parts.get(4),
					parts.get(5));
		}

		/** Of several nodes, the worst. */
		static Result together(List<Result> nodes) {
			return new Result(nodes.stream().mapToLong(Result::errors).sum(),
					nodes.stream().mapToDouble(Result::share).average().orElse(0),
					nodes.stream().mapToDouble(Result::p50).max().orElse(0),
					nodes.stream().mapToDouble(Result::p99).max().orElse(0),
					nodes.stream().mapToDouble(Result::connection50).max().orElse(0),
					nodes.stream().mapToDouble(Result::connection99).max().orElse(0));
		}

		String line() {
			return PREFIX + String.format(Locale.ROOT, "%d %.4f %.3f %.3f %.3f %.3f", this.errors, this.share, this.p50,
					this.p99, this.connection50, this.connection99);
		}

	}

	private static String report(Map<String, List<Result>> results) {
		StringBuilder text = new StringBuilder("""
				| load, competitor | errors | share | p50 ms | p99 ms | lowest-highest | getConnection p50 | p99 \
				| p50 : PgBouncer | p99 : PgBouncer |
				| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
				""");
		results.forEach((name, its) -> {
			List<Result> bouncer = results.getOrDefault(name.replaceAll(", .*", ", pgbouncer"), List.of());
			List<Double> p50 = new ArrayList<>();
			List<Double> p99 = new ArrayList<>();
			for (int i = 0; i < Math.min(its.size(), bouncer.size()); i++) {
				p50.add(its.get(i).p50() / bouncer.get(i).p50());
				p99.add(its.get(i).p99() / bouncer.get(i).p99());
			}
			List<Double> all99 = its.stream().map(Result::p99).sorted().toList();
			text.append(String.format(Locale.ROOT,
					"| %s | %d | %.1f %% | %.2f | %.1f | %.1f-%.1f | %.2f | %.1f | %.2f | %.2f |%n", name,
					its.stream().mapToLong(Result::errors).sum(),
					100 * median(its.stream().map(Result::share).toList()),
					median(its.stream().map(Result::p50).toList()), median(all99), all99.get(0),
					all99.get(all99.size() - 1), median(its.stream().map(Result::connection50).toList()),
					median(its.stream().map(Result::connection99).toList()), median(p50), median(p99)));
		});
		return text.toString();
	}

	private static double median(List<Double> values) {
		List<Double> sorted = values.stream().sorted(Comparator.naturalOrder()).toList();
		if (sorted.isEmpty()) {
			return Double.NaN;
		}
		int middle = sorted.size() / 2;
		return (sorted.size() % 2 == 1) ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
	}

	/** What was asked for, as {@code name=value}. */
	static final class Options {

		private final Map<String, String> values = new LinkedHashMap<>();

		Options(String[] arguments) {
			for (String argument : arguments) {
				int equals = argument.indexOf('=');
				if (equals < 0) {
					throw new IllegalArgumentException("'" + argument + "' is not name=value");
				}
				this.values.put(argument.substring(0, equals), argument.substring(equals + 1));
			}
		}

		String text(String name, String defaultValue) {
			return this.values.getOrDefault(name, defaultValue);
		}

		int number(String name, int defaultValue) {
			return Integer.parseInt(text(name, Integer.toString(defaultValue)));
		}

		void set(String name, int value) {
			this.values.put(name, Integer.toString(value));
		}

		List<String> all() {
			return this.values.entrySet().stream().map((entry) -> entry.getKey() + "=" + entry.getValue()).toList();
		}

	}

}
