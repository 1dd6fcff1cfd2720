package io.multidb.jpa;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

import org.jspecify.annotations.Nullable;

/**
 * Remembers from which source an entity's instance came, for as long as the application
 * holds the instance: once its session is closed, Hibernate no longer knows. Thread-safe;
 * entries of instances that are gone are removed by whoever adds the next.
 */
final class LoadedEntities {

	private final ConcurrentMap<Object, String> sources = new ConcurrentHashMap<>();

	private final ReferenceQueue<Object> gone = new ReferenceQueue<>();

	void add(Object entity, String source) {
		for (Reference<?> next = this.gone.poll(); next != null; next = this.gone.poll()) {
			this.sources.remove(next);
		}
		this.sources.put(new Key(entity, this.gone), source);
	}

	@Nullable String sourceOf(Object entity) {
		return this.sources.get(new Probe(entity));
	}

	int size() {
		return this.sources.size();
	}

	/** An application's equals says nothing of where an instance came from. */
	private static final class Key extends WeakReference<Object> {

		private final int hash;

		Key(Object entity, ReferenceQueue<Object> gone) {
			super(entity, gone);
			this.hash = System.identityHashCode(entity);
		}

		@Override
		public int hashCode() {
			return this.hash;
		}

		@Override
		public boolean equals(@Nullable Object other) {
			if (this == other) {
				return true;
			}
			Object entity = get();
			return entity != null && other instanceof Key key && key.refersTo(entity);
		}

	}

	/** Looks up without a new reference for the garbage collector to handle. */
	private record Probe(Object entity) {

		@Override
		public int hashCode() {
			return System.identityHashCode(this.entity);
		}

		@Override
		public boolean equals(@Nullable Object other) {
			return other instanceof Key key && key.refersTo(this.entity);
		}

	}

}
