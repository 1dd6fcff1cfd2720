package io.multidb.source;

import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.pool.HikariPool;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.jdbc.datasource.AbstractDataSource;

/**
 * A source's connections in a HikariCP pool. Its pool class is used without its
 * DataSource, which would write four lines into the log for every source that is opened
 * and closed, and hide how long to wait for a connection.
 */
final class HikariConnections extends Pool {

	private static final Logger logger = LoggerFactory.getLogger(HikariConnections.class);

	private static final String WEAK_REFERENCES = "com.zaxxer.hikari.useWeakReferences";

	static {
		// Read by HikariCP for each pool: without it, every thread that ever borrowed
		// from a pool keeps it from being collected after it is closed.
		if (System.getProperty(WEAK_REFERENCES) == null) {
			System.setProperty(WEAK_REFERENCES, "true");
		}
	}

	/**
	 * HikariCP does not refuse a borrower of a closed pool, it lets him wait until he
	 * times out; so a pool is closed no sooner after it was given up.
	 */
	private static final Duration GRACE = Duration.ofSeconds(1);

	private final HikariPool pool;

	private final HikariConfig config;

	private final PhysicalDataSource physical;

	private volatile boolean refusing;

	/**
	 * Makes the pool.
	 * @param config the user's settings
	 * @param physical makes connections; holds the first one, which the pool takes at
	 * once and on this thread: HikariCP starts a thread for every pool that grows
	 * otherwise
	 * @param scheduler does the housekeeping of all pools
	 */
	HikariConnections(SourceDefinition definition, HikariConfig config, PhysicalDataSource physical,
			ScheduledExecutorService scheduler) throws SQLException {
		super(definition, config);
		this.physical = physical;
		this.config = config;
		config.setDataSource(new Making());
		// They have been given to the driver, and HikariCP would log them.
		config.getDataSourceProperties().clear();
		// It has been run on every connection, before any migration.
		config.setConnectionInitSql(null);
		config.setPoolName(definition.name());
		config.setReadOnly(definition.readOnly());
		config.setScheduledExecutor(scheduler);
		int minimumIdle = config.getMinimumIdle();
		config.setMinimumIdle(Math.max(1, minimumIdle));
		config.setInitializationFailTimeout(1);
		config.validate();
		try {
			this.pool = new HikariPool(config);
		}
		catch (HikariPool.PoolInitializationException ex) {
			throw (ex.getCause() instanceof SQLException failure) ? failure : new SQLException(ex);
		}
		config.setMinimumIdle(minimumIdle);
		physical.attach(this);
	}

	@Override
	Connection borrow() throws SQLException {
		return this.pool.getConnection();
	}

	@Override
	long lentSince(Connection lent, long since) {
		try {
			return lent.isWrapperFor(MeasuredConnection.class) ? lent.unwrap(MeasuredConnection.class).lentSince(since)
					: LeaseCounts.UNTIMED;
		}
		catch (SQLException ex) {
			// It was closed under its borrower.
			return LeaseCounts.UNTIMED;
		}
	}

	@Override
	int active() {
		return this.pool.getActiveConnections();
	}

	@Override
	int idle() {
		return this.pool.getIdleConnections();
	}

	@Override
	int waiting() {
		return this.pool.getThreadsAwaitingConnection();
	}

	/**
	 * HikariCP does not make a new connection for those who wait when the one that they
	 * wait for turns out to be broken, or is evicted, unless it is to keep idle ones.
	 */
	@Override
	void closing() {
		int waiting = this.pool.getThreadsAwaitingConnection();
		if (waiting > 0 && this.pool.getTotalConnections() < this.config.getMaximumPoolSize()) {
			this.pool.addBagItem(waiting);
		}
	}

	@Override
	boolean owns(Connection lent) {
		try {
			if (lent.isWrapperFor(BudgetedConnection.class)) {
				return this.physical.equals(lent.unwrap(BudgetedConnection.class).holder());
			}
			return lent.isWrapperFor(Told.class) && equals(lent.unwrap(Told.class).pool());
		}
		catch (SQLException ex) {
			return false;
		}
	}

	/**
	 * On this thread, if somebody may wait for its place: HikariCP would start one.
	 */
	@Override
	void evict(Connection connection) {
		closePhysically(connection);
		this.pool.evictConnection(connection);
		closing();
	}

	private void closePhysically(Connection connection) {
		try {
			if (connection.isWrapperFor(BudgetedConnection.class)) {
				connection.unwrap(BudgetedConnection.class).close();
			}
		}
		catch (SQLException ex) {
			logger.debug("{}: closing a connection failed", definition().name(), definition().masked(ex));
		}
	}

