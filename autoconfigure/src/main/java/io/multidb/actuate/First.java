package io.multidb.actuate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * The first few of many, which are found without sorting them all. Of one thread.
 *
 * @param <T> of what
 */
final class First<T> {

	private final int count;

	private final Comparator<T> order;

	/** The last of those that are kept comes first. */
	private final PriorityQueue<T> kept;

	private int total;

	/**
	 * Begins with none.
	 * @param count how many are kept
	 * @param order which come first
	 */
	First(int count, Comparator<T> order) {
		this.count = count;
		this.order = order;
		this.kept = new PriorityQueue<>(order.reversed());
	}

	void add(T one) {
		this.total++;
		if (this.kept.size() < this.count) {
			this.kept.add(one);
		}
		else if (this.order.compare(one, this.kept.element()) < 0) {
			this.kept.remove();
			this.kept.add(one);
		}
	}

	/** How many were added. */
	int total() {
		return this.total;
	}

	/** Those that are kept, in order. */
	List<T> sorted() {
		List<T> sorted = new ArrayList<>(this.kept);
		sorted.sort(this.order);
		return sorted;
	}

}
