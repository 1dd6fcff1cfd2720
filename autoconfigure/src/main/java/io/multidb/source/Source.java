package io.multidb.source;

import java.nio.channels.ClosedByInterruptException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;

/**
 * One named database with its pool and state. Owned by the {@link SourceRegistry}, which
 * alone changes its life; asked for connections by routers.
 * <p>
 * Thread-safe. A reader that finds the pool open takes no lock and counts nothing: it
 * borrows from the pool first and looks second whether the pool is still this source's,
 * while whoever closes a pool unpublishes it first and looks second whether something is
 * borrowed. HikariCP marks what is borrowed by a volatile write, so one of the two sees
 * the other, and nothing leased is ever closed; see ADR 6. All changes of state are made
 * under {@code lock}, which is never held during I/O: one thread at a time does a
 * source's I/O, announced by {@code transition}, and the others wait for that.
 */
public final class Source {

	private static final Duration FIRST_RETRY = Duration.ofSeconds(1);

	private static final Duration LAST_RETRY = Duration.ofSeconds(30);

	private static final Duration LOST_RETRY = Duration.ofMinutes(5);

	/**
	 * A drained pool is closed no sooner. A thread that read it just before it was
	 * unpublished may still be on its way into it, where it would wait for a connection
	 * that nobody makes any more, until it times out and looks again.
	 */
	private static final Duration GRACE = Duration.ofSeconds(1);

	/** What a transition of the source's life may end with. */
	enum Outcome {

		/** Done by this call. */
		DONE,

		/** It had been done before. */
		ALREADY,

		/**
		 * The source is gone; the registry knows whether there is another of its name.
		 */
		GONE

	}

	private final SourceDefinition definition;

	private final String identity;

	private final SourceOpener opener;

	private final SourceRegistry registry;

	private final ReentrantLock lock = new ReentrantLock();

	private volatile SourceState state = new SourceState.Cold();

	private volatile @Nullable HikariDataSource pool;

	/** What happened, told when no lock is held and no transition runs. */
	private final EventQueue events;

	/** The pool that is to be closed when the last lease ends; guarded by lock. */
	private @Nullable HikariDataSource draining;

	/** When it may be closed, in {@link System#nanoTime()}; guarded by lock. */
	private long drainedFrom;

	/** The I/O under way; guarded by lock. */
	private @Nullable Transition transition;

	/** Failures in a row; guarded by lock. */
	private int failures;

	/** When it failed first, if it has not succeeded since; guarded by lock. */
	private @Nullable Instant unavailableSince;

	private final @Nullable Replicas replicas;

	/**
	 * Creates a source, cold.
	 * @param generation which of its name this is in this process, from 1 on
	 */
	Source(SourceDefinition definition, SourceOpener opener, SourceRegistry registry, int generation) {
		this.definition = definition;
		this.identity = (generation == 1) ? definition.name() : definition.name() + "#" + generation;
		this.opener = opener;
		this.registry = registry;
		this.replicas = definition.replicas().sources().isEmpty() ? null : new Replicas(this, registry);
		this.events = new EventQueue(registry::publish);
	}

	/** Has something told to listeners next time. */
	void announce(SourceEvent event) {
		this.events.add(event);
	}

	/** Tells listeners what has not been told yet. */
	void tell() {
		this.events.publish();
	}

	/**
	 * The source's name.
	 * @return the name
	 */
	public String name() {
		return this.definition.name();
	}

	/**
	 * What to keep this source's own under, such as entries of a cache: the name and, for
	 * one that was added after another of its name was removed, a number that no other of
	 * this process has, as in {@code porto#2}. A template's source that is closed comes
	 * back with the same identity, as it comes back with the same database.
	 * @return the identity
	 */
	public String identity() {
		return this.identity;
	}

	/**
	 * How the source was defined.
	 * @return the definition
	 */
	public SourceDefinition definition() {
		return this.definition;
	}

	/**
	 * Where the source is in its life, now.
	 * @return a snapshot
	 */
	public SourceState state() {
		return this.state;
	}

