package io.multidb.cache;

import java.io.Serial;
import java.io.Serializable;

/**
 * A key of one source's entry. Serializable as far as the application's key is.
 *
 * @param source the source's identity, empty for what is cached without a target
 * @param key the application's key
 */
record SourceKey(String source, Object key) implements Serializable {

	@Serial
	private static final long serialVersionUID = 1L;

	/**
	 * The key under which an entry is kept. Text stays text, for caches that have only
	 * such keys; a source's identity has no colon, so no two sources' keys are equal.
	 */
	static Object of(String source, Object key) {
		return (key instanceof String text) ? source + ":" + text : new SourceKey(source, key);
	}

	static boolean isOf(String source, Object key) {
		return (key instanceof SourceKey its) ? its.source.equals(source)
				: key instanceof String text && text.startsWith(source + ":");
	}

	/** Some caches keep keys as text. */
	@Override
	public String toString() {
		return this.source + ":" + this.key;
	}

}
