package io.multidb.autoconfigure;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;
import org.springframework.core.env.Environment;
import org.springframework.core.io.ResourceLoader;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringUtils;

import io.multidb.InvalidDatasourcesException;
import io.multidb.catalog.CatalogSettings;
import io.multidb.routing.Route;
import io.multidb.routing.Shards;
import io.multidb.source.CreatePolicy;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.FallbackSettings;
import io.multidb.source.JdbcUrl;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.NamePattern;
import io.multidb.source.PoolSettings;
import io.multidb.source.ReplicaSettings;
import io.multidb.source.ServerSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

/**
 * Reads {@code app.datasources} and {@code app.tenancy} and collects every mistake, so
 * that a user mends them in one go. Opens nothing. Used once, by one thread.
 */
final class DatasourcesReader {

	/** The source that an application's {@code spring.datasource} goes on as. */
	static final String DEFAULT = "default";

	private static final String BOOTS_CHANGE_LOG = "classpath:/db/changelog/db.changelog-master.yaml";

	/**
	 * Of {@code spring.datasource.hikari}: what names the connection, is read elsewhere;
	 * a pool of ours is named by its source, and its start waits for nothing.
	 */
	private static final Set<String> NOT_OF_POOL = Set.of("poolname", "initializationfailtimeout", "jdbcurl",
			"username", "password", "driverclassname");

	static final Pattern SOURCE_NAME = Pattern.compile("[a-z0-9]([a-z0-9_-]*[a-z0-9])?");

	/** Of a template. */
	private static final Pattern PLACEHOLDER = Pattern.compile("\\{([^{}]*)}");

	/** Of the environment, which leaves those in place that it cannot resolve. */
	static final Pattern UNRESOLVED = Pattern.compile("\\$\\{([^{}:]*)}");

	static final Set<String> RESOLVERS = Set.of("header", "subdomain", "path", "session", "cookie", "principal");

	private final Environment environment;

	private final ResourceLoader resourceLoader;

	private final @Nullable JdbcConnectionDetails connectionDetails;

	private final Predicate<String> isBean;

	/** A set, for some mistakes are found once per source. */
	private final Set<String> mistakes = new LinkedHashSet<>();

	private final BoundProperties properties;

	private final TenancyProperties tenancy;

	private final TenancyProperties.Liquibase migration;

	private final Map<String, SourceDefinition> definitions = new LinkedHashMap<>();

	/** All names, also of sources whose definition has mistakes of its own. */
	private final Set<String> names = new TreeSet<>();

	/** Names that other sources give as their replicas. */
	private final Set<String> replicas = new HashSet<>();

	/** The properties of URLs without a driver, by the dependency that has one. */
	private final Map<String, List<String>> driverless = new TreeMap<>();

	private final Addresses addresses;

	/** The routes that spread their tenants over a source, by its name. */
	private final Map<String, String> shardOf = new HashMap<>();

	/** Sources in routes whose patterns have mistakes of their own. */
	private final Set<String> misrouted = new HashSet<>();

	/**
	 * Creates the reader.
	 * @param environment what was configured
	 * @param resourceLoader finds Spring Boot's default change log
	 * @param connectionDetails where Spring Boot would connect to, such as a container;
	 * {@code null} if only properties say so
	 * @param beans the application's own definitions, by the names of their beans
	 * @param isBean whether there is a bean of a name, for resolvers of the application's
	 * own
	 */
	DatasourcesReader(Environment environment, ResourceLoader resourceLoader,
			@Nullable JdbcConnectionDetails connectionDetails, Map<String, SourceDefinition> beans,
			Predicate<String> isBean) {
		this.environment = environment;
		this.resourceLoader = resourceLoader;
		this.connectionDetails = connectionDetails;
		this.isBean = isBean;
		KnownNames known = KnownNames.of(environment, resourceLoader, this.mistakes);
		OwnDefinitions own = new OwnDefinitions(environment, this.mistakes).withBeans(beans)
			.withFiles(known.packages(), resourceLoader);
		this.properties = new BoundProperties(own.sources(), environment, this.mistakes);
		this.tenancy = this.properties.tenancy();
		this.migration = migration(this.tenancy.liquibase(), Binder.get(environment));
		this.names.addAll(this.properties.declaredNames());
		this.addresses = new Addresses(this.properties, known, own,
				new DiscoveredUrls(environment, known.all(), this.names), this.names, this.mistakes);
	}

