package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link ServerBudget}, with real connections to a file in place of a server.
 */
class ServerBudgetTests {

	private static final Duration SOON = Duration.ofMillis(150);

	private static final Duration LONG = Duration.ofSeconds(20);

	@TempDir
	private Path directory;

	private final AtomicInteger attention = new AtomicInteger();

	private final AtomicInteger open = new AtomicInteger();

	private final AtomicInteger mostOpen = new AtomicInteger();

	private final ExecutorService threads = Executors.newCachedThreadPool();

	@AfterEach
	void stop() {
		this.threads.shutdownNow();
	}

	/** The least a pool can be: a queue of idle connections. */
	private static final class Pool implements ServerBudget.Holder {

		private final Queue<Connection> idle = new ConcurrentLinkedQueue<>();

		private volatile boolean wanted = true;

		private volatile int waiting;

		private Runnable whenOneIsClosed = () -> {
		};

		@Override
		public String source() {
			return "a";
		}

		@Override
		public boolean isWanted() {
			return this.wanted;
		}

		@Override
		public int waiting() {
			return this.waiting;
		}

		@Override
		public int idle() {
			return this.idle.size();
		}

		@Override
		public boolean giveUpIdle() {
			Connection connection = this.idle.poll();
			if (connection == null) {
				return false;
			}
			closeQuietly(connection);
			this.whenOneIsClosed.run();
			return true;
		}

	}

	private ServerBudget budget(int permits) {
		return budget(permits, this.threads);
	}

	private ServerBudget budget(int permits, Executor background) {
		return new ServerBudget("db1:5432", new ServerSettings(permits, null, 1), this.attention::addAndGet,
				background);
	}

