package io.multidb.source;

import java.sql.Array;
import java.sql.Blob;
import java.sql.CallableStatement;
import java.sql.ClientInfoStatus;
import java.sql.Clob;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.NClob;
import java.sql.PreparedStatement;
import java.sql.SQLClientInfoException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.sql.SQLWarning;
import java.sql.SQLXML;
import java.sql.Savepoint;
import java.sql.ShardingKey;
import java.sql.Statement;
import java.sql.Struct;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;

import org.jspecify.annotations.Nullable;

import io.multidb.SourceUnavailableException;

/**
 * A connection that is a lease of its source: as long as it is not closed, the source's
 * pool is not closed either.
 * <p>
 * A subclass may refuse work by {@link #check()}, which is asked before everything that
 * can reach the database, except what ends work: {@code close}, {@code rollback},
 * {@code abort}, {@code isClosed}, {@code isValid} and {@code endRequest} always pass,
 * from any thread. So does what cleaning up asks for and no database is needed for:
 * {@code getAutoCommit}, {@code isReadOnly} and warnings. Otherwise as thread-safe as the
 * driver's connection.
 */
public abstract class LeasedConnection implements Connection {

	/** SQLSTATE read_only_sql_transaction. */
	private static final String READ_ONLY_TRANSACTION = "25006";

	private static final int SQLITE_READONLY = 8;

	private static final AtomicIntegerFieldUpdater<LeasedConnection> MARK = AtomicIntegerFieldUpdater
		.newUpdater(LeasedConnection.class, "mark");

	/** Never asked to refuse writes, or asked to accept them again. */
	private static final int WRITABLE = 0;

	/** Asked to refuse writes, which must end before the connection is given back. */
	private static final int READ_ONLY = 1;

	/** One of the above is becoming the other: who sees to that gives it back. */
	private static final int CHANGING = 2;

	/** Was marked when it was closed. */
	private static final int CLOSED = 3;

	private final Connection delegate;

	/**
	 * No object of its own, for there is one for each connection that is borrowed, and
	 * changed only by those who ask for a read-only one.
	 */
	private volatile int mark;

	/**
	 * Takes a connection of a source, opening the source if that is needed.
	 * @param source the source
	 * @throws SQLException if there is none to be had
	 * @see Source#getConnection()
	 */
	protected LeasedConnection(Source source) throws SQLException {
		this(source, false);
	}

	/**
	 * Takes a connection of a source, opening the source if that is needed.
	 * @param source the source
	 * @param reading whether it refuses writes for as long as it is lent, whatever it is
	 * told; the database refuses them, and what would make it accept them is refused here
	 * @throws SQLException if there is none to be had, or not in time
	 */
	protected LeasedConnection(Source source, boolean reading) throws SQLException {
		this.delegate = reading ? source.acquireReading() : source.acquire();
	}

	/**
	 * Has somebody else end the lease at a deadline. For the constructor of a subclass,
	 * which gives what is returned here as its {@link #timed()}.
	 * @param deadline when its work must be over
	 * @return the lease
	 * @throws SQLException if it is too late; the connection was given back
	 */
	protected final TimedLease limit(Deadline deadline) throws SQLException {
		return TimedLease.of(deadline, source(), this.delegate);
	}

	/**
	 * Until when the connection may be had.
	 * @return {@code null} if whoever has it may have it as long as he likes
	 */
	protected @Nullable TimedLease timed() {
		return null;
	}

	/**
	 * The source whose connection this is.
	 * @return the source
	 */
	public abstract Source source();

	/**
	 * Has the work of this connection done where other work of the same unit is done,
	 * such as a session's: on the source itself, or on its fallback. Otherwise the
	 * thread's scope decides, or the first statement. Without effect where there is no
	 * fallback, and after the first statement.
	 * @param onFallback whether on the fallback
	 */
	public final void stayOn(boolean onFallback) {
		if (this.delegate instanceof DeferredConnection deferred) {
			deferred.stayOn(onFallback ? Fallback.Side.FALLBACK : Fallback.Side.SOURCE);
		}
	}

