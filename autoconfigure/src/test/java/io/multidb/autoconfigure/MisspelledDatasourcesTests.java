package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.util.Map;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.beans.factory.BeanCreationException;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.env.SystemEnvironmentPropertySource;

import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link MisspelledDatasources}.
 */
@ExtendWith(OutputCaptureExtension.class)
class MisspelledDatasourcesTests {

	private static final String RIGHT = "'app.datasources";

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner()
		.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class));

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	@ParameterizedTest
	@ValueSource(strings = { "app.data-sources", "app.dataSources", "app.data_sources", "APP.DATASOURCES" })
	void otherWaysToWriteItAreRead(String prefix, CapturedOutput output) {
		this.contextRunner.withPropertyValues(prefix + ".lisbon.url=" + url("lisbon"))
			.run((context) -> assertThat(context).hasSingleBean(RoutingDataSource.class));
		assertThat(output).doesNotContain(RIGHT);
	}

	@ParameterizedTest
	@ValueSource(
			strings = { "app.datasource", "app.data-source", "app.dataSource", "app.datasorces", "app.dataresources" })
	void whatIsNearlyRightIsToldOfOnce(String prefix, CapturedOutput output) {
		this.contextRunner
			.withPropertyValues("spring.datasource.url=" + url("boot"),
					prefix + ".lisbon.url=jdbc:postgresql://ada:secret@db/lisbon", prefix + ".lisbon.password=secret",
					prefix + ".porto.url=" + url("porto"))
			.run((context) -> assertThat(context).doesNotHaveBean(RoutingDataSource.class));
		assertThat(output).containsOnlyOnce(RIGHT + "'")
			.contains("lisbon.url'", "and 1 more like it are not read", "WARN", RIGHT + ".lisbon.url'",
					"'app.tenancy.enabled'")
			.doesNotContain("secret");
	}

	@Test
	void variableOfTheEnvironmentIsToldOf(CapturedOutput output) {
		this.contextRunner.withPropertyValues("spring.datasource.url=" + url("boot"))
			.withInitializer((context) -> context.getEnvironment()
				.getPropertySources()
				.replace(StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME,
						new SystemEnvironmentPropertySource(StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME,
								Map.of("APP_DATASOURCE_LISBON_URL", url("lisbon")))))
			.run((context) -> assertThat(context).hasNotFailed());
		assertThat(output).contains("APP_DATASOURCE_LISBON_URL", RIGHT + ".lisbon.url'");
	}

	@Test
	void isToldBeforeSpringBootRefusesTheStart(CapturedOutput output) {
		SpringApplication application = new SpringApplication(Application.class);
		application.setWebApplicationType(WebApplicationType.NONE);
		assertThatExceptionOfType(BeanCreationException.class)
			.isThrownBy(() -> application.run("--app.datasource.lisbon.url=${LISBON_URL}"));
		assertThat(output.toString()).contains("Failed to configure a DataSource")
			.containsSubsequence(RIGHT + ".lisbon.url'", "APPLICATION FAILED TO START");
	}

	/** Also what Spring Boot's reference calls its second DataSource. */
	@ParameterizedTest
	@ValueSource(strings = { "app.datasource.url=jdbc:sqlite:a.db", "app.datasource.lisbon.url=https://weather",
			"app.datasource.lisbon.pool.url=jdbc:sqlite:a.db", "app.data.lisbon.url=jdbc:sqlite:a.db",
			"acme.datasource.lisbon.url=jdbc:sqlite:a.db", "spring.datasource.lisbon.url=jdbc:sqlite:a.db" })
	void whatIsTheApplicationsOwnIsLeftAlone(String property, CapturedOutput output) {
		this.contextRunner.withPropertyValues(property).run((context) -> assertThat(output).doesNotContain(RIGHT));
	}

	@Test
	void nothingIsSaidWhereThereAreSourcesOrNoneAreWanted(CapturedOutput output) {
		ApplicationContextRunner misspelled = this.contextRunner
			.withPropertyValues("spring.datasource.url=" + url("boot"), "app.datasource.lisbon.url=" + url("lisbon"));
		misspelled.withPropertyValues("app.tenancy.enabled=false")
			.run((context) -> assertThat(context).doesNotHaveBean(RoutingDataSource.class));
		misspelled.withPropertyValues("app.datasources.porto.url=" + url("porto"))
			.run((context) -> assertThat(context).hasSingleBean(RoutingDataSource.class));
		misspelled
			.withBean("porto", SourceDefinition.class, () -> SourceDefinition.named("porto").url(url("porto")).build())
			.run((context) -> assertThat(context).hasSingleBean(RoutingDataSource.class));
		assertThat(output).doesNotContain(RIGHT);
	}

	@Configuration(proxyBeanMethods = false)
	@ImportAutoConfiguration({ MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class })
	static class Application {

	}

}