	private Connection physical() throws SQLException {
		this.mostOpen.accumulateAndGet(this.open.incrementAndGet(), Math::max);
		Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("a.db"));
		return new ForwardingConnection() {

			@Override
			Connection target() {
				return connection;
			}

			@Override
			public void close() throws SQLException {
				if (!connection.isClosed()) {
					ServerBudgetTests.this.open.decrementAndGet();
				}
				connection.close();
			}

			@Override
			public void abort(Executor executor) {
				executor.execute(() -> closeQuietly(this));
			}

		};
	}

	private static void closeQuietly(Connection connection) {
		try {
			connection.close();
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private Connection connect(ServerBudget budget, Pool pool, Duration timeout) throws SQLException {
		return budget.connect(pool, timeout, this::physical);
	}

	/** Somebody waits for a permit, and nothing is idle. */
	private Future<Connection> starve(ServerBudget budget, Pool pool, Duration timeout) {
		Future<Connection> waiting = this.threads.submit(() -> connect(budget, pool, timeout));
		await().until(() -> this.attention.get() == 1);
		return waiting;
	}

	private static void assertRefused(Future<Connection> waiting) {
		assertThat(waiting).failsWithin(LONG)
			.withThrowableOfType(ExecutionException.class)
			.withCauseInstanceOf(NoPermitException.class);
	}

	/** What a pool does with a connection that comes back. */
	private static void giveBack(ServerBudget budget, Pool pool, Connection connection) throws SQLException {
		if (budget.needsFrom(pool)) {
			connection.close();
			return;
		}
		pool.idle.add(connection);
		budget.passOn();
	}

	@Test
	void givesAPermitBackOnceHoweverOftenAConnectionIsClosed() throws Exception {
		ServerBudget budget = budget(2);
		Pool pool = new Pool();
		Connection connection = connect(budget, pool, SOON);
		Connection aborted = connect(budget, pool, SOON);
		assertThat(budget.taken()).isEqualTo(2);
		List<Object> outcomes = Race.run(8, () -> {
			connection.close();
			return "closed";
		});
		assertThat(outcomes).containsOnly("closed");
		assertThat(budget.taken()).isEqualTo(1);
		aborted.abort(Runnable::run);
		aborted.close();
		assertThat(budget.taken()).isZero();
	}

	@Test
	void givesThePermitOfAnAbortedConnectionBackWhenTheDriverIsDone() throws Exception {
		ServerBudget budget = budget(1);
		List<Runnable> later = new ArrayList<>();
		Connection connection = connect(budget, new Pool(), SOON);
		connection.abort(later::add);
		assertThat(budget.taken()).isEqualTo(1);
		later.forEach(Runnable::run);
		assertThat(budget.taken()).isZero();
	}

	@Test
	void givesAPermitBackWhenConnectingFails() {
		ServerBudget budget = budget(1);
		for (int i = 0; i < 3; i++) {
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> budget.connect(new Pool(), SOON, () -> {
				throw new SQLException("down", "08001");
			})).withMessage("down");
			assertThatExceptionOfType(IllegalStateException.class)
				.isThrownBy(() -> budget.connect(new Pool(), SOON, () -> {
					throw new IllegalStateException("a driver's mistake");
				}));
		}
		assertThat(budget.taken()).isZero();
	}

	@Test
	void closesTheConnectionThatIsIdleForLongest() throws Exception {
		ServerBudget budget = budget(3);
		Pool busy = new Pool();
		Pool longAgo = new Pool();
		Pool lately = new Pool();
		Connection inUse = connect(budget, busy, SOON);
		longAgo.idle.add(connect(budget, longAgo, SOON));
		Connection used = connect(budget, lately, SOON);
		lately.idle.add(used);
		longAgo.idle.peek().createStatement().close();
		used.createStatement().close();
		Connection fresh = connect(budget, new Pool(), SOON);
		assertThat(longAgo.idle).isEmpty();
		assertThat(lately.idle).containsExactly(used);
		assertThat(used.isClosed()).isFalse();
		assertThat(inUse.isClosed()).isFalse();
		assertThat(fresh.isClosed()).isFalse();
		assertThat(budget.taken()).isEqualTo(3);
		assertThat(this.attention).hasValue(0);
	}

	/** Of 40 permits two are kept free. */
	@Test
	void closesAheadSoThatTheNextFindsAPermit() throws Exception {
		ServerBudget budget = budget(40);
		List<Pool> pools = new ArrayList<>();
		for (int i = 0; i < 40; i++) {
			Pool pool = new Pool();
			pool.idle.add(connect(budget, pool, SOON));
			pools.add(pool);
		}
		await().until(() -> budget.taken() == 38);
		assertThat(pools.stream().filter((pool) -> pool.idle.isEmpty())).hasSize(2)
			.allSatisfy((pool) -> assertThat(pools.indexOf(pool)).isLessThan(10));
		Connection fresh = connect(budget, new Pool(), SOON);
		await().until(() -> budget.taken() == 38);
		assertThat(fresh.isClosed()).isFalse();
	}

	@Test
	void whatIsTakenWhileOneIsClosedAheadIsMadeUpFor() throws Exception {
		Queue<Runnable> background = new ConcurrentLinkedQueue<>();
		ServerBudget budget = budget(40, background::add);
		Pool first = new Pool();
		first.idle.add(connect(budget, first, SOON));
		for (int i = 0; i < 38; i++) {
			Pool pool = new Pool();
			pool.idle.add(connect(budget, pool, SOON));
		}
		first.whenOneIsClosed = () -> takeQuietly(budget);
		for (Runnable task = background.poll(); task != null; task = background.poll()) {
			task.run();
		}
		assertThat(first.idle).isEmpty();
		assertThat(budget.taken()).isEqualTo(38);
	}

	private void takeQuietly(ServerBudget budget) {
		try {
			Connection unused = connect(budget, new Pool(), SOON);
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	@Test
	void aPoolDoesNotCloseItsOwn() throws Exception {
		ServerBudget budget = budget(1);
		Pool pool = new Pool();
		pool.idle.add(connect(budget, pool, SOON));
		assertThatExceptionOfType(NoPermitException.class).isThrownBy(() -> connect(budget, pool, SOON));
		assertThat(pool.idle).hasSize(1);
	}

	@Test
	void saysWithNumbersThatNothingWasIdle() throws Exception {
		ServerBudget budget = budget(2);
		Pool one = new Pool();
		Connection first = connect(budget, one, SOON);
		Connection second = connect(budget, one, SOON);
		assertThatExceptionOfType(NoPermitException.class).isThrownBy(() -> connect(budget, new Pool(), SOON))
			.withMessageMatching(
					"The budget of server 'db1:5432' had no permit left \\(permits 2, in use or being made 2,"
							+ " idle 0, waiting 1\\) for (1[5-9]\\d|[2-9]\\d\\d|\\d{4,}) ms\\. .*'max-connections'\\.");
		assertThat(budget.waiting()).isZero();
		assertThat(this.attention).hasValue(0);
		first.close();
		second.close();
		assertThat(budget.taken()).isZero();
	}

	@Test
	void whatComesBackGoesToWhoWaits() throws Exception {
		ServerBudget budget = budget(1);
		Pool one = new Pool();
		Connection inUse = connect(budget, one, SOON);
		Future<Connection> waiting = starve(budget, new Pool(), LONG);
		giveBack(budget, one, inUse);
		assertThat(waiting.get().isClosed()).isFalse();
		assertThat(inUse.isClosed()).isTrue();
		assertThat(this.attention).hasValue(0);
	}

	/** It was asked for just after it had been looked whether it is. */
	@Test
	void whatBecameIdleAtTheSameMomentIsPassedOn() throws Exception {
		ServerBudget budget = budget(1);
		Pool one = new Pool();
		Connection inUse = connect(budget, one, SOON);
		assertThat(budget.needsFrom(one)).isFalse();
		Future<Connection> waiting = starve(budget, new Pool(), LONG);
		one.idle.add(inUse);
		budget.passOn();
		assertThat(inUse.isClosed()).isTrue();
		assertThat(waiting.get().isClosed()).isFalse();
	}

	/** As HikariCP tells nobody of a connection that it made for one who has gone. */
	@Test
	void whatBecameIdleUnseenIsFoundInTheEnd() throws Exception {
		ServerBudget budget = budget(1);
		Pool one = new Pool();
		Connection inUse = connect(budget, one, SOON);
		Future<Connection> waiting = starve(budget, new Pool(), LONG);
		one.idle.add(inUse);
		assertThat(waiting.get().isClosed()).isFalse();
		assertThat(inUse.isClosed()).isTrue();
	}

	@Test
	void servesInTheOrderOfComing() throws Exception {
		ServerBudget budget = budget(1);
		Pool one = new Pool();
		Connection inUse = connect(budget, one, SOON);
		List<Integer> order = new CopyOnWriteArrayList<>();
		List<Future<?>> all = new ArrayList<>();
		for (int i = 0; i < 5; i++) {
			int number = i;
			all.add(this.threads.submit(() -> {
				Connection connection = connect(budget, new Pool(), LONG);
				order.add(number);
				connection.close();
				return null;
			}));
			int expected = i + 1;
			await().until(() -> budget.waiting() == expected);
		}
		inUse.close();
		for (Future<?> each : all) {
			each.get();
		}
		assertThat(order).containsExactly(0, 1, 2, 3, 4);
		assertThat(budget.taken()).isZero();
	}

	@Test
	void aHotPoolKeepsItsOwnForAWhileOnly() throws Exception {
		ServerBudget budget = budget(1);
		Pool hot = new Pool();
		Connection inUse = connect(budget, hot, SOON);
		hot.waiting = 3;
		Future<Connection> waiting = starve(budget, new Pool(), LONG);
		await().until(() -> budget.needsFrom(hot));
		inUse.close();
		assertThat(waiting.get().isClosed()).isFalse();
	}

	@Test
	void aPoolThatWaitsForMoreGivesWayToOneThatWaitsForItsFirst() throws Exception {
		ServerBudget budget = budget(1);
		Pool hot = new Pool();
		Connection inUse = connect(budget, hot, SOON);
		hot.waiting = 3;
		Future<Connection> more = this.threads.submit(() -> connect(budget, hot, LONG));
		await().until(() -> budget.waiting() == 1);
		Future<Connection> first = this.threads.submit(() -> connect(budget, new Pool(), LONG));
		await().until(() -> budget.waiting() == 2);
		await().until(() -> budget.needsFrom(hot));
		inUse.close();
		first.get().close();
		assertThat(more.get().isClosed()).isFalse();
	}

	@Test
	void whoIsNotWantedAnyMoreLeavesTheQueue() throws Exception {
		ServerBudget budget = budget(1);
		Connection inUse = connect(budget, new Pool(), SOON);
		Pool left = new Pool();
		Future<Connection> waiting = starve(budget, left, null);
		budget.prune();
		assertThat(budget.waiting()).isEqualTo(1);
		left.wanted = false;
		budget.prune();
		assertRefused(waiting);
		assertThat(budget.waiting()).isZero();
		assertThat(this.attention).hasValue(0);
		inUse.close();
		assertThat(budget.taken()).isZero();
	}

	@Test
	void nothingIsClosedForThoseWhoHaveGoneWithoutAWord() throws Exception {
		ServerBudget budget = budget(2);
		Pool one = new Pool();
		Connection inUse = connect(budget, one, SOON);
		Connection alsoInUse = connect(budget, one, SOON);
		Pool left = new Pool();
		Future<Connection> waiting = starve(budget, left, null);
		left.wanted = false;
		giveBack(budget, one, inUse);
		assertThat(inUse.isClosed()).isFalse();
		assertRefused(waiting);
		assertThat(this.attention).hasValue(0);
		alsoInUse.close();
	}

	@Test
	void whatIsClosedIsNotTestedBefore() throws Exception {
		ServerBudget budget = budget(1);
		AtomicInteger tests = new AtomicInteger();
		Connection connection = budget.connect(new Pool(), SOON, () -> {
			Connection driver = physical();
			return new ForwardingConnection() {

				@Override
				Connection target() {
					return driver;
				}

				@Override
				public boolean isValid(int timeout) {
					return tests.incrementAndGet() == 0;
				}

			};
		});
		assertThat(connection.isValid(1)).isFalse();
		assertThat(BudgetedConnection.untested(() -> connection.isValid(1))).isTrue();
		assertThat(connection.isValid(1)).isFalse();
		assertThat(tests).hasValue(2);
		connection.close();
	}

	@Test
	void aPoolInWhichNobodyWaitsTakesOnlyWhatIsFree() throws Exception {
		ServerBudget budget = budget(2);
		Pool other = new Pool();
		other.idle.add(connect(budget, other, SOON));
		Pool filling = new Pool();
		filling.wanted = false;
		Connection free = connect(budget, filling, null);
		assertThatExceptionOfType(NoPermitException.class).isThrownBy(() -> connect(budget, filling, null));
		assertThat(other.idle).hasSize(1);
		free.close();
	}

	@Test
	void whoIsInterruptedLeavesTheQueue() throws Exception {
		ServerBudget budget = budget(1);
		Connection inUse = connect(budget, new Pool(), SOON);
		AtomicInteger interrupted = new AtomicInteger();
		Thread waiting = new Thread(() -> {
			try {
				connect(budget, new Pool(), LONG);
			}
			catch (SQLException ex) {
				if (ex.getCause() instanceof InterruptedException && Thread.currentThread().isInterrupted()) {
					interrupted.incrementAndGet();
				}
			}
		});
		waiting.start();
		await().until(budget::isStarving);
		waiting.interrupt();
		waiting.join();
		assertThat(interrupted).hasValue(1);
		assertThat(budget.waiting()).isZero();
		inUse.close();
		assertThat(budget.taken()).isZero();
	}

	@Test
	void nobodyWaitsOnceItIsClosed() throws Exception {
		ServerBudget budget = budget(1);
		Connection inUse = connect(budget, new Pool(), SOON);
		Future<Connection> waiting = starve(budget, new Pool(), LONG);
		budget.close();
		assertRefused(waiting);
		inUse.close();
		assertThat(budget.taken()).isZero();
		assertThat(this.attention).hasValue(0);
	}

	@Test
	void aServerThatRefusesIsNotAskedAgainAndAgain() {
		ServerBudget budget = budget(5);
		AtomicInteger tries = new AtomicInteger();
		assertThatExceptionOfType(NoPermitException.class)
			.isThrownBy(() -> budget.connect(new Pool(), Duration.ofSeconds(1), () -> {
				tries.incrementAndGet();
				throw new SQLException("sorry, too many clients already", "53300");
			}))
			.withMessageContaining("others use it too")
			.havingCause()
			.withMessageContaining("too many clients");
		// 20, 40, 80, 160, 320, 640 ms apart
		assertThat(tries).hasValueBetween(4, 7);
		assertThat(budget.taken()).isZero();
	}

	@Test
	void whatTheServerRefusesIsMadeInPlaceOfWhatIsIdle() throws Exception {
		ServerBudget budget = budget(5);
		Pool idle = new Pool();
		idle.idle.add(connect(budget, idle, SOON));
		idle.idle.add(connect(budget, idle, SOON));
		Connection fresh = budget.connect(new Pool(), SOON, () -> {
			if (this.open.get() >= 2) {
				throw new SQLException("sorry, too many clients already", "53300");
			}
			return physical();
		});
		assertThat(fresh.isClosed()).isFalse();
		assertThat(idle.idle).hasSize(1);
		assertThat(budget.taken()).isEqualTo(2);
	}

	/**
	 * Sixteen threads, eleven pools, four permits: whatever they do, there are never more
	 * connections than permits, nobody is left waiting, and every permit comes back.
	 */
	@Test
	void noPermitIsLostOrDoubledUnderContention() throws Exception {
		int permits = 4;
		ServerBudget budget = budget(permits);
		List<Pool> pools = new ArrayList<>();
		for (int i = 0; i < 11; i++) {
			pools.add(new Pool());
		}
		AtomicInteger served = new AtomicInteger();
		List<Object> outcomes = Race.run(16, () -> {
			ThreadLocalRandom random = ThreadLocalRandom.current();
			for (int i = 0; i < 300; i++) {
				Pool pool = pools.get(random.nextInt(pools.size()));
				Connection connection = pool.idle.poll();
				if (connection == null) {
					connection = random.nextInt(10) == 0 ? tryConnect(budget, pool) : connect(budget, pool, LONG);
				}
				if (connection == null) {
					continue;
				}
				served.incrementAndGet();
				connection.isReadOnly();
				switch (random.nextInt(10)) {
					case 0 -> connection.close();
					case 1 -> connection.abort(Runnable::run);
					default -> giveBack(budget, pool, connection);
				}
				connection = null;
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		assertThat(this.mostOpen).hasValueLessThanOrEqualTo(permits);
		assertThat(served).hasValueGreaterThan(16 * 250);
		assertThat(budget.waiting()).isZero();
		assertThat(this.attention).hasValue(0);
		pools.forEach((pool) -> {
			while (pool.giveUpIdle()) {
				assertThat(budget.taken()).isNotNegative();
			}
		});
		assertThat(budget.taken()).isZero();
	}

	private Connection tryConnect(ServerBudget budget, Pool pool) throws SQLException {
		try {
			return connect(budget, pool, Duration.ofNanos(ThreadLocalRandom.current().nextInt(1_000_000)));
		}
		catch (NoPermitException ex) {
			return null;
		}
	}

	@Test
	void sharesWhatTheServerHas() {
		assertThat(ServerSettings.DEFAULTS.permits(97)).isEqualTo(92);
		assertThat(new ServerSettings(null, 10, 3).permits(97)).isEqualTo(29);
		assertThat(new ServerSettings(40, null, 2).permits(40)).isEqualTo(20);
		assertThat(ServerSettings.DEFAULTS.permits(3)).isEqualTo(1);
		assertThatExceptionOfType(IllegalArgumentException.class).isThrownBy(() -> new ServerSettings(3, 3, 1));
	}

}
