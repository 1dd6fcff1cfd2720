package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

import org.postgresql.core.BaseConnection;
import org.postgresql.core.TransactionState;

import org.springframework.util.ClassUtils;

/**
 * Ends a transaction that was begun by a statement, such as {@code BEGIN}, where the
 * connection is in auto-commit mode: HikariCP does not, and so the next session's work
 * would be part of it.
 */
final class PostgresTransaction {

	private static final boolean DRIVER = ClassUtils.isPresent("org.postgresql.core.BaseConnection",
			PostgresTransaction.class.getClassLoader());

	private PostgresTransaction() {
	}

	/** Asks the driver, which knows without asking the server. */
	static void end(Connection connection) throws SQLException {
		if (DRIVER && !connection.isClosed() && connection.getAutoCommit()) {
			Driver.end(connection);
		}
	}

	/** Has the server end what a connection does, over another one. */
	static void cancel(Connection connection) throws SQLException {
		if (DRIVER) {
			Driver.cancel(connection);
		}
	}

	/** Loaded where the driver is there. */
	private static final class Driver {

		static void cancel(Connection connection) throws SQLException {
			if (connection.isWrapperFor(BaseConnection.class)) {
				connection.unwrap(BaseConnection.class).cancelQuery();
			}
		}

		static void end(Connection connection) throws SQLException {
			if (!connection.isWrapperFor(BaseConnection.class)
					|| connection.unwrap(BaseConnection.class).getTransactionState() == TransactionState.IDLE) {
				return;
			}
			try (Statement statement = connection.createStatement()) {
				statement.execute("ROLLBACK");
			}
		}

	}

}
