package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.BindHandler;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.bind.UnboundConfigurationPropertiesException;
import org.springframework.boot.context.properties.bind.handler.NoUnboundElementsBindHandler;
import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName.Form;
import org.springframework.boot.context.properties.source.ConfigurationPropertySource;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.boot.origin.Origin;
import org.springframework.core.env.Environment;
import org.springframework.core.io.ResourceLoader;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringUtils;

import io.multidb.InvalidDatasourcesException;
import io.multidb.routing.Route;
import io.multidb.source.CreatePolicy;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.NamePattern;
import io.multidb.source.PoolSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

/**
 * Reads {@code app.datasources} and {@code app.tenancy} and collects every mistake, so
 * that a user mends them in one go. Opens nothing. Used once, by one thread.
 */
final class DatasourcesReader {

	static final ConfigurationPropertyName DATASOURCES = ConfigurationPropertyName.of("app.datasources");

	private static final ConfigurationPropertyName TENANCY = ConfigurationPropertyName.of("app.tenancy");

	private static final Bindable<Map<String, SourceProperties>> SOURCES = Bindable.mapOf(String.class,
			SourceProperties.class);

	/** The source that an application's {@code spring.datasource} goes on as. */
	private static final String DEFAULT = "default";

	private static final String BOOTS_CHANGE_LOG = "classpath:/db/changelog/db.changelog-master.yaml";

	private static final Pattern SOURCE_NAME = Pattern.compile("[a-z0-9]([a-z0-9_-]*[a-z0-9])?");

	private static final Pattern PLACEHOLDER = Pattern.compile("\\{([^{}]*)}");

	private final Environment environment;

	private final ResourceLoader resourceLoader;

	private final Binder binder;

	private final List<String> mistakes = new ArrayList<>();

	/** Where each source's URL was found. */
	private final Map<String, Origin> origins = new HashMap<>();

	/** Names that were written in brackets, and so exactly as they are. */
	private final Set<String> bracketed = new LinkedHashSet<>();

	DatasourcesReader(Environment environment, ResourceLoader resourceLoader) {
		this.environment = environment;
		this.resourceLoader = resourceLoader;
		this.binder = Binder.get(environment);
	}

	/**
	 * Reads the configuration.
	 * @return the configuration
	 * @throws InvalidDatasourcesException if it has mistakes; all are listed
	 */
	Datasources read() {
		Map<String, SourceProperties> properties = this.binder.bind(DATASOURCES, SOURCES).orElseGet(Map::of);
		TenancyProperties tenancy = this.binder.bindOrCreate(TENANCY.toString(), Bindable.of(TenancyProperties.class));
		refuseUnknownKeys(DATASOURCES, SOURCES);
		refuseUnknownKeys(TENANCY, Bindable.of(TenancyProperties.class));
		scanNames();
		List<Route> routes = routes(tenancy);
		Map<String, SourceDefinition> definitions = new LinkedHashMap<>();
		properties.forEach((name, source) -> {
			SourceDefinition definition = define(name, source, tenancy.liquibase());
			if (definition != null) {
				definitions.put(name, definition);
			}
		});
		defineDefault(definitions, properties.keySet(), tenancy.liquibase());
		List<SourceDefinition> sources = new ArrayList<>();
		List<SourceTemplate> templates = new ArrayList<>();
		definitions.forEach((name, definition) -> {
			SourceProperties source = properties.get(name);
			if (source == null || !isTemplate(definition)) {
				sources.add(definition);
			}
			else {
				SourceTemplate template = template(definition, source, routes, definitions);
				if (template != null) {
					templates.add(template);
				}
			}
		});
		checkRoutes(routes, definitions, properties.keySet());
		String noTenant = noTenant(tenancy, definitions);
		try {
			new SourceRegistry(sources, templates, SourceMigrator.NONE, (event) -> {
			}).close();
		}
		catch (InvalidDatasourcesException ex) {
			this.mistakes.addAll(ex.mistakes());
		}
		if (!this.mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(this.mistakes);
		}
		return new Datasources(sources, templates, routes, noTenant, tenancy);
	}

