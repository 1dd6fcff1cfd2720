package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.SourceUnavailableException;
import io.multidb.UnknownTenantException;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.source.PoolLimits.WhenFull;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

/**
 * Behind a PgBouncer that gives sessions to others after each transaction, nothing is set
 * for a session, and no statement is mistaken for another one. Where it is installed.
 */
class PgBouncerIntegrationTests {

	private static TestPostgres postgres;

	/** Gives all clients of a database one session in turn. */
	private static TestPgBouncer bouncer;

	private final Sources sources = new Sources();

	@BeforeAll
	static void start() throws Exception {
		assumeTrue(TestPgBouncer.isThere());
		postgres = TestPostgres.start();
		bouncer = bouncer("transaction");
		postgres.run("CREATE ROLE app LOGIN PASSWORD 'app'");
		postgres.run("ALTER ROLE app SET default_transaction_read_only = on");
	}

	private static TestPgBouncer bouncer(String poolMode) throws IOException {
		return TestPgBouncer.start(postgres, poolMode, "default_pool_size = 1", "server_login_retry = 0",
				"ignore_startup_parameters = extra_float_digits, search_path, options");
	}

	@AfterAll
	static void stop() throws Exception {
		if (bouncer != null) {
			bouncer.close();
			postgres.close();
		}
	}

	@AfterEach
	void close() {
		this.sources.close();
	}

	private static SourceDefinition.Builder source(String name, String database) {
		return SourceDefinition.named(name)
			.url(bouncer.url(database))
			.username(postgres.username())
			.password(postgres.password());
	}

