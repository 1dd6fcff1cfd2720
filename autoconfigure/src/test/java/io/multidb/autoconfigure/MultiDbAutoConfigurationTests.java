package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Stream;

import javax.sql.DataSource;

import jakarta.servlet.Filter;
import liquibase.integration.spring.SpringLiquibase;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.health.contributor.HealthContributor;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.health.DataSourceHealthContributorAutoConfiguration;
import org.springframework.boot.liquibase.autoconfigure.LiquibaseAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.boot.transaction.autoconfigure.TransactionManagerCustomizationAutoConfiguration;
import org.springframework.boot.webmvc.autoconfigure.WebMvcAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.CannotGetJdbcConnectionException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.InvalidDatasourcesException;
import io.multidb.NoTenantException;
import io.multidb.TenantContext;
import io.multidb.actuate.SourcesHealthContributor;
import io.multidb.migration.StartupMigration;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.source.SourceState;
import io.multidb.transaction.TargetAdvisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

@ExtendWith(OutputCaptureExtension.class)
class MultiDbAutoConfigurationTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner = new ApplicationContextRunner()
		.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
				MultiDbLiquibaseAutoConfiguration.class, MultiDbHealthAutoConfiguration.class,
				MultiDbWebAutoConfiguration.class, DataSourceAutoConfiguration.class, LiquibaseAutoConfiguration.class,
				JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class,
				TransactionManagerCustomizationAutoConfiguration.class,
				DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
				DataSourceHealthContributorAutoConfiguration.class));

	private ApplicationContextRunner withSources;

	@BeforeEach
	void declareSources() {
		this.withSources = this.contextRunner.withPropertyValues("app.datasources.lisbon.url=" + url("lisbon"),
				"app.datasources.porto.url=" + url("porto"));
	}

	@Test
	void changesNothingWithoutSources() {
		this.contextRunner
			.withPropertyValues("spring.datasource.url=" + url("boot"), "app.title=mine",
					"spring.liquibase.enabled=false")
			.run((context) -> {
				assertThat(context).hasSingleBean(DataSource.class).doesNotHaveBean(RoutingDataSource.class);
				assertThat(context.getBeanNamesForType(Object.class, true, false))
					.noneMatch((name) -> context.getType(name).getName().startsWith("io.multidb."));
			});
	}

	@Test
	void changesNothingWhenItIsOff() {
		this.withSources
			.withPropertyValues("app.tenancy.enabled=false", "app.tenancy.unknown=x", "spring.liquibase.enabled=false",
					"spring.datasource.url=" + url("boot"))
			.run((context) -> assertThat(context).hasSingleBean(DataSource.class)
				.doesNotHaveBean(RoutingDataSource.class)
				.doesNotHaveBean(SourceRegistry.class)
				.doesNotHaveBean(TargetAdvisor.class));
	}

	@Test
	void theRouterIsTheOnlyDataSource() {
		this.withSources.run((context) -> {
			assertThat(context).getBean(DataSource.class).isInstanceOf(RoutingDataSource.class);
			assertThat(context.getSourceApplicationContext()
				.getBeanFactory()
				.getBeanDefinition("multiDbRoutingDataSource")).matches((definition) -> definition.isPrimary());
		});
	}

	@Test
	void theRouterIsPrimaryBesideTheApplicationsOwn() {
		this.withSources.withUserConfiguration(AnotherDataSource.class)
			.run((context) -> assertThat(context.getBean(DataSource.class)).isInstanceOf(RoutingDataSource.class));
	}

	@Test
	void backsOffForTheApplicationsOwnBeans() {
		this.withSources.withUserConfiguration(OwnBeans.class)
			.run((context) -> assertThat(context).hasSingleBean(SourceRegistry.class)
				.hasSingleBean(Routes.class)
				.hasSingleBean(RoutingDataSource.class)
				.hasSingleBean(SourceMigrator.class)
				.hasBean("ownRegistry")
				.hasBean("ownRoutes")
				.hasBean("ownRouter")
				.hasBean("ownMigrator"));
	}

	@Test
	void opensNothingAtStartUp() {
		this.withSources.run((context) -> {
			assertThat(context.getBean(SourceRegistry.class).sources())
				.allMatch((source) -> source.state() instanceof SourceState.Cold);
			assertThat(files()).isEmpty();
		});
	}

	@Test
	void jdbcClientGoesToTheTenantsSource() {
		this.withSources.run((context) -> {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			TenantContext.run("lisbon", () -> jdbc.sql("create table city (name text)").update());
			TenantContext.run("lisbon", () -> jdbc.sql("insert into city values ('Lisbon')").update());
			TenantContext.run("porto", () -> jdbc.sql("create table city (name text)").update());
			assertThat(TenantContext.call("lisbon", () -> count(jdbc))).isOne();
			assertThat(TenantContext.call("porto", () -> count(jdbc))).isZero();
		});
	}

	@Test
	void withoutATenantTheCauseSaysSo() {
		this.withSources.run((context) -> assertThatExceptionOfType(CannotGetJdbcConnectionException.class)
			.isThrownBy(() -> context.getBean(JdbcClient.class).sql("select 1").query().singleValue())
			.withRootCauseInstanceOf(NoTenantException.class));
	}

	@Test
	void transactionsAreRolledBackOnTheTenantsSource() {
		this.withSources.run((context) -> {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			TransactionTemplate transaction = new TransactionTemplate(
					context.getBean(PlatformTransactionManager.class));
			TenantContext.run("lisbon", () -> {
				jdbc.sql("create table city (name text)").update();
				transaction.executeWithoutResult((status) -> {
					jdbc.sql("insert into city values ('Lisbon')").update();
					status.setRollbackOnly();
				});
				assertThat(count(jdbc)).isZero();
			});
		});
	}

	@Test
	void springsLiquibaseBacksOff() {
		this.withSources
			.withPropertyValues("spring.liquibase.change-log=classpath:none.yaml",
					"app.datasources.lisbon.liquibase.enabled=false", "app.datasources.porto.liquibase.enabled=false")
			.run((context) -> assertThat(context).hasNotFailed()
				.getBean(SpringLiquibase.class)
				.isInstanceOf(StartupMigration.class));
	}

	@Test
	void springsLiquibaseStaysOffWhereItIsOff() {
		this.withSources.withPropertyValues("spring.liquibase.enabled=false")
			.run((context) -> assertThat(context).hasNotFailed()
				.doesNotHaveBean(SpringLiquibase.class)
				.doesNotHaveBean(SourceMigrator.class));
	}

	@Test
	void worksWithoutLiquibase() {
		this.withSources.withClassLoader(new FilteredClassLoader("liquibase"))
			.run((context) -> assertThat(context).hasNotFailed()
				.hasSingleBean(RoutingDataSource.class)
				.doesNotHaveBean(MultiDbLiquibaseAutoConfiguration.class));
	}

	@Test
	void aChangeLogWithoutLiquibaseIsAMistakeThatIsSaidOnce() {
		this.withSources.withClassLoader(new FilteredClassLoader("liquibase"))
			.withPropertyValues("app.tenancy.liquibase.change-log=classpath:none.yaml")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOfSatisfying(InvalidDatasourcesException.class,
						(ex) -> assertThat(ex.mistakes()).singleElement()
							.asString()
							.contains("Liquibase is not on the class path")));
	}

	@Test
	void worksWithoutServlets() {
		this.withSources.withClassLoader(new FilteredClassLoader(Filter.class, WebMvcAutoConfiguration.class))
			.run((context) -> assertThat(context).hasNotFailed().hasSingleBean(RoutingDataSource.class));
	}

	@Test
	void worksWithoutHealth() {
		this.withSources.withClassLoader(new FilteredClassLoader(HealthContributor.class))
			.run((context) -> assertThat(context).hasNotFailed()
				.hasSingleBean(RoutingDataSource.class)
				.doesNotHaveBean(MultiDbHealthAutoConfiguration.class));
	}

	@Test
	void healthIsThere() {
		this.withSources.run((context) -> assertThat(context).hasSingleBean(SourcesHealthContributor.class));
	}

	@Test
	void healthCanBeSwitchedOff() {
		this.withSources.withPropertyValues("management.health.datasources.enabled=false")
			.run((context) -> assertThat(context).doesNotHaveBean(SourcesHealthContributor.class));
	}

	@Test
	void noBeanHoldsThePropertiesForAnEndpointToShow() {
		this.withSources
			.run((context) -> assertThat(context.getBeansWithAnnotation(ConfigurationProperties.class).values())
				.noneMatch((bean) -> bean.getClass().getName().startsWith("io.multidb.")));
	}

	@Test
	void aWrongConfigurationFailsTheStartWithAllMistakes() {
		this.withSources
			.withPropertyValues("app.tenancy.no-tenant=mars", "app.tenancy.routes[0].tenants=a",
					"app.tenancy.routes[0].source=venus")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOfSatisfying(InvalidDatasourcesException.class,
						(ex) -> assertThat(ex.mistakes()).hasSize(2)));
	}

	@Test
	void aWrongConfigurationIsPrintedAsAFailureAnalysisWithoutPasswords(CapturedOutput output) {
		SpringApplication application = new SpringApplicationBuilder(Empty.class).web(WebApplicationType.NONE)
			.properties("app.datasources.lisbon.url=jdbc:postgresql://me:s3cret@db/x?password=s3cret",
					"app.datasources.porto.url=jdbc:postgresql://me:s3cret@db/x?password=s3cret",
					"app.datasources.faro.pasword=s3cret", "app.datasources.faro.password=s3cret",
					"app.datasources.braga=jdbc:postgresql://me:s3cret@db/x")
			.build();
		assertThatThrownBy(application::run).isNotNull();
		assertThat(output)
			.contains("APPLICATION FAILED TO START", "The configuration of datasources and tenancy has 4 mistakes:",
					"Do what they say. The properties are under 'app.datasources' and 'app.tenancy'.",
					"- The sources 'lisbon' and 'porto' have the same database", "- 'app.datasources.faro.pasword'",
					"Did you mean 'password'?", "- 'app.datasources.faro.url'", "- 'app.datasources.braga'")
			.doesNotContain("s3cret");
	}

	@Test
	void aMissingDriverIsPrintedAsAFailureAnalysisThatNamesTheDependency(CapturedOutput output) {
		SpringApplication application = new SpringApplicationBuilder(Empty.class).web(WebApplicationType.NONE)
			.properties("app.datasources.lisbon.url=jdbc:mysql://me:s3cret@db/x")
			.build();
		assertThatThrownBy(application::run).isNotNull();
		assertThat(output)
			.contains("APPLICATION FAILED TO START", "has a mistake:", "- 'app.datasources.lisbon.url'",
					"add the dependency com.mysql:mysql-connector-j",
					"Do what it says. The properties are under 'app.datasources' and 'app.tenancy'.")
			.doesNotContain("s3cret");
	}

	@Test
	void nothingRunsAfterTheContextIsClosed() {
		this.withSources.run((context) -> {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			TenantContext.run("lisbon", () -> jdbc.sql("select 1").query().singleValue());
			context.getBean(SourcesHealthContributor.class)
				.stream()
				.forEach((entry) -> ((HealthIndicator) entry.contributor()).health());
			assertThat(Sources.threads("multidb", "lisbon", "Hikari")).isNotEmpty();
		});
		await().untilAsserted(() -> assertThat(Sources.threads("multidb", "lisbon", "Hikari")).isEmpty());
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void noFileIsOpenAfterTheContextIsClosed() {
		this.withSources.run((context) -> {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			TenantContext.run("lisbon", () -> jdbc.sql("create table city (name text)").update());
			assertThat(Sources.openFiles(this.directory)).isNotEmpty();
		});
		await().untilAsserted(() -> assertThat(Sources.openFiles(this.directory)).isEmpty());
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private static long count(JdbcClient jdbc) {
		return jdbc.sql("select count(*) from city").query(Long.class).single();
	}

	private List<Path> files() throws IOException {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.toList();
		}
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = "org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration")
	static class Empty {

	}

	@Configuration(proxyBeanMethods = false)
	static class AnotherDataSource {

		@Bean
		DataSource reports() throws SQLException {
			return new SingleConnectionDataSource("jdbc:sqlite::memory:", true);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnBeans {

		@Bean(destroyMethod = "close")
		SourceRegistry ownRegistry() {
			return new SourceRegistry(List.of(SourceDefinition.named("own").url("jdbc:sqlite:own.db").build()),
					List.of(), SourceMigrator.NONE, (event) -> {
					});
		}

		@Bean
		Routes ownRoutes(SourceRegistry registry) {
			return new Routes(List.of(), null, registry);
		}

		@Bean
		RoutingDataSource ownRouter(Routes routes) {
			return new RoutingDataSource(routes);
		}

		@Bean
		SourceMigrator ownMigrator() {
			return SourceMigrator.NONE;
		}

	}

}