	private void refuseUnknownKeys(ConfigurationPropertyName prefix, Bindable<?> target) {
		try {
			this.binder.bind(prefix, target, new NoUnboundElementsBindHandler(BindHandler.DEFAULT));
		}
		catch (org.springframework.boot.context.properties.bind.BindException ex) {
			if (!(ex.getCause() instanceof UnboundConfigurationPropertiesException unbound)) {
				throw ex;
			}
			unbound.getUnboundProperties().forEach((property) -> refuse(property, prefix));
		}
	}

	private void refuse(ConfigurationProperty property, ConfigurationPropertyName prefix) {
		ConfigurationPropertyName name = property.getName();
		boolean ofSource = prefix.equals(DATASOURCES);
		int skipped = prefix.getNumberOfElements() + (ofSource ? 1 : 0);
		String start = name.chop(skipped).toString();
		StringBuilder key = new StringBuilder();
		for (int i = skipped; i < name.getNumberOfElements(); i++) {
			key.append((i > skipped) ? "." : "").append(name.getElement(i, Form.DASHED));
		}
		Set<String> known = PropertyKeys.of(ofSource ? SourceProperties.class : TenancyProperties.class);
		String nearest = PropertyKeys.nearest(key.toString(), known);
		Origin origin = property.getOrigin();
		this.mistakes.add("'" + start + (key.isEmpty() ? "" : "." + key) + "'"
				+ ((origin != null) ? " (" + origin + ")" : "") + " is no property"
				+ ((nearest != null) ? "; did you mean '" + start + "." + nearest + "'?"
						: "; known are " + String.join(", ", known) + ".")
				+ (String.valueOf(origin).contains("System Environment") && ofSource
						? " An environment variable reaches a source only by a name without '-' and '_'; for another, use a"
								+ " ${…} placeholder in the configuration."
						: ""));
	}

	/** Boot's binder does not tell how a name was written. */
	private void scanNames() {
		for (ConfigurationPropertySource source : ConfigurationPropertySources.get(this.environment)) {
			if (source instanceof IterableConfigurationPropertySource iterable) {
				for (ConfigurationPropertyName name : iterable) {
					if (DATASOURCES.isAncestorOf(name)
							&& name.getNumberOfElements() > DATASOURCES.getNumberOfElements()) {
						scan(iterable, name);
					}
				}
			}
		}
	}

	private void scan(IterableConfigurationPropertySource source, ConfigurationPropertyName name) {
		int position = DATASOURCES.getNumberOfElements();
		String sourceName = name.getElement(position, Form.ORIGINAL);
		if (name.chop(position + 1).isLastElementIndexed()) {
			this.bracketed.add(sourceName);
		}
		if (name.getNumberOfElements() == position + 2 && name.getElement(position + 1, Form.UNIFORM).equals("url")) {
			ConfigurationProperty property = source.getConfigurationProperty(name);
			if (property != null && property.getOrigin() != null) {
				this.origins.putIfAbsent(sourceName, property.getOrigin());
			}
		}
	}

