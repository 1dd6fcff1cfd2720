package io.multidb.fanout;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.SourceContext;
import io.multidb.fanout.SourceOutcome.Status;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.PoolLimits;
import io.multidb.source.ServerSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link FanOut} over PostgreSQL, and beside SQLite.
 */
class FanOutIntegrationTests {

	private static final Duration LONG = Duration.ofMinutes(2);

	private static TestPostgres postgres;

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private FanOut fanOut;

	@BeforeAll
	static void start() {
		postgres = TestPostgres.start();
	}

	@AfterAll
	static void stop() throws Exception {
		postgres.close();
	}

	@AfterEach
	void leavesNothingBehind() throws Exception {
		await("workers that do not let go").until(() -> this.fanOut.late() == 0);
		this.sources.registry().sources().forEach(Sources::assertIdle);
		this.fanOut.close();
		this.sources.close();
		await().until(() -> Sources.threads("multidb-").isEmpty());
		await().until(() -> running("%"), (count) -> count == 0);
	}

	private void open() {
		this.fanOut = new FanOut(this.sources.registry(),
				new RoutingDataSource(new Routes(List.of(), null, this.sources.registry())), LONG, 256, null);
	}

	@Test
	void aStatementIsEndedOnTheServerAndItsConnectionIsNotUsedAgain() throws Exception {
		this.sources.with(postgres.source("pg", "postgres").hikari(Map.of("maximum-pool-size", "1")));
		open();
		for (int i = 0; i < 5; i++) {
			FanOutResult<String> result = this.fanOut.over(List.of("pg"))
				.timeout(Duration.ofMillis(700))
				.query((jdbc) -> jdbc.sql("select pg_sleep(600)::text").query(String.class).list());
			assertThat(result.outcomes().get(0).status()).isEqualTo(Status.TIMED_OUT);
			await().atMost(Duration.ofSeconds(20)).until(() -> this.fanOut.late() == 0);
			await().atMost(Duration.ofSeconds(20)).until(() -> running("%pg_sleep%"), (count) -> count == 0);
			assertThat(Sources.query(this.sources.registry().get("pg"), "select 1")).isEqualTo("1");
		}
	}

	@Test
	void aCancellationNeverReachesTheNextUserOfTheConnection() throws Exception {
		this.sources.with(postgres.source("pg", "postgres").hikari(Map.of("maximum-pool-size", "1")));
		open();
		Sources.query(this.sources.registry().get("pg"), "select 1");
		AtomicBoolean over = new AtomicBoolean();
		List<Throwable> failures = new CopyOnWriteArrayList<>();
		AtomicInteger uses = new AtomicInteger();
		Thread next = new Thread(() -> {
			while (!over.get()) {
				try {
					Sources.query(this.sources.registry().get("pg"), "select pg_sleep(0.001)::text");
					uses.incrementAndGet();
				}
				catch (Exception ex) {
					failures.add(ex);
				}
			}
		});
		next.start();
		try {
			int timedOut = 0;
			for (int i = 0; i < 100; i++) {
				String sql = "select pg_sleep(0.0" + (10 + i % 20) + ")::text";
				timedOut += this.fanOut.over(List.of("pg"))
					.timeout(Duration.ofMillis(20))
					.query((jdbc) -> jdbc.sql(sql).query(String.class).list())
					.count(Status.TIMED_OUT);
				await().until(() -> this.fanOut.late() == 0);
			}
			assertThat(timedOut).isPositive();
		}
		finally {
			over.set(true);
			next.join();
		}
		assertThat(failures).isEmpty();
		assertThat(uses).hasPositiveValue();
	}

