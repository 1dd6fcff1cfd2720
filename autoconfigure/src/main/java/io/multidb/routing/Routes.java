package io.multidb.routing;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.InvalidDatasourcesException;
import io.multidb.InvalidTenantException;
import io.multidb.MultiDbException;
import io.multidb.NoTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.source.NamePattern;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * The ordered list of routes; the first that matches a tenant names its source, unless it
 * was mapped to one at run time. Thread-safe; what a target resolves to is remembered in
 * the target, so that only the first connection of a scope pays for the look-up.
 */
public final class Routes {

	private static final Logger logger = LoggerFactory.getLogger(Routes.class);

	private final List<Route> routes;

	/** Plain tenant names, found without walking the patterns; position in routes. */
	private final Map<String, Integer> literals = new HashMap<>();

	private final @Nullable String noTenant;

	private final SourceRegistry registry;

	private final TenantMappings mappings;

	private final ShardMap shardMap;

	private final Placements placements;

	/**
	 * Creates routes without mappings.
	 * @param routes the routes in order; empty means {@link Route#EACH_ITS_OWN}
	 * @param noTenant the source for work without a tenant, or {@code null} to refuse it
	 * @param registry where sources are found
	 */
	public Routes(List<Route> routes, @Nullable String noTenant, SourceRegistry registry) {
		this(routes, noTenant, registry, new TenantMappings(registry, MappingStore.NONE, (event) -> {
		}), new ShardTables(registry));
	}

	/**
	 * Creates the routes.
	 * @param routes the routes in order; empty means {@link Route#EACH_ITS_OWN}
	 * @param noTenant the source for work without a tenant, or {@code null} to refuse it
	 * @param registry where sources are found
	 * @param mappings tenants for which the routes are not asked
	 * @param shardMap where tenants were placed whose route has several sources
	 */
	public Routes(List<Route> routes, @Nullable String noTenant, SourceRegistry registry, TenantMappings mappings,
			ShardMap shardMap) {
		this.routes = routes.isEmpty() ? List.of(Route.EACH_ITS_OWN) : List.copyOf(routes);
		this.noTenant = noTenant;
		this.registry = registry;
		this.mappings = mappings;
		this.shardMap = shardMap;
		this.placements = new Placements(shardMap, registry);
		shardMap.declare(this.routes.stream().map(Route::shards).filter(Objects::nonNull).toList());
		for (int i = 0; i < this.routes.size(); i++) {
			for (NamePattern pattern : this.routes.get(i).tenants()) {
				if (pattern.isLiteral()) {
					this.literals.putIfAbsent(pattern.toString(), i);
				}
			}
		}
	}

	/**
	 * The source of a target. Nothing is opened, unless its route has several sources and
	 * this process does not know yet in which of them the tenant was placed.
	 * @param target the target
	 * @return the source
	 * @throws NoTenantException if the target is empty and no source is set for that
	 * @throws UnknownTenantException if no route leads from the tenant to a source
	 * @throws UnknownSourceException if the source that was named directly does not exist
	 * @throws SourceUnavailableException if it cannot be told now where the tenant is
	 */
	public Source resolve(Target target) {
		return resolution(target).source;
	}

	/**
	 * Whether a target led to another source before, or its tenant was mapped to another
	 * since: what was read under it may be of either, and must not be kept for those who
	 * come later.
	 * @param target the target, resolved again if its source is gone
	 * @return whether its source was replaced since it was first resolved
	 */
	public boolean hasMoved(Target target) {
		Resolution resolution = resolution(target);
		return resolution.moved || (target.source() == null && target.tenant() != null
				&& this.mappings.isChangedSince(resolution.version, target.tenant()));
	}

