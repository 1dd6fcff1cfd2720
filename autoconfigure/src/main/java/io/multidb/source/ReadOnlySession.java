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
				if (!connection.isReadOnly()) {
					throw new SQLException("The driver does not make a connection read-only.");
				}
				// HikariCP puts it back.
				yield false;
			}
		};
	}

	private static boolean beginOnPostgres(Connection connection) throws SQLException {
		SharedSessionConnection shared = SharedSessionConnection.of(connection);
		if (shared != null) {
			shared.requireRefusedWrites();
			return false;
		}
		boolean former;
		try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(BEGIN)) {
			row.next();
			former = "on".equals(row.getString(1));
		}
		if (!connection.getAutoCommit()) {
			// A setting is rolled back with the transaction in which it was made.
			connection.commit();
		}
		return !former;
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
