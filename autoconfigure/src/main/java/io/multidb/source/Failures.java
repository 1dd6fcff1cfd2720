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
 * Whoever uses it may try before that time, if its server could not be reached and
 * another source has reached it since. If that fails, it is not done again until a try at
 * its time, or an operator's, has failed as well: so a server that comes and goes makes
 * at most twice as many tries of each source, and the time between them grows as it does.
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

	/** Whether what is being tried was not waited for. */
	private boolean early;

	/** See {@link #unreachedAt()}. */
	private @Nullable Long unreachedAt;

	/**
	 * A try begins, or is over.
	 * @param early whether it is made for whoever uses the source, and not at its time or
	 * by an operator
	 */
	void trying(boolean early) {
		this.early = early;
	}

	/**
	 * Adds one.
	 * @param unreachedAt when the server was asked, in {@link System#nanoTime()};
	 * {@code null} if it was reached, and the failure is the source's own
	 */
	void add(Instant now, @Nullable Long unreachedAt) {
		this.unreachedAt = this.early ? null : unreachedAt;
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
		this.unreachedAt = null;
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

	/**
	 * When the server was asked that could not be reached: if another source has reached
	 * it since, this one may be tried before its time.
	 * @return in {@link System#nanoTime()}; {@code null} if its time is to be waited for
	 */
	@Nullable Long unreachedAt() {
		return this.unreachedAt;
	}

	/** A retry that is long overdue was lost; the next caller makes up for it. */
	boolean isRetryLost() {
		return System.nanoTime() - this.nextTryAt > LOST_RETRY.toNanos();
	}

	SourceState.Unavailable state(Instant now, String reason) {
		return new SourceState.Unavailable((this.since != null) ? this.since : now, reason, now.plus(this.retryIn));
	}

}
