package io.multidb.benchmarks;

import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverPropertyInfo;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.Properties;
import java.util.concurrent.Executor;
import java.util.logging.Logger;

import org.jspecify.annotations.Nullable;

import org.springframework.cglib.proxy.Enhancer;
import org.springframework.cglib.proxy.NoOp;

/**
 * A driver that does nothing, so that what is measured is what stands in front of it. Its
 * classes have only the methods that the benchmarks and HikariCP call; any other is an
 * {@link AbstractMethodError}.
 */
public final class NoOpDriver implements Driver {

	static final String URL = "jdbc:noop:";

	private static final int ROWS = 100;

	/** The abstract class with nothing added: its calls are as direct as any. */
	private static <T> T make(Class<T> type) {
		Enhancer enhancer = new Enhancer();
		enhancer.setSuperclass(type);
		enhancer.setCallbackType(NoOp.class);
		enhancer.setUseFactory(false);
		enhancer.setCallback(NoOp.INSTANCE);
		return type.cast(enhancer.create());
	}

	@Override
	public @Nullable Connection connect(String url, Properties properties) {
		return acceptsURL(url) ? make(NoOpConnection.class) : null;
	}

	@Override
	public boolean acceptsURL(String url) {
		return url.startsWith(URL);
	}

	@Override
	public DriverPropertyInfo[] getPropertyInfo(String url, Properties properties) {
		return new DriverPropertyInfo[0];
	}

	@Override
	public int getMajorVersion() {
		return 1;
	}

	@Override
	public int getMinorVersion() {
		return 0;
	}

	@Override
	public boolean jdbcCompliant() {
		return false;
	}

	@Override
	public Logger getParentLogger() {
		return Logger.getGlobal();
	}

	abstract static class NoOpConnection implements Connection {

		/** One per connection, so that preparing one allocates nothing. */
		private final NoOpStatement statement = make(NoOpStatement.class);

		@Override
		public PreparedStatement prepareStatement(String sql) {
			return this.statement;
		}

		@Override
		public void close() {
		}

		@Override
		public boolean isClosed() {
			return false;
		}

		@Override
		public boolean isValid(int timeout) {
			return true;
		}

		@Override
		public void clearWarnings() {
		}

		@Override
		public boolean getAutoCommit() {
			return true;
		}

		@Override
		public void setAutoCommit(boolean autoCommit) {
		}

		@Override
		public boolean isReadOnly() {
			return false;
		}

		@Override
		public void setReadOnly(boolean readOnly) {
		}

		@Override
		public @Nullable String getCatalog() {
			return null;
		}

		@Override
		public @Nullable String getSchema() {
			return null;
		}

		@Override
		public int getTransactionIsolation() {
			return Connection.TRANSACTION_READ_COMMITTED;
		}

		@Override
		public int getNetworkTimeout() {
			return 0;
		}

		@Override
		public void setNetworkTimeout(Executor executor, int milliseconds) {
		}

	}

	abstract static class NoOpStatement implements PreparedStatement {

		private final NoOpResultSet rows = make(NoOpResultSet.class);

		@Override
		public ResultSet executeQuery() {
			this.rows.row = 0;
			return this.rows;
		}

		@Override
		public void setInt(int index, int value) {
		}

		@Override
		public void close() {
		}

		@Override
		public boolean isClosed() {
			return false;
		}

	}

	abstract static class NoOpResultSet implements ResultSet {

		private int row;

		@Override
		public boolean next() {
			return this.row++ < ROWS;
		}

		@Override
		public int getInt(int column) {
			return this.row;
		}

		@Override
		public void close() {
		}

	}

}
