package io.multidb.catalog;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

import org.jspecify.annotations.Nullable;

import org.springframework.dao.DataAccessException;

import io.multidb.SourceUnavailableException;
import io.multidb.routing.MappingStore;

/**
 * Keeps mappings of tenants to sources in the catalog. What was saved is what
 * {@link #load()} gives afterwards, once a transaction that it was part of is over; if
 * that is rolled back, those who listen are told. Thread-safe.
 * <p>
 * Listeners are told by a thread of its own: they take locks that are held by whoever
 * saves, and must not keep the one that reads from reading.
 */
final class CatalogMappings implements MappingStore, AutoCloseable {

	private static final Duration TIMEOUT = Duration.ofSeconds(5);

	private static final Duration RETRY = Duration.ofSeconds(1);

	private final Catalog catalog;

	private final CatalogReader reader;

	private final String source;

	private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

	/** The last revision that was made here: what is loaded is not older. */
	private final AtomicLong saved = new AtomicLong();

	private final AtomicBoolean telling = new AtomicBoolean();

	private final ThreadPoolExecutor teller;

	CatalogMappings(Catalog catalog, CatalogReader reader, String source) {
		this.catalog = catalog;
		this.reader = reader;
		this.source = source;
		this.teller = new ThreadPoolExecutor(1, 1, 2, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), (task) -> {
			Thread thread = new Thread(task, "multidb-mappings");
			thread.setDaemon(true);
			return thread;
		}, new ThreadPoolExecutor.DiscardPolicy());
		this.teller.allowCoreThreadTimeOut(true);
		reader.onMappingsChange(this::tell);
	}

	private void tell() {
		if (!this.listeners.isEmpty() && this.telling.compareAndSet(false, true)) {
			this.teller.execute(() -> {
				this.telling.set(false);
				this.listeners.forEach(Runnable::run);
			});
		}
	}

	@Override
	public Map<String, String> load() {
		if (this.reader.definitions() == null || !this.reader.awaitRevision(this.saved.get(), TIMEOUT)) {
			String error = this.reader.status().error();
			throw new SourceUnavailableException(this.source,
					"The " + this.reader.name() + " could not be read" + ((error != null) ? ": " + error : " yet."),
					RETRY, null);
		}
		return Map.copyOf(this.reader.mappings());
	}

	@Override
	public void save(String tenant, String source) {
		write(null, (tables, connection) -> {
			tables.saveMapping(connection, tenant, source);
			return true;
		});
	}

	@Override
	public void remove(String tenant) {
		write("mapping", (tables, connection) -> tables.delete(connection, "mapping", tenant));
	}

	private void write(@Nullable String removedFrom, Catalog.Change change) {
		try {
			long revision = this.catalog.write(removedFrom, change, (made) -> {
				this.saved.accumulateAndGet(made, Math::max);
				tell();
			}).revision();
			this.saved.accumulateAndGet(revision, Math::max);
		}
		catch (DataAccessException ex) {
			throw new SourceUnavailableException(this.source, "The " + this.reader.name()
					+ " could not keep a mapping: " + ex.getMostSpecificCause().getMessage(), RETRY, ex);
		}
	}

	@Override
	public void whenChanged(Runnable changed) {
		this.listeners.add(changed);
	}

	@Override
	public void close() {
		this.teller.shutdownNow();
	}

}