	/**
	 * Whether going from one target to another changes nothing: they are the same, and
	 * the tenant was not mapped to another source between their scopes.
	 * @param from the target of what is open
	 * @param to the target to be entered
	 * @return whether both lead to the same source; of two that are the same and lead
	 * nowhere, too, as what is left of a removed source may be finished
	 */
	public boolean isSame(Target from, Target to) {
		if (from == to || !from.isSameAs(to)) {
			return from == to;
		}
		Resolution known = known(from.resolution());
		if (known == null || known.source.isGone()) {
			return true;
		}
		try {
			return resolve(to) == known.source;
		}
		catch (MultiDbException ex) {
			return false;
		}
	}

	Resolution resolution(Target target) {
		Object remembered = target.resolution();
		if (remembered instanceof Resolution known && known.routes == this && !known.source.isGone()) {
			return known;
		}
		Resolution known = known(remembered);
		return (known != null && !known.source.isGone()) ? known : lookUp(target, remembered, known);
	}

	private Resolution lookUp(Target target, @Nullable Object remembered, @Nullable Resolution former) {
		// Before the look-up, so that a change while it goes on is noticed.
		long forgotten = Target.forgotten();
		long version = this.mappings.version();
		Source source = lookUp(target);
		boolean moved = former != null && (former.moved || !former.source.identity().equals(source.identity()));
		Object before = remembered;
		while (true) {
			Resolution found = new Resolution(this, target, source, version, moved, others(before));
			Object now = target.resolution(before, found, forgotten);
			Resolution first = known(now);
			if (first != null && (first.equals(found) || !first.source.isGone())) {
				// Another thread may have been faster, and knows better.
				return first;
			}
			before = now;
		}
	}

	/** What these routes remembered, among what others did. */
	private @Nullable Resolution known(@Nullable Object remembered) {
		for (Object each = remembered; each instanceof Resolution known; each = known.others) {
			if (known.routes == this) {
				return known;
			}
		}
		return null;
	}

	/** What other routes remembered, who want to find it again. */
	private @Nullable Object others(@Nullable Object remembered) {
		if (!(remembered instanceof Resolution known)) {
			return remembered;
		}
		return (known.routes == this) ? known.others : new Resolution(known.routes, known.target, known.source,
				known.version, known.moved, others(known.others));
	}

	/**
	 * What a target means to these routes; others may lead elsewhere.
	 *
	 * @param version the number of the last change of mappings that it may know of
	 * @param moved whether it led to another source before
	 * @param others what it means to the routes of another application in this process,
	 * if there is one
	 */
	record Resolution(Routes routes, Target target, Source source, long version, boolean moved,
			@Nullable Object others) {
	}

	/**
	 * The source of a tenant. Nothing is opened, unless its route has several sources and
	 * this process does not know yet in which of them the tenant was placed.
	 * @param tenant a well-formed tenant id
	 * @return the source
	 * @throws UnknownTenantException if no route leads from the tenant to a source
	 * @throws SourceUnavailableException if it cannot be told now where the tenant is
	 */
	public Source resolve(String tenant) {
		String mapped = this.mappings.find(tenant);
		return (mapped != null) ? mapped(tenant, mapped) : route(tenant);
	}

	/** Never falls back to the routes: what the tenant has is in that source. */
	private Source mapped(String tenant, String name) {
		return reachable(tenant, name, "It is mapped to");
	}

	/** A route, and the pattern of its that matches. */
	private record Match(Route route, NamePattern pattern) {
	}

	private @Nullable Match match(String tenant) {
		Integer literal = this.literals.get(tenant);
		int end = (literal != null) ? literal : this.routes.size();
		for (int i = 0; i < end; i++) {
			Route route = this.routes.get(i);
			for (NamePattern pattern : route.tenants()) {
				if (!pattern.isLiteral() && pattern.matches(tenant)) {
					return new Match(route, pattern);
				}
			}
		}
		return (literal != null) ? new Match(this.routes.get(literal), NamePattern.of(tenant)) : null;
	}

	private Source route(String tenant) {
		Match match = match(tenant);
		if (match == null) {
			throw new UnknownTenantException(tenant,
					"No route in 'app.tenancy.routes' matches it; add one, or a last route"
							+ " with tenants \"*\" if a default is meant.");
		}
		return follow(match.route(), match.pattern(), tenant);
	}

