package io.multidb.source;

import java.nio.channels.ClosedByInterruptException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

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

	private static final SourceState COLD = new SourceState.Cold();

	/** Of a stack that is shown: enough to find the application's own line. */
	private static final int MOST_FRAMES = 12;

	/** What stands above the application's own in the stack of a borrower. */
	private static final Pattern OWN_FRAMES = Pattern.compile(
			"java\\.lang\\.Thread|io\\.multidb\\.(routing|source)\\.[A-Za-z]*(Source|Pool|Connection|Replicas)(\\$.*)?");

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

	/** Replaced under lock. */
	private volatile SourceDefinition definition;

	private final String identity;

	private final SourceOpener opener;

	private final SourceRegistry registry;

	private final ReentrantLock lock = new ReentrantLock();

	private volatile SourceState state = COLD;

	/** The one that lends; changed under lock. */
	private volatile @Nullable Pool pool;

	/** What was opened or made ready last; changed by who has the transition. */
	private volatile @Nullable JdbcUrl opened;

	/** The last pool whose database was no longer there, until there is another. */
	private volatile @Nullable Pool obsolete;

	/** What happened, told when no lock is held and no transition runs. */
	private final EventQueue events;

	/** Lend no more, and are closed when their last lease ends; guarded by lock. */
	private List<Pool> draining = List.of();

	private final OpenPools openPools;

	/** The I/O under way; guarded by lock. */
	private @Nullable Transition transition;

	/** Changed under lock. */
	private final Failures failures = new Failures();

	/** {@code null} if it lends all its connections itself. */
	private final @Nullable Lenders lenders;

	/**
	 * Creates a source, cold.
	 * @param generation which of its name this is in this process, from 1 on
	 */
	Source(SourceDefinition definition, SourceOpener opener, SourceRegistry registry, int generation) {
		this.definition = definition;
		this.identity = (generation == 1) ? definition.name() : definition.name() + "#" + generation;
		this.opener = opener;
		this.registry = registry;
		this.openPools = registry.openPools();
		this.lenders = Lenders.of(this, registry);
		this.events = new EventQueue(registry.publisher());
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
	 * back with the same identity, as it comes back with the same database, and one that
	 * is replaced keeps it, as the same database has another address.
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
		Pool open = this.pool;
		// Being looked at does not count as being used.
		Connection leased = (open != null) ? lease(open, open.lastUsed()) : null;
		if (open == null || leased == null) {
			return false;
		}
		try {
			int seconds = (int) Math.max(1, open.validationTimeout().toSeconds());
			if (!leased.isValid(seconds)) {
				throw new SQLException("A connection of source '" + name() + "' does not answer", "08006");
			}
		}
		finally {
			giveBack(leased, false);
		}
		return true;
	}

	/**
	 * How the replicas are that read-only work may go to.
	 * @return a snapshot, in the order in which they were declared; empty if there are
	 * none
	 */
	public List<ReplicaState> replicas() {
		Replicas replicas = (this.lenders != null) ? this.lenders.replicas() : null;
		return (replicas != null) ? replicas.states() : List.of();
	}

	/**
	 * The source that is used in this one's place now, as this one is unavailable.
	 * @return the name of its fallback, or {@code null} if there is none or nobody has
	 * used it yet
	 */
	public @Nullable String fallback() {
		Fallback declared = declaredFallback();
		return (declared != null && declared.isInUse() && this.state instanceof SourceState.Unavailable)
				? declared.name() : null;
	}

	/**
	 * Whether what the calling thread reads from this source is its fallback's: as was
	 * decided for its scope, or will be if nothing was and the source does not come back.
	 * @return whether it is; {@code false} if there is no fallback
	 */
	public boolean isFallenBack() {
		Fallback declared = declaredFallback();
		if (declared == null) {
			return false;
		}
		Fallback.Side side = declared.side();
		return (side != null) ? side == Fallback.Side.FALLBACK : fallback() != null;
	}

	private @Nullable Fallback declaredFallback() {
		return (this.lenders != null) ? this.lenders.fallback() : null;
	}

	/**
	 * The fallback is used because this source is unavailable.
	 * @return whether it still is
	 */
	boolean fellBack(Fallback fallback) {
		if (fallback.isInUse()) {
			return this.state instanceof SourceState.Unavailable;
		}
		boolean first;
		this.lock.lock();
		try {
			if (!(this.state instanceof SourceState.Unavailable unavailable)) {
				return false;
			}
			first = !fallback.isInUse();
			if (first) {
				fallback.inUse(true);
				this.events.add(new SourceEvent.FellBack(name(), fallback.name(), unavailable.reason()));
			}
		}
		finally {
			this.lock.unlock();
		}
		if (first) {
			this.events.publish();
		}
		return true;
	}

	/**
	 * A connection of this source, or, where it has replicas or a fallback, of what
	 * becomes right for its first statement; {@link #giveBack} ends the lease.
	 */
	Connection acquire() throws SQLException {
		return (this.lenders != null) ? new DeferredConnection(this, this.lenders) : take();
	}

	/**
	 * Takes a connection, opening the source if that is needed; {@link #giveBack} ends
	 * the lease.
	 */
	Connection take() throws SQLException {
		while (true) {
			Pool open = this.pool;
			Connection connection = (open != null) ? lease(open) : null;
			if (connection != null) {
				return connection;
			}
			AtomicReference<@Nullable Connection> first = new AtomicReference<>();
			if (open(first) == Outcome.GONE) {
				throw new UnknownSourceException(name(), "It was removed.");
			}
			connection = first.get();
			if (connection != null) {
				return connection;
			}
		}
	}

	/**
	 * Borrows from a pool.
	 * @return {@code null} if the pool was or may be closed meanwhile
	 */
	@Nullable Connection lease(Pool open) throws SQLException {
		return lease(open, this.openPools.now());
	}

	private @Nullable Connection lease(Pool open, int now) throws SQLException {
		@Nullable Connection connection;
		try {
			connection = open.borrow();
		}
		catch (SQLTransientConnectionException ex) {
			String shortage = this.registry.budgets().shortage(open.definition());
			notLeased(open);
			if (isClosed(open)) {
				return null;
			}
			throw noConnection(open, ex, shortage);
		}
		catch (Throwable ex) {
			notLeased(open);
			if (isClosed(open)) {
				return null;
			}
			throw ex;
		}
		if (connection == null) {
			notLeased(open);
			if (open.isObsolete()) {
				retireObsolete(open);
			}
			return null;
		}
		// After borrowing, see the class's comment.
		if (open.phase() != Pool.Phase.OPEN) {
			if (open.isRefusal(connection)) {
				open.evict(connection);
				open.afterReturn();
				released();
				return null;
			}
			if (isClosed(open)) {
				connection.close();
				return null;
			}
		}
		open.lent(connection, now);
		return connection;
	}

	/** Whoever comes next opens what is there now. */
	private void retireObsolete(Pool former) {
		this.lock.lock();
		try {
			if (!former.equals(this.pool)) {
				return;
			}
			this.obsolete = former;
			startDraining(former);
			becomeCold();
		}
		finally {
			this.lock.unlock();
		}
		if (isGone()) {
			this.registry.forget(this);
		}
		this.openPools.left(this);
		this.registry.drains(this, former.grace());
	}

	private void notLeased(Pool open) {
		open.forsaken();
		released();
	}

	/**
	 * Whether a pool must not be used any more. What was borrowed before this says no is
	 * seen by {@link #closeDrained()}, which decides under the same lock.
	 */
	private boolean isClosed(Pool open) {
		if (open.phase() == Pool.Phase.OPEN) {
			return false;
		}
		this.lock.lock();
		try {
			return open.phase() == Pool.Phase.CLOSED;
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
				closeOrGiveUp(connection);
			}
			finally {
				Pool open = this.pool;
				if (open != null) {
					open.returned(connection);
				}
				if (this.registry.isAttentionNeeded()) {
					draining().forEach((each) -> each.returned(connection));
				}
				released();
			}
		}
	}

	/** Closes it for good, if others of the same server need it more. */
	private void closeOrGiveUp(Connection connection) throws SQLException {
		Pool open = this.pool;
		boolean givenUp = false;
		try {
			givenUp = open != null && this.registry.isAttentionNeeded() && open.giveUp(connection);
		}
		finally {
			if (!givenUp) {
				connection.close();
			}
		}
	}

	/** HikariCP puts back itself what it was told; it knows nothing of a pragma. */
	private void acceptWrites(Connection connection) {
		if (this.definition.readOnly() || this.definition.product() != DatabaseProduct.SQLITE
				|| connection instanceof SqliteLease) {
			return;
		}
		try {
			SqliteQueryOnly.set(connection, false);
		}
		catch (SQLException ex) {
			discard(connection);
		}
	}

	/**
	 * Lets a connection refuse writes, outside of transactions too, until
	 * {@link #acceptWritesAgain}.
	 * @return whether that is needed before it is given back
	 * @throws SQLException if it could not be had to refuse them
	 */
	boolean refuseWritesThroughout(Connection connection) throws SQLException {
		return !this.definition.readOnly() && ReadOnlySession.begin(this.definition.product(), connection);
	}

	/** Ends that, or else the connection. */
	void acceptWritesAgain(Connection connection) {
		try {
			ReadOnlySession.end(this.definition.product(), connection);
		}
		catch (SQLException ex) {
			discard(connection);
		}
	}

	/** Sees to it that a connection is not used again once it comes back. */
	void discard(Connection connection) {
		if (connection instanceof DeferredConnection || connection instanceof SqliteLease) {
			// It gives back by itself what is behind it, and as it was.
			return;
		}
		Pool open = this.pool;
		if (open != null && draining().isEmpty()) {
			open.evict(connection);
		}
		else {
			// It may be of any of them.
			drain();
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
		if (this.definition.product() == DatabaseProduct.SQLITE && !(connection instanceof SqliteLease)) {
			SqliteQueryOnly.set(connection, readOnly);
		}
		else {
			connection.setReadOnly(readOnly);
		}
	}

	/** A connection was given back, or not had: somebody may have waited for that. */
	void released() {
		if (this.registry.isAttentionNeeded()) {
			this.openPools.returned();
			this.registry.budgets().passOn();
			if (!draining().isEmpty()) {
				this.registry.inBackground(this::closeDrained);
			}
		}
	}

	private List<Pool> draining() {
		this.lock.lock();
		try {
			return this.draining;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** The pool that lends, or {@code null}. */
	@Nullable Pool pool() {
		return this.pool;
	}

	/** Whether it has pools, in use or draining. */
	boolean isOpen() {
		return this.pool != null || !draining().isEmpty();
	}

	/** How many connections are taken, or being waited for. */
	int leases() {
		this.lock.lock();
		try {
			Pool open = this.pool;
			return ((open != null) ? open.leases() : 0) + this.draining.stream().mapToInt(Pool::leases).sum();
		}
		finally {
			this.lock.unlock();
		}
	}

	private SourceUnavailableException noConnection(Pool open, SQLException failure, @Nullable String shortage) {
		String numbers = " (active " + open.active() + ", idle " + open.idle() + ", waiting " + open.waiting() + ")";
		String waited = seconds(open.connectionTimeout());
		String message = "Source '" + name() + "' gave no connection within " + waited + numbers + ". "
				+ why(open, failure.getCause(), shortage);
		return new SourceUnavailableException(name(), message, Failures.FIRST_RETRY,
				ConnectFailure.withoutSecrets(this.definition, failure));
	}

	private String why(Pool open, @Nullable Throwable cause, @Nullable String shortage) {
		if (shortage != null) {
			return shortage;
		}
		if (cause instanceof NoPermitException none && open.active() == 0) {
			return String.valueOf(none.getMessage());
		}
		return (cause != null && !(cause instanceof NoPermitException)) ? ConnectFailure.explain(this.definition, cause)
				: "Raise " + this.definition.property("hikari.maximum-pool-size") + " or look for slow statements.";
	}

	static String seconds(Duration duration) {
		return (duration.toMillis() % 1000 == 0) ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
	}

	/**
	 * Opens it, unless it is open.
	 * @param first gets a connection, if this call opened it: taken before anybody else
	 * can see the pool, and hence close it as idle
	 */
	private Outcome open(AtomicReference<@Nullable Connection> first) {
		return change(() -> {
			this.openPools.enter(this, connectionTimeout());
			boolean entered = false;
			try {
				long start = System.nanoTime();
				Pool opened;
				try {
					opened = openPool(this.definition);
				}
				catch (SourceOpener.MissingDatabaseException ex) {
					if (this.definition.create() != CreatePolicy.ON_FIRST_USE) {
						throw ex;
					}
					this.opener.create(this.definition, this.events::add);
					opened = openPool(this.definition);
				}
				Duration took = Duration.ofNanos(System.nanoTime() - start);
				Connection taken = takeFirst(opened);
				entered = publish(opened, took);
				if (entered) {
					first.set(taken);
					this.openPools.entered(this);
					this.registry.opened();
				}
				else {
					taken.close();
				}
				return Outcome.DONE;
			}
			finally {
				if (!entered) {
					this.openPools.left(this);
				}
			}
		}, false);
	}

	/** Opens the pool, in the place of one that is obsolete too. */
	private Pool openPool(SourceDefinition wanted) throws Exception {
		refuseWhileHindered();
		return this.opener.open(wanted, mayMakeFile(wanted), this.events::add);
	}

	private void prepareDatabase() throws Exception {
		refuseWhileHindered();
		this.opener.prepare(this.definition, mayMakeFile(this.definition), this.events::add);
		this.opened = this.definition.url();
	}

	private void refuseWhileHindered() throws SourceOpener.CannotConnectException {
		Pool former = this.obsolete;
		if (former != null) {
			closeDrained();
			String hindrance = former.hindrance();
			if (hindrance != null) {
				throw new SourceOpener.CannotConnectException(this.definition, hindrance);
			}
			this.obsolete = null;
		}
	}

	private Connection takeFirst(Pool opened) throws SQLException {
		Connection taken = null;
		try {
			taken = opened.borrow();
			if (taken == null) {
				throw new SQLException("The database went away while it was being opened", "08001");
			}
			opened.lent(taken, this.openPools.now());
			return taken;
		}
		finally {
			if (taken == null) {
				opened.close();
			}
		}
	}

	/** A file that was there and is gone is never made anew. */
	private boolean mayMakeFile(SourceDefinition wanted) {
		return !wanted.url().equals(this.opened);
	}

	private Duration connectionTimeout() {
		return Duration.ofMillis(PoolSettings.read(this.definition.hikari()).getConnectionTimeout());
	}

	/** Connects and migrates, and stays cold. */
	Outcome prepare() {
		return change(() -> {
			prepareDatabase();
			return Outcome.DONE;
		}, false);
	}

	/** Makes the database of a template's source; {@code ALREADY} if it was there. */
	Outcome create() {
		return change(() -> this.opener.create(this.definition, this.events::add) ? Outcome.DONE : Outcome.ALREADY,
				true);
	}

	/**
	 * Gives the source another definition, once a pool could be opened with it: whoever
	 * comes next uses that, and what is in use goes on with the old one.
	 * @return the old one; {@code null} if the source is gone
	 * @throws SourceUnavailableException if it could not be opened; nothing has changed
	 */
	@Nullable SourceDefinition replace(SourceDefinition replacement) {
		Transition mine = begin();
		if (mine == null) {
			return null;
		}
		try {
			if (this.pool == null) {
				this.openPools.enter(this, connectionTimeout());
			}
			long start = System.nanoTime();
			Pool opened = openPool(replacement);
			return exchange(replacement, opened, Duration.ofNanos(System.nanoTime() - start));
		}
		catch (Exception ex) {
			if (ex instanceof InterruptedException) {
				Thread.currentThread().interrupt();
			}
			throw notReplaced(replacement, ex);
		}
		finally {
			if (this.pool == null) {
				this.openPools.left(this);
			}
			end(mine, Outcome.ALREADY, null);
		}
	}

	private @Nullable SourceDefinition exchange(SourceDefinition replacement, Pool opened, Duration took) {
		Pool former = null;
		SourceDefinition before = null;
		opened.onConnectFailure((failure) -> connectFailed(opened, failure));
		this.lock.lock();
		try {
			if (!isGone()) {
				int leases = leases();
				former = this.pool;
				if (former != null) {
					startDraining(former);
				}
				before = this.definition;
				this.definition = replacement;
				this.pool = opened;
				this.opened = replacement.url();
				this.state = new SourceState.Open(now());
				recovered();
				this.events.add(new SourceEvent.Replaced(name(), replacement.url().masked(), leases));
				this.events.add(new SourceEvent.Opened(name(), took));
			}
		}
		finally {
			this.lock.unlock();
		}
		if (before == null) {
			opened.close();
			return null;
		}
		this.registry.recovered(this);
		this.openPools.entered(this);
		this.registry.opened();
		if (former != null) {
			this.registry.drains(this, former.grace());
		}
		return before;
	}

	private SourceUnavailableException notReplaced(SourceDefinition replacement, Exception failure) {
		String reason = (failure instanceof MultiDbException || failure instanceof SourceOpener.CannotConnectException
				|| failure instanceof OpenPools.NoPlaceException || failure instanceof NoPermitException)
						? String.valueOf(failure.getMessage()) : failure.toString();
		return new SourceUnavailableException(name(),
				ConnectFailure.withoutSecrets(replacement,
						"Source '" + name() + "' was not replaced, and is as it was: " + reason),
				Failures.FIRST_RETRY, ConnectFailure.withoutSecrets(replacement, failure));
	}

	/**
	 * Begins a transition as soon as no other is under way. How that one ends says
	 * nothing of this one: it may have failed on what has been mended since it looked, or
	 * is to be mended by this one.
	 * @return {@code null} if the source is gone
	 */
	private @Nullable Transition begin() {
		while (true) {
			Transition others;
			this.lock.lock();
			try {
				if (isGone()) {
					return null;
				}
				others = this.transition;
				if (others == null) {
					Transition mine = new Transition();
					this.transition = mine;
					return mine;
				}
			}
			finally {
				this.lock.unlock();
			}
			awaitEnd(others);
		}
	}

	/**
	 * Tries again at once what failed, and what would be tried later.
	 * @return {@code ALREADY} if it had not failed
	 * @throws SourceUnavailableException if it fails again
	 */
	Outcome retryNow() {
		if (!(this.state instanceof SourceState.Unavailable)) {
			return isGone() ? Outcome.GONE : Outcome.ALREADY;
		}
		Transition mine = begin();
		if (mine == null) {
			return Outcome.GONE;
		}
		if (!(this.state instanceof SourceState.Unavailable)) {
			end(mine, Outcome.ALREADY, null);
			return Outcome.ALREADY;
		}
		return run(() -> {
			prepareDatabase();
			return Outcome.DONE;
		}, mine);
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
					|| this.failures.count() != failure) {
				return;
			}
			this.transition = mine;
		}
		finally {
			this.lock.unlock();
		}
		try {
			run(() -> {
				prepareDatabase();
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
				if (this.state instanceof SourceState.Unavailable unavailable && !this.failures.isRetryLost()) {
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
				this.state = COLD;
			}
			if (this.state instanceof SourceState.Unavailable) {
				this.registry.retryLater(this, this.failures.count(), this.failures.retryIn());
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
	 * @throws SourceUnavailableException if it failed, or does not end in time
	 */
	private boolean await(Transition others) {
		Throwable failure = awaitEnd(others);
		if (failure == null) {
			return true;
		}
		if (failure instanceof UnknownTenantException) {
			return false;
		}
		throw new SourceUnavailableException(name(), String.valueOf(failure.getMessage()), Failures.FIRST_RETRY,
				failure);
	}

	/**
	 * Waits until another thread's transition is over.
	 * @return its failure, or {@code null} if it did not fail
	 * @throws SourceUnavailableException if it does not end in time
	 */
	private @Nullable Throwable awaitEnd(Transition others) {
		if (others.isOwnedByThisThread()) {
			throw new SourceUnavailableException(name(), "Source '" + name() + "' is being opened by this very thread:"
					+ " what opens or migrates it must not use it.", Failures.FIRST_RETRY, null);
		}
		Duration timeout = connectionTimeout();
		try {
			others.end().get(timeout.toMillis(), TimeUnit.MILLISECONDS);
			return null;
		}
		catch (ExecutionException ex) {
			return Objects.requireNonNull(ex.getCause());
		}
		catch (TimeoutException ex) {
			String shortage = this.registry.budgets().shortage(this.definition);
			throw new SourceUnavailableException(name(),
					"Source '" + name() + "' is still being opened or migrated after " + seconds(timeout) + ". "
							+ ((shortage != null) ? shortage : "Try again later."),
					Failures.FIRST_RETRY, null);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(name(),
					"Interrupted while source '" + name() + "' was being opened by another thread.",
					Failures.FIRST_RETRY, ex);
		}
	}

	/**
	 * Makes a pool the source's; closes it if the source is gone, or has been defined
	 * anew.
	 */
	private boolean publish(Pool opened, Duration took) {
		boolean published = false;
		opened.onConnectFailure((failure) -> connectFailed(opened, failure));
		this.lock.lock();
		try {
			if (!isGone() && this.definition.equals(opened.definition())) {
				this.pool = opened;
				this.opened = this.definition.url();
				this.state = new SourceState.Open(now());
				this.events.add(new SourceEvent.Opened(name(), took));
				published = true;
			}
		}
		finally {
			this.lock.unlock();
		}
		if (!published) {
			opened.close();
		}
		return published;
	}

	private void succeeded() {
		this.lock.lock();
		try {
			recovered();
			if (this.state instanceof SourceState.Unavailable) {
				this.state = COLD;
			}
		}
		finally {
			this.lock.unlock();
		}
		this.registry.recovered(this);
	}

	/** Under the lock. */
	private void recovered() {
		Duration after = this.failures.end();
		if (after != null) {
			this.events.add(new SourceEvent.Recovered(name(), after));
		}
		Fallback declared = declaredFallback();
		if (declared != null && declared.isInUse()) {
			declared.inUse(false);
			this.events.add(new SourceEvent.Returned(name(), declared.name()));
		}
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
		if (failure instanceof OpenPools.NoPlaceException full) {
			// Says nothing of the source.
			return new SourceUnavailableException(name(), String.valueOf(full.getMessage()), Failures.FIRST_RETRY,
					null);
		}
		if (failure instanceof NoPermitException none) {
			// Says nothing of the source either.
			return new SourceUnavailableException(name(), notOpened(none), Failures.FIRST_RETRY, none);
		}
		if (isOfThisThread(failure)) {
			// Says nothing of the source: whoever comes next, or waits, tries for itself.
			return new SourceUnavailableException(name(),
					"The thread was stopped while it opened source '" + name() + "': " + failure, Failures.FIRST_RETRY,
					failure);
		}
		String reason = reason(failure);
		Throwable cause = ConnectFailure.withoutSecrets(this.definition, failure);
		if (!this.registry.keepsUnavailable(this) || isNeverMade()) {
			forget();
			return new SourceUnavailableException(name(), reason, Failures.FIRST_RETRY, cause);
		}
		this.lock.lock();
		try {
			becomeUnavailable(reason);
			return new SourceUnavailableException(name(), reason, this.failures.retryIn(), cause);
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Under the lock. */
	private void becomeUnavailable(String reason) {
		this.failures.add(now());
		if (!isGone()) {
			if (!(this.state instanceof SourceState.Unavailable before && before.reason().equals(reason))) {
				this.events.add(new SourceEvent.Unavailable(name(), reason, this.failures.retryIn()));
			}
			this.state = this.failures.state(now(), reason);
		}
	}

	/**
	 * An open pool could not make a connection. If it has none that work either, nobody
	 * is to wait for it any more: it drains, and the source is unavailable until the
	 * prober could connect.
	 */
	private void connectFailed(Pool failed, SQLException failure) {
		String reason = ConnectFailure.explain(failed.definition(), failure);
		boolean kept;
		this.lock.lock();
		try {
			if (!failed.equals(this.pool) || !failed.isLost(failure)) {
				return;
			}
			kept = this.registry.keepsUnavailable(this);
			startDraining(failed);
			if (kept) {
				becomeUnavailable(reason);
				if (this.transition == null) {
					this.registry.retryLater(this, this.failures.count(), this.failures.retryIn());
				}
			}
			else {
				this.state = new SourceState.Draining(now());
			}
		}
		finally {
			this.lock.unlock();
		}
		if (!kept) {
			this.registry.forget(this);
		}
		failed.refuse();
		this.openPools.left(this);
		this.registry.drains(this, failed.grace());
		this.registry.inBackground(this.events::publish);
	}

	private String notOpened(NoPermitException none) {
		return "Source '" + name() + "' was not opened: " + none.getMessage();
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
		return new SourceUnavailableException(name(), unavailable.reason(), retryIn(), null);
	}

	/** If it is unavailable, how long until it is tried again. */
	Duration retryIn() {
		return this.failures.left();
	}

	/**
	 * Takes no new work, for good; what is in use may be used for a while.
	 */
	void remove() {
		retire((open) -> true, (leases) -> {
			this.state = this.draining.isEmpty() ? new SourceState.Removed() : new SourceState.Draining(now());
			this.events.add(new SourceEvent.Removed(name(), leases));
		});
	}

	/**
	 * Closes what is open; what is in use may be used for a while. The next use opens it
	 * again.
	 * @return whether anything was open
	 */
	boolean drain() {
		return retire((open) -> true, (leases) -> becomeCold());
	}

	/**
	 * Closes what is open, unless something of it is in use. Called by {@link OpenPools}.
	 * @return whether it was closed
	 */
	boolean closeIfIdle() {
		// Whoever is on his way into it is served: it drains for a while.
		return retire((open) -> open.leases() == 0, (leases) -> becomeCold());
	}

	/**
	 * Nothing of it is open any more. A template's source is forgotten: its next use
	 * defines it again.
	 */
	private void becomeCold() {
		if (isGone()) {
			// Removed meanwhile, and must not come back to life.
			return;
		}
		if (this.definition.template() == null) {
			// What is unavailable stays so, as closing it mends nothing.
			this.state = (this.state instanceof SourceState.Open) ? COLD : this.state;
		}
		else {
			this.state = this.draining.isEmpty() ? new SourceState.Removed() : new SourceState.Draining(now());
		}
	}

	/**
	 * Lets the pool drain.
	 * @param which whether to do so, asked under the lock
	 * @param then changes the state, under the lock; is told how many leases there are
	 * @return whether there was a pool that drains now
	 */
	private boolean retire(Predicate<Pool> which, IntConsumer then) {
		Pool open;
		this.lock.lock();
		try {
			open = this.pool;
			if (open != null && !which.test(open)) {
				return false;
			}
			int leases = leases();
			if (open != null) {
				startDraining(open);
			}
			then.accept(leases);
		}
		finally {
			this.lock.unlock();
		}
		if (isGone()) {
			this.registry.forget(this);
		}
		if (open != null) {
			this.openPools.left(this);
			this.registry.drains(this, open.grace());
		}
		return open != null;
	}

	/** Under the lock. */
	private void startDraining(Pool open) {
		open.drain(this.registry.limits().drainTimeout());
		List<Pool> more = new ArrayList<>(this.draining);
		more.add(open);
		this.draining = List.copyOf(more);
		this.pool = null;
	}

	/** Closes the pools that drain and are not in use, or for too long. */
	void closeDrained() {
		closeDrained(true);
	}

	void closeDrained(boolean afterGrace) {
		List<Pool> ended = new ArrayList<>();
		this.lock.lock();
		try {
			for (Pool each : this.draining) {
				int active = each.active();
				if (each.phase() == Pool.Phase.DRAINING && each.end(afterGrace)) {
					ended.add(each);
					if (each.leases() > 0) {
						this.events
							.add(new SourceEvent.Cut(name(), active, each.drainedFor(), describe(each.borrowers())));
					}
				}
			}
		}
		finally {
			this.lock.unlock();
		}
		ended.forEach(this::close);
	}

	private static List<String> describe(List<Pool.Borrower> borrowers) {
		return borrowers.stream().map((borrower) -> {
			Duration since = Duration.ofNanos(System.nanoTime() - borrower.since());
			return "thread '" + borrower.thread() + "' for " + seconds(Duration.ofMillis(since.toMillis()))
					+ borrower.stack()
						.stream()
						.dropWhile((frame) -> OWN_FRAMES.matcher(frame.getClassName()).matches())
						.limit(MOST_FRAMES)
						.map((frame) -> " at " + frame)
						.collect(Collectors.joining());
		}).toList();
	}

	/** Closes everything at once, whoever uses it: the application ends. */
	void close() {
		List<Pool> all;
		this.lock.lock();
		try {
			if (this.pool != null) {
				startDraining(this.pool);
			}
			all = this.draining;
			all.forEach(Pool::endAtOnce);
			this.state = new SourceState.Removed();
		}
		finally {
			this.lock.unlock();
		}
		// What is being closed by others already is waited for.
		all.forEach(this::close);
	}

	private void close(Pool ended) {
		this.openPools.closing(1);
		try {
			ended.close();
		}
		finally {
			this.openPools.closing(-1);
			closed(ended);
		}
	}

	private void closed(Pool ended) {
		boolean first;
		this.lock.lock();
		try {
			first = this.draining.contains(ended);
			this.draining = this.draining.stream().filter((each) -> !each.equals(ended)).toList();
			if (this.draining.isEmpty() && this.state instanceof SourceState.Draining) {
				this.state = new SourceState.Removed();
			}
			if (first) {
				this.events.add(new SourceEvent.Closed(name()));
			}
		}
		finally {
			this.lock.unlock();
		}
		this.events.publish();
		if (first) {
			this.registry.drained(this);
		}
	}

	/** Only to be shown: it may be set. */
	private Instant now() {
		return this.registry.clock().instant();
	}

	@Override
	public String toString() {
		return "source '" + name() + "' (" + this.state.getClass().getSimpleName() + ")";
	}

}
