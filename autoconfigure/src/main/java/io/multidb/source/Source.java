package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
 * the other, and nothing leased is ever closed; see ADR 6. Everything else is its
 * {@link SourceLife}'s.
 */
public final class Source {

	private static final Logger logger = LoggerFactory.getLogger(Source.class);

	private static final AtomicReferenceFieldUpdater<Source, @Nullable SourceLife> LIFE = AtomicReferenceFieldUpdater
		.newUpdater(Source.class, SourceLife.class, "life");

	/** Replaced by its life. */
	private volatile SourceDefinition definition;

	/** The definition's, which has to look for it. */
	private volatile DatabaseProduct product;

	private final String identity;

	/** Between its identity and its fallback's name, as no name has it. */
	private static final char FALLEN_BACK = '>';

	private final SourceRegistry registry;

	private final OpenPools openPools;

	/** The registry's, see {@link SourceRegistry#attention()}. */
	private final AtomicInteger attention;

	/** {@code null} if it lends all its connections itself. */
	private final @Nullable Lenders lenders;

	/** Itself, once somebody may only read; a race only makes another. */
	private volatile @Nullable Lenders lender;

	/** The one that lends; changed by its life. */
	private volatile @Nullable Pool pool;

	/** Begins at the first use, as most sources are never used by most processes. */
	private volatile @Nullable SourceLife life;

	/**
	 * Creates a source, cold.
	 * @param generation which of its name this is in this process, from 1 on
	 */
	Source(SourceDefinition definition, SourceRegistry registry, int generation) {
		this.definition = definition;
		this.product = definition.product();
		this.identity = (generation == 1) ? definition.name() : definition.name() + "#" + generation;
		this.registry = registry;
		this.openPools = registry.openPools();
		this.attention = registry.attention();
		this.lenders = Lenders.of(this, registry);
	}

	/** What happens to it. */
	SourceLife life() {
		SourceLife begun = this.life;
		if (begun == null) {
			LIFE.compareAndSet(this, null, new SourceLife(this, this.registry));
			begun = Objects.requireNonNull(this.life);
		}
		return begun;
	}

	/** Lends from a pool, or from none; called by its life. */
	void lend(@Nullable Pool open) {
		this.pool = open;
	}

	/** Is defined otherwise from now on; called by its life. */
	void define(SourceDefinition replacement) {
		this.definition = replacement;
		this.product = replacement.product();
		this.lender = null;
	}

