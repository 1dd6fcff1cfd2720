package io.multidb.routing;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;

import org.jspecify.annotations.Nullable;

import io.multidb.SourceUnavailableException;

/**
 * What this process knows of tenants' places, which never change. Thread-safe; of the
 * threads that ask for the same unknown tenant one goes and looks, and the others wait
 * for it. No lock is held meanwhile.
 */
final class Placements {

	/** Anybody may invent tenants, so there is an end to it. */
	private static final int MAX_KNOWN = 100_000;

	private static final Duration RETRY = Duration.ofSeconds(1);

	private final ShardMap map;

	private final Map<String, String> known = new ConcurrentHashMap<>();

	private final Map<String, CompletableFuture<String>> running = new ConcurrentHashMap<>();

	Placements(ShardMap map) {
		this.map = map;
	}

	/** The name of a tenant's source. */
	String find(String tenant, Shards shards) {
		String place = this.known.get(tenant);
		return (place != null) ? place : place(tenant, shards);
	}

	/** What is known already; {@code null} if it would have to be looked for. */
	@Nullable String known(String tenant) {
		return this.known.get(tenant);
	}

	boolean isKnown(String tenant) {
		return this.known.containsKey(tenant);
	}

	private String place(String tenant, Shards shards) {
		CompletableFuture<String> mine = new CompletableFuture<>();
		CompletableFuture<String> others = this.running.putIfAbsent(tenant, mine);
		if (others != null) {
			return await(others, tenant, shards);
		}
		try {
			String place = this.known.get(tenant);
			if (place == null) {
				place = this.map.place(tenant, shards);
				if (this.known.size() >= MAX_KNOWN) {
					this.known.clear();
				}
				this.known.put(tenant, place);
			}
			mine.complete(place);
			return place;
		}
		catch (Throwable ex) {
			mine.completeExceptionally(ex);
			throw ex;
		}
		finally {
			this.running.remove(tenant, mine);
		}
	}

	private static String await(CompletableFuture<String> others, String tenant, Shards shards) {
		try {
			return others.get();
		}
		catch (ExecutionException ex) {
			if (ex.getCause() instanceof SourceUnavailableException failure) {
				throw new SourceUnavailableException(failure.source(), String.valueOf(failure.getMessage()),
						failure.retryAfter(), failure);
			}
			throw new IllegalStateException("Tenant '" + tenant + "' could not be placed", ex.getCause());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(shards.preferredBy(tenant).get(0),
					"Interrupted while tenant '" + tenant + "' was being placed.", RETRY, ex);
		}
	}

}
