package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Locale;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.util.UtilityElf;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The connections of a source that is one SQLite file. They cannot be lost on the way, so
 * there is nothing that has to be looked after in the background: no thread, no task, no
 * ping. See ADR 15.
 * <p>
 * Thread-safe. An idle connection is taken and given back without a lock, by a
 * compare-and-set and a volatile write. Who finds none queues up under {@code lock}, and
 * looks for one after he did; who gives one back looks for the queue after he did. One of
 * the two sees the other.
 */
final class SqliteConnections extends Pool {

	private static final Logger logger = LoggerFactory.getLogger(SqliteConnections.class);

	/** So long a connection is trusted to lead to the file that the path leads to. */
	private static final long TRUSTED = TimeUnit.MILLISECONDS.toNanos(250);

	/** How often to look for connections that nobody has used for long. */
	private static final long TIDY_INTERVAL = TimeUnit.SECONDS.toNanos(10);

	private static final long CLOSING_IN_A_MOMENT = TimeUnit.SECONDS.toNanos(2);

	/** HikariCP's own, where nothing is set. */
	private static final int DEFAULT_SIZE = 10;

	private static final String TRANSACTION_MODE = "transaction_mode";

	private final HikariConfig config;

	private final PhysicalDataSource physical;

	private final SqliteFile file;

	private final Supplier<ScheduledExecutorService> scheduler;

	/** How a transaction begins that may write. */
	private final String begin;

	private final int maximumSize;

	private final ReentrantLock lock = new ReentrantLock();

	/** All there are, lent or not; replaced under lock. */
	private volatile SqliteHandle[] handles;

	/** In the order in which they came; guarded by lock. */
	private final Deque<Waiter> waiters = new ArrayDeque<>(1);

	/** How many there are; written under lock. */
	private volatile int waiting;

	/** Nothing is lent any more. */
	private volatile boolean over;

	/** The path leads to another file, or to none. */
	private volatile boolean obsolete;

	/** Everything is closed. */
	private volatile boolean ended;

	/** In {@link System#nanoTime()}. */
	private volatile long lookedAt;

	/** Likewise. */
	private volatile long tidiedAt;

	/** SQLite has one writer per file; here those of this process stand in a line. */
	private final Semaphore turn = new Semaphore(1, true);

	/** Whose turn it is. */
	private volatile @Nullable Thread writer;

	/** Somebody who waits for a connection. */
	private static final class Waiter {

		private final Thread thread = Thread.currentThread();

		private @Nullable SqliteHandle handle;

		/** After the handle. */
		private volatile boolean served;

		/**
		 * Ends the wait.
		 * @param handle his; {@code null} if he is to get none of this pool
		 */
		void serve(@Nullable SqliteHandle handle) {
			this.handle = handle;
			this.served = true;
			LockSupport.unpark(this.thread);
		}

	}

	/**
	 * Makes the pool.
	 * @param config the user's settings, which are not changed
	 * @param physical makes connections
	 * @param first a connection, which becomes the pool's
	 * @param file what it leads to
	 * @param scheduler for warnings, where leak detection is on
	 */
	SqliteConnections(SourceDefinition definition, HikariConfig config, PhysicalDataSource physical, Connection first,
			SqliteFile file, Supplier<ScheduledExecutorService> scheduler) throws SQLException {
		super(definition, config);
		this.config = config;
		this.physical = physical;
		this.file = file;
		this.scheduler = scheduler;
		this.maximumSize = (config.getMaximumPoolSize() < 1) ? DEFAULT_SIZE : config.getMaximumPoolSize();
		this.begin = begin(definition, config);
		long now = System.nanoTime();
		this.lookedAt = now;
		this.tidiedAt = now;
		// The file is there; from now on it would be another one.
		physical.makeNoFile();
		SqliteHandle handle = new SqliteHandle();
		made(handle, first, now);
		handle.free(now);
		this.handles = new SqliteHandle[] { handle };
	}

	/**
	 * A transaction that reads first and writes later fails at once in SQLite where
	 * another one wrote in between, so it takes the write lock first; unless the user
	 * says otherwise by the driver's own setting.
	 */
	private static String begin(SourceDefinition definition, HikariConfig config) {
		if (definition.readOnly()) {
			return "BEGIN";
		}
		Object mode = config.getDataSourceProperties().get(TRANSACTION_MODE);
		String chosen = (mode != null) ? String.valueOf(mode) : definition.url().parameter(TRANSACTION_MODE);
		return switch ((chosen != null) ? chosen.toUpperCase(Locale.ROOT) : "") {
			case "DEFERRED" -> "BEGIN";
			case "EXCLUSIVE" -> "BEGIN EXCLUSIVE";
			default -> "BEGIN IMMEDIATE";
		};
	}