	@Test
	void aServerThatNeverSpeaksHoldsUpNobodyAndNoWorker() throws Exception {
		List<Socket> accepted = new CopyOnWriteArrayList<>();
		try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
			Thread accepting = new Thread(() -> accept(silent, accepted));
			accepting.setDaemon(true);
			accepting.start();
			List<String> names = new ArrayList<>(List.of("pg", "ca"));
			this.sources.with(postgres.source("pg", "postgres")).with(Sources.sqlite("ca", this.directory));
			for (int i = 0; i < 40; i++) {
				names.add(0, "silent-" + i);
				this.sources.with(SourceDefinition.named("silent-" + i)
					.url("jdbc:postgresql://localhost:" + silent.getLocalPort() + "/db" + i)
					.username("nobody"));
			}
			open();
			FanOutResult<Integer> result = this.fanOut.over(names)
				.timeout(Duration.ofSeconds(3))
				.query((jdbc) -> jdbc.sql("select 1").query(Integer.class).list());
			assertThat(result.count(Status.TIMED_OUT)).isEqualTo(40);
			assertThat(result.rows()).extracting(FanOutResult.Row::source).containsExactly("pg", "ca");
			// Sooner than the driver gives up to connect
			await().atMost(Duration.ofSeconds(2)).until(() -> this.fanOut.late() == 0);
			// Which happens behind it all, so that the next one knows at once.
			await().until(() -> this.fanOut.over(names.subList(0, 40))
				.timeout(Duration.ofSeconds(20))
				.call(SourceContext::require)
				.isComplete());
			await().until(() -> this.fanOut.over(names.subList(0, 40))
				.timeout(Duration.ofSeconds(20))
				.query((jdbc) -> jdbc.sql("select 1").query(Integer.class).list())
				.count(Status.UNAVAILABLE), (count) -> count == 40);
		}
		finally {
			for (Socket socket : accepted) {
				socket.close();
			}
		}
	}

	@Test
	void noMoreThreadsStayWithASilentServerThanItMayHaveConnections() throws Exception {
		List<Socket> accepted = new CopyOnWriteArrayList<>();
		try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
			Thread accepting = new Thread(() -> accept(silent, accepted));
			accepting.setDaemon(true);
			accepting.start();
			open();
			for (int round = 0; round < 5; round++) {
				List<String> names = new ArrayList<>();
				for (int i = 0; i < 12; i++) {
					names.add("silent-" + round + "-" + i);
					this.sources.registry()
						.add(SourceDefinition.named("silent-" + round + "-" + i)
							.url("jdbc:postgresql://localhost:" + silent.getLocalPort() + "/db" + round + "-" + i)
							.username("nobody")
							.build());
				}
				assertThat(ask(names, Duration.ofMillis(200)).count(Status.TIMED_OUT)).isEqualTo(12);
				// Those that are being tried already keep no more of them.
				assertThat(ask(names, Duration.ofMillis(200)).isComplete()).isFalse();
			}
			// Otherwise they would wait for half a minute, and one after the other.
			await().atMost(Duration.ofSeconds(15))
				.until(() -> Sources.threads("multidb-opener"), (threads) -> threads.size() <= 10);
		}
		finally {
			for (Socket socket : accepted) {
				socket.close();
			}
		}
	}

	@Test
	void whoHasMoreTimeThanAFanOutOpensWhatItDidNot() throws Exception {
		this.sources
			.with(new PoolLimits(1000, PoolLimits.WhenFull.WAIT, Duration.ofMinutes(10), Duration.ofSeconds(30),
					Map.of("one", new ServerSettings(1, null, 1))))
			.with(postgres.source("pg", "postgres").server("one"))
			.with(postgres.source("wanted", "template1").server("one"));
		open();
		FutureTask<String> patient = new FutureTask<>(
				() -> Sources.query(this.sources.registry().get("wanted"), "select current_database()"));
		FutureTask<FanOutResult<Integer>> hurried = new FutureTask<>(
				() -> ask(List.of("wanted"), Duration.ofSeconds(1)));
		try (Connection only = this.sources.registry().get("pg").getConnection()) {
			new Thread(hurried).start();
			await().pollInterval(Duration.ofMillis(1))
				.until(() -> this.sources.registry().get("wanted").state() instanceof SourceState.Opening);
			new Thread(patient).start();
			assertThat(hurried.get(60, TimeUnit.SECONDS).count(Status.TIMED_OUT)).isEqualTo(1);
			await().until(() -> Sources.threads("multidb-opener").isEmpty());
			assertThat(patient.isDone()).isFalse();
		}
		assertThat(patient.get(60, TimeUnit.SECONDS)).isEqualTo("template1");
	}

	private FanOutResult<Integer> ask(List<String> names, Duration timeout) {
		return this.fanOut.over(names)
			.timeout(timeout)
			.query((jdbc) -> jdbc.sql("select 1").query(Integer.class).list());
	}

	private static void accept(ServerSocket silent, List<Socket> accepted) {
		try {
			while (true) {
				accepted.add(silent.accept());
			}
		}
		catch (java.io.IOException ex) {
			// The test is over.
		}
	}

	@Test
	void whoWaitsForALockOrForAConnectionGivesUpAtTheDeadline() throws Exception {
		this.sources.with(postgres.source("pg", "postgres").hikari(Map.of("maximum-pool-size", "1")))
			.with(postgres.source("locked", "template1"));
		open();
		Sources.execute(this.sources.registry().get("locked"), "create table if not exists lockable (id int)");
		try (Connection only = this.sources.registry().get("pg").getConnection();
				Connection locking = postgres.connect("template1")) {
			locking.setAutoCommit(false);
			Sources.execute(locking, "lock table lockable in access exclusive mode");
			FanOutResult<Integer> result = this.fanOut.over(List.of("pg", "locked"))
				.timeout(Duration.ofMillis(500))
				.query((jdbc) -> jdbc.sql("select count(*) from lockable").query(Integer.class).list());
			assertThat(result.count(Status.TIMED_OUT)).isEqualTo(2);
			await().atMost(Duration.ofSeconds(20)).until(() -> this.fanOut.late() == 0);
			await().atMost(Duration.ofSeconds(20))
				.until(() -> running("%count(*) from lockable%"), (count) -> count == 0);
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
	}

	@Test
	void rowsAreStreamedFromTheServer() {
		this.sources.with(postgres.source("pg", "postgres"));
		open();
		long start = System.nanoTime();
		FanOutResult<Integer> result = this.fanOut.over(List.of("pg"))
			.limit(3)
			.stream((jdbc) -> jdbc.sql("select generate_series(1, 2000000000)").query(Integer.class).stream());
		assertThat(result.values()).containsExactly(1, 2, 3);
		assertThat(System.nanoTime() - start).isLessThan(TimeUnit.SECONDS.toNanos(60));
	}

	@Test
	void hungStatementsInSqliteKeepNobodyFromPostgres() throws Exception {
		List<String> names = new ArrayList<>();
		for (int i = 0; i < 10; i++) {
			this.sources.with(Sources.sqlite("hung-" + i, this.directory));
			names.add("hung-" + i);
		}
		this.sources.with(postgres.source("pg-0", "postgres")).with(postgres.source("pg-1", "template1"));
		names.addAll(List.of("pg-0", "pg-1"));
		open();
		FanOutResult<Integer> result = this.fanOut.over(names)
			.timeout(Duration.ofSeconds(5))
			.query((jdbc) -> ask(jdbc));
		assertThat(result.rows()).extracting(FanOutResult.Row::source).containsExactly("pg-0", "pg-1");
		assertThat(result.count(Status.TIMED_OUT)).isEqualTo(10);
	}

	private static List<Integer> ask(JdbcClient jdbc) {
		boolean hung = SourceContext.require().startsWith("hung");
		return jdbc
			.sql(hung ? "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t"
					: "select 1")
			.query(Integer.class)
			.list();
	}

	private static int running(String query) throws Exception {
		try (Connection connection = postgres.connect("postgres")) {
			return Integer.parseInt(Sources.query(connection,
					"select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
							+ " and backend_type = 'client backend' and query like '" + query + "'"));
		}
	}

}