	/**
	 * Reads the configuration.
	 * @return the configuration
	 * @throws InvalidDatasourcesException if it has mistakes; all are listed
	 */
	Datasources read() {
		this.addresses.find();
		checkNames();
		this.properties.sources().values().forEach((source) -> this.replicas.addAll(source.replicas()));
		this.properties.sources().forEach(this::define);
		this.driverless.forEach(this::refuseWithoutDriver);
		defineDefault();
		this.addresses.check();
		List<Route> routes = this.addresses.route(routes());
		List<SourceDefinition> sources = new ArrayList<>();
		List<SourceTemplate> templates = new ArrayList<>();
		this.definitions.forEach((name, definition) -> {
			SourceProperties source = this.properties.sources().get(name);
			if (source == null || !isTemplate(definition)) {
				sources.add(definition);
			}
			else {
				SourceTemplate template = template(definition, source, routes);
				if (template != null) {
					templates.add(template);
				}
			}
		});
		templates.sort(Comparator.comparingInt((template) -> positionOf(template, routes)));
		checkRoutes(routes);
		checkTenancy();
		checkCatalog();
		String noTenant = noTenant();
		checkTogether(sources, templates);
		if (!this.mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(List.copyOf(this.mistakes));
		}
		return new Datasources(sources, templates, routes, noTenant, this.tenancy, migration(),
				this.addresses.ofDefault(), this.addresses.notes());
	}

	/** The registry knows best which sources exclude each other. */
	private void checkTogether(List<SourceDefinition> sources, List<SourceTemplate> templates) {
		try {
			new SourceRegistry(sources, templates, SourceMigrator.NONE, (event) -> {
			}).close();
		}
		catch (InvalidDatasourcesException ex) {
			this.mistakes.addAll(ex.mistakes());
		}
	}

	private void checkNames() {
		Map<String, String> byFold = new HashMap<>();
		for (String name : this.names) {
			if (!this.properties.isBracketed(name) && !SOURCE_NAME.matcher(name).matches()) {
				this.mistakes.add(
						"'" + name + "' is no plain source name: use a-z, 0-9, '-' and '_', beginning and ending with a"
								+ " letter or digit, or write it in brackets: \"[" + name + "]\".");
			}
			String same = byFold.putIfAbsent(SourceRegistry.fold(name), name);
			if (same != null) {
				this.mistakes.add("The names '" + same + "'" + this.addresses.at(same) + " and '" + name + "'"
						+ this.addresses.at(name)
						+ " are the same to property binding, which leaves out case, '-' and '_': rename one. In the name of an"
						+ " environment variable, '_' stands for either.");
				this.properties.sources().remove(name);
			}
		}
	}

	private void define(String name, SourceProperties source) {
		String property = "app.datasources." + name;
		Map<String, String> hikari = hikari("'" + property + "'", source.hikari());
		String url = source.url();
		if (!StringUtils.hasText(url) && this.addresses.isMistaken(name)) {
			return;
		}
		if (!StringUtils.hasText(url)) {
			this.mistakes
				.add("'" + property + ".url'" + this.addresses.at(name) + " is missing. Every source needs one, such as"
						+ " jdbc:sqlite:" + name + ".db or jdbc:postgresql://localhost/" + name + ".");
			return;
		}
		if (refuseUnresolved(property + ".url", url, false)) {
			return;
		}
		refuseUnresolved(property + ".username", source.username(), true);
		refuseUnresolved(property + ".password", source.password(), true);
		if (!url.startsWith("jdbc:")) {
			this.mistakes.add("'" + property + ".url'" + this.addresses.at(name)
					+ " must be a JDBC URL, which starts with 'jdbc:'.");
			return;
		}
		if (isPrivateMemory(url)) {
			this.mistakes.add("'" + property + ".url'" + this.addresses.at(name)
					+ " is a SQLite database in memory, of which every connection has its own. Use a file.");
		}
		boolean template = isTemplate(url);
		if (!template && !StringUtils.hasText(source.driverClassName()) && !this.addresses.isOfBean(name)) {
			String missing = new JdbcUrl(url).missingDriver();
			if (missing != null) {
				this.driverless.computeIfAbsent(missing, (any) -> new ArrayList<>())
					.add("'" + property + ".url'" + this.addresses.at(name));
			}
		}
		String forTemplates = (source.maintenance() != null) ? "maintenance"
				: (source.create() != CreatePolicy.NEVER) ? "create" : (source.copy() != null) ? "copy" : null;
		if (!template && forTemplates != null) {
			this.mistakes.add("'" + property + "." + forTemplates + "'" + this.addresses.at(name)
					+ " is for templates, and the URL has no placeholder such as {id}.");
		}
		boolean replica = this.replicas.contains(name);
		boolean readOnly = source.readOnly() || replica;
		if (readOnly && source.liquibase().enabled() && source.liquibase().changeLog() != null) {
			this.mistakes.add("'" + property + ".liquibase.change-log'" + this.addresses.at(name)
					+ " can never be run: the source is " + (replica ? "a replica" : "read-only") + ".");
		}
		this.definitions.put(name,
				SourceDefinition.named(name)
					.url(url)
					.username(source.username())
					.password(source.password())
					.driverClassName(source.driverClassName())
					.hikari(hikari)
					.liquibase(readOnly ? LiquibaseSettings.NONE : liquibase(source))
					.essential((source.essential() != null) ? source.essential() : !template && !replica)
					.internal(source.internal() || replica)
					.server(server(name, source, url))
					.readOnly(readOnly)
					.copied(!Boolean.FALSE.equals(source.copy()))
					.replicas(replicas(name, source))
					.fallback(fallback(name, source))
					.attributes(source.attributes())
					.origin(this.addresses.origin(name))
					.build());
	}

