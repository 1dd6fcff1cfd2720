package io.multidb.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

import com.zaxxer.hikari.HikariDataSource;

import io.multidb.source.CallerSession;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * What many SQLite files cost: to know them, to use one for the first time, to use all of
 * them in turn while only some may be open. {@code benchmarks/sqlite} runs it.
 */
public final class SqliteTenants {

	private static final int OPEN = 200;

	private static final String QUERY = "select name from customer where id = 1";

	private SqliteTenants() {
	}

	/** A way to use the files; the files are numbered. */
	private interface Way extends AutoCloseable {

		Connection connection(int file) throws SQLException;

		/** Ends the use of a connection. */
		default void giveBack(Connection connection) throws SQLException {
			connection.close();
		}

		/** Closes what is open of a file. */
		void forget(int file) throws SQLException;

		@Override
		void close() throws SQLException;

	}

	/**
	 * Runs it.
	 * @param args {@code known}, {@code cold}, {@code turn} or {@code lease}, then
	 * perhaps how many files, and, in a process of its own, a way
	 */
	public static void main(String[] args) throws Exception {
		String what = (args.length > 0) ? args[0] : "";
		int files = (args.length > 1) ? Integer.parseInt(args[1]) : what.equals("cold") ? 1000 : 10_000;
		if (args.length > 2) {
			measure(what, files, args[2], Path.of(args[3]));
			return;
		}
		Path directory = Files.createTempDirectory("sqlite-tenants");
		try {
			switch (what) {
				case "known" -> inTurn(what, files, directory, "multidb", "hikari");
				case "cold" -> {
					make(files, directory);
					inTurn(what, files, directory, "all");
				}
				case "turn" -> {
					make(files, directory);
					inTurn(what, files, directory, "driver", "multidb", "hikari", "driver", "multidb");
				}
				case "lease" -> {
					make(1, directory);
					inTurn(what, 1, directory, "all");
				}
				default -> System.err.println("known, cold, turn or lease?");
			}
		}
		finally {
			delete(directory);
		}
	}

