package io.multidb.autoconfigure;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName.Form;
import org.springframework.boot.context.properties.source.ConfigurationPropertySource;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.core.env.Environment;

/**
 * Sources under a key that is nearly {@code app.datasources}, such as
 * {@code app.datasource.main.url}. They may be the application's own, as they are in
 * Spring Boot's reference, so they are told of where there are no others, and not
 * refused.
 */
final class MisspelledDatasources {

	private static final ConfigurationPropertyName APP = ConfigurationPropertyName.of("app");

	private static final ConfigurationPropertyName RIGHT = ConfigurationPropertyName.of("app.datasources");

	/** The parts of {@code app.datasource.main.url}. */
	private static final int PARTS = 4;

	private MisspelledDatasources() {
	}

	/**
	 * What to say of an environment that declares no source.
	 * @param environment the environment
	 * @return the warning, or {@code null} if nothing in it looks like a source
	 */
	static @Nullable String warning(Environment environment) {
		Map<ConfigurationPropertyName, ConfigurationProperty> found = new TreeMap<>();
		for (ConfigurationPropertySource source : ConfigurationPropertySources.get(environment)) {
			if (source instanceof IterableConfigurationPropertySource iterable) {
				iterable.stream()
					.filter(MisspelledDatasources::isNearlyRight)
					.map(iterable::getConfigurationProperty)
					.filter(MisspelledDatasources::isAddress)
					.forEach((property) -> found.putIfAbsent(property.getName(), property));
			}
		}
		if (found.isEmpty()) {
			return null;
		}
		ConfigurationProperty first = found.values().iterator().next();
		return "'" + first.getName() + "'" + BoundProperties.at(first.getOrigin())
				+ ((found.size() > 1) ? " and " + (found.size() - 1) + " more like it are" : " is")
				+ " not read: sources are declared under 'app.datasources', where there are none, so MultiDB is off. Write '"
				+ RIGHT.append(first.getName().subName(RIGHT.getNumberOfElements()))
				+ "'; or, if that property is your own, set 'app.tenancy.enabled' to false.";
	}

	private static boolean isNearlyRight(ConfigurationPropertyName name) {
		return name.getNumberOfElements() == PARTS && APP.isAncestorOf(name)
				&& name.getElement(PARTS - 1, Form.UNIFORM).equals("url") && PropertyKeys
					.nearest(name.getElement(1, Form.UNIFORM), List.of(RIGHT.getLastElement(Form.UNIFORM))) != null;
	}

	/** One of a weather service is none. */
	private static boolean isAddress(@Nullable ConfigurationProperty property) {
		String value = (property != null) ? String.valueOf(property.getValue()) : "";
		return value.startsWith("jdbc:") || value.startsWith("${");
	}

}
