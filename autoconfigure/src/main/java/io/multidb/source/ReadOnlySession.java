package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

import org.postgresql.core.BaseConnection;
import org.postgresql.core.QueryExecutor;

/**
 * Lets a connection refuse writes for a while, outside of transactions too, whatever
 * {@code setReadOnly} is told meanwhile.
 */
final class ReadOnlySession {

	/** Says what it was before, which the subquery reads first. */
	private static final String BEGIN = "SELECT former, set_config('default_transaction_read_only', 'on', false)"
			+ " FROM (SELECT current_setting('default_transaction_read_only') AS former OFFSET 0) AS setting";

	private ReadOnlySession() {
	}

	/**
	 * Begins with a connection that nobody uses yet.
	 * @return whether {@link #end} is due; not if it refuses writes for good
	 */
	static boolean begin(DatabaseProduct product, Connection connection) throws SQLException {
		return switch (product) {
			case SQLITE -> {
				if (connection instanceof SqliteLease) {
					// Which then takes no turn to write, and puts it back.
					connection.setReadOnly(true);
					yield false;
				}
				SqliteQueryOnly.set(connection, true);
				yield true;
			}
			case POSTGRESQL -> beginOnPostgres(connection);
			case OTHER -> {
				connection.setReadOnly(true);
				requireMoreThanAHint(connection);
				// HikariCP puts it back.
				yield false;
			}
		};
	}

	private static boolean beginOnPostgres(Connection connection) throws SQLException {
		boolean former = true;
		SharedSessionConnection shared = SharedSessionConnection.of(connection);
		if (shared != null) {
			shared.requireRefusedWrites();
		}
		else {
			try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(BEGIN)) {
				row.next();
				former = "on".equals(row.getString(1));
			}
		}
		if (!connection.getAutoCommit()) {
			// A setting is rolled back with the transaction in which it was made.
			connection.commit();
		}
		return !former;
	}

	/**
	 * Makes sure that a driver which was told that a connection is read-only has writes
	 * refused. JDBC has it that this is a hint: H2 and SQL Server go on as before and say
	 * so. MariaDB's 3.5.6, and 3.5.10 without {@code readOnlyPropagatesToServer}, does
	 * not say so; MySQL's refuses writes by itself where the server does not.
	 */
	static void requireMoreThanAHint(Connection connection) throws SQLException {
		String driver = connection.getMetaData().getDriverName();
		// HikariCP answers with what it was told.
		Connection physical = connection.isWrapperFor(MeasuredConnection.class)
				? connection.unwrap(MeasuredConnection.class) : connection;
		if (!physical.isReadOnly() || (driver.startsWith("MariaDB") && !mariaDbRefusesWrites(connection))) {
			throw new SQLException("Its driver, " + driver + ' ' + connection.getMetaData().getDriverVersion()
					+ ", takes read-only for a hint, and the server would take writes");
		}
	}

	/** By either name, as one is not known to all versions. */
	private static boolean mariaDbRefusesWrites(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement();
				ResultSet rows = statement.executeQuery("SHOW SESSION VARIABLES WHERE Variable_name"
						+ " IN ('transaction_read_only', 'tx_read_only')")) {
			return rows.next() && "ON".equals(rows.getString(2));
		}
	}

	/**
	 * Whether transactions that begin now still refuse writes, as far as the server has
	 * said, which tells of each change since version 14.
	 */
	static boolean isIntact(DatabaseProduct product, Connection connection) throws SQLException {
		return product != DatabaseProduct.POSTGRESQL || Postgres.isIntact(connection);
	}

	/** Ends it on a connection that nobody uses any more; rolls back what is open. */
	static void end(DatabaseProduct product, Connection connection) throws SQLException {
		if (product == DatabaseProduct.SQLITE) {
			SqliteQueryOnly.set(connection, false);
			return;
		}
		if (!connection.getAutoCommit()) {
			connection.rollback();
			connection.setAutoCommit(true);
		}
		try (Statement statement = connection.createStatement()) {
			statement.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE");
		}
	}

	/** Loaded where the driver is there. */
	private static final class Postgres {

		static boolean isIntact(Connection connection) throws SQLException {
			if (!connection.isWrapperFor(BaseConnection.class)) {
				return true;
			}
			QueryExecutor server = connection.unwrap(BaseConnection.class).getQueryExecutor();
			return !"off".equals(server.getParameterStatus("default_transaction_read_only"))
					|| "on".equals(server.getParameterStatus("in_hot_standby"));
		}

	}

}
