package io.multidb.routing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.InvalidTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * Tenants that are mapped to a source at run time, whatever the routes say.
 * <p>
 * A scope that is open keeps the source that it has used; each that is entered after
 * {@link #map} or {@link #unmap} has returned goes to the new one, on every thread. So
 * does one of the same tenant that is entered inside the open scope, which is refused
 * like any switch while a transaction or session of the old source is open.
 * <p>
 * Thread-safe. Looking a mapping up takes no lock; changes are serialized by
 * {@code changes}, which is held while the store is asked.
 */
public final class TenantMappings {

	private static final Logger logger = LoggerFactory.getLogger(TenantMappings.class);

	/** So long a store that could not be read is not asked again. */
	private static final Duration RETRY = Duration.ofSeconds(1);

	/** So long another thread's change is waited for. */
	private static final Duration CHANGES_TIMEOUT = Duration.ofSeconds(5);

	private final SourceRegistry registry;

	private final MappingStore store;

	private final Consumer<MappingEvent> events;

	private final ReentrantLock changes = new ReentrantLock();

	private final Map<String, Mapping> mappings = new ConcurrentHashMap<>();

	/** The number of the last change; set when it is in {@code mappings}. */
	private volatile long version;

	/** The number of the last change by which a tenant lost its mapping. */
	private volatile long unmapped;

	private volatile boolean loaded;

	/** Why the store could not be read, and until when that is good enough an answer. */
	private volatile @Nullable Failure failure;

	/**
	 * Where a tenant goes.
	 *
	 * @param source the source's name
	 * @param version the number of the change
	 */
	private record Mapping(String source, long version) {
	}

	private record Failure(SourceUnavailableException why, long until) {
	}

	/**
	 * Creates the mappings; they are loaded at the first use.
	 * @param registry where sources are found
	 * @param store where mappings are kept beside
	 * @param events is told of changes
	 */
	public TenantMappings(SourceRegistry registry, MappingStore store, Consumer<MappingEvent> events) {
		this.registry = registry;
		this.store = store;
		this.events = events;
		this.loaded = store.equals(MappingStore.NONE);
		store.whenChanged(this::reload);
	}

	/**
	 * Maps a tenant to a source, in place of what it was mapped to before.
	 * @param tenant the tenant's id
	 * @param source the name of a source that tenants may reach
	 * @throws InvalidTenantException if the id is malformed
	 * @throws UnknownSourceException if there is no such source, or it is internal or a
	 * template's, and therefore none for tenants
	 * @throws SourceUnavailableException if the store cannot keep it; nothing has changed
	 */
	public void map(String tenant, String source) {
		TenantContext.check(tenant);
		check(source);
		Mapping former;
		lockChanges(source);
		try {
			load();
			this.store.save(tenant, source);
			former = put(tenant, source);
		}
		finally {
			this.changes.unlock();
		}
		if (former == null || !former.source().equals(source)) {
			tell(new MappingEvent.Mapped(tenant, source, (former != null) ? former.source() : null));
		}
	}

	/**
	 * Not for ever: who has it may wait in the store's database for a transaction in
	 * which this thread has changed a mapping before.
	 */
	private void lockChanges(String what) {
		boolean interrupted = false;
		try {
			if (this.changes.tryLock(CHANGES_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)) {
				return;
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			interrupted = true;
		}
		throw new SourceUnavailableException(what, interrupted ? "Interrupted before a mapping could be changed."
				: "Mappings were being changed for longer than " + CHANGES_TIMEOUT.toSeconds()
						+ " s, perhaps by who waits for the transaction that is open on this thread: end that, and try again.",
				RETRY, null);
	}

	/**
	 * Lets a tenant go where the routes lead.
	 * @param tenant the tenant's id
	 * @return whether it was mapped
	 * @throws SourceUnavailableException if the store cannot be changed; nothing has
	 */
	public boolean unmap(String tenant) {
		Mapping former;
		lockChanges(tenant);
		try {
			load();
			this.store.remove(TenantContext.check(tenant));
			former = remove(tenant);
		}
		finally {
			this.changes.unlock();
		}
		if (former != null) {
			tell(new MappingEvent.Unmapped(tenant, former.source()));
		}
		return former != null;
	}

	/**
	 * The source a tenant is mapped to.
	 * @param tenant the tenant's id
	 * @return the source's name, or {@code null} if the routes decide
	 * @throws SourceUnavailableException if the store could not be read yet
	 */
	public @Nullable String find(String tenant) {
		ensureLoaded();
		Mapping mapping = this.mappings.get(tenant);
		return (mapping != null) ? mapping.source() : null;
	}

	/**
	 * All mappings.
	 * @return a snapshot: sources' names by tenant, sorted
	 * @throws SourceUnavailableException if the store could not be read yet
	 */
	public Map<String, String> all() {
		ensureLoaded();
		Map<String, String> all = new TreeMap<>();
		this.mappings.forEach((tenant, mapping) -> all.put(tenant, mapping.source()));
		return all;
	}

	/**
	 * Some of the tenants that are mapped to a source.
	 * @param source the source's name
	 * @param limit how many at most
	 * @return a snapshot in no order; all of them, if they are fewer than the limit
	 * @throws SourceUnavailableException if the store could not be read yet
	 */
	public List<String> tenantsOf(String source, int limit) {
		ensureLoaded();
		return this.mappings.entrySet()
			.stream()
			.filter((each) -> each.getValue().source().equals(source))
			.map(Map.Entry::getKey)
			.limit(limit)
			.toList();
	}

	/** The number of the last change. */
	long version() {
		return this.version;
	}

	/** Whether a tenant's mapping may have changed since. */
	boolean isChangedSince(long version, String tenant) {
		if (version == this.version) {
			return false;
		}
		Mapping mapping = this.mappings.get(tenant);
		return ((mapping != null) ? mapping.version() : this.unmapped) > version;
	}

	private void check(String name) {
		if (this.registry.isTemplate(name)) {
			throw new UnknownSourceException(name,
					"It is a template: its tenants are those of its route, and no other can be mapped to it.");
		}
		Source source = this.registry.find(name);
		if (source == null || source.isGone()) {
			throw new UnknownSourceException(name, "No source of this name is declared under 'app.datasources' or was"
					+ " added, so no tenant can be mapped to it.");
		}
		if (source.definition().template() != null) {
			throw new UnknownSourceException(name, "It is made by the template '" + source.definition().template()
					+ "' for the tenant of its name, and no other can be mapped to it.");
		}
		if (source.definition().internal()) {
			throw new UnknownSourceException(name, "It is internal: no tenant can be mapped to it.");
		}
	}

	/** Called under {@code changes}. */
	private @Nullable Mapping put(String tenant, String source) {
		long next = this.version + 1;
		Mapping former = this.mappings.put(tenant, new Mapping(source, next));
		changed(tenant, next);
		return former;
	}

	/** Called under {@code changes}. */
	private @Nullable Mapping remove(String tenant) {
		Mapping former = this.mappings.remove(tenant);
		if (former != null) {
			long next = this.version + 1;
			this.unmapped = next;
			changed(tenant, next);
		}
		return former;
	}

	/** Whoever looks up from here on finds the change; what was looked up is let go. */
	private void changed(String tenant, long next) {
		this.version = next;
		Target.forgetResolution(tenant);
	}

	private void ensureLoaded() {
		if (this.loaded) {
			return;
		}
		refuseUntilRetry();
		this.changes.lock();
		try {
			load();
		}
		finally {
			this.changes.unlock();
		}
	}

	/** Who waited for a failing attempt does not make the next one. */
	private void refuseUntilRetry() {
		Failure failed = this.failure;
		if (failed != null && System.nanoTime() - failed.until() < 0) {
			throw new SourceUnavailableException(failed.why().source(),
					"It is not known which tenants are mapped to which source. " + failed.why().getMessage(), RETRY,
					failed.why());
		}
	}

	/** Called under {@code changes}. */
	private void load() {
		if (this.loaded) {
			return;
		}
		refuseUntilRetry();
		try {
			List<MappingEvent> unused = apply(this.store.load());
			this.loaded = true;
			this.failure = null;
		}
		catch (SourceUnavailableException ex) {
			this.failure = new Failure(ex, System.nanoTime() + RETRY.toNanos());
			refuseUntilRetry();
			throw ex;
		}
	}

	/** Others have changed something; what is known goes on if that cannot be read. */
	private void reload() {
		List<MappingEvent> changed;
		this.changes.lock();
		try {
			changed = apply(this.store.load());
			this.loaded = true;
		}
		catch (SourceUnavailableException ex) {
			logger.warn("Changed mappings of tenants could not be read, the known ones stay in force: {}",
					ex.getMessage());
			return;
		}
		finally {
			this.changes.unlock();
		}
		changed.forEach(this::tell);
	}

	/** Called under {@code changes}. */
	private List<MappingEvent> apply(Map<String, String> all) {
		List<MappingEvent> changed = new ArrayList<>();
		for (String tenant : this.mappings.keySet()) {
			Mapping former = all.containsKey(tenant) ? null : remove(tenant);
			if (former != null) {
				changed.add(new MappingEvent.Unmapped(tenant, former.source()));
			}
		}
		all.forEach((tenant, source) -> {
			Mapping known = this.mappings.get(tenant);
			if (known == null || !known.source().equals(source)) {
				Mapping former = put(tenant, source);
				changed.add(new MappingEvent.Mapped(tenant, source, (former != null) ? former.source() : null));
			}
		});
		return changed;
	}

	/** A listener that fails must not break what it listens to. */
	private void tell(MappingEvent event) {
		logger.info("Tenant '{}' {}", event.tenant(), event.message());
		try {
			this.events.accept(event);
		}
		catch (RuntimeException | LinkageError | AssertionError ex) {
			logger.warn("A listener failed on {}", event, ex);
		}
	}

	@Override
	public String toString() {
		return this.mappings.size() + " mapped tenants";
	}

}
