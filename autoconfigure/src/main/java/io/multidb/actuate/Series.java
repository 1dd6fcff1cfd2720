package io.multidb.actuate;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;

import org.jspecify.annotations.Nullable;

import io.multidb.source.LeaseCounts;
import io.multidb.source.LeaseCounts.Totals;
import io.multidb.source.PoolState;
import io.multidb.source.Source;
import io.multidb.source.SourceState;

/**
 * What the meters of one value of the tag {@code source} say: of one source, or of all
 * that have none of their own. What is counted of a pool is counted here from when it
 * came until it left, so that nothing is counted twice and no sum becomes less.
 * <p>
 * Changed under the lock of {@link AllSeries}, and read so but for what is final or
 * volatile.
 */
final class Series {

	/** A pool that is counted here. */
	static final class Live {

		private final Source source;

		private final LeaseCounts counts;

		/** What it had when it came here. */
		private Totals base = Totals.NONE;

		private long ranked;

		private double use;

		Live(Source source, LeaseCounts counts) {
			this.source = source;
			this.counts = counts;
		}

		Source source() {
			return this.source;
		}

		/** How much it has been used lately: the last interval counts most. */
		double rank() {
			long leases = this.counts.totals().leases();
			this.use = this.use / 2 + (leases - this.ranked);
			this.ranked = leases;
			return this.use;
		}

		private Totals here() {
			return this.counts.totals().minus(this.base);
		}

	}

	private final String tag;

	private final List<Live> pools = new ArrayList<>();

	/** Of pools that are not here any more. */
	private Totals settled = Totals.NONE;

	/** The last one known by this name; {@code null} for those without their own. */
	private volatile @Nullable Source source;

	/** Of HikariCP's own, one for each registry; changed as meters are made. */
	private final List<HikariTimers> hikari = new CopyOnWriteArrayList<>();

	/** How much pools were used lately that are closed. */
	private double use;

	Series(String tag, @Nullable Source source) {
		this.tag = tag;
		this.source = source;
	}

	String tag() {
		return this.tag;
	}

	@Nullable Source source() {
		return this.source;
	}

	List<HikariTimers> hikari() {
		return this.hikari;
	}

	/** Whether it is of this source, or of what a template made anew in its place. */
	boolean isOf(Source asked) {
		Source own = this.source;
		return own != null && own.identity().equals(asked.identity());
	}

	void add(Live pool) {
		if (this.source != null) {
			this.source = pool.source;
		}
		this.pools.add(pool);
	}

	/** Moves the pools of a source, which are counted there from now on. */
	void move(Source moved, Series to) {
		move((pool) -> pool.source.identity().equals(moved.identity()), to);
	}

	void moveAll(Series to) {
		move((pool) -> true, to);
	}

	private void move(Predicate<Live> which, Series to) {
		for (Iterator<Live> each = this.pools.iterator(); each.hasNext();) {
			Live pool = each.next();
			if (which.test(pool)) {
				each.remove();
				Totals now = pool.counts.totals();
				this.settled = this.settled.plus(now.minus(pool.base));
				pool.base = now;
				to.add(pool);
			}
		}
	}

	/** Forgets pools that are closed, but not what was counted of them. */
	void sweep() {
		for (Iterator<Live> each = this.pools.iterator(); each.hasNext();) {
			Live pool = each.next();
			if (pool.counts.isOver()) {
				// Halved when it is asked for.
				this.use += 2 * pool.rank();
				this.settled = this.settled.plus(pool.here());
				each.remove();
			}
		}
	}

	List<Live> pools() {
		return this.pools;
	}

	double rank() {
		this.use /= 2;
		double sum = this.use;
		for (Live pool : this.pools) {
			sum += pool.rank();
		}
		return sum;
	}

	Totals totals() {
		Totals sum = this.settled;
		for (Live pool : this.pools) {
			sum = sum.plus(pool.here());
		}
		return sum;
	}

	/** Of the pools that are open now. */
	long sum(ToLongFunction<PoolState> figure) {
		return sumOf((each) -> {
			PoolState state = each.poolState();
			return (state != null) ? figure.applyAsLong(state) : 0;
		});
	}

	long sumOf(ToLongFunction<Source> figure) {
		Source own = this.source;
		if (own != null) {
			return figure.applyAsLong(own);
		}
		Set<Source> sources = new HashSet<>();
		long sum = 0;
		for (Live pool : this.pools) {
			sum += sources.add(pool.source) ? figure.applyAsLong(pool.source) : 0;
		}
		return sum;
	}

	boolean isUnavailable() {
		Source own = this.source;
		return own != null && own.state() instanceof SourceState.Unavailable;
	}

}
