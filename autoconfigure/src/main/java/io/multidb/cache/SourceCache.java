package io.multidb.cache;

import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import org.springframework.cache.Cache;
import org.springframework.cache.support.AbstractValueAdaptingCache;
import org.springframework.util.ClassUtils;

import io.multidb.Scope;

/**
 * A cache in which each source has its own entries: every key is joined by the current
 * source's identity. What is computed while the source's fallback is used is not kept, as
 * the source may say otherwise when it is back. As thread-safe as the cache it wraps.
 */
final class SourceCache implements Cache {

	private static final boolean CAFFEINE = ClassUtils.isPresent("com.github.benmanes.caffeine.cache.Cache",
			SourceCache.class.getClassLoader());

	private final Cache cache;

	private final CurrentSource source;

	SourceCache(Cache cache, CurrentSource source) {
		this.cache = cache;
		this.source = source;
	}

	/** For one that is by source already, another view of it. */
	static SourceCache of(Cache cache, CurrentSource source) {
		return new SourceCache((cache instanceof SourceCache its) ? its.cache : cache, source);
	}

	/** Where what is cached comes from. */
	interface CurrentSource {

		/**
		 * The source of the calling thread's target.
		 * @return its identity, or an empty text without a target
		 */
		String identity();

		/**
		 * Refuses what is kept of the source to whoever may not read there: it needs no
		 * connection, at which he would be refused.
		 */
		void check();

		/**
		 * Whether the work of the calling thread began on another source, since replaced,
		 * or its tenant was mapped to another since: a transaction goes on there, and
		 * what it reads is not kept for the new one; or is done on the source's fallback.
		 */
		boolean hasMoved();

		/**
		 * The same for the calling thread's target, whichever thread asks.
		 */
		CachedSources.Call ofThisCall();

		/**
		 * Another source on which the work was done, against expectation: what it changed
		 * there is not to be found in the cache any more, either.
		 * @return its identity, or {@code null} if there was none
		 */
		default @Nullable String changed() {
			return null;
		}

	}

	/** Asked for before {@code hasMoved}: the source may be replaced in between. */
	private Object key(Object key) {
		return SourceKey.of(this.source.identity(), key);
	}

	private Object readKey(Object key) {
		this.source.check();
		return key(key);
	}

	@Override
	public String getName() {
		return this.cache.getName();
	}

	/** With the entries of all sources. */
	@Override
	public Object getNativeCache() {
		return this.cache.getNativeCache();
	}

	@Override
	public @Nullable ValueWrapper get(Object key) {
		return this.cache.get(readKey(key));
	}

	@Override
	public <T> @Nullable T get(Object key, @Nullable Class<T> type) {
		return this.cache.get(readKey(key), type);
	}

	@Override
	public <T> @Nullable T get(Object key, Callable<T> valueLoader) {
		Object its = readKey(key);
		if (!this.source.hasMoved()) {
			return load(its, valueLoader);
		}
		try {
			return valueLoader.call();
		}
		catch (Exception ex) {
			throw new ValueRetrievalException(key, valueLoader, ex);
		}
	}

	/**
	 * Whose work it is may be decided by the loader's first statement only, and its
	 * tenant may be mapped to another source while it goes on.
	 */
	private <T> @Nullable T load(Object its, Callable<T> valueLoader) {
		AtomicReference<@Nullable NotKept<T>> notKept = new AtomicReference<>();
		try {
			return this.cache.get(its, () -> {
				T value = valueLoader.call();
				if (this.source.hasMoved()) {
					notKept.set(new NotKept<>(value));
					throw new IllegalStateException("not to be kept");
				}
				return value;
			});
		}
		catch (RuntimeException ex) {
			NotKept<T> value = notKept.get();
			if (value == null) {
				throw ex;
			}
			return value.value();
		}
	}

	/** A value that the source itself may not give; may be {@code null}. */
	private record NotKept<T>(@Nullable T value) {
	}

	@Override
	public @Nullable CompletableFuture<?> retrieve(Object key) {
		return this.cache.retrieve(readKey(key));
	}

	@Override
	public <T> CompletableFuture<T> retrieve(Object key, Supplier<CompletableFuture<T>> valueLoader) {
		Object its = readKey(key);
		CachedSources.Call call = this.source.ofThisCall();
		if (call.hasMoved()) {
			return valueLoader.get();
		}
		return this.cache.retrieve(its, () -> load(call, valueLoader)).whenComplete((value, failure) -> {
			if (call.hasMoved()) {
				this.cache.evict(its);
			}
		});
	}

	/** On a thread of the cache's own, with some. */
	private static <T> CompletableFuture<T> load(CachedSources.Call call, Supplier<CompletableFuture<T>> valueLoader) {
		try (Scope scope = call.target().enter()) {
			return valueLoader.get();
		}
	}

	@Override
	public void put(Object key, @Nullable Object value) {
		Object its = key(key);
		if (this.source.hasMoved()) {
			evict(key);
		}
		else {
			this.cache.put(its, value);
		}
	}

	@Override
	public @Nullable ValueWrapper putIfAbsent(Object key, @Nullable Object value) {
		Object its = readKey(key);
		return this.source.hasMoved() ? get(key) : this.cache.putIfAbsent(its, value);
	}

	@Override
	public void evict(Object key) {
		this.cache.evict(key(key));
		String changed = this.source.changed();
		if (changed != null) {
			this.cache.evict(SourceKey.of(changed, key));
		}
	}

	@Override
	public boolean evictIfPresent(Object key) {
		return this.cache.evictIfPresent(key(key));
	}

	/**
	 * Clears the current source's entries; where they cannot be told from others', all.
	 */
	@Override
	public void clear() {
		Map<?, ?> entries = entries();
		if (entries == null) {
			this.cache.clear();
		}
		else {
			boolean unused = remove(entries, this.source.identity());
			String changed = this.source.changed();
			unused = changed != null && remove(entries, changed);
		}
	}

	@Override
	public boolean invalidate() {
		Map<?, ?> entries = entries();
		return (entries != null) ? remove(entries, this.source.identity()) : this.cache.invalidate();
	}

	private static boolean remove(Map<?, ?> entries, String source) {
		return entries.keySet().removeIf((key) -> SourceKey.isOf(source, key));
	}

	/**
	 * The entries, where there is nothing between them and the cache, such as a decorator
	 * that waits for a transaction's end.
	 */
	private @Nullable Map<?, ?> entries() {
		if (!(this.cache instanceof AbstractValueAdaptingCache)) {
			return null;
		}
		Object entries = this.cache.getNativeCache();
		if (entries instanceof Map<?, ?> map) {
			return map;
		}
		return CAFFEINE ? Caffeine.entries(entries) : null;
	}

	@Override
	public String toString() {
		return this.cache + " by source";
	}

	/** Its classes are loaded only where they are there. */
	private static final class Caffeine {

		static @Nullable Map<?, ?> entries(Object cache) {
			return (cache instanceof com.github.benmanes.caffeine.cache.Cache<?, ?> caffeine) ? caffeine.asMap() : null;
		}

	}

}
