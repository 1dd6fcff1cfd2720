package io.multidb.source;

import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.LongAdder;

/**
 * What is counted of the leases of one pool, where somebody wants to know. Each lease is
 * counted; only one in so many is timed, chosen at random, and stands for the others, as
 * reading the clock costs more than all the rest. Thread-safe; counting takes no lock.
 */
public final class LeaseCounts {

	/**
	 * The counts at one moment, which never become less.
	 *
	 * @param leases how many connections were lent
	 * @param waited for how many nanoseconds they were waited for, together; the opening
	 * of the source not included
	 * @param held for how many nanoseconds those that were given back had been lent,
	 * together
	 * @param timeouts how often there was none in time
	 */
	public record Totals(long leases, long waited, long held, long timeouts) {

		/** Nothing. */
		public static final Totals NONE = new Totals(0, 0, 0, 0);

		/**
		 * The sum.
		 * @param others what is added
		 * @return the sum
		 */
		public Totals plus(Totals others) {
			return new Totals(this.leases + others.leases, this.waited + others.waited, this.held + others.held,
					this.timeouts + others.timeouts);
		}

		/**
		 * What was added since.
		 * @param before the counts of before
		 * @return the difference
		 */
		public Totals minus(Totals before) {
			return new Totals(this.leases - before.leases, this.waited - before.waited, this.held - before.held,
					this.timeouts - before.timeouts);
		}

	}

	/** In place of a time: this lease is not timed. */
	static final long UNTIMED = 0;

	/** In place of a time: this lease is not even counted. */
	static final long UNCOUNTED = -1;

	private final int every;

	private final LongAdder leases = new LongAdder();

	/** In nanoseconds, of those that are timed; so is held. */
	private final LongAdder waited = new LongAdder();

	private final LongAdder held = new LongAdder();

	private final LongAdder timeouts = new LongAdder();

	private volatile boolean over;

	/**
	 * Counts from zero.
	 * @param every one lease of so many is timed, at least 1
	 */
	LeaseCounts(int every) {
		this.every = every;
	}

	/** When a connection was asked for, if that is to be timed. */
	long asked() {
		return (this.every == 1 || ThreadLocalRandom.current().nextInt(this.every) == 0) ? now() : UNTIMED;
	}

	/**
	 * One was lent.
	 * @param asked what {@link #asked()} has said
	 * @return since when, if that is timed
	 */
	long lent(long asked) {
		if (asked == UNCOUNTED) {
			return UNTIMED;
		}
		this.leases.increment();
		if (asked == UNTIMED) {
			return UNTIMED;
		}
		long now = now();
		this.waited.add(now - asked);
		return now;
	}

	/** One that is timed is given back. */
	void returned(long since) {
		this.held.add(now() - since);
	}

	void timedOut() {
		this.timeouts.increment();
	}

	/** Neither of the two that mean something else. */
	private static long now() {
		long now = System.nanoTime();
		return (now == UNTIMED || now == UNCOUNTED) ? 1 : now;
	}

	/** The pool is closed. */
	void end() {
		this.over = true;
	}

	/**
	 * Whether nothing is counted any more, as the pool is closed.
	 * @return whether it is
	 */
	public boolean isOver() {
		return this.over;
	}

	/**
	 * The counts now.
	 * @return times are estimates, from those that were timed
	 */
	public Totals totals() {
		return new Totals(this.leases.sum(), this.every * this.waited.sum(), this.every * this.held.sum(),
				this.timeouts.sum());
	}

}