	private void made(SqliteHandle handle, Connection connection, long now) throws SQLException {
		handle.made(connection, autoCommit(), now);
		if (this.config.getTransactionIsolation() != null) {
			handle.connection().setTransactionIsolation(transactionIsolation());
		}
	}

	/**
	 * {@inheritDoc}
	 * <p>
	 * A thread that finds an idle connection takes no lock.
	 */
	@Override
	@Nullable Connection borrow() throws SQLException {
		long now = System.nanoTime();
		if (this.over || isObsolete(now)) {
			return null;
		}
		SqliteHandle handle = (this.waiting == 0) ? idleOne() : null;
		if (handle == null) {
			handle = await(now);
			if (handle == null) {
				return null;
			}
		}
		if (!isUsable(handle, now) && !make(handle)) {
			return null;
		}
		return new SqliteLease(this, handle, autoCommit(), warning());
	}

	private @Nullable SqliteHandle idleOne() {
		for (SqliteHandle each : this.handles) {
			if (each.take()) {
				return each;
			}
		}
		return null;
	}

	/**
	 * Queues up.
	 * @return {@code null} if nothing is lent here any more
	 */
	private @Nullable SqliteHandle await(long since) throws SQLException {
		Waiter me = new Waiter();
		this.lock.lock();
		try {
			if (this.over) {
				return null;
			}
			this.waiters.addLast(me);
			this.waiting = this.waiters.size();
			serve();
		}
		finally {
			this.lock.unlock();
		}
		Deadline deadline = Deadline.current();
		long patience = TimeUnit.MILLISECONDS.toNanos(this.config.getConnectionTimeout());
		long end = since + ((deadline != null) ? Math.min(patience, deadline.left()) : patience);
		boolean interrupted = false;
		while (!me.served) {
			long left = end - System.nanoTime();
			interrupted = interrupted || Thread.interrupted();
			if (left > 0 && !interrupted) {
				LockSupport.parkNanos(this, left);
			}
			else if (leave(me)) {
				throw notServed(interrupted);
			}
		}
		if (interrupted) {
			Thread.currentThread().interrupt();
		}
		return me.handle;
	}

	/** Unless he was served meanwhile. */
	private boolean leave(Waiter waiter) {
		this.lock.lock();
		try {
			boolean left = this.waiters.remove(waiter);
			this.waiting = this.waiters.size();
			return left;
		}
		finally {
			this.lock.unlock();
		}
	}

	private static SQLException notServed(boolean interrupted) {
		if (interrupted) {
			Thread.currentThread().interrupt();
			return new SQLException("Interrupted while waiting for a connection", new InterruptedException());
		}
		return new SQLTransientConnectionException("All connections are in use", "08001");
	}

	/** Gives those who wait what there is, first come, first served; under lock. */
	private void serve() {
		while (!this.waiters.isEmpty()) {
			SqliteHandle handle = idleOne();
			if (handle == null && this.handles.length < this.maximumSize) {
				handle = new SqliteHandle();
				SqliteHandle[] more = Arrays.copyOf(this.handles, this.handles.length + 1);
				more[more.length - 1] = handle;
				this.handles = more;
			}
			if (handle == null) {
				return;
			}
			Waiter first = this.waiters.removeFirst();
			// Counted as lent before it is no longer counted as waiting
			this.waiting = this.waiters.size();
			first.serve(handle);
		}
	}

	private boolean isUsable(SqliteHandle handle, long now) {
		if (handle.isClosed()) {
			return false;
		}
		String test = this.config.getConnectionTestQuery();
		if (test == null || now - handle.returnedAt() < TRUSTED) {
			return true;
		}
		try (Statement statement = handle.connection().createStatement()) {
			statement.execute(test);
			return true;
		}
		catch (SQLException ex) {
			logger.debug("{}: a connection that fails its test is closed", definition().name(),
					definition().masked(ex));
			close(handle);
			return false;
		}
	}

