package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;

import org.sqlite.SQLiteConnection;

/**
 * Lets an open SQLite connection refuse writes for a while, where sqlite-jdbc's
 * {@code setReadOnly} throws. A class of its own, as the driver need not be there.
 */
final class SqliteQueryOnly {

	private SqliteQueryOnly() {
	}

	/** Beside the driver's own statements, which would begin a transaction. */
	static void set(Connection connection, boolean queryOnly) throws SQLException {
		int status = connection.unwrap(SQLiteConnection.class)
			.getDatabase()
			._exec("PRAGMA query_only = " + (queryOnly ? "1" : "0"));
		if (status != 0) {
			throw new SQLException("SQLite did not change 'query_only', status " + status);
		}
	}

}
