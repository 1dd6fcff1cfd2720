package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ScheduledExecutorService;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.pool.HikariPool;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
		super(definition, config.getLeakDetectionThreshold() > 0);
		this.physical = physical;
		this.config = config;
		config.setDataSource(physical);
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

	@Override
	Duration connectionTimeout() {
		return Duration.ofMillis(this.config.getConnectionTimeout());
	}

	@Override
	Duration validationTimeout() {
		return Duration.ofMillis(this.config.getValidationTimeout());
	}

	/**
	 * On this thread, if somebody may wait for its place: HikariCP would start one. Those
	 * who wait in this pool are told, which HikariCP (7.0.2) does not do.
	 */
	@Override
	void evict(Connection connection) {
		if (this.physical.isBudgeted()) {
			closePhysically(connection);
		}
		this.pool.evictConnection(connection);
		int waiting = waiting();
		if (waiting > 0) {
			this.pool.addBagItem(waiting);
		}
	}

	private void closePhysically(Connection connection) {
		try {
			connection.unwrap(BudgetedConnection.class).close();
		}
		catch (SQLException ex) {
			logger.debug("{}: closing a connection failed", definition().name(), ex);
		}
	}

	@Override
	boolean giveUp(Connection connection) throws SQLException {
		if (!this.physical.isNeededElsewhere()
				|| connection.unwrap(BudgetedConnection.class).holder() != this.physical) {
			return false;
		}
		evict(connection);
		try {
			connection.close();
		}
		catch (SQLException | RuntimeException ex) {
			// HikariCP resets what is not there any more; it is closed all the same.
			logger.debug("{}: closing an evicted connection failed", definition().name(), ex);
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
	@Nullable String shortage() {
		return this.physical.shortage();
	}

	@Override
	boolean giveUpIdle() {
		if (idle() == 0) {
			return false;
		}
		try {
			// One that is idle is lent at once; nobody waits for one to be made.
			evict(this.pool.getConnection(1));
			return true;
		}
		catch (SQLException ex) {
			return false;
		}
	}

	@Override
	boolean mayBeClosedWhenIdle() {
		return this.config.getMinimumIdle() == 0;
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
			logger.debug("{}: closing an unused connection failed", definition().name(), ex);
		}
		try {
			this.pool.shutdown();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

}