	/**
	 * Where a target may lead of which this process does not know that yet: looking it up
	 * places its tenant, or makes a template's source known.
	 * @param target the target
	 * @return the names of the sources over which its tenant's route spreads tenants, the
	 * one where a new tenant is placed first, or the name of the template's source; empty
	 * if nothing is to be placed or made known
	 */
	List<String> places(Target target) {
		String tenant = target.tenant();
		if (isResolved(target)) {
			return List.of();
		}
		String name = newOfTemplate(target);
		if (name != null) {
			return List.of(name);
		}
		if (target.source() != null || tenant == null || this.mappings.find(tenant) != null) {
			return List.of();
		}
		Match match = match(tenant);
		Shards shards = (match != null) ? match.route().shards() : null;
		return (shards == null || this.placements.isKnown(tenant)) ? List.of() : shards.preferredBy(tenant);
	}

	/**
	 * Tells where a tenant goes, and why, without sending it there: nothing is opened,
	 * defined, placed or remembered.
	 * @param tenant the tenant's id
	 * @return what is decided, also where that leads nowhere
	 * @throws InvalidTenantException if the id is malformed
	 * @throws SourceUnavailableException if it is not known yet which tenants are mapped
	 */
	public TenantPlace explain(String tenant) {
		String mapped = this.mappings.find(TenantContext.check(tenant));
		if (mapped != null) {
			return place(tenant, TenantPlace.Rule.MAPPING, mapped, null);
		}
		Match match = match(tenant);
		if (match == null) {
			return new TenantPlace(tenant, TenantPlace.Rule.NONE, null, null, List.of(),
					"No route in 'app.tenancy.routes' matches it.");
		}
		String route = match.route().toString();
		Shards shards = match.route().shards();
		if (shards != null) {
			String known = this.placements.known(tenant);
			return (known != null) ? place(tenant, TenantPlace.Rule.SHARDS, known, route)
					: new TenantPlace(tenant, TenantPlace.Rule.SHARDS, null, route, shards.preferredBy(tenant), null);
		}
		String source = Objects.requireNonNull(match.route().source());
		if (!this.registry.isTemplate(source)) {
			return place(tenant, TenantPlace.Rule.ROUTE, match.pattern().fill(source, tenant), route);
		}
		Source bearer = this.registry.find(tenant);
		boolean other = bearer != null && !source.equals(bearer.definition().template());
		return new TenantPlace(tenant, TenantPlace.Rule.TEMPLATE, tenant, route, List.of(), other
				? "Another source bears its name, so the template '" + source + "' has no database for it." : null);
	}

	private TenantPlace place(String tenant, TenantPlace.Rule rule, String name, @Nullable String route) {
		Source source = this.registry.find(name);
		String problem = null;
		if (source == null || source.isGone() || source.definition().template() != null) {
			problem = "There is no source '" + name + "'.";
		}
		else if (source.definition().internal()) {
			problem = "The source '" + name + "' is internal: no tenant reaches it.";
		}
		return new TenantPlace(tenant, rule, name, route, List.of(), problem);
	}

	/**
	 * The name of a target's source, as {@link #resolve(Target)} finds it, but no
	 * template's source is made known.
	 */
	String nameOf(Target target) {
		String name = isResolved(target) ? null : newOfTemplate(target);
		return (name != null) ? name : resolve(target).name();
	}

	private boolean isResolved(Target target) {
		Resolution known = known(target.resolution());
		return known != null && !known.source.isGone();
	}