	DatabaseProduct product() {
		return this.product;
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
	 * one that was added after another of its name was, or may have been, removed, a
	 * number that no other of that name in this process has, as in {@code porto#2}. A
	 * template's source that is closed comes back with the same identity, as it comes
	 * back with the same database, and one that is replaced keeps it, as the same
	 * database has another address.
	 * @return the identity
	 */
	public String identity() {
		return this.identity;
	}

	/**
	 * The identity of what the calling thread's work on this source is done on: that of
	 * the source or, if it has a fallback and the work is done there, another one, as in
	 * {@code shop>standby}. Where that has not been decided for the thread's scope, it is
	 * now, which may open the source.
	 * @return the identity; the source's own if neither of both can be used
	 */
	public String identityOfWork() {
		Lenders who = this.lenders;
		Fallback declared = declaredFallback();
		if (who == null || declared == null) {
			return this.identity;
		}
		return (who.decide(declared) == Fallback.Side.FALLBACK) ? this.identity + FALLEN_BACK + declared.name()
				: this.identity;
	}

	/**
	 * Whether its driver works in native code, as SQLite's does: a virtual thread that
	 * waits there keeps its carrier from all others.
	 * @return whether platform threads should use it
	 */
	public boolean pinsThreads() {
		return this.product == DatabaseProduct.SQLITE;
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
		SourceLife begun = this.life;
		return (begun != null) ? begun.state() : SourceLife.COLD;
	}

	/**
	 * The figures of the pool that lends now. Takes no lock and opens nothing.
	 * @return a snapshot, whose numbers may be of slightly different moments;
	 * {@code null} if no pool is open
	 */
	public @Nullable PoolState poolState() {
		Pool open = this.pool;
		return (open != null) ? new PoolState(open.active(), open.idle(), open.waiting(), open.maximum()) : null;
	}

	/**
	 * What is left of its former pools, after it was drained, replaced or removed while
	 * it was in use. Opens nothing.
	 * @return a snapshot; {@code null} if all are closed
	 */
	public @Nullable DrainState drainState() {
		SourceLife begun = this.life;
		return (begun != null) ? begun.drainState() : null;
	}

	/**
	 * How many connections its pool keeps that nobody uses.
	 * @return how many; 0 if no pool is open
	 */
	public int minimumIdle() {
		Pool open = this.pool;
		return (open != null) ? open.minimumIdle() : 0;
	}

	/**
	 * When this process last found its database up to date, or brought it there: what is
	 * opened is migrated before, if it has a change log.
	 * @return only to be shown; {@code null} if it has not looked yet
	 */
	public @Nullable Instant upToDateAt() {
		SourceLife begun = this.life;
		return (begun != null) ? begun.upToDateAt() : null;
	}

	/**
	 * Why it could not be migrated while it was open, and serves as before.
	 * @return what happened, without secrets; {@code null} if that was not wanted, or it
	 * has been brought up to date since
	 */
	public @Nullable String migrationFailure() {
		SourceLife begun = this.life;
		return (begun != null) ? begun.migrationFailure() : null;
	}

	/**
	 * The database server on which it is, by which budgets are kept.
	 * @return its name under {@code app.tenancy.servers}, or host and port, in lower
	 * case; {@code null} for a file, or where it cannot be told
	 */
	public @Nullable String server() {
		return ServerBudgets.server(this.definition);
	}

	/**
	 * How long the calling thread is to wait for this source: for a connection, or for
	 * other threads to find out or do what it needs first.
	 * @return its connection timeout; less, and perhaps nothing, if the thread's work has
	 * to be over before
	 */
	public Duration patience() {
		Duration timeout = Duration.ofMillis(PoolSettings.read(this.definition.hikari()).getConnectionTimeout());
		Deadline deadline = Deadline.current();
		Duration left = (deadline != null) ? Duration.ofNanos(Math.max(0, deadline.left())) : timeout;
		return (left.compareTo(timeout) < 0) ? left : timeout;
	}

	/**
	 * Whether it was removed: a router that remembers it must look it up again.
	 * @return whether it is gone for good
	 */
	public boolean isGone() {
		if (this.pool != null) {
			return false;
		}
		SourceLife begun = this.life;
		return begun != null && begun.isGone();
	}

	/**
	 * Takes a connection and opens the source if that is needed. Closing the connection
	 * gives it back. A template's source that was closed meanwhile is made anew.
	 * @return a connection of this source, or of the one with the same identity that was
	 * made in its place
	 * @throws SQLException if the pool was interrupted or the driver failed
	 * @throws SourceUnavailableException if it cannot be opened, or gave no connection in
	 * time
	 * @throws UnknownTenantException if it is a template's and its database does not
	 * exist
	 * @throws UnknownSourceException if it was removed
	 */
	public Connection getConnection() throws SQLException {
		Source current = this;
		while (true) {
			try {
				return current.leased();
			}
			catch (UnknownSourceException ex) {
				Source next = current.successor();
				if (next == null) {
					throw ex;
				}
				current = next;
			}
		}
	}

	private Connection leased() throws SQLException {
		return new LeasedConnection(this) {

			@Override
			public Source source() {
				return Source.this;
			}

		};
	}

	/**
	 * What a template makes anew in place of this one, which was forgotten when it was
	 * closed, or when its database was found missing.
	 * @return {@code null} if there is none
	 */
	private @Nullable Source successor() {
		if (this.definition.template() == null || !isGone()) {
			return null;
		}
		Source next = this.registry.get(name());
		return this.identity.equals(next.identity) ? next : null;
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
		Connection leased = (open != null) ? lease(open, open.lastUsed(), LeaseCounts.UNCOUNTED) : null;
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
		return (declared != null && declared.isInUse() && state() instanceof SourceState.Unavailable) ? declared.name()
				: null;
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

	@Nullable Fallback declaredFallback() {
		return (this.lenders != null) ? this.lenders.fallback() : null;
	}

	/**
	 * A connection of this source, or, where it has replicas or a fallback, of what
	 * becomes right for its first statement; {@link #giveBack} ends the lease.
	 */
	Connection acquire() throws SQLException {
		return (this.lenders != null) ? new DeferredConnection(this, this.lenders, false) : take();
	}

	/**
	 * A connection that refuses writes for as long as it is lent; {@link #giveBack} ends
	 * the lease. It makes no database.
	 */
	Connection acquireReading() throws SQLException {
		if (this.pool == null && this.definition.create() == CreatePolicy.ON_FIRST_USE) {
			life().transitions().requireDatabase();
		}
		if (this.lenders != null) {
			return new DeferredConnection(this, this.lenders, true);
		}
		Lenders who = this.lender;
		if (who == null) {
			who = Lenders.only(this);
			this.lender = who;
		}
		return new DeferredConnection(this, who, true).taken();
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
			Deadline deadline = Deadline.current();
			connection = (deadline != null && !pinsThreads()) ? openWithin(deadline) : open(null);
			if (connection != null) {
				return connection;
			}
		}
	}

	private @Nullable Connection open(@Nullable Deadline deadline) {
		AtomicReference<@Nullable Connection> first = new AtomicReference<>();
		if (life().transitions().open(first, deadline) == Transition.Outcome.GONE) {
			throw this.registry.isClosed() ? SourceRegistry.ended(name())
					: new UnknownSourceException(name(), "It was removed.");
		}
		return first.get();
	}

	/**
	 * Of a server: on another thread, which goes on with its server when the time is
	 * over, as whoever comes next is to know whether that answers; it waits for nothing
	 * else then.
	 */
	private @Nullable Connection openWithin(Deadline deadline) throws SQLException {
		CompletableFuture<@Nullable Void> opened = new CompletableFuture<>();
		boolean begun = background().open(() -> {
			try {
				Connection first = open(deadline);
				if (first != null) {
					giveBack(first, false);
				}
				opened.complete(null);
			}
			catch (Throwable ex) {
				opened.completeExceptionally(ex);
			}
		}, deadline);
		if (!begun) {
			throw SourceRegistry.ended(name());
		}
		deadline.await(opened);
		return null;
	}

	/**
	 * Borrows from a pool.
	 * @return {@code null} if the pool was or may be closed meanwhile
	 */
	@Nullable Connection lease(Pool open) throws SQLException {
		LeaseCounts counts = open.counts();
		return lease(open, this.openPools.now(), (counts != null) ? counts.asked() : LeaseCounts.UNTIMED);
	}

	private @Nullable Connection lease(Pool open, int now, long asked) throws SQLException {
		@Nullable Connection connection;
		try {
			connection = open.borrow();
		}
		catch (SQLTransientConnectionException ex) {
			String shortage = this.registry.budgets().shortage(open.definition());
			notLeased(open);
			if (life().isClosed(open)) {
				return null;
			}
			LeaseCounts counts = open.counts();
			if (counts != null && asked != LeaseCounts.UNCOUNTED) {
				counts.timedOut();
			}
			throw noConnection(open, ex, shortage);
		}
		catch (Throwable ex) {
			notLeased(open);
			if (life().isClosed(open)) {
				return null;
			}
			throw ex;
		}
		if (connection == null) {
			notLeased(open);
			if (open.isObsolete()) {
				life().retireObsolete(open);
			}
			return null;
		}
		// After borrowing, see the class's comment.
		if (open.phase() != Pool.Phase.OPEN) {
			if (open.isRefusal(connection)) {
				open.evict(connection);
				released();
				return null;
			}
			if (life().isClosed(open)) {
				connection.close();
				return null;
			}
		}
		open.lent(connection, now, asked);
		return connection;
	}

	private void notLeased(Pool open) {
		open.forsaken();
		released();
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
				close(connection);
			}
			finally {
				released();
			}
		}
	}

