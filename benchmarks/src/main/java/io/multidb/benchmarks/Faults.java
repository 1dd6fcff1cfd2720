package io.multidb.benchmarks;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

import org.jspecify.annotations.Nullable;

import org.springframework.util.FileSystemUtils;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CallerSession;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * What goes wrong with one source among others that are under a steady load, for real:
 * what its callers see, when it is back, what the others notice, and what is left.
 * {@code benchmarks/run faults} runs it.
 */
public final class Faults implements AutoCloseable {

	private static final String FAULTY = "faulty";

	private static final int CONNECTION_TIMEOUT = 3000;

	private static final int POOL_SIZE = 4;

	private final MortalPostgres healthy = MortalPostgres.start();

	private final MortalPostgres mortal = MortalPostgres.start();

	private final Path directory = Files.createTempDirectory("faults");

	/** Small, and its own. */
	private final SmallDisk disk = SmallDisk.mount(this.directory.resolve("small"));

	private final int seconds;

	private SourceRegistry registry = registry();

	private RoutingDataSource router = new RoutingDataSource(new Routes(List.of(), null, this.registry));

	private final List<String> rows = new ArrayList<>();

	private Faults(int seconds) throws Exception {
		this.seconds = seconds;
		this.mortal.run("CREATE ROLE app LOGIN");
		this.mortal.run("GRANT CREATE, USAGE ON SCHEMA public TO app");
	}

	/** One thing that goes wrong, and is mended. */
	private abstract static class Fault {

		private final String name;

		private final String url;

		Fault(String name, String url) {
			this.name = name;
			this.url = url;
		}

		/** Whether the source is not open yet when it begins. */
		boolean isCold() {
			return false;
		}

		abstract void begin() throws Exception;

		/** Every 20 ms while it lasts. */
		void goOn(SteadyLoad callers, Random random) throws Exception {
			// It lasts by itself.
		}

		abstract void end() throws Exception;

		Map<String, String> hikari() {
			return Map.of();
		}

	}

	/**
	 * Runs it.
	 * @param arguments {@code seconds=6} that a fault lasts, {@code only=…} for those
	 * whose names contain one of these words, {@code kills=5}
	 */
	public static void main(String[] arguments) throws Exception {
		if (arguments.length > 0 && arguments[0].equals("lock")) {
			lock(arguments[1]);
			return;
		}
		Options options = new Options(arguments);
		List<String> only = List.of(options.text("only", "").split(",", -1));
		try (Faults faults = new Faults(options.number("seconds", 6))) {
			for (Fault fault : faults.all()) {
				if (only.stream().anyMatch(fault.name::contains)) {
					faults.examine(fault);
				}
			}
			if (only.stream().anyMatch("context closed under load"::contains)) {
				faults.closeUnderLoad();
			}
			System.out.println("""

					| fault | its callers meanwhile | back after | others' p50, p99 ms, before : meanwhile \
					| threads, handles, heap MB, pools and connections, backends |
					| --- | --- | ---: | ---: | --- |""");
			faults.rows.forEach(System.out::println);
		}
		if (only.stream().anyMatch("kill -9 creation migration replacement"::contains)) {
			KilledProcesses.main(new String[] { "kills=" + options.number("kills", 5) });
		}
		System.exit(0);
	}