	/** {@code null} if its source is no template's, or known. */
	private @Nullable String newOfTemplate(Target target) {
		String name = target.source();
		boolean ofTemplate = name != null && this.registry.isServedByTemplate(name);
		String tenant = target.tenant();
		if (name == null && tenant != null && this.mappings.find(tenant) == null) {
			Match match = match(tenant);
			String source = (match != null) ? match.route().source() : null;
			// Its sources bear the names of their tenants.
			name = tenant;
			ofTemplate = source != null && this.registry.isTemplate(source);
		}
		if (name == null || !ofTemplate) {
			return null;
		}
		Source known = this.registry.find(name);
		return (known == null || known.isGone()) ? name : null;
	}

	/**
	 * Makes the database of a tenant unless it exists. A tenant whose source is no
	 * template's has nothing to be made.
	 * @param tenant a well-formed tenant id
	 * @return whether this call made it
	 * @throws UnknownTenantException if no route leads from the tenant to a source, or
	 * its template makes no databases
	 * @see SourceRegistry#create(String)
	 */
	public boolean create(String tenant) {
		Source source = resolve(tenant);
		String template = source.definition().template();
		return template != null && this.registry.create(template, tenant);
	}

	private Source lookUp(Target target) {
		if (target.source() != null) {
			return this.registry.get(target.source());
		}
		if (target.tenant() != null) {
			return resolve(target.tenant());
		}
		if (this.noTenant == null) {
			throw new NoTenantException("No tenant is current on thread '" + Thread.currentThread().getName()
					+ "', so there is no source to connect to. Enter a tenant with @Tenant, TenantContext.enter(…) or a"
					+ " configured web resolver; or name a source for such work with 'app.tenancy.no-tenant'.");
		}
		return this.registry.get(this.noTenant);
	}

	private Source follow(Route route, NamePattern pattern, String tenant) {
		if (route.shards() != null) {
			return reachable(tenant, this.placements.find(tenant, route.shards()), "It was placed in");
		}
		String source = Objects.requireNonNull(route.source());
		if (this.registry.isTemplate(source)) {
			return this.registry.get(source, tenant);
		}
		return reachable(tenant, pattern.fill(source, tenant), "Its route " + route + " leads to");
	}

	private Source reachable(String tenant, String name, String way) {
		Source source = this.registry.findOrWait(name);
		if (source == null || source.definition().template() != null) {
			throw new UnknownTenantException(tenant, way + " the source '" + name + "', which does not exist.");
		}
		if (source.definition().internal()) {
			throw new UnknownTenantException(tenant,
					way + " the source '" + name + "', which is internal: no tenant reaches it.");
		}
		return source;
	}

	/**
	 * Compares the sources over which tenants are spread with those that were recorded.
	 * Opens them.
	 * @throws InvalidDatasourcesException if they may not be changed so; it says how to
	 * go on
	 */
	public void checkShards() {
		List<Route> left = this.routes.stream().filter((route) -> route.shards() != null).toList();
		while (!left.isEmpty()) {
			List<Route> refused = new ArrayList<>();
			List<String> mistakes = new ArrayList<>();
			for (Route route : left) {
				try {
					checkShards(route);
				}
				catch (InvalidDatasourcesException ex) {
					refused.add(route);
					mistakes.addAll(ex.mistakes());
				}
			}
			if (refused.size() == left.size()) {
				throw new InvalidDatasourcesException(mistakes);
			}
			// What one list has left out now, another one may take.
			left = refused;
		}
	}

	private void checkShards(Route route) {
		try {
			this.shardMap.check(Objects.requireNonNull(route.shards()));
		}
		catch (SourceUnavailableException ex) {
			logger.warn("The sources of the route {} could not be compared with those that were recorded; until then,"
					+ " it places no tenant anew. {}", route, ex.getMessage());
		}
	}

	/**
	 * Whether work without a tenant has a source.
	 * @return {@code false} if it is refused
	 */
	public boolean hasNoTenantSource() {
		return this.noTenant != null;
	}

	/**
	 * The routes in order.
	 * @return the routes, at least one
	 */
	public List<Route> list() {
		return this.routes;
	}

	@Override
	public String toString() {
		return Objects.toString(this.routes);
	}

}
