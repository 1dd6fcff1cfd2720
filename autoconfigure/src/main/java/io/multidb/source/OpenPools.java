package io.multidb.source;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;

import org.jspecify.annotations.Nullable;

/**
 * The sources that are open, or being opened: not more than the limit, of which the least
 * recently used idle one gives way to the next. Thread-safe; everything but {@code now}
 * and {@code waiting} is read under and guarded by {@code lock}, under which a source's
 * lock may be taken, never the other way round.
 */
final class OpenPools {

	/** So many pools may wait to be closed before no more are opened. */
	private static final int MAX_CLOSING = 16;

	private final PoolLimits limits;

	private final IntConsumer attention;

	private final ReentrantLock lock = new ReentrantLock(true);

	private final Condition changed = this.lock.newCondition();

	/** With what {@link #closeIdle} saw of each when it last looked. */
	private final Map<Source, Seen> open = new HashMap<>();

	/** A place is taken, but there is no pool yet. */
	private final Set<Source> opening = new HashSet<>();

	private int closing;

	private boolean closed;

	/** Changed under lock, read without. */
	private final AtomicInteger waiting = new AtomicInteger();

	/**
	 * The time by which pools note when they were used: how many have been opened, and
	 * how often it was looked for idle ones. Which of two was used later matters only
	 * where one of them gives way to a third.
	 */
	private volatile int now;

	/** As many sources as may be open are in use, which is no fault of this one. */
	static final class NoPlaceException extends Exception {

		private static final long serialVersionUID = 1L;

		NoPlaceException(String message) {
			super(message, null, false, false);
		}

	}

	/** How a pool was found. */
	private record Seen(int lastUsed, long since) {
	}

	/**
	 * Creates it.
	 * @param attention is told how many more wait, or fewer
	 */
	OpenPools(PoolLimits limits, IntConsumer attention) {
		this.limits = limits;
		this.attention = attention;
	}

	int now() {
		return this.now;
	}

	private void tick() {
		int last = this.now;
		this.now = last + 1;
	}

	/** How many wait for a pool to become idle. */
	int waiting() {
		return this.waiting.get();
	}

