package io.multidb.autoconfigure;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertySource;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.boot.env.OriginTrackedMapPropertySource;
import org.springframework.boot.env.PropertiesPropertySourceLoader;
import org.springframework.boot.origin.Origin;
import org.springframework.core.env.Environment;
import org.springframework.core.env.PropertySource;
import org.springframework.core.io.Resource;
import org.springframework.core.io.ResourceLoader;

import io.multidb.InvalidTenantException;
import io.multidb.TenantContext;
import io.multidb.source.FallbackSettings;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.ReplicaSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

/**
 * What an application says of its sources itself, behind its configuration: in
 * {@link SourceDefinition} beans and in a file of an app's package. Either is read as if
 * it stood under {@code app.datasources}, so that all settings merge; but a URL comes
 * with its own user and password, or not at all. Used once, by one thread.
 */
final class OwnDefinitions {

	/** In the package of an app. */
	private static final String FILE = "database.properties";

	private static final ConfigurationPropertyName DATASOURCES = ConfigurationPropertyName.of("app.datasources");

	private static final String URL = "url";

	private static final Set<String> CREDENTIALS = Set.of("username", "password");

	private final Collection<String> mistakes;

	/** All that is said, in order: whoever comes first decides. */
	private final List<ConfigurationPropertySource> sources = new ArrayList<>();

	/** Addresses that are not used, as another one comes first. */
	private final Map<String, List<String>> overridden = new HashMap<>();

	OwnDefinitions(Environment environment, Collection<String> mistakes) {
		this.mistakes = mistakes;
		ConfigurationPropertySources.get(environment).forEach(this.sources::add);
	}

	/**
	 * Adds what beans define.
	 * @param beans the definitions by the names of the beans
	 */
	OwnDefinitions withBeans(Map<String, SourceDefinition> beans) {
		Map<String, String> beansByName = new HashMap<>();
		beans.forEach((bean, definition) -> {
			try {
				TenantContext.check(definition.name());
			}
			catch (InvalidTenantException ex) {
				this.mistakes.add("The bean '" + bean + "' defines a source with a bad name. " + ex.getMessage());
				return;
			}
			String other = beansByName.putIfAbsent(SourceRegistry.fold(definition.name()), bean);
			if (other != null) {
				this.mistakes.add("The beans '" + other + "' and '" + bean + "' both define the source '"
						+ definition.name() + "': remove one, or rename its source.");
				return;
			}
			Settings settings = new Settings(definition.name());
			Origin origin = new BeanOrigin(bean);
			settingsOf(definition).forEach((key, value) -> settings.put(key, value, origin));
			add(settings);
		});
		return this;
	}

	/**
	 * Adds what files in packages define.
	 * @param packages names of packages by the sources that they are for
	 */
	OwnDefinitions withFiles(Map<String, List<String>> packages, ResourceLoader resourceLoader) {
		packages.forEach((name, its) -> {
			List<Resource> files = its.stream()
				.map((each) -> resourceLoader
					.getResource(ResourceLoader.CLASSPATH_URL_PREFIX + each.replace('.', '/') + "/" + FILE))
				.filter(Resource::exists)
				.toList();
			if (files.size() > 1) {
				this.mistakes.add("Both " + files.get(0).getDescription() + " and " + files.get(1).getDescription()
						+ " define the source '" + name + "': remove one.");
			}
			else if (!files.isEmpty()) {
				read(name, files.get(0));
			}
		});
		return this;
	}

	private void read(String name, Resource file) {
		try {
			Settings settings = new Settings(name);
			for (PropertySource<?> document : new PropertiesPropertySourceLoader().load(FILE, file)) {
				OriginTrackedMapPropertySource properties = (OriginTrackedMapPropertySource) document;
				for (String key : properties.getPropertyNames()) {
					Object value = properties.getProperty(key);
					if (value != null) {
						settings.put(key, value, properties.getOrigin(key));
					}
				}
			}
			add(settings);
		}
		catch (IOException | IllegalArgumentException | IllegalStateException ex) {
			this.mistakes.add(file.getDescription() + " cannot be read: " + ex.getMessage());
		}
	}

	/** Without its address if there is one already. */
	private void add(Settings settings) {
		ConfigurationProperty own = settings.get(URL);
		if (own != null && find(settings.name, URL) != null) {
			this.overridden.computeIfAbsent(settings.name, (any) -> new ArrayList<>())
				.add(String.valueOf(own.getOrigin()));
			settings.remove(URL);
			CREDENTIALS.forEach(settings::remove);
		}
		else if (own != null) {
			for (String key : CREDENTIALS) {
				ConfigurationProperty other = find(settings.name, key);
				if (other != null) {
					this.mistakes.add("'" + other.getName() + "'" + BoundProperties.at(other.getOrigin())
							+ " has no URL beside it, and that of '" + settings.name + "' comes with its own user and"
							+ " password (" + own.getOrigin()
							+ "): move one to the other; there, ${…} may refer to a property.");
				}
			}
		}
		else if (find(settings.name, URL) != null) {
			CREDENTIALS.forEach(settings::remove);
		}
		this.sources.add(settings);
	}