	/**
	 * Whether it was removed: a router that remembers it must look it up again.
	 * @return whether it is gone for good
	 */
	public boolean isGone() {
		if (this.pool != null) {
			return false;
		}
		SourceState current = this.state;
		return current instanceof SourceState.Removed || current instanceof SourceState.Draining;
	}

	/**
	 * Takes a connection and opens the source if that is needed. Closing the connection
	 * gives it back.
	 * @return a connection of this source
	 * @throws SQLException if the pool was interrupted or the driver failed
	 * @throws SourceUnavailableException if it cannot be opened, or gave no connection in
	 * time
	 * @throws UnknownTenantException if it is a template's and its database does not
	 * exist
	 * @throws UnknownSourceException if it was removed
	 */
	public Connection getConnection() throws SQLException {
		return new LeasedConnection(this) {

			@Override
			public Source source() {
				return Source.this;
			}

		};
	}

	/**
	 * Tests one connection of the pool, if it is open; opens nothing.
	 * @return whether the pool was open
	 * @throws SQLException if it gave no connection, or one that does not answer
	 * @throws SourceUnavailableException if it gave no connection in time
	 */
	public boolean test() throws SQLException {
		HikariDataSource open = this.pool;
		Connection leased = (open != null) ? lease(open) : null;
		if (open == null || leased == null) {
			return false;
		}
		try (Connection connection = leased) {
			int seconds = (int) Math.max(1, TimeUnit.MILLISECONDS.toSeconds(open.getValidationTimeout()));
			if (!connection.isValid(seconds)) {
				throw new SQLException("A connection of source '" + name() + "' does not answer", "08006");
			}
		}
		finally {
			released();
		}
		return true;
	}

	/**
	 * How the replicas are that read-only work may go to.
	 * @return a snapshot, in the order in which they were declared; empty if there are
	 * none
	 */
	public List<ReplicaState> replicas() {
		return (this.replicas != null) ? this.replicas.states() : List.of();
	}

	/**
	 * A connection of this source, or, where it has replicas, of what becomes right for
	 * its first statement; {@link #giveBack} ends the lease.
	 */
	Connection acquire() throws SQLException {
		return (this.replicas != null) ? new DeferredConnection(this, this.replicas) : take();
	}

	/**
	 * Takes a connection, opening the source if that is needed; {@link #giveBack} ends
	 * the lease.
	 */
	Connection take() throws SQLException {
		while (true) {
			HikariDataSource open = this.pool;
			Connection connection = (open != null) ? lease(open) : null;
			if (connection != null) {
				return connection;
			}
			if (open() == Outcome.GONE) {
				throw new UnknownSourceException(name(), "It was removed.");
			}
		}
	}

	/**
	 * Borrows from a pool.
	 * @return {@code null} if the pool was or may be closed meanwhile
	 */
	@Nullable Connection lease(HikariDataSource open) throws SQLException {
		Connection connection;
		try {
			connection = connection(open);
		}
		catch (Throwable ex) {
			released();
			if (!open.equals(this.pool) && !isDraining(open)) {
				return null;
			}
			throw ex;
		}
		// After borrowing, see the class's comment.
		if (!open.equals(this.pool) && !isDraining(open)) {
			connection.close();
			return null;
		}
		return connection;
	}