	private void refuseWithoutDriver(String dependency, List<String> urls) {
		this.mistakes
			.add(urls.get(0) + ((urls.size() > 1) ? " and " + (urls.size() - 1) + " more like it have" : " has")
					+ " no JDBC driver on the class path: add the dependency " + dependency
					+ ", or name another driver as 'driver-class-name'.");
	}

	private @Nullable String server(String name, SourceProperties source, String url) {
		String server = source.server();
		if (server == null) {
			return null;
		}
		String property = "'app.datasources." + name + ".server'" + this.addresses.at(name);
		TenancyProperties.Server settings = this.tenancy.servers().get(server);
		if (url.startsWith("jdbc:sqlite:")) {
			this.mistakes.add(property + " is set, but SQLite has no server: remove it.");
		}
		else if (settings == null) {
			this.mistakes.add(property + " names '" + server + "', which is none of 'app.tenancy.servers'."
					+ PropertyKeys.suggest(server, this.tenancy.servers().keySet()));
		}
		else if (settings.maxConnections() == null && settings.maxOpen() == 0 && !url.startsWith("jdbc:postgresql:")) {
			this.mistakes.add("'app.tenancy.servers." + server
					+ ".max-connections' is missing: only PostgreSQL is asked how many it has. Or set 'max-open'.");
		}
		return server;
	}

	/** What is wrong with a replica itself is found by the registry. */
	private ReplicaSettings replicas(String name, SourceProperties source) {
		String property = "'app.datasources." + name;
		List<String> known = new ArrayList<>();
		for (String replica : source.replicas()) {
			SourceProperties declared = this.properties.sources().get(replica);
			if (!this.names.contains(replica)) {
				this.mistakes.add(property + ".replicas'" + this.addresses.at(name) + " names '" + replica
						+ "', which is no source." + PropertyKeys.suggest(replica, this.names));
			}
			else if (declared != null && PLACEHOLDER.matcher(String.valueOf(declared.url())).find()) {
				this.mistakes.add(property + ".replicas'" + this.addresses.at(name) + " names '" + replica
						+ "', which is a template.");
			}
			else if (declared != null && String.valueOf(declared.url()).startsWith("jdbc:")) {
				known.add(replica);
			}
		}
		Duration maxLag = source.maxLag();
		Duration sticky = source.sticky();
		if (source.replicas().isEmpty() && (maxLag != null || sticky != null)) {
			this.mistakes.add(property + ((maxLag != null) ? ".max-lag'" : ".sticky'") + this.addresses.at(name)
					+ " is for sources that have 'replicas'.");
		}
		boolean measured = String.valueOf(source.url()).startsWith("jdbc:postgresql:");
		if (maxLag != null && !measured && !source.replicas().isEmpty()) {
			this.mistakes.add(property + ".max-lag'" + this.addresses.at(name)
					+ " cannot be heeded: how far a replica is behind is measured on PostgreSQL only.");
		}
		if (maxLag != null && maxLag.compareTo(ReplicaSettings.SHORTEST_MAX_LAG) < 0) {
			this.mistakes.add(property + ".max-lag'" + this.addresses.at(name) + " must be at least "
					+ ReplicaSettings.SHORTEST_MAX_LAG.toMillis() + " ms: lag is not measured more finely.");
			maxLag = null;
		}
		if (sticky != null && sticky.isNegative()) {
			this.mistakes
				.add(property + ".sticky'" + this.addresses.at(name) + " must not be negative; 0 is for not at all.");
			sticky = null;
		}
		Duration lag = (maxLag != null) ? maxLag : ReplicaSettings.DEFAULT_MAX_LAG;
		return new ReplicaSettings(known, lag, (sticky != null) ? sticky : lag);
	}

