package io.multidb.benchmarks;

import java.lang.ref.Reference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.SourceContext;
import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.FanOutResult;
import io.multidb.fanout.SourceOutcome;
import io.multidb.fanout.SourceOutcome.Status;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * One question to many sources: of which some hang and some are locked, and beside a loop
 * over them. {@code benchmarks/run fanout} runs it.
 */
public final class FanOuts {

	private static final String ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t)"
			+ " SELECT count(*) FROM t";

	/** Reads all rows, and none of them matches. */
	private static final String SEARCH = "SELECT count(*) FROM opinion WHERE body LIKE '%appurtenance%easement%'";

	private static final int ROWS = 2000;

	private FanOuts() {
	}

	/**
	 * Runs it.
	 * @param arguments {@code sources=500}, {@code percent=5} of them that hang and as
	 * many that are locked, {@code deadline=1000} milliseconds, {@code rounds=10},
	 * {@code loops=30} of the comparison, {@code only=faults,ratios}; with
	 * {@code only=first} the first round alone, and with {@code only=plain} that round by
	 * the driver alone, each in a JVM of its own
	 */
	public static void main(String[] arguments) throws Exception {
		Options options = new Options(arguments);
		String only = options.text("only", "faults,ratios");
		Path directory = Files.createTempDirectory("fanout");
		try {
			if (only.contains("plain")) {
				plain(options, Files.createDirectory(directory.resolve("plain")));
			}
			if (only.contains("faults") || only.contains("first")) {
				faults(options, Files.createDirectory(directory.resolve("faults")));
			}
			if (only.contains("ratios")) {
				ratios(options, Files.createDirectory(directory.resolve("ratios")));
			}
		}
		finally {
			try (Stream<Path> files = Files.walk(directory)) {
				files.sorted(Collections.reverseOrder()).forEach((file) -> file.toFile().delete());
			}
		}
		Runtime.getRuntime().halt(0);
	}

	/** What is asked, and of whom. */
	private record Asking(SourceRegistry registry, FanOut fanOut, JdbcClient jdbc) implements AutoCloseable {

		static Asking of(List<SourceDefinition> definitions) {
			SourceRegistry registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE, (event) -> {
			});
			RoutingDataSource router = new RoutingDataSource(new Routes(List.of(), null, registry));
			return new Asking(registry, new FanOut(registry, router, Duration.ofMinutes(1), 256, null),
					JdbcClient.create(router));
		}

		@Override
		public void close() {
			this.fanOut.close();
			this.registry.close();
		}

	}

	private static void faults(Options options, Path directory) throws Exception {
		int sources = options.number("sources", 500);
		int each = sources * options.number("percent", 5) / 100;
		int deadline = options.number("deadline", 1000);
		int rounds = options.number("rounds", 10);
		boolean onlyFirst = options.text("only", "").contains("first");
		List<String> files = files(sources, each);
		List<SourceDefinition> definitions = new ArrayList<>();
		for (String file : files) {
			definitions.add(sqlite(directory, file));
			make(directory, file, 1);
		}
		Resources before = Resources.now();
		System.out.println("before: " + before);
		System.out.println("| round | beyond the deadline, ms | healthy that answered | workers free after, ms |");
		System.out.println("| --- | ---: | ---: | ---: |");
		List<Connection> locks = lock(directory, files);
		try (SilentServer silent = new SilentServer()) {
			Resources warm = null;
			try (Asking asking = Asking.of(definitions)) {
				for (int round = 0; round <= rounds + 1; round++) {
					List<String> names = withSilent(asking, files, (each + 1) / 2, silent.port(), round);
					boolean closed = round > rounds;
					if (closed) {
						files.forEach(asking.registry()::drain);
					}
					round((round == 0) ? "first of the JVM" : closed ? "all closed before" : String.valueOf(round),
							asking, names, deadline);
					names.stream().filter((name) -> name.startsWith("silent-")).forEach(asking.registry()::remove);
					if (onlyFirst) {
						return;
					}
					if (round == 0) {
						open(asking.registry(), files);
						warm = settled();
					}
				}
				open(asking.registry(), files);
				System.out.println("open, after the first and the last round: " + warm + "; " + settled());
				System.out.println(Thread.getAllStackTraces()
					.keySet()
					.stream()
					.map(Thread::getName)
					.filter((name) -> name.startsWith("multidb-"))
					.collect(Collectors.groupingBy((name) -> name, Collectors.counting())));
			}
		}
		unlock(locks);
		System.out.println("after closing: " + settled());
		System.out.println("threads, handles, MB, pools and connections: " + before.until(Resources.now()));
	}

	/** In this order, which has those that do not answer come first. */
	private static List<String> files(int sources, int each) {
		List<String> files = new ArrayList<>();
		for (int i = 0; i < sources - (each + 1) / 2; i++) {
			files.add(((i < each / 2) ? "hung-" : (i < each / 2 + each) ? "locked-" : "healthy-") + i);
		}
		return files;
	}

	/**
	 * The driver alone, and at once a thread for each source that does not answer: how
	 * many can be opened for the first time, and answer, by the deadline.
	 */
	private static void plain(Options options, Path directory) throws Exception {
		int sources = options.number("sources", 500);
		int each = sources * options.number("percent", 5) / 100;
		int deadline = options.number("deadline", 1000);
		List<String> files = files(sources, each);
		for (String file : files) {
			make(directory, file, 1);
		}
		Resources unused = Resources.now();
		List<Connection> locks = lock(directory, files);
		AtomicInteger answered = new AtomicInteger();
		ExecutorService threads = Executors
			.newFixedThreadPool(each + each / 2 + 2 * Runtime.getRuntime().availableProcessors());
		long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(deadline);
		for (String file : files) {
			threads.execute(() -> {
				try {
					Connection connection = DriverManager.getConnection(url(directory, file));
					execute(connection, "PRAGMA busy_timeout = " + deadline);
					execute(connection, file.startsWith("hung-") ? ENDLESS : "UPDATE asked SET times = times + 1");
					answered.incrementAndGet();
				}
				catch (SQLException ex) {
					// It is locked.
				}
			});
		}
		try {
			while (System.nanoTime() < end) {
				LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
			}
			long healthy = files.stream().filter((file) -> file.startsWith("healthy-")).count();
			System.out.println("by the driver alone: " + answered.get() + " of " + healthy);
		}
		finally {
			Reference.reachabilityFence(locks);
		}
	}

	private static void open(SourceRegistry registry, List<String> names) throws SQLException {
		for (String name : names) {
			registry.get(name).getConnection().close();
		}
	}

	/** Threads that are idle end in ten seconds; connecting to nobody does in five. */
	private static Resources settled() throws Exception {
		long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
		while (System.nanoTime() < end) {
			LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
		}
		return Resources.now();
	}

	private static void round(String title, Asking asking, List<String> names, int deadline) {
		long start = System.nanoTime();
		FanOutResult<Integer> result = asking.fanOut()
			.over(names)
			.timeout(Duration.ofMillis(deadline))
			.call(() -> ask(asking.jdbc()));
		long answered = System.nanoTime();
		while (asking.fanOut().late() > 0) {
			LockSupport.parkNanos(100_000);
		}
		long free = System.nanoTime();
		long healthy = names.stream().filter((name) -> name.startsWith("healthy-")).count();
		long completed = result.outcomes()
			.stream()
			.filter(SourceOutcome::completed)
			.filter((outcome) -> outcome.source().startsWith("healthy-"))
			.count();
		System.out.printf(Locale.ROOT, "| %s | %.1f | %d of %d | %.1f |%n", title, (answered - start) / 1e6 - deadline,
				completed, healthy, (free - answered) / 1e6);
		if (result.count(Status.COMPLETED) != completed || result.outcomes().size() != names.size()) {
			System.out.println("Wrong: " + result);
		}
	}

	private static Integer ask(JdbcClient jdbc) {
		if (SourceContext.require().startsWith("hung-")) {
			return jdbc.sql(ENDLESS).query(Integer.class).single();
		}
		return jdbc.sql("UPDATE asked SET times = times + 1").update();
	}

	/** New ones for each round: what was found to be silent fails at once later. */
	private static List<String> withSilent(Asking asking, List<String> files, int count, int port, int round) {
		List<String> names = new ArrayList<>(files);
		for (int i = 0; i < count; i++) {
			String name = "silent-" + round + "-" + i;
			asking.registry()
				.add(SourceDefinition.named(name)
					.url("jdbc:postgresql://localhost:" + port + "/" + name)
					.username("nobody")
					.build());
			names.add(i * 7 % names.size(), name);
		}
		return names;
	}

	private static List<Connection> lock(Path directory, List<String> files) throws SQLException {
		List<Connection> locks = new ArrayList<>();
		for (String file : files) {
			if (file.startsWith("locked-")) {
				Connection connection = DriverManager.getConnection(url(directory, file));
				execute(connection, "BEGIN IMMEDIATE");
				locks.add(connection);
			}
		}
		return locks;
	}

	/** Apart, so that no variable keeps one of them reachable. */
	private static void unlock(List<Connection> locks) throws SQLException {
		for (Connection lock : locks) {
			lock.close();
		}
		locks.clear();
	}

	private static void ratios(Options options, Path directory) throws Exception {
		int loops = options.number("loops", 30);
		List<String> all = new ArrayList<>();
		List<SourceDefinition> definitions = new ArrayList<>();
		for (int i = 0; i < 100; i++) {
			all.add("s" + i);
			definitions.add(sqlite(directory, "s" + i));
			make(directory, "s" + i, ROWS);
		}
		System.out.println("| sources | loop, ms | slowest alone, ms | fan-out, ms | of the loop | of the slowest |");
		System.out.println("| ---: | ---: | ---: | ---: | ---: | ---: |");
		try (Asking asking = Asking.of(definitions)) {
			for (int count : new int[] { 1, 10, 100 }) {
				List<String> names = all.subList(0, count);
				List<Double> loop = new ArrayList<>();
				List<Double> slowest = new ArrayList<>();
				List<Double> fan = new ArrayList<>();
				for (int i = -loops / 2; i < loops; i++) {
					double most = 0;
					long start = System.nanoTime();
					for (String name : names) {
						long own = System.nanoTime();
						search(asking, name);
						most = Math.max(most, (System.nanoTime() - own) / 1e6);
					}
					double took = (System.nanoTime() - start) / 1e6;
					start = System.nanoTime();
					FanOutResult<Integer> result = asking.fanOut()
						.over(names)
						.query((jdbc) -> jdbc.sql(SEARCH).query(Integer.class).list());
					double fanned = (System.nanoTime() - start) / 1e6;
					if (!result.isComplete()) {
						throw new IllegalStateException(result.toString());
					}
					if (i >= 0) {
						loop.add(took);
						slowest.add(most);
						fan.add(fanned);
					}
				}
				System.out.printf(Locale.ROOT, "| %d | %.2f | %.2f | %.2f | %.2f | %.2f |%n", count, median(loop),
						median(slowest), median(fan), median(fan) / median(loop), median(fan) / median(slowest));
			}
		}
	}

	private static void search(Asking asking, String name) {
		Integer unused = SourceContext.call(name, () -> asking.jdbc().sql(SEARCH).query(Integer.class).single());
	}

	private static double median(List<Double> values) {
		List<Double> sorted = values.stream().sorted().collect(Collectors.toList());
		return sorted.get(sorted.size() / 2);
	}

	private static SourceDefinition sqlite(Path directory, String name) {
		return SourceDefinition.named(name).url(url(directory, name)).build();
	}

	private static String url(Path directory, String name) {
		return "jdbc:sqlite:" + directory.resolve(name + ".db");
	}

	private static void make(Path directory, String name, int rows) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url(directory, name))) {
			execute(connection, "PRAGMA journal_mode = WAL");
			execute(connection, "CREATE TABLE asked AS SELECT 0 AS times");
			execute(connection,
					"CREATE TABLE opinion AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < "
							+ rows
							+ ") SELECT n AS id, 'The judgment is affirmed. ' || hex(randomblob(200)) AS body FROM t");
		}
	}

	private static void execute(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

}
