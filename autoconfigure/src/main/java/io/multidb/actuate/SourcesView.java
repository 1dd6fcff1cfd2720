package io.multidb.actuate;

import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.SanitizableData;
import org.springframework.boot.actuate.endpoint.Sanitizer;

import io.multidb.InvalidTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.actuate.AttentionDescriptor.CatalogDescriptor;
import io.multidb.actuate.SourceDescriptor.DrainingDescriptor;
import io.multidb.actuate.SourceDescriptor.ErrorDescriptor;
import io.multidb.actuate.SourceDescriptor.FallbackDescriptor;
import io.multidb.actuate.SourceDescriptor.MigrationsDescriptor;
import io.multidb.actuate.SourceDescriptor.PoolDescriptor;
import io.multidb.actuate.SourceDescriptor.ReplicaDescriptor;
import io.multidb.actuate.SourceDescriptor.StateDescriptor;
import io.multidb.actuate.SourceDetailsDescriptor.EventDescriptor;
import io.multidb.actuate.SourceDetailsDescriptor.OperationStateDescriptor;
import io.multidb.actuate.SourcesDescriptor.RouteDescriptor;
import io.multidb.actuate.SourcesDescriptor.ServerDescriptor;
import io.multidb.actuate.SourcesDescriptor.TemplateDescriptor;
import io.multidb.actuate.SourcesDescriptor.Totals;
import io.multidb.catalog.CatalogStatus;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.TenantMappings;
import io.multidb.routing.TenantPlace;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.FallbackSettings;
import io.multidb.source.JdbcUrl;
import io.multidb.source.NamePattern;
import io.multidb.source.PoolState;
import io.multidb.source.ReplicaState;
import io.multidb.source.ServerState;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.SourceTemplate;

/**
 * The sources as an operator sees them, for the endpoint and the page. Looking at sources
 * opens nothing, asks no database, and waits for nobody who does; it goes through all of
 * them once, and describes only those of one page.
 * <p>
 * Passwords are never shown, whoever asks. What could hold a secret all the same, the
 * values of a URL's parameters and of attributes, is sanitized as Spring Boot does in its
 * own endpoints. Thread-safe.
 */
public final class SourcesView {

	/** So many servers, templates and routes stand beside a page; the first ones. */
	static final int BESIDE = 200;

	/** So many tenants are named that were mapped to a source. */
	static final int TENANTS = 100;

	/** The attribute that has a source's name for people. */
	static final String DISPLAY_NAME = "display-name";

	/** What {@link io.multidb.source.SourceMigrator} says when it failed. */
	private static final String MIGRATION_FAILED = " could not be migrated with ";

	private static final String JDBC = "jdbc:";

	private static final int LONGEST_PRODUCT = 45;

	private final SourceRegistry registry;

	private final Routes routes;

	private final TenantMappings mappings;

	private final SourceHistory history;

	private final Sanitizer sanitizer;

	private final OperationHistory operations;

	private final Supplier<@Nullable CatalogStatus> catalog;

	private final Supplier<Map<String, String>> problems;

	/**
	 * Creates the view.
	 * @param registry the sources
	 * @param routes where tenants go
	 * @param mappings where tenants were sent at run time
	 * @param history what happened to sources
	 * @param sanitizer masks what could be secret
	 */
	public SourcesView(SourceRegistry registry, Routes routes, TenantMappings mappings, SourceHistory history,
			Sanitizer sanitizer) {
		this(registry, routes, mappings, history, new OperationHistory(Clock.systemUTC()), sanitizer, () -> null,
				Map::of);
	}

