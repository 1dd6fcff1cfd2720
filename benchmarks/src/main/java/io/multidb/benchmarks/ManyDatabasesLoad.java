package io.multidb.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.benchmarks.ManyDatabases.Result;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CallerSession;
import io.multidb.source.PoolLimits;
import io.multidb.source.ServerSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * One turn of one competitor: threads that take transactions from a schedule, which does
 * not wait for them, and run each on a database that is drawn by Zipf's law.
 */
final class ManyDatabasesLoad {

	private static final int CONNECTION_TIMEOUT = 5000;

	private ManyDatabasesLoad() {
	}

	/** How a tenant's connection is had. */
	private interface Tenants extends AutoCloseable {

		void run(int tenant, Transaction transaction) throws SQLException;

		@Override
		void close();

	}

	/** What is done with it. */
	@FunctionalInterface
	private interface Transaction {

		void run(Connections connections) throws SQLException;

	}

	@FunctionalInterface
	private interface Connections {

		Connection get() throws SQLException;

	}

	private static final class Turn {

		private final int threads;

		private final int databases;

		private final double rate;

		private final Tenants tenants;

		private final double[] zipf;

		private final AtomicLong next = new AtomicLong();

		private final AtomicInteger errors = new AtomicInteger();

		private final Map<String, Integer> messages = new ConcurrentHashMap<>();

		private final AtomicInteger done = new AtomicInteger();

		private final long[] transactionNanos;

		private final long[] connectionNanos;

		private final AtomicInteger recorded = new AtomicInteger();

		Turn(Options options, Tenants tenants) {
			this.threads = options.number("threads", 32) / options.number("nodes", 1);
			this.databases = options.number("databases", 300);
			this.rate = options.number("rate", 100);
			this.tenants = tenants;
			this.zipf = new double[this.databases];
			double sum = 0;
			for (int i = 0; i < this.databases; i++) {
				sum += 1.0 / (i + 1);
				this.zipf[i] = sum;
			}
			int most = (int) (this.rate * options.number("seconds", 15)) + 1000;
			this.transactionNanos = new long[most];
			this.connectionNanos = new long[most];
		}

		private int draw(Random random) {
			int found = Arrays.binarySearch(this.zipf, random.nextDouble() * this.zipf[this.databases - 1]);
			return Math.min(this.databases - 1, (found < 0) ? -found - 1 : found);
		}

		/**
		 * Runs the load.
		 * @param seconds how long
		 * @param record whether it counts
		 */
		void run(int seconds, boolean record) throws InterruptedException {
			this.next.set(0);
			this.done.set(0);
			this.errors.set(0);
			long start = System.nanoTime();
			long end = start + TimeUnit.SECONDS.toNanos(seconds);
			List<Thread> running = new ArrayList<>();
			for (int i = 0; i < this.threads; i++) {
				Random random = new Random(i + (record ? 1000 : 0));
				Thread thread = new Thread(() -> work(start, end, random, record), "load-" + i);
				thread.start();
				running.add(thread);
			}
			for (Thread thread : running) {
				thread.join();
			}
		}

		private void work(long start, long end, Random random, boolean record) {
			while (true) {
				long due = start + (long) (this.next.getAndIncrement() * 1e9 / this.rate);
				if (due >= end || System.nanoTime() >= end) {
					return;
				}
				long left = due - System.nanoTime();
				while (left > 0) {
					LockSupport.parkNanos(left);
					left = due - System.nanoTime();
				}
				transaction(draw(random), 1 + random.nextInt(1000), record);
			}
		}

		private void transaction(int tenant, int account, boolean record) {
			long start = System.nanoTime();
			long[] connected = new long[1];
			try {
				this.tenants.run(tenant, (connections) -> {
					try (Connection connection = connections.get()) {
						connected[0] = System.nanoTime();
						transfer(connection, account);
					}
				});
				this.done.incrementAndGet();
				if (record) {
					int index = this.recorded.getAndIncrement();
					if (index < this.transactionNanos.length) {
						this.transactionNanos[index] = System.nanoTime() - start;
						this.connectionNanos[index] = connected[0] - start;
					}
				}
			}
			catch (SQLException | RuntimeException ex) {
				this.errors.incrementAndGet();
				this.messages.merge(String.valueOf(ex.getMessage()).replaceAll("\\d+", "n").replaceAll("'[^']*'", "…"),
						1, Integer::sum);
			}
		}

