package io.multidb.autoconfigure;

import java.util.Locale;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.Environment;
import org.springframework.core.env.PropertySource;
import org.springframework.core.env.StandardEnvironment;

/**
 * Addresses of databases in environment variables, as platforms set them. They are looked
 * up for known names only: the environment is never searched, so that a variable of
 * somebody else's is never taken for a source.
 */
final class DiscoveredUrls {

	private static final String VARIABLE = "DATABASE_URL";

	private final @Nullable PropertySource<?> variables;

	/** The names that are looked up although nothing else is said of them. */
	private final Set<String> known;

	private final Set<String> declared;

	DiscoveredUrls(Environment environment, Set<String> known, Set<String> declared) {
		this.variables = (environment instanceof ConfigurableEnvironment configurable)
				? configurable.getPropertySources().get(StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME)
				: null;
		this.known = Set.copyOf(known);
		this.declared = Set.copyOf(declared);
	}

	/**
	 * The variable that may define a source: {@code AUTH_DATABASE_URL} for {@code auth},
	 * and {@code DATABASE_URL} for {@code default}.
	 */
	static String variable(String source) {
		return source.equals(DatasourcesReader.DEFAULT) ? VARIABLE
				: source.toUpperCase(Locale.ROOT).replaceAll("[^A-Z0-9]", "_") + "_" + VARIABLE;
	}

	/**
	 * What a source's variable says. That of {@code default} is read only where there is
	 * something for it to be the default of, or it is declared.
	 * @return the value, perhaps empty; {@code null} if it is not set
	 */
	@Nullable String find(String source) {
		boolean looked = this.known.contains(source) || this.declared.contains(source)
				|| (source.equals(DatasourcesReader.DEFAULT) && !this.known.isEmpty());
		Object value = (looked && this.variables != null) ? this.variables.getProperty(variable(source)) : null;
		return (value != null) ? value.toString() : null;
	}

}