	/** What is wrong with the fallback itself is found by the registry. */
	private @Nullable FallbackSettings fallback(String name, SourceProperties source) {
		String property = "'app.datasources." + name;
		String fallback = source.fallback();
		if (fallback == null) {
			if (source.fallbackReadOnly() != null) {
				this.mistakes.add(property + ".fallback-read-only'" + this.addresses.at(name)
						+ " is for sources that have a 'fallback'.");
			}
			return null;
		}
		SourceProperties declared = this.properties.sources().get(fallback);
		if (!this.names.contains(fallback) && !fallback.equals(DEFAULT)) {
			this.mistakes.add(property + ".fallback'" + this.addresses.at(name) + " names '" + fallback
					+ "', which is no source." + PropertyKeys.suggest(fallback, this.names));
			return null;
		}
		if (isTemplate(String.valueOf(source.url()))) {
			this.mistakes.add(property + ".fallback'" + this.addresses.at(name)
					+ " is not for templates: all their tenants would share one database.");
			return null;
		}
		if (declared != null && isTemplate(String.valueOf(declared.url()))) {
			this.mistakes.add(property + ".fallback'" + this.addresses.at(name) + " names '" + fallback
					+ "', which is a template: all tenants of the source share one database.");
			return null;
		}
		boolean known = (declared != null) ? String.valueOf(declared.url()).startsWith("jdbc:")
				: fallback.equals(DEFAULT);
		return known ? new FallbackSettings(fallback, !Boolean.FALSE.equals(source.fallbackReadOnly())) : null;
	}

	/** A password may contain anything, but is hardly as a whole what a variable is. */
	private boolean refuseUnresolved(String property, @Nullable String value, boolean whole) {
		Matcher placeholder = UNRESOLVED.matcher((value != null) ? value : "");
		boolean unresolved = whole ? placeholder.matches() : placeholder.find();
		if (unresolved) {
			this.mistakes.add("'" + property + "' refers to " + placeholder.group()
					+ ", which is set nowhere. Set it, or give a default: ${" + placeholder.group(1) + ":…}.");
		}
		return unresolved;
	}

	private static boolean isPrivateMemory(String url) {
		String path = withoutParameters(url);
		return path.equals("jdbc:sqlite:") || (path.startsWith("jdbc:sqlite:")
				&& (path.contains(":memory:") || url.contains("mode=memory")) && !url.contains("cache=shared"));
	}

	/**
	 * Checks a pool's settings. An environment variable has only dots between words:
	 * HIKARI_MAXIMUM_POOL_SIZE.
	 */
	private Map<String, String> hikari(String where, Map<String, String> written) {
		Map<String, String> hikari = new TreeMap<>();
		Map<String, String> known = new HashMap<>();
		PoolSettings.names().forEach((name) -> known.put(SourceRegistry.fold(name), name));
		written.forEach((key, value) -> {
			String name = known.get(SourceRegistry.fold(key.replace(".", "")));
			// What comes first decides, however it is spelt.
			hikari.putIfAbsent((name != null) ? name : key, value);
		});
		List<String> mistakes = PoolSettings.mistakes(hikari);
		mistakes.forEach((mistake) -> this.mistakes.add("In " + where + ": " + mistake + "."));
		if (mistakes.isEmpty()) {
			hikari.keySet()
				.stream()
				.filter((key) -> !known.containsValue(key) && !key.startsWith("data-source-properties."))
				.forEach((key) -> this.mistakes.add("In " + where + ": 'hikari." + key + "' is no setting of HikariCP."
						+ PropertyKeys.suggest(key, known.values())));
		}
		return hikari;
	}

	private LiquibaseSettings liquibase(SourceProperties source) {
		SourceProperties.Liquibase own = source.liquibase();
		String changeLog = own.changeLog();
		if (changeLog == null && !source.internal()) {
			changeLog = this.migration.changeLog();
		}
		return own.enabled() ? liquibase(changeLog, own) : LiquibaseSettings.NONE;
	}

	private LiquibaseSettings liquibase(@Nullable String changeLog, SourceProperties.Liquibase own) {
		if (!StringUtils.hasText(changeLog) || !isLiquibaseEnabled()) {
			return LiquibaseSettings.NONE;
		}
		if (!ClassUtils.isPresent("liquibase.integration.spring.SpringLiquibase",
				this.resourceLoader.getClassLoader())) {
			this.mistakes
				.add("The change log '" + changeLog + "' is configured, but Liquibase is not on the class path: add"
						+ " spring-boot-starter-liquibase.");
		}
		Map<String, String> parameters = new HashMap<>(this.migration.parameters());
		parameters.putAll(own.parameters());
		return new LiquibaseSettings(changeLog, (own.contexts() != null) ? own.contexts() : this.migration.contexts(),
				(own.labelFilter() != null) ? own.labelFilter() : this.migration.labelFilter(), parameters);
	}