	private @Nullable SourceDefinition define(String name, SourceProperties source,
			TenancyProperties.Liquibase shared) {
		String property = "app.datasources." + name;
		checkName(name);
		PoolSettings.mistakes(source.hikari())
			.forEach((mistake) -> this.mistakes.add("In '" + property + "': " + mistake + "."));
		String url = source.url();
		if (!StringUtils.hasText(url)) {
			this.mistakes.add("'" + property + ".url' is missing. Every source needs one, such as jdbc:sqlite:" + name
					+ ".db or jdbc:postgresql://localhost/" + name + ".");
			return null;
		}
		if (!url.startsWith("jdbc:")) {
			this.mistakes.add("'" + property + ".url' must be a JDBC URL, which starts with 'jdbc:'.");
			return null;
		}
		if (url.equals("jdbc:sqlite:") || (url.contains(":memory:") && !url.contains("cache=shared"))) {
			this.mistakes.add("'" + property
					+ ".url' is an in-memory SQLite database, of which every connection has its own." + " Use a file.");
		}
		Origin origin = this.origins.get(name);
		SourceDefinition.Builder definition = SourceDefinition.named(name)
			.url(url)
			.username(source.username())
			.password(source.password())
			.driverClassName(source.driverClassName())
			.hikari(source.hikari())
			.liquibase(liquibase(source, shared))
			.internal(source.internal())
			.attributes(source.attributes());
		if (origin != null) {
			definition.origin(origin.toString());
		}
		SourceDefinition built = definition.build();
		boolean essential = (source.essential() != null) ? source.essential() : !isTemplate(built);
		checkTemplateOnly(property, source, built);
		return definition.essential(essential).build();
	}

	private void checkName(String name) {
		boolean exact = this.bracketed.contains(name);
		if (!exact && !SOURCE_NAME.matcher(name).matches()) {
			this.mistakes
				.add("'" + name + "' is no plain source name: use a-z, 0-9, '-' and '_', beginning and ending with a"
						+ " letter or digit, or write it in brackets: \"[" + name + "]\".");
		}
	}

	private void checkTemplateOnly(String property, SourceProperties source, SourceDefinition definition) {
		if (!isTemplate(definition)) {
			if (source.create() != CreatePolicy.NEVER) {
				this.mistakes
					.add("'" + property + ".create' is for templates, and the URL has no placeholder such as {id}.");
			}
			if (source.maintenance() != null) {
				this.mistakes.add("'" + property
						+ ".maintenance' is for templates, and the URL has no placeholder such as {id}.");
			}
		}
	}

	private LiquibaseSettings liquibase(SourceProperties source, TenancyProperties.Liquibase shared) {
		SourceProperties.Liquibase own = source.liquibase();
		String changeLog = own.changeLog();
		if (changeLog == null && !source.internal()) {
			changeLog = sharedChangeLog(shared);
		}
		if (!own.enabled() || !StringUtils.hasText(changeLog) || !isLiquibaseEnabled()) {
			return LiquibaseSettings.NONE;
		}
		return liquibase(changeLog, own, shared);
	}

	private LiquibaseSettings liquibase(String changeLog, SourceProperties.Liquibase own,
			TenancyProperties.Liquibase shared) {
		if (!ClassUtils.isPresent("liquibase.integration.spring.SpringLiquibase", null)) {
			this.mistakes
				.add("The change log '" + changeLog + "' is configured, but Liquibase is not on the class path: add"
						+ " spring-boot-starter-liquibase.");
		}
		Map<String, String> parameters = new HashMap<>(shared.parameters());
		parameters.putAll(own.parameters());
		return new LiquibaseSettings(changeLog, (own.contexts() != null) ? own.contexts() : shared.contexts(),
				(own.labelFilter() != null) ? own.labelFilter() : shared.labelFilter(), parameters);
	}

	private @Nullable String sharedChangeLog(TenancyProperties.Liquibase shared) {
		return (shared.changeLog() != null) ? shared.changeLog()
				: this.environment.getProperty("spring.liquibase.change-log");
	}

	private boolean isLiquibaseEnabled() {
		return this.environment.getProperty("spring.liquibase.enabled", Boolean.class, true);
	}

