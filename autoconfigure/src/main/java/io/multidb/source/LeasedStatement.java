package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;

import org.jspecify.annotations.Nullable;

/**
 * A statement that its {@link LeasedConnection} may refuse to run, see
 * {@link LeasedConnection#check()}. Closing and cancelling always pass, from any thread.
 *
 * @param <S> the kind of statement
 */
class LeasedStatement<S extends Statement> implements Statement {

	private final LeasedConnection connection;

	private final S delegate;

	LeasedStatement(LeasedConnection connection, S delegate) {
		this.connection = connection;
		this.delegate = delegate;
	}

	final S delegate() {
		return this.delegate;
	}

	final void check() throws SQLException {
		this.connection.check();
	}

	final void check(String sql) throws SQLException {
		this.connection.check(sql);
	}

	final void checkPrepared() throws SQLException {
		this.connection.checkPrepared();
	}

	final SQLException explain(SQLException failure) {
		return this.connection.explain(failure);
	}

	final @Nullable ResultSet wrap(@Nullable ResultSet rows) {
		return (rows != null) ? new LeasedResultSet(this.connection, this, rows) : null;
	}

	final <T> T wrap(T value, Class<T> type) {
		return LeasedResultSet.wrap(this.connection, value, type);
	}

	/** A function may return a cursor as its value. */
	final @Nullable Object wrapCursor(@Nullable Object value) {
		return LeasedResultSet.wrapCursor(this.connection, value);
	}

