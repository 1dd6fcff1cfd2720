package io.multidb.routing;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLClientInfoException;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.Statement;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteConnection;
import org.sqlite.jdbc4.JDBC4PreparedStatement;

import org.springframework.jdbc.core.JdbcTemplate;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;
import io.multidb.source.LeasedConnection;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for what {@link GuardedConnection} and the statements and rows that come of it
 * refuse, on SQLite files.
 */
class GuardedConnectionTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private RoutingDataSource router;

	private Scope lisbon;

	private Connection connection;

	@BeforeEach
	void takeAConnectionOfLisbon() throws SQLException {
		this.sources.with(Sources.sqlite("lisbon", this.directory)).with(Sources.sqlite("porto", this.directory));
		this.router = new RoutingDataSource(new Routes(List.of(), null, this.sources.registry()));
		this.lisbon = TenantContext.enter("lisbon");
		this.connection = this.router.getConnection();
		Sources.execute(this.connection, "create table t (id integer primary key, x)");
		Sources.execute(this.connection, "insert into t (x) values ('a'), ('b')");
	}

	@AfterEach
	void close() throws SQLException {
		this.connection.close();
		this.lisbon.close();
		this.sources.close();
	}

	private static void assertRefusedUnderPorto(ThrowingCallable use) {
		try (Scope porto = TenantContext.enter("porto")) {
			assertThatExceptionOfType(SQLNonTransientConnectionException.class).isThrownBy(use)
				.withCauseInstanceOf(WrongSourceException.class)
				.withMessageContaining("'lisbon'")
				.withMessageContaining("'porto'");
		}
	}

	/** There is one for each connection that is borrowed: 24 B. */
	@Test
	void aConnectionHasNoFieldForDeadlinesAndRulesThatItDoesNotHave() {
		assertThat(this.connection.getClass()).isEqualTo(GuardedConnection.class);
		assertThat(Stream.of(LeasedConnection.class, GuardedConnection.class)
			.flatMap((type) -> Stream.of(type.getDeclaredFields()))
			.filter((field) -> !Modifier.isStatic(field.getModifiers()))
			.map(Field::getName)).containsExactlyInAnyOrder("delegate", "mark", "taken");
	}

	@Test
	void aStatementMadeEarlierDoesNotRunUnderAnotherSource() throws SQLException {
		try (Statement statement = this.connection.createStatement();
				PreparedStatement prepared = this.connection.prepareStatement("delete from t")) {
			assertRefusedUnderPorto(() -> statement.execute("delete from t"));
			assertRefusedUnderPorto(() -> statement.executeQuery("select 1"));
			assertRefusedUnderPorto(statement::executeBatch);
			assertRefusedUnderPorto(prepared::executeUpdate);
			assertRefusedUnderPorto(prepared::execute);
			assertRefusedUnderPorto(prepared::addBatch);
			assertThat(Sources.query(this.connection, "select count(*) from t")).isEqualTo("2");
		}
	}

	@Test
	void rowsAreNotReadUnderAnotherSource() throws SQLException {
		try (Statement statement = this.connection.createStatement();
				ResultSet rows = statement.executeQuery("select x from t order by x")) {
			assertThat(rows.next()).isTrue();
			assertRefusedUnderPorto(rows::next);
			assertRefusedUnderPorto(() -> rows.getString(1));
			assertThat(rows.next()).isTrue();
			assertThat(rows.getString(1)).isEqualTo("b");
		}
	}

	@Test
	void aStreamThatOutlivesItsScopeFails() throws SQLException {
		this.connection.close();
		Stream<String> names = new JdbcTemplate(this.router).queryForStream("select x from t",
				(row, number) -> row.getString(1));
		this.lisbon.close();
		try (names) {
			assertThatExceptionOfType(RuntimeException.class).isThrownBy(names::toList)
				.withRootCauseInstanceOf(WrongSourceException.class);
		}
	}

	@Test
	void whatAStatementLeadsToIsGuardedToo() throws SQLException {
		try (Statement statement = this.connection.createStatement()) {
			assertThat(statement.getConnection()).isSameAs(this.connection);
			assertThat(this.connection.getMetaData().getConnection()).isSameAs(this.connection);
			try (ResultSet tables = this.connection.getMetaData().getTables(null, null, "t", null)) {
				assertThat(tables.next()).isTrue();
				assertRefusedUnderPorto(tables::next);
			}
			statement.execute("select x from t");
			try (ResultSet rows = statement.getResultSet()) {
				assertThat(rows.getStatement()).isSameAs(statement);
				assertRefusedUnderPorto(rows::next);
			}
			assertRefusedUnderPorto(() -> this.connection.getMetaData());
			assertRefusedUnderPorto(() -> this.connection.prepareCall("select 1"));
		}
	}

	@Test
	void whatSomeDriversAskTheirDatabaseForIsRefusedUnderAnotherSource() throws SQLException {
		assertRefusedUnderPorto(() -> this.connection.getTransactionIsolation());
		assertRefusedUnderPorto(() -> this.connection.getHoldability());
		assertRefusedUnderPorto(() -> this.connection.getNetworkTimeout());
		assertRefusedUnderPorto(() -> this.connection.setNetworkTimeout(Runnable::run, 1));
		assertRefusedUnderPorto(() -> this.connection.beginRequest());
		assertRefusedUnderPorto(() -> this.connection.unwrap(SQLiteConnection.class));
		assertRefusedUnderPorto(() -> this.connection.isWrapperFor(SQLiteConnection.class));
		assertThat(this.connection.getTransactionIsolation()).isEqualTo(Connection.TRANSACTION_SERIALIZABLE);
		assertThat(this.connection.isWrapperFor(SQLiteConnection.class)).isTrue();
	}

	@Test
	void clientInfoIsRefusedInItsOwnWay() throws SQLException {
		try (Scope porto = TenantContext.enter("porto")) {
			for (ThrowingCallable use : List.<ThrowingCallable>of(
					() -> this.connection.setClientInfo("ApplicationName", "x"),
					() -> this.connection.setClientInfo(new Properties()))) {
				assertThatExceptionOfType(SQLClientInfoException.class).isThrownBy(use)
					.withCauseInstanceOf(SQLNonTransientConnectionException.class)
					.withRootCauseInstanceOf(WrongSourceException.class)
					.withMessageContaining("'lisbon'")
					.satisfies((ex) -> assertThat(ex.getSQLState()).isEqualTo("08003"));
			}
		}
		this.connection.setClientInfo("ApplicationName", "x");
	}

	@Test
	void whatEndsWorkPassesUnderAnotherSourceAndAfterTheScope() throws SQLException {
		Statement statement = this.connection.createStatement();
		ResultSet rows = statement.executeQuery("select x from t");
		this.connection.setAutoCommit(false);
		try (Scope porto = TenantContext.enter("porto")) {
			statement.cancel();
			rows.close();
			assertThat(rows.isClosed()).isTrue();
			assertThat(this.connection.isValid(1)).isTrue();
			assertThat(this.connection.isClosed()).isFalse();
			assertThat(this.connection.getAutoCommit()).isFalse();
			assertThat(this.connection.isReadOnly()).isFalse();
			this.connection.clearWarnings();
			this.connection.endRequest();
			assertThat(this.connection.unwrap(LeasedConnection.class)).isSameAs(this.connection);
			assertThat(this.connection.isWrapperFor(LeasedConnection.class)).isTrue();
		}
		this.lisbon.close();
		this.connection.rollback();
		statement.close();
		assertThat(statement.isClosed()).isTrue();
		this.connection.close();
	}

	@Test
	void unwrapsToTheDriversTypes() throws SQLException {
		try (PreparedStatement statement = this.connection.prepareStatement("select x from t");
				ResultSet rows = statement.executeQuery()) {
			assertThat(statement.unwrap(JDBC4PreparedStatement.class)).isNotNull();
			assertThat(rows.getMetaData().getColumnCount()).isEqualTo(1);
			assertThat(rows.isWrapperFor(ResultSet.class)).isTrue();
		}
	}

}
