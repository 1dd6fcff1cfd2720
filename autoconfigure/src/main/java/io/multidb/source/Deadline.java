package io.multidb.source;

import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.jspecify.annotations.Nullable;

import io.multidb.Target;

/**
 * When the work of one thread must be over, and the connections that it has until then.
 * They are taken by a {@link Target#within target within} it and by the thread that has
 * begun it; what that thread hands on to others is theirs.
 * <p>
 * Nothing that the work waits for in a source, be it a connection, a lock of SQLite's or
 * a source that is being opened, is waited for any longer. What runs at the end is ended
 * by {@link #cut()}: its statement is cancelled, and its connection is closed and never
 * used again, so that a cancellation that comes late reaches nobody else. Thread-safe.
 */
public final class Deadline {

	/** In {@link System#nanoTime()}. */
	private final long end;

	/** Whose work it is; {@code null} before it begins and after it ends. */
	private volatile @Nullable Thread thread;

	private volatile boolean cut;

	/** Guarded by this. */
	private final Set<TimedLease> leases = new HashSet<>(2);

	/**
	 * Creates a deadline.
	 * @param end when it is, as a value of {@link System#nanoTime()}
	 */
	public Deadline(long end) {
		this.end = end;
	}

	/**
	 * The deadline of the calling thread's work.
	 * @return the deadline, or {@code null} if it has none
	 */
	static @Nullable Deadline current() {
		return of(Target.current());
	}

	/**
	 * The deadline that the calling thread has for a target.
	 * @param target the target
	 * @return the deadline, or {@code null} if it has none
	 */
	public static @Nullable Deadline of(Target target) {
		return (target.work() instanceof Deadline deadline && Thread.currentThread().equals(deadline.thread)) ? deadline
				: null;
	}

	/** The calling thread begins its work. */
	public void begin() {
		this.thread = Thread.currentThread();
	}

	/**
	 * The work has ended: the thread is not interrupted any more, and what it forgot to
	 * give back is closed.
	 */
	public void end() {
		List<TimedLease> forgotten;
		synchronized (this) {
			this.thread = null;
			forgotten = List.copyOf(this.leases);
			this.leases.clear();
		}
		forgotten.forEach(TimedLease::abandon);
	}

	/**
	 * How long it is until then.
	 * @return in nanoseconds; not positive when it is over
	 */
	public long left() {
		return this.cut ? 0 : this.end - System.nanoTime();
	}

	/**
	 * Ends the work, even before its time: its thread is interrupted, what its
	 * connections do is cancelled, and they are closed; it gets no other one. Waits for
	 * nothing.
	 */
	public void cut() {
		List<TimedLease> current;
		synchronized (this) {
			this.cut = true;
			current = List.copyOf(this.leases);
		}
		boolean later = false;
		for (TimedLease lease : current) {
			later |= lease.cut();
		}
		if (!later) {
			interrupt();
		}
	}

	/** Has the thread leave what it waits for, unless its work has ended. */
	synchronized void interrupt() {
		Thread worker = this.thread;
		if (worker != null) {
			worker.interrupt();
		}
	}

	synchronized void add(TimedLease lease) throws SQLException {
		refuseWhenOver();
		this.leases.add(lease);
	}

	synchronized void remove(TimedLease lease) {
		this.leases.remove(lease);
	}

	void refuseWhenOver() throws SQLTimeoutException {
		if (left() <= 0) {
			throw over();
		}
	}

	/** Waits for a permit as long as there is time. */
	void await(Semaphore permits) throws SQLException {
		try {
			if (!permits.tryAcquire(Math.max(0, left()), TimeUnit.NANOSECONDS)) {
				throw over();
			}
		}
		catch (InterruptedException ex) {
			throw interrupted(ex);
		}
	}

	/** Waits for something as long as there is time. */
	void await(CompletableFuture<?> something) throws SQLException {
		try {
			Object unused = something.get(Math.max(0, left()), TimeUnit.NANOSECONDS);
		}
		catch (TimeoutException ex) {
			throw over();
		}
		catch (InterruptedException ex) {
			throw interrupted(ex);
		}
		catch (ExecutionException ex) {
			Throwable failure = ex.getCause();
			if (failure instanceof SQLException sql) {
				throw sql;
			}
			if (failure instanceof RuntimeException runtime) {
				throw runtime;
			}
			throw new SQLException("The source could not be opened", "08001", failure);
		}
	}

	private static SQLException interrupted(InterruptedException ex) {
		Thread.currentThread().interrupt();
		return new SQLException("Interrupted while waiting for a source to be opened", ex);
	}

	private static SQLTimeoutException over() {
		return new SQLTimeoutException("The time for this work is over", "57014");
	}

}
