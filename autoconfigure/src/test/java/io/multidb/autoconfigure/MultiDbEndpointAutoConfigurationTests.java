package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.time.Clock;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.actuate.endpoint.annotation.Endpoint;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

import io.multidb.actuate.DatasourcesEndpoint;
import io.multidb.actuate.DatasourcesEndpointJmxExtension;
import io.multidb.actuate.DatasourcesEndpointWebExtension;
import io.multidb.actuate.SourceHistory;
import io.multidb.actuate.SourceOperations;
import io.multidb.actuate.SourcesView;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;

class MultiDbEndpointAutoConfigurationTests {

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner()
		.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbEndpointAutoConfiguration.class,
				DataSourceAutoConfiguration.class));

	private ApplicationContextRunner withSource(String... properties) {
		return this.contextRunner
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"))
			.withPropertyValues(properties);
	}

	@Test
	void theEndpointIsThereWhereItIsExposed() {
		withSource("management.endpoints.web.exposure.include=datasources")
			.run((context) -> assertThat(context).hasSingleBean(DatasourcesEndpoint.class)
				.hasSingleBean(DatasourcesEndpointWebExtension.class)
				.doesNotHaveBean(DatasourcesEndpointJmxExtension.class));
		withSource("spring.jmx.enabled=true", "management.endpoints.jmx.exposure.include=datasources")
			.run((context) -> assertThat(context).hasSingleBean(DatasourcesEndpoint.class)
				.hasSingleBean(DatasourcesEndpointJmxExtension.class)
				.doesNotHaveBean(DatasourcesEndpointWebExtension.class));
	}

	@Test
	void whatItShowsIsThereForOthersToo() {
		withSource().run((context) -> assertThat(context).doesNotHaveBean(DatasourcesEndpoint.class)
			.hasSingleBean(SourcesView.class)
			.hasSingleBean(SourceOperations.class)
			.hasSingleBean(SourceHistory.class));
	}

	@Test
	void whatHappensIsRemembered() {
		withSource().run((context) -> {
			context.getBean(SourceRegistry.class).get("main").getConnection().close();
			assertThat(context.getBean(SourcesView.class).find("main", false).events()).hasSize(1);
		});
	}

	@Test
	void anApplicationsOwnGoesBefore() {
		withSource().withUserConfiguration(Own.class)
			.run((context) -> assertThat(context).hasSingleBean(SourceHistory.class)
				.getBean(SourceHistory.class)
				.isSameAs(context.getBean("own")));
	}

	@Test
	void nothingIsThereWithoutActuatorOrSources() {
		withSource().withClassLoader(new FilteredClassLoader(Endpoint.class))
			.run((context) -> assertThat(context).hasNotFailed()
				.hasSingleBean(SourceRegistry.class)
				.doesNotHaveBean(SourcesView.class)
				.doesNotHaveBean(SourceOperations.class));
		new ApplicationContextRunner().withConfiguration(AutoConfigurations.of(MultiDbEndpointAutoConfiguration.class))
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(SourcesView.class));
	}

	@Configuration(proxyBeanMethods = false)
	static class Own {

		@Bean
		SourceHistory own() {
			return new SourceHistory(Clock.systemUTC());
		}

	}

}
