package io.multidb.autoconfigure;

import java.util.Map;

import org.springframework.boot.EnvironmentPostProcessor;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.context.config.ConfigDataEnvironmentPostProcessor;
import org.springframework.boot.env.DefaultPropertiesPropertySource;
import org.springframework.core.Ordered;
import org.springframework.core.env.ConfigurableEnvironment;

/**
 * Lets {@code spring.jpa.open-in-view} be false in an application with sources, unless it
 * says otherwise: a session that is open for the whole request would be refused every
 * change of source.
 */
class OpenInViewEnvironmentPostProcessor implements EnvironmentPostProcessor, Ordered {

	private static final String OPEN_IN_VIEW = "spring.jpa.open-in-view";

	@Override
	public void postProcessEnvironment(ConfigurableEnvironment environment, SpringApplication application) {
		if (!environment.containsProperty(OPEN_IN_VIEW) && OnDatasourcesCondition.matches(environment)) {
			DefaultPropertiesPropertySource.addOrMerge(Map.of(OPEN_IN_VIEW, false), environment.getPropertySources());
		}
	}

	/** After the application's files have been read. */
	@Override
	public int getOrder() {
		return ConfigDataEnvironmentPostProcessor.ORDER + 100;
	}

}