	/** Of a source that is added later and says nothing of its own. */
	private LiquibaseSettings migration() {
		return (StringUtils.hasText(this.migration.changeLog()) && isLiquibaseEnabled())
				? new LiquibaseSettings(this.migration.changeLog(), this.migration.contexts(),
						this.migration.labelFilter(), this.migration.parameters())
				: LiquibaseSettings.NONE;
	}

	/** The defaults of all sources, where an application's spring.liquibase goes on. */
	private static TenancyProperties.Liquibase migration(TenancyProperties.Liquibase own, Binder binder) {
		TenancyProperties.Liquibase springs = binder.bindOrCreate("spring.liquibase",
				TenancyProperties.Liquibase.class);
		Map<String, String> parameters = new HashMap<>(springs.parameters());
		parameters.putAll(own.parameters());
		return new TenancyProperties.Liquibase((own.changeLog() != null) ? own.changeLog() : springs.changeLog(),
				own.contexts().isEmpty() ? springs.contexts() : own.contexts(),
				own.labelFilter().isEmpty() ? springs.labelFilter() : own.labelFilter(), parameters, own.failFast(),
				own.parallelism(), own.startupTimeout());
	}

	private boolean isLiquibaseEnabled() {
		return this.environment.getProperty("spring.liquibase.enabled", Boolean.class, true);
	}

	/**
	 * An application's own {@code spring.datasource} goes on, as one source among others.
	 */
	private void defineDefault() {
		if (this.environment.containsProperty("spring.datasource.jndi-name")) {
			this.mistakes
				.add("'spring.datasource.jndi-name' cannot go on as the source 'default', as sources have pools"
						+ " of their own: give 'spring.datasource.url' instead.");
			return;
		}
		ClassLoader classLoader = Objects.requireNonNullElse(this.resourceLoader.getClassLoader(),
				getClass().getClassLoader());
		DefaultConnection connection = this.addresses
			.ofDefault(DefaultConnection.find(this.environment, this.connectionDetails, classLoader));
		if (connection == null) {
			return;
		}
		if (!this.names.add(DEFAULT)) {
			this.mistakes.add("Both '" + connection.origin() + "' and 'app.datasources.default'"
					+ this.addresses.at(DEFAULT) + " define the source 'default': remove one.");
			return;
		}
		String url = connection.url();
		if (refuseUnresolved("spring.datasource.url", url, false)) {
			return;
		}
		if (!url.startsWith("jdbc:")) {
			this.mistakes.add("'spring.datasource.url' must be a JDBC URL, which starts with 'jdbc:'.");
			return;
		}
		if (isPrivateMemory(url)) {
			this.mistakes
				.add("'spring.datasource.url' is a SQLite database in memory, of which every connection has its"
						+ " own. Use a file.");
		}
		Map<String, String> hikari = new HashMap<>(Binder.get(this.environment)
			.bind("spring.datasource.hikari", Bindable.mapOf(String.class, String.class))
			.orElseGet(Map::of));
		hikari.keySet().removeIf((key) -> NOT_OF_POOL.contains(SourceRegistry.fold(key)));
		String changeLog = this.migration.changeLog();
		if (changeLog == null && this.resourceLoader.getResource(BOOTS_CHANGE_LOG).exists()) {
			changeLog = BOOTS_CHANGE_LOG;
		}
		SourceProperties.Liquibase none = new SourceProperties.Liquibase(true, null, null, null, Map.of());
		this.definitions.put(DEFAULT, SourceDefinition.named(DEFAULT)
			.url(url)
			.username(connection.username())
			.password(connection.password())
			.driverClassName(connection.driverClassName())
			.hikari(hikari("'spring.datasource'", hikari))
			.liquibase(
					(changeLog != null && isLiquibaseEnabled()) ? liquibase(changeLog, none) : LiquibaseSettings.NONE)
			.origin(connection.origin())
			.build());
	}

	private static int positionOf(SourceTemplate template, List<Route> routes) {
		for (int i = 0; i < routes.size(); i++) {
			if (template.name().equals(routes.get(i).source())) {
				return i;
			}
		}
		return routes.size();
	}

	private boolean isTemplate(SourceDefinition definition) {
		return this.properties.sources().containsKey(definition.name()) && isTemplate(definition.url().text());
	}

	static boolean isTemplate(String url) {
		return PLACEHOLDER.matcher(url).find();
	}