	/**
	 * Creates the view, where there are operators and providers of sources.
	 * @param registry the sources
	 * @param routes where tenants go
	 * @param mappings where tenants were sent at run time
	 * @param history what happened to sources
	 * @param operations what operators had done to sources
	 * @param sanitizer masks what could be secret
	 * @param catalog how the catalog is; gives {@code null} if there is none
	 * @param problems why definitions of providers are not in use, by the sources' names
	 */
	public SourcesView(SourceRegistry registry, Routes routes, TenantMappings mappings, SourceHistory history,
			OperationHistory operations, Sanitizer sanitizer, Supplier<@Nullable CatalogStatus> catalog,
			Supplier<Map<String, String>> problems) {
		this.registry = registry;
		this.routes = routes;
		this.mappings = mappings;
		this.history = history;
		this.sanitizer = sanitizer;
		this.operations = operations;
		this.catalog = catalog;
		this.problems = problems;
	}

	/**
	 * One page of the sources.
	 * @param query which
	 * @param showValues whether values that could be secret may be shown
	 * @return a snapshot; sources that change meanwhile are shown as they were seen
	 */
	public SourcesDescriptor sources(SourcesQuery query, boolean showValues) {
		Attention attention = new Attention();
		Set<String> products = new HashSet<>();
		Map<String, Integer> states = new TreeMap<>();
		List<Row> rows = new ArrayList<>();
		int[] known = new int[1];
		this.registry.stream().forEach((source) -> {
			known[0]++;
			SourceDefinition definition = source.definition();
			SourceState state = source.state();
			String status = status(state);
			String product = product(definition);
			products.add(product);
			attention.look(source, definition, state, status);
			if (matches(source, definition, product, query)) {
				states.merge(status, 1, Integer::sum);
				if (query.state() == null || query.state().equals(status)) {
					rows.add(row(source, definition, state, query.sort()));
				}
			}
		});
		long first = (long) query.page() * query.size();
		List<SourceDescriptor> page = page(rows, order(query), first, query.size()).stream()
			.map((row) -> describe(row.source(), row.definition(), row.state(), showValues))
			.toList();
		List<ServerState> servers = this.registry.servers();
		servers.forEach(attention::look);
		this.registry.draining().forEach(attention::lookAtDraining);
		this.history.failedMigrations().forEach((name) -> {
			Source source = this.registry.find(name);
			if (source != null && source.migrationFailure() != null) {
				attention.lookAtMigration(source);
			}
		});
		List<SourceTemplate> templates = this.registry.templates();
		List<Route> routes = this.routes.list();
		return new SourcesDescriptor(page, rows.size(), query.page(), query.size(), known[0], states,
				servers.stream().limit(BESIDE).map(SourcesView::describe).toList(),
				templates.stream().limit(BESIDE).map((template) -> describe(template, showValues)).toList(),
				routes.stream().limit(BESIDE).map(SourcesView::describe).toList(),
				new Totals(servers.size(), templates.size(), routes.size()), new TreeSet<>(products),
				describe(attention, showValues));
	}

	private AttentionDescriptor describe(Attention attention, boolean showValues) {
		Function<Attention.Case, SourceDescriptor> describe = (each) -> describe(each.source(), each.definition(),
				each.state(), showValues);
		return new AttentionDescriptor(attention.states(), attention.unavailable(describe), attention.waiting(describe),
				attention.fallbacks(describe), attention.leftOut(describe), attention.notMigrated(describe),
				attention.draining(describe), attention.servers(SourcesView::describe), catalog(showValues));
	}

	private @Nullable CatalogDescriptor catalog(boolean showValues) {
		CatalogStatus status = this.catalog.get();
		Map<String, String> refused = this.problems.get();
		if (status != null && !status.refused().isEmpty()) {
			refused = new HashMap<>(refused);
			refused.putAll(status.refused());
		}
		if (status == null && refused.isEmpty()) {
			return null;
		}
		First<Map.Entry<String, String>> reasons = new First<>(Attention.SHOWN, Map.Entry.comparingByKey());
		refused.entrySet().forEach(reasons::add);
		Map<String, String> shown = new LinkedHashMap<>();
		reasons.sorted().forEach((each) -> shown.put(each.getKey(), text(each.getValue(), showValues)));
		return (status == null) ? new CatalogDescriptor(null, null, null, null, null, refused.size(), shown)
				: new CatalogDescriptor(status.sources(), status.revision(), status.readAt(), status.listening(),
						(status.error() != null) ? text(status.error(), showValues) : null, refused.size(), shown);
	}

