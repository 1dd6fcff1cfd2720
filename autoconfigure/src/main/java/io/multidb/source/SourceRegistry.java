package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.InvalidDatasourcesException;
import io.multidb.InvalidTenantException;
import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;

/**
 * All sources of an application, by name: the declared ones, those added at run time, and
 * those that templates make for their tenants. Owns every pool.
 * <p>
 * Thread-safe. Look-ups take no lock; adding and removing are serialized by
 * {@code changes}. Nothing is started in the constructor, and after {@link #close()}
 * nothing is running.
 */
public final class SourceRegistry implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(SourceRegistry.class);

	private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}");

	/** So many sources of templates may be unavailable at a time and still be retried. */
	private static final int RETRIED_OF_TEMPLATES = 100;

	/** By name, in the order in which they are asked: that of their routes. */
	private final Map<String, SourceTemplate> templates = new LinkedHashMap<>();

	private final Map<String, Source> sources;

	/** Names of templates and of sources that no template makes; guarded by changes. */
	private final Map<Folded, String> namesByFold;

	/** The names of all sources that are known, by their database. */
	private final Map<String, String> namesByDatabase;

	/** One for each replacement that is under way; guarded by changes. */
	private final List<Claim> claims = new ArrayList<>();

	private final Generations generations = new Generations();

	/**
	 * Of names that templates serve, apart: they are few, and to be remembered for
	 * longer, as what a template makes comes back as the same.
	 */
	private final Generations generationsOfTemplates = new Generations();

	private final Conflicts conflicts;

	/** Sources with pools that are not closed yet. */
	private final Set<Source> draining = ConcurrentHashMap.newKeySet();

	/** Sources of templates that are unavailable and retried. */
	private final Set<Source> retriedOfTemplates = ConcurrentHashMap.newKeySet();

	private final SourceOpener opener;

	private final PoolLimits limits;

	private final OpenPools openPools;

	private final ServerBudgets budgets;

	private final ReachedServers reachedServers = new ReachedServers();

	private final AtomicInteger attention = new AtomicInteger();

	/** Whether the next look for idle pools is scheduled. */
	private final AtomicBoolean watchingIdle = new AtomicBoolean();

	private final CallerSession callerSession;

	/** Sources whose changes whoever makes them tells himself, many at a time. */
	private final Set<String> quiet = ConcurrentHashMap.newKeySet();

	/** Why a name that is unknown may be a source's all the same. */
	private volatile Function<String, @Nullable String> absences = (name) -> null;

	/** {@code null} where nobody measures; set before anything is opened. */
	private volatile @Nullable PoolListener poolListener;

	private volatile int timedLeases = 1;

	/** Only for times that are shown. */
	private final Clock clock;

	private volatile boolean closed;

	private final Consumer<SourceEvent> events;

	private final Consumer<SourceEvent> publisher = this::publish;

	private final ReentrantLock changes = new ReentrantLock();

	private final Background background = new Background();

	private record Claim(String database, String name) {
	}

	/** A name as {@link #fold} sees it, which is not kept: there may be ten thousand. */
	private record Folded(String name) {

		@Override
		public boolean equals(@Nullable Object other) {
			return other instanceof Folded another && fold(this.name).equals(fold(another.name));
		}

		@Override
		public int hashCode() {
			return fold(this.name).hashCode();
		}

	}

	/**
	 * Creates a registry; nothing is opened or started.
	 * @param definitions the declared sources
	 * @param templates the templates, in the order in which their routes are asked
	 * @param migrator brings databases up to date before they are handed out
	 * @param events is told what happens to sources, on the thread on which it happens
	 * @throws InvalidDatasourcesException if two definitions exclude each other
	 */
	public SourceRegistry(Collection<SourceDefinition> definitions, Collection<SourceTemplate> templates,
			SourceMigrator migrator, Consumer<SourceEvent> events) {
		this(definitions, templates, migrator, events, CallerSession.NONE, PoolLimits.DEFAULT);
	}

	/**
	 * Creates a registry; nothing is opened or started.
	 * @param definitions the declared sources; those that others name as their replicas
	 * become read-only, internal and are not migrated
	 * @param templates the templates, in the order in which their routes are asked
	 * @param migrator brings databases up to date before they are handed out
	 * @param events is told what happens to sources, on the thread on which it happens
	 * @param callerSession tells whose writes are to be read again
	 * @param limits how many sources may be open, and for how long
	 * @throws InvalidDatasourcesException if two definitions exclude each other
	 */
	public SourceRegistry(Collection<SourceDefinition> definitions, Collection<SourceTemplate> templates,
			SourceMigrator migrator, Consumer<SourceEvent> events, CallerSession callerSession, PoolLimits limits) {
		this(definitions, templates, migrator, events, callerSession, limits, Clock.systemUTC());
	}

	SourceRegistry(Collection<SourceDefinition> definitions, Collection<SourceTemplate> templates,
			SourceMigrator migrator, Consumer<SourceEvent> events, CallerSession callerSession, PoolLimits limits,
			Clock clock) {
		this.clock = clock;
		this.sources = new ConcurrentHashMap<>(definitions.size());
		this.namesByFold = new HashMap<>((int) (definitions.size() / 0.75f) + 1);
		this.namesByDatabase = new ConcurrentHashMap<>(definitions.size());
		this.events = events;
		this.limits = limits;
		this.openPools = new OpenPools(limits, this.attention::addAndGet);
		this.callerSession = callerSession;
		this.conflicts = new Conflicts(this.sources, this.templates);
		Map<DatabaseProduct, DatabaseCreator> creators = new EnumMap<>(DatabaseProduct.class);
		creators.put(DatabaseProduct.SQLITE, new SqliteCreator());
		creators.put(DatabaseProduct.POSTGRESQL, new PostgresCreator((name) -> get(name).getConnection()));
		this.budgets = new ServerBudgets(limits.servers(), this.attention::addAndGet, this.background::run);
		this.opener = new SourceOpener(creators, migrator, this.background::pools, this.budgets, this.reachedServers,
				this.conflicts::isReplica);
		List<String> mistakes = new ArrayList<>();
		for (SourceTemplate template : templates) {
			String other = this.namesByFold.put(new Folded(template.name()), template.name());
			if (other != null) {
				mistakes.add(Conflicts.sameName(other, template.name()));
			}
			mistakes.addAll(this.conflicts.ofTemplate(template));
			this.templates.put(template.name(), template);
		}
		Set<String> replicas = new HashSet<>();
		definitions.forEach((definition) -> replicas.addAll(definition.replicas().sources()));
		for (SourceDefinition definition : definitions) {
			mistakes.addAll(admit(replicas.contains(definition.name()) ? definition.asReplica() : definition, false));
		}
		definitions.forEach((definition) -> {
			mistakes.addAll(this.conflicts.ofReplicas(definition));
			mistakes.addAll(this.conflicts.ofFallback(definition));
		});
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
	}

	/**
	 * Has leases counted, of pools that are opened from now on.
	 * @param listener is told of them
	 * @param timed one lease of so many is timed, at least 1
	 */
	public void measure(PoolListener listener, int timed) {
		this.timedLeases = timed;
		this.poolListener = listener;
		this.opener.track((source) -> tracker(listener, source));
	}

	private static @Nullable MetricsTrackerFactory tracker(PoolListener listener, String source) {
		AtomicReference<@Nullable MetricsTrackerFactory> tracker = new AtomicReference<>();
		inform(source, "its pool", () -> tracker.set(listener.tracker(source)));
		return tracker.get();
	}

	/**
	 * Has opening, creating and migrating watched from now on.
	 * @param watch watches it
	 */
	public void watch(Watch watch) {
		this.opener.watch(watch);
	}

	/**
	 * The source with a name, without opening it. A template's source is known as long as
	 * something of it is open.
	 * @param name the name
	 * @return the source, or {@code null} if there is none
	 */
	public @Nullable Source find(String name) {
		return this.sources.get(name);
	}

	/**
	 * The source with a name, which must be there; one of a template is there if a
	 * template serves its name, whether or not its database exists. Nothing is opened.
	 * @param name the name
	 * @return the source
	 * @throws UnknownSourceException if there is none
	 * @throws InvalidTenantException if a template cannot make a database name of it
	 * @throws SourceUnavailableException if there is none because the application has
	 * ended, or it cannot be told yet whether there is one
	 */
	public Source get(String name) {
		Source source = this.sources.get(name);
		if (source != null && !source.isGone()) {
			return source;
		}
		for (SourceTemplate template : this.templates.values()) {
			if (template.names().matches(name)) {
				return get(template, name);
			}
		}
		source = findOrWait(name);
		if (source != null) {
			return source;
		}
		throw new UnknownSourceException(name,
				"No source of this name is declared under 'app.datasources', was added, or"
						+ " is made by a template. Known: " + known() + ".");
	}

	/**
	 * The source with a name, as {@link #find} gives it, unless it cannot be told whether
	 * there is one.
	 * @param name the name
	 * @return the source, or {@code null} if there is certainly none
	 * @throws SourceUnavailableException if the application has ended, or whoever
	 * provides sources does not know, or knows of one that cannot be used
	 * @see #explainAbsences
	 */
	public @Nullable Source findOrWait(String name) {
		Source source = this.sources.get(name);
		if (source != null && !source.isGone()) {
			return source;
		}
		if (this.closed) {
			throw ended(name);
		}
		String reason = this.absences.apply(name);
		// Looked up again: it may have come between the look-up and the question.
		source = this.sources.get(name);
		if (source != null && !source.isGone()) {
			return source;
		}
		if (reason != null) {
			throw new SourceUnavailableException(name, "Source '" + name + "' cannot be used: " + reason,
					Failures.FIRST_RETRY, null);
		}
		return null;
	}

	/**
	 * Sets who is asked why a name that is unknown may be a source's all the same, such
	 * as a catalog that could not be read yet. While he gives a reason, the name is
	 * unavailable and not unknown.
	 * @param absences gives a sentence, or {@code null} if there is certainly none of
	 * that name; called by any thread, must not wait
	 */
	public void explainAbsences(Function<String, @Nullable String> absences) {
		this.absences = absences;
	}

	/**
	 * The source that a template makes for a tenant. Nothing is opened or created.
	 * @param template the template's name
	 * @param tenant a tenant that the template serves
	 * @return the source
	 * @throws UnknownTenantException if the tenant bears the name of another source
	 * @throws InvalidTenantException if no database name can be made of it
	 */
	public Source get(String template, String tenant) {
		SourceTemplate found = this.templates.get(template);
		if (found == null) {
			throw new UnknownSourceException(template, "There is no template of this name.");
		}
		if (!found.names().matches(TenantContext.check(tenant))) {
			throw new UnknownTenantException(tenant, "The template '" + template + "' serves '" + found.names() + "'.");
		}
		return get(found, tenant);
	}

	private Source get(SourceTemplate template, String tenant) {
		TenantContext.check(tenant);
		while (true) {
			Source source = this.sources.computeIfAbsent(tenant, (name) -> define(template, name));
			if (!template.name().equals(source.definition().template())) {
				throw new UnknownTenantException(tenant, "It bears the name of the source '" + tenant
						+ "', so the template '" + template.name() + "' has no database for it.");
			}
			if (!source.isGone()) {
				return source;
			}
			forget(source);
		}
	}

	private Source define(SourceTemplate template, String tenant) {
		SourceDefinition definition = template.define(tenant);
		String owner = this.namesByDatabase.putIfAbsent(definition.url().databaseKey(), tenant);
		if (owner != null && !owner.equals(tenant)) {
			throw new UnknownTenantException(tenant, "The database that the template '" + template.name()
					+ "' would use for it belongs to the source '" + owner + "'.");
		}
		return new Source(definition, this, generations(tenant).next(tenant));
	}

	private Generations generations(String name) {
		return isServedByTemplate(name) ? this.generationsOfTemplates : this.generations;
	}

	/**
	 * All sources that are declared or were added, and those of templates that are in
	 * use.
	 * @return a snapshot, sorted by name
	 */
	public List<Source> sources() {
		List<Source> snapshot = new ArrayList<>(this.sources.values());
		snapshot.sort(Comparator.comparing(Source::name));
		return snapshot;
	}

	/**
	 * The sources of {@link #sources()} in no order: with a hundred thousand of them,
	 * sorting takes longer than looking at each. Takes no lock.
	 * @return a live view
	 */
	public Stream<Source> stream() {
		return this.sources.values().stream();
	}

	/**
	 * Sources with former pools that are not closed yet, be it that they were removed
	 * meanwhile, and in no order.
	 * @return a live view
	 * @see Source#drainState()
	 */
	public Stream<Source> draining() {
		return this.draining.stream();
	}

	/**
	 * The templates.
	 * @return the templates, in the order in which their routes are asked
	 */
	public List<SourceTemplate> templates() {
		return List.copyOf(this.templates.values());
	}

	/**
	 * How many pools were given up since the start.
	 * @param why for which reason
	 * @return how many
	 */
	public long closedPools(PoolEnd why) {
		return this.openPools.ends(why);
	}

	/**
	 * How many threads wait for another source to become idle, as no more may be open.
	 * @return how many
	 */
	public int waitingForPlaces() {
		return this.openPools.waiting();
	}

	/**
	 * How the budgets of the database servers are. Opens nothing.
	 * @return a snapshot, sorted by server; without those to which nobody has connected
	 * yet
	 */
	public List<ServerState> servers() {
		return this.budgets.states();
	}

	/**
	 * Whether a name is a template's.
	 * @param name the name
	 * @return whether it is
	 */
	public boolean isTemplate(String name) {
		return this.templates.containsKey(name);
	}

	/**
	 * Whether a template makes the source of a name, if its database exists.
	 * @param name the name
	 * @return whether one does
	 */
	public boolean isServedByTemplate(String name) {
		return this.templates.values().stream().anyMatch((template) -> template.names().matches(name));
	}

	/**
	 * Makes the database of a template's source unless it exists: created under a
	 * temporary name, migrated, and published in one step. Of many threads and processes
	 * one makes it.
	 * @param tenant the tenant, by which the source is named
	 * @return whether this call made it; {@code false} if it was there, and for a source
	 * that no template makes
	 * @throws UnknownTenantException if the template creates nothing
	 * @throws SourceUnavailableException if it could not be made; nothing of it is left
	 * @throws UnknownSourceException if neither a source nor a template has this name
	 */
	public boolean create(String tenant) {
		Source declared = this.sources.get(tenant);
		if (declared != null && declared.definition().template() == null) {
			return false;
		}
		for (SourceTemplate template : this.templates.values()) {
			if (template.names().matches(TenantContext.check(tenant))) {
				return create(template.name(), tenant);
			}
		}
		throw new UnknownSourceException(tenant, "No template serves this name.");
	}

	/**
	 * Makes the database of a tenant of one template unless it exists.
	 * @param template the template's name
	 * @param tenant a tenant that the template serves
	 * @return whether this call made it
	 * @see #create(String)
	 */
	public boolean create(String template, String tenant) {
		SourceTemplate found = this.templates.get(template);
		if (found != null && found.create() == CreatePolicy.NEVER) {
			throw new UnknownTenantException(tenant, "Its template '" + template + "' makes no database: set "
					+ found.definition().property("create") + " to 'explicit'.");
		}
		while (true) {
			Transition.Outcome outcome = get(template, tenant).life().transitions().create();
			if (outcome != Transition.Outcome.GONE) {
				return outcome == Transition.Outcome.DONE;
			}
			if (this.background.isRefusing()) {
				throw ended(tenant);
			}
		}
	}

	/**
	 * Adds a source for as long as this process runs. It is opened, and migrated if it
	 * has a change log, at its first use.
	 * @param definition the definition
	 * @throws InvalidDatasourcesException if its name or database is taken, or its name
	 * is not one
	 */
	public void add(SourceDefinition definition) {
		List<String> mistakes = tryAdd(definition);
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
		publish(new SourceEvent.Added(definition.name(), definition.url().masked()));
	}

	/**
	 * Adds many sources, as {@link #add} does. What is wrong with one of them keeps only
	 * that one out. Listeners hear of each; in the log, the caller says what he did.
	 * @param definitions the definitions
	 * @return what is wrong, by name, for those that were not added
	 */
	public Map<String, List<String>> addAll(Collection<SourceDefinition> definitions) {
		Map<String, List<String>> refused = new LinkedHashMap<>();
		for (SourceDefinition definition : definitions) {
			List<String> mistakes = tryAdd(definition);
			if (mistakes.isEmpty()) {
				tell(new SourceEvent.Added(definition.name(), definition.url().masked()));
			}
			else {
				refused.put(definition.name(), mistakes);
			}
		}
		return refused;
	}

	/**
	 * What would keep a definition from being added, or, if there is a source of its
	 * name, from taking that one's place. Nothing changes.
	 * @param definition the definition
	 * @param others definitions beside it that are to be sources, too, whether or not
	 * they are yet; one of the same name is passed over
	 * @return a sentence for each mistake; empty if nothing speaks against it now
	 */
	public List<String> conflicts(SourceDefinition definition, Collection<SourceDefinition> others) {
		List<String> mistakes = new ArrayList<>();
		this.changes.lock();
		try {
			Source source = this.sources.get(definition.name());
			if (source == null || source.isGone() || source.definition().template() != null) {
				mistakes.addAll(this.conflicts.ofAddition(definition));
				mistakes
					.addAll(mistakes.isEmpty() ? ofAdmission(definition, definition.url().databaseKey()) : List.of());
			}
			else {
				mistakes.addAll(this.conflicts.ofReplacement(source.definition(), asAdmitted(definition)));
				String owner = this.namesByDatabase.get(definition.url().databaseKey());
				if (owner != null && !owner.equals(definition.name())) {
					mistakes.add(Conflicts.sameDatabase(owner, definition));
				}
			}
		}
		finally {
			this.changes.unlock();
		}
		return mistakes.isEmpty() ? Conflicts.among(definition, others) : mistakes;
	}

	private List<String> tryAdd(SourceDefinition definition) {
		this.changes.lock();
		try {
			List<String> mistakes = this.conflicts.ofAddition(definition);
			// Its template may have made one, which was closed.
			return mistakes.isEmpty() ? admit(definition, isServedByTemplate(definition.name())) : mistakes;
		}
		finally {
			this.changes.unlock();
		}
	}

	/**
	 * Removes a source for as long as this process runs: it takes no new work, and its
	 * pool is closed when the last connection in use comes back. Its database is left
	 * alone.
	 * @param name the name
	 * @return whether there was one
	 * @throws IllegalArgumentException if a template makes it: it would come back at its
	 * next use
	 */
	public boolean remove(String name) {
		Source source;
		this.changes.lock();
		try {
			source = declared(name, "removed: it would come back at its next use");
			if (source == null) {
				return false;
			}
			generations(name).ended(name);
			source.life().remove();
			forget(source);
			this.conflicts.removed(source.definition());
			this.namesByFold.remove(new Folded(name));
		}
		finally {
			this.changes.unlock();
		}
		source.life().tell();
		PoolListener listener = this.poolListener;
		if (listener != null) {
			inform(name, "its removal", () -> listener.removed(source));
		}
		return true;
	}

	/**
	 * Removes many sources, as {@link #remove} does. Listeners hear of each; in the log,
	 * the caller says what he did.
	 * @param names the names; those that are none's are passed over
	 */
	public void removeAll(Collection<String> names) {
		for (String name : names) {
			this.quiet.add(name);
			try {
				remove(name);
			}
			finally {
				this.quiet.remove(name);
			}
		}
	}

	/**
	 * Gives a source another definition, as {@link #replace} does, but does not open one
	 * that is cold: its next use finds out whether the definition serves. In the log, the
	 * caller says what he did.
	 * @param definition the definition, with the name of a source that is there
	 * @throws UnknownSourceException if there is none of this name
	 * @throws InvalidDatasourcesException if the definition is wrong, as with
	 * {@code replace}
	 * @throws SourceUnavailableException if it is in use and could not be opened anew;
	 * nothing has changed
	 */
	public void redefine(SourceDefinition definition) {
		this.quiet.add(definition.name());
		try {
			replace(definition.name(), (former) -> definition, false);
		}
		finally {
			this.quiet.remove(definition.name());
		}
	}

	/**
	 * Gives a source another definition, such as a new password or address, for as long
	 * as this process runs. It is opened first; when that has succeeded, whoever comes
	 * next is served by it, and connections that are in use finish their work with the
	 * old one, within {@code app.tenancy.drain-timeout}.
	 * @param definition the definition, with the name of a source that is there
	 * @throws UnknownSourceException if there is none of this name
	 * @throws InvalidDatasourcesException if the definition is wrong, its database is
	 * another source's, or its {@code replicas} or {@code fallback} are not those of
	 * before
	 * @throws SourceUnavailableException if it could not be opened; nothing has changed
	 * @throws IllegalArgumentException if a template makes the source
	 */
	public void replace(SourceDefinition definition) {
		replace(definition.name(), (former) -> definition, true);
	}

	/**
	 * Gives a source another definition, as {@link #replace(SourceDefinition)} does, that
	 * is made of the one that it has when its turn comes: after whatever else is
	 * replacing or opening it, so that nothing of that is undone.
	 * @param name the name of a source that is there
	 * @param change makes the definition of the one that the source has; what it throws,
	 * it throws here, and nothing has changed
	 * @throws UnknownSourceException if there is none of this name
	 * @throws InvalidDatasourcesException if the definition is wrong, as above
	 * @throws SourceUnavailableException if it could not be opened, or what was before
	 * did not end within the connection timeout; nothing has changed
	 * @throws IllegalArgumentException if a template makes the source
	 */
	public void replace(String name, UnaryOperator<SourceDefinition> change) {
		replace(name, change, true);
	}

	/**
	 * Opens a source anew that is open, and migrates it if it has a change log, while it
	 * serves as before. Of a template's, too.
	 * @param name the source's name
	 * @return whether it was open; if not, nothing was done
	 * @throws SourceUnavailableException if it could not be opened; nothing has changed
	 */
	public boolean reopen(String name) {
		Source source = this.sources.get(name);
		return source != null && source.pool() != null && replace(source, UnaryOperator.identity(), true);
	}

	private void replace(String name, UnaryOperator<SourceDefinition> change, boolean opened) {
		Source source = declared(name, "replaced: change its template");
		if (source == null) {
			throw new UnknownSourceException(name, "There is no source of this name to be replaced.");
		}
		if (!replace(source, (former) -> asAdmitted(change.apply(former)), opened)) {
			throw new UnknownSourceException(name, "It was removed meanwhile.");
		}
	}

	/** Whether it was still there. */
	private boolean replace(Source source, UnaryOperator<SourceDefinition> change, boolean opened) {
		AtomicReference<@Nullable Claim> claimed = new AtomicReference<>();
		SourceDefinition former = null;
		try {
			former = source.life().transitions().replace((current) -> {
				SourceDefinition replacement = change.apply(current);
				if (!replacement.name().equals(source.name())) {
					throw new IllegalArgumentException(
							"Source '" + source.name() + "' cannot become '" + replacement.name() + "'.");
				}
				List<String> mistakes = this.conflicts.ofReplacement(current, replacement);
				// Claimed first: another source may be added meanwhile.
				Claim claim = new Claim(replacement.url().databaseKey(), source.name());
				String owner = claim(claim);
				claimed.set(claim);
				if (owner != null) {
					mistakes.add(Conflicts.sameDatabase(owner, replacement));
				}
				if (!mistakes.isEmpty()) {
					throw new InvalidDatasourcesException(mistakes);
				}
				return replacement;
			}, opened);
		}
		finally {
			Claim claim = claimed.get();
			if (claim != null) {
				settle(claim, (former != null) ? former.url().databaseKey() : claim.database());
			}
			source.life().tell();
		}
		return former != null;
	}

	/** What others name as their replica is one, however it is defined. */
	private SourceDefinition asAdmitted(SourceDefinition definition) {
		return (this.conflicts.primaryOf(definition.name()) != null) ? definition.asReplica() : definition;
	}

	/**
	 * A source is about to be replaced by one with another database, or the same.
	 * @return who has that database; {@code null} if it is this one's or was nobody's
	 */
	private @Nullable String claim(Claim claim) {
		this.changes.lock();
		try {
			this.claims.add(claim);
			String owner = this.namesByDatabase.putIfAbsent(claim.database(), claim.name());
			return claim.name().equals(owner) ? null : owner;
		}
		finally {
			this.changes.unlock();
		}
	}

	/**
	 * A replacement is over: of the databases that it was about, the source keeps that
	 * which it has now, and those that other replacements are to give it.
	 */
	private void settle(Claim claim, String former) {
		this.changes.lock();
		try {
			this.claims.remove(claim);
			Source now = this.sources.get(claim.name());
			String current = (now != null) ? now.definition().url().databaseKey() : null;
			for (Claim each : List.of(claim, new Claim(former, claim.name()))) {
				if (!each.database().equals(current) && !this.claims.contains(each)) {
					this.namesByDatabase.remove(each.database(), each.name());
				}
			}
		}
		finally {
			this.changes.unlock();
		}
	}

	/** A source that no template makes; {@code null} if there is none of this name. */
	private @Nullable Source declared(String name, String what) {
		Source source = this.sources.get(name);
		if (source == null || source.isGone()) {
			return null;
		}
		if (source.definition().template() != null) {
			throw new IllegalArgumentException("Source '" + name + "' is made by the template '"
					+ source.definition().template() + "' and cannot be " + what + ".");
		}
		return source;
	}

	/**
	 * Closes what is open of a source: its pool lends no more, and is closed when the
	 * last connection in use comes back, or after {@code app.tenancy.drain-timeout}. The
	 * next use opens it again; its database is left alone.
	 * @param name the source's name
	 * @return whether anything was open
	 */
	public boolean drain(String name) {
		Source source = this.sources.get(name);
		return source != null && source.life().drain();
	}

	/**
	 * Tries again at once what is unavailable, and would be tried later.
	 * @param name the source's name
	 * @throws SourceUnavailableException if it fails again; it is retried in the
	 * background
	 * @throws UnknownSourceException if there is none of this name
	 */
	public void retry(String name) {
		Source source = this.sources.get(name);
		if (source == null || source.life().transitions().retryNow() == Transition.Outcome.GONE) {
			throw new UnknownSourceException(name, "There is no source of this name that is in use.");
		}
	}

	/**
	 * Connects a source, migrates it if it has a change log, and leaves it cold.
	 * @param name the source's name
	 * @throws SourceUnavailableException if that fails; it is retried in the background
	 * @throws UnknownSourceException if there is none, or it is removed meanwhile
	 */
	public void prepare(String name) {
		if (get(name).life().transitions().prepare() == Transition.Outcome.GONE) {
			throw new UnknownSourceException(name, "It was removed.");
		}
	}

	/**
	 * Looks at a database over a connection of its own, beside any pool, and leaves all
	 * as it is: nothing is opened, made, migrated or written, and the source's state does
	 * not change.
	 * @param <T> what is found
	 * @param name the source's name
	 * @param reader reads from the connection
	 * @return what it found; {@code null} if there is no database yet: no SQLite file
	 * where one may be made, or none of a template's tenant
	 * @throws SourceUnavailableException if it cannot be connected or read
	 * @throws UnknownSourceException if neither a source nor a template has this name
	 * @throws InvalidTenantException if a template cannot make a database name of it
	 */
	public <T> @Nullable T look(String name, ConnectionReader<T> reader) {
		SourceDefinition definition = definition(name);
		try {
			return this.opener.look(definition, reader);
		}
		catch (Exception ex) {
			if (ex instanceof InterruptedException) {
				Thread.currentThread().interrupt();
			}
			boolean explained = ex instanceof SourceOpener.CannotConnectException || ex instanceof NoPermitException;
			throw new SourceUnavailableException(name,
					ConnectFailure.withoutSecrets(definition,
							explained ? String.valueOf(ex.getMessage())
									: "Source '" + name + "' could not be read: " + ex),
					Failures.FIRST_RETRY, ConnectFailure.withoutSecrets(definition, ex));
		}
	}

	/**
	 * Makes sure that a connection of PostgreSQL's, made beside the pool of its source,
	 * has a session to itself, as {@code LISTEN} needs it.
	 * @param definition the source's definition
	 * @param connection was just made by its driver
	 * @param what what needs the session, in a sentence after the source's name
	 * @param advice what to do where there is none, the beginning of a sentence
	 * @throws SQLException if it goes through a proxy such as PgBouncer that may give the
	 * session to others, or it cannot be told
	 */
	public void requireOwnSession(SourceDefinition definition, Connection connection, String what, String advice)
			throws SQLException {
		ServerBudget budget = this.budgets.find(definition);
		if ((budget == null || !budget.isSessionPooling()) && PostgresSessions.isShared(connection)) {
			throw PostgresSessions.refused(definition, what, advice);
		}
	}

	/**
	 * Whether platform threads should use a source, as {@link Source#pinsThreads()} says;
	 * one of a template need not be in use, and is not known afterwards either.
	 * @param name the source's name
	 * @return whether its driver works in native code
	 * @throws MultiDbException if there is none
	 */
	public boolean pinsThreads(String name) {
		return definition(name).product() == DatabaseProduct.SQLITE;
	}

	/**
	 * How a source is defined; one of a template need not be in use, and is not known
	 * afterwards either.
	 * @param name the source's name
	 * @return its definition, whether or not there is such a database
	 * @throws UnknownSourceException if neither a source nor a template has this name
	 * @throws InvalidTenantException if a template cannot make a database name of it
	 */
	public SourceDefinition definition(String name) {
		Source source = this.sources.get(name);
		if (source == null || source.isGone()) {
			for (SourceTemplate template : this.templates.values()) {
				if (template.names().matches(name)) {
					return template.define(TenantContext.check(name));
				}
			}
		}
		return get(name).definition();
	}

	/**
	 * Takes a definition in, unless something speaks against it beside those that are
	 * there. Called under {@code changes}, or by the constructor.
	 * @param successor whether there may have been another one of its name
	 */
	private List<String> admit(SourceDefinition definition, boolean successor) {
		String name = definition.name();
		String database = definition.url().databaseKey();
		List<String> mistakes = ofAdmission(definition, database);
		if (!mistakes.isEmpty()) {
			return mistakes;
		}
		// A template may have made a source since.
		String owner = this.namesByDatabase.putIfAbsent(database, name);
		if (owner != null) {
			return List.of(Conflicts.sameDatabase(owner, definition));
		}
		Generations known = generations(name);
		int generation = known.next(name) + (successor ? 1 : 0);
		if (this.sources.putIfAbsent(name, new Source(definition, this, generation)) != null) {
			this.namesByDatabase.remove(database, name);
			return List.of(ofTemplate(name));
		}
		if (successor) {
			known.ended(name);
		}
		this.namesByFold.put(new Folded(name), name);
		this.conflicts.admitted(definition);
		return mistakes;
	}

	/** What speaks against taking a definition in. Called as {@link #admit} is. */
	private List<String> ofAdmission(SourceDefinition definition, String database) {
		List<String> mistakes = new ArrayList<>();
		String name = definition.name();
		if (!NAME.matcher(name).matches()) {
			mistakes.add("'" + name + "' is no source name: use 1 to 64 of a-z, 0-9, '-' and '_'.");
		}
		if (definition.readOnly() && definition.liquibase().changeLog() != null) {
			mistakes.add(Conflicts.readOnlyButMigrated(definition));
		}
		String sameName = this.namesByFold.get(new Folded(name));
		if (sameName != null) {
			mistakes.add(Conflicts.sameName(sameName, name));
		}
		String owner = mistakes.isEmpty() ? this.namesByDatabase.get(database) : null;
		if (owner != null) {
			mistakes.add(Conflicts.sameDatabase(owner, definition));
		}
		if (mistakes.isEmpty() && this.sources.containsKey(name)) {
			mistakes.add(ofTemplate(name));
		}
		return mistakes;
	}

	private static String ofTemplate(String name) {
		return "A source named '" + name + "' is in use by a template.";
	}

	/**
	 * A name as property binding compares it.
	 * @param name the name
	 * @return the name in lower case without '-' and '_'
	 */
	public static String fold(String name) {
		return name.replace("-", "").replace("_", "").toLowerCase(Locale.ROOT);
	}

	/**
	 * Whether a source may be named so.
	 * @param name the name
	 * @return whether it is 1 to 64 of letters, digits, '-', '_' and '.', the last not at
	 * its beginning
	 */
	public static boolean isName(String name) {
		return NAME.matcher(name).matches();
	}

	private String known() {
		List<String> names = sources().stream().map(Source::name).limit(20).toList();
		return names.isEmpty() ? "none" : String.join(", ", names) + ((this.sources.size() > 20) ? ", …" : "");
	}

	void forget(Source source) {
		this.sources.computeIfPresent(source.name(), (name, known) -> {
			if (known != source) {
				return known;
			}
			this.namesByDatabase.remove(source.definition().url().databaseKey(), name);
			return null;
		});
		// Only so that nothing keeps it in memory: a router that remembers it asks it.
		if (source.definition().template() != null) {
			Target.forgetResolution(source.name());
		}
		else {
			Target.forgetResolutions();
		}
		recovered(source);
	}

	Background background() {
		return this.background;
	}

	PoolLimits limits() {
		return this.limits;
	}

	OpenPools openPools() {
		return this.openPools;
	}

	ServerBudgets budgets() {
		return this.budgets;
	}

	ReachedServers reachedServers() {
		return this.reachedServers;
	}

	/**
	 * How many things there are that whoever gives a connection back must see to: pools
	 * that drain, and threads that wait for one to become idle.
	 */
	AtomicInteger attention() {
		return this.attention;
	}

	SourceOpener opener() {
		return this.opener;
	}

	/**
	 * A pool of a source drains: it is closed as soon as it is not in use, and at its
	 * deadline.
	 */
	void drains(Source source, Duration grace) {
		this.attention.incrementAndGet();
		this.draining.add(source);
		Runnable closing = () -> {
			source.life().closeDrained();
			Duration left = this.limits.drainTimeout().minus(grace);
			if (source.isOpen() && !left.isNegative()) {
				this.background.run(source.life()::closeDrained, left);
			}
		};
		if (grace.isZero()) {
			this.background.run(closing);
		}
		else {
			this.background.run(closing, grace);
		}
	}

	/**
	 * Has the leases of a pool counted that was just opened, if anybody wants to know.
	 */
	void measure(Pool opened) {
		if (this.poolListener != null) {
			opened.count(new LeaseCounts(this.timedLeases));
		}
	}

	/** A source has a pool. */
	void opened(Source source, Pool opened) {
		watchIdle();
		PoolListener listener = this.poolListener;
		LeaseCounts counts = opened.counts();
		if (listener != null && counts != null) {
			inform(source.name(), "its opening", () -> listener.opened(source, counts));
		}
	}

	/** There is something that may become idle. */
	private void watchIdle() {
		Duration interval = this.openPools.interval();
		if (interval != null && this.watchingIdle.compareAndSet(false, true)
				&& !this.background.later(this::closeIdle, interval)) {
			this.watchingIdle.set(false);
		}
	}

	private void closeIdle() {
		this.watchingIdle.set(false);
		try {
			this.openPools.closeIdle();
		}
		finally {
			if (!this.openPools.isEmpty()) {
				watchIdle();
			}
		}
	}

	/** A pool of a source has drained, and is closed. */
	void drained(Source source) {
		this.attention.decrementAndGet();
		this.draining.remove(source);
		if (source.isOpen()) {
			// It may have been used again, and be draining again.
			this.draining.add(source);
		}
	}

	void recovered(Source source) {
		this.retriedOfTemplates.remove(source);
	}

	/**
	 * Whether a source that fails is remembered and retried. While a server is down,
	 * anybody may ask for any number of tenants of its template, so only some of those
	 * are.
	 */
	boolean keepsUnavailable(Source source) {
		if (source.definition().template() == null || this.retriedOfTemplates.contains(source)) {
			return true;
		}
		return this.retriedOfTemplates.size() < RETRIED_OF_TEMPLATES && this.retriedOfTemplates.add(source);
	}

	Consumer<SourceEvent> publisher() {
		return this.publisher;
	}

	void publish(SourceEvent event) {
		if (event instanceof SourceEvent.Unavailable || event instanceof SourceEvent.ReplicaLeftOut
				|| event instanceof SourceEvent.FellBack || event instanceof SourceEvent.MigrationFailed
				|| event instanceof SourceEvent.NotReplaced) {
			logger.warn("{}: {}", event.source(), event.message());
		}
		else if ((event instanceof SourceEvent.Removed || event instanceof SourceEvent.Replaced)
				&& this.quiet.contains(event.source())) {
			logger.debug("{}: {}", event.source(), event.message());
		}
		else {
			logger.info("{}: {}", event.source(), event.message());
		}
		tell(event);
	}

	private void tell(SourceEvent event) {
		inform(event.source(), event, () -> this.events.accept(event));
	}

	/**
	 * A listener that fails must not break the life it listens to, not even by an error:
	 * a connection that was just taken would be lost. And that this thread is to stop
	 * what it does is not meant for the listener.
	 */
	private static void inform(String source, Object what, Runnable listener) {
		boolean interrupted = Thread.interrupted();
		try {
			listener.run();
		}
		catch (RuntimeException | Error ex) {
			logger.warn("{}: a listener failed on {}", source, what, ex);
		}
		finally {
			if (interrupted) {
				Thread.currentThread().interrupt();
			}
		}
	}

	Clock clock() {
		return this.clock;
	}

	CallerSession callerSession() {
		return this.callerSession;
	}

	/**
	 * Whether the application has ended: what was a source is none any more, which is no
	 * reason to take its tenant for unknown.
	 * @return whether it was closed
	 */
	public boolean isClosed() {
		return this.closed;
	}

	static SourceUnavailableException ended(String name) {
		return new SourceUnavailableException(name, "Source '" + name + "' is closed: the application has ended.",
				Failures.FIRST_RETRY, null);
	}

	/**
	 * Closes every pool at once and ends all background work. Idempotent.
	 */
	@Override
	public void close() {
		this.opener.deleteImages();
		if (!this.background.refuse()) {
			return;
		}
		this.closed = true;
		this.opener.close();
		this.openPools.close();
		this.budgets.close();
		closeAll();
		Target.forgetResolutions();
		this.background.close();
	}

	/**
	 * Side by side: a pool that is connecting to a dead server takes seconds to close.
	 */
	private void closeAll() {
		List<Runnable> open = new ArrayList<>();
		for (Collection<Source> some : List.of(this.sources.values(), this.draining)) {
			for (Source source : some) {
				if (source.isOpen()) {
					open.add(source.life()::close);
				}
				else {
					source.life().close();
				}
			}
		}
		Background.closeAll(open);
	}

}