	private @Nullable SourceTemplate template(SourceDefinition definition, SourceProperties source,
			List<Route> routes) {
		String name = definition.name();
		List<NamePattern> patterns = routes.stream()
			.filter((route) -> name.equals(route.source()))
			.flatMap((route) -> route.tenants().stream())
			.toList();
		if (this.misrouted.contains(name)) {
			return null;
		}
		if (patterns.size() != 1) {
			this.mistakes
				.add("The template '" + name + "' (" + definition.url().masked() + ") needs exactly one route with one"
						+ " pattern and has " + patterns.size() + ". Write in 'app.tenancy.routes': {tenants: \"" + name
						+ "-{id}\", source: " + name + "}, with the placeholder of its URL.");
			return null;
		}
		checkCreation(definition, source);
		NamePattern pattern = patterns.get(0);
		if (refuseUnknownPlaceholders("'app.datasources." + name + ".url'", definition.url().text(), pattern)) {
			return null;
		}
		try {
			return new SourceTemplate(pattern, definition, source.create(), source.maintenance());
		}
		catch (IllegalArgumentException ex) {
			this.mistakes.add(ex.getMessage() + ".");
			return null;
		}
	}

	private boolean refuseUnknownPlaceholders(String where, String text, NamePattern pattern) {
		Set<String> fillable = new TreeSet<>(Set.of(NamePattern.TENANT));
		if (pattern.variable() != null) {
			fillable.add(pattern.variable());
		}
		Matcher placeholder = PLACEHOLDER.matcher(text);
		boolean found = false;
		while (placeholder.find()) {
			if (!fillable.contains(placeholder.group(1))) {
				this.mistakes.add(where + " has the placeholder " + placeholder.group() + ", which the pattern '"
						+ pattern + "' of its route does not give; it gives {" + String.join("}, {", fillable) + "}.");
				found = true;
			}
		}
		return found;
	}

	private void checkCreation(SourceDefinition definition, SourceProperties source) {
		String property = "'app.datasources." + definition.name();
		String maintenance = source.maintenance();
		if (maintenance != null) {
			refuseUnknownSource(property + ".maintenance' names '" + maintenance + "', which is no source.",
					maintenance);
		}
		if (source.create() == CreatePolicy.NEVER) {
			return;
		}
		DatabaseProduct product = definition.url().product();
		String database = withoutParameters(definition.url().text());
		if (product == DatabaseProduct.OTHER) {
			this.mistakes
				.add(property + ".create' is not 'never', but databases are created on SQLite and PostgreSQL only.");
		}
		else if (!PLACEHOLDER.matcher(database).find()) {
			this.mistakes.add(property + ".create' is not 'never', but the placeholder is not in the database's name.");
		}
		else if (product == DatabaseProduct.POSTGRESQL && maintenance == null) {
			this.mistakes
				.add(property + ".maintenance' is missing: it names the source on which CREATE DATABASE runs, such as"
						+ " one with the URL of the server's database 'postgres' and 'internal: true'.");
		}
		else if (product == DatabaseProduct.SQLITE && database.startsWith("jdbc:sqlite:file:")) {
			this.mistakes
				.add(property + ".url' must name a plain file, not a 'file:' URI, for databases to be created.");
		}
	}

	private static String withoutParameters(String url) {
		int end = url.indexOf('?');
		return (end < 0) ? url : url.substring(0, end);
	}

	/** Says so if a name is no source; one with mistakes of its own is one. */
	private void refuseUnknownSource(String mistake, String name) {
		SourceDefinition source = this.definitions.get(name);
		if ((source == null && !this.names.contains(name)) || (source != null && isTemplate(source))) {
			this.mistakes.add(mistake + PropertyKeys.suggest(name, this.names));
		}
	}

	private List<Route> routes() {
		List<Route> routes = new ArrayList<>();
		for (int i = 0; i < this.tenancy.routes().size(); i++) {
			TenancyProperties.Route route = this.tenancy.routes().get(i);
			String property = "'app.tenancy.routes[" + i + "]";
			List<NamePattern> patterns = new ArrayList<>();
			for (String text : route.tenants()) {
				try {
					patterns.add(NamePattern.of(text));
				}
				catch (IllegalArgumentException ex) {
					this.mistakes.add(property + ".tenants': " + ex.getMessage() + ".");
				}
			}
			if (route.tenants().isEmpty()) {
				this.mistakes.add(property + ".tenants' is missing: name tenants or a pattern, such as \"chat-*\".");
			}
			if (route.sources() != null) {
				Shards shards = shards(property, route, route.sources());
				if (shards != null && !patterns.isEmpty()) {
					routes.add(new Route(patterns, shards));
				}
				continue;
			}
			if (route.generation() != null) {
				this.mistakes.add(property + ".generation' is for 'sources', of which there are none.");
			}
			if (!StringUtils.hasText(route.source())) {
				this.mistakes.add(property + ".source' is missing: name a source or template, or several 'sources'.");
				continue;
			}
			if (patterns.size() < Math.max(1, route.tenants().size())) {
				this.misrouted.add(route.source());
			}
			if (!patterns.isEmpty()) {
				routes.add(new Route(patterns, route.source()));
			}
		}
		return routes;
	}

