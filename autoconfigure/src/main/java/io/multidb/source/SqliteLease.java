package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What {@link SqliteConnections} lends: one of its connections, until this is closed.
 * <p>
 * A transaction is begun at its first statement, with the write lock unless it was asked
 * to read only: a transaction of SQLite's that reads first and writes later fails at once
 * where another one wrote in between, however long it would wait. The driver is told
 * nothing but what it has to know of that.
 * <p>
 * {@code close} and {@code abort} may be called from any thread, and however often;
 * otherwise as thread-safe as the driver's connection. What changes the physical
 * connection is done under its monitor, so that nothing of a lease is left on it once it
 * is another's.
 */
final class SqliteLease extends ForwardingConnection {

	private static final Logger logger = LoggerFactory.getLogger(SqliteLease.class);

	private static final AtomicReferenceFieldUpdater<SqliteLease, @Nullable SqliteHandle> HANDLE = AtomicReferenceFieldUpdater
		.newUpdater(SqliteLease.class, SqliteHandle.class, "handle");

	/** SQLite's IOERR, CORRUPT, CANTOPEN, MISUSE and NOTADB: it will not recover. */
	private static final Set<Integer> FATAL = Set.of(10, 11, 14, 21, 26);

	private final SqliteConnections pool;

	/** {@code null} once it is given back. */
	private volatile @Nullable SqliteHandle handle;

	private volatile boolean autoCommit;

	/** Whether a transaction of ours is open. */
	private volatile boolean begun;

	/** Whether it is this one's turn to write; guarded by the handle. */
	private boolean turn;

	private volatile boolean readOnly;

	/** Whether something else was changed that has to be put back. */
	private volatile boolean changed;

	/** Whether a transaction may be open of which we have not been told. */
	private volatile boolean unknown;

	/**
	 * Whether it was set up in a way that cannot be put back, so that it is not used
	 * again.
	 */
	private volatile boolean spent;

	private volatile boolean broken;

	/** Whether SQLite has ended the transaction, which its owner has not been told. */
	private volatile boolean rolledBack;

	/** In milliseconds what it waits for locks otherwise; -1 for as ever. */
	private volatile int patience = -1;

	/** Warns when it has been lent for too long; {@code null} for never. */
	private final @Nullable Future<?> warning;

	SqliteLease(SqliteConnections pool, SqliteHandle handle, boolean autoCommit, @Nullable Future<?> warning) {
		this.pool = pool;
		this.handle = handle;
		this.autoCommit = autoCommit;
		this.warning = warning;
	}

	SqliteConnections pool() {
		return this.pool;
	}

	private SqliteHandle live() throws SQLException {
		SqliteHandle mine = this.handle;
		if (mine == null) {
			throw new SQLException("The connection is closed", "08003");
		}
		return mine;
	}

	/** Notes since when it is lent, and says what was noted before. */
	long lentSince(long since) {
		SqliteHandle mine = this.handle;
		return (mine != null) ? mine.lentSince(since) : LeaseCounts.UNTIMED;
	}

	/** Asked under the handle's monitor: another thread may have given it back. */
	private void refuseGivenBack() throws SQLException {
		SqliteHandle unused = live();
	}

	@Override
	Connection target() throws SQLException {
		return live().connection();
	}

	/** Called before a statement is run. */
	void running() throws SQLException {
		if (!this.autoCommit && !this.begun) {
			begin();
		}
		else if (this.handle == null) {
			refuseGivenBack();
		}
	}

	/** Called before a statement is run whose text was not known before. */
	void running(String sql) throws SQLException {
		note(sql);
		running();
	}

	private void note(String sql) {
		switch (SqliteText.of(sql)) {
			case NOTHING -> {
				// As nearly always
			}
			case TRANSACTION -> this.unknown = true;
			case SETTINGS -> this.spent = true;
		}
	}

	/**
	 * Shortens the wait for locks.
	 * @param millis how long to wait at most
	 */
	void waitAtMost(long millis) throws SQLException {
		SqliteHandle mine = live();
		synchronized (mine) {
			refuseGivenBack();
			if (this.patience < 0) {
				this.patience = mine.busyTimeout();
			}
			mine.waitForLocks((int) Math.min(this.patience, millis));
		}
	}

	/** What it is to be prepared is as good as run. */
	@Override
	Connection using(@Nullable String sql) throws SQLException {
		if (sql != null) {
			note(sql);
		}
		return target();
	}

