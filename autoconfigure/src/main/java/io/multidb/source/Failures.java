package io.multidb.source;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ThreadLocalRandom;

import org.jspecify.annotations.Nullable;

/**
 * The failures of one source in a row, and when it is tried again: after a second at
 * first, then twice as long each time, up to half a minute; and up to half as long again
 * by chance, so that the sources of one server do not come back to it all at once.
 * Changed under the source's lock; {@link #left()} and {@link #isRetryLost()} need none.
 * <p>
 * What is decided here goes by {@link System#nanoTime()}: the clock on the wall may be
 * set, and is only for those who read it.
 */
final class Failures {

	static final Duration FIRST_RETRY = Duration.ofSeconds(1);

	private static final Duration LAST_RETRY = Duration.ofSeconds(30);

	private static final Duration LOST_RETRY = Duration.ofMinutes(5);

	private int count;

	private Duration retryIn = FIRST_RETRY;

	private @Nullable Instant since;

	/** In {@link System#nanoTime()}, like {@code nextTryAt}. */
	private long beganAt;

	private volatile long nextTryAt = System.nanoTime();

	/** Adds one. */
	void add(Instant now) {
		Duration doubled = FIRST_RETRY.multipliedBy(1L << Math.min(this.count, 10));
		long millis = ((doubled.compareTo(LAST_RETRY) < 0) ? doubled : LAST_RETRY).toMillis();
		this.retryIn = Duration.ofMillis(millis + ThreadLocalRandom.current().nextLong(millis / 2));
		this.count++;
		long time = System.nanoTime();
		if (this.since == null) {
			this.since = now;
			this.beganAt = time;
		}
		this.nextTryAt = time + this.retryIn.toNanos();
	}

	/**
	 * It has succeeded.
	 * @return for how long it had failed, or {@code null} if it had not
	 */
	@Nullable Duration end() {
		boolean failed = this.since != null;
		this.since = null;
		this.count = 0;
		return failed ? Duration.ofNanos(System.nanoTime() - this.beganAt) : null;
	}

	/** How many; it tells them apart. */
	int count() {
		return this.count;
	}

	/** How long after the last one it is tried again. */
	Duration retryIn() {
		return this.retryIn;
	}

	/** How long from now on until it is tried again. */
	Duration left() {
		long left = this.nextTryAt - System.nanoTime();
		return (left >= 0) ? Duration.ofNanos(left) : FIRST_RETRY;
	}

	/** A retry that is long overdue was lost; the next caller makes up for it. */
	boolean isRetryLost() {
		return System.nanoTime() - this.nextTryAt > LOST_RETRY.toNanos();
	}

	SourceState.Unavailable state(Instant now, String reason) {
		return new SourceState.Unavailable((this.since != null) ? this.since : now, reason, now.plus(this.retryIn));
	}

}
