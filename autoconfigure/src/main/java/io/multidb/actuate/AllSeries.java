package io.multidb.actuate;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.ToLongFunction;

import org.jspecify.annotations.Nullable;

import io.multidb.source.LeaseCounts;
import io.multidb.source.Source;

/**
 * Which sources have a series of their own, and where pools are counted. Knows of no
 * meters: whoever makes these asks for the series there are whenever they have changed.
 * <p>
 * Thread-safe. The lock guards everything here; under it only what pools count is read,
 * and no listener or registry called.
 */
final class AllSeries {

	/** One that was used so much more takes the place of another. */
	private static final int MUCH = 2;

	/** And at least so many times more, so that hardly used ones stay as they are. */
	private static final int MANY = 10;

	/** A part of the places at a time, so that a backend meets few new series. */
	private static final int PART = 10;

	private final int most;

	private final ReentrantLock lock = new ReentrantLock();

	/** By the names of their sources; changed under lock. */
	private final Map<String, Series> named = new ConcurrentHashMap<>();

	/** Of those that have none of their own. */
	private final Series other = new Series(DatasourcesMeter.OTHER, null);

	/** Whether there ever were any. */
	private boolean hasOther;

	/** How many pools there were after the last sweep. */
	private int swept;

	private volatile int changes;

	/**
	 * None yet.
	 * @param most how many sources have their own
	 */
	AllSeries(int most) {
		this.most = most;
	}

	/** How often there have been other series than before. */
	int changes() {
		return this.changes;
	}

	/** The series there are now. */
	Collection<Series> list() {
		this.lock.lock();
		try {
			List<Series> all = new ArrayList<>(this.named.values());
			if (this.hasOther) {
				all.add(this.other);
			}
			return all;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** The one of a source's own; {@code null} if it has none. */
	@Nullable Series find(String source) {
		return this.named.get(source);
	}

	/** Something that a series says. */
	long read(Series series, ToLongFunction<Series> value) {
		this.lock.lock();
		try {
			return value.applyAsLong(series);
		}
		finally {
			this.lock.unlock();
		}
	}

	/** How many of the named are unavailable. */
	long unavailable() {
		return this.named.values().stream().filter(Series::isUnavailable).count();
	}

	/**
	 * A pool is to be counted. One whose source is gone is not: nobody would say once
	 * more that it was removed.
	 */
	void opened(Source source, LeaseCounts counts) {
		this.lock.lock();
		try {
			if (source.isGone()) {
				return;
			}
			int now = this.other.pools().size() + this.named.size();
			if (now > 2 * this.swept + 16) {
				sweep();
			}
			seriesOf(source).add(new Series.Live(source, counts));
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Its own, if it has one or there is a place for one; under lock. */
	private Series seriesOf(Source source) {
		Series known = this.named.get(source.name());
		if (known != null && known.isOf(source)) {
			return known;
		}
		// If any, of a former source of that name, of whose end is still to be heard.
		if (this.named.remove(source.name()) != null) {
			changed();
		}
		if (this.named.size() >= this.most || isNamedAsTheRest(source.name())) {
			useOther();
			return this.other;
		}
		Series series = new Series(source.name(), source);
		this.named.put(source.name(), series);
		this.other.move(source, series);
		changed();
		return series;
	}

	private void useOther() {
		if (!this.hasOther) {
			this.hasOther = true;
			changed();
		}
	}

	@SuppressWarnings("NonAtomicVolatileUpdate") // under lock
	private void changed() {
		this.changes++;
	}

	/** It could not be told from the rest, so it is part of that. */
	static boolean isNamedAsTheRest(String name) {
		return name.equals(DatasourcesMeter.OTHER);
	}

	/** It was removed for good. */
	void removed(Source source) {
		this.lock.lock();
		try {
			Series series = this.named.get(source.name());
			if (series != null && series.isOf(source)) {
				this.named.remove(source.name());
				changed();
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Some are unavailable, which are to have series although they may have no pools.
	 * @param declared these
	 * @param all how many are, others too
	 */
	void unavailable(List<Source> declared, int all) {
		this.lock.lock();
		try {
			declared.stream().filter((source) -> !source.isGone()).forEach(this::seriesOf);
			if (all > unavailable()) {
				useOther();
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Forgets pools that are closed. */
	private void sweep() {
		this.other.sweep();
		this.named.values().forEach(Series::sweep);
		this.swept = this.other.pools().size() + this.named.size();
	}

	void clean() {
		this.lock.lock();
		try {
			sweep();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Lets those of the rest that are used most take the places of others. */
	void rank() {
		this.lock.lock();
		try {
			Map<String, Double> rest = new HashMap<>();
			Map<String, Source> sources = new HashMap<>();
			for (Series.Live pool : this.other.pools()) {
				double use = pool.rank();
				Source source = pool.source();
				if (!source.isGone() && !isNamedAsTheRest(source.name())) {
					rest.merge(source.name(), use, Double::sum);
					sources.put(source.name(), source);
				}
			}
			Map<Series, Double> own = new LinkedHashMap<>();
			this.named.values().forEach((series) -> own.put(series, series.rank()));
			// What is down is not used, and that it is must be seen.
			own.keySet().removeIf(Series::isUnavailable);
			List<Map.Entry<String, Double>> best = new ArrayList<>(rest.entrySet());
			best.sort(Map.Entry.<String, Double>comparingByValue().reversed());
			List<Map.Entry<Series, Double>> worst = new ArrayList<>(own.entrySet());
			worst.sort(Map.Entry.comparingByValue(Comparator.naturalOrder()));
			exchange(best, worst, sources);
		}
		finally {
			this.lock.unlock();
		}
	}

	private void exchange(List<Map.Entry<String, Double>> best, List<Map.Entry<Series, Double>> worst,
			Map<String, Source> sources) {
		int most = Math.min(Math.max(1, this.most / PART), worst.size());
		int gone = 0;
		for (Map.Entry<String, Double> each : best) {
			if (this.named.size() >= this.most) {
				if (gone >= most || each.getValue() <= MUCH * worst.get(gone).getValue() + MANY) {
					return;
				}
				Series loser = worst.get(gone++).getKey();
				this.named.remove(loser.tag());
				loser.moveAll(this.other);
				useOther();
			}
			seriesOf(Objects.requireNonNull(sources.get(each.getKey())));
		}
	}

}
