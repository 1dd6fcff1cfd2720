package io.multidb.autoconfigure;

import java.nio.file.Path;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.actuate.endpoint.annotation.Endpoint;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.context.runner.ReactiveWebApplicationContextRunner;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.web.servlet.DispatcherServlet;

import io.multidb.page.DatasourcesPage;

import static org.assertj.core.api.Assertions.assertThat;

class MultiDbPageAutoConfigurationTests {

	@TempDir
	private Path directory;

	private static final AutoConfigurations CONFIGURATIONS = AutoConfigurations.of(MultiDbAutoConfiguration.class,
			MultiDbEndpointAutoConfiguration.class, MultiDbPageAutoConfiguration.class,
			DataSourceAutoConfiguration.class);

	private WebApplicationContextRunner page(String... properties) {
		return new WebApplicationContextRunner().withConfiguration(CONFIGURATIONS)
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"),
					"app.tenancy.page.enabled=true", "app.tenancy.page.unprotected=true")
			.withPropertyValues(properties);
	}

	@Test
	void isThereIfItIsAskedFor() {
		page().run((context) -> assertThat(context).hasSingleBean(DatasourcesPage.class));
		page("app.tenancy.page.enabled=false")
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(DatasourcesPage.class));
		page("app.tenancy.enabled=false", "spring.datasource.url=jdbc:sqlite::memory:")
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(DatasourcesPage.class));
	}

	/** A worker with the settings of the application that it belongs to. */
	@Test
	void isNotThereWhereTheApplicationServesNothing() {
		worker().run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(DatasourcesPage.class));
	}

	@Test
	void saysWhatToAddWhereTheApplicationCannotServeIt() {
		worker().withClassLoader(new FilteredClassLoader(DispatcherServlet.class))
			.run((context) -> assertThat(context).getFailure()
				.isInstanceOfSatisfying(FailureAnalyzedException.class,
						(ex) -> assertThat(ex.analysis().getAction()).contains("spring-boot-starter-webmvc")));
	}

	private ApplicationContextRunner worker() {
		return new ApplicationContextRunner().withConfiguration(CONFIGURATIONS)
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"),
					"app.tenancy.page.enabled=true");
	}

	@Test
	void saysThatAReactiveApplicationHasNone() {
		ReactiveWebApplicationContextRunner reactive = new ReactiveWebApplicationContextRunner()
			.withConfiguration(CONFIGURATIONS)
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"));
		reactive.run((context) -> assertThat(context).hasNotFailed());
		reactive.withPropertyValues("app.tenancy.page.enabled=true")
			.run((context) -> assertThat(context).getFailure()
				.isInstanceOfSatisfying(FailureAnalyzedException.class, (ex) -> {
					assertThat(ex.analysis().getDescription()).contains("WebFlux");
					assertThat(ex.analysis().getAction()).contains("'app.tenancy.page.enabled'",
							"/actuator/datasources");
				}));
	}

	@Test
	void saysWhatToAddWhereItCannotBe() {
		for (Class<?> missing : new Class<?>[] { Endpoint.class, DispatcherServlet.class, JsonMapper.class }) {
			page().withClassLoader(new FilteredClassLoader(missing))
				.run((context) -> assertThat(context).getFailure()
					.isInstanceOfSatisfying(FailureAnalyzedException.class,
							(ex) -> assertThat(ex.analysis().getAction()).contains("spring-boot-starter-actuator",
									"spring-boot-starter-webmvc")));
		}
	}

	@Test
	void saysWhichLibraryIsMissing() {
		page().withClassLoader(new WithoutChart())
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOfSatisfying(FailureAnalyzedException.class,
						(ex) -> assertThat(ex.analysis().getAction())
							.contains("'org.webjars.npm:chart.js'", "multidb-spring-boot-starter")
							.doesNotContain("lit-html")));
	}

	/** Its jar is not there. */
	private static final class WithoutChart extends ClassLoader {

		WithoutChart() {
			super(WithoutChart.class.getClassLoader());
		}

		@Override
		public java.net.URL getResource(String name) {
			return name.contains("chart.js") ? null : super.getResource(name);
		}

	}

}