	/**
	 * An application's own {@code spring.datasource} goes on, as one source among others.
	 */
	private void defineDefault(Map<String, SourceDefinition> definitions, Set<String> declared,
			TenancyProperties.Liquibase shared) {
		String url = this.environment.getProperty("spring.datasource.url");
		if (!StringUtils.hasText(url)) {
			return;
		}
		if (declared.contains(DEFAULT)) {
			this.mistakes.add("Both 'spring.datasource.url' and 'app.datasources.default' define the source 'default':"
					+ " remove one.");
			return;
		}
		Map<String, String> hikari = new HashMap<>(
				this.binder.bind("spring.datasource.hikari", Bindable.mapOf(String.class, String.class))
					.orElseGet(Map::of));
		hikari.keySet().removeIf((key) -> !PoolSettings.mistakes(Map.of(key, hikari.get(key))).isEmpty());
		String changeLog = sharedChangeLog(shared);
		if (changeLog == null && isLiquibaseEnabled() && this.resourceLoader.getResource(BOOTS_CHANGE_LOG).exists()) {
			changeLog = BOOTS_CHANGE_LOG;
		}
		SourceProperties.Liquibase none = new SourceProperties.Liquibase(true, null, null, null, Map.of());
		definitions.put(DEFAULT,
				SourceDefinition.named(DEFAULT)
					.url(url)
					.username(this.environment.getProperty("spring.datasource.username"))
					.password(this.environment.getProperty("spring.datasource.password"))
					.driverClassName(this.environment.getProperty("spring.datasource.driver-class-name"))
					.hikari(hikari)
					.liquibase((changeLog != null && isLiquibaseEnabled()) ? liquibase(changeLog, none, shared)
							: LiquibaseSettings.NONE)
					.origin("spring.datasource")
					.build());
	}

	private static boolean isTemplate(SourceDefinition definition) {
		return PLACEHOLDER.matcher(definition.url().text()).find();
	}

	private @Nullable SourceTemplate template(SourceDefinition definition, SourceProperties source, List<Route> routes,
			Map<String, SourceDefinition> definitions) {
		String name = definition.name();
		List<NamePattern> patterns = routes.stream()
			.filter((route) -> route.source().equals(name))
			.flatMap((route) -> route.tenants().stream())
			.toList();
		if (patterns.size() != 1) {
			this.mistakes
				.add("The template '" + name + "' (" + definition.url().masked() + ") needs exactly one route with one"
						+ " pattern and has " + patterns.size() + ". Write in 'app.tenancy.routes': {tenants: \"" + name
						+ "-{id}\", source: " + name + "}, with the placeholder of its URL.");
			return null;
		}
		NamePattern pattern = patterns.get(0);
		Set<String> fillable = new TreeSet<>(Set.of(NamePattern.TENANT));
		if (pattern.variable() != null) {
			fillable.add(pattern.variable());
		}
		if (!refuseUnknownPlaceholders("'app.datasources." + name + ".url'", definition.url().text(), pattern,
				fillable)) {
			return null;
		}
		checkCreation(definition, source, definitions);
		return new SourceTemplate(pattern, definition, source.create(), source.maintenance());
	}

	private boolean refuseUnknownPlaceholders(String where, String text, NamePattern pattern, Set<String> fillable) {
		Matcher placeholder = PLACEHOLDER.matcher(text);
		boolean fine = true;
		while (placeholder.find()) {
			if (!fillable.contains(placeholder.group(1))) {
				this.mistakes.add(where + " has the placeholder " + placeholder.group() + ", which the pattern '"
						+ pattern + "' of its route does not give; it gives {" + String.join("}, {", fillable) + "}.");
				fine = false;
			}
		}
		return fine;
	}