	private @Nullable ConfigurationProperty find(String source, String key) {
		ConfigurationPropertyName name = named(source).append(key);
		return this.sources.stream()
			.flatMap((each) -> Stream.ofNullable(each.getConfigurationProperty(name)))
			.findFirst()
			.orElse(null);
	}

	/** The configuration, and behind it what was added. */
	List<ConfigurationPropertySource> sources() {
		return this.sources;
	}

	/** Where a source has further addresses, which are not used. */
	List<String> overridden(String source) {
		return this.overridden.getOrDefault(source, List.of());
	}

	private static ConfigurationPropertyName named(String source) {
		return DATASOURCES
			.append(DatasourcesReader.SOURCE_NAME.matcher(source).matches() ? source : "[" + source + "]");
	}

	/** What is not said has the default of a declared source. */
	private static Map<String, Object> settingsOf(SourceDefinition definition) {
		Map<String, Object> settings = new LinkedHashMap<>();
		settings.put(URL, definition.url().text());
		put(settings, "username", definition.username());
		put(settings, "password", definition.password());
		put(settings, "driver-class-name", definition.driverClassName());
		definition.hikari().forEach((key, value) -> settings.put("hikari[" + key + "]", value));
		LiquibaseSettings liquibase = definition.liquibase();
		put(settings, "liquibase.change-log", liquibase.changeLog());
		putAll(settings, "liquibase.contexts", liquibase.contexts());
		putAll(settings, "liquibase.label-filter", liquibase.labelFilter());
		liquibase.parameters().forEach((key, value) -> settings.put("liquibase.parameters[" + key + "]", value));
		put(settings, "essential", definition.essential() ? null : false);
		put(settings, "internal", definition.internal() ? true : null);
		put(settings, "read-only", definition.readOnly() ? true : null);
		put(settings, "copy", definition.copied() ? null : false);
		put(settings, "server", definition.server());
		ReplicaSettings replicas = definition.replicas();
		if (!replicas.sources().isEmpty()) {
			putAll(settings, "replicas", replicas.sources());
			Duration maxLag = replicas.maxLag();
			put(settings, "max-lag", maxLag.equals(ReplicaSettings.DEFAULT_MAX_LAG) ? null : maxLag);
			put(settings, "sticky", replicas.sticky().equals(maxLag) ? null : replicas.sticky());
		}
		FallbackSettings fallback = definition.fallback();
		if (fallback != null) {
			settings.put("fallback", fallback.source());
			settings.put("fallback-read-only", fallback.readOnly());
		}
		definition.attributes().forEach((key, value) -> settings.put("attributes[" + key + "]", value));
		return settings;
	}

	private static void put(Map<String, Object> settings, String key, @Nullable Object value) {
		if (value != null) {
			settings.put(key, value);
		}
	}

	private static void putAll(Map<String, Object> settings, String key, List<String> values) {
		for (int i = 0; i < values.size(); i++) {
			settings.put(key + "[" + i + "]", values.get(i));
		}
	}

	/** Of one source, by the names of properties. */
	private static final class Settings implements IterableConfigurationPropertySource {

		private final String name;

		private final Map<ConfigurationPropertyName, ConfigurationProperty> properties = new LinkedHashMap<>();

		Settings(String name) {
			this.name = name;
		}

		void put(String key, Object value, @Nullable Origin origin) {
			ConfigurationPropertyName name = ConfigurationPropertyName.adapt(named(this.name).toString() + "." + key,
					'.');
			this.properties.put(name, new ConfigurationProperty(name, value, origin));
		}

		@Nullable ConfigurationProperty get(String key) {
			return this.properties.get(named(this.name).append(key));
		}

		void remove(String key) {
			this.properties.remove(named(this.name).append(key));
		}

		@Override
		public @Nullable ConfigurationProperty getConfigurationProperty(ConfigurationPropertyName name) {
			return this.properties.get(name);
		}

		@Override
		public Stream<ConfigurationPropertyName> stream() {
			return this.properties.keySet().stream();
		}

	}

	record BeanOrigin(String bean) implements Origin {

		@Override
		public String toString() {
			return "bean '" + this.bean + "'";
		}

	}

}
