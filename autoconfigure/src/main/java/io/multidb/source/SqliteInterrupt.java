package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;

import org.sqlite.SQLiteConnection;

/**
 * Ends what a SQLite connection is doing: sqlite-jdbc's {@code abort} does nothing. A
 * class of its own, as the driver need not be there.
 */
final class SqliteInterrupt {

	private SqliteInterrupt() {
	}

	static void interrupt(Connection connection) throws SQLException {
		connection.unwrap(SQLiteConnection.class).getDatabase().interrupt();
	}

}