	private void begin() throws SQLException {
		SqliteHandle mine = live();
		if (this.rolledBack) {
			throw rolledBack();
		}
		boolean writes = !this.readOnly && this.pool.takesTurns();
		if (writes) {
			this.pool.awaitTurn(mine);
		}
		boolean done = false;
		try {
			synchronized (mine) {
				refuseGivenBack();
				if (!this.begun) {
					mine.run(this.readOnly ? "BEGIN" : this.pool.begin());
					this.begun = true;
					this.turn = writes;
					done = true;
				}
			}
		}
		finally {
			if (writes && !done) {
				this.pool.passTurnOn();
			}
		}
	}

	private static SQLException rolledBack() {
		return new SQLException("SQLite has rolled back the transaction because of a statement that failed in it, so it"
				+ " can only be rolled back", "40000");
	}

	/** Under the handle's monitor. */
	private void ended() {
		this.begun = false;
		this.rolledBack = false;
		if (this.turn) {
			this.turn = false;
			this.pool.passTurnOn();
		}
	}

	@Override
	public void setAutoCommit(boolean autoCommit) throws SQLException {
		SqliteHandle mine = live();
		if (autoCommit == this.autoCommit) {
			return;
		}
		synchronized (mine) {
			refuseGivenBack();
			if (this.begun) {
				mine.run("COMMIT");
			}
			ended();
			mine.setAutoCommit(autoCommit);
			this.autoCommit = autoCommit;
		}
	}

	@Override
	public boolean getAutoCommit() throws SQLException {
		refuseGivenBack();
		return this.autoCommit;
	}

	@Override
	public void commit() throws SQLException {
		SqliteHandle mine = inTransaction();
		synchronized (mine) {
			refuseGivenBack();
			if (this.rolledBack) {
				ended();
				throw rolledBack();
			}
			if (this.begun) {
				mine.run("COMMIT");
				ended();
			}
		}
	}

	@Override
	public void rollback() throws SQLException {
		SqliteHandle mine = inTransaction();
		synchronized (mine) {
			refuseGivenBack();
			if (this.begun) {
				mine.rollback();
			}
			ended();
		}
	}

	private SqliteHandle inTransaction() throws SQLException {
		SqliteHandle mine = live();
		if (this.autoCommit) {
			throw new SQLException("The connection is in auto-commit mode", "25000");
		}
		return mine;
	}

	/** As with the driver, it begins a transaction that has to be committed. */
	private void beginForSavepoint() throws SQLException {
		setAutoCommit(false);
		running();
	}

	@Override
	public Savepoint setSavepoint() throws SQLException {
		beginForSavepoint();
		return super.setSavepoint();
	}

	@Override
	public Savepoint setSavepoint(String name) throws SQLException {
		beginForSavepoint();
		return super.setSavepoint(name);
	}

	/** By a pragma: the driver cannot do it on an open connection. */
	@Override
	public void setReadOnly(boolean readOnly) throws SQLException {
		SqliteHandle mine = live();
		if (readOnly == this.readOnly) {
			return;
		}
		synchronized (mine) {
			refuseGivenBack();
			mine.run(readOnly ? "PRAGMA query_only = 1" : "PRAGMA query_only = 0");
			this.readOnly = readOnly;
		}
	}

	@Override
	public boolean isReadOnly() throws SQLException {
		return this.readOnly || target().isReadOnly();
	}

	@Override
	public void setTransactionIsolation(int level) throws SQLException {
		if (level != getTransactionIsolation()) {
			this.changed = true;
			super.setTransactionIsolation(level);
		}
	}

	@Override
	public void setTypeMap(Map<String, Class<?>> map) throws SQLException {
		this.changed = true;
		super.setTypeMap(map);
	}

	@Override
	public Statement createStatement() throws SQLException {
		return made(live().statement());
	}

	@Override
	public Statement createStatement(int resultSetType, int resultSetConcurrency) throws SQLException {
		return createStatement(resultSetType, resultSetConcurrency, ResultSet.CLOSE_CURSORS_AT_COMMIT);
	}

	/** The driver has one kind only, and says so. */
	@Override
	public Statement createStatement(int resultSetType, int resultSetConcurrency, int resultSetHoldability)
			throws SQLException {
		try (Statement possible = target().createStatement(resultSetType, resultSetConcurrency, resultSetHoldability)) {
			return createStatement();
		}
	}