	/**
	 * Connects.
	 * @return {@code false} if nothing is lent here any more
	 */
	private boolean make(SqliteHandle handle) throws SQLException {
		long now = System.nanoTime();
		SQLException failure = null;
		boolean made = false;
		try {
			made(handle, this.physical.connect(), now);
			made = !this.over && !looksObsolete(now);
		}
		catch (SQLException ex) {
			failure = ex;
		}
		finally {
			if (!made) {
				close(handle);
				remove(handle);
			}
		}
		if (made) {
			connected();
		}
		else if (failure != null && !this.over && !looksObsolete(now)) {
			connectFailed(failure);
			throw new SQLTransientConnectionException(failure.getMessage(), "08001", failure);
		}
		return made;
	}

	private @Nullable Future<?> warning() {
		long threshold = this.config.getLeakDetectionThreshold();
		if (threshold <= 0) {
			return null;
		}
		String name = definition().name();
		String thread = Thread.currentThread().getName();
		Exception where = new Exception("Where it was taken");
		return this.scheduler.get()
			.schedule(() -> logger.warn("{}: thread '{}' has had a connection for more than {} ms", name, thread,
					threshold, where), threshold, TimeUnit.MILLISECONDS);
	}

	/** Takes back what was lent; closed already, if it is not sound. */
	void giveBack(SqliteHandle handle, boolean sound) {
		long now = System.nanoTime();
		if (!sound || this.over || isOld(handle, now)) {
			close(handle);
			remove(handle);
			return;
		}
		handle.free(now);
		if (this.waiting > 0) {
			this.lock.lock();
			try {
				serve();
			}
			finally {
				this.lock.unlock();
			}
		}
		if (now - this.tidiedAt > TIDY_INTERVAL) {
			this.tidiedAt = now;
			tidy(now);
		}
	}

	private boolean isOld(SqliteHandle handle, long now) {
		long lifetime = this.config.getMaxLifetime();
		return lifetime > 0 && now - handle.madeAt() > TimeUnit.MILLISECONDS.toNanos(lifetime);
	}

	/** Closes those that nobody has used for long, but for as many as are to be kept. */
	private void tidy(long now) {
		long timeout = TimeUnit.MILLISECONDS.toNanos(this.config.getIdleTimeout());
		if (timeout <= 0) {
			return;
		}
		SqliteHandle[] all = this.handles;
		// The first ones are taken first.
		for (int i = all.length - 1; i >= 0 && idle() > this.config.getMinimumIdle(); i--) {
			SqliteHandle each = all[i];
			if (now - each.returnedAt() > timeout && each.take()) {
				close(each);
				remove(each);
			}
		}
	}