		private static void transfer(Connection connection, int account) throws SQLException {
			connection.setAutoCommit(false);
			try (PreparedStatement select = connection.prepareStatement("SELECT balance FROM account WHERE id = ?")) {
				select.setInt(1, account);
				try (ResultSet row = select.executeQuery()) {
					row.next();
				}
			}
			try (PreparedStatement update = connection
				.prepareStatement("UPDATE account SET balance = balance + 1 WHERE id = ?")) {
				update.setInt(1, account);
				update.executeUpdate();
			}
			connection.commit();
		}

		Result result(int seconds) {
			int count = Math.min(this.recorded.get(), this.transactionNanos.length);
			return new Result(this.errors.get(), this.done.get() / (this.rate * seconds),
					percentile(this.transactionNanos, count, 0.5), percentile(this.transactionNanos, count, 0.99),
					percentile(this.connectionNanos, count, 0.5), percentile(this.connectionNanos, count, 0.99));
		}

		private static double percentile(long[] nanos, int count, double part) {
			if (count == 0) {
				return Double.NaN;
			}
			long[] sorted = Arrays.copyOf(nanos, count);
			Arrays.sort(sorted);
			return sorted[Math.min(count - 1, (int) (count * part))] / 1e6;
		}

	}

	public static void main(String[] arguments) throws Exception {
		Options options = new Options(arguments);
		int seconds = options.number("seconds", 15);
		try (Tenants tenants = options.text("competitor", "multidb").equals("multidb") ? new MultiDb(options)
				: new PoolPerTenant(options)) {
			Turn turn = new Turn(options, tenants);
			turn.run(options.number("warmup", 8), false);
			turn.messages.clear();
			turn.run(seconds, true);
			turn.messages.forEach((message, count) -> System.out.println("  " + count + " × " + message));
			System.out.println(turn.result(seconds).line());
		}
		Runtime.getRuntime().halt(0);
	}

	private static String url(Options options, int tenant) {
		return "jdbc:postgresql://localhost:" + options.number("port", 5432) + "/d" + tenant;
	}

	/** A HikariCP pool per tenant, made at its first use. */
	private static final class PoolPerTenant implements Tenants {

		private final Options options;

		private final Map<Integer, HikariDataSource> pools = new ConcurrentHashMap<>();

		PoolPerTenant(Options options) {
			this.options = options;
		}

		@Override
		public void run(int tenant, Transaction transaction) throws SQLException {
			transaction.run(this.pools.computeIfAbsent(tenant, this::pool)::getConnection);
		}

		private HikariDataSource pool(int tenant) {
			HikariConfig config = new HikariConfig();
			// Transactions of one connection run on any of the server's.
			boolean behindPgBouncer = this.options.text("competitor", "").equals("pgbouncer");
			config.setJdbcUrl(url(this.options, tenant) + (behindPgBouncer ? "?prepareThreshold=0" : ""));
			config.setUsername("app");
			config.setMaximumPoolSize(this.options.number("pool", 5));
			config.setMinimumIdle(0);
			config.setConnectionTimeout(CONNECTION_TIMEOUT);
			config.setInitializationFailTimeout(-1);
			return new HikariDataSource(config);
		}

		@Override
		public void close() {
			// The process ends.
		}

	}

	private static final class MultiDb implements Tenants {

		private final SourceRegistry registry;

		private final RoutingDataSource router;

		MultiDb(Options options) {
			Map<String, String> hikari = Map.of("maximum-pool-size", Integer.toString(options.number("pool", 5)),
					"connection-timeout", Integer.toString(CONNECTION_TIMEOUT));
			List<SourceDefinition> definitions = new ArrayList<>();
			for (int i = 0; i < options.number("databases", 300); i++) {
				definitions
					.add(SourceDefinition.named("d" + i).url(url(options, i)).username("app").hikari(hikari).build());
			}
			// No limit on pools: what counts is their connections.
			PoolLimits limits = new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ofMinutes(10),
					Duration.ofSeconds(30), Map.of("localhost:" + options.number("port", 5432),
							new ServerSettings(null, null, options.number("nodes", 1))));
			this.registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE, (event) -> {
			}, CallerSession.NONE, limits);
			this.router = new RoutingDataSource(new Routes(List.of(), null, this.registry));
		}

		@Override
		public void run(int tenant, Transaction transaction) throws SQLException {
			try (Scope scope = TenantContext.enter("d" + tenant)) {
				transaction.run(this.router::getConnection);
			}
		}

		@Override
		public void close() {
			this.registry.close();
		}

	}

}
