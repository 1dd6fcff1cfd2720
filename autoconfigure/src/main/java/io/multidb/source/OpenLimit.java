package io.multidb.source;

import java.util.HashSet;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;

import org.jspecify.annotations.Nullable;

/**
 * So many sources may be open at the same time, of all or of one server, and which are.
 * Guarded by the lock of {@link OpenPools}, but for {@link #isWaitedFor()}.
 */
final class OpenLimit {

	private final int max;

	private final String property;

	private final String whose;

	/** In the order of what is known of their use, which {@link Place#look} corrects. */
	private final SortedSet<Place> open = new TreeSet<>(Place.BY_USE);

	private final Set<Place> opening = new HashSet<>();

	private final AtomicInteger waiting = new AtomicInteger();

	/**
	 * Creates a limit.
	 * @param max at least 1
	 * @param property where it was set
	 * @param whose which sources it is for, behind the word; empty for all
	 */
	OpenLimit(int max, String property, String whose) {
		this.max = max;
		this.property = property;
		this.whose = whose;
	}

	SortedSet<Place> open() {
		return this.open;
	}

	/** Without those that are open under the same limit. */
	Set<Place> opening() {
		return this.opening;
	}

	boolean isFull() {
		return this.open.size() + this.opening.size() >= this.max;
	}

	boolean isExceeded() {
		return this.open.size() + this.opening.size() > this.max;
	}

	/** Whether somebody waits for one of its sources to be idle. */
	boolean isWaitedFor() {
		return this.waiting.get() > 0;
	}

	void waiting(int more) {
		this.waiting.addAndGet(more);
	}

	/**
	 * The least recently used source that is idle. The order is that of what was known
	 * when it was looked last; a use since then is found out here, so that using a source
	 * costs nothing and finding one takes no longer where many are open.
	 * @param now the present
	 * @return {@code null} if none is idle
	 */
	@Nullable Place leastRecentlyUsed(int now) {
		while (!this.open.isEmpty()) {
			Place first = this.open.first();
			if (!first.look(now)) {
				return firstIdle();
			}
		}
		return null;
	}

	/** The first one is idle, or all are known to have been used just now. */
	private @Nullable Place firstIdle() {
		for (Place each : this.open) {
			if (each.isIdle()) {
				return each;
			}
		}
		return null;
	}

	/** Why there is no place. */
	String explain() {
		int connections = this.open.stream().mapToInt(Place::active).sum();
		return this.max + " sources" + this.whose + " may be open (" + this.property + "), " + this.open.size()
				+ " are and " + this.opening.size() + " are being opened, all of them in use with " + connections
				+ " connections in all; " + (this.waiting.get() - 1)
				+ " others wait. Raise it, or look for what keeps connections.";
	}

}
