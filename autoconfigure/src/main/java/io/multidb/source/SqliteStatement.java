package io.multidb.source;

import java.sql.ResultSet;
import java.sql.SQLException;

import org.sqlite.SQLiteConnection;
import org.sqlite.jdbc4.JDBC4Statement;

/**
 * A statement without parameters that is not run once it was closed. The driver would run
 * it, by then perhaps in a transaction of somebody else's. One that is being run is
 * closed when it has ended, as with the driver. As thread-safe as the driver's.
 */
final class SqliteStatement extends JDBC4Statement {

	/** Read while it is run, by who cancels it. */
	private volatile boolean closed;

	SqliteStatement(SQLiteConnection connection) {
		super(connection);
	}

	private void refuseClosed() throws SQLException {
		if (isClosed()) {
			throw new SQLException("The statement is closed", "26000");
		}
	}

	@Override
	public synchronized boolean execute(String sql) throws SQLException {
		refuseClosed();
		return super.execute(sql);
	}

	@Override
	public synchronized ResultSet executeQuery(String sql) throws SQLException {
		refuseClosed();
		return super.executeQuery(sql);
	}

	@Override
	public synchronized long executeLargeUpdate(String sql) throws SQLException {
		refuseClosed();
		return super.executeLargeUpdate(sql);
	}

	@Override
	public synchronized long[] executeLargeBatch() throws SQLException {
		refuseClosed();
		return super.executeLargeBatch();
	}

	@Override
	public synchronized void close() throws SQLException {
		super.close();
		this.closed = true;
	}

	@Override
	public boolean isClosed() {
		return this.closed;
	}

}
