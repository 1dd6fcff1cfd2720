package io.multidb.benchmarks;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;

import org.springframework.util.FileSystemUtils;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CallerSession;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * Sources that are replaced, removed and added again, drained and evicted, while threads
 * work on them all the time: which requests fail, which lose their connection, and what
 * is left afterwards. {@code benchmarks/run changes} runs it; it fails if there is any.
 */
public final class Changes {

	private static final int TENANTS = 8;

	/** Used only to have others give way. */
	private static final int INTRUDERS = 4;

	/**
	 * Fewer than there are, so that the least recently used one gives way all the time.
	 */
	private static final int MAX_OPEN = 9;

	private static final String USER = "postgres";

	private final String product;

	private final List<String> urls;

	private final int times;

	private final SourceRegistry registry;

	private final RoutingDataSource router;

	private final Map<String, AtomicInteger> events = new ConcurrentHashMap<>();

	/** Odd while a tenant is removed. */
	private final AtomicIntegerArray epochs = new AtomicIntegerArray(TENANTS);

	private final AtomicBoolean ended = new AtomicBoolean();

	private final AtomicLong requests = new AtomicLong();

	private final AtomicLong refused = new AtomicLong();

	private final AtomicLong failed = new AtomicLong();

	private final AtomicLong cut = new AtomicLong();

	private final Map<String, AtomicInteger> failures = new ConcurrentHashMap<>();

	private final long[] nanos = new long[1 << 20];

