package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

import io.micrometer.core.instrument.MeterRegistry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.liquibase.autoconfigure.LiquibaseAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.export.simple.SimpleMetricsExportAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.jdbc.CannotGetJdbcConnectionException;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.access.CurrentUser;
import io.multidb.access.Permission;
import io.multidb.actuate.SourcesHealthContributor;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogEvent;
import io.multidb.catalog.CatalogSource;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TenantMappings;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@ExtendWith(OutputCaptureExtension.class)
class MultiDbCatalogAutoConfigurationTests {

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner().withConfiguration(
			AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class,
					MultiDbCatalogAutoConfiguration.class, MultiDbDiscoveryAutoConfiguration.class,
					MultiDbAccessAutoConfiguration.class, MultiDbHealthAutoConfiguration.class,
					DataSourceAutoConfiguration.class, LiquibaseAutoConfiguration.class));

	private ApplicationContextRunner withMain(String... properties) {
		return this.contextRunner
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"))
			.withPropertyValues(properties);
	}

	private CatalogSource court(String name) {
		return CatalogSource.named(name).url("jdbc:sqlite:" + this.directory.resolve(name + ".db")).build();
	}

	@Configuration(proxyBeanMethods = false)
	static class Listener {

		final List<Object> events = new CopyOnWriteArrayList<>();

		@EventListener
		void on(CatalogEvent event) {
			this.events.add(event);
		}

		@EventListener
		void on(SourceEvent.Added event) {
			this.events.add(event.source());
		}

	}

	@Test
	void oneLineSwitchesItOnAndItsSourcesAreThereAfterTheNextStart(CapturedOutput output) {
		withMain("app.tenancy.catalog.source=main").withUserConfiguration(Listener.class).run((context) -> {
			Catalog catalog = context.getBean(Catalog.class);
			catalog.save(court("lisbon"));
			try (var scope = TenantContext.enter("lisbon")) {
				assertThat(JdbcClient.create(context.getBean(RoutingDataSource.class))
					.sql("select file from pragma_database_list")
					.query(String.class)
					.single()).endsWith("lisbon.db");
			}
			assertThat(context.getBean(Listener.class).events).contains(new CatalogEvent.Loaded(0), "lisbon");
			for (int i = 0; i < 120; i++) {
				catalog.save(court("s" + i));
			}
		});
		assertThat(Sources.threads("multidb-catalog", "multidb-discovery")).isEmpty();
		withMain("app.tenancy.catalog.source=main").run((context) -> {
			assertThat(context.getBean(SourceRegistry.class).get("lisbon").definition().origin())
				.isEqualTo("catalog 'main', row lisbon");
			assertThat(output).contains("Sources added: 121 (lisbon, s0, s1, s10,");
		});
	}

	@Test
	void whatIsWrongWithARowsConnectionIsSaidOfTheRow() {
		withMain("app.tenancy.catalog.source=main").run((context) -> {
			context.getBean(Catalog.class)
				.save(CatalogSource.named("lost").url("jdbc:sqlite:" + this.directory.resolve("missing/x.db")).build());
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> context.getBean(SourceRegistry.class).get("lost").getConnection())
				.withMessageContaining("correct 'url' of catalog 'main', row lost.");
		});
	}

	@Test
	void rowsThatAreNotUsedAreCountedByTheMeterAsByHealth() {
		withMain("app.tenancy.catalog.source=main")
			.withConfiguration(
					AutoConfigurations.of(MultiDbMetricsAutoConfiguration.class, MetricsAutoConfiguration.class,
							CompositeMeterRegistryAutoConfiguration.class, SimpleMetricsExportAutoConfiguration.class))
			.run((context) -> {
				Catalog catalog = context.getBean(Catalog.class);
				catalog.save(court("lisbon"));
				Sources.execute(context.getBean(SourceRegistry.class).get("main"),
						"insert into multidb_source (name, url) values ('bad', 'nonsense'), ('main', 'jdbc:sqlite:a.db')");
				catalog.save(court("porto"));
				assertThat(context.getBean(MeterRegistry.class).get("datasources.catalog.refused").gauge().value())
					.isEqualTo(2);
			});
	}

	@Test
	void healthSaysHowTheCatalogIs() {
		withMain("app.tenancy.catalog.source=main").run((context) -> {
			context.getBean(Catalog.class).save(court("lisbon"));
			Health health = health(context.getBean(SourcesHealthContributor.class));
			assertThat(health.getStatus()).isEqualTo(Status.UP);
			assertThat(health.getDetails()).containsEntry("sources", 1)
				.containsKey("readAt")
				.doesNotContainKey("refused");
			context.getBean(Catalog.class)
				.save(CatalogSource.named("copy").url("jdbc:sqlite:" + this.directory.resolve("lisbon.db")).build());
			health = health(context.getBean(SourcesHealthContributor.class));
			assertThat(health.getDetails()).containsEntry("refusedCount", 1);
			assertThat(health.getDetails().get("refused").toString()).contains("copy=", "have the same database");
		});
	}

	@Test
	void aTableOfAnotherShapeIsInHealthAndTheApplicationStarts() {
		withMain("app.tenancy.catalog.source=main", "app.tenancy.catalog.table-prefix=sqlite_").run((context) -> {
			Health health = health(context.getBean(SourcesHealthContributor.class));
			assertThat(health.getStatus()).isEqualTo(Status.UNKNOWN);
			assertThat(health.getDetails()).containsKey("error");
		});
	}

	@Test
	void permissionsBindTheCatalogsSourcesWhereThatIsWanted(CapturedOutput output) {
		List<String> user = new CopyOnWriteArrayList<>(List.of("grace"));
		withMain("app.tenancy.catalog.source=main", "app.tenancy.catalog.permissions=true")
			.withBean(CurrentUser.class, () -> () -> user.get(0))
			.run((context) -> {
				Catalog catalog = context.getBean(Catalog.class);
				catalog.save(court("ny"));
				catalog.grant("ny", "grace", Permission.Level.READ, "root");
				catalog.save(CatalogSource.named("ca").url("jdbc:sqlite:" + this.directory.resolve("ca.db")).build());
				JdbcClient jdbc = JdbcClient.create(context.getBean(RoutingDataSource.class));
				assertThat(query(jdbc, "ny")).isEqualTo(1);
				assertThatExceptionOfType(CannotGetJdbcConnectionException.class).isThrownBy(() -> query(jdbc, "ca"))
					.havingCause()
					.withCauseInstanceOf(SourceAccessDeniedException.class);
				assertThatExceptionOfType(CannotGetJdbcConnectionException.class).isThrownBy(() -> query(jdbc, "none"))
					.havingCause()
					.withCauseInstanceOf(SourceAccessDeniedException.class);
				assertThat(query(jdbc, "main")).as("declared").isEqualTo(1);
				catalog.revoke("ny", "grace");
				assertThatExceptionOfType(CannotGetJdbcConnectionException.class).isThrownBy(() -> query(jdbc, "ny"));
				catalog.grant("ny", "grace", Permission.Level.READ, "root");
			});
		withMain("app.tenancy.catalog.source=main").run((context) -> {
			assertThat(query(JdbcClient.create(context.getBean(RoutingDataSource.class)), "ca")).isEqualTo(1);
			assertThat(output).contains("it has permissions, which bind nobody");
		});
	}

	private static int query(JdbcClient jdbc, String tenant) {
		try (var scope = TenantContext.enter(tenant)) {
			return jdbc.sql("select 1").query(Integer.class).single();
		}
	}

	@Test
	void mappingsAreKeptInTheCatalog() {
		withMain("app.tenancy.catalog.source=main").run((context) -> {
			context.getBean(Catalog.class).save(court("lisbon"));
			context.getBean(TenantMappings.class).map("chat-1", "lisbon");
		});
		withMain("app.tenancy.catalog.source=main").run((context) -> {
			assertThat(context.getBean(TenantMappings.class).all()).containsExactly(Map.entry("chat-1", "lisbon"));
			try (var scope = TenantContext.enter("chat-1")) {
				assertThat(JdbcClient.create(context.getBean(RoutingDataSource.class))
					.sql("select file from pragma_database_list")
					.query(String.class)
					.single()).endsWith("lisbon.db");
			}
		});
	}

	private static Health health(SourcesHealthContributor contributor) {
		return ((HealthIndicator) contributor.getContributor("*catalog")).health();
	}

	@Test
	void withoutTheLineThereIsNoCatalog() {
		withMain().run((context) -> {
			assertThat(context).doesNotHaveBean(Catalog.class);
			assertThat(context.getBean(SourcesHealthContributor.class).getContributor("*catalog")).isNull();
		});
	}

	@Test
	void withoutLiquibaseItSaysWhatIsMissing() {
		withMain("app.tenancy.catalog.source=main")
			.withClassLoader(new FilteredClassLoader(liquibase.integration.spring.SpringLiquibase.class))
			.run((context) -> assertThat(context.getBean(Catalog.class).status().error())
				.contains("spring-boot-starter-liquibase"));
	}

	@Test
	void mistakesAreReportedTogetherAndKeysAreNotShown() {
		withMain("app.datasources.other.url=jdbc:h2:mem:x", "app.tenancy.catalog.source=other",
				"app.tenancy.catalog.table-prefix=Multi-", "app.tenancy.no-tenant=nobody")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.hasMessageContaining("'app.tenancy.catalog.source' is 'other', which is neither SQLite nor PostgreSQL")
				.hasMessageContaining("'table-prefix' must be")
				.hasMessageContaining("'app.tenancy.no-tenant'"));
		withMain("app.tenancy.catalog.source=mian", "app.tenancy.catalog.credentials.keys.k1=c2VjcmV0")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.hasMessageContaining("is no declared source. Did you mean 'main'?")
				.hasMessageContaining("'keys.k1' has 6 bytes")
				.satisfies((ex) -> assertThat(ex.getMessage()).doesNotContain("c2VjcmV0")));
		withMain("app.tenancy.catalog.source=main", "app.datasources.main.fallback=main2",
				"app.datasources.main2.url=jdbc:sqlite:" + this.directory.resolve("main2.db"))
			.run((context) -> assertThat(context).getFailure().rootCause().hasMessageContaining("has a 'fallback'"));
	}

}