	@Override
	boolean giveUp(Connection connection) throws SQLException {
		if (connection.isClosed() || !owns(connection) || !this.physical.isNeededElsewhere()) {
			return false;
		}
		evict(connection);
		try {
			connection.close();
		}
		catch (SQLException | RuntimeException ex) {
			// HikariCP resets what is not there any more; it is closed all the same.
			logger.debug("{}: closing an evicted connection failed", definition().name(), definition().masked(ex));
		}
		return true;
	}

	@Override
	void keepNoneIdle() {
		if (this.config.getMinimumIdle() > 0) {
			logger.info("{}: 'hikari.minimum-idle' is not heeded any more, as the budget of its server is used up",
					definition().name());
			this.config.setMinimumIdle(0);
		}
	}

	@Override
	void forsaken() {
		this.physical.forsake();
	}

	@Override
	boolean giveUpIdle() {
		if (idle() == 0) {
			return false;
		}
		try {
			// One that is idle is lent at once; nobody waits for one to be made.
			evict(BudgetedConnection.untested(() -> this.pool.getConnection(1)));
			return true;
		}
		catch (SQLException ex) {
			return false;
		}
	}

	/**
	 * HikariCP makes those who wait wait until they time out. Until then it goes on
	 * trying to connect for them, and is given something that sends them away.
	 */
	@Override
	void refuse() {
		this.refusing = true;
		this.physical.withdraw();
	}

	@Override
	boolean isWanted() {
		return !this.refusing && waiting() > 0;
	}

	@Override
	boolean isRefusal(Connection borrowed) throws SQLException {
		return this.refusing && borrowed.isWrapperFor(Refusal.class);
	}

	/** In place of a connection; nobody gets to use it. */
	private interface Refusal extends Connection {

		/** Answers what HikariCP asks a new connection. */
		@SuppressWarnings("ReferenceEquality")
		static Connection of(HikariConfig config) {
			return (Connection) Proxy.newProxyInstance(Refusal.class.getClassLoader(), new Class<?>[] { Refusal.class },
					(proxy, method, arguments) -> switch (method.getName()) {
						case "isValid" -> true;
						case "getAutoCommit" -> config.isAutoCommit();
						case "isReadOnly" -> config.isReadOnly();
						case "toString" -> "no connection";
						case "hashCode" -> System.identityHashCode(proxy);
						case "equals" -> proxy == Objects.requireNonNull(arguments)[0];
						default -> nothing(method.getReturnType());
					});
		}

		private static @Nullable Object nothing(Class<?> type) {
			if (type == boolean.class) {
				return false;
			}
			return (type == int.class) ? Integer.valueOf(0) : null;
		}

	}

	/** A connection without a budget, which would tell of its end. */
	private final class Told extends MeasuredConnection {

		private final Connection target;

		Told(Connection target) {
			this.target = target;
		}

		HikariConnections pool() {
			return HikariConnections.this;
		}

		@Override
		Connection target() {
			return this.target;
		}

		@Override
		public void close() throws SQLException {
			HikariConnections.this.physical.closing();
			super.close();
		}

		@Override
		public void abort(Executor executor) throws SQLException {
			HikariConnections.this.physical.closing();
			super.abort(executor);
		}

	}

	/** Where HikariCP gets its connections. */
	private final class Making extends AbstractDataSource {

		@Override
		public Connection getConnection() throws SQLException {
			if (HikariConnections.this.refusing) {
				return Refusal.of(HikariConnections.this.config);
			}
			try {
				Connection connection = HikariConnections.this.physical.getConnection();
				connected();
				return (connection instanceof BudgetedConnection) ? connection : new Told(connection);
			}
			catch (NoPermitException ex) {
				// Says nothing of the database.
				throw ex;
			}
			catch (SQLException ex) {
				connectFailed(ex);
				throw ex;
			}
		}

		@Override
		public Connection getConnection(String username, String password) throws SQLException {
			return getConnection();
		}

		@Override
		public int getLoginTimeout() {
			return HikariConnections.this.physical.getLoginTimeout();
		}

		@Override
		public void setLoginTimeout(int seconds) {
			// The driver's properties are used instead.
		}

	}

	@Override
	Duration grace() {
		return GRACE;
	}

	@Override
	void close() {
		try {
			this.physical.close();
		}
		catch (SQLException ex) {
			logger.debug("{}: closing an unused connection failed", definition().name(), definition().masked(ex));
		}
		try {
			this.pool.shutdown();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

}