	/**
	 * Whether a pool is not closed yet. What was borrowed before this says so is seen by
	 * {@link #closeUnused()}, which decides under the same lock.
	 */
	private boolean isDraining(HikariDataSource open) {
		this.lock.lock();
		try {
			return open.equals(this.draining);
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Gives a connection back, which takes no read-only mark along, and ends its lease.
	 */
	void giveBack(Connection connection, boolean readOnly) throws SQLException {
		if (connection instanceof DeferredConnection) {
			connection.close();
			return;
		}
		try {
			if (readOnly) {
				acceptWrites(connection);
			}
		}
		finally {
			try {
				connection.close();
			}
			finally {
				released();
			}
		}
	}

	/** HikariCP puts back itself what it was told; it knows nothing of a pragma. */
	private void acceptWrites(Connection connection) {
		if (this.definition.readOnly() || this.definition.product() != DatabaseProduct.SQLITE) {
			return;
		}
		try {
			SqliteQueryOnly.set(connection, false);
		}
		catch (SQLException ex) {
			discard(connection);
		}
	}

	/** Has a connection closed, and not used again once it comes back. */
	void discard(Connection connection) {
		HikariDataSource open = this.pool;
		if (open != null) {
			open.evictConnection(connection);
		}
	}

	/** What {@link Connection#setReadOnly} means for a connection of this source. */
	void readOnly(Connection connection, boolean readOnly) throws SQLException {
		if (connection instanceof DeferredConnection) {
			connection.setReadOnly(readOnly);
		}
		else {
			refuseWrites(connection, readOnly);
		}
	}

	/** Lets a connection refuse writes, or not, unless the source always does. */
	void refuseWrites(Connection connection, boolean readOnly) throws SQLException {
		if (this.definition.readOnly()) {
			return;
		}
		if (this.definition.product() == DatabaseProduct.SQLITE) {
			SqliteQueryOnly.set(connection, readOnly);
		}
		else {
			connection.setReadOnly(readOnly);
		}
	}

	/** A connection was given back, or not had: it may have been the last. */
	void released() {
		if (this.pool == null && this.state instanceof SourceState.Draining) {
			this.registry.inBackground(this::closeDrained);
		}
	}

	/** Whether it has a pool, in use or draining. */
	boolean isOpen() {
		SourceState current = this.state;
		return current instanceof SourceState.Open || current instanceof SourceState.Draining;
	}

	/** How many connections are taken, or being waited for. */
	int leases() {
		this.lock.lock();
		try {
			HikariDataSource open = (this.pool != null) ? this.pool : this.draining;
			return (open != null) ? leases(open) : 0;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Those who wait first: they may be served while we count. */
	private static int leases(HikariDataSource open) {
		HikariPoolMXBean figures = open.getHikariPoolMXBean();
		return (figures != null) ? figures.getThreadsAwaitingConnection() + figures.getActiveConnections() : 0;
	}

	private Connection connection(HikariDataSource open) throws SQLException {
		try {
			return open.getConnection();
		}
		catch (SQLTransientConnectionException ex) {
			throw noConnection(open, ex);
		}
	}

	private SourceUnavailableException noConnection(HikariDataSource open, SQLException failure) {
		HikariPoolMXBean figures = open.getHikariPoolMXBean();
		String numbers = (figures == null) ? "" : " (active " + figures.getActiveConnections() + ", idle "
				+ figures.getIdleConnections() + ", waiting " + figures.getThreadsAwaitingConnection() + ")";
		String waited = seconds(Duration.ofMillis(open.getConnectionTimeout()));
		Throwable cause = failure.getCause();
		String message = "Source '" + name() + "' gave no connection within " + waited + numbers + ". "
				+ ((cause != null) ? ConnectFailure.explain(this.definition, cause) : "Raise "
						+ this.definition.property("hikari.maximum-pool-size") + " or look for slow statements.");
		return new SourceUnavailableException(name(), message, FIRST_RETRY,
				ConnectFailure.withoutSecrets(this.definition, failure));
	}

	private static String seconds(Duration duration) {
		return (duration.toMillis() % 1000 == 0) ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
	}

	private Outcome open() {
		return change(() -> {
			long start = System.nanoTime();
			HikariDataSource opened;
			try {
				opened = this.opener.open(this.definition, this.events::add);
			}
			catch (SourceOpener.MissingDatabaseException ex) {
				if (this.definition.create() != CreatePolicy.ON_FIRST_USE) {
					throw ex;
				}
				this.opener.create(this.definition, this.events::add);
				opened = this.opener.open(this.definition, this.events::add);
			}
			publish(opened, Duration.ofNanos(System.nanoTime() - start));
			return Outcome.DONE;
		}, false);
	}

	/** Connects and migrates, and stays cold. */
	Outcome prepare() {
		return change(() -> {
			this.opener.prepare(this.definition, this.events::add);
			return Outcome.DONE;
		}, false);
	}

	/** Makes the database of a template's source; {@code ALREADY} if it was there. */
	Outcome create() {
		return change(() -> this.opener.create(this.definition, this.events::add) ? Outcome.DONE : Outcome.ALREADY,
				true);
	}

	/**
	 * Tries again what failed, on behalf of the registry's prober.
	 * @param failure which of the failures in a row it follows: a try that comes late,
	 * when another has been made, is none
	 */
	void retry(int failure) {
		Transition mine = new Transition();
		this.lock.lock();
		try {
			if (!(this.state instanceof SourceState.Unavailable) || this.transition != null
					|| this.failures != failure) {
				return;
			}
			this.transition = mine;
		}
		finally {
			this.lock.unlock();
		}
		try {
			run(() -> {
				this.opener.prepare(this.definition, this.events::add);
				return Outcome.DONE;
			}, mine);
		}
		catch (MultiDbException ex) {
			// It stays unavailable, with the next try scheduled, or is gone.
		}
	}

	@FunctionalInterface
	private interface Work {

		Outcome run() throws Exception;

	}

	/**
	 * Does a piece of the source's I/O unless the pool is open, one thread at a time.
	 * Others wait for the outcome and then look again; they share a failure, so that a
	 * hundred waiters do not try a broken database a hundred times.
	 */
	private Outcome change(Work work, boolean creating) {
		while (true) {
			Transition others;
			Transition mine = null;
			this.lock.lock();
			try {
				if (isGone()) {
					return Outcome.GONE;
				}
				if (this.pool != null) {
					return Outcome.ALREADY;
				}
				if (this.state instanceof SourceState.Unavailable unavailable && isAwaitingRetry(unavailable)) {
					throw unavailable(unavailable);
				}
				others = this.transition;
				if (others == null) {
					mine = new Transition();
					this.transition = mine;
					if (!(this.state instanceof SourceState.Unavailable)) {
						this.state = new SourceState.Opening(now());
					}
				}
			}
			finally {
				this.lock.unlock();
			}
			if (mine != null) {
				return run(work, mine);
			}
			if (!await(Objects.requireNonNull(others)) && !creating) {
				throw missing();
			}
		}
	}

	/**
	 * Runs a transition and ends it, whatever happens, before anybody is told of it.
	 */
	private Outcome run(Work work, Transition mine) {
		Outcome outcome = null;
		MultiDbException failure = null;
		try {
			outcome = work.run();
			succeeded();
			return outcome;
		}
		catch (Throwable ex) {
			MultiDbException told = failed(ex);
			failure = isOfThisThread(ex) ? null : told;
			if (ex instanceof InterruptedException) {
				Thread.currentThread().interrupt();
			}
			if (ex instanceof Error error) {
				throw error;
			}
			throw told;
		}
		finally {
			end(mine, outcome, failure);
		}
	}

	private void end(Transition mine, @Nullable Outcome outcome, @Nullable MultiDbException failure) {
		this.lock.lock();
		try {
			if (this.transition == mine) {
				this.transition = null;
			}
			if (this.state instanceof SourceState.Opening) {
				this.state = new SourceState.Cold();
			}
			if (this.state instanceof SourceState.Unavailable) {
				this.registry.retryLater(this, this.failures, retryIn(this.failures - 1));
			}
		}
		finally {
			this.lock.unlock();
			if (failure != null) {
				mine.end().completeExceptionally(failure);
			}
			else {
				mine.end().complete(outcome);
			}
		}
		this.events.publish();
	}

	/**
	 * Waits for another thread's transition.
	 * @return {@code false} if it found no database
	 */
	private boolean await(Transition others) {
		if (others.isOwnedByThisThread()) {
			throw new SourceUnavailableException(name(), "Source '" + name() + "' is being opened by this very thread:"
					+ " what opens or migrates it must not use it.", FIRST_RETRY, null);
		}
		long timeout = PoolSettings.bind(this.definition.hikari()).getConnectionTimeout();
		try {
			others.end().get(timeout, TimeUnit.MILLISECONDS);
			return true;
		}
		catch (ExecutionException ex) {
			Throwable failure = Objects.requireNonNull(ex.getCause());
			if (failure instanceof UnknownTenantException) {
				return false;
			}
			throw new SourceUnavailableException(name(), String.valueOf(failure.getMessage()), FIRST_RETRY, failure);
		}
		catch (TimeoutException ex) {
			throw new SourceUnavailableException(name(),
					"Source '" + name() + "' is still being opened or migrated after "
							+ seconds(Duration.ofMillis(timeout)) + ". Try again later.",
					FIRST_RETRY, null);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(name(),
					"Interrupted while source '" + name() + "' was being opened by another thread.", FIRST_RETRY, ex);
		}
	}

	/** Makes a pool the source's; closes it if the source is gone. */
	private void publish(HikariDataSource opened, Duration took) {
		this.lock.lock();
		try {
			if (!isGone()) {
				this.pool = opened;
				this.state = new SourceState.Open(now());
				this.events.add(new SourceEvent.Opened(name(), took));
				return;
			}
		}
		finally {
			this.lock.unlock();
		}
		SourceOpener.close(this.definition, opened);
	}

	private void succeeded() {
		this.lock.lock();
		try {
			this.failures = 0;
			if (this.unavailableSince != null) {
				this.events.add(new SourceEvent.Recovered(name(), Duration.between(this.unavailableSince, now())));
				this.unavailableSince = null;
			}
			if (this.state instanceof SourceState.Unavailable) {
				this.state = new SourceState.Cold();
			}
		}
		finally {
			this.lock.unlock();
		}
		this.registry.recovered(this);
	}

	/**
	 * Decides what a failure means for the source, and what callers are told.
	 */
	private MultiDbException failed(Throwable failure) {
		if (failure instanceof SourceOpener.MissingDatabaseException) {
			// Nothing is kept for a tenant whose database does not exist.
			forget();
			return missing();
		}
		if (isOfThisThread(failure)) {
			// Says nothing of the source: whoever comes next, or waits, tries for itself.
			return new SourceUnavailableException(name(),
					"The thread was stopped while it opened source '" + name() + "': " + failure, FIRST_RETRY, failure);
		}
		String reason = reason(failure);
		Throwable cause = ConnectFailure.withoutSecrets(this.definition, failure);
		if (!this.registry.keepsUnavailable(this) || isNeverMade()) {
			forget();
			return new SourceUnavailableException(name(), reason, FIRST_RETRY, cause);
		}
		this.lock.lock();
		try {
			Duration retryIn = retryIn(this.failures++);
			if (!isGone()) {
				if (!(this.state instanceof SourceState.Unavailable before && before.reason().equals(reason))) {
					this.events.add(new SourceEvent.Unavailable(name(), reason, retryIn));
				}
				if (this.unavailableSince == null) {
					this.unavailableSince = now();
				}
				this.state = new SourceState.Unavailable(this.unavailableSince, reason, now().plus(retryIn));
			}
			return new SourceUnavailableException(name(), reason, retryIn, cause);
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Interrupted, or out of stack or memory: the next thread may have better luck. */
	private static boolean isOfThisThread(Throwable failure) {
		return failure instanceof InterruptedException || failure instanceof ClosedByInterruptException
				|| failure instanceof VirtualMachineError;
	}

	private UnknownTenantException missing() {
		return new UnknownTenantException(name(), "The template '" + this.definition.template()
				+ "' has no database for it" + switch (this.definition.create()) {
					case EXPLICIT -> "; create it with @Tenant(create = true) or SourceRegistry.create.";
					case NEVER -> ", and " + this.definition.property("create") + " is 'never'.";
					case ON_FIRST_USE -> ".";
				});
	}

	/** A creation that failed has left nothing behind, so there is nothing to retry. */
	private boolean isNeverMade() {
		if (this.definition.template() == null || this.definition.create() == CreatePolicy.NEVER) {
			return false;
		}
		try {
			return !this.opener.exists(this.definition);
		}
		catch (Exception ex) {
			return false;
		}
	}

	private void forget() {
		this.lock.lock();
		try {
			this.state = new SourceState.Removed();
		}
		finally {
			this.lock.unlock();
		}
		this.registry.forget(this);
	}

	private String reason(Throwable failure) {
		if (failure instanceof SourceOpener.CannotConnectException) {
			return String.valueOf(failure.getMessage());
		}
		return ConnectFailure.withoutSecrets(this.definition, (failure instanceof MultiDbException)
				? String.valueOf(failure.getMessage()) : "Source '" + name() + "' could not be made ready: " + failure);
	}

	private SourceUnavailableException unavailable(SourceState.Unavailable unavailable) {
		Duration left = Duration.between(now(), unavailable.nextTry());
		return new SourceUnavailableException(name(), unavailable.reason(), left.isNegative() ? FIRST_RETRY : left,
				null);
	}

	/** A retry that is long overdue was lost; the next caller makes up for it. */
	private static boolean isAwaitingRetry(SourceState.Unavailable unavailable) {
		return unavailable.nextTry().plus(LOST_RETRY).isAfter(now());
	}

	private static Duration retryIn(int failuresBefore) {
		Duration doubled = FIRST_RETRY.multipliedBy(1L << Math.min(failuresBefore, 10));
		return (doubled.compareTo(LAST_RETRY) < 0) ? doubled : LAST_RETRY;
	}

	/**
	 * Takes no new work; the pool is closed in the background when the last connection
	 * has come back. Idle ones stay until then: HikariCP makes no new connection for
	 * those who wait for one that is evicted.
	 */
	void remove() {
		HikariDataSource open;
		this.lock.lock();
		try {
			open = this.pool;
			int leases = leases();
			this.draining = open;
			this.drainedFrom = System.nanoTime() + GRACE.toNanos();
			this.pool = null;
			this.state = (open != null) ? new SourceState.Draining(now()) : new SourceState.Removed();
			this.events.add(new SourceEvent.Removed(name(), leases));
		}
		finally {
			this.lock.unlock();
		}
		if (open == null) {
			this.registry.closed(this);
			return;
		}
		this.registry.inBackground(this::closeDrained, GRACE);
	}

	private void closeDrained() {
		this.lock.lock();
		try {
			if (System.nanoTime() - this.drainedFrom < 0) {
				return;
			}
		}
		finally {
			this.lock.unlock();
		}
		closeUnused();
	}

	/** Closes the pool that drains, unless something of it is leased. */
	void closeUnused() {
		HikariDataSource drained;
		this.lock.lock();
		try {
			drained = this.draining;
			if (drained == null || leases(drained) > 0) {
				return;
			}
			this.draining = null;
			this.state = new SourceState.Removed();
		}
		finally {
			this.lock.unlock();
		}
		close(drained);
	}

	/** Closes everything at once, whoever uses it: the application ends. */
	void close() {
		HikariDataSource open;
		this.lock.lock();
		try {
			open = (this.pool != null) ? this.pool : this.draining;
			this.pool = null;
			this.draining = null;
			this.state = new SourceState.Removed();
		}
		finally {
			this.lock.unlock();
		}
		close(open);
	}

	private void close(@Nullable HikariDataSource open) {
		if (open != null) {
			SourceOpener.close(this.definition, open);
			this.events.add(new SourceEvent.Closed(name()));
			this.events.publish();
		}
		this.registry.closed(this);
	}

	private static Instant now() {
		return Clock.systemUTC().instant();
	}

	@Override
	public String toString() {
		return "source '" + name() + "' (" + this.state.getClass().getSimpleName() + ")";
	}

}
