package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A lease that somebody else may end at a {@link Deadline}: either its owner gives the
 * connection back, and it is not cancelled, or it is cut, and not given back but closed.
 * Thread-safe.
 */
public final class TimedLease {

	private static final Logger logger = LoggerFactory.getLogger(TimedLease.class);

	private static final int TAKEN = 0;

	private static final int GIVEN_BACK = 1;

	private static final int CUT = 2;

	/** How long until its owner is looked at again. */
	private static final Duration AGAIN = Duration.ofMillis(5);

	/** A second, for whoever is about to begin something in SQLite. */
	private static final int MANY = 200;

	/** 50 ms, for a server to end a statement and to say so. */
	private static final int FEW = 10;

	private final Deadline deadline;

	private final Source source;

	private final Connection connection;

	private final AtomicInteger state = new AtomicInteger(TAKEN);

	/** Whether its owner is done with it, after it was cut. */
	private volatile boolean left;

	/** In {@link System#nanoTime()}; touched by its owner. */
	private long limitedAt;

	private boolean limited;

	private TimedLease(Deadline deadline, Source source, Connection connection) {
		this.deadline = deadline;
		this.source = source;
		this.connection = connection;
	}

	/** A lease that is just taken; given back if it is too late for that. */
	static TimedLease of(Deadline deadline, Source source, Connection connection) throws SQLException {
		TimedLease lease = new TimedLease(deadline, source, connection);
		boolean added = false;
		try {
			deadline.add(lease);
			added = true;
			return lease;
		}
		finally {
			if (!added) {
				source.giveBack(connection, false);
			}
		}
	}

	/** Before its owner does something that may take time. */
	void check() throws SQLException {
		this.deadline.refuseWhenOver();
		Connection used = (this.connection instanceof DeferredConnection deferred) ? deferred.current()
				: this.connection;
		if (used instanceof SqliteLease lease) {
			limit(lease);
		}
	}

	/** An interruption does not reach who waits for a lock of SQLite's. */
	private void limit(SqliteLease lease) throws SQLException {
		long now = System.nanoTime();
		if (!this.limited || now - this.limitedAt > TimeUnit.MILLISECONDS.toNanos(1)) {
			this.limited = true;
			this.limitedAt = now;
			lease.waitAtMost(1 + TimeUnit.NANOSECONDS.toMillis(Math.max(0, this.deadline.left())));
		}
	}

	/**
	 * Its owner gives it back.
	 * @return {@code false} if it was cut, so that somebody else sees to the connection
	 */
	boolean giveBack() {
		if (this.state.compareAndSet(TAKEN, GIVEN_BACK)) {
			this.deadline.remove(this);
			return true;
		}
		this.left = true;
		return this.state.get() == GIVEN_BACK;
	}

	/** Its owner has ended without having given it back. */
	void abandon() {
		this.left = true;
		if (this.state.get() == TAKEN) {
			logger.warn("{}: a connection was left open, as by a stream of rows that is not closed; it is closed now",
					this.source.name());
			boolean unused = cut();
		}
	}

	/**
	 * Ends what it does, and the connection.
	 * @return whether that sees to it that its owner is interrupted, too
	 */
	boolean cut() {
		if (!this.state.compareAndSet(TAKEN, CUT)) {
			return false;
		}
		if (this.connection instanceof DeferredConnection deferred) {
			return deferred.cut(this);
		}
		return cut(this.source, this.connection, () -> this.source.ended(this.connection));
	}

	/**
	 * Ends a connection.
	 * @param lender whose it is
	 * @param ended what is to be done in the end
	 * @return whether that sees to it that its owner is interrupted, too: in a virtual
	 * thread that closes the driver's socket, without which it cannot cancel
	 */
	boolean cut(Source lender, Connection lent, Runnable ended) {
		if (lent instanceof SqliteLease lease) {
			SqliteHandle mine = lease.sever();
			if (mine != null) {
				interrupt(lender, mine::interrupt, () -> {
					lease.discard(mine);
					ended.run();
				}, MANY);
			}
			return false;
		}
		Runnable closing = () -> {
			lender.sever(lent);
			ended.run();
		};
		if (lender.definition().product() == DatabaseProduct.SQLITE) {
			interrupt(lender, () -> SqliteInterrupt.interrupt(lent), closing, MANY);
			return false;
		}
		boolean unused = lender.background().beside(() -> lender.cancel(lent));
		interrupt(lender, () -> {
		}, () -> {
			closing.run();
			this.deadline.interrupt();
		}, FEW);
		return true;
	}

	private interface Interruption {

		void run() throws SQLException;

	}

	/**
	 * Again and again until its owner has let go: SQLite ends what runs at the moment,
	 * and the owner may be about to begin something.
	 * @param times how often, before it is closed under whoever does not let go
	 */
	private void interrupt(Source lender, Interruption interruption, Runnable closing, int times) {
		if (this.left || times == 0) {
			if (!lender.background().beside(closing)) {
				closing.run();
			}
			return;
		}
		try {
			interruption.run();
		}
		catch (SQLException ex) {
			logger.debug("{}: interrupting a connection failed", lender.name(), lender.definition().masked(ex));
		}
		if (!lender.background().later(() -> interrupt(lender, interruption, closing, times - 1), AGAIN)) {
			closing.run();
		}
	}

}
