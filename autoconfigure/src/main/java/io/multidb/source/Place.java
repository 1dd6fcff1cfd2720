package io.multidb.source;

import java.util.Comparator;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * What a source takes up that is open, or is being opened, or both, where it is about to
 * be replaced. Guarded by the lock of {@link OpenPools}, but for {@link #isWanted()}.
 */
final class Place {

	/** In the order in which they were used, those of the same moment in any one. */
	static final Comparator<Place> BY_USE = (one, other) -> {
		int difference = one.used - other.used;
		return (difference != 0) ? difference : Long.compare(one.number, other.number);
	};

	private final Source source;

	private final long number;

	/** The limits of what is open; {@code null} if nothing is. */
	private volatile @Nullable List<OpenLimit> open;

	/** The limits of what is being opened; {@code null} if nothing is. */
	private @Nullable List<OpenLimit> opening;

	/** Who opens it. */
	private @Nullable Thread opener;

	/** As {@link OpenPools#now()}: it was used then, and may have been since. */
	private int used;

	/** What {@link #idleSince} says holds if it has not been used since then. */
	private int usedBeforeIdle;

	/** As {@link System#nanoTime()}, when it was first seen not to be in use. */
	private long idleSince;

	/**
	 * Creates a place that takes up nothing yet.
	 * @param number another one for each
	 */
	Place(Source source, long number) {
		this.source = source;
		this.number = number;
	}

	Source source() {
		return this.source;
	}

	boolean isOpen() {
		return this.open != null;
	}

	boolean isUnused() {
		return this.open == null && this.opening == null;
	}

	boolean isOpenedByThisThread() {
		return this.opening != null && Thread.currentThread().equals(this.opener);
	}

	/** Whether what is open counts there. */
	boolean isOpenUnder(OpenLimit limit) {
		List<OpenLimit> limits = this.open;
		return limits != null && limits.contains(limit);
	}

	/** Whether somebody waits for it to be idle; may be asked without the lock. */
	boolean isWanted() {
		List<OpenLimit> limits = this.open;
		if (limits != null) {
			for (OpenLimit each : limits) {
				if (each.isWaitedFor()) {
					return true;
				}
			}
		}
		return false;
	}

	/** Whether it may give way to another source. */
	boolean isIdle() {
		Pool pool = this.source.pool();
		return this.opening == null && pool != null && pool.leases() == 0;
	}

	int active() {
		Pool pool = this.source.pool();
		return (pool != null) ? pool.active() : 0;
	}

	/** It is going to be open, as far as these limits go. */
	void opening(List<OpenLimit> limits, Thread thread) {
		this.opening = limits;
		this.opener = thread;
		for (OpenLimit each : limits) {
			if (!isOpenUnder(each)) {
				each.opening().add(this);
			}
		}
	}

	/** What was being opened is open, in place of what was. */
	void opened(int now, long time) {
		List<OpenLimit> limits = this.opening;
		closed();
		abandoned();
		if (limits != null) {
			this.used = now;
			this.usedBeforeIdle = now;
			this.idleSince = time;
			this.open = limits;
			limits.forEach((each) -> each.open().add(this));
		}
	}

	/** What was being opened will not be. */
	void abandoned() {
		List<OpenLimit> limits = this.opening;
		this.opening = null;
		this.opener = null;
		if (limits != null) {
			limits.forEach((each) -> each.opening().remove(this));
		}
	}

	/** What was open is not any more; what is being opened keeps its place. */
	void closed() {
		List<OpenLimit> limits = this.open;
		this.open = null;
		if (limits != null) {
			limits.forEach((each) -> each.open().remove(this));
		}
		if (this.opening != null) {
			this.opening.forEach((each) -> each.opening().add(this));
		}
	}

	/**
	 * Looks when it was used.
	 * @param now which is when it was if it is not idle
	 * @return whether it was used later than was known
	 */
	boolean look(int now) {
		Pool pool = this.source.pool();
		return usedAt((pool != null && isIdle()) ? pool.lastUsed() : now);
	}

	/**
	 * Notes a use.
	 * @return whether it was later than what was known
	 */
	boolean usedAt(int time) {
		if (time - this.used <= 0) {
			return false;
		}
		List<OpenLimit> limits = (this.open != null) ? this.open : List.of();
		limits.forEach((each) -> each.open().remove(this));
		this.used = time;
		limits.forEach((each) -> each.open().add(this));
		return true;
	}

	/**
	 * For how long it has been seen to be idle.
	 * @param time as {@link System#nanoTime()}
	 * @return nanoseconds; 0 if it is not, or was not when it was asked last
	 */
	long idleFor(long time) {
		Pool pool = this.source.pool();
		if (pool == null || pool.leases() > 0 || pool.lastUsed() != this.usedBeforeIdle) {
			this.usedBeforeIdle = (pool != null) ? pool.lastUsed() : this.usedBeforeIdle;
			this.idleSince = time;
		}
		return time - this.idleSince;
	}

}
