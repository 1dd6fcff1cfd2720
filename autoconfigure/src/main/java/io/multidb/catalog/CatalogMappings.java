package io.multidb.catalog;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;

import org.jspecify.annotations.Nullable;

import org.springframework.dao.DataAccessException;

import io.multidb.SourceUnavailableException;
import io.multidb.routing.NumberedMappingStore;
import io.multidb.source.DaemonThreads;

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

	private final Writer writer;

	private final CatalogReader reader;

	private final String source;

	private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

	/** Held while what was read is taken in, and while nothing is asked. */
	private final Object reading = new Object();

	private final ThreadPoolExecutor teller;

	/** Changes the catalog's tables. */
	interface Writer {

		/** See {@link Catalog#write}. */
		Catalog.Written write(@Nullable String removedFrom, Catalog.Change change,
				Consumer<@Nullable Revision> committed);

	}

	CatalogMappings(Writer writer, CatalogReader reader, String source) {
		this(writer, reader, source, DaemonThreads.named("multidb-mappings"));
	}

	CatalogMappings(Writer writer, CatalogReader reader, String source, ThreadFactory threads) {
		this.writer = writer;
		this.reader = reader;
		this.source = source;
		this.teller = new ThreadPoolExecutor(1, 1, 2, TimeUnit.SECONDS, new ArrayBlockingQueue<>(1), threads,
				new ThreadPoolExecutor.DiscardPolicy());
		this.teller.allowCoreThreadTimeOut(true);
		reader.onMappingsChange(this::tell);
	}

	/** Of those that have not begun yet one is enough: it finds all that was read. */
	private void tell() {
		if (!this.listeners.isEmpty()) {
			this.teller.execute(() -> this.listeners.forEach(Runnable::run));
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
		Contents contents = this.reader.known().mappings();
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
		try {
			this.writer.write((source == null) ? "mapping" : null, (tables, connection) -> {
				if (source == null) {
					return tables.delete(connection, "mapping", tenant);
				}
				tables.saveMapping(connection, tenant, source);
				return true;
			}, kept);
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
