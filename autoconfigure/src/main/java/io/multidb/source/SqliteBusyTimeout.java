package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;

import org.sqlite.SQLiteConnection;

/**
 * How long a connection of SQLite's waits for a lock. A class of its own, as the driver
 * need not be there.
 */
final class SqliteBusyTimeout {

	private SqliteBusyTimeout() {
	}

	static void set(Connection connection, int millis) throws SQLException {
		connection.unwrap(SQLiteConnection.class).setBusyTimeout(millis);
	}

}
