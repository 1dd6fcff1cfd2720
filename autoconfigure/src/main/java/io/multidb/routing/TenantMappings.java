package io.multidb.routing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
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
import io.multidb.routing.NumberedMappingStore.Contents;
import io.multidb.routing.NumberedMappingStore.Revision;
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
 * Where the mapping is kept in a catalog, and this thread has a transaction open on its
 * source, the change is part of that: the old mapping stays in force for all, this thread
 * included, until it is committed, and the new one is in force when the commit returns;
 * if it is rolled back nothing has changed. Of changes of one tenant by several threads
 * or nodes the one that is committed last counts.
 * <p>
 * Thread-safe. Looking a mapping up takes no lock; changes are taken into memory by one
 * thread at a time, under {@code changes}, which nobody holds while the store is asked.
 */
public final class TenantMappings {

	private static final Logger logger = LoggerFactory.getLogger(TenantMappings.class);

	/** So long a store that could not be read is not asked again. */
	private static final Duration RETRY = Duration.ofSeconds(1);

	/** So long another thread's change is waited for where the store is used by one. */
	private static final Duration CHANGES_TIMEOUT = Duration.ofSeconds(5);

	private final SourceRegistry registry;

	private final NumberedMappingStore store;

	private final Consumer<MappingEvent> events;

	private final ReentrantLock changes = new ReentrantLock();

	/** Held by the one that reads the store for the first time. */
	private final ReentrantLock loading = new ReentrantLock();

	private final Map<String, Mapping> mappings = new ConcurrentHashMap<>();

	/** What was read last; guarded by changes. */
	private @Nullable Contents read;

	/** What was changed here since that was read, by tenant; guarded by changes. */
	private final Map<String, Kept> kept = new HashMap<>();

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

	/** A change that was made here; no source means that the mapping was removed. */
	private record Kept(@Nullable String source, Revision revision) {
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
		this.store = (store instanceof NumberedMappingStore numbered) ? numbered
				: new SerializedMappings(store, CHANGES_TIMEOUT);
		this.events = events;
		this.loaded = store.equals(MappingStore.NONE);
		this.store.whenChanged(this::reload);
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
		ensureLoaded();
		change(tenant, source);
	}

	/**
	 * Lets a tenant go where the routes lead.
	 * @param tenant the tenant's id
	 * @return whether it was mapped
	 * @throws SourceUnavailableException if the store cannot be changed; nothing has
	 */
	public boolean unmap(String tenant) {
		TenantContext.check(tenant);
		ensureLoaded();
		boolean mapped = this.mappings.containsKey(tenant);
		change(tenant, null);
		return mapped;
	}

	private void change(String tenant, @Nullable String source) {
		Change change = new Change(tenant, source);
		try {
			this.store.change(tenant, source, change);
		}
		finally {
			change.returned();
		}
	}

	/**
	 * A change under way. Listeners are told of it when the store has returned, as it may
	 * hold a lock until then, and they may have other threads change mappings. Belongs to
	 * its thread.
	 */
	private final class Change implements Consumer<@Nullable Revision> {

		private final String tenant;

		private final @Nullable String source;

		private @Nullable MappingEvent untold;

		private boolean returned;

		Change(String tenant, @Nullable String source) {
			this.tenant = tenant;
			this.source = source;
		}

		@Override
		public void accept(@Nullable Revision revision) {
			this.untold = take(this.tenant, this.source, revision);
			if (this.returned) {
				// The transaction that it was part of is committed.
				tellUntold();
			}
		}

		void returned() {
			this.returned = true;
			tellUntold();
		}