	private void checkCreation(SourceDefinition definition, SourceProperties source,
			Map<String, SourceDefinition> definitions) {
		String property = "'app.datasources." + definition.name();
		String maintenance = source.maintenance();
		if (maintenance != null) {
			SourceDefinition target = definitions.get(maintenance);
			if (target == null || isTemplate(target)) {
				this.mistakes.add(property + ".maintenance' names '" + maintenance + "', which is no source."
						+ suggest(maintenance, definitions.keySet()));
			}
		}
		if (source.create() == CreatePolicy.NEVER) {
			return;
		}
		DatabaseProduct product = definition.url().product();
		String beforeParameters = definition.url().text().replaceAll("\\?.*", "");
		if (product == DatabaseProduct.OTHER) {
			this.mistakes
				.add(property + ".create' is not 'never', but databases are created on SQLite and PostgreSQL only.");
		}
		else if (!PLACEHOLDER.matcher(beforeParameters).find()) {
			this.mistakes.add(property + ".create' is not 'never', but the placeholder is not in the database's name.");
		}
		else if (product == DatabaseProduct.POSTGRESQL && maintenance == null) {
			this.mistakes
				.add(property + ".maintenance' is missing: it names the source on which CREATE DATABASE runs, such as"
						+ " one with the URL of the server's database 'postgres' and 'internal: true'.");
		}
		else if (product == DatabaseProduct.SQLITE && beforeParameters.startsWith("jdbc:sqlite:file:")) {
			this.mistakes
				.add(property + ".url' must name a plain file, not a 'file:' URI, for databases to be created.");
		}
	}

	private List<Route> routes(TenancyProperties tenancy) {
		List<Route> routes = new ArrayList<>();
		for (int i = 0; i < tenancy.routes().size(); i++) {
			TenancyProperties.Route route = tenancy.routes().get(i);
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
			if (!StringUtils.hasText(route.source())) {
				this.mistakes.add(property + ".source' is missing: name a source or template.");
			}
			else if (!patterns.isEmpty()) {
				routes.add(new Route(patterns, route.source()));
			}
		}
		return routes;
	}

	private void checkRoutes(List<Route> routes, Map<String, SourceDefinition> definitions, Set<String> declared) {
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
				Set<String> fillable = new TreeSet<>(Set.of(NamePattern.TENANT));
				if (pattern.variable() != null) {
					fillable.add(pattern.variable());
				}
				refuseUnknownPlaceholders("The source of the route " + route, route.source(), pattern, fillable);
			}
			checkSource(route, definitions, declared);
		}
	}

	private void checkSource(Route route, Map<String, SourceDefinition> definitions, Set<String> declared) {
		if (PLACEHOLDER.matcher(route.source()).find()) {
			return;
		}
		SourceDefinition source = definitions.get(route.source());
		if (source == null) {
			if (!declared.contains(route.source())) {
				this.mistakes.add("The route " + route + " leads to '" + route.source() + "', which is no source."
						+ suggest(route.source(), definitions.keySet()));
			}
		}
		else if (source.internal()) {
			this.mistakes.add("The route " + route + " leads to '" + route.source()
					+ "', which is 'internal: true': no tenant may reach it.");
		}
	}

	private @Nullable String noTenant(TenancyProperties tenancy, Map<String, SourceDefinition> definitions) {
		String noTenant = tenancy.noTenant().strip();
		if (noTenant.toLowerCase(Locale.ROOT).equals("refuse")) {
			return null;
		}
		SourceDefinition source = definitions.get(noTenant);
		if (source == null || isTemplate(source)) {
			this.mistakes.add("'app.tenancy.no-tenant' must be 'refuse' or a source; '" + noTenant + "' is neither."
					+ suggest(noTenant, definitions.keySet()));
		}
		return noTenant;
	}

	private static String suggest(String name, Set<String> known) {
		String nearest = PropertyKeys.nearest(name, known);
		return (nearest != null) ? " Did you mean '" + nearest + "'?"
				: known.isEmpty() ? " None is declared." : " Known: " + String.join(", ", new TreeSet<>(known)) + ".";
	}

	/** What the environment declares, for conditions. */
	static Set<String> declaredNames(Environment environment) {
		return Binder.get(environment)
			.bind(DATASOURCES, Bindable.mapOf(String.class, Object.class))
			.map(Map::keySet)
			.orElseGet(Collections::emptySet);
	}

}