	/**
	 * Creates it.
	 * @param urls two of each tenant and intruder, by turns
	 */
	private Changes(String product, List<String> urls, int times) {
		this.product = product;
		this.urls = urls;
		this.times = times;
		List<SourceDefinition> definitions = new ArrayList<>();
		for (int i = 0; i < TENANTS + INTRUDERS; i++) {
			definitions.add(definition(i, 0));
		}
		this.registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE,
				(event) -> this.events.computeIfAbsent(event.getClass().getSimpleName(), (name) -> new AtomicInteger())
					.incrementAndGet(),
				CallerSession.NONE,
				new PoolLimits(MAX_OPEN, PoolLimits.WhenFull.WAIT, Duration.ofMinutes(10), Duration.ofSeconds(30)));
		this.router = new RoutingDataSource(new Routes(List.of(), null, this.registry));
	}

	private SourceDefinition definition(int tenant, int which) {
		return SourceDefinition.named("t" + tenant)
			.url(this.urls.get(2 * tenant + which % 2))
			.username(USER)
			.hikari(Map.of("maximum-pool-size", "4"))
			.build();
	}

	/**
	 * Runs it.
	 * @param arguments {@code times=10000} changes of each kind on SQLite files,
	 * {@code postgresql=2000} on PostgreSQL, {@code threads=8},
	 * {@code only=sqlite,postgresql}
	 */
	public static void main(String[] arguments) throws Exception {
		Options options = new Options(arguments);
		int threads = options.number("threads", 8);
		String only = options.text("only", "sqlite,postgresql");
		boolean good = true;
		if (only.contains("sqlite")) {
			Path directory = Files.createTempDirectory("changes");
			try {
				List<String> urls = files(directory);
				good = new Changes("SQLite", urls, options.number("times", 10_000)).run(threads, () -> 0);
			}
			finally {
				FileSystemUtils.deleteRecursively(directory);
			}
		}
		if (only.contains("postgresql")) {
			try (EmbeddedPostgres postgres = EmbeddedPostgres.builder().setServerConfig("fsync", "off").start()) {
				List<String> urls = databases(postgres);
				good &= new Changes("PostgreSQL", urls, options.number("postgresql", 2000)).run(threads,
						() -> backends(postgres));
			}
		}
		System.exit(good ? 0 : 1);
	}

	private static List<String> files(Path directory) throws SQLException {
		List<String> urls = new ArrayList<>();
		for (int i = 0; i < 2 * (TENANTS + INTRUDERS); i++) {
			urls.add("jdbc:sqlite:" + directory.resolve(i + ".db"));
			fill(urls.get(i), i / 2);
		}
		return urls;
	}

	private static List<String> databases(EmbeddedPostgres postgres) throws SQLException {
		List<String> urls = new ArrayList<>();
		try (Connection connection = DriverManager.getConnection(url(postgres, "postgres"), USER, "");
				Statement statement = connection.createStatement()) {
			for (int i = 0; i < 2 * (TENANTS + INTRUDERS); i++) {
				statement.execute("CREATE DATABASE d" + i);
				urls.add(url(postgres, "d" + i));
				fill(urls.get(i), i / 2);
			}
		}
		return urls;
	}

	private static String url(EmbeddedPostgres postgres, String database) {
		return "jdbc:postgresql://localhost:" + postgres.getPort() + "/" + database;
	}

	/** Each says whose it is. */
	private static void fill(String url, int tenant) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url, USER, "");
				Statement statement = connection.createStatement()) {
			statement.execute("create table account (id integer primary key, tenant integer, balance integer)");
			for (int i = 0; i < 100; i++) {
				statement.execute("insert into account values (" + i + ", " + tenant + ", 0)");
			}
		}
	}

	private static int backends(EmbeddedPostgres postgres) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url(postgres, "postgres"), USER, "");
				Statement statement = connection.createStatement();
				ResultSet row = statement.executeQuery("SELECT count(*) FROM pg_stat_activity"
						+ " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")) {
			row.next();
			return row.getInt(1);
		}
	}

	@FunctionalInterface
	private interface Backends {

		int count() throws SQLException;

	}

	private boolean run(int threads, Backends backends) throws Exception {
		int backendsBefore = backends.count();
		Resources before = Resources.now();
		CountDownLatch worked = new CountDownLatch(threads);
		CountDownLatch looked = new CountDownLatch(1);
		for (int i = 0; i < threads; i++) {
			Random random = new Random(i);
			Thread thread = new Thread(() -> {
				while (!this.ended.get()) {
					request(random);
				}
				worked.countDown();
				// What it keeps alive is to be seen.
				awaitUninterruptibly(looked);
			}, "load-" + i);
			thread.setDaemon(true);
			thread.start();
		}
		long start = System.nanoTime();
		Map<String, Integer> changes = change();
		double took = (System.nanoTime() - start) / 1e9;
		this.ended.set(true);
		boolean hung = !worked.await(1, TimeUnit.MINUTES);
		for (int i = 0; i < TENANTS + INTRUDERS; i++) {
			this.registry.remove("t" + i);
		}
		Resources after = settled(before);
		int backendsAfter = backends.count();
		looked.countDown();
		this.registry.close();
		Resources closed = Resources.now();
		report(changes, took);
		System.out.println("  before: " + before + "\n  after:  " + after + "\n  closed: " + closed + "\n  backends "
				+ backendsBefore + " → " + backendsAfter);
		int cuts = this.events.getOrDefault("Cut", new AtomicInteger()).get();
		return !hung && this.failed.get() + this.cut.get() + cuts == 0 && after.left() == 0
				&& after.handles() <= before.handles() && closed.threads() == 0 && backendsAfter <= backendsBefore;
	}

	/**
	 * Pools are closed a second after they ceased to lend, threads end ten after that.
	 */
	private static Resources settled(Resources before) throws Exception {
		long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
		Resources now = Resources.now();
		while ((now.left() > 0 || now.handles() > before.handles()) && System.nanoTime() < end) {
			TimeUnit.MILLISECONDS.sleep(500);
			now = Resources.now();
		}
		return now;
	}

	/** All kinds in turn, each on a tenant that is drawn. */
	private Map<String, Integer> change() throws SQLException {
		Map<String, Integer> done = new TreeMap<>();
		Random random = new Random(42);
		for (int i = 0; i < this.times; i++) {
			int which = i / TENANTS;
			for (int kind : new int[] { 0, 1, 2, 3 }) {
				int tenant = random.nextInt(TENANTS);
				String what = switch (kind) {
					case 0 -> replace(tenant, which);
					case 1 -> removeAndAdd(tenant, which);
					case 2 -> drain(tenant);
					default -> intrude(TENANTS + i % INTRUDERS);
				};
				done.merge(what, 1, Integer::sum);
			}
		}
		return done;
	}

	private String replace(int tenant, int which) {
		this.registry.replace(definition(tenant, which));
		return "replaced";
	}

	private String removeAndAdd(int tenant, int which) {
		this.epochs.incrementAndGet(tenant);
		this.registry.remove("t" + tenant);
		this.registry.add(definition(tenant, which));
		this.epochs.incrementAndGet(tenant);
		return "removed and added";
	}

	private String drain(int tenant) {
		return this.registry.drain("t" + tenant) ? "drained" : "drained, nothing open";
	}

	/** Has the least recently used idle one give way. */
	private String intrude(int intruder) throws SQLException {
		try (Scope scope = TenantContext.enter("t" + intruder); Connection connection = this.router.getConnection()) {
			connection.isValid(1);
		}
		this.registry.drain("t" + intruder);
		return "intruded";
	}

	private void request(Random random) {
		int tenant = random.nextInt(TENANTS);
		int epoch = this.epochs.get(tenant);
		boolean connected = false;
		long start = System.nanoTime();
		try (Scope scope = TenantContext.enter("t" + tenant); Connection connection = this.router.getConnection()) {
			connected = true;
			work(connection, tenant, random);
			int index = (int) (this.requests.getAndIncrement() % this.nanos.length);
			this.nanos[index] = System.nanoTime() - start;
		}
		catch (SQLException | RuntimeException ex) {
			if (isUnknown(ex) && (epoch % 2 == 1 || this.epochs.get(tenant) != epoch)) {
				this.refused.incrementAndGet();
				return;
			}
			(connected ? this.cut : this.failed).incrementAndGet();
			this.failures
				.computeIfAbsent(String.valueOf(ex).replaceAll("\\d+", "n").lines().findFirst().orElse(""),
						(message) -> new AtomicInteger())
				.incrementAndGet();
		}
	}

	private static boolean isUnknown(Throwable failure) {
		Throwable cause = failure;
		while (cause != null) {
			if (cause instanceof UnknownTenantException || cause instanceof UnknownSourceException) {
				return true;
			}
			cause = cause.getCause();
		}
		return false;
	}

	private static void work(Connection connection, int tenant, Random random) throws SQLException {
		connection.setAutoCommit(false);
		int account = random.nextInt(100);
		try (PreparedStatement select = connection.prepareStatement("select tenant from account where id = ?")) {
			select.setInt(1, account);
			try (ResultSet row = select.executeQuery()) {
				if (!row.next() || row.getInt(1) != tenant) {
					throw new IllegalStateException("A row of another tenant");
				}
			}
		}
		int kind = random.nextInt(100);
		if (kind < 2) {
			// So that many changes happen meanwhile.
			pause();
		}
		if (kind % 4 == 0) {
			try (PreparedStatement update = connection
				.prepareStatement("update account set balance = balance + 1 where id = ?")) {
				update.setInt(1, account);
				update.executeUpdate();
			}
		}
		connection.commit();
	}

	private static void pause() {
		try {
			TimeUnit.MILLISECONDS.sleep(20);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	private static void awaitUninterruptibly(CountDownLatch latch) {
		try {
			latch.await();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	private void report(Map<String, Integer> changes, double took) {
		long[] sorted = Arrays.copyOf(this.nanos, (int) Math.min(this.requests.get(), this.nanos.length));
		Arrays.sort(sorted);
		System.out.printf(Locale.ROOT, "%n%s: %s in %.1f s; events %s%n", this.product, changes, took, this.events);
		System.out.printf(Locale.ROOT,
				"  %,d requests (p50 %.2f ms, p99 %.2f, max %.0f), %d refused while removed, %d failed, %d cut%n",
				this.requests.get(), percentile(sorted, 0.5), percentile(sorted, 0.99), percentile(sorted, 1),
				this.refused.get(), this.failed.get(), this.cut.get());
		this.failures.forEach((message, count) -> System.out.println("    " + count + " × " + message));
	}

	private static double percentile(long[] sorted, double part) {
		return (sorted.length == 0) ? Double.NaN
				: sorted[Math.min(sorted.length - 1, (int) (sorted.length * part))] / 1e6;
	}

}