	/** What is sorted must not change meanwhile. */
	private record Row(Source source, SourceDefinition definition, SourceState state, int rank, String key) {
	}

	private static Row row(Source source, SourceDefinition definition, SourceState state, SourcesQuery.Sort sort) {
		int rank = switch (sort) {
			case STATE -> rank(state);
			case ACTIVE -> -active(source);
			default -> 0;
		};
		String key = switch (sort) {
			case PRODUCT -> product(definition);
			case ORIGIN -> definition.origin();
			default -> "";
		};
		return new Row(source, definition, state, rank, key);
	}

	private static int active(Source source) {
		PoolState pool = source.poolState();
		return (pool != null) ? pool.active() : 0;
	}

	private static int rank(SourceState state) {
		if (state instanceof SourceState.Unavailable) {
			return 0;
		}
		if (state instanceof SourceState.Opening) {
			return 1;
		}
		if (state instanceof SourceState.Draining) {
			return 2;
		}
		return (state instanceof SourceState.Open) ? 3 : 4;
	}

	private static Comparator<Row> order(SourcesQuery query) {
		Comparator<Row> order = Comparator.comparingInt(Row::rank)
			.thenComparing(Row::key)
			.thenComparing((row) -> row.definition().name());
		return query.descending() ? order.reversed() : order;
	}

	/** Of many, the first few are found without sorting them all. */
	private static List<Row> page(List<Row> rows, Comparator<Row> order, long first, int size) {
		if (first >= rows.size()) {
			return List.of();
		}
		int from = (int) first;
		int to = Math.min(rows.size(), from + size);
		if (to > rows.size() / 8) {
			rows.sort(order);
			return rows.subList(from, to);
		}
		First<Row> best = new First<>(to, order);
		rows.forEach(best::add);
		return best.sorted().subList(from, to);
	}

	private static boolean matches(Source source, SourceDefinition definition, String product, SourcesQuery query) {
		return (query.product() == null || query.product().equals(product))
				&& (query.origin() == null || contains(definition.origin(), query.origin()))
				&& (query.server() == null || query.server().equals(source.server()))
				&& (query.search() == null || contains(definition.name(), query.search())
						|| contains(definition.attributes().get(DISPLAY_NAME), query.search()));
	}

	/** Whether a text has another one in it that is in lower case. */
	private static boolean contains(@Nullable String text, String part) {
		if (text == null) {
			return false;
		}
		for (int i = 0; i <= text.length() - part.length(); i++) {
			if (text.regionMatches(true, i, part, 0, part.length())) {
				return true;
			}
		}
		return false;
	}

	/**
	 * Everything that is shown of one source.
	 * @param name its name
	 * @param showValues whether values that could be secret may be shown
	 * @return a snapshot, also of one that was removed and is still in use; {@code null}
	 * if there is no such source, or it is a template's of which nothing is in use
	 */
	public @Nullable SourceDetailsDescriptor find(String name, boolean showValues) {
		Source source = this.registry.find(name);
		source = (source != null) ? source : draining(name).findFirst().orElse(null);
		if (source == null) {
			return null;
		}
		SourceDefinition definition = source.definition();
		Map<String, Object> attributes = new TreeMap<>();
		definition.attributes()
			.forEach((key, value) -> attributes.put(key,
					sanitized("app.datasources." + name + ".attributes." + key, value, showValues)));
		List<EventDescriptor> events = this.history.events(name)
			.stream()
			.map((event) -> new EventDescriptor(event.at(), event.type(), text(event.message(), showValues)))
			.toList();
		List<OperationStateDescriptor> done = this.operations.of(name)
			.stream()
			.map((each) -> (each.message() == null) ? each : each.saying(text(each.message(), showValues)))
			.toList();
		return new SourceDetailsDescriptor(describe(source, definition, source.state(), showValues), attributes, events,
				done, this.mappings.tenantsOf(name, TENANTS), server(source.server()));
	}

