package io.multidb.routing;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.jspecify.annotations.Nullable;

import io.multidb.SourceUnavailableException;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * What this process knows of tenants' places, which never change. Thread-safe; of the
 * threads that ask for the same unknown tenant one goes and looks, and the others wait
 * for it, as long as they would wait for a connection. No lock is held meanwhile.
 */
final class Placements {

	/** Anybody may invent tenants, so there is an end to it. */
	private static final int MAX_KNOWN = 100_000;

	private static final Duration RETRY = Duration.ofSeconds(1);

	private final ShardMap map;

	private final SourceRegistry registry;

	private final Map<String, String> known = new ConcurrentHashMap<>();

	private final Map<String, Placement> running = new ConcurrentHashMap<>();

	/** A look-up under way; ends with nothing if only its own thread failed. */
	private static final class Placement {

		private final Thread owner = Thread.currentThread();

		private final CompletableFuture<@Nullable String> end = new CompletableFuture<>();

	}

	Placements(ShardMap map, SourceRegistry registry) {
		this.map = map;
		this.registry = registry;
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
		Placement mine = new Placement();
		while (true) {
			Placement others = this.running.putIfAbsent(tenant, mine);
			String place = (others != null) ? await(others, tenant, shards) : place(mine, tenant, shards);
			if (place != null) {
				return place;
			}
		}
	}

	private String place(Placement mine, String tenant, Shards shards) {
		String place = null;
		Throwable failure = null;
		try {
			place = this.known.get(tenant);
			if (place == null) {
				place = this.map.place(tenant, shards);
				if (this.known.size() >= MAX_KNOWN) {
					this.known.clear();
				}
				this.known.put(tenant, place);
			}
			return place;
		}
		catch (Throwable ex) {
			failure = Comparison.isOverForThisThread() ? null : ex;
			throw ex;
		}
		finally {
			this.running.remove(tenant, mine);
			if (failure != null) {
				mine.end.completeExceptionally(failure);
			}
			else {
				mine.end.complete(place);
			}
		}
	}

	/** {@code null} if the other thread has given up for reasons of its own. */
	private @Nullable String await(Placement others, String tenant, Shards shards) {
		String source = shards.preferredBy(tenant).get(0);
		if (others.owner.equals(Thread.currentThread())) {
			throw new SourceUnavailableException(source, "Tenant '" + tenant
					+ "' is being placed by this very thread: what runs while its source is opened, such as a listener of"
					+ " SourceEvent.Opened or a migration, must not use the tenant. Name the source there with"
					+ " SourceContext.enter(…), or do that on another thread, without waiting for it.", RETRY, null);
		}
		Duration patience = patience(source);
		try {
			return others.end.get(patience.toMillis(), TimeUnit.MILLISECONDS);
		}
		catch (ExecutionException ex) {
			if (ex.getCause() instanceof SourceUnavailableException failure) {
				throw new SourceUnavailableException(failure.source(), String.valueOf(failure.getMessage()),
						failure.retryAfter(), failure);
			}
			throw new IllegalStateException("Tenant '" + tenant + "' could not be placed", ex.getCause());
		}
		catch (TimeoutException ex) {
			throw new SourceUnavailableException(source, "Tenant '" + tenant + "' is still being placed by the thread '"
					+ others.owner.getName() + "' after " + patience.toMillis() + " ms. Try again later.", RETRY, null);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(source, "Interrupted while tenant '" + tenant + "' was being placed.",
					RETRY, ex);
		}
	}

	/** As long as for a connection; one that is unknown is not waited for. */
	private Duration patience(String name) {
		Source source = this.registry.find(name);
		return (source != null) ? source.patience() : RETRY;
	}

}
