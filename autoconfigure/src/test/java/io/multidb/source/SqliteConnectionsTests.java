package io.multidb.source;

import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;

import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * Tests for the connections of a SQLite file: how they are lent and taken back, that
 * writers take turns, and what becomes of them when the file goes away.
 */
@Timeout(120)
class SqliteConnectionsTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceRegistry registry;

	private Source source(String... settings) {
		Map<String, String> hikari = new HashMap<>();
		for (int i = 0; i < settings.length; i += 2) {
			hikari.put(settings[i], settings[i + 1]);
		}
		this.registry = this.sources.with(Sources.sqlite("a", this.directory).hikari(hikari)).registry();
		return this.registry.get("a");
	}

	private Source sourceWithTable(String... settings) throws SQLException {
		Source a = source(settings);
		Sources.execute(a, "create table t (x)");
		return a;
	}

	private static void assertSum(Source a, int expected) throws SQLException {
		assertThat(Sources.query(a, "select sum(x) from t")).isEqualTo(Integer.toString(expected));
	}

	/** One that was unwrapped is not used again, so what is lent is asked for its own. */
	private static SQLiteConnection physical(Connection connection) throws SQLException {
		return (connection instanceof SqliteLease lease) ? (SQLiteConnection) lease.target()
				: connection.unwrap(SQLiteConnection.class);
	}

	private static Thread inBackground(Runnable work) {
		Thread thread = new Thread(work);
		thread.start();
		return thread;
	}

	@Test
	void aPlainFileHasNoPoolOfHikaris() throws SQLException {
		Source a = source();
		Sources.query(a, "select 1");
		assertThat(a.pool()).isInstanceOf(SqliteConnections.class);
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbc:sqlite::memory:", "jdbc:sqlite:file:shared?mode=memory&cache=shared" })
	void whatIsNoPlainFileHas(String url) throws SQLException {
		Source memory = this.sources.with(SourceDefinition.named("m").url(url)).registry().get("m");
		Sources.query(memory, "select 1");
		assertThat(memory.pool()).isInstanceOf(HikariConnections.class);
	}

	@Test
	void aConnectionIsUsedAgain() throws SQLException {
		Source a = source();
		Set<SQLiteConnection> seen = Collections.newSetFromMap(new IdentityHashMap<>());
		for (int i = 0; i < 5; i++) {
			try (Connection connection = a.take()) {
				seen.add(physical(connection));
			}
		}
		assertThat(seen).hasSize(1);
		assertThat(a.pool().idle()).isEqualTo(1);
		assertThat(a.pool().active()).isZero();
	}

	@Test
	void thereAreNeverMoreThanMayBe() throws Exception {
		Source a = source("maximum-pool-size", "3");
		AtomicInteger inUse = new AtomicInteger();
		AtomicInteger most = new AtomicInteger();
		Set<SQLiteConnection> seen = Collections.synchronizedSet(Collections.newSetFromMap(new IdentityHashMap<>()));
		List<Object> outcomes = Race.run(12, () -> {
			for (int i = 0; i < 200; i++) {
				try (Connection connection = a.take()) {
					most.accumulateAndGet(inUse.incrementAndGet(), Math::max);
					seen.add(physical(connection));
					Sources.query(connection, "select 1");
					inUse.decrementAndGet();
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
		assertThat(most).hasValueLessThanOrEqualTo(3);
		assertThat(seen).hasSizeLessThanOrEqualTo(3);
		assertThat(a.pool().active() + a.pool().waiting()).isZero();
	}

	@Test
	void noConnectionIsTwoThreadsAtATime() throws Exception {
		Source a = source("maximum-pool-size", "4");
		Map<SQLiteConnection, Thread> users = Collections.synchronizedMap(new IdentityHashMap<>());
		List<Object> outcomes = Race.run(16, () -> {
			for (int i = 0; i < 2000; i++) {
				try (Connection connection = a.take()) {
					SQLiteConnection physical = physical(connection);
					assertThat(users.put(physical, Thread.currentThread())).isNull();
					assertThat(users.remove(physical)).isSameAs(Thread.currentThread());
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
	}

	@Test
	void whoComesFirstIsServedFirst() throws Exception {
		Source a = source("maximum-pool-size", "1");
		List<Integer> served = new CopyOnWriteArrayList<>();
		List<Thread> threads = new ArrayList<>();
		try (Connection only = a.getConnection()) {
			for (int i = 0; i < 6; i++) {
				int number = i;
				threads.add(inBackground(() -> {
					try (Connection mine = a.getConnection()) {
						served.add(number);
					}
					catch (SQLException ex) {
						served.add(-1);
					}
				}));
				Awaitility.await().pollInterval(Duration.ofMillis(2)).until(() -> a.pool().waiting() == number + 1);
			}
			assertThat(only.isClosed()).isFalse();
			assertThat(a.leases()).isEqualTo(7);
		}
		for (Thread thread : threads) {
			thread.join();
		}
		assertThat(served).containsExactly(0, 1, 2, 3, 4, 5);
	}

	@Test
	void whoWaitsTooLongIsToldTheNumbers() throws SQLException {
		Source a = source("maximum-pool-size", "1", "connection-timeout", "300");
		try (Connection only = a.getConnection()) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(a::getConnection)
				.withMessageContaining("within 300 ms (active 1, idle 0, waiting 0)")
				.withMessageContaining("maximum-pool-size");
			assertThat(only.isClosed()).isFalse();
			assertThat(a.leases()).isEqualTo(1);
		}
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
	}

	@Test
	void whoWaitsCanBeInterrupted() throws Exception {
		Source a = source("maximum-pool-size", "1");
		AtomicReference<Throwable> failure = new AtomicReference<>();
		AtomicBoolean interrupted = new AtomicBoolean();
		try (Connection only = a.getConnection()) {
			Thread waiting = inBackground(() -> {
				failure.set(catchThrowable(a::getConnection));
				interrupted.set(Thread.currentThread().isInterrupted());
			});
			Awaitility.await().until(() -> a.pool().waiting() == 1);
			waiting.interrupt();
			waiting.join();
			assertThat(failure.get()).isInstanceOf(SQLException.class).hasMessageContaining("Interrupted");
			assertThat(interrupted).isTrue();
			assertThat(a.leases()).isEqualTo(1);
			assertThat(only.isClosed()).isFalse();
		}
	}

	@Test
	void whoWaitsInAPoolThatIsClosedIsToldAtOnce() throws Exception {
		Source a = source("maximum-pool-size", "1", "connection-timeout", "60000");
		AtomicReference<Throwable> failure = new AtomicReference<>();
		Connection only = a.getConnection();
		Thread waiting = inBackground(() -> failure.set(catchThrowable(a::getConnection)));
		Awaitility.await().until(() -> a.pool().waiting() == 1);
		this.registry.close();
		waiting.join(60_000);
		assertThat(waiting.isAlive()).isFalse();
		assertThat(failure.get()).isInstanceOf(SourceUnavailableException.class)
			.hasMessageContaining("the application has ended");
		only.close();
	}

	@Test
	void aClosedPoolLendsNothing() throws SQLException {
		Source a = source();
		Sources.query(a, "select 1");
		Pool pool = a.pool();
		pool.close();
		assertThat(pool.borrow()).isNull();
		assertThat(pool.active() + pool.idle()).isZero();
	}

	@Test
	void anIdleSourceIsClosedAtOnce() throws SQLException {
		Source a = source();
		Sources.query(a, "select 1");
		Pool pool = a.pool();
		assertThat(this.registry.drain("a")).isTrue();
		assertThat(pool.grace()).isZero();
		Awaitility.await().until(() -> Sources.isClosed(pool));
	}

	@Test
	void aClosedConnectionIsOfNoUse() throws SQLException {
		Source a = source("maximum-pool-size", "1");
		Connection connection = a.getConnection();
		Statement statement = connection.createStatement();
		PreparedStatement prepared = connection.prepareStatement("select 1");
		connection.close();
		connection.close();
		assertThat(connection.isClosed()).isTrue();
		assertThat(connection.isValid(1)).isFalse();
		assertThatExceptionOfType(SQLException.class).isThrownBy(connection::createStatement);
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.prepareStatement("select 1"));
		assertThatExceptionOfType(SQLException.class).isThrownBy(connection::commit);
		assertThatExceptionOfType(SQLException.class).isThrownBy(connection::rollback);
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setAutoCommit(false));
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> statement.executeQuery("select 1"));
		assertThatExceptionOfType(SQLException.class).isThrownBy(prepared::executeQuery);
		try (Connection next = a.getConnection()) {
			connection.close();
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> statement.execute("select 1"));
			assertThat(Sources.query(next, "select 1")).isEqualTo("1");
			assertThat(a.pool().active()).isEqualTo(1);
		}
	}

	@Test
	void aConnectionThatTwoThreadsCloseIsGivenBackOnce() throws Exception {
		Source a = source("maximum-pool-size", "1");
		CyclicBarrier barrier = new CyclicBarrier(2);
		for (int i = 0; i < 500; i++) {
			Connection connection = a.getConnection();
			Runnable closing = () -> {
				try {
					barrier.await();
					connection.close();
				}
				catch (Exception ex) {
					throw new IllegalStateException(ex);
				}
			};
			CompletableFuture<Void> other = CompletableFuture.runAsync(closing);
			closing.run();
			other.join();
			assertThat(a.pool().idle()).isEqualTo(1);
			assertThat(a.leases()).isZero();
		}
	}

	@Test
	void whatWasChangedIsPutBack() throws SQLException {
		Source a = sourceWithTable("maximum-pool-size", "1");
		try (Connection connection = a.getConnection()) {
			connection.setTransactionIsolation(Connection.TRANSACTION_READ_UNCOMMITTED);
			connection.setAutoCommit(false);
			Sources.execute(connection, "insert into t values (1)");
			connection.setReadOnly(true);
		}
		try (Connection connection = a.getConnection()) {
			assertThat(connection.getAutoCommit()).isTrue();
			assertThat(connection.isReadOnly()).isFalse();
			assertThat(connection.getTransactionIsolation()).isEqualTo(Connection.TRANSACTION_SERIALIZABLE);
			assertThat(Sources.query(connection, "pragma query_only")).isEqualTo("0");
			assertThat(Sources.query(connection, "pragma read_uncommitted")).isEqualTo("0");
			assertThat(Sources.query(connection, "select count(*) from t")).isEqualTo("0");
			Sources.execute(connection, "insert into t values (2)");
		}
		assertSum(a, 2);
	}

	@Test
	void aTransactionThatWasBegunByHandIsRolledBackToo() throws SQLException {
		Source a = sourceWithTable("maximum-pool-size", "1");
		Sources.execute(a, "begin");
		Sources.execute(a, "insert into t values (1)");
		try (Connection connection = a.getConnection()) {
			Sources.execute(connection, "begin immediate");
			Sources.execute(connection, "insert into t values (2)");
		}
		assertThat(Sources.query(a, "select group_concat(x) from t")).isEqualTo("1");
		try (Connection other = DriverManager.getConnection(a.definition().url().text())) {
			Sources.execute(other, "insert into t values (3)");
		}
	}

	@Test
	void whatTheUnwrappedConnectionWasMadeToDoIsPutBackToo() throws SQLException {
		Source a = sourceWithTable("maximum-pool-size", "1");
		try (Connection connection = a.getConnection()) {
			SQLiteConnection physical = physical(connection);
			physical.setAutoCommit(false);
			Sources.execute(physical, "insert into t values (1)");
		}
		try (Connection connection = a.getConnection()) {
			assertThat(physical(connection).getAutoCommit()).isTrue();
			assertThat(Sources.query(connection, "select count(*) from t")).isEqualTo("0");
		}
	}

	@Test
	void openStatementsAreClosedSoThatNoReadLockStays() throws SQLException {
		Source a = sourceWithTable("maximum-pool-size", "1");
		Sources.execute(a, "insert into t values (1), (2), (3)");
		ResultSet open;
		try (Connection connection = a.getConnection()) {
			open = connection.createStatement().executeQuery("select x from t");
			assertThat(open.next()).isTrue();
			Sources.query(connection, "select 1");
		}
		assertThat(open.isClosed()).isTrue();
		try (Connection other = DriverManager.getConnection(a.definition().url().text())) {
			Sources.execute(other, "insert into t values (4)");
			// The log starts anew only when nobody reads an older state.
			assertThat(Sources.query(other, "pragma wal_checkpoint(truncate)")).isEqualTo("0");
		}
	}

	@Test
	void aConnectionThatIsKeptForLongRemembersOnlyTheStatementsThatAreOpen() throws SQLException {
		Source a = source("maximum-pool-size", "1");
		List<Statement> open = new ArrayList<>();
		try (Connection connection = a.getConnection()) {
			for (int i = 0; i < 5000; i++) {
				Statement statement = connection.createStatement();
				if (i % 500 == 0) {
					open.add(statement);
				}
				else {
					statement.close();
				}
			}
		}
		assertThat(open).allMatch((statement) -> {
			try {
				return statement.isClosed();
			}
			catch (SQLException ex) {
				return false;
			}
		});
	}

	@Test
	void autoCommitMayBeOffFromTheStart() throws SQLException {
		Source a = source("auto-commit", "false", "maximum-pool-size", "1");
		try (Connection connection = a.getConnection()) {
			assertThat(connection.getAutoCommit()).isFalse();
			Sources.execute(connection, "create table t (x)");
			connection.commit();
			Sources.execute(connection, "insert into t values (1)");
			connection.setAutoCommit(true);
			Sources.execute(connection, "insert into t values (2)");
		}
		try (Connection connection = a.getConnection()) {
			assertThat(connection.getAutoCommit()).isFalse();
			assertThat(Sources.query(connection, "select sum(x) from t")).isEqualTo("3");
		}
	}

	@Test
	void aTransactionIsCommittedOrRolledBackAsAWhole() throws SQLException {
		Source a = sourceWithTable();
		try (Connection connection = a.getConnection()) {
			connection.setAutoCommit(false);
			PreparedStatement insert = connection.prepareStatement("insert into t values (?)");
			for (int i = 1; i <= 4; i++) {
				insert.setInt(1, i);
				insert.executeUpdate();
				if (i % 2 == 0) {
					connection.rollback();
				}
				else {
					connection.commit();
				}
			}
			insert.setInt(1, 10);
			insert.addBatch();
			insert.setInt(1, 20);
			insert.addBatch();
			insert.executeBatch();
			connection.rollback();
			connection.rollback();
			connection.commit();
			assertThat(Sources.query(connection, "select sum(x) from t")).isEqualTo("4");
		}
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> {
			try (Connection connection = a.getConnection()) {
				connection.commit();
			}
		}).withMessageContaining("auto-commit");
	}

	@Test
	void aSavepointBelongsToItsTransaction() throws SQLException {
		Source a = sourceWithTable();
		try (Connection connection = a.getConnection()) {
			connection.setAutoCommit(false);
			Savepoint before = connection.setSavepoint();
			Sources.execute(connection, "insert into t values (1)");
			connection.rollback(before);
			Sources.execute(connection, "insert into t values (2)");
			connection.setSavepoint("s");
			Sources.execute(connection, "insert into t values (3)");
			connection.commit();
		}
		assertSum(a, 5);
	}

	@Test
	void anAbortedConnectionIsClosedAndReplaced() throws Exception {
		Source a = sourceWithTable("maximum-pool-size", "1");
		Connection connection = a.getConnection();
		connection.setAutoCommit(false);
		Sources.execute(connection, "insert into t values (1)");
		SQLiteConnection physical = physical(connection);
		AtomicReference<Throwable> failure = new AtomicReference<>();
		CountDownLatch running = new CountDownLatch(1);
		Function.create(physical, "running", new Function() {

			@Override
			protected void xFunc() throws SQLException {
				running.countDown();
				result(1);
			}

		});
		Thread user = inBackground(() -> failure.set(catchThrowable(() -> Sources.query(connection,
				"with recursive n (i) as (select 1 union all select i + running() from n) select count(*) from n"))));
		running.await();
		connection.abort(Runnable::run);
		user.join();
		assertThat(failure.get()).isInstanceOf(SQLException.class);
		assertThat(connection.isClosed()).isTrue();
		assertThat(physical.isClosed()).isTrue();
		connection.close();
		assertThat(Sources.query(a, "select count(*) from t")).isEqualTo("0");
		assertThat(a.pool().active() + a.pool().idle()).isEqualTo(1);
		Sources.execute(a, "insert into t values (2)");
	}

	@Test
	void aConnectionThatWasClosedBeneathIsReplaced() throws SQLException {
		Source a = source("maximum-pool-size", "1");
		try (Connection connection = a.getConnection()) {
			physical(connection).close();
		}
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
	}

	@Test
	void aConnectionThatFailedForGoodIsReplaced() throws Exception {
		Source a = sourceWithTable("maximum-pool-size", "1");
		SQLiteConnection first;
		try (Connection connection = a.getConnection()) {
			first = physical(connection);
			Path junk = Files.writeString(this.directory.resolve("junk.db"), "this is no database".repeat(100));
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "attach '" + junk + "' as junk"));
		}
		assertThat(first.isClosed()).isTrue();
		assertThat(Sources.query(a, "select count(*) from t")).isEqualTo("0");
	}

	@Test
	void aConnectionThatIsTooOldIsReplaced() throws SQLException {
		Source a = source("maximum-pool-size", "1", "max-lifetime", "1");
		SQLiteConnection first;
		try (Connection connection = a.take()) {
			first = physical(connection);
			Sources.query(connection, "with recursive n (i) as (select 1 union all select i + 1 from n limit 200000)"
					+ " select count(*) from n");
		}
		assertThat(first.isClosed()).isTrue();
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
	}

	@Test
	void oneIdleConnectionCanBeGivenUp() throws SQLException {
		Source a = source();
		Sources.query(a, "select 1");
		assertThat(a.pool().giveUpIdle()).isTrue();
		assertThat(a.pool().idle()).isZero();
		assertThat(a.pool().giveUpIdle()).isFalse();
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
	}

	@Test
	void transactionsThatReadAndThenWriteTakeTurns() throws Exception {
		Source a = source();
		Sources.execute(a, "create table account (balance integer not null)");
		Sources.execute(a, "insert into account values (0)");
		AtomicBoolean ended = new AtomicBoolean();
		AtomicInteger reads = new AtomicInteger();
		CompletableFuture<List<Object>> readers = CompletableFuture
			.supplyAsync(() -> unchecked(() -> Race.run(2, () -> {
				while (!ended.get()) {
					try (Connection connection = a.getConnection()) {
						connection.setReadOnly(true);
						connection.setAutoCommit(false);
						String first = Sources.query(connection, "select balance from account");
						assertThat(Sources.query(connection, "select balance from account")).isEqualTo(first);
						connection.commit();
						reads.incrementAndGet();
					}
				}
				return "fine";
			})));
		List<Object> writers = Race.run(8, () -> {
			for (int i = 0; i < 50; i++) {
				try (Connection connection = a.getConnection()) {
					connection.setAutoCommit(false);
					int before = Integer.parseInt(Sources.query(connection, "select balance from account"));
					Thread.onSpinWait();
					Sources.execute(connection, "update account set balance = " + (before + 1));
					connection.commit();
				}
			}
			return "fine";
		});
		ended.set(true);
		assertThat(writers).containsOnly("fine");
		assertThat(readers.join()).containsOnly("fine");
		assertThat(Sources.query(a, "select balance from account")).isEqualTo("400");
		assertThat(reads).hasPositiveValue();
	}

	@Test
	void aPreparedStatementThatOutlivesItsTransactionTakesTheLockAgain() throws Exception {
		Source a = source();
		Sources.execute(a, "create table account (balance integer not null)");
		Sources.execute(a, "insert into account values (0)");
		List<Object> writers = Race.run(4, () -> {
			try (Connection connection = a.getConnection();
					PreparedStatement read = connection.prepareStatement("select balance from account");
					PreparedStatement write = connection.prepareStatement("update account set balance = ?")) {
				connection.setAutoCommit(false);
				for (int i = 0; i < 50; i++) {
					try (ResultSet rows = read.executeQuery()) {
						rows.next();
						write.setInt(1, rows.getInt(1) + 1);
					}
					write.executeUpdate();
					connection.commit();
				}
			}
			return "fine";
		});
		assertThat(writers).containsOnly("fine");
		assertThat(Sources.query(a, "select balance from account")).isEqualTo("200");
	}

	@Test
	void readersAreNotHeldUpByAWriter() throws SQLException {
		Source a = sourceWithTable();
		try (Connection writer = a.getConnection(); Connection reader = a.getConnection()) {
			writer.setAutoCommit(false);
			Sources.execute(writer, "insert into t values (1)");
			reader.setReadOnly(true);
			reader.setAutoCommit(false);
			assertThat(Sources.query(reader, "select count(*) from t")).isEqualTo("0");
			writer.commit();
			assertThat(Sources.query(reader, "select count(*) from t")).isEqualTo("0");
			reader.commit();
			assertThat(Sources.query(reader, "select count(*) from t")).isEqualTo("1");
		}
	}

	@Test
	void aTransactionWithoutAStatementHoldsNobodyUp() throws SQLException {
		Source a = sourceWithTable("data-source-properties.busy_timeout", "300");
		try (Connection idle = a.getConnection(); Connection writer = a.getConnection()) {
			idle.setAutoCommit(false);
			PreparedStatement prepared = idle.prepareStatement("insert into t values (1)");
			writer.setAutoCommit(false);
			Sources.execute(writer, "insert into t values (2)");
			writer.commit();
			assertThat(prepared.executeUpdate()).isEqualTo(1);
			idle.commit();
		}
		assertSum(a, 3);
	}

	@Test
	void aWriterThatWaitsTooLongIsToldAndCanGoOn() throws SQLException {
		Source a = sourceWithTable("data-source-properties.busy_timeout", "200");
		try (Connection one = a.getConnection(); Connection other = a.getConnection()) {
			one.setAutoCommit(false);
			Sources.execute(one, "insert into t values (1)");
			other.setAutoCommit(false);
			Throwable failure = CompletableFuture
				.supplyAsync(() -> catchThrowable(() -> Sources.execute(other, "insert into t values (2)")))
				.join();
			assertThat(failure).isInstanceOf(SQLException.class)
				.hasMessageContaining("written to by another transaction for more than 200 ms");
			assertThat(((SQLException) failure).getErrorCode()).isEqualTo(5);
			one.commit();
			Sources.execute(other, "insert into t values (4)");
			other.commit();
		}
		assertSum(a, 5);
	}

	@Test
	void aThreadDoesNotWaitForItself() throws SQLException {
		Source a = sourceWithTable("data-source-properties.busy_timeout", "600000");
		try (Connection outer = a.getConnection(); Connection inner = a.getConnection()) {
			outer.setAutoCommit(false);
			Sources.execute(outer, "insert into t values (1)");
			inner.setAutoCommit(false);
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(inner, "insert into t values (2)"))
				.withMessageContaining("this thread's own transaction is it");
			inner.rollback();
			outer.commit();
			Sources.execute(inner, "insert into t values (4)");
			inner.commit();
		}
		assertSum(a, 5);
	}

	@Test
	void aWriterWaitsForTheLockOfAnotherProcessAndCanGoOn() throws SQLException {
		Source a = sourceWithTable("data-source-properties.busy_timeout", "200");
		try (Connection foreign = DriverManager.getConnection(a.definition().url().text());
				Connection mine = a.getConnection()) {
			Sources.execute(foreign, "begin immediate");
			mine.setAutoCommit(false);
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(mine, "insert into t values (1)"))
				.withMessageContaining("SQLITE_BUSY");
			mine.rollback();
			Sources.execute(foreign, "commit");
			Sources.execute(mine, "insert into t values (2)");
			mine.commit();
		}
		assertSum(a, 2);
	}

	@Test
	void whoWaitsForHisTurnToWriteCanBeInterrupted() throws Exception {
		Source a = sourceWithTable();
		AtomicReference<Throwable> failure = new AtomicReference<>();
		try (Connection writer = a.getConnection()) {
			writer.setAutoCommit(false);
			Sources.execute(writer, "insert into t values (1)");
			Thread waiting = inBackground(() -> failure.set(catchThrowable(() -> {
				try (Connection other = a.getConnection()) {
					other.setAutoCommit(false);
					Sources.execute(other, "insert into t values (2)");
				}
			})));
			Awaitility.await().until(() -> waiting.getState() == Thread.State.TIMED_WAITING);
			waiting.interrupt();
			waiting.join();
			assertThat(failure.get()).isInstanceOf(SQLException.class).hasMessageContaining("Interrupted");
			writer.commit();
		}
		Sources.execute(a, "insert into t values (4)");
		assertSum(a, 5);
	}

	@Test
	void theDriversOwnModeMayBeChosen() throws SQLException {
		Source a = sourceWithTable("data-source-properties.transaction_mode", "DEFERRED");
		try (Connection one = a.getConnection(); Connection other = a.getConnection()) {
			one.setAutoCommit(false);
			assertThat(Sources.query(one, "select count(*) from t")).isEqualTo("0");
			other.setAutoCommit(false);
			Sources.execute(other, "insert into t values (1)");
			other.commit();
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(one, "insert into t values (2)"))
				.withMessageContaining("SQLITE_BUSY_SNAPSHOT");
		}
	}

	@Test
	void theDriversExplicitReadOnlyDoesNotInterfere() throws SQLException {
		Source a = sourceWithTable("data-source-properties.[jdbc.explicit_readonly]", "true");
		try (Connection connection = a.getConnection()) {
			connection.setReadOnly(true);
			connection.setAutoCommit(false);
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into t values (1)"))
				.withMessageContaining("read only");
			connection.rollback();
			connection.setReadOnly(false);
			Sources.execute(connection, "insert into t values (2)");
			connection.commit();
		}
		assertSum(a, 2);
	}

	@Test
	void aReplacedFileIsOpenedAnew() throws Exception {
		Source a = sourceWithTable();
		Sources.execute(a, "insert into t values ('old')");
		Sources.query(a, "pragma wal_checkpoint(truncate)");
		Pool before = a.pool();
		replaceFile();
		Awaitility.await().untilAsserted(() -> assertThat(Sources.query(a, "select x from t")).isEqualTo("new"));
		assertThat(Sources.isClosed(before)).isTrue();
		Sources.execute(a, "insert into t values ('more')");
		try (Connection connection = DriverManager.getConnection(a.definition().url().text())) {
			assertThat(Sources.query(connection, "select count(*) from t")).isEqualTo("2");
		}
		assertThat(this.sources.events).noneMatch(SourceEvent.Unavailable.class::isInstance);
	}

	@Test
	void aLogThatBelongsToAnotherFileIsNotAppliedToTheNewOne() throws Exception {
		Source a = sourceWithTable();
		Sources.execute(a, "insert into t values ('old')");
		Awaitility.await().pollDelay(Duration.ofMillis(300)).until(() -> Sources.query(a, "select x from t") != null);
		replaceFile();
		Awaitility.await()
			.pollDelay(Duration.ofMillis(300))
			.untilAsserted(
					() -> assertThat(catchThrowable(a::getConnection)).isInstanceOf(SourceUnavailableException.class)
						.hasMessageContaining("a.db-wal' is the former one's"));
		Files.delete(this.directory.resolve("a.db-wal"));
		Files.deleteIfExists(this.directory.resolve("a.db-shm"));
		Awaitility.await()
			.ignoreExceptions()
			.untilAsserted(() -> assertThat(Sources.query(a, "select x from t")).isEqualTo("new"));
		assertThat(Sources.query(a, "pragma integrity_check")).isEqualTo("ok");
	}

	@Test
	void aReplacedFileIsNotOpenedBesideTheFormerOne() throws Exception {
		Source a = sourceWithTable();
		Sources.execute(a, "insert into t values ('old')");
		Sources.query(a, "pragma wal_checkpoint(truncate)");
		try (Connection former = a.getConnection()) {
			replaceFile();
			Awaitility.await()
				.pollDelay(Duration.ofMillis(300))
				.untilAsserted(() -> assertThat(catchThrowable(a::getConnection))
					.isInstanceOf(SourceUnavailableException.class)
					.hasMessageContaining("1 connections to the former one are still in use"));
			assertThat(Sources.query(former, "select x from t")).isEqualTo("old");
		}
		Awaitility.await()
			.ignoreExceptions()
			.untilAsserted(() -> assertThat(Sources.query(a, "select x from t")).isEqualTo("new"));
	}

	/** What was committed last is in its log, and must not be lost. */
	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void aFileThatWasAwayAndIsBackIsServedWithItsLog(boolean closedWhileAway) throws Exception {
		Path there = Files.createDirectory(this.directory.resolve("there"));
		Path away = this.directory.resolve("away");
		this.registry = this.sources.with(Sources.sqlite("a", there)).registry();
		Source a = this.registry.get("a");
		Sources.execute(a, "create table t (x)");
		Connection former = a.getConnection();
		Sources.execute(former, "insert into t values (1)");
		Awaitility.await().pollDelay(Duration.ofMillis(300)).until(() -> Sources.query(a, "select 1").equals("1"));
		Files.move(there, away);
		Awaitility.await()
			.untilAsserted(() -> assertThat(catchThrowable(() -> a.getConnection().close()))
				.isInstanceOf(SourceUnavailableException.class)
				.hasMessageContaining("1 connections to the former one are still in use"));
		if (closedWhileAway) {
			former.close();
			Awaitility.await().until(() -> !a.isOpen());
		}
		assertThat(away.resolve("a.db-wal")).isNotEmptyFile();
		Files.move(away, there);
		this.registry.retry("a");
		Sources.execute(a, "insert into t values (2)");
		former.close();
		assertSum(a, 3);
		assertThat(Sources.query(a, "pragma integrity_check")).isEqualTo("ok");
	}

	private void replaceFile() throws Exception {
		Path fresh = this.directory.resolve("fresh.db");
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + fresh)) {
			Sources.execute(connection, "create table t (x)");
			Sources.execute(connection, "insert into t values ('new')");
		}
		Files.move(fresh, this.directory.resolve("a.db"), StandardCopyOption.REPLACE_EXISTING);
	}

	@Test
	void aFileThatVanishedIsNotMadeAnewAndServedWhenItIsBack() throws Exception {
		Source a = sourceWithTable();
		Path file = this.directory.resolve("a.db");
		Path aside = this.directory.resolve("aside.db");
		this.registry.drain("a");
		Awaitility.await().until(() -> !a.isOpen());
		Sources.query(a, "select count(*) from t");
		Files.move(file, aside);
		Awaitility.await().untilAsserted(() -> {
			Throwable failure = catchThrowable(() -> Sources.query(a, "select count(*) from t"));
			assertThat(failure).isInstanceOf(SourceUnavailableException.class).hasMessageContaining("its file is gone");
		});
		assertThat(a.state()).isInstanceOf(SourceState.Unavailable.class);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> this.registry.retry("a"));
		assertThat(file).doesNotExist();
		Files.move(aside, file);
		Awaitility.await().untilAsserted(() -> assertThat(a.state()).isInstanceOf(SourceState.Cold.class));
		assertThat(Sources.query(a, "select count(*) from t")).isEqualTo("0");
	}

	@Test
	void whoWaitsWhileTheFileVanishesIsToldSo() throws Exception {
		Source a = sourceWithTable("maximum-pool-size", "1", "connection-timeout", "60000");
		AtomicReference<Throwable> failure = new AtomicReference<>();
		try (Connection only = a.getConnection()) {
			Thread waiting = inBackground(() -> failure.set(catchThrowable(a::getConnection)));
			Awaitility.await().until(() -> a.pool().waiting() == 1);
			Files.delete(this.directory.resolve("a.db"));
			Awaitility.await()
				.pollDelay(Duration.ofMillis(300))
				.untilAsserted(() -> assertThat(catchThrowable(a::getConnection))
					.isInstanceOf(SourceUnavailableException.class));
			waiting.join(60_000);
			assertThat(waiting.isAlive()).isFalse();
			assertThat(failure.get()).isInstanceOf(SourceUnavailableException.class);
			assertThat(Sources.query(only, "select count(*) from t")).isEqualTo("0");
		}
	}

	@Test
	void aTenantsFileThatVanishedIsAnUnknownTenants() throws Exception {
		Path file = this.directory.resolve("1.db");
		this.registry = this.sources.with(
				Sources.template(SourceDefinition.named("t").url("jdbc:sqlite:" + this.directory + "/{id}.db").build(),
						"t-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		this.registry.create("t-1");
		Sources.query(this.registry.get("t-1"), "select 1");
		Files.delete(file);
		Awaitility.await()
			.untilAsserted(() -> assertThat(
					catchThrowable(() -> Sources.query(this.registry.get("t-1"), "select count(*) from t")))
				.isInstanceOfAny(io.multidb.UnknownTenantException.class, UnknownSourceException.class));
		assertThat(file).doesNotExist();
	}

	@Test
	void nothingIsCutAndNobodyFailsWhileIdleSourcesGiveWay() throws Exception {
		this.sources.with(new PoolLimits(3, PoolLimits.WhenFull.WAIT, Duration.ofMinutes(10), Duration.ofSeconds(30)));
		for (int i = 0; i < 12; i++) {
			this.sources.with(Sources.sqlite("s" + i, this.directory));
		}
		this.registry = this.sources.registry();
		List<Object> outcomes = Race.run(3, () -> {
			for (int i = 0; i < 300; i++) {
				Source source = this.registry.get("s" + ThreadLocalRandom.current().nextInt(12));
				try (Connection connection = source.getConnection()) {
					assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
					assertThat(Sources.query(connection, "select 2")).isEqualTo("2");
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
		assertThat(this.sources.events).noneMatch(SourceEvent.Cut.class::isInstance);
		assertThat(this.sources.events).filteredOn(SourceEvent.Closed.class::isInstance).hasSizeGreaterThan(100);
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void nothingIsLeftOfHundredsThatWereOpenedAndClosed() throws Exception {
		this.registry = this.sources.registry();
		List<WeakReference<Object>> pools = new ArrayList<>();
		openAndClose(0, 50, pools);
		Awaitility.await().until(() -> this.registry.openPools().isEmpty());
		int threads = Thread.activeCount();
		openAndClose(50, 600, pools);
		Awaitility.await().untilAsserted(() -> assertThat(Sources.openFiles(this.directory)).isEmpty());
		Awaitility.await().until(() -> Thread.activeCount() <= threads + 8);
		Awaitility.await().pollInterval(Duration.ofMillis(100)).untilAsserted(() -> {
			System.gc();
			assertThat(pools).filteredOn((pool) -> pool.get() != null).hasSizeLessThan(3);
		});
	}

	private void openAndClose(int from, int to, List<WeakReference<Object>> pools) throws SQLException {
		for (int i = from; i < to; i++) {
			this.registry.add(Sources.sqlite("s" + i, this.directory).build());
			Sources.query(this.registry.get("s" + i), "select 1");
			pools.add(new WeakReference<>(this.registry.get("s" + i).pool()));
			this.registry.remove("s" + i);
		}
	}

	private static <T> T unchecked(java.util.concurrent.Callable<T> work) {
		try {
			return work.call();
		}
		catch (Exception ex) {
			throw new IllegalStateException(ex);
		}
	}

}
