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
import java.sql.SQLWarning;
import java.sql.SQLXML;
import java.sql.Savepoint;
import java.sql.ShardingKey;
import java.sql.Statement;
import java.sql.Struct;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executor;

import org.jspecify.annotations.Nullable;

/**
 * A connection that stands before another one and passes everything on; a subclass says
 * to which, and changes what it must. As thread-safe as the other one.
 */
abstract class ForwardingConnection implements Connection {

	/** The connection that everything is passed on to. */
	abstract Connection target() throws SQLException;

	/**
	 * The connection that is to make a statement.
	 * @param sql its text, or {@code null} if that comes later
	 */
	Connection using(@Nullable String sql) throws SQLException {
		return target();
	}

	/** A statement was made; it is what the caller gets. */
	<S extends Statement> S made(S statement) throws SQLException {
		return statement;
	}

	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		Connection target = target();
		return type.isInstance(target) ? type.cast(target) : target.unwrap(type);
	}

	@Override
	public boolean isWrapperFor(Class<?> type) throws SQLException {
		if (type.isInstance(this)) {
			return true;
		}
		Connection target = target();
		return type.isInstance(target) || target.isWrapperFor(type);
	}

	@Override
	public void close() throws SQLException {
		target().close();
	}

	@Override
	public boolean isClosed() throws SQLException {
		return target().isClosed();
	}

	@Override
	public void abort(Executor executor) throws SQLException {
		target().abort(executor);
	}

	@Override
	public boolean isValid(int timeout) throws SQLException {
		return target().isValid(timeout);
	}

	@Override
	public void setReadOnly(boolean readOnly) throws SQLException {
		target().setReadOnly(readOnly);
	}

	@Override
	public boolean isReadOnly() throws SQLException {
		return target().isReadOnly();
	}

	@Override
	public void setAutoCommit(boolean autoCommit) throws SQLException {
		target().setAutoCommit(autoCommit);
	}

	@Override
	public boolean getAutoCommit() throws SQLException {
		return target().getAutoCommit();
	}

	@Override
	public void commit() throws SQLException {
		target().commit();
	}

	@Override
	public void rollback() throws SQLException {
		target().rollback();
	}

	@Override
	public void setCatalog(@Nullable String catalog) throws SQLException {
		target().setCatalog(catalog);
	}

	@Override
	public void setSchema(@Nullable String schema) throws SQLException {
		target().setSchema(schema);
	}

	@Override
	public void setTransactionIsolation(int level) throws SQLException {
		target().setTransactionIsolation(level);
	}

	@Override
	public void setHoldability(int holdability) throws SQLException {
		target().setHoldability(holdability);
	}

	@Override
	public void setNetworkTimeout(Executor executor, int milliseconds) throws SQLException {
		target().setNetworkTimeout(executor, milliseconds);
	}

	@Override
	public @Nullable SQLWarning getWarnings() throws SQLException {
		return target().getWarnings();
	}

	@Override
	public void clearWarnings() throws SQLException {
		target().clearWarnings();
	}

	@Override
	public void beginRequest() throws SQLException {
		target().beginRequest();
	}

	@Override
	public void endRequest() throws SQLException {
		target().endRequest();
	}

	@Override
	public void setClientInfo(String name, String value) throws SQLClientInfoException {
		targetForClientInfo().setClientInfo(name, value);
	}

	@Override
	public void setClientInfo(Properties properties) throws SQLClientInfoException {
		targetForClientInfo().setClientInfo(properties);
	}

	private Connection targetForClientInfo() throws SQLClientInfoException {
		try {
			return target();
		}
		catch (SQLException ex) {
			throw new SQLClientInfoException(ex.getMessage(), ex.getSQLState(), Map.<String, ClientInfoStatus>of(), ex);
		}
	}

	@Override
	public Statement createStatement() throws SQLException {
		return made(using(null).createStatement());
	}

	@Override
	public PreparedStatement prepareStatement(String sql) throws SQLException {
		return made(using(sql).prepareStatement(sql));
	}

	@Override
	public CallableStatement prepareCall(String sql) throws SQLException {
		return made(using(sql).prepareCall(sql));
	}

	@Override
	public Statement createStatement(int resultSetType, int resultSetConcurrency) throws SQLException {
		return made(using(null).createStatement(resultSetType, resultSetConcurrency));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int resultSetType, int resultSetConcurrency)
			throws SQLException {
		return made(using(sql).prepareStatement(sql, resultSetType, resultSetConcurrency));
	}

	@Override
	public CallableStatement prepareCall(String sql, int resultSetType, int resultSetConcurrency) throws SQLException {
		return made(using(sql).prepareCall(sql, resultSetType, resultSetConcurrency));
	}

	@Override
	public Statement createStatement(int resultSetType, int resultSetConcurrency, int resultSetHoldability)
			throws SQLException {
		return made(using(null).createStatement(resultSetType, resultSetConcurrency, resultSetHoldability));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int resultSetType, int resultSetConcurrency,
			int resultSetHoldability) throws SQLException {
		return made(using(sql).prepareStatement(sql, resultSetType, resultSetConcurrency, resultSetHoldability));
	}

	@Override
	public CallableStatement prepareCall(String sql, int resultSetType, int resultSetConcurrency,
			int resultSetHoldability) throws SQLException {
		return made(using(sql).prepareCall(sql, resultSetType, resultSetConcurrency, resultSetHoldability));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int autoGeneratedKeys) throws SQLException {
		return made(using(sql).prepareStatement(sql, autoGeneratedKeys));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, int[] columnIndexes) throws SQLException {
		return made(using(sql).prepareStatement(sql, columnIndexes));
	}

	@Override
	public PreparedStatement prepareStatement(String sql, String[] columnNames) throws SQLException {
		return made(using(sql).prepareStatement(sql, columnNames));
	}

	@Override
	public String nativeSQL(String sql) throws SQLException {
		return target().nativeSQL(sql);
	}

	@Override
	public DatabaseMetaData getMetaData() throws SQLException {
		return target().getMetaData();
	}

	@Override
	public @Nullable String getCatalog() throws SQLException {
		return target().getCatalog();
	}

	@Override
	public int getTransactionIsolation() throws SQLException {
		return target().getTransactionIsolation();
	}

	@Override
	public Map<String, Class<?>> getTypeMap() throws SQLException {
		return target().getTypeMap();
	}

	@Override
	public void setTypeMap(Map<String, Class<?>> map) throws SQLException {
		target().setTypeMap(map);
	}

	@Override
	public int getHoldability() throws SQLException {
		return target().getHoldability();
	}

	@Override
	public Savepoint setSavepoint() throws SQLException {
		return target().setSavepoint();
	}

	@Override
	public Savepoint setSavepoint(String name) throws SQLException {
		return target().setSavepoint(name);
	}

	@Override
	public void rollback(Savepoint savepoint) throws SQLException {
		target().rollback(savepoint);
	}

	@Override
	public void releaseSavepoint(Savepoint savepoint) throws SQLException {
		target().releaseSavepoint(savepoint);
	}

	@Override
	public Clob createClob() throws SQLException {
		return target().createClob();
	}

	@Override
	public Blob createBlob() throws SQLException {
		return target().createBlob();
	}

	@Override
	public NClob createNClob() throws SQLException {
		return target().createNClob();
	}

	@Override
	public SQLXML createSQLXML() throws SQLException {
		return target().createSQLXML();
	}

	@Override
	public @Nullable String getClientInfo(String name) throws SQLException {
		return target().getClientInfo(name);
	}

	@Override
	public Properties getClientInfo() throws SQLException {
		return target().getClientInfo();
	}

	@Override
	public Array createArrayOf(String typeName, Object[] elements) throws SQLException {
		return target().createArrayOf(typeName, elements);
	}

	@Override
	public Struct createStruct(String typeName, Object[] attributes) throws SQLException {
		return target().createStruct(typeName, attributes);
	}

	@Override
	public @Nullable String getSchema() throws SQLException {
		return target().getSchema();
	}

	@Override
	public int getNetworkTimeout() throws SQLException {
		return target().getNetworkTimeout();
	}

	@Override
	public boolean setShardingKeyIfValid(ShardingKey shardingKey, ShardingKey superShardingKey, int timeout)
			throws SQLException {
		return target().setShardingKeyIfValid(shardingKey, superShardingKey, timeout);
	}

	@Override
	public boolean setShardingKeyIfValid(ShardingKey shardingKey, int timeout) throws SQLException {
		return target().setShardingKeyIfValid(shardingKey, timeout);
	}

	@Override
	public void setShardingKey(ShardingKey shardingKey, ShardingKey superShardingKey) throws SQLException {
		target().setShardingKey(shardingKey, superShardingKey);
	}

	@Override
	public void setShardingKey(ShardingKey shardingKey) throws SQLException {
		target().setShardingKey(shardingKey);
	}

}
