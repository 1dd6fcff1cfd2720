package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.util.Map;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.TenantContext;
import io.multidb.discovery.ProvidedSources;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

class MultiDbDiscoveryAutoConfigurationTests {

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner().withConfiguration(
			AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbDiscoveryAutoConfiguration.class));

	private ApplicationContextRunner withMain() {
		return this.contextRunner
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"))
			.withBean("directory", Path.class, () -> this.directory);
	}

	@Configuration(proxyBeanMethods = false)
	static class TwoProviders {

		@Bean
		@Order(2)
		SourceProvider later(Path directory) {
			return provider("later", directory, "lisbon", "porto", "main");
		}

		@Bean
		@Order(1)
		SourceProvider sooner(Path directory) {
			return provider("sooner", directory, "lisbon");
		}

		private static SourceProvider provider(String provider, Path directory, String... names) {
			Map<String, SourceDefinition> definitions = new java.util.HashMap<>();
			for (String name : names) {
				definitions.put(name,
						SourceDefinition.named(name)
							.url("jdbc:sqlite:" + directory.resolve(provider + "-" + name + ".db"))
							.essential(false)
							.origin(provider)
							.build());
			}
			return new SourceProvider() {

				@Override
				public String name() {
					return provider;
				}

				@Override
				public Map<String, SourceDefinition> definitions() {
					return definitions;
				}

			};
		}

	}

	@Test
	void sourcesOfProvidersAreThereWhenTheApplicationHasStartedInTheirOrder() {
		withMain().withUserConfiguration(TwoProviders.class).run((context) -> {
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			assertThat(registry.get("lisbon").definition().origin()).isEqualTo("sooner");
			assertThat(registry.get("porto").definition().origin()).isEqualTo("later");
			assertThat(registry.get("main").definition().origin()).as("declared").startsWith("\"app.datasources.main");
			try (var scope = TenantContext.enter("porto")) {
				assertThat(JdbcClient.create(context.getBean(RoutingDataSource.class))
					.sql("select file from pragma_database_list")
					.query(String.class)
					.single()).endsWith("later-porto.db");
			}
		});
	}

	@Test
	void theDefinitionThatComesNextTakesThePlaceOfASourceThatIsRemoved() {
		withMain().withUserConfiguration(TwoProviders.class).run((context) -> {
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			registry.remove("main");
			await().ignoreExceptions()
				.untilAsserted(() -> assertThat(registry.get("main").definition().origin()).isEqualTo("later"));
		});
	}

	@Test
	void withoutProvidersNothingRuns() {
		withMain().run((context) -> {
			assertThat(context).hasSingleBean(ProvidedSources.class);
			assertThat(Sources.threads("multidb-discovery")).isEmpty();
		});
	}

	@Test
	void withoutSourcesItStaysAway() {
		this.contextRunner.run((context) -> assertThat(context).doesNotHaveBean(ProvidedSources.class));
	}

}