	int size() {
		this.lock.lock();
		try {
			return this.open.size();
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Takes a place for a source that is to be opened, of the least recently used idle
	 * one if there is no other.
	 * @param timeout how long to wait for one
	 * @throws NoPlaceException if there was none in time
	 */
	void enter(Source source, Duration timeout) throws InterruptedException, NoPlaceException {
		this.lock.lockInterruptibly();
		try {
			tick();
			if (this.limits.maxOpen() > 0) {
				awaitPlace(source, timeout);
			}
			this.opening.add(source);
		}
		finally {
			this.lock.unlock();
		}
	}

	private void awaitPlace(Source source, Duration timeout) throws InterruptedException, NoPlaceException {
		long left = timeout.toNanos();
		this.waiting.incrementAndGet();
		// Whoever gives a connection back from now on tells us.
		this.attention.accept(1);
		try {
			while (isFull() || this.closing >= MAX_CLOSING) {
				if (this.closed) {
					throw new NoPlaceException(
							"Source '" + source.name() + "' was not opened: the application has ended.");
				}
				if (isFull() && evictOne()) {
					continue;
				}
				if (isFull() && this.limits.whenFull() == PoolLimits.WhenFull.EXCEED) {
					return;
				}
				if (left <= 0) {
					throw full(source, timeout);
				}
				left = this.changed.awaitNanos(left);
			}
		}
		finally {
			this.waiting.decrementAndGet();
			this.attention.accept(-1);
		}
	}

	private boolean isFull() {
		return this.open.size() + this.opening.size() >= this.limits.maxOpen();
	}

	private boolean evictOne() {
		Source victim = leastRecentlyUsed();
		while (victim != null && !victim.life().closeIfIdle()) {
			// Somebody was faster.
			victim = leastRecentlyUsed();
		}
		return victim != null;
	}

	private @Nullable Source leastRecentlyUsed() {
		Source found = null;
		int oldest = 0;
		for (Source each : this.open.keySet()) {
			Pool pool = each.pool();
			if (pool != null && (found == null || pool.lastUsed() - oldest < 0) && pool.leases() == 0) {
				found = each;
				oldest = pool.lastUsed();
			}
		}
		return found;
	}

	private NoPlaceException full(Source source, Duration timeout) {
		int connections = this.open.keySet().stream().map(Source::pool).mapToInt((pool) -> {
			return (pool != null) ? pool.active() : 0;
		}).sum();
		return new NoPlaceException("Source '" + source.name() + "' was not opened within " + Source.seconds(timeout)
				+ ": " + this.limits.maxOpen() + " sources may be open (" + "'app.tenancy.max-open'), "
				+ this.open.size() + " are and " + this.opening.size() + " are being opened, all of them in use with "
				+ connections + " connections in all; " + (this.waiting.get() - 1)
				+ " others wait. Raise it, or look for what keeps connections.");
	}

	/** A source got its pool: the place is its own until {@link #left}. */
	void entered(Source source) {
		this.lock.lock();
		try {
			this.opening.remove(source);
			if (source.pool() != null) {
				this.open.putIfAbsent(source, new Seen(this.now, System.nanoTime()));
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/** A source has no pool, or no more. */
	void left(Source source) {
		this.lock.lock();
		try {
			this.opening.remove(source);
			this.open.remove(source);
			this.changed.signalAll();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** A connection was given back: a pool may have become idle. */
	void returned() {
		if (this.waiting.get() > 0) {
			this.lock.lock();
			try {
				this.changed.signalAll();
			}
			finally {
				this.lock.unlock();
			}
		}
	}

	/** A pool is going to be closed, or is. */
	void closing(int more) {
		this.lock.lock();
		try {
			this.closing += more;
			if (more < 0) {
				this.changed.signalAll();
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Closes what has not been used since it was idle for the first time, longer ago than
	 * the limit says; and what is open beyond the limit.
	 */
	void closeIdle() {
		this.lock.lock();
		try {
			tick();
			long time = System.nanoTime();
			for (Source each : Set.copyOf(this.open.keySet())) {
				Pool pool = each.pool();
				Seen seen = this.open.get(each);
				if (pool == null || seen == null) {
					continue;
				}
				if (pool.leases() > 0 || pool.lastUsed() != seen.lastUsed()) {
					this.open.put(each, new Seen(pool.lastUsed(), time));
				}
				else if (isIdleForTooLong(seen, time) && pool.mayBeClosedWhenIdle()) {
					each.life().closeIfIdle();
				}
			}
			boolean evicted = true;
			while (evicted && this.limits.maxOpen() > 0 && this.open.size() > this.limits.maxOpen()) {
				evicted = evictOne();
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	private boolean isIdleForTooLong(Seen seen, long time) {
		Duration idle = Duration.ofNanos(time - seen.since());
		return !this.limits.idleTimeout().isZero() && idle.compareTo(this.limits.idleTimeout()) >= 0;
	}

	/** Lets nobody wait any more. */
	void close() {
		this.lock.lock();
		try {
			this.closed = true;
			this.changed.signalAll();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** How often to look for idle ones; {@code null} for never. */
	@Nullable Duration interval() {
		Duration idle = this.limits.idleTimeout();
		if (idle.isZero() && this.limits.whenFull() == PoolLimits.WhenFull.WAIT) {
			return null;
		}
		long millis = idle.isZero() ? TimeUnit.SECONDS.toMillis(10) : idle.toMillis() / 4;
		return Duration.ofMillis(Math.min(TimeUnit.SECONDS.toMillis(30), Math.max(50, millis)));
	}

	/** Whether there is anything to look at. */
	boolean isEmpty() {
		return size() == 0;
	}

}