	/** One that was removed may be in use while there is another of its name. */
	private Stream<Source> draining(String name) {
		return this.registry.draining().filter((each) -> each.name().equals(name));
	}

	/** Of several of one name, which is rare, the times are those of one of them. */
	private @Nullable DrainingDescriptor drains(String name) {
		return draining(name).map(Source::drainState)
			.filter(Objects::nonNull)
			.map((left) -> new DrainingDescriptor(left.connections(), left.since(), left.deadline()))
			.reduce((one, another) -> new DrainingDescriptor(one.connections() + another.connections(), one.since(),
					one.deadline()))
			.orElse(null);
	}

	private @Nullable ServerDescriptor server(@Nullable String server) {
		for (ServerState state : this.registry.servers()) {
			if (state.server().equals(server)) {
				return describe(state);
			}
		}
		return null;
	}

	/**
	 * Where a tenant goes, and why. It is not sent there: nothing is defined, placed or
	 * created for it. Where tenants were mapped is read now if that has not been done,
	 * which takes as long as the {@link io.multidb.routing.MappingStore} does.
	 * @param tenant its id
	 * @return what is decided
	 * @throws InvalidTenantException if the id is malformed
	 * @throws SourceUnavailableException if it is not known yet which tenants are mapped
	 */
	public TenantDescriptor tenant(String tenant) {
		TenantPlace place = this.routes.explain(tenant);
		return new TenantDescriptor(tenant, place.source(), place.rule().name().toLowerCase(Locale.ROOT), place.route(),
				place.candidates().isEmpty() ? null : place.candidates(), place.problem());
	}

	private static ServerDescriptor describe(ServerState state) {
		return new ServerDescriptor(state.server(), state.limit(), state.inUse(), state.idle(), state.waiting(),
				state.stolen());
	}

	private TemplateDescriptor describe(SourceTemplate template, boolean showValues) {
		return new TemplateDescriptor(template.name(), template.names().toString(),
				url(template.definition(), showValues), product(template.definition()), template.definition().origin(),
				template.create().name().toLowerCase(Locale.ROOT).replace('_', '-'));
	}

	private static RouteDescriptor describe(Route route) {
		return new RouteDescriptor(route.tenants().stream().limit(BESIDE).map(NamePattern::toString).toList(),
				route.source(), (route.shards() != null) ? route.shards().sources() : null);
	}

	private SourceDescriptor describe(Source source, SourceDefinition definition, SourceState state,
			boolean showValues) {
		PoolState pool = source.poolState();
		List<ReplicaState> replicas = source.replicas();
		return new SourceDescriptor(definition.name(), definition.attributes().get(DISPLAY_NAME),
				url(definition, showValues), product(definition), source.server(), definition.origin(),
				definition.template(), definition.internal(), definition.essential(), definition.readOnly(),
				describe(state, showValues),
				(pool != null) ? new PoolDescriptor(pool.active(), pool.idle(), pool.waiting(), pool.max()) : null,
				drains(definition.name()), migrations(source, definition, state, showValues),
				lastError(definition.name(), state, showValues), fallback(source, definition.fallback()),
				replicas.isEmpty() ? null
						: replicas.stream()
							.map((each) -> new ReplicaDescriptor(each.name(), each.inUse(), each.lag(),
									(each.reason() != null) ? text(each.reason(), showValues) : null))
							.toList());
	}

	private StateDescriptor describe(SourceState state, boolean showValues) {
		String status = status(state);
		if (state instanceof SourceState.Unavailable unavailable) {
			return new StateDescriptor(status, unavailable.since(), text(unavailable.reason(), showValues),
					unavailable.nextTry());
		}
		if (state instanceof SourceState.Opening opening) {
			return new StateDescriptor(status, opening.since(), null, null);
		}
		if (state instanceof SourceState.Open open) {
			return new StateDescriptor(status, open.since(), null, null);
		}
		return new StateDescriptor(status, (state instanceof SourceState.Draining draining) ? draining.since() : null,
				null, null);
	}