	/**
	 * Closes it for good, if others of the same server need it more. What can be done
	 * before the pool has it again is, as reading memory is dear after that.
	 */
	private void close(Connection connection) throws SQLException {
		boolean givenUp = false;
		try {
			Pool open = this.pool;
			if (open != null) {
				open.returning(connection);
				givenUp = this.attention.get() > 0 && open.giveUp(connection);
			}
		}
		finally {
			if (!givenUp) {
				endTransaction(connection);
				connection.close();
			}
		}
	}

	private void endTransaction(Connection connection) {
		if (this.product != DatabaseProduct.POSTGRESQL) {
			return;
		}
		try {
			PostgresTransaction.end(connection);
		}
		catch (SQLException ex) {
			discard(connection);
		}
	}

	/** HikariCP puts back itself what it was told; it knows nothing of a pragma. */
	private void acceptWrites(Connection connection) {
		if (this.definition.readOnly() || this.product != DatabaseProduct.SQLITE || connection instanceof SqliteLease) {
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
		return !this.definition.readOnly() && ReadOnlySession.begin(this.product, connection);
	}

	/** Ends that, or else the connection. */
	void acceptWritesAgain(Connection connection) {
		try {
			ReadOnlySession.end(this.product, connection);
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
		Pool owner = life().poolOf(connection);
		if (owner != null) {
			owner.evict(connection);
		}
		else {
			// It was given back, to any of them.
			life().drain();
		}
	}

	/** Has the server end what a connection does, as far as its driver can. */
	void cancel(Connection connection) {
		if (this.product == DatabaseProduct.POSTGRESQL) {
			try {
				PostgresTransaction.cancel(connection);
			}
			catch (SQLException ex) {
				logger.debug("{}: cancelling a statement failed", name(), this.definition.masked(ex));
			}
		}
	}

	/**
	 * Closes a connection, whatever it does, and has its pool forget it; nobody else
	 * gives it back.
	 */
	void sever(Connection connection) {
		try {
			connection.abort(Runnable::run);
		}
		catch (SQLException ex) {
			logger.debug("{}: aborting a connection failed", name(), this.definition.masked(ex));
		}
		discard(connection);
	}

	/** A connection was closed in place of being given back. */
	void ended(Connection connection) {
		Pool owner = life().poolOf(connection);
		if (owner != null) {
			owner.returning(connection);
		}
		released();
	}

	Background background() {
		return this.registry.background();
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
		if (this.product == DatabaseProduct.SQLITE && !(connection instanceof SqliteLease)) {
			SqliteQueryOnly.set(connection, readOnly);
		}
		else {
			connection.setReadOnly(readOnly);
		}
	}

	/** A connection was given back, or not had: somebody may have waited for that. */
	void released() {
		if (this.attention.get() > 0) {
			this.openPools.returned(this);
			this.registry.budgets().passOn();
			if (!life().draining().isEmpty()) {
				this.registry.background().run(life()::closeDrained);
			}
		}
	}

	/** The pool that lends, or {@code null}. */
	@Nullable Pool pool() {
		return this.pool;
	}

	/** Whether it has pools, in use or draining. */
	boolean isOpen() {
		SourceLife begun = this.life;
		return begun != null && begun.isOpen();
	}

	/** How many connections are taken, or being waited for. */
	int leases() {
		SourceLife begun = this.life;
		return (begun != null) ? begun.leases() : 0;
	}

	private SourceUnavailableException noConnection(Pool open, SQLException failure, @Nullable String shortage) {
		String numbers = " (active " + open.active() + ", idle " + open.idle() + ", waiting " + open.waiting() + ")";
		String waited = seconds(open.connectionTimeout());
		String message = "Source '" + name() + "' gave no connection within " + waited + numbers + ". "
				+ why(open, failure.getCause(), shortage);
		return new SourceUnavailableException(name(), message, Failures.FIRST_RETRY,
				ConnectFailure.withoutSecrets(open.definition(), failure));
	}

	private String why(Pool open, @Nullable Throwable cause, @Nullable String shortage) {
		if (shortage != null) {
			return shortage;
		}
		if (cause instanceof NoPermitException none && open.active() == 0) {
			return String.valueOf(none.getMessage());
		}
		return (cause != null && !(cause instanceof NoPermitException))
				? ConnectFailure.explain(open.definition(), cause)
				: "Raise " + this.definition.property("hikari.maximum-pool-size") + " or look for slow statements.";
	}

	static String seconds(Duration duration) {
		return (duration.toMillis() % 1000 == 0) ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
	}

	@Override
	public String toString() {
		return "source '" + name() + "' (" + state().getClass().getSimpleName() + ")";
	}

}
