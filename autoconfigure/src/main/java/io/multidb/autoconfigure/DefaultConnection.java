package io.multidb.autoconfigure;

import java.util.function.Function;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.jdbc.autoconfigure.DataSourceProperties;
import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;
import org.springframework.core.env.Environment;
import org.springframework.util.StringUtils;

/**
 * What Spring Boot would make its one DataSource of, which goes on as the source
 * {@code default}.
 *
 * @param url the JDBC URL
 * @param username the user, or {@code null} for none
 * @param password the password, or {@code null} for none
 * @param driverClassName the driver, or {@code null} to take the one that accepts the URL
 * @param origin where it was found, for people
 */
record DefaultConnection(String url, @Nullable String username, @Nullable String password,
		@Nullable String driverClassName, String origin) {

	/** Bound onto the pool by Spring Boot, so that it goes before its own properties. */
	private static final String HIKARI = "spring.datasource.hikari.";

	/**
	 * Whether the properties describe a DataSource. An embedded database that is only on
	 * the class path is not meant.
	 */
	static boolean isConfigured(Environment environment) {
		return StringUtils.hasText(url(environment)) || isEmbedded(environment);
	}

	/**
	 * The connection.
	 * @param details those of a container or service, which go before the properties; or
	 * {@code null}
	 * @return the connection, or {@code null} if there is none
	 */
	static @Nullable DefaultConnection find(Environment environment, @Nullable JdbcConnectionDetails details,
			ClassLoader classLoader) {
		if (details != null) {
			return new DefaultConnection(details.getJdbcUrl(), details.getUsername(), details.getPassword(),
					details.getDriverClassName(), "JdbcConnectionDetails");
		}
		if (!isConfigured(environment)) {
			return null;
		}
		DataSourceProperties properties = Binder.get(environment)
			.bindOrCreate("spring.datasource", DataSourceProperties.class);
		properties.setBeanClassLoader(classLoader);
		try {
			properties.afterPropertiesSet();
		}
		catch (Exception ex) {
			throw new IllegalStateException(ex);
		}
		Function<String, @Nullable String> hikari = (key) -> environment.getProperty(HIKARI + key);
		properties.setUrl(url(environment));
		return new DefaultConnection(properties.determineUrl(),
				orElse(hikari.apply("username"), properties.determineUsername()),
				orElse(hikari.apply("password"), properties.determinePassword()),
				orElse(hikari.apply("driver-class-name"), properties.getDriverClassName()), "spring.datasource");
	}

	private static @Nullable String url(Environment environment) {
		return orElse(environment.getProperty(HIKARI + "jdbc-url"), environment.getProperty("spring.datasource.url"));
	}

	/** An embedded one without a URL, as Spring Boot names it. */
	private static boolean isEmbedded(Environment environment) {
		return environment.containsProperty("spring.datasource.embedded-database-connection")
				|| environment.containsProperty("spring.datasource.generate-unique-name");
	}

	private static @Nullable String orElse(@Nullable String text, @Nullable String otherwise) {
		return StringUtils.hasText(text) ? text : otherwise;
	}

}