	/** In a process of its own. */
	private static void lock(String file) throws SQLException, IOException {
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
				Statement statement = connection.createStatement()) {
			statement.execute("begin exclusive");
			System.out.println("locked");
			System.in.read();
			statement.execute("rollback");
		}
	}

	private String file(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name);
	}

	private SourceRegistry registry() throws SQLException {
		this.healthy.run("CREATE TABLE IF NOT EXISTS note (text text)");
		try (Connection connection = DriverManager.getConnection(file("healthy.db"));
				Statement statement = connection.createStatement()) {
			statement.execute("create table if not exists note (text text)");
		}
		return new SourceRegistry(
				List.of(definition("healthy-file", file("healthy.db"), "", Map.of()),
						definition("healthy-server", this.healthy.url("postgres"), MortalPostgres.USER, Map.of())),
				List.of(), SourceMigrator.NONE, (event) -> {
				}, CallerSession.NONE,
				new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ofMinutes(10), Duration.ofSeconds(10)));
	}

	private static SourceDefinition definition(String name, String url, String user, Map<String, String> hikari) {
		Map<String, String> settings = new HashMap<>(Map.of("maximum-pool-size", Integer.toString(POOL_SIZE),
				"connection-timeout", Integer.toString(CONNECTION_TIMEOUT)));
		settings.putAll(hikari);
		return SourceDefinition.named(name).url(url).username(user.isEmpty() ? null : user).hikari(settings).build();
	}

	private List<Fault> all() throws Exception {
		List<Fault> faults = new ArrayList<>();
		String server = this.mortal.url("postgres");
		faults.add(new Fault("PostgreSQL killed (SIGKILL), started again", server) {

			@Override
			void begin() throws IOException {
				Faults.this.mortal.kill();
			}

			@Override
			void end() throws IOException {
				Faults.this.mortal.restart();
			}

		});
		faults.add(new Fault("PostgreSQL frozen (SIGSTOP), continued", server) {

			@Override
			void begin() throws IOException {
				Faults.this.mortal.freeze(true);
			}

			@Override
			void end() throws IOException {
				Faults.this.mortal.freeze(false);
			}

		});
		faults.add(new Fault("backends terminated, all the time", server) {

			@Override
			void begin() {
				// All the time
			}

			@Override
			void goOn(SteadyLoad callers, Random random) throws SQLException {
				if (random.nextInt(10) == 0) {
					Faults.this.mortal.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
							+ " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
				}
			}

			@Override
			void end() {
				// It has
			}

		});
		SilentServer silent = new SilentServer();
		faults.add(new Fault("port accepts and never speaks; then it does",
				"jdbc:postgresql://localhost:" + silent.port() + "/postgres") {

			@Override
			boolean isCold() {
				return true;
			}

			@Override
			void begin() {
				// It does not speak yet.
			}

			@Override
			void end() {
				silent.speakAs(Faults.this.mortal.port());
			}

		});
		faults.add(new Fault("out of connections: others have all", server + "?ApplicationName=faulty") {

			private final List<Connection> taken = new ArrayList<>();

			@Override
			boolean isCold() {
				return true;
			}

			@Override
			void begin() {
				try {
					while (true) {
						this.taken.add(DriverManager.getConnection(server, "app", ""));
					}
				}
				catch (SQLException ex) {
					// That was the last.
				}
			}

			@Override
			void end() throws SQLException {
				for (Connection each : this.taken) {
					each.close();
				}
				this.taken.clear();
			}

		});
		faults.add(new Fault("SQLite file locked by another process", file("locked.db")) {

			private @Nullable Process process;

			@Override
			void begin() throws IOException {
				this.process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
						"-cp", System.getProperty("java.class.path"), Faults.class.getName(), "lock",
						Faults.this.directory.resolve("locked.db").toString())
					.redirectError(ProcessBuilder.Redirect.INHERIT)
					.start();
				this.process.getInputStream().read();
			}

			@Override
			void end() throws IOException {
				if (this.process != null) {
					this.process.getOutputStream().close();
				}
			}

			@Override
			Map<String, String> hikari() {
				return Map.of("data-source-properties.busy_timeout", "1000");
			}

		});
		faults.add(new FileFault("SQLite file corrupt; replaced by a good one", "corrupt.db") {

			@Override
			void begin() throws IOException, SQLException {
				// What is in the log would hide it.
				try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.file);
						Statement statement = connection.createStatement()) {
					statement.execute("pragma busy_timeout = 5000");
					statement.execute("pragma wal_checkpoint(truncate)");
				}
				byte[] garbage = new byte[(int) Files.size(this.file)];
				new Random(1).nextBytes(garbage);
				try (RandomAccessFile bytes = new RandomAccessFile(this.file.toFile(), "rw")) {
					bytes.write(garbage);
				}
			}

		});
		faults.add(new FileFault("SQLite file replaced under a warm pool, all the time", "replaced.db") {

			@Override
			void begin() {
				// All the time
			}

			@Override
			void goOn(SteadyLoad callers, Random random) throws IOException {
				if (random.nextInt(25) == 0) {
					putGoodOne();
				}
			}

		});
		faults.add(new FileFault("SQLite file vanished; put back", "vanished.db") {

			@Override
			void begin() throws IOException {
				Files.delete(this.file);
			}

		});
		faults.add(new Fault("disk full (" + this.disk.kind() + "); room again",
				"jdbc:sqlite:" + this.disk.directory().resolve("full.db")) {

			@Override
			void begin() throws IOException {
				Faults.this.disk.fill(true);
			}

			@Override
			void end() throws IOException {
				Faults.this.disk.fill(false);
			}

		});
		faults.add(new Fault("directory read-only; writable again",
				"jdbc:sqlite:" + this.disk.directory().resolve("locked-out.db")) {

			@Override
			boolean isCold() {
				return true;
			}

			@Override
			void begin() throws Exception {
				Faults.this.disk.readOnly(true);
			}

			@Override
			void end() throws Exception {
				Faults.this.disk.readOnly(false);
			}

		});
		faults.add(new Interrupts("threads interrupted everywhere, drained all the time, PostgreSQL", server));
		faults.add(
				new Interrupts("threads interrupted everywhere, drained all the time, SQLite", file("interrupted.db")));
		return faults;
	}

	private final class Interrupts extends Fault {

		Interrupts(String name, String url) {
			super(name, url);
		}

		@Override
		void begin() {
			// All the time
		}

		@Override
		void goOn(SteadyLoad callers, Random random) {
			for (int i = 0; i < 5; i++) {
				callers.interrupt(random);
			}
			if (random.nextInt(5) == 0) {
				Faults.this.registry.drain(FAULTY);
			}
		}

		@Override
		void end() {
			// It has
		}

		@Override
		Map<String, String> hikari() {
			// So that they wait for each other
			return Map.of("maximum-pool-size", "1");
		}

	}

	/** Ends when a good file is put in the place of whatever is there. */
	private abstract class FileFault extends Fault {

		final Path file;

		FileFault(String name, String file) {
			super(name, file(file));
			this.file = Faults.this.directory.resolve(file);
		}

		final void putGoodOne() throws IOException {
			Path copy = this.file.resolveSibling("copy");
			Files.copy(this.file.resolveSibling("good.db"), copy, StandardCopyOption.REPLACE_EXISTING);
			Files.move(copy, this.file, StandardCopyOption.ATOMIC_MOVE);
			// They are the former one's.
			Files.deleteIfExists(this.file.resolveSibling(this.file.getFileName() + "-wal"));
			Files.deleteIfExists(this.file.resolveSibling(this.file.getFileName() + "-shm"));
		}

		@Override
		final void end() throws IOException {
			putGoodOne();
		}

	}

	private void healthyRequest(Random random) throws SQLException {
		if (random.nextBoolean()) {
			note("healthy-file");
		}
		else {
			note("healthy-server");
		}
	}

	/** Writes and reads. */
	private void note(String tenant) throws SQLException {
		try (Scope scope = TenantContext.enter(tenant);
				Connection connection = this.router.getConnection();
				Statement statement = connection.createStatement()) {
			statement.execute("insert into note values ('x')");
			try (ResultSet row = statement.executeQuery("select text from note limit 1")) {
				row.next();
			}
			statement.execute("delete from note where text = 'y'");
		}
	}

	private SteadyLoad load(Request request, double rate) {
		return new SteadyLoad(8, 1, rate, new SteadyLoad.Requests() {

			@Override
			public int draw(Random random) {
				return 0;
			}

			@Override
			public void run(int kind, Random random) throws SQLException {
				request.run(random);
			}

		});
	}

	@FunctionalInterface
	private interface Request {

		void run(Random random) throws SQLException;

	}

	private void prepare(Fault fault) throws SQLException {
		String user = fault.url.contains("postgresql") ? "app" : "";
		String url = user.isEmpty() ? fault.url : this.mortal.url("postgres");
		for (String each : List.of(url, file("good.db"))) {
			try (Connection connection = DriverManager.getConnection(each, user, "");
					Statement statement = connection.createStatement()) {
				statement.execute("create table if not exists note (text text)");
			}
		}
		this.registry.add(definition(FAULTY, fault.url, user, fault.hikari()));
	}

	private void examine(Fault fault) throws Exception {
		System.out.println(fault.name + " …");
		AtomicBoolean working = new AtomicBoolean(!fault.isCold());
		warmUp();
		try (SteadyLoad others = load(this::healthyRequest, 200)) {
			TimeUnit.SECONDS.sleep(2);
			Resources before = Resources.now();
			int backends = this.mortal.backends();
			prepare(fault);
			SteadyLoad.Recording othersBefore;
			SteadyLoad.Recording othersMeanwhile;
			SteadyLoad.Recording meanwhile;
			String back;
			try (SteadyLoad callers = load((random) -> {
				if (working.get()) {
					note(FAULTY);
				}
			}, 50)) {
				TimeUnit.SECONDS.sleep(1);
				othersBefore = others.record().get(0);
				TimeUnit.SECONDS.sleep(Math.min(3, this.seconds));
				fault.begin();
				working.set(true);
				meanwhile = callers.record().get(0);
				othersMeanwhile = others.record().get(0);
				last(fault, callers);
				others.record();
				back = mend(fault, callers);
			}
			this.registry.remove(FAULTY);
			Resources after = settled(before, backends);
			this.rows.add(String.format(Locale.ROOT,
					"| %s | %d served; %s | %s | %.2f, %.2f : %.2f, %.2f (%d failed) | %s, %d → %d |", fault.name,
					meanwhile.served(), meanwhile.failures(), back, othersBefore.percentile(0.5),
					othersBefore.percentile(0.99), othersMeanwhile.percentile(0.5), othersMeanwhile.percentile(0.99),
					othersMeanwhile.failed(), before.until(after), backends, this.mortal.backends()));
			System.out.println(this.rows.get(this.rows.size() - 1));
		}
	}

	/** So that the others' pools are as large as they may be. */
	private void warmUp() throws SQLException {
		List<Connection> all = new ArrayList<>();
		for (String name : List.of("healthy-file", "healthy-server")) {
			for (int i = 0; i < POOL_SIZE; i++) {
				all.add(this.registry.get(name).getConnection());
			}
		}
		for (Connection each : all) {
			each.close();
		}
	}

	private void last(Fault fault, SteadyLoad callers) throws Exception {
		Random random = new Random(1);
		long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(this.seconds);
		while (System.nanoTime() < end) {
			fault.goOn(callers, random);
			TimeUnit.MILLISECONDS.sleep(20);
		}
	}

	/** Ends it, and waits until somebody is served again. */
	private static String mend(Fault fault, SteadyLoad callers) throws Exception {
		fault.end();
		SteadyLoad.Recording since = callers.record().get(0);
		long start = System.nanoTime();
		while (since.served() == 0) {
			if (System.nanoTime() - start > TimeUnit.MINUTES.toNanos(1)) {
				return "**not within a minute**: " + since.failures();
			}
			TimeUnit.MILLISECONDS.sleep(2);
		}
		double took = (System.nanoTime() - start) / 1e9;
		SteadyLoad.Recording afterwards = callers.record().get(0);
		TimeUnit.SECONDS.sleep(1);
		return String.format(Locale.ROOT, "%.2f s%s", took,
				(afterwards.failed() > 0) ? "; in the next second " + afterwards.failures() : "");
	}

	/** Pools are closed a second after they ceased to lend. */
	private Resources settled(Resources before, int backends) throws Exception {
		long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
		Resources now = Resources.now();
		while ((now.left() > before.left() || now.handles() > before.handles() || this.mortal.backends() > backends)
				&& System.nanoTime() < end) {
			TimeUnit.MILLISECONDS.sleep(500);
			now = Resources.now();
		}
		return now;
	}

	private void closeUnderLoad() throws Exception {
		Resources before;
		Resources after;
		double took;
		SteadyLoad.Recording ended;
		this.registry.close();
		before = Resources.now();
		this.registry = registry();
		this.router = new RoutingDataSource(new Routes(List.of(), null, this.registry));
		try (SteadyLoad load = load(this::healthyRequest, 200)) {
			TimeUnit.SECONDS.sleep(2);
			ended = load.record().get(0);
			long start = System.nanoTime();
			this.registry.close();
			took = (System.nanoTime() - start) / 1e6;
			TimeUnit.SECONDS.sleep(1);
			after = Resources.now();
		}
		this.rows
			.add(String.format(Locale.ROOT, "| context closed under load, in %.0f ms | %d served; %s | | | %s, %d |",
					took, ended.served(), ended.failures(), before.until(after), this.healthy.backends()));
	}

	@Override
	public void close() throws IOException {
		this.registry.close();
		this.healthy.close();
		this.mortal.close();
		this.disk.close();
		FileSystemUtils.deleteRecursively(this.directory);
	}

}