	@Override
	public Connection getConnection() {
		return this.connection;
	}

	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		this.connection.expose();
		return delegate().unwrap(type);
	}

	@Override
	public boolean isWrapperFor(Class<?> type) throws SQLException {
		return type.isInstance(this) || delegate().isWrapperFor(type);
	}

	@Override
	public String toString() {
		return "leased " + delegate();
	}

	@Override
	public @Nullable ResultSet executeQuery(String sql) throws SQLException {
		check(sql);
		try {
			return wrap(delegate().executeQuery(sql));
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public int executeUpdate(String sql) throws SQLException {
		check(sql);
		try {
			return delegate().executeUpdate(sql);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public void close() throws SQLException {
		delegate().close();
	}

	@Override
	public int getMaxFieldSize() throws SQLException {
		check();
		return delegate().getMaxFieldSize();
	}

	@Override
	public void setMaxFieldSize(int value) throws SQLException {
		check();
		delegate().setMaxFieldSize(value);
	}

	@Override
	public int getMaxRows() throws SQLException {
		check();
		return delegate().getMaxRows();
	}

	@Override
	public void setMaxRows(int value) throws SQLException {
		check();
		delegate().setMaxRows(value);
	}

	@Override
	public void setEscapeProcessing(boolean value) throws SQLException {
		check();
		delegate().setEscapeProcessing(value);
	}

	@Override
	public int getQueryTimeout() throws SQLException {
		check();
		return delegate().getQueryTimeout();
	}

	@Override
	public void setQueryTimeout(int value) throws SQLException {
		check();
		delegate().setQueryTimeout(value);
	}

	@Override
	public void cancel() throws SQLException {
		this.connection.cancel(delegate());
	}

	@Override
	public SQLWarning getWarnings() throws SQLException {
		return delegate().getWarnings();
	}

	@Override
	public void clearWarnings() throws SQLException {
		delegate().clearWarnings();
	}

	@Override
	public void setCursorName(String sql) throws SQLException {
		check();
		delegate().setCursorName(sql);
	}

	@Override
	public boolean execute(String sql) throws SQLException {
		check(sql);
		try {
			return delegate().execute(sql);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public @Nullable ResultSet getResultSet() throws SQLException {
		check();
		return wrap(delegate().getResultSet());
	}

	@Override
	public int getUpdateCount() throws SQLException {
		check();
		return delegate().getUpdateCount();
	}

	@Override
	public boolean getMoreResults() throws SQLException {
		check();
		return delegate().getMoreResults();
	}

	@Override
	public void setFetchDirection(int value) throws SQLException {
		check();
		delegate().setFetchDirection(value);
	}

	@Override
	public int getFetchDirection() throws SQLException {
		check();
		return delegate().getFetchDirection();
	}

	@Override
	public void setFetchSize(int value) throws SQLException {
		check();
		delegate().setFetchSize(value);
	}

	@Override
	public int getFetchSize() throws SQLException {
		check();
		return delegate().getFetchSize();
	}

	@Override
	public int getResultSetConcurrency() throws SQLException {
		check();
		return delegate().getResultSetConcurrency();
	}

	@Override
	public int getResultSetType() throws SQLException {
		check();
		return delegate().getResultSetType();
	}

	@Override
	public void addBatch(String sql) throws SQLException {
		check(sql);
		delegate().addBatch(sql);
	}

	@Override
	public void clearBatch() throws SQLException {
		check();
		delegate().clearBatch();
	}

	@Override
	public int[] executeBatch() throws SQLException {
		checkPrepared();
		try {
			return delegate().executeBatch();
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public boolean getMoreResults(int value) throws SQLException {
		check();
		return delegate().getMoreResults(value);
	}

	@Override
	public @Nullable ResultSet getGeneratedKeys() throws SQLException {
		check();
		return wrap(delegate().getGeneratedKeys());
	}

	@Override
	public int executeUpdate(String sql, int autoGeneratedKeys) throws SQLException {
		check(sql);
		try {
			return delegate().executeUpdate(sql, autoGeneratedKeys);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public int executeUpdate(String sql, int[] columnIndexes) throws SQLException {
		check(sql);
		try {
			return delegate().executeUpdate(sql, columnIndexes);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public int executeUpdate(String sql, String[] columnNames) throws SQLException {
		check(sql);
		try {
			return delegate().executeUpdate(sql, columnNames);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public boolean execute(String sql, int autoGeneratedKeys) throws SQLException {
		check(sql);
		try {
			return delegate().execute(sql, autoGeneratedKeys);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public boolean execute(String sql, int[] columnIndexes) throws SQLException {
		check(sql);
		try {
			return delegate().execute(sql, columnIndexes);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public boolean execute(String sql, String[] columnNames) throws SQLException {
		check(sql);
		try {
			return delegate().execute(sql, columnNames);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public int getResultSetHoldability() throws SQLException {
		check();
		return delegate().getResultSetHoldability();
	}

	@Override
	public boolean isClosed() throws SQLException {
		return delegate().isClosed();
	}

	@Override
	public void setPoolable(boolean value) throws SQLException {
		check();
		delegate().setPoolable(value);
	}

	@Override
	public boolean isPoolable() throws SQLException {
		check();
		return delegate().isPoolable();
	}

	@Override
	public void closeOnCompletion() throws SQLException {
		check();
		delegate().closeOnCompletion();
	}

	@Override
	public boolean isCloseOnCompletion() throws SQLException {
		check();
		return delegate().isCloseOnCompletion();
	}

	@Override
	public long getLargeUpdateCount() throws SQLException {
		check();
		return delegate().getLargeUpdateCount();
	}

	@Override
	public void setLargeMaxRows(long value) throws SQLException {
		check();
		delegate().setLargeMaxRows(value);
	}

	@Override
	public long getLargeMaxRows() throws SQLException {
		check();
		return delegate().getLargeMaxRows();
	}

	@Override
	public long[] executeLargeBatch() throws SQLException {
		checkPrepared();
		try {
			return delegate().executeLargeBatch();
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public long executeLargeUpdate(String sql) throws SQLException {
		check(sql);
		try {
			return delegate().executeLargeUpdate(sql);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public long executeLargeUpdate(String sql, int autoGeneratedKeys) throws SQLException {
		check(sql);
		try {
			return delegate().executeLargeUpdate(sql, autoGeneratedKeys);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public long executeLargeUpdate(String sql, int[] columnIndexes) throws SQLException {
		check(sql);
		try {
			return delegate().executeLargeUpdate(sql, columnIndexes);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public long executeLargeUpdate(String sql, String[] columnNames) throws SQLException {
		check(sql);
		try {
			return delegate().executeLargeUpdate(sql, columnNames);
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public String enquoteLiteral(String sql) throws SQLException {
		check();
		return delegate().enquoteLiteral(sql);
	}

	@Override
	public String enquoteIdentifier(String sql, boolean value) throws SQLException {
		check();
		return delegate().enquoteIdentifier(sql, value);
	}

	@Override
	public boolean isSimpleIdentifier(String sql) throws SQLException {
		check();
		return delegate().isSimpleIdentifier(sql);
	}

	@Override
	public String enquoteNCharLiteral(String sql) throws SQLException {
		check();
		return delegate().enquoteNCharLiteral(sql);
	}

}
