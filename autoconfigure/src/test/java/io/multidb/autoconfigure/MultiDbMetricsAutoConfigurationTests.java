package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

import javax.sql.DataSource;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.beans.factory.NoUniqueBeanDefinitionException;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.LazyInitializationBeanFactoryPostProcessor;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.health.autoconfigure.registry.HealthContributorRegistryAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.metrics.DataSourcePoolMetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.export.simple.SimpleMetricsExportAutoConfiguration;
import org.springframework.boot.micrometer.observation.autoconfigure.ObservationAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

import io.multidb.InvalidDatasourcesException;
import io.multidb.TenantContext;
import io.multidb.actuate.DatasourcesMeters;
import io.multidb.actuate.HikariMeters;
import io.multidb.actuate.ObservedWork;
import io.multidb.actuate.SourceMeters;
import io.multidb.fanout.FanOut;
import io.multidb.routing.RouteCounts;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.LeaseCounts;
import io.multidb.source.PoolListener;
import io.multidb.source.Source;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Watch;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link MultiDbMetricsAutoConfiguration} and
 * {@link MultiDbObservationAutoConfiguration}.
 */
class MultiDbMetricsAutoConfigurationTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner() {
		return new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbMetricsAutoConfiguration.class,
							MultiDbObservationAutoConfiguration.class, DataSourceAutoConfiguration.class,
							MetricsAutoConfiguration.class, CompositeMeterRegistryAutoConfiguration.class,
							SimpleMetricsExportAutoConfiguration.class, DataSourcePoolMetricsAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory + "/lisbon.db",
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory + "/porto.db");
	}

	private static void use(ApplicationContext context, String tenant) throws SQLException {
		TenantContext.call(tenant, () -> {
			try (Connection connection = context.getBean(DataSource.class).getConnection()) {
				return connection.isClosed();
			}
		});
	}

	private static List<String> names(ApplicationContext context) {
		return context.getBean(MeterRegistry.class)
			.getMeters()
			.stream()
			.map((meter) -> meter.getId().getName())
			.distinct()
			.toList();
	}

	@Test
	void whatHappensFromTheStartIsCounted() {
		contextRunner().run((context) -> {
			use(context, "lisbon");
			MeterRegistry meters = context.getBean(MeterRegistry.class);
			assertThat(meters.get("datasources.routes").tag("outcome", "routed").functionCounter().count()).isOne();
			assertThat(meters.get("datasources.leases.usage").tag("source", "lisbon").functionTimer().count()).isOne();
		});
	}

	@Test
	void nothingIsOpenedByMetersNorBySpringBootsOfPools() {
		contextRunner().withPropertyValues("app.tenancy.metrics.hikari=all").run((context) -> {
			context.getBean(MeterRegistry.class)
				.getMeters()
				.forEach((meter) -> meter.measure().forEach((each) -> each.getValue()));
			assertThat(context.getBean(SourceRegistry.class).sources()).hasSize(2)
				.allMatch((source) -> source.state() instanceof SourceState.Cold);
			assertThat(this.directory).isEmptyDirectory();
			assertThat(names(context)).noneMatch((name) -> name.contains(".connections"));
		});
	}

	@Test
	void thereIsNoneWithoutARegistry() {
		new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbMetricsAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory + "/lisbon.db")
			.run((context) -> {
				assertThat(context).doesNotHaveBean(SourceMeters.class).doesNotHaveBean(RouteCounts.class);
				use(context, "lisbon");
			});
	}

	@Test
	void thereIsNoneWithoutMicrometer() {
		contextRunner().withClassLoader(new FilteredClassLoader("io.micrometer")).run((context) -> {
			assertThat(context).hasNotFailed()
				.doesNotHaveBean(SourceMeters.class)
				.doesNotHaveBean(RouteCounts.class)
				.doesNotHaveBean(Watch.class);
			use(context, "lisbon");
		});
	}

	@Test
	void thereIsNoneIfNoneIsWanted() {
		contextRunner().withPropertyValues("app.tenancy.metrics.enabled=false").run((context) -> {
			assertThat(context).doesNotHaveBean(SourceMeters.class)
				.doesNotHaveBean(DatasourcesMeters.class)
				.doesNotHaveBean(RouteCounts.class);
			use(context, "lisbon");
			assertThat(names(context)).noneMatch((name) -> name.startsWith("datasources."));
		});
	}

	@Test
	void settingsAreHeeded() {
		contextRunner()
			.withPropertyValues("app.tenancy.metrics.sources=1", "app.tenancy.metrics.hikari=gauges",
					"app.tenancy.metrics.timed-leases=1")
			.run((context) -> {
				use(context, "porto");
				use(context, "lisbon");
				MeterRegistry meters = context.getBean(MeterRegistry.class);
				assertThat(meters.find("datasources.leases.active").meters())
					.extracting((meter) -> meter.getId().getTag("source"))
					.containsExactlyInAnyOrder("porto", "other");
				assertThat(meters.find("hikaricp.connections").gauges()).hasSize(1);
				assertThat(meters.get("datasources.leases.usage")
					.tag("source", "other")
					.functionTimer()
					.totalTime(TimeUnit.NANOSECONDS)).isPositive();
			});
	}

	@Test
	void mistakesAreTold() {
		contextRunner().withPropertyValues("app.tenancy.metrics.sources=-1", "app.tenancy.metrics.timed-leases=0")
			.run((context) -> assertThat(context.getStartupFailure()).rootCause()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContaining("'app.tenancy.metrics.sources'")
				.hasMessageContaining("'app.tenancy.metrics.timed-leases'"));
	}

	@Test
	void theApplicationsOwnWatchIsUsed() {
		contextRunner().withBean(Watch.class, () -> Watch.NONE)
			.run((context) -> assertThat(context).doesNotHaveBean(ObservedWork.class));
	}

	@Test
	void ofTwoObservationRegistriesNoneIsGuessedAsInSpringBoot() {
		contextRunner().withBean("one", ObservationRegistry.class, ObservationRegistry::create)
			.withBean("two", ObservationRegistry.class, ObservationRegistry::create)
			.run((context) -> assertThat(context.getStartupFailure())
				.isInstanceOf(NoUniqueBeanDefinitionException.class)
				.hasMessageContaining("ObservationRegistry"));
	}

	@Test
	void ofTwoObservationRegistriesThePrimaryOneIsUsed() {
		TestObservationRegistry primary = TestObservationRegistry.create();
		contextRunner().withBean("one", ObservationRegistry.class, ObservationRegistry::create)
			.withBean("two", ObservationRegistry.class, () -> primary, (definition) -> definition.setPrimary(true))
			.run((context) -> {
				use(context, "lisbon");
				TestObservationRegistryAssert.assertThat(primary).hasObservationWithNameEqualTo("datasources.open");
			});
	}

	@Test
	void withAWatchOfItsOwnAnApplicationMayHaveAsManyRegistriesAsItLikes() {
		contextRunner().withBean(Watch.class, () -> Watch.NONE)
			.withBean("one", ObservationRegistry.class, ObservationRegistry::create)
			.withBean("two", ObservationRegistry.class, ObservationRegistry::create)
			.run((context) -> use(context, "lisbon"));
	}

	@Test
	void theApplicationsOwnListenersHearOfPoolsToo() {
		List<String> heard = new CopyOnWriteArrayList<>();
		contextRunner().withBean("failing", PoolListener.class, () -> new Hearing(heard) {

			@Override
			public void opened(Source source, LeaseCounts counts) {
				throw new IllegalStateException("It does not listen");
			}

			@Override
			public void removed(Source source) {
				throw new IllegalStateException("It does not listen");
			}

		}).withBean("hearing", PoolListener.class, () -> new Hearing(heard)).run((context) -> {
			use(context, "lisbon");
			assertThat(heard).containsExactly("opened lisbon");
			MeterRegistry meters = context.getBean(MeterRegistry.class);
			assertThat(meters.get("datasources.leases.usage").tag("source", "lisbon").functionTimer().count()).isOne();
			assertThat(context.getBean(SourceRegistry.class).remove("lisbon")).isTrue();
			assertThat(heard).containsExactly("opened lisbon", "removed lisbon");
			assertThat(meters.find("datasources.leases.usage").meters()).isEmpty();
		});
	}

	private static class Hearing implements PoolListener {

		private final List<String> heard;

		Hearing(List<String> heard) {
			this.heard = heard;
		}

		@Override
		public void opened(Source source, LeaseCounts counts) {
			this.heard.add("opened " + source.name());
		}

		@Override
		public void removed(Source source) {
			this.heard.add("removed " + source.name());
		}

	}

	@Test
	void theApplicationsOwnListenerNeedsNoMeters() {
		List<String> heard = new CopyOnWriteArrayList<>();
		contextRunner().withPropertyValues("app.tenancy.metrics.enabled=false")
			.withBean(PoolListener.class, () -> new Hearing(heard))
			.run((context) -> {
				use(context, "lisbon");
				assertThat(heard).containsExactly("opened lisbon");
			});
	}

	@Test
	void theApplicationsOwnMetersAreUsed() {
		contextRunner().withUserConfiguration(OwnMeters.class).run((context) -> {
			use(context, "lisbon");
			assertThat(context).hasSingleBean(SourceMeters.class).hasSingleBean(DatasourcesMeters.class);
			assertThat(names(context)).contains("datasources.leases.usage", "hikaricp.connections");
		});
	}

	@Configuration(proxyBeanMethods = false)
	static class OwnMeters {

		@Bean
		SourceMeters ownMeters(ObjectProvider<SourceRegistry> registry) {
			return new SourceMeters(registry::getObject, 3, HikariMeters.GAUGES);
		}

	}

	@Test
	void beansThatAreMadeLazilyAreCountedToo() {
		contextRunner()
			.withInitializer(
					(context) -> context.addBeanFactoryPostProcessor(new LazyInitializationBeanFactoryPostProcessor()))
			.run((context) -> {
				use(context, "lisbon");
				MeterRegistry meters = context.getBean(MeterRegistry.class);
				assertThat(meters.get("datasources.leases.usage").tag("source", "lisbon").functionTimer().count())
					.isOne();
				assertThat(meters.get("datasources.routes").tag("outcome", "routed").functionCounter().count()).isOne();
			});
	}

	/** What is made of properties is not there then, and so are no settings. */
	@Test
	void aRegistryOfTheApplicationsOwnIsLeftAlone() {
		new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbMetricsAutoConfiguration.class,
							MultiDbObservationAutoConfiguration.class, MultiDbHealthAutoConfiguration.class,
							MultiDbEndpointAutoConfiguration.class, MultiDbFanOutAutoConfiguration.class,
							MultiDbAccessAutoConfiguration.class, MultiDbCatalogAutoConfiguration.class,
							MultiDbDiscoveryAutoConfiguration.class, MetricsAutoConfiguration.class,
							CompositeMeterRegistryAutoConfiguration.class, SimpleMetricsExportAutoConfiguration.class,
							ObservationAutoConfiguration.class, HealthContributorRegistryAutoConfiguration.class))
			.withUserConfiguration(OwnRegistry.class)
			.run((context) -> {
				assertThat(context).hasNotFailed()
					.hasSingleBean(SourceRegistry.class)
					.doesNotHaveBean(SourceMeters.class)
					.doesNotHaveBean(FanOut.class);
				assertThat(names(context)).noneMatch((name) -> name.startsWith("datasources."));
			});
	}

	@Configuration(proxyBeanMethods = false)
	static class OwnRegistry {

		@Bean
		SourceRegistry ownRegistry() {
			return new SourceRegistry(List.of(), List.of(), SourceMigrator.NONE, (event) -> {
			});
		}

		@Bean
		RoutingDataSource ownRouter(SourceRegistry registry) {
			return new RoutingDataSource(new Routes(List.of(), null, registry));
		}

	}

	@Test
	void aRegistryThatIsClosedWithItsContextLeavesNothing() {
		SimpleMeterRegistry own = new SimpleMeterRegistry();
		contextRunner().withBean(MeterRegistry.class, () -> own).run((context) -> use(context, "lisbon"));
		assertThat(own.isClosed()).isTrue();
	}

}