	/** A state in one word. */
	static String status(SourceState state) {
		if (state instanceof SourceState.Cold) {
			return "cold";
		}
		if (state instanceof SourceState.Open) {
			return "open";
		}
		if (state instanceof SourceState.Opening) {
			return "opening";
		}
		if (state instanceof SourceState.Unavailable) {
			return "unavailable";
		}
		return (state instanceof SourceState.Draining) ? "draining" : "removed";
	}

	private @Nullable MigrationsDescriptor migrations(Source source, SourceDefinition definition, SourceState state,
			boolean showValues) {
		String changeLog = definition.liquibase().changeLog();
		if (changeLog == null) {
			return null;
		}
		if (state instanceof SourceState.Unavailable unavailable && unavailable.reason().contains(MIGRATION_FAILED)) {
			return new MigrationsDescriptor(changeLog, "failed", source.upToDateAt(),
					text(unavailable.reason(), showValues));
		}
		String failure = source.migrationFailure();
		if (failure != null) {
			return new MigrationsDescriptor(changeLog, "failed", source.upToDateAt(), text(failure, showValues));
		}
		return new MigrationsDescriptor(changeLog, (source.upToDateAt() != null) ? "up-to-date" : "unknown",
				source.upToDateAt(), null);
	}

	/** What an unavailable source says is known, even if its event is forgotten. */
	private @Nullable ErrorDescriptor lastError(String name, SourceState state, boolean showValues) {
		ErrorDescriptor told = this.history.lastError(name);
		if (told == null && state instanceof SourceState.Unavailable unavailable) {
			told = new ErrorDescriptor(unavailable.since(), unavailable.reason());
		}
		return (told != null) ? new ErrorDescriptor(told.at(), text(told.message(), showValues)) : null;
	}

	private static @Nullable FallbackDescriptor fallback(Source source, @Nullable FallbackSettings declared) {
		return (declared != null) ? new FallbackDescriptor(declared.source(), source.fallback() != null) : null;
	}

	/** What stands behind {@code jdbc:}. */
	static String product(SourceDefinition definition) {
		DatabaseProduct product = definition.url().product();
		if (product != DatabaseProduct.OTHER) {
			return (product == DatabaseProduct.SQLITE) ? "sqlite" : "postgresql";
		}
		String text = definition.url().text();
		int end = JDBC.length();
		while (end < text.length() && ":/;?".indexOf(text.charAt(end)) < 0) {
			end++;
		}
		return (text.startsWith(JDBC) && end > JDBC.length() && end <= LONGEST_PRODUCT)
				? text.substring(JDBC.length(), end).toLowerCase(Locale.ROOT) : "unknown";
	}

	/** Secrets that are known as such never appear; other values as it is allowed. */
	private String url(SourceDefinition definition, boolean showValues) {
		if (!showValues) {
			return hidden(definition.url());
		}
		String key = "app.datasources." + definition.name() + ".url";
		return sanitized(key, definition.url().masked((name, value) -> sanitized(key + "." + name, value, true)), true);
	}

	/** A sentence, which may quote a URL. */
	private String text(String text, boolean showValues) {
		if (!showValues || text.indexOf("jdbc:") < 0) {
			return hidden(text);
		}
		return JdbcUrl.mask(text, (name, value) -> sanitized("app.datasources." + name, value, true));
	}

	/** A URL for those who may not see values that could be secret. */
	static String hidden(JdbcUrl url) {
		return url.masked(SourcesView::hidden);
	}

	/** A sentence for those who may not see values that could be secret. */
	static String hidden(String text) {
		return (text.indexOf("jdbc:") < 0) ? JdbcUrl.mask(text) : JdbcUrl.mask(text, SourcesView::hidden);
	}

	private static String hidden(String name, String value) {
		return value.isEmpty() ? value : SanitizableData.SANITIZED_VALUE;
	}

	private String sanitized(String key, String value, boolean showValues) {
		if (value.equals("***") || value.isEmpty()) {
			return value;
		}
		return String.valueOf(this.sanitizer.sanitize(new SanitizableData(null, key, value), showValues));
	}

}
