package io.multidb.catalog;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

import org.springframework.dao.DataAccessException;

import io.multidb.SourceUnavailableException;
import io.multidb.routing.NumberedMappingStore;

/**
 * Keeps mappings of tenants to sources in the catalog, numbered by its revision, whose
 * row is locked from a change to the end of its transaction. What is read is what this
 * node knows, and may be older than what was changed. Thread-safe.
 * <p>
 * Listeners are told by a thread of its own: they must not keep the one that reads from
 * reading.
 */
final class CatalogMappings implements NumberedMappingStore, AutoCloseable {

	private static final Duration RETRY = Duration.ofSeconds(1);

	private final Catalog catalog;

	private final CatalogReader reader;

	private final String source;

	private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

	private final AtomicBoolean telling = new AtomicBoolean();

	/** Held while what was read is taken in, and while nothing is asked. */
	private final Object reading = new Object();

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

	/** By one thread at a time, so that what was read later is also taken later. */
	@Override
	public <T> T read(Function<Contents, T> taken) {
		synchronized (this.reading) {
			return taken.apply(contents());
		}
	}

	private Contents contents() {
		Contents contents = this.reader.mappings();
		if (contents == null) {
			String error = this.reader.status().error();
			throw new SourceUnavailableException(this.source,
					"The " + this.reader.name() + " could not be read" + ((error != null) ? ": " + error : " yet."),
					RETRY, null);
		}
		return contents;
	}

	@Override
	public void change(String tenant, @Nullable String source, Consumer<@Nullable Revision> kept) {
		Revision before = Objects.requireNonNull(contents().revision());
		try {
			this.catalog.write((source == null) ? "mapping" : null, (tables, connection) -> {
				if (source == null) {
					return tables.delete(connection, "mapping", tenant);
				}
				tables.saveMapping(connection, tenant, source);
				return true;
			}, (made) -> kept.accept(revision(before, made)));
		}
		catch (DataAccessException ex) {
			throw new SourceUnavailableException(this.source, "The " + this.reader.name()
					+ " could not keep a mapping: " + ex.getMostSpecificCause().getMessage(), RETRY, ex);
		}
	}

	/** Only where an older state was put back, a change has a number that was read. */
	private Revision revision(Revision before, long made) {
		if (made > before.number()) {
			return new Revision(before.restored(), made);
		}
		this.reader.readAnew();
		return new Revision(before.restored() + 1, made);
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