	private @Nullable Shards shards(String property, TenancyProperties.Route route, List<String> sources) {
		if (StringUtils.hasText(route.source())) {
			this.mistakes.add(property + "' has both a 'source' and 'sources': remove one of them.");
		}
		if (sources.isEmpty() || !sources.stream().allMatch(StringUtils::hasText)) {
			this.mistakes.add(property + ".sources' is empty, or has an empty name: name the sources over which the"
					+ " tenants are spread.");
			return null;
		}
		int generation = (route.generation() != null) ? route.generation() : 1;
		if (generation < 1) {
			this.mistakes.add(property + ".generation' must be 1 or more.");
		}
		Set<String> once = new LinkedHashSet<>();
		for (String source : sources) {
			if (!once.add(source)) {
				this.mistakes.add(property + ".sources' has '" + source + "' twice: name each source once.");
			}
			String other = this.shardOf.putIfAbsent(source, property);
			if (other != null && !other.equals(property)) {
				this.mistakes.add(property + ".sources' has '" + source + "', which is one of " + other
						+ ".sources', too. A source records one list; give the one route the tenants of both.");
			}
		}
		return new Shards(List.copyOf(once), Math.max(1, generation));
	}

	private void checkRoutes(List<Route> routes) {
		List<NamePattern> earlier = new ArrayList<>();
		for (Route route : routes) {
			for (NamePattern pattern : route.tenants()) {
				earlier.stream()
					.filter((before) -> before.covers(pattern))
					.findFirst()
					.ifPresent((before) -> this.mistakes
						.add("The route " + route + " can never match '" + pattern + "': the earlier pattern '" + before
								+ "' takes all of it. Change their order, or remove one."));
				earlier.add(pattern);
				if (route.source() != null) {
					refuseUnknownPlaceholders("The source of the route " + route, route.source(), pattern);
				}
			}
			if (route.source() != null && !PLACEHOLDER.matcher(route.source()).find()) {
				checkSource(route, route.source());
			}
			if (route.shards() != null) {
				route.shards().sources().forEach((name) -> checkShard(route, name));
			}
		}
	}

	private void checkShard(Route route, String name) {
		SourceDefinition source = this.definitions.get(name);
		if (PLACEHOLDER.matcher(name).find()) {
			this.mistakes.add("The route " + route + " leads to '" + name
					+ "', which has a placeholder: tenants are spread over sources that are named as they are.");
		}
		else if (source != null && isTemplate(source)) {
			this.mistakes.add("The route " + route + " leads to '" + name
					+ "', which is a template: each of its tenants has a database of its own, so none is spread.");
		}
		else if (source != null && source.readOnly() && !source.internal()) {
			this.mistakes.add("The route " + route + " leads to '" + name
					+ "', which is read-only: it could not remember the tenants that are placed in it.");
		}
		else {
			checkSource(route, name);
		}
	}

	private void checkSource(Route route, String name) {
		SourceDefinition source = this.definitions.get(name);
		if (source == null && !this.names.contains(name)) {
			this.mistakes.add("The route " + route + " leads to '" + name + "', which is no source."
					+ PropertyKeys.suggest(name, this.names));
		}
		if (source != null && source.internal()) {
			this.mistakes.add("The route " + route + " leads to '" + name + "', which is "
					+ (this.replicas.contains(name) ? "a replica: route to the source whose replica it is."
							: "'internal: true': no tenant may reach it."));
		}
	}

	private @Nullable String noTenant() {
		String noTenant = this.tenancy.noTenant().strip();
		if (noTenant.equalsIgnoreCase("refuse")) {
			return null;
		}
		refuseUnknownSource("'app.tenancy.no-tenant' must be 'refuse' or a source; '" + noTenant + "' is neither.",
				noTenant);
		return noTenant;
	}

