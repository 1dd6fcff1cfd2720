package io.multidb.fanout;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;

/**
 * The first rows by an order, or by the order of the sources where there is none. Of one
 * source not more is kept than may become part of the result.
 */
final class RowMerge<T> implements Merge<T, List<RowMerge.Ranked<T>>> {

	/** A row with its place among all, which decides where the order does not. */
	record Ranked<T>(FanOutResult.Row<T> row, int source, long number) {
	}

	private final @Nullable Comparator<? super T> order;

	private final Comparator<Ranked<T>> ranking;

	/** Of all sources; {@code Integer.MAX_VALUE} for any number. */
	private final int limit;

	private final int perSource;

	private List<Ranked<T>> merged = new ArrayList<>();

	RowMerge(@Nullable Comparator<? super T> order, int limit, int perSource) {
		this.order = order;
		this.limit = limit;
		this.perSource = Math.min(limit, perSource);
		Comparator<Ranked<T>> byPlace = Comparator.<Ranked<T>>comparingInt(Ranked::source)
			.thenComparingLong(Ranked::number);
		this.ranking = (order == null) ? byPlace
				: ((Comparator<Ranked<T>>) (one, other) -> order.compare(one.row.value(), other.row.value()))
					.thenComparing(byPlace);
	}

	@Override
	public Part<List<Ranked<T>>> read(int index, String source, Iterator<? extends T> rows) {
		return (this.order == null) ? readFirst(index, source, rows) : readBest(index, source, rows, this.order);
	}

	private Part<List<Ranked<T>>> readFirst(int index, String source, Iterator<? extends T> rows) {
		List<Ranked<T>> first = new ArrayList<>();
		while (first.size() < this.perSource && rows.hasNext()) {
			first.add(new Ranked<>(new FanOutResult.Row<>(source, rows.next()), index, first.size()));
		}
		return new Part<>(first, first.size());
	}

	private Part<List<Ranked<T>>> readBest(int index, String source, Iterator<? extends T> rows,
			Comparator<? super T> order) {
		// The worst of the best is on top.
		PriorityQueue<Ranked<T>> best = new PriorityQueue<>(this.ranking.reversed());
		long count = 0;
		while (rows.hasNext()) {
			T value = rows.next();
			// A row that cannot be compared is this source's fault, and no other's.
			int unused = order.compare(value, value);
			Ranked<T> row = new Ranked<>(new FanOutResult.Row<>(source, value), index, count++);
			Ranked<T> worst = (best.size() == this.perSource) ? best.peek() : null;
			if (worst == null) {
				best.add(row);
			}
			else if (this.ranking.compare(row, worst) < 0) {
				Ranked<T> unusedRow = best.poll();
				best.add(row);
			}
		}
		List<Ranked<T>> sorted = new ArrayList<>(best);
		sorted.sort(this.ranking);
		return new Part<>(sorted, count);
	}

	/**
	 * Where there is no limit, sorting at the end costs less than keeping sorted.
	 */
	@Override
	public void add(List<Ranked<T>> part) {
		if (this.limit == Integer.MAX_VALUE) {
			this.merged.addAll(part);
			return;
		}
		List<Ranked<T>> both = new ArrayList<>(Math.min(this.limit, this.merged.size() + part.size()));
		int i = 0;
		int j = 0;
		while (both.size() < this.limit && (i < this.merged.size() || j < part.size())) {
			boolean old = j == part.size()
					|| (i < this.merged.size() && this.ranking.compare(this.merged.get(i), part.get(j)) < 0);
			both.add(old ? this.merged.get(i++) : part.get(j++));
		}
		this.merged = both;
	}

	/** Only once. */
	List<FanOutResult.Row<T>> rows() {
		if (this.limit == Integer.MAX_VALUE) {
			this.merged.sort(this.ranking);
		}
		return this.merged.stream().map(Ranked::row).collect(Collectors.toUnmodifiableList());
	}

}
