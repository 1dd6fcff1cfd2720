package io.multidb.catalog;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;

import io.multidb.source.DatabaseProduct;

/**
 * Bounds how long a transaction waits for the locks of others, who may have gone without
 * the database's knowledge. PostgreSQL would wait for ever; SQLite has its own bound.
 */
final class LockTimeout {

	private LockTimeout() {
	}

	/**
	 * Until the end of the transaction, unless something else is configured for the
	 * source, the role or the database.
	 * @return whether it is set now
	 */
	static boolean set(Connection connection, DatabaseProduct product, Duration timeout) throws SQLException {
		if (product == DatabaseProduct.SQLITE) {
			return false;
		}
		// 0 would be for ever.
		String millis = String.valueOf(Math.max(1, Math.min(timeout.toMillis(), Integer.MAX_VALUE)));
		return set(connection, millis, " WHERE current_setting('lock_timeout') = '0'");
	}

	/** Puts back what was before, for what else is done in the transaction. */
	static void clear(Connection connection) throws SQLException {
		boolean unused = set(connection, "0", "");
	}

	private static boolean set(Connection connection, String millis, String condition) throws SQLException {
		try (PreparedStatement statement = connection
			.prepareStatement("SELECT set_config('lock_timeout', ?, true)" + condition)) {
			statement.setString(1, millis);
			try (ResultSet row = statement.executeQuery()) {
				return row.next();
			}
		}
	}

}