	/** One that is gone makes room for another. */
	private void remove(SqliteHandle handle) {
		this.lock.lock();
		try {
			this.handles = Arrays.stream(this.handles).filter((each) -> each != handle).toArray(SqliteHandle[]::new);
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Closes a connection; a failure to do so is nobody's to know. */
	void close(SqliteHandle handle) {
		try {
			handle.close();
		}
		catch (SQLException ex) {
			logger.debug("{}: closing a connection failed", definition().name(), definition().masked(ex));
		}
	}

	/** A statement failed in a way that may be the file's. */
	void suspect() {
		this.lookedAt = System.nanoTime() - 2 * TRUSTED;
	}

	@Override
	boolean isObsolete() {
		return this.obsolete;
	}

	/**
	 * Connections to the former file and to the one in its place would take each other's
	 * log and index of it for their own, as SQLite finds both by name. A file that was
	 * away and is back has its own.
	 */
	@Override
	@Nullable String hindrance() {
		if (this.file.isBack()) {
			return null;
		}
		long end = System.nanoTime() + CLOSING_IN_A_MOMENT;
		while (!this.ended && active() == 0 && System.nanoTime() < end && !Thread.currentThread().isInterrupted()) {
			LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
		}
		if (!this.ended) {
			return "its file was replaced while it was open, and " + active()
					+ " connections to the former one are still in use.";
		}
		Path left = this.file.logLeft();
		return (left == null) ? null : "its file was replaced while it was open, and '" + left
				+ "' is the former one's, which SQLite would apply to this one. Move it away, together with '-shm'.";
	}

	private boolean isObsolete(long now) {
		return this.obsolete || (now - this.lookedAt > TRUSTED && looksObsolete(now));
	}

	private boolean looksObsolete(long now) {
		this.lookedAt = now;
		if (this.obsolete || this.file.isThere()) {
			return this.obsolete;
		}
		this.obsolete = true;
		refuse();
		return true;
	}

	@Override
	void refuse() {
		this.lock.lock();
		try {
			this.over = true;
			this.waiters.forEach((waiter) -> waiter.serve(null));
			this.waiters.clear();
			this.waiting = 0;
		}
		finally {
			this.lock.unlock();
		}
	}

	@Override
	boolean isWanted() {
		return !this.over;
	}

	/** Who is refused gets nothing at all. */
	@Override
	boolean isRefusal(Connection borrowed) {
		return false;
	}

	/** How connections are lent. */
	boolean autoCommit() {
		return this.config.isAutoCommit();
	}

	int transactionIsolation() {
		String name = this.config.getTransactionIsolation();
		return (name != null) ? UtilityElf.getTransactionIsolation(name) : Connection.TRANSACTION_SERIALIZABLE;
	}

	/** How a transaction begins that may write. */
	String begin() {
		return this.begin;
	}

	/** Whether a transaction that may write takes the write lock when it begins. */
	boolean takesTurns() {
		return this.begin.length() > "BEGIN".length();
	}

	/** Waits until no other transaction of this pool writes; then its own may begin. */
	void awaitTurn(SqliteHandle handle) throws SQLException {
		if (Thread.currentThread().equals(this.writer)) {
			throw SqliteHandle.busy("Source '" + definition().name()
					+ "' has one writer at a time, and this thread's own"
					+ " transaction is it, over another connection: it cannot wait for itself to end (as with REQUIRES_NEW,"
					+ " or an identifier from a table)");
		}
		int timeout = handle.busyTimeout();
		boolean mine;
		try {
			mine = this.turn.tryAcquire(timeout, TimeUnit.MILLISECONDS);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SQLException("Interrupted while waiting for another transaction to end", ex);
		}
		if (!mine) {
			throw SqliteHandle
				.busy("Source '" + definition().name() + "' was being written to by another transaction for more than "
						+ Source.seconds(Duration.ofMillis(timeout)) + " (" + this.turn.getQueueLength()
						+ " others wait); make transactions shorter, or read-only where they only read");
		}
		this.writer = Thread.currentThread();
	}

	void passTurnOn() {
		this.writer = null;
		this.turn.release();
	}

	@Override
	long lentSince(Connection lent, long since) {
		return (lent instanceof SqliteLease lease) ? lease.lentSince(since) : LeaseCounts.UNTIMED;
	}

	@Override
	int active() {
		int active = 0;
		for (SqliteHandle each : this.handles) {
			active += each.isIdle() ? 0 : 1;
		}
		return active;
	}

	@Override
	int idle() {
		int idle = 0;
		for (SqliteHandle each : this.handles) {
			idle += each.isIdle() ? 1 : 0;
		}
		return idle;
	}

	@Override
	int waiting() {
		return this.waiting;
	}

	@Override
	boolean owns(Connection lent) {
		return lent instanceof SqliteLease lease && equals(lease.pool());
	}

	@Override
	void evict(Connection connection) {
		((SqliteLease) connection).end(true);
	}

	@Override
	boolean giveUpIdle() {
		SqliteHandle idle = idleOne();
		if (idle == null) {
			return false;
		}
		close(idle);
		remove(idle);
		return true;
	}

	/** Whoever is on his way in is told that it is closed. */
	@Override
	Duration grace() {
		return Duration.ZERO;
	}

	@Override
	void close() {
		refuse();
		SqliteHandle[] all;
		this.lock.lock();
		try {
			all = this.handles;
			this.handles = new SqliteHandle[0];
		}
		finally {
			this.lock.unlock();
		}
		try {
			this.physical.close();
		}
		catch (SQLException ex) {
			logger.debug("{}: closing an unused connection failed", definition().name(), definition().masked(ex));
		}
		for (SqliteHandle each : all) {
			if (!each.take()) {
				interrupt(each);
			}
			close(each);
		}
		this.ended = true;
	}

	private void interrupt(SqliteHandle handle) {
		try {
			handle.interrupt();
		}
		catch (SQLException ex) {
			logger.debug("{}: interrupting a connection failed", definition().name(), definition().masked(ex));
		}
	}

}
