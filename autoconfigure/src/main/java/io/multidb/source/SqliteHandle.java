package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;

import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.core.DB;

/**
 * One physical SQLite connection, and its place in {@link SqliteConnections}. Whoever has
 * taken it owns it, and everything but its state and its connection; the connection may
 * be closed from anywhere.
 */
final class SqliteHandle {

	private static final AtomicIntegerFieldUpdater<SqliteHandle> STATE = AtomicIntegerFieldUpdater
		.newUpdater(SqliteHandle.class, "state");

	private static final int LENT = 0;

	private static final int IDLE = 1;

	/** Where the list of statements is looked through for closed ones. */
	private static final int FEW_STATEMENTS = 16;

	/** Changed through STATE. */
	private volatile int state = LENT;

	/** {@code null} as long as it is being made. */
	private volatile @Nullable SQLiteConnection connection;

	/** It, or what gives its permit back when it is closed. */
	private volatile @Nullable Connection closing;

	/** In {@link System#nanoTime()}. */
	private long madeAt;

	/** Read by others, which may see an older one. */
	private volatile long returnedAt;

	/** Those that may be open, guarded by this. */
	private final List<Statement> statements = new ArrayList<>(2);

	private int manyStatements = FEW_STATEMENTS;

	/** See {@link LeaseCounts}; its borrower's. */
	private long lentSince = LeaseCounts.UNTIMED;

	long lentSince(long since) {
		long before = this.lentSince;
		this.lentSince = since;
		return before;
	}

	/** Marks it as lent, if it is idle. */
	boolean take() {
		return this.state == IDLE && STATE.compareAndSet(this, IDLE, LENT);
	}

	void free(long now) {
		this.returnedAt = now;
		this.state = IDLE;
	}

	boolean isIdle() {
		return this.state == IDLE;
	}

	long madeAt() {
		return this.madeAt;
	}

	long returnedAt() {
		return this.returnedAt;
	}

	/**
	 * It has been made.
	 * @param autoCommit how it is lent
	 */
	void made(Connection made, boolean autoCommit, long now) throws SQLException {
		this.closing = made;
		SQLiteConnection fresh = made.unwrap(SQLiteConnection.class);
		fresh.getConnectionConfig().setAutoCommit(autoCommit);
		// By 'jdbc.explicit_readonly' it would end our transactions and begin its own.
		fresh.setCurrentTransactionMode(null);
		this.madeAt = now;
		this.returnedAt = now;
		this.connection = fresh;
	}

	boolean isMade() {
		return this.connection != null;
	}

	Connection connection() throws SQLException {
		return open();
	}

	private SQLiteConnection open() throws SQLException {
		SQLiteConnection open = this.connection;
		if (open == null) {
			throw new SQLException("The connection is closed", "08003");
		}
		return open;
	}

	/** Beside the driver's own statements, which begin and end transactions. */
	void run(String sql) throws SQLException {
		SQLiteConnection open = open();
		if (open.isClosed()) {
			throw new SQLException("The connection is closed", "08003");
		}
		int status = open.getDatabase()._exec(sql);
		if (status != 0) {
			open.getDatabase().throwex(status);
		}
	}

	/** Ends a transaction, if there is one. */
	void rollback() throws SQLException {
		try {
			run("ROLLBACK");
		}
		catch (SQLException ex) {
			// SQLite has ended it, as it does when the disk is full.
			if (ex.getErrorCode() != SQLiteErrorCode.SQLITE_ERROR.code) {
				throw ex;
			}
		}
	}

	/** Whether a transaction is open; the driver cannot say. */
	boolean isInTransaction() {
		SQLiteConnection open = this.connection;
		try {
			if (open == null || open.isClosed() || open.getDatabase()._exec("BEGIN") != 0) {
				return true;
			}
			run("ROLLBACK");
			return false;
		}
		catch (SQLException ex) {
			return true;
		}
	}

	/** Makes a statement without parameters. */
	SqliteStatement statement() throws SQLException {
		return new SqliteStatement(open());
	}

	/** What the driver's statements are to think; nothing is begun or committed. */
	void setAutoCommit(boolean autoCommit) throws SQLException {
		open().getConnectionConfig().setAutoCommit(autoCommit);
	}

	/** In milliseconds. */
	int busyTimeout() throws SQLException {
		return open().getBusyTimeout();
	}

	/** Waits for locks so many milliseconds at most. */
	void waitForLocks(int millis) throws SQLException {
		open().setBusyTimeout(millis);
	}

	/** Has a statement closed when the connection is given back; guarded by this. */
	void add(Statement statement) throws SQLException {
		if (this.statements.size() >= this.manyStatements) {
			List<Statement> open = new ArrayList<>();
			for (Statement each : this.statements) {
				if (!each.isClosed()) {
					open.add(each);
				}
			}
			this.statements.clear();
			this.statements.addAll(open);
			this.manyStatements = Math.max(FEW_STATEMENTS, 2 * open.size());
		}
		this.statements.add(statement);
	}

	/** An open statement of SQLite's is a read lock. Guarded by this. */
	void closeStatements() throws SQLException {
		if (this.statements.isEmpty()) {
			return;
		}
		try {
			for (Statement each : this.statements) {
				each.close();
			}
		}
		finally {
			this.statements.clear();
			this.manyStatements = FEW_STATEMENTS;
		}
	}

	boolean isClosed() {
		SQLiteConnection open = this.connection;
		try {
			return open == null || open.isClosed();
		}
		catch (SQLException ex) {
			return true;
		}
	}

	/** Ends the statement that it runs, on another thread. */
	void interrupt() throws SQLException {
		SQLiteConnection open = this.connection;
		if (open != null && !open.isClosed()) {
			open.getDatabase().interrupt();
		}
	}

	/** Closes the connection, once the statement that it runs has ended. */
	void close() throws SQLException {
		Connection open = this.closing;
		if (open != null) {
			open.close();
		}
	}

	/** As SQLite says it when another process has the lock. */
	static SQLException busy(String message) {
		return DB.newSQLException(SQLiteErrorCode.SQLITE_BUSY.code, message);
	}

}
