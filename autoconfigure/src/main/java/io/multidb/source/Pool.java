package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

import com.zaxxer.hikari.HikariConfig;
import org.jspecify.annotations.Nullable;

/**
 * The open connections of one source. Thread-safe.
 * <p>
 * Whoever borrows marks the connection as in use by a volatile write, so that
 * {@link #leases()} counts it, and looks at {@link #phase()} afterwards; whoever closes
 * changes the phase first, under the source's lock, and counts second. One of the two
 * sees the other; see ADR 6.
 */
abstract class Pool {

	/** Where a pool is in its life; it never goes back. */
	enum Phase {

		/** Lends connections to whoever comes. */
		OPEN,

		/** Its source has another pool, or none; what is lent is still used. */
		DRAINING,

		/** Nothing of it may be used any more. */
		CLOSED

	}

	/** Who uses a connection, kept only where leak detection is on. */
	record Borrower(String thread, long since, List<StackTraceElement> stack) {
	}

	private final SourceDefinition definition;

	private final HikariConfig settings;

	private volatile Phase phase = Phase.OPEN;

	/**
	 * When a connection was last lent, as {@link OpenPools#now()} counts. A race between
	 * two borrowers of the same moment does not matter.
	 */
	private int lastUsed;

	/** {@code null} where leak detection is off. */
	private final @Nullable Map<Connection, Borrower> borrowers;

	/** In {@link System#nanoTime()}; guarded by the source's lock. */
	private long drainedSince;

	/** So long after {@code drainedSince} what is in use is cut; guarded likewise. */
	private Duration patience = Duration.ZERO;

	private volatile @Nullable Consumer<SQLException> connectFailures;

	/** {@code null} where nobody wants to know. */
	private volatile @Nullable LeaseCounts counts;

	/** Connections that could not be made, since one could. */
	private final AtomicInteger failedConnects = new AtomicInteger();

	/**
	 * Begins a pool's life.
	 * @param definition by which it is opened
	 * @param settings the user's; may change while it lives
	 */
	Pool(SourceDefinition definition, HikariConfig settings) {
		this.definition = definition;
		this.settings = settings;
		this.borrowers = (settings.getLeakDetectionThreshold() > 0) ? new ConcurrentHashMap<>() : null;
	}

	/** The definition by which it was opened; the source may have another one since. */
	final SourceDefinition definition() {
		return this.definition;
	}

	final Phase phase() {
		return this.phase;
	}

	/**
	 * Borrows a connection and waits for one, if need be, as long as
	 * {@link #connectionTimeout()} allows; closing it gives it back.
	 * @return {@code null} if nothing is lent here any more: it is closed, or
	 * {@link #isObsolete() obsolete}
	 * @throws java.sql.SQLTransientConnectionException if there was none in time
	 */
	abstract @Nullable Connection borrow() throws SQLException;

	/**
	 * Whether its database is not there any more, so that another pool must be opened in
	 * its place.
	 */
	boolean isObsolete() {
		return false;
	}

	/**
	 * What keeps another pool from being opened in the place of this one, which is
	 * obsolete.
	 * @return a sentence, or {@code null} for nothing
	 */
	@Nullable String hindrance() {
		return null;
	}

	/**
	 * Notes on a connection since when it is lent; see {@link LeaseCounts}.
	 * @return what was noted before; {@link LeaseCounts#UNTIMED} also for one of another
	 * kind of pool
	 */
	abstract long lentSince(Connection lent, long since);

	/** How many connections are lent. */
	abstract int active();

	/** How many connections could be lent at once. */
	abstract int idle();

	/** How many threads wait for a connection. */
	abstract int waiting();

	/** How many connections are lent or waited for: those who wait may be served now. */
	final int leases() {
		return waiting() + active();
	}

	/** How many connections there may be. */
	final int maximum() {
		return this.settings.getMaximumPoolSize();
	}

	/** How many it keeps that nobody uses. */
	final int minimumIdle() {
		return Math.max(0, this.settings.getMinimumIdle());
	}

	/** How long a borrower waits. */
	final Duration connectionTimeout() {
		return Duration.ofMillis(this.settings.getConnectionTimeout());
	}

	/** How long a connection may take to say that it is alive. */
	final Duration validationTimeout() {
		return Duration.ofMillis(this.settings.getValidationTimeout());
	}

	/**
	 * One of its connections is being closed, by whomever: those who wait for it are to
	 * get another one.
	 */
	void closing() {
	}

	/**
	 * Whether a connection was lent by it; of one that was given back, it cannot always
	 * be told.
	 */
	abstract boolean owns(Connection lent);

	/** Closes a lent connection in place of giving it back. */
	abstract void evict(Connection connection);

	/**
	 * Closes one connection that nobody uses.
	 * @return whether there was one
	 */
	abstract boolean giveUpIdle();

	/**
	 * Closes a lent connection in place of giving it back, if others need it more.
	 * @return whether it did
	 */
	boolean giveUp(Connection connection) throws SQLException {
		return false;
	}

	/** Keeps no connection that nobody uses, as there are not enough for all. */
	void keepNoneIdle() {
	}