	private void checkCatalog() {
		TenancyProperties.Catalog catalog = this.tenancy.catalog();
		if (!StringUtils.hasText(catalog.source())) {
			return;
		}
		String property = "'app.tenancy.catalog.source' is '" + catalog.source() + "', which ";
		SourceDefinition source = this.definitions.get(catalog.source());
		if (source == null && this.names.contains(catalog.source())) {
			// Its own mistakes are told.
			return;
		}
		if (source == null || isTemplate(source)) {
			this.mistakes.add(property + "is no declared source." + PropertyKeys.suggest(catalog.source(), this.names));
		}
		else if (source.url().product() == DatabaseProduct.OTHER) {
			this.mistakes.add(property + "is neither SQLite nor PostgreSQL.");
		}
		else if (source.readOnly() || this.replicas.contains(source.name())) {
			this.mistakes.add(property + "is read-only.");
		}
		else if (source.fallback() != null) {
			this.mistakes.add(property + "has a 'fallback': what that has would be taken for the catalog.");
		}
		boolean unresolved = false;
		for (Map.Entry<String, String> key : catalog.credentials().keys().entrySet()) {
			unresolved |= refuseUnresolved("app.tenancy.catalog.credentials.keys." + key.getKey(), key.getValue(),
					true);
		}
		if (unresolved) {
			return;
		}
		try {
			CatalogSettings unused = catalog.settings((name) -> null);
		}
		catch (IllegalArgumentException ex) {
			this.mistakes.add("In 'app.tenancy.catalog': " + ex.getMessage());
		}
	}

	private void checkTenancy() {
		if (this.tenancy.liquibase().parallelism() < 1) {
			this.mistakes.add("'app.tenancy.liquibase.parallelism' must be at least 1.");
		}
		this.tenancy.servers().forEach((name, server) -> {
			try {
				ServerSettings unused = server.settings();
			}
			catch (IllegalArgumentException ex) {
				this.mistakes.add("In 'app.tenancy.servers." + name + "': " + ex.getMessage() + ".");
			}
		});
		if (this.tenancy.maxOpen() < 0) {
			this.mistakes.add("'app.tenancy.max-open' must be 0, for any number, or more.");
		}
		if (this.tenancy.idleTimeout().isNegative() || this.tenancy.drainTimeout().isNegative()) {
			this.mistakes.add("'app.tenancy.idle-timeout' and 'app.tenancy.drain-timeout' must not be negative.");
		}
		checkFanOut(this.tenancy.fanOut());
		checkMetrics(this.tenancy.metrics());
		if (!this.tenancy.page().path().matches("(/[A-Za-z0-9._~-]+)+")) {
			this.mistakes.add("'app.tenancy.page.path' must begin with a slash and not end with one, such as"
					+ " /datasources, and have only letters, digits and '.', '_', '~', '-' in between.");
		}
		TenancyProperties.Web web = this.tenancy.web();
		for (String resolver : web.resolvers()) {
			if (this.isBean.test(resolver)) {
				continue;
			}
			if (!RESOLVERS.contains(resolver)) {
				this.mistakes.add("'app.tenancy.web.resolvers' has '" + resolver
						+ "', which is neither a resolver nor the name of a TenantResolver bean."
						+ PropertyKeys.suggest(resolver, RESOLVERS));
			}
			else if (resolver.equals("subdomain") && !StringUtils.hasText(web.subdomain().domain())) {
				this.mistakes.add("'app.tenancy.web.subdomain.domain' is missing: the resolver 'subdomain' needs the"
						+ " domain before which tenants stand, such as example.com.");
			}
			else if (resolver.equals("path") && !StringUtils.hasText(web.path().pattern())) {
				this.mistakes.add("'app.tenancy.web.path.pattern' is missing: the resolver 'path' needs a pattern with"
						+ " the variable {tenant}, such as /shops/{tenant}/**.");
			}
		}
	}

	private void checkMetrics(TenancyProperties.Metrics metrics) {
		if (metrics.sources() < 0) {
			this.mistakes.add("'app.tenancy.metrics.sources' must not be negative; 0 gives no source its own meters.");
		}
		if (metrics.timedLeases() < 1) {
			this.mistakes.add("'app.tenancy.metrics.timed-leases' must be at least 1, which times each lease.");
		}
	}

	private void checkFanOut(TenancyProperties.FanOut fanOut) {
		if (fanOut.timeout().isNegative() || fanOut.timeout().isZero()) {
			this.mistakes.add("'app.tenancy.fan-out.timeout' must be positive.");
		}
		if (fanOut.threads() < 1) {
			this.mistakes.add("'app.tenancy.fan-out.threads' must be at least 1.");
		}
		if (fanOut.journal().keep().isNegative()) {
			this.mistakes.add("'app.tenancy.fan-out.journal.keep' must be 0, for ever, or more.");
		}
		String journal = fanOut.journal().source();
		if (journal != null) {
			refuseUnknownSource("'app.tenancy.fan-out.journal.source' is '" + journal + "', which is no source.",
					journal);
		}
	}

}