	private static String ask(Connection connection, String sql, int parameter) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			statement.setInt(1, parameter);
			try (ResultSet row = statement.executeQuery()) {
				row.next();
				return row.getString(1);
			}
		}
	}

	@Test
	void aStatementIsNeverAnotherOneOfItsName() throws Exception {
		SourceRegistry registry = this.sources.with(source("lisbon", "postgres")).registry();
		try (Connection one = registry.get("lisbon").getConnection();
				Connection other = registry.get("lisbon").getConnection()) {
			for (int i = 0; i < 20; i++) {
				assertThat(ask(one, "SELECT 'one ' || ?", i)).isEqualTo("one " + i);
				assertThat(ask(other, "SELECT 'other ' || ?", i)).isEqualTo("other " + i);
			}
		}
	}

	@Test
	void aReadOnlySourceIsRefusedAndSetsNothing() throws Exception {
		SourceRegistry registry = this.sources.with(source("reader", "postgres").readOnly(true)).registry();
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry.get("reader").getConnection())
			.withMessageContaining("goes through a proxy")
			.withMessageContaining("connect as a role that may only read")
			.withMessageEndingWith("session-pooling' to true.");
		assertNothingIsSet();
	}

	@Test
	void aReadOnlySourceOfARoleWhoseTransactionsAreReadOnlyIsUsed() throws Exception {
		SourceRegistry registry = this.sources
			.with(source("reader", "postgres").username("app").password("app").readOnly(true))
			.registry();
		assertThat(Sources.query(registry.get("reader"), "SHOW transaction_read_only")).isEqualTo("on");
		try (Connection connection = registry.get("reader").getConnection()) {
			assertThat(registry.get("reader").refuseWritesThroughout(connection)).isFalse();
		}
	}

	@Test
	void aConnectionThatIsToRefuseWritesOutsideOfTransactionsIsRefusedAndSetsNothing() throws Exception {
		SourceRegistry registry = this.sources.with(source("standby", "postgres")).registry();
		try (Connection connection = registry.get("standby").getConnection()) {
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> registry.get("standby").refuseWritesThroughout(connection))
				.withMessageContaining("goes through a proxy");
		}
		assertNothingIsSet();
	}

	@Test
	void transactionsMayReadOnly() throws Exception {
		SourceRegistry registry = this.sources.with(source("lisbon", "postgres")).registry();
		try (Connection connection = registry.get("lisbon").getConnection()) {
			connection.setReadOnly(true);
			connection.setAutoCommit(false);
			assertThat(Sources.query(connection, "SHOW transaction_read_only")).isEqualTo("on");
			connection.rollback();
		}
		assertNothingIsSet();
	}

	@ParameterizedTest
	@ValueSource(strings = { "readOnlyMode=always", "readOnlyMode=ALWAYS&readOnly=true" })
	void theDriversOwnReadOnlyModeSetsNothingEither(String parameters) throws Exception {
		SourceRegistry registry = this.sources
			.with(source("lisbon", "postgres").url(bouncer.url("postgres") + "?" + parameters))
			.registry();
		try (Connection connection = registry.get("lisbon").getConnection()) {
			connection.setReadOnly(true);
			assertThat(connection.isReadOnly()).isTrue();
			assertNothingIsSet();
			for (int i = 0; i < 2; i++) {
				connection.setAutoCommit(false);
				assertThat(Sources.query(connection, "SHOW transaction_read_only")).isEqualTo("on");
				connection.commit();
				assertThat(Sources.query(connection, "SHOW transaction_read_only")).isEqualTo("on");
				connection.setAutoCommit(true);
				assertNothingIsSet();
			}
			connection.setAutoCommit(false);
			connection.setReadOnly(false);
			assertThat(Sources.query(connection, "SHOW transaction_read_only")).isEqualTo("off");
			connection.rollback();
			connection.setReadOnly(true);
			connection.setAutoCommit(true);
		}
		try (Connection connection = registry.get("lisbon").getConnection()) {
			assertThat(connection.isReadOnly()).isFalse();
			connection.setAutoCommit(false);
			assertThat(Sources.query(connection, "SHOW transaction_read_only")).isEqualTo("off");
			connection.rollback();
		}
		assertNothingIsSet();
	}

	@Test
	void aConnectionWithoutAutoCommitIsInNoTransactionWhenItIsLentToReadOnly() throws Exception {
		SourceRegistry registry = this.sources
			.with(source("reader", "postgres").username("app").password("app").hikari(Map.of("auto-commit", "false")))
			.registry();
		try (Connection connection = registry.get("reader").getConnection()) {
			assertThat(connection.getAutoCommit()).isFalse();
			assertThat(registry.get("reader").refuseWritesThroughout(connection)).isFalse();
			assertThat(inTransaction()).isEqualTo("0");
			connection.setReadOnly(true);
		}
	}

	@Test
	void whoLooksReadsInATransactionAndSetsNothing() throws Exception {
		SourceRegistry registry = this.sources.with(source("lisbon", "postgres").liquibase(Sources.NOTES)).registry();
		LiquibaseMigrator migrator = new LiquibaseMigrator(new DefaultResourceLoader());
		MigrationState found = registry.look("lisbon", (definition, connection) -> {
			assertThat(Sources.query(connection, "SHOW transaction_read_only")).isEqualTo("on");
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "CREATE TABLE made (x int)"))
				.withMessageContaining("read-only");
			connection.rollback();
			return migrator.state(definition, connection);
		});
		assertThat(found).isEqualTo(new MigrationState(0, 1));
		String session = registry.look("lisbon",
				(definition, connection) -> Sources.query(connection, "SELECT pg_backend_pid()"));
		assertThat(next("SELECT pg_backend_pid()")).as("not closed, as after a client that left within a transaction")
			.isEqualTo(session);
		assertNothingIsSet();
		assertThat(inTransaction()).isEqualTo("0");
	}

	/** How many sessions are in a transaction, but do nothing. */
	private static String inTransaction() throws SQLException {
		try (Connection direct = postgres.connect("postgres")) {
			return Sources.query(direct,
					"SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
		}
	}

	@Test
	void anotherIsolationLevelOrSchemaIsRefused() throws Exception {
		SourceRegistry registry = this.sources.with(source("lisbon", "postgres")).registry();
		try (Connection connection = registry.get("lisbon").getConnection()) {
			connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE))
				.withMessageContaining("SET TRANSACTION ISOLATION LEVEL as its first statement");
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setSchema("porto"))
				.withMessageContaining("another schema");
			assertThat(Sources.query(connection, "SHOW transaction_isolation")).isEqualTo("read committed");
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "currentSchema=porto", "options=-c%20search_path=porto" })
	void aSchemaThatIsNotPassedOnIsRefused(String parameter) throws Exception {
		SourceRegistry registry = this.sources
			.with(source("porto", "postgres").url(bouncer.url("postgres") + "?" + parameter))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry.get("porto").getConnection())
			.withMessageContaining("has the schema 'porto', which a proxy in front of the server does not pass on");
	}

	@Test
	void aDatabaseThatIsNotThereIsAnUnknownTenantAndCanBeMade() throws Exception {
		SourceRegistry registry = this.sources.with(postgres.source("server", "postgres").internal(true))
			.with(Sources.template(source("city", "city_{id}").liquibase(Sources.NOTES).build(), "city-{id}",
					CreatePolicy.EXPLICIT, "server"))
			.registry();
		assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> registry.get("city", "city-none").getConnection());
		for (String name : List.of("city-a", "city-b")) {
			registry.create(name);
			assertThat(Sources.query(registry.get(name), "SELECT count(*) FROM note")).isEqualTo("0");
		}
		assertThat(this.sources.copied()).containsExactly(false, true);
	}

	@Test
	void aProxyThatLeavesEachConnectionItsSessionIsUsedLikeAServer() throws Exception {
		try (TestPgBouncer ofSessions = bouncer("session")) {
			SourceDefinition.Builder reader = source("reader", "postgres").url(ofSessions.url("postgres"))
				.server("pooled")
				.readOnly(true);
			PoolLimits limits = new PoolLimits(0, WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(1),
					Map.of("pooled", new ServerSettings(null, null, 1, 0, true)));
			SourceRegistry registry = this.sources.with(limits).with(reader).registry();
			assertThat(Sources.query(registry.get("reader"), "SHOW transaction_read_only")).isEqualTo("on");
			this.sources.close();
		}
	}

	private static void assertNothingIsSet() throws SQLException {
		assertThat(next("SHOW default_transaction_read_only")).isEqualTo("off");
	}

	/** What the next client of the same session gets. */
	private static String next(String sql) throws SQLException {
		try (Connection next = DriverManager.getConnection(bouncer.url("postgres"), postgres.username(),
				postgres.password())) {
			return Sources.query(next, sql);
		}
	}

}