	/**
	 * Asked before everything that can reach the database.
	 * @throws SQLException to refuse it
	 */
	protected void check() throws SQLException {
		TimedLease timed = timed();
		if (timed != null) {
			timed.check();
		}
	}

	/**
	 * Gives the connection back and ends the lease; a second call does nothing.
	 */
	@Override
	public void close() throws SQLException {
		TimedLease timed = timed();
		if (timed != null && !timed.giveBack()) {
			return;
		}
		if (this.mark != WRITABLE) {
			closeMarked();
			return;
		}
		source().giveBack(this.delegate, false);
		if (this.mark != WRITABLE) {
			// By another thread, too late to be taken back: it may be somebody else's.
			source().discard(this.delegate);
		}
	}

	/** Of several threads one gives it back, after it has been made to accept writes. */
	private void closeMarked() throws SQLException {
		int former = MARK.getAndSet(this, CLOSED);
		if (former == WRITABLE || former == READ_ONLY) {
			source().giveBack(this.delegate, former == READ_ONLY);
		}
	}

	/** Asked before a statement is run whose text was not known before. */
	final void check(String sql) throws SQLException {
		check();
		Connection used = (this.delegate instanceof DeferredConnection deferred) ? deferred.using(sql) : this.delegate;
		if (used instanceof SqliteLease lease) {
			TimedLease timed = timed();
			if (timed != null && this.delegate instanceof DeferredConnection) {
				timed.check();
			}
			lease.running(sql);
		}
	}

	/** Asked before a statement is run that was prepared before. */
	final void checkPrepared() throws SQLException {
		check();
		begin();
	}

	/** A statement may be run from now on: SQLite's transactions begin here. */
	final void begin() throws SQLException {
		if (lent() instanceof SqliteLease lease) {
			lease.running();
		}
	}

	/** Something of the driver's own is given away, with which anything can be done. */
	final void expose() throws SQLException {
		check();
		if (isReading()) {
			throw DeferredConnection.notUnwrapped();
		}
		if (lent() instanceof SqliteLease lease) {
			lease.expose();
		}
	}

	/** Ends what a statement does: a late one must not end what another session does. */
	final void cancel(Statement statement) throws SQLException {
		Connection used = (this.delegate instanceof DeferredConnection deferred) ? deferred.current() : this.delegate;
		if (used instanceof SqliteLease lease) {
			lease.cancel(statement);
		}
		else if (!statement.isClosed()) {
			statement.cancel();
		}
	}

	private Connection lent() throws SQLException {
		return (this.delegate instanceof DeferredConnection deferred) ? deferred.using(null) : this.delegate;
	}

	/** Whether it refuses writes for as long as it is lent. */
	private boolean isReading() {
		return this.delegate instanceof DeferredConnection deferred && deferred.isReading();
	}

	/**
	 * Says why a write was refused on a connection that is lent to read only.
	 * @param failure the database's refusal
	 * @return what is thrown instead
	 */
	protected SQLException writeRefused(SQLException failure) {
		return new SQLException(
				"This connection of source '" + source().name() + "' was taken to read only: " + failure.getMessage(),
				READ_ONLY_TRANSACTION, failure.getErrorCode(), failure);
	}

	/** Says why a write was refused; any other failure is as the driver made it. */
	final SQLException explain(SQLException failure) {
		Connection used = (this.delegate instanceof DeferredConnection deferred) ? deferred.current() : this.delegate;
		if (used instanceof SqliteLease lease) {
			lease.failed(failure);
		}
		SourceDefinition definition = source().definition();
		if (isReading() && isRefusedWrite(definition, failure)) {
			return writeRefused(failure);
		}
		if (!definition.readOnly() && !isReadOnly()) {
			return (this.delegate instanceof DeferredConnection deferred) ? explain(deferred, definition, failure)
					: failure;
		}
		if (!isRefusedWrite(definition, failure)) {
			return failure;
		}
		String why = definition.readOnly() ? "is read-only (" + definition.property("read-only") + ")"
				: "was asked to read only, as by @Transactional(readOnly = true)";
		return new SQLException("Source '" + source().name() + "' " + why + ": " + failure.getMessage(),
				READ_ONLY_TRANSACTION, failure.getErrorCode(), failure);
	}

