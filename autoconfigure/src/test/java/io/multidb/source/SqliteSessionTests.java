package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConnection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * What a session did to a SQLite connection does not reach the next one on it: open
 * transactions, settings, other databases, statements that are run too late.
 */
@Timeout(120)
class SqliteSessionTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private Source a;

	@BeforeEach
	void open() throws SQLException {
		this.a = this.sources
			.with(Sources.sqlite("a", this.directory)
				.hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "2000")))
			.registry()
			.get("a");
		Sources.execute(this.a, "create table t (x)");
	}

	@AfterEach
	void close() {
		Sources.assertIdle(this.a);
		this.sources.close();
	}

	private static void update(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.executeUpdate(sql);
		}
	}

	/** Nothing is open: what the next session writes is there, for others too. */
	private void assertNothingIsOpen() throws SQLException {
		Sources.execute(this.a, "insert into t values ('next')");
		try (Connection other = DriverManager.getConnection(this.a.definition().url().text())) {
			assertThat(Sources.query(other, "select group_concat(x) from t")).isEqualTo("next");
			Sources.execute(other, "delete from t");
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "begin", " \t\nBEGIN immediate", "/* why */ begin", "-- why\nbegin exclusive", ";begin",
			" ; /* ; */ -- '\n begin", "savepoint s", "/**/savepoint s", "insert into t values ('a;b'); begin",
			"select ';' ; -- begin\n savepoint s", "\uFEFFbegin" })
	void aTransactionBegunByAStatementIsRolledBack(String sql) throws SQLException {
		try (Connection connection = this.a.getConnection()) {
			Sources.execute(connection, sql);
			Sources.execute(connection, "insert into t values ('former')");
			connection.createStatement().executeUpdate("delete from t where x = 'a;b'");
		}
		Sources.execute(this.a, "delete from t");
		assertNothingIsOpen();
		try (Connection connection = this.a.getConnection()) {
			update(connection, sql);
			Sources.execute(connection, "insert into t values ('former')");
		}
		Sources.execute(this.a, "delete from t");
		assertNothingIsOpen();
	}

	@ParameterizedTest
	@ValueSource(strings = { "begin", "/* why */ begin immediate", "savepoint s" })
	void aTransactionBegunByAPreparedStatementIsRolledBack(String sql) throws SQLException {
		try (Connection connection = this.a.getConnection()) {
			try (PreparedStatement begin = connection.prepareStatement(sql)) {
				begin.execute();
			}
			Sources.execute(connection, "insert into t values ('former')");
		}
		assertNothingIsOpen();
		try (Connection connection = this.a.getConnection(); Statement statement = connection.createStatement()) {
			statement.addBatch(sql);
			statement.addBatch("insert into t values ('former')");
			statement.executeBatch();
		}
		assertNothingIsOpen();
	}

	@ParameterizedTest
	@ValueSource(strings = { "pragma foreign_keys = off", "pragma query_only(1)", "/**/ pragma busy_timeout = 1",
			"select 1; pragma foreign_keys = off", "create temp table t (x)", "create temporary table t (x)",
			"create view temp.t as select 'wrong' as x", "create table \"temp\".t (x)", "create table [TEMP] . t (x)" })
	void whatASessionSetsIsNotTheNextOnes(String sql) throws SQLException {
		try (Connection connection = this.a.getConnection()) {
			update(connection, sql);
		}
		assertNothingIsOpen();
		assertThat(Sources.query(this.a, "pragma foreign_keys")).isEqualTo("1");
		assertThat(Sources.query(this.a, "pragma busy_timeout")).isEqualTo("5000");
	}

	@Test
	void aDatabaseThatWasAttachedIsNotTheNextOnes() throws SQLException {
		try (Connection connection = this.a.getConnection();
				PreparedStatement attach = connection
					.prepareStatement("attach '" + this.directory.resolve("other.db") + "' as other")) {
			attach.execute();
			Sources.execute(connection, "create table other.u (x)");
			assertThat(Sources.query(connection, "select count(*) from u")).isEqualTo("0");
		}
		try (Connection connection = this.a.getConnection()) {
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into u values (1)"))
				.withMessageContaining("no such table");
		}
	}

	@Test
	void whoKeepsTheDriversConnectionKeepsNothingThatIsAnothers() throws SQLException {
		SQLiteConnection kept;
		try (Connection connection = this.a.getConnection()) {
			kept = connection.unwrap(SQLiteConnection.class);
			kept.setBusyTimeout(1);
		}
		try (Connection connection = this.a.getConnection()) {
			connection.setAutoCommit(false);
			Sources.execute(connection, "insert into t values (1)");
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(kept, "insert into t values (2)"));
			assertThat(Sources.query(connection, "pragma busy_timeout")).isEqualTo("5000");
			connection.rollback();
		}
	}

	@Test
	void whatIsPlainWorkLeavesTheConnectionForTheNext() throws SQLException {
		SqliteLease first = (SqliteLease) this.a.take();
		Connection physical = first.target();
		this.a.giveBack(first, false);
		for (String sql : new String[] { "insert into t values ('a; begin; b')", "/* pragma */ select x from t",
				"update t set x = 1", "with w as (select 1) select * from w", "delete from t",
				"create table temperature (x)", "create index i on t (x)", "drop table temperature",
				"create trigger r after insert on t begin delete from t where x = 7; select 1; end;",
				"pragma user_version", "pragma table_info(t)", "values (1)", "replace into t values (1)",
				"explain select 1", "analyze" }) {
			Sources.execute(this.a, sql);
		}
		SqliteLease last = (SqliteLease) this.a.take();
		assertThat(last.target()).isSameAs(physical);
		this.a.giveBack(last, false);
	}

	/** Two threads use one connection, as a deadline does that closes it. */
	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void aStatementThatComesTooLateIsNotRunInAnothersTransaction(boolean batch) throws Exception {
		Connection connection = this.a.getConnection();
		Statement statement = connection.createStatement();
		CompletableFuture<Throwable> late = new CompletableFuture<>();
		Thread user = new Thread(() -> late.complete(catchThrowable(() -> {
			if (batch) {
				statement.addBatch("insert into t values ('late')");
				statement.executeBatch();
			}
			else {
				statement.executeUpdate("insert into t values ('late')");
			}
		})));
		try (Connection next = next(connection, (LeasedStatement<?>) statement, user)) {
			late.join();
			Sources.execute(next, "insert into t values ('next')");
			next.commit();
		}
		assertThat(Sources.query(this.a, "select group_concat(x) from t")).isEqualTo("next");
	}

	/** The thread has asked whether it may, and is about to do it. */
	private Connection next(Connection connection, LeasedStatement<?> statement, Thread user) throws SQLException {
		synchronized (statement.delegate()) {
			user.start();
			Awaitility.await().until(() -> user.getState() == Thread.State.BLOCKED);
			connection.close();
			Connection next = this.a.getConnection();
			next.setAutoCommit(false);
			assertThat(Sources.query(next, "select count(*) from t")).isEqualTo("0");
			return next;
		}
	}

	@Test
	void aTransactionThatSqliteHasRolledBackIsNotGoneOnWith() throws Exception {
		Sources.execute(this.a, "create table u (x unique on conflict rollback)");
		Sources.execute(this.a, "insert into u values (1)");
		try (Connection connection = this.a.getConnection()) {
			connection.setAutoCommit(false);
			Sources.execute(connection, "insert into t values ('first')");
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into u values (1)"));
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into t values ('second')"))
				.withMessageContaining("rolled back");
			assertThatExceptionOfType(SQLException.class).isThrownBy(connection::commit);
			connection.rollback();
			Sources.execute(connection, "insert into t values ('third')");
			connection.commit();
		}
		assertThat(Sources.query(this.a, "select group_concat(x) from t")).isEqualTo("third");
	}

	@Test
	void aCancelThatComesTooLateEndsNothingOfAnothers() throws Exception {
		Connection connection = this.a.getConnection();
		List<Statement> former = List.of(connection.createStatement(), connection.prepareStatement("select 1"));
		connection.close();
		try (Connection next = this.a.getConnection()) {
			CompletableFuture<String> counted = CompletableFuture.supplyAsync(() -> {
				try {
					return Sources.query(next,
							"with recursive n (i) as (select 1 union all select i + 1 from n limit 300000)"
									+ " select count(*) from n");
				}
				catch (SQLException ex) {
					return ex.toString();
				}
			});
			while (!counted.isDone()) {
				for (Statement late : former) {
					late.cancel();
				}
			}
			assertThat(counted.join()).isEqualTo("300000");
		}
	}

	@Test
	void aStatementThatRunsCanBeCancelled() throws Exception {
		try (Connection connection = this.a.getConnection(); Statement statement = connection.createStatement()) {
			CompletableFuture<Throwable> ended = CompletableFuture
				.supplyAsync(() -> catchThrowable(() -> statement.executeQuery(
						"with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n")));
			while (!ended.isDone()) {
				statement.cancel();
				Thread.onSpinWait();
			}
			assertThat(ended.join()).isInstanceOf(SQLException.class).hasMessageContaining("INTERRUPT");
			assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
		}
	}

}
