package io.multidb.source;

import java.beans.PropertyDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

import com.zaxxer.hikari.HikariConfig;

import org.springframework.beans.BeanUtils;
import org.springframework.boot.context.properties.bind.BindException;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;

/**
 * A source's {@code hikari.*} settings, bound onto HikariCP's own configuration class.
 */
public final class PoolSettings {

	/** What the source itself decides. */
	private static final Set<String> REFUSED = Set.of("jdbcurl", "url", "username", "password", "poolname",
			"driverclassname", "credentials", "credentialsprovider", "credentialsproviderclassname", "datasource",
			"datasourceclassname", "datasourcejndi", "metricregistry", "metricstrackerfactory", "healthcheckregistry",
			"healthcheckproperties", "scheduledexecutor", "threadfactory", "exceptionoverride", "readonly",
			"initializationfailtimeout", "schema", "catalog");

	private static final String DATA_SOURCE_PROPERTIES = "datasourceproperties";

	/** Most sources have the same settings, or none. */
	private static final Map<Map<String, String>, HikariConfig> READ = new ConcurrentHashMap<>();

	private static final int MOST_READ = 100;

	private PoolSettings() {
	}

	/**
	 * The settings that may be given, in the form of application properties.
	 * @return the names, sorted
	 */
	public static Set<String> names() {
		Set<String> names = new TreeSet<>();
		for (PropertyDescriptor property : BeanUtils.getPropertyDescriptors(HikariConfig.class)) {
			boolean settable = property.getWriteMethod() != null
					|| uniform(property.getName()).equals(DATA_SOURCE_PROPERTIES);
			if (settable && !REFUSED.contains(uniform(property.getName()))) {
				names.add(dashed(property.getName()));
			}
		}
		return names;
	}

	/**
	 * Checks settings without opening anything.
	 * @param settings the settings, by name
	 * @return what is wrong, each naming the setting; empty when nothing is
	 */
	public static List<String> mistakes(Map<String, String> settings) {
		List<String> mistakes = new ArrayList<>();
		if (settings.isEmpty()) {
			return mistakes;
		}
		Set<String> known = names().stream().map(PoolSettings::uniform).collect(Collectors.toSet());
		settings.forEach((key, value) -> {
			String name = uniform(
					ConfigurationPropertyName.adapt(key, '.').getElement(0, ConfigurationPropertyName.Form.DASHED));
			if (REFUSED.contains(name)) {
				mistakes.add("'hikari." + key + "' is not allowed: the source decides it; use the source's own"
						+ " 'url', 'username', 'password' and 'driver-class-name'");
			}
			else if (!known.contains(name)) {
				mistakes.add("'hikari." + key + "' is no setting of HikariCP; known are " + String.join(", ", names()));
			}
		});
		if (mistakes.isEmpty()) {
			settings.forEach((key, value) -> {
				try {
					bind(Map.of(key, value));
				}
				catch (BindException ex) {
					Throwable root = ex;
					while (root.getCause() != null) {
						root = root.getCause();
					}
					mistakes.add("'hikari." + key + "' has a value that HikariCP refuses: " + root.getMessage());
				}
			});
		}
		return mistakes;
	}

	/**
	 * As {@link #bind}, which takes longer than it takes to open a file; the result is
	 * shared and must not be changed. Threads that need the same settings at the same
	 * time wait for one of them.
	 */
	static HikariConfig read(Map<String, String> settings) {
		HikariConfig known = READ.get(settings);
		if (known != null) {
			return known;
		}
		if (READ.size() >= MOST_READ) {
			READ.clear();
		}
		return READ.computeIfAbsent(settings, PoolSettings::bind);
	}

	/** A configuration of the caller's own. */
	public static HikariConfig bind(Map<String, String> settings) {
		HikariConfig config = new HikariConfig();
		// An idle source keeps no connection, unless it is told to.
		config.setMinimumIdle(0);
		// The first connection is made before the pool is, see SourceOpener.
		config.setInitializationFailTimeout(-1);
		if (!settings.isEmpty()) {
			new Binder(new MapConfigurationPropertySource(settings)).bind("", Bindable.ofInstance(config));
		}
		return config;
	}

	private static String uniform(String name) {
		return name.replace("-", "").replace("_", "").toLowerCase(Locale.ROOT);
	}

	private static String dashed(String property) {
		return property.replaceAll("([a-z0-9])([A-Z])", "$1-$2").toLowerCase(Locale.ROOT);
	}

}