		private void tellUntold() {
			MappingEvent event = this.untold;
			this.untold = null;
			if (event != null) {
				tell(event);
			}
		}

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
	 * The first of the tenants that are mapped to a source, by name, as far as that is
	 * known: the store is not read for it.
	 * @param source the source's name
	 * @param limit how many at most
	 * @return a snapshot, sorted; {@code null} if the store has not been read yet
	 */
	public @Nullable List<String> tenantsOf(String source, int limit) {
		if (!this.loaded) {
			return null;
		}
		TreeSet<String> first = new TreeSet<>();
		this.mappings.forEach((tenant, mapping) -> {
			if (mapping.source().equals(source) && first.add(tenant) && first.size() > limit) {
				first.pollLast();
			}
		});
		return List.copyOf(first);
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

	/**
	 * Brings a change that was made here into force, unless a later one is.
	 * @return what is to be told, if anything
	 */
	private @Nullable MappingEvent take(String tenant, @Nullable String source, @Nullable Revision revision) {
		this.changes.lock();
		try {
			if (revision != null) {
				Kept later = this.kept.get(tenant);
				if (isRead(revision) || (later != null && later.revision().compareTo(revision) > 0)) {
					return null;
				}
				this.kept.put(tenant, new Kept(source, revision));
			}
			else {
				// Others may put back just what was read before.
				this.read = null;
			}
			return put(tenant, source);
		}
		finally {
			this.changes.unlock();
		}
	}

	/** Called under {@code changes}. */
	private boolean isRead(Revision revision) {
		Revision last = (this.read != null) ? this.read.revision() : null;
		return last != null && last.compareTo(revision) >= 0;
	}

	/** Called under {@code changes}. */
	private boolean isReadAnew(Contents contents) {
		return this.read != null && Objects.equals(this.read.revision(), contents.revision())
				&& !this.read.mappings().equals(contents.mappings());
	}

	/** Called under {@code changes}; nothing to tell if it was so before. */
	private @Nullable MappingEvent put(String tenant, @Nullable String source) {
		Mapping former = this.mappings.get(tenant);
		if (Objects.equals((former != null) ? former.source() : null, source)) {
			return null;
		}
		long next = this.version + 1;
		if (source != null) {
			this.mappings.put(tenant, new Mapping(source, next));
		}
		else {
			this.mappings.remove(tenant);
			this.unmapped = next;
		}
		changed(tenant, next);
		if (source == null) {
			return new MappingEvent.Unmapped(tenant, Objects.requireNonNull(former).source());
		}
		return new MappingEvent.Mapped(tenant, source, (former != null) ? former.source() : null);
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
		this.loading.lock();
		try {
			load();
		}
		finally {
			this.loading.unlock();
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

	/** Called under {@code loading}. */
	private void load() {
		if (this.loaded) {
			return;
		}
		refuseUntilRetry();
		try {
			List<MappingEvent> unused = this.store.read(this::apply);
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
		boolean first = !this.loaded;
		List<MappingEvent> changed;
		try {
			changed = this.store.read(this::apply);
			this.loaded = true;
		}
		catch (SourceUnavailableException ex) {
			logger.warn("Changed mappings of tenants could not be read, the known ones stay in force: {}",
					ex.getMessage());
			return;
		}
		if (!first) {
			changed.forEach(this::tell);
		}
	}

	/** What was changed here and is not among what was read stays in force. */
	private List<MappingEvent> apply(Contents contents) {
		List<MappingEvent> changed = new ArrayList<>();
		this.changes.lock();
		try {
			Revision revision = contents.revision();
			Contents former = this.read;
			// Read anew at the same number, it may still be something else: a server that
			// took over may have lost the last changes and made others.
			if (revision != null && isRead(revision) && !isReadAnew(contents)) {
				return changed;
			}
			this.read = contents;
			Set<String> tenants = new HashSet<>(this.kept.keySet());
			this.kept.values().removeIf((change) -> isRead(change.revision()));
			if (former == null || !former.mappings().equals(contents.mappings())) {
				tenants.addAll(this.mappings.keySet());
				tenants.addAll(contents.mappings().keySet());
			}
			tenants.removeAll(this.kept.keySet());
			for (String tenant : tenants) {
				MappingEvent event = put(tenant, contents.mappings().get(tenant));
				if (event != null) {
					changed.add(event);
				}
			}
		}
		finally {
			this.changes.unlock();
		}
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
