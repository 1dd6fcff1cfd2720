package io.multidb.source;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ThreadLocalRandom;

import org.jspecify.annotations.Nullable;

/**
 * The failures of one source in a row, and when it is tried again: after a second at
 * first, then twice as long each time, up to half a minute; and up to half as long again
 * by chance, so that the sources of one server do not come back to it all at once.
 * Guarded by the source's lock.
 */
final class Failures {

	static final Duration FIRST_RETRY = Duration.ofSeconds(1);

	private static final Duration LAST_RETRY = Duration.ofSeconds(30);

	private int count;

	private Duration retryIn = FIRST_RETRY;

	private @Nullable Instant since;

	/** Adds one. */
	void add(Instant now) {
		Duration doubled = FIRST_RETRY.multipliedBy(1L << Math.min(this.count, 10));
		long millis = ((doubled.compareTo(LAST_RETRY) < 0) ? doubled : LAST_RETRY).toMillis();
		this.retryIn = Duration.ofMillis(millis + ThreadLocalRandom.current().nextLong(millis / 2));
		this.count++;
		this.since = (this.since != null) ? this.since : now;
	}

	/**
	 * It has succeeded.
	 * @return when it had failed first, or {@code null} if it had not
	 */
	@Nullable Instant end() {
		Instant first = this.since;
		this.since = null;
		this.count = 0;
		return first;
	}

	/** How many; it tells them apart. */
	int count() {
		return this.count;
	}

	/** How long after the last one it is tried again. */
	Duration retryIn() {
		return this.retryIn;
	}

	SourceState.Unavailable state(Instant now, String reason) {
		return new SourceState.Unavailable((this.since != null) ? this.since : now, reason, now.plus(this.retryIn));
	}

}
