package io.multidb.source;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * Which of its name a source is, so that nothing of a former one is taken for its own. Of
 * names whose sources were removed, it remembers as many as may matter; all others have
 * the number that none of those which it has forgotten has reached. Thread-safe.
 */
final class Generations {

	static final int REMEMBERED = 10_000;

	/** How many there have been of a name, the oldest first; guarded by this. */
	private final Map<String, Integer> former = new LinkedHashMap<>();

	/** How many there may have been of any other; guarded by this. */
	private int forgotten;

	/** The next one of a name, from 1 on. */
	synchronized int next(String name) {
		return 1 + this.former.getOrDefault(name, this.forgotten);
	}

	/** There has been one of a name, or may have been. */
	synchronized void ended(String name) {
		int last = next(name);
		this.former.remove(name);
		this.former.put(name, last);
		if (this.former.size() > REMEMBERED) {
			String oldest = this.former.keySet().iterator().next();
			this.forgotten = Math.max(this.forgotten, Objects.requireNonNull(this.former.remove(oldest)));
		}
	}

}
