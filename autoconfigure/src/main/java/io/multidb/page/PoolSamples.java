package io.multidb.page;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import io.multidb.source.PoolState;
import io.multidb.source.Source;

/**
 * How many connections were lent over the last minutes, of the sources that were open. A
 * sample of all is taken when somebody looks at the page, at most one in
 * {@value #INTERVAL_SECONDS} seconds; nobody looks, nothing is done. It keeps
 * {@value #SAMPLES} samples of up to {@value #SOURCES} sources, which is 2 MB.
 * <p>
 * Thread-safe; the lock is held while a sample is taken, which opens nothing and asks no
 * database.
 */
final class PoolSamples {

	static final int INTERVAL_SECONDS = 2;

	static final int SAMPLES = 300;

	static final int SOURCES = 1000;

	/** Somewhat less: a page that asks as often is not to miss every second sample. */
	private static final long INTERVAL_NANOS = 1_500_000_000L;

	/** Older ones are of no use, whoever has looked meanwhile. */
	private static final long KEPT_NANOS = 900_000_000_000L;

	private static final short NOT_OPEN = -1;

	private final LongSupplier nanoTime;

	/** When samples were taken; guarded by this, like all below. */
	private final long[] times = new long[SAMPLES];

	/** How many were taken, of which the last ones are there. */
	private long taken;

	private final Map<String, Series> series = new HashMap<>();

	/** The figures of one source, at the same indexes as the times. */
	private static final class Series {

		private final short[] active = empty();

		private final short[] idle = empty();

		private final short[] waiting = empty();

		private long last;

		private static short[] empty() {
			short[] empty = new short[SAMPLES];
			Arrays.fill(empty, NOT_OPEN);
			return empty;
		}

		void set(int index, @Nullable PoolState pool) {
			this.active[index] = (pool != null) ? small(pool.active()) : NOT_OPEN;
			this.idle[index] = (pool != null) ? small(pool.idle()) : NOT_OPEN;
			this.waiting[index] = (pool != null) ? small(pool.waiting()) : NOT_OPEN;
		}

		private static short small(int count) {
			return (short) Math.min(count, Short.MAX_VALUE);
		}

	}

	/**
	 * What is known of one source, the oldest first.
	 *
	 * @param secondsAgo how long ago each was taken
	 * @param active how many connections were lent; {@code null} where it was not open
	 * @param idle how many could have been lent at once
	 * @param waiting how many threads waited for one
	 */
	record Samples(List<Double> secondsAgo, List<@Nullable Integer> active, List<@Nullable Integer> idle,
			List<@Nullable Integer> waiting) {

	}

	/**
	 * Creates samples, none.
	 * @param nanoTime tells how long ago something was, as
	 * {@link java.lang.System#nanoTime()}
	 */
	PoolSamples(LongSupplier nanoTime) {
		this.nanoTime = nanoTime;
	}

	/**
	 * Takes a sample, if the last one is not of just now.
	 * @param sources all sources
	 */
	synchronized void take(Stream<Source> sources) {
		long now = this.nanoTime.getAsLong();
		if (this.taken > 0) {
			long since = now - this.times[index(this.taken - 1)];
			if (since < INTERVAL_NANOS) {
				return;
			}
			if (since > KEPT_NANOS) {
				this.taken = 0;
				this.series.clear();
			}
		}
		long number = this.taken++;
		int index = index(number);
		this.times[index] = now;
		this.series.values().removeIf((each) -> number - each.last >= SAMPLES);
		this.series.values().forEach((each) -> each.set(index, null));
		sources.forEach((source) -> {
			PoolState pool = source.poolState();
			if (pool != null) {
				Series mine = this.series.get(source.name());
				if (mine == null && this.series.size() < SOURCES) {
					mine = new Series();
					this.series.put(source.name(), mine);
				}
				if (mine != null) {
					mine.last = number;
					mine.set(index, pool);
				}
			}
		});
	}

	private static int index(long number) {
		return (int) (number % SAMPLES);
	}

	/**
	 * What is known of a source.
	 * @param name its name
	 * @return its samples, empty if it was not open while somebody looked
	 */
	synchronized Samples of(String name) {
		Series mine = this.series.get(name);
		Samples samples = new Samples(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
		if (mine == null) {
			return samples;
		}
		long now = this.nanoTime.getAsLong();
		for (long number = Math.max(0, this.taken - SAMPLES); number < this.taken; number++) {
			int index = index(number);
			long age = now - this.times[index];
			if (age <= KEPT_NANOS) {
				samples.secondsAgo().add(Math.round(age / 100_000_000.0) / 10.0);
				samples.active().add(known(mine.active[index]));
				samples.idle().add(known(mine.idle[index]));
				samples.waiting().add(known(mine.waiting[index]));
			}
		}
		return samples;
	}

	private static @Nullable Integer known(short count) {
		return (count != NOT_OPEN) ? Integer.valueOf(count) : null;
	}

}