	/** Whether a connection that is to be made for it has somebody who waits for it. */
	abstract boolean isWanted();

	/** A borrower went away without a connection. */
	void forsaken() {
	}

	/**
	 * So long a pool that drains stays open at least, if it cannot refuse a thread that
	 * read it just before and is still on its way into it.
	 */
	abstract Duration grace();

	/** Whether the user wants no connection to be kept that nobody uses. */
	final boolean mayBeClosedWhenIdle() {
		return this.settings.getMinimumIdle() == 0;
	}

	/** Has those who wait go away, as no connection can be made. */
	abstract void refuse();

	/** Whether what was borrowed is no connection, see {@link #refuse()}. */
	abstract boolean isRefusal(Connection borrowed) throws SQLException;

	/** Closes everything at once, whoever uses it; may take a while. */
	abstract void close();

	/** Called on whichever thread could not make a connection. */
	final void onConnectFailure(Consumer<SQLException> listener) {
		this.connectFailures = listener;
	}

	final void connected() {
		this.failedConnects.set(0);
	}

	final void connectFailed(SQLException failure) {
		this.failedConnects.incrementAndGet();
		Consumer<SQLException> listener = this.connectFailures;
		if (listener != null) {
			listener.accept(failure);
		}
	}

	/**
	 * Whether a connection that could not be made means that the database cannot be
	 * reached: there is no other connection, and the server is not merely full; or it did
	 * not answer twice, so that those that are out will hardly come back.
	 */
	final boolean isLost(SQLException failure) {
		if (ConnectFailure.isOfTooManyConnections(failure)) {
			return false;
		}
		return active() + idle() == 0 || (this.failedConnects.get() > 1 && ConnectFailure.isOfNetwork(failure));
	}

	/** Has leases counted; before it lends. */
	final void count(LeaseCounts counts) {
		this.counts = counts;
	}

	/** What is counted of leases, or {@code null}. */
	final @Nullable LeaseCounts counts() {
		return this.counts;
	}

	/**
	 * Notes a use, and by whom if that is wanted.
	 * @param asked when it was asked for, see {@link LeaseCounts#asked()}
	 */
	final void lent(Connection connection, int now, long asked) {
		LeaseCounts counting = this.counts;
		if (counting != null) {
			long since = counting.lent(asked);
			if (since != LeaseCounts.UNTIMED) {
				long unused = lentSince(connection, since);
			}
		}
		if (this.lastUsed != now) {
			this.lastUsed = now;
		}
		if (this.borrowers != null) {
			Thread thread = Thread.currentThread();
			this.borrowers.put(connection,
					new Borrower(thread.getName(), System.nanoTime(), List.of(thread.getStackTrace())));
		}
	}

	/** Notes that a connection is about to be given back, which may be another pool's. */
	final void returning(Connection connection) {
		LeaseCounts counting = this.counts;
		if (counting != null) {
			long since = lentSince(connection, LeaseCounts.UNTIMED);
			if (since != LeaseCounts.UNTIMED) {
				counting.returned(since);
			}
		}
		if (this.borrowers != null) {
			this.borrowers.remove(connection);
		}
	}

	/** Who uses connections, if leak detection is on; empty otherwise. */
	final List<Borrower> borrowers() {
		return (this.borrowers == null) ? List.of()
				: this.borrowers.entrySet()
					.stream()
					.filter((each) -> !isClosed(each.getKey()))
					.map(Map.Entry::getValue)
					.toList();
	}

	/**
	 * One that was given back when this was no longer the pool that lends is here still.
	 */
	private static boolean isClosed(Connection connection) {
		try {
			return connection.isClosed();
		}
		catch (SQLException ex) {
			return false;
		}
	}

	/** When it was last used: the smaller, the longer ago. */
	final int lastUsed() {
		return this.lastUsed;
	}

	/**
	 * Lends nothing to those who come later; called under the source's lock.
	 * @param patience how long what is in use may be used
	 */
	final void drain(Duration patience) {
		this.phase = Phase.DRAINING;
		this.drainedSince = System.nanoTime();
		this.patience = patience;
	}

	/** How long it has been draining; called under the source's lock. */
	final Duration drainedFor() {
		return Duration.ofNanos(System.nanoTime() - this.drainedSince);
	}

	/** How long it may drain; called under the source's lock. */
	final Duration patience() {
		return this.patience;
	}

	/**
	 * Ends its life if it drains and nothing of it is in use, or for too long; called
	 * under the source's lock, by whoever closes it then.
	 * @param afterGrace whether not before {@link #grace()} is over
	 * @return whether it is to be closed
	 */
	final boolean end(boolean afterGrace) {
		Duration drained = drainedFor();
		boolean over = (leases() == 0) ? !afterGrace || drained.compareTo(grace()) >= 0
				: drained.compareTo(this.patience) >= 0;
		if (over) {
			this.phase = Phase.CLOSED;
		}
		return over;
	}

	/** Ends its life, whatever is in use; called under the source's lock. */
	final void endAtOnce() {
		this.phase = Phase.CLOSED;
	}

}