	private static SQLException explain(DeferredConnection deferred, SourceDefinition definition,
			SQLException failure) {
		SourceUnavailableException refused = isRefusedWrite(definition, failure) ? deferred.writeRefused(failure)
				: null;
		return (refused != null)
				? new SQLTransientConnectionException(refused.getMessage(), READ_ONLY_TRANSACTION, refused) : failure;
	}

	/** A failed batch has the reason in its cause. */
	private static boolean isRefusedWrite(SourceDefinition definition, SQLException failure) {
		boolean refused = READ_ONLY_TRANSACTION.equals(failure.getSQLState())
				|| (definition.product() == DatabaseProduct.SQLITE
						&& (failure.getErrorCode() & 0xff) == SQLITE_READONLY);
		return refused || (failure.getCause() instanceof SQLException cause && isRefusedWrite(definition, cause));
	}

	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		check();
		return this.delegate.unwrap(type);
	}

	@Override
	public boolean isWrapperFor(Class<?> type) throws SQLException {
		if (type.isInstance(this)) {
			return true;
		}
		check();
		return this.delegate.isWrapperFor(type);
	}

	@Override
	public void beginRequest() throws SQLException {
		check();
		this.delegate.beginRequest();
	}

	@Override
	public void endRequest() throws SQLException {
		this.delegate.endRequest();
	}

	@Override
	public Statement createStatement() throws SQLException {
		check();
		return new LeasedStatement<>(this, this.delegate.createStatement());
	}

	@Override
	public PreparedStatement prepareStatement(String sql) throws SQLException {
		check();
		return new LeasedPreparedStatement<>(this, this.delegate.prepareStatement(sql));
	}

	@Override
	public CallableStatement prepareCall(String sql) throws SQLException {
		check();
		return new LeasedCallableStatement(this, this.delegate.prepareCall(sql));
	}

	@Override
	public String nativeSQL(String sql) throws SQLException {
		check();
		return this.delegate.nativeSQL(sql);
	}

	@Override
	public void setAutoCommit(boolean autoCommit) throws SQLException {
		check();
		this.delegate.setAutoCommit(autoCommit);
	}

	@Override
	public boolean getAutoCommit() throws SQLException {
		return this.delegate.getAutoCommit();
	}

	@Override
	public void commit() throws SQLException {
		check();
		this.delegate.commit();
	}

	@Override
	public void rollback() throws SQLException {
		this.delegate.rollback();
	}

	@Override
	public boolean isClosed() throws SQLException {
		return this.delegate.isClosed();
	}

	@Override
	public DatabaseMetaData getMetaData() throws SQLException {
		check();
		return LeasedMetaData.of(this, this.delegate.getMetaData());
	}

	/**
	 * Lets the connection refuse writes, until it is given back or the opposite is asked
	 * for. Where the source has replicas, the next statement goes to one.
	 */
	@Override
	public void setReadOnly(boolean readOnly) throws SQLException {
		check();
		if (!readOnly && !isReadOnly() && source().definition().readOnly()) {
			throw new SQLException("Source '" + source().name() + "' is read-only ("
					+ source().definition().property("read-only") + ") and cannot be switched", READ_ONLY_TRANSACTION);
		}
		if (!readOnly && !isReadOnly() && isReading()) {
			throw new SQLException(
					"This connection of source '" + source().name() + "' was taken to read only and cannot be switched",
					READ_ONLY_TRANSACTION);
		}
		int former = this.mark;
		if (former == CHANGING || former == CLOSED || !MARK.compareAndSet(this, former, CHANGING)) {
			throw new SQLException("The connection is closed, or in use by another thread", "08003");
		}
		int next = former;
		try {
			source().readOnly(this.delegate, readOnly);
			next = readOnly ? READ_ONLY : WRITABLE;
		}
		finally {
			if (!MARK.compareAndSet(this, CHANGING, next)) {
				// Closed meanwhile, by another thread
				source().giveBack(this.delegate, true);
			}
		}
	}

	/**
	 * Whether {@link #setReadOnly} has asked for it; {@code false} for a source that is
	 * always read-only: Spring's transaction managers take the first answer for that of
	 * every connection, of whatever source, and stop asking for read-only ones.
	 */
	@Override
	public boolean isReadOnly() {
		return this.mark == READ_ONLY;
	}

	@Override
	public void setCatalog(@Nullable String catalog) throws SQLException {
		check();
		this.delegate.setCatalog(catalog);
	}

	@Override
	public @Nullable String getCatalog() throws SQLException {
		check();
		return this.delegate.getCatalog();
	}

	@Override
	public void setTransactionIsolation(int level) throws SQLException {
		check();
		this.delegate.setTransactionIsolation(level);
	}

	@Override
	public int getTransactionIsolation() throws SQLException {
		check();
		return this.delegate.getTransactionIsolation();
	}

	@Override
	public @Nullable SQLWarning getWarnings() throws SQLException {
		return this.delegate.getWarnings();
	}

	@Override
	public void clearWarnings() throws SQLException {
		this.delegate.clearWarnings();
	}

	@Override
	public Statement createStatement(int resultSetType, int resultSetConcurrency) throws SQLException {
		check();
		return new LeasedStatement<>(this, this.delegate.createStatement(resultSetType, resultSetConcurrency));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int resultSetType, int resultSetConcurrency)
			throws SQLException {
		check();
		return new LeasedPreparedStatement<>(this,
				this.delegate.prepareStatement(sql, resultSetType, resultSetConcurrency));
	}

	@Override
	public CallableStatement prepareCall(String sql, int resultSetType, int resultSetConcurrency) throws SQLException {
		check();
		return new LeasedCallableStatement(this, this.delegate.prepareCall(sql, resultSetType, resultSetConcurrency));
	}

	@Override
	public Map<String, Class<?>> getTypeMap() throws SQLException {
		check();
		return this.delegate.getTypeMap();
	}

	@Override
	public void setTypeMap(Map<String, Class<?>> map) throws SQLException {
		check();
		this.delegate.setTypeMap(map);
	}

	@Override
	public void setHoldability(int holdability) throws SQLException {
		check();
		this.delegate.setHoldability(holdability);
	}

	@Override
	public int getHoldability() throws SQLException {
		check();
		return this.delegate.getHoldability();
	}

	@Override
	public Savepoint setSavepoint() throws SQLException {
		check();
		return this.delegate.setSavepoint();
	}

	@Override
	public Savepoint setSavepoint(String name) throws SQLException {
		check();
		return this.delegate.setSavepoint(name);
	}

	@Override
	public void rollback(Savepoint savepoint) throws SQLException {
		this.delegate.rollback(savepoint);
	}

	@Override
	public void releaseSavepoint(Savepoint savepoint) throws SQLException {
		check();
		this.delegate.releaseSavepoint(savepoint);
	}

	@Override
	public Statement createStatement(int resultSetType, int resultSetConcurrency, int resultSetHoldability)
			throws SQLException {
		check();
		return new LeasedStatement<>(this,
				this.delegate.createStatement(resultSetType, resultSetConcurrency, resultSetHoldability));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int resultSetType, int resultSetConcurrency,
			int resultSetHoldability) throws SQLException {
		check();
		return new LeasedPreparedStatement<>(this,
				this.delegate.prepareStatement(sql, resultSetType, resultSetConcurrency, resultSetHoldability));
	}

	@Override
	public CallableStatement prepareCall(String sql, int resultSetType, int resultSetConcurrency,
			int resultSetHoldability) throws SQLException {
		check();
		return new LeasedCallableStatement(this,
				this.delegate.prepareCall(sql, resultSetType, resultSetConcurrency, resultSetHoldability));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int autoGeneratedKeys) throws SQLException {
		check();
		return new LeasedPreparedStatement<>(this, this.delegate.prepareStatement(sql, autoGeneratedKeys));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int[] columnIndexes) throws SQLException {
		check();
		return new LeasedPreparedStatement<>(this, this.delegate.prepareStatement(sql, columnIndexes));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, String[] columnNames) throws SQLException {
		check();
		return new LeasedPreparedStatement<>(this, this.delegate.prepareStatement(sql, columnNames));
	}

	@Override
	public Clob createClob() throws SQLException {
		check();
		return this.delegate.createClob();
	}

	@Override
	public Blob createBlob() throws SQLException {
		check();
		return this.delegate.createBlob();
	}

	@Override
	public NClob createNClob() throws SQLException {
		check();
		return this.delegate.createNClob();
	}

	@Override
	public SQLXML createSQLXML() throws SQLException {
		check();
		return this.delegate.createSQLXML();
	}

	@Override
	public boolean isValid(int timeout) throws SQLException {
		return this.delegate.isValid(timeout);
	}

	@Override
	public void setClientInfo(String name, String value) throws SQLClientInfoException {
		checkClientInfo();
		this.delegate.setClientInfo(name, value);
	}

	@Override
	public void setClientInfo(Properties properties) throws SQLClientInfoException {
		checkClientInfo();
		this.delegate.setClientInfo(properties);
	}

	private void checkClientInfo() throws SQLClientInfoException {
		try {
			check();
		}
		catch (SQLException ex) {
			throw new SQLClientInfoException(ex.getMessage(), ex.getSQLState(), Map.<String, ClientInfoStatus>of(), ex);
		}
	}

	@Override
	public @Nullable String getClientInfo(String name) throws SQLException {
		check();
		return this.delegate.getClientInfo(name);
	}

	@Override
	public Properties getClientInfo() throws SQLException {
		check();
		return this.delegate.getClientInfo();
	}

	@Override
	public Array createArrayOf(String typeName, Object[] elements) throws SQLException {
		check();
		return this.delegate.createArrayOf(typeName, elements);
	}

	@Override
	public Struct createStruct(String typeName, Object[] attributes) throws SQLException {
		check();
		return this.delegate.createStruct(typeName, attributes);
	}

	@Override
	public void setSchema(@Nullable String schema) throws SQLException {
		check();
		this.delegate.setSchema(schema);
	}

	@Override
	public @Nullable String getSchema() throws SQLException {
		check();
		return this.delegate.getSchema();
	}

	@Override
	public void abort(Executor executor) throws SQLException {
		this.delegate.abort(executor);
	}

	@Override
	public void setNetworkTimeout(Executor executor, int milliseconds) throws SQLException {
		check();
		this.delegate.setNetworkTimeout(executor, milliseconds);
	}

	@Override
	public int getNetworkTimeout() throws SQLException {
		check();
		return this.delegate.getNetworkTimeout();
	}

	@Override
	public boolean setShardingKeyIfValid(ShardingKey shardingKey, ShardingKey superShardingKey, int timeout)
			throws SQLException {
		check();
		return this.delegate.setShardingKeyIfValid(shardingKey, superShardingKey, timeout);
	}

	@Override
	public boolean setShardingKeyIfValid(ShardingKey shardingKey, int timeout) throws SQLException {
		check();
		return this.delegate.setShardingKeyIfValid(shardingKey, timeout);
	}

	@Override
	public void setShardingKey(ShardingKey shardingKey, ShardingKey superShardingKey) throws SQLException {
		check();
		this.delegate.setShardingKey(shardingKey, superShardingKey);
	}

	@Override
	public void setShardingKey(ShardingKey shardingKey) throws SQLException {
		check();
		this.delegate.setShardingKey(shardingKey);
	}

	@Override
	public String toString() {
		return "connection of source '" + source().name() + "' (" + this.delegate + ")";
	}

}
