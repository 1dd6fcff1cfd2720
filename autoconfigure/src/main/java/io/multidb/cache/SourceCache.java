package io.multidb.cache;

import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import org.springframework.cache.Cache;
import org.springframework.cache.support.AbstractValueAdaptingCache;
import org.springframework.util.ClassUtils;

/**
 * A cache in which each source has its own entries: every key is joined by the current
 * source's name. What is computed while the source's fallback is used is not kept, as the
 * source may say otherwise when it is back. As thread-safe as the cache it wraps.
 */
final class SourceCache implements Cache {

	private static final boolean CAFFEINE = ClassUtils.isPresent("com.github.benmanes.caffeine.cache.Cache",
			SourceCache.class.getClassLoader());

	private final Cache cache;

	private final Supplier<String> source;

	private final BooleanSupplier fallenBack;

	/**
	 * Wraps a cache.
	 * @param source says which source is current
	 * @param fallenBack says whether its fallback is used in its place
	 */
	SourceCache(Cache cache, Supplier<String> source, BooleanSupplier fallenBack) {
		this.cache = cache;
		this.source = source;
		this.fallenBack = fallenBack;
	}

	private Object key(Object key) {
		return SourceKey.of(this.source.get(), key);
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
		return this.cache.get(key(key));
	}

	@Override
	public <T> @Nullable T get(Object key, @Nullable Class<T> type) {
		return this.cache.get(key(key), type);
	}

	@Override
	public <T> @Nullable T get(Object key, Callable<T> valueLoader) {
		AtomicReference<@Nullable NotKept<T>> notKept = new AtomicReference<>();
		try {
			return this.cache.get(key(key), () -> {
				T value = valueLoader.call();
				if (this.fallenBack.getAsBoolean()) {
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

	/** A value that was computed while a fallback was used; may be {@code null}. */
	private record NotKept<T>(@Nullable T value) {
	}

	@Override
	public @Nullable CompletableFuture<?> retrieve(Object key) {
		return this.cache.retrieve(key(key));
	}

	@Override
	public <T> CompletableFuture<T> retrieve(Object key, Supplier<CompletableFuture<T>> valueLoader) {
		return this.cache.retrieve(key(key), valueLoader);
	}

	@Override
	public void put(Object key, @Nullable Object value) {
		if (!this.fallenBack.getAsBoolean()) {
			this.cache.put(key(key), value);
		}
	}

	@Override
	public @Nullable ValueWrapper putIfAbsent(Object key, @Nullable Object value) {
		return this.fallenBack.getAsBoolean() ? get(key) : this.cache.putIfAbsent(key(key), value);
	}

	@Override
	public void evict(Object key) {
		this.cache.evict(key(key));
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
			removeMine(entries);
		}
	}

	@Override
	public boolean invalidate() {
		Map<?, ?> entries = entries();
		return (entries != null) ? removeMine(entries) : this.cache.invalidate();
	}

	private boolean removeMine(Map<?, ?> entries) {
		String mine = this.source.get();
		return entries.keySet().removeIf((key) -> SourceKey.isOf(mine, key));
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
