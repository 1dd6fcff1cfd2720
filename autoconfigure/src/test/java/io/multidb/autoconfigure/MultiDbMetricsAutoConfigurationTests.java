package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.TimeUnit;

import javax.sql.DataSource;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.metrics.DataSourcePoolMetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.export.simple.SimpleMetricsExportAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;

import io.multidb.InvalidDatasourcesException;
import io.multidb.TenantContext;
import io.multidb.actuate.DatasourcesMeters;
import io.multidb.actuate.ObservedWork;
import io.multidb.actuate.SourceMeters;
import io.multidb.routing.RouteCounts;
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
	void aRegistryThatIsClosedWithItsContextLeavesNothing() {
		SimpleMeterRegistry own = new SimpleMeterRegistry();
		contextRunner().withBean(MeterRegistry.class, () -> own).run((context) -> use(context, "lisbon"));
		assertThat(own.isClosed()).isTrue();
	}

}