	@Override
	<S extends Statement> S made(S statement) throws SQLException {
		SqliteHandle mine = this.handle;
		if (mine != null) {
			synchronized (mine) {
				if (this.handle == mine) {
					mine.add(statement);
					return statement;
				}
			}
		}
		statement.close();
		throw new SQLException("The connection is closed", "08003");
	}

	/** Whoever has the driver's own connection may do anything to it. */
	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		expose();
		return super.unwrap(type);
	}

	/** Whoever is given something of the driver's may keep it, too. */
	void expose() throws SQLException {
		running();
		this.spent = true;
	}

	/** Ends what a statement does, unless the connection is another's by now. */
	void cancel(Statement statement) throws SQLException {
		SqliteHandle mine = this.handle;
		if (mine != null) {
			synchronized (mine) {
				if (this.handle == mine && !statement.isClosed()) {
					statement.cancel();
				}
			}
		}
	}

	/** A statement failed, and SQLite may have rolled back all of its transaction. */
	void failed(SQLException failure) {
		SqliteHandle mine = this.handle;
		if (this.begun && mine != null) {
			synchronized (mine) {
				if (this.handle == mine && this.begun && !mine.isInTransaction()) {
					ended();
					this.rolledBack = true;
				}
			}
		}
		if (FATAL.contains(failure.getErrorCode() & 0xff)) {
			this.broken = true;
			this.pool.suspect();
		}
	}

	@Override
	public boolean isClosed() {
		SqliteHandle mine = this.handle;
		return mine == null || mine.isClosed();
	}

	@Override
	public boolean isValid(int timeout) throws SQLException {
		return !isClosed() && super.isValid(timeout);
	}

	@Override
	public void close() {
		end(false);
	}

	/** Ends the lease, unless somebody else has. */
	void end(boolean discard) {
		SqliteHandle mine = HANDLE.getAndSet(this, null);
		if (mine != null) {
			end(mine, discard);
		}
	}

	/**
	 * Takes the connection away from whoever has it, to be {@link #discard discarded}.
	 * @return {@code null} if the lease has ended
	 */
	@Nullable SqliteHandle sever() {
		return HANDLE.getAndSet(this, null);
	}

	/** Closes what was taken away, once its statement has ended. */
	void discard(SqliteHandle severed) {
		end(severed, true);
	}

	private void end(SqliteHandle mine, boolean discard) {
		if (this.warning != null) {
			this.warning.cancel(false);
		}
		boolean sound = false;
		try {
			synchronized (mine) {
				try {
					sound = !discard && !this.broken && !this.spent && reset(mine);
				}
				finally {
					if (!sound) {
						// Before another one's turn comes.
						this.pool.close(mine);
					}
					ended();
				}
			}
		}
		finally {
			this.pool.giveBack(mine, sound);
		}
	}

	/**
	 * Makes the connection as it was lent.
	 * @return whether that succeeded
	 */
	private boolean reset(SqliteHandle mine) {
		try {
			mine.closeStatements();
			if (this.begun || this.unknown) {
				mine.rollback();
			}
			if (this.unknown || this.autoCommit != this.pool.autoCommit()) {
				mine.setAutoCommit(this.pool.autoCommit());
			}
			if (this.readOnly) {
				mine.run("PRAGMA query_only = 0");
			}
			if (this.patience >= 0) {
				mine.waitForLocks(this.patience);
			}
			if (this.changed) {
				mine.connection().setTransactionIsolation(this.pool.transactionIsolation());
				mine.connection().setTypeMap(new HashMap<>());
			}
			return !mine.isClosed();
		}
		catch (SQLException ex) {
			logger.debug("{}: a connection that cannot be reset is closed", this.pool.definition().name(),
					this.pool.definition().masked(ex));
			return false;
		}
	}

	/** Ends the statement that it runs, and closes the connection. */
	@Override
	public void abort(Executor executor) throws SQLException {
		SqliteHandle mine = HANDLE.getAndSet(this, null);
		if (mine == null) {
			return;
		}
		try {
			mine.interrupt();
		}
		finally {
			try {
				executor.execute(() -> end(mine, true));
			}
			catch (RejectedExecutionException ex) {
				end(mine, true);
			}
		}
	}

	@Override
	public String toString() {
		SqliteHandle mine = this.handle;
		return "SQLite connection " + ((mine != null) ? Integer.toHexString(mine.hashCode()) : "(closed)");
	}

}