	/** Each in a JVM of its own. */
	private static void inTurn(String what, int files, Path directory, String... ways) throws Exception {
		for (String way : ways) {
			List<String> command = new ArrayList<>(
					List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
							System.getProperty("java.class.path"), "-Xms256m", "-Xmx256m", "-XX:+AlwaysPreTouch"));
			command.addAll(
					List.of(SqliteTenants.class.getName(), what, Integer.toString(files), way, directory.toString()));
			new ProcessBuilder(command).inheritIO().start().waitFor();
		}
	}

	private static void measure(String what, int files, String way, Path directory) throws Exception {
		switch (what) {
			case "known" -> known(files, way, directory);
			case "cold" -> cold(files, directory);
			case "lease" -> lease(directory);
			default -> turn(files, way, directory);
		}
	}

	private static void known(int files, String name, Path directory) throws Exception {
		// What an application has loaded by then.
		way(name, 10, OPEN, directory).close();
		long heap = heap();
		int threads = Thread.activeCount();
		long handles = handles();
		long start = System.nanoTime();
		try (Way way = way(name, files, OPEN, directory)) {
			double took = millis(System.nanoTime() - start);
			System.out.printf(Locale.ROOT, "%-8s %,d known: %.0f ms, %.1f MB heap, %d threads, %d handles%n", name,
					files, took, (heap() - heap) / 1e6, Thread.activeCount() - threads, handles() - handles);
			way.forget(0);
		}
	}

	private static void cold(int files, Path directory) throws Exception {
		List<String> names = List.of("driver", "driver-wal", "hikari", "multidb");
		List<Way> ways = names.stream().map((name) -> way(name, files, Integer.MAX_VALUE, directory)).toList();
		List<Integer> order = new ArrayList<>(List.of(0, 1, 2, 3));
		Random random = new Random(1);
		double[][] times = new double[names.size()][files];
		for (int round = 1; round <= 3; round++) {
			for (int i = 0; i < files; i++) {
				Collections.shuffle(order, random);
				for (int which : order) {
					Way way = ways.get(which);
					long start = System.nanoTime();
					Connection connection = way.connection(i);
					read(connection);
					times[which][i] = millis(System.nanoTime() - start);
					way.giveBack(connection);
					way.forget(i);
					// What one way does in the background must not be counted as
					// another's.
					LockSupport.parkNanos(500_000);
				}
			}
			double driver = percentile(times[0], 50);
			for (int i = 0; i < names.size(); i++) {
				double median = percentile(times[i], 50);
				System.out.printf(Locale.ROOT, "round %d  %-10s first row: p50 %.3f ms, %.2f x driver, p90 %.3f ms%n",
						round, names.get(i), median, median / driver, percentile(times[i], 90));
			}
		}
		for (Way way : ways) {
			way.close();
		}
	}

	/** What an open one costs each time that it is used. */
	private static void lease(Path directory) throws Exception {
		List<String> names = List.of("hikari", "multidb");
		List<Way> ways = names.stream().map((name) -> way(name, 1, OPEN, directory)).toList();
		for (Use use : Use.values()) {
			double[] best = { Double.MAX_VALUE, Double.MAX_VALUE };
			for (int round = 0; round < 20; round++) {
				for (int which = 0; which < ways.size(); which++) {
					long start = System.nanoTime();
					for (int i = 0; i < use.times; i++) {
						use.of(ways.get(which));
					}
					best[which] = Math.min(best[which], (System.nanoTime() - start) / (double) use.times);
				}
			}
			System.out.printf(Locale.ROOT, "%-12s hikari %,.0f ns, multidb %,.0f ns, %.2f x%n", use, best[0], best[1],
					best[1] / best[0]);
		}
		for (Way way : ways) {
			way.close();
		}
	}

	private enum Use {

		LEASE(200_000), QUERY(10_000), TRANSACTION(5_000);

		private final int times;

		Use(int times) {
			this.times = times;
		}

		/** Taken, perhaps read from, perhaps in a transaction, and given back. */
		private void of(Way way) throws SQLException {
			try (Connection connection = way.connection(0)) {
				if (this == TRANSACTION) {
					connection.setReadOnly(false);
					connection.setAutoCommit(false);
				}
				if (this != LEASE) {
					read(connection);
				}
				if (this == TRANSACTION) {
					connection.commit();
					connection.setAutoCommit(true);
				}
			}
		}

	}

	private static void turn(int files, String name, Path directory) throws Exception {
		try (Way way = way(name, files, OPEN, directory)) {
			use(way, 0);
			ManagementFactory.getThreadMXBean().resetPeakThreadCount();
			int threads = ManagementFactory.getThreadMXBean().getThreadCount();
			long rss = rss();
			long peak = 0;
			long start = System.nanoTime();
			long cpu = cpu();
			for (int i = 0; i < files; i++) {
				use(way, i);
				if (i % 100 == 0) {
					peak = Math.max(peak, rss());
				}
			}
			double took = millis(System.nanoTime() - start);
			System.out.printf(Locale.ROOT,
					"%-8s %,d in turn: %.2f s (processor %.2f s), threads %d + %d at rest, + %d at most, %.0f MB RSS more, %d handles%n",
					name, files, took / 1000, (cpu() - cpu) / 1e9, threads,
					ManagementFactory.getThreadMXBean().getThreadCount() - threads,
					ManagementFactory.getThreadMXBean().getPeakThreadCount() - threads, (peak - rss) / 1e3, handles());
		}
	}

	private static void use(Way way, int file) throws SQLException {
		Connection connection = way.connection(file);
		read(connection);
		way.giveBack(connection);
	}

	private static void read(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(QUERY)) {
			if (!rows.next()) {
				throw new IllegalStateException("no row");
			}
		}
	}

	private static Path file(Path directory, int number) {
		return directory.resolve(number + ".db");
	}

	private static String url(Path directory, int number) {
		return "jdbc:sqlite:" + file(directory, number);
	}

	private static void make(int files, Path directory) throws Exception {
		Path first = file(directory, 0);
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + first);
				Statement statement = connection.createStatement()) {
			statement.execute("pragma journal_mode = wal");
			for (String table : List.of("customer", "invoice", "item", "payment")) {
				statement.execute("create table " + table + " (id integer primary key, name text not null)");
				statement.execute("insert into " + table + " values (1, 'one')");
			}
		}
		for (int i = 1; i < files; i++) {
			Files.copy(first, file(directory, i));
		}
	}

	private static Way way(String name, int files, int open, Path directory) {
		return switch (name) {
			case "driver" -> new Bare(open, directory, new Properties());
			case "driver-wal" -> {
				Properties properties = new Properties();
				properties.setProperty("journal_mode", "WAL");
				properties.setProperty("busy_timeout", "5000");
				properties.setProperty("foreign_keys", "true");
				yield new Bare(open, directory, properties);
			}
			case "hikari" -> new Hikari(files, open, directory);
			default -> new MultiDb(files, open, directory);
		};
	}

	/** One connection each. */
	private static final class Bare implements Way {

		private final Path directory;

		private final Properties properties;

		private final LinkedHashMap<Integer, Connection> connections;

		Bare(int open, Path directory, Properties properties) {
			this.directory = directory;
			this.properties = properties;
			this.connections = new Recent<>(open, Connection::close);
		}

		@Override
		public Connection connection(int file) throws SQLException {
			Connection connection = this.connections.get(file);
			if (connection == null) {
				connection = DriverManager.getConnection(url(this.directory, file), this.properties);
				this.connections.put(file, connection);
			}
			return connection;
		}

		@Override
		public void giveBack(Connection connection) {
			// It stays open.
		}

		@Override
		public void forget(int file) throws SQLException {
			Connection connection = this.connections.remove(file);
			if (connection != null) {
				connection.close();
			}
		}

		@Override
		public void close() throws SQLException {
			for (Connection each : this.connections.values()) {
				each.close();
			}
		}

	}

	private static final class Hikari implements Way {

		private final ScheduledThreadPoolExecutor scheduler = new ScheduledThreadPoolExecutor(1);

		private final HikariDataSource[] pools;

		private final Recent<HikariDataSource> open;

		Hikari(int files, int open, Path directory) {
			this.scheduler.setRemoveOnCancelPolicy(true);
			this.open = new Recent<>(open, HikariDataSource::close);
			this.pools = new HikariDataSource[files];
			for (int i = 0; i < files; i++) {
				this.pools[i] = pool(url(directory, i));
			}
		}

		/** Opens nothing until it is used. */
		private HikariDataSource pool(String url) {
			HikariDataSource pool = new HikariDataSource();
			pool.setJdbcUrl(url);
			pool.setMinimumIdle(0);
			pool.setInitializationFailTimeout(-1);
			pool.setScheduledExecutor(this.scheduler);
			return pool;
		}

		@Override
		public Connection connection(int file) throws SQLException {
			HikariDataSource pool = this.pools[file];
			if (pool.isClosed()) {
				pool = pool(pool.getJdbcUrl());
				this.pools[file] = pool;
			}
			this.open.put(file, pool);
			return pool.getConnection();
		}

		@Override
		public void forget(int file) {
			this.pools[file].close();
			this.open.remove(file);
		}

		@Override
		public void close() {
			for (HikariDataSource each : this.pools) {
				each.close();
			}
			this.scheduler.shutdownNow();
		}

	}

	private static final class MultiDb implements Way {

		private final Semaphore closed = new Semaphore(0);

		private final SourceRegistry registry;

		MultiDb(int files, int open, Path directory) {
			List<SourceDefinition> definitions = new ArrayList<>(files);
			for (int i = 0; i < files; i++) {
				definitions.add(SourceDefinition.named("tenant-" + i).url(url(directory, i)).build());
			}
			this.registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE, (event) -> {
				if (event instanceof SourceEvent.Closed) {
					this.closed.release();
				}
			}, CallerSession.NONE, new PoolLimits((open == Integer.MAX_VALUE) ? 0 : open, PoolLimits.WhenFull.WAIT,
					Duration.ofMinutes(10), Duration.ofSeconds(30)));
		}

		@Override
		public Connection connection(int file) throws SQLException {
			return this.registry.get("tenant-" + file).getConnection();
		}

		@Override
		public void forget(int file) {
			if (this.registry.drain("tenant-" + file)) {
				// It is closed in the background, which must not disturb the next one.
				this.closed.acquireUninterruptibly();
			}
		}

		@Override
		public void close() {
			this.registry.close();
		}

	}

	@FunctionalInterface
	private interface Closing<T> {

		void close(T value) throws SQLException;

	}

	/** The least recently used one gives way. */
	private static final class Recent<T> extends LinkedHashMap<Integer, T> {

		private static final long serialVersionUID = 1L;

		private final int most;

		private final transient Closing<T> closing;

		Recent(int most, Closing<T> closing) {
			super(16, 0.75f, true);
			this.most = most;
			this.closing = closing;
		}

		@Override
		protected boolean removeEldestEntry(Map.Entry<Integer, T> eldest) {
			if (size() <= this.most) {
				return false;
			}
			try {
				this.closing.close(eldest.getValue());
			}
			catch (SQLException ex) {
				throw new IllegalStateException(ex);
			}
			return true;
		}

	}

	private static double millis(long nanos) {
		return nanos / 1e6;
	}

	private static double percentile(double[] times, int percent) {
		double[] sorted = times.clone();
		Arrays.sort(sorted);
		return sorted[Math.min(sorted.length - 1, sorted.length * percent / 100)];
	}

	/** Of all threads, in nanoseconds: what else runs on the machine changes it less. */
	private static long cpu() {
		return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toNanos();
	}

	private static long heap() {
		for (int i = 0; i < 4; i++) {
			System.gc();
		}
		return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
	}

	private static long handles() throws IOException {
		try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
			return open.count();
		}
	}

	/** In KB. */
	private static long rss() throws IOException {
		try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
			return lines.filter((line) -> line.startsWith("VmRSS:"))
				.mapToLong((line) -> Long.parseLong(line.replaceAll("\\D", "")))
				.findFirst()
				.orElse(0);
		}
	}

	private static void delete(Path directory) throws IOException {
		try (Stream<Path> all = Files.walk(directory)) {
			all.sorted(Comparator.reverseOrder()).forEach((path) -> {
				try {
					Files.delete(path);
				}
				catch (IOException ex) {
					throw new UncheckedIOException(ex);
				}
			});
		}
	}

}
