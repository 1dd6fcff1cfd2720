package io.multidb.actuate;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;

import javax.sql.DataSource;

import io.micrometer.common.KeyValue;
import io.micrometer.common.docs.KeyName;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.micrometer.observation.autoconfigure.ObservationAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.ApplicationContext;
import org.springframework.mock.web.MockFilterChain;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.mock.web.MockHttpServletResponse;
import org.springframework.web.filter.ServerHttpObservationFilter;

import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbCatalogAutoConfiguration;
import io.multidb.autoconfigure.MultiDbDiscoveryAutoConfiguration;
import io.multidb.autoconfigure.MultiDbFanOutAutoConfiguration;
import io.multidb.autoconfigure.MultiDbLiquibaseAutoConfiguration;
import io.multidb.autoconfigure.MultiDbObservationAutoConfiguration;
import io.multidb.autoconfigure.MultiDbWebAutoConfiguration;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;
import io.multidb.fanout.FanOut;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;
import io.multidb.source.Watch;
import io.multidb.web.TenantFilter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Observations of work on sources, in an application.
 */
class ObservationsTests {

	@TempDir
	private Path directory;

	/** Checks, too, that each begins and ends as it must. */
	private final TestObservationRegistry observations = TestObservationRegistry.create();

	private final List<Observation.Context> ended = new CopyOnWriteArrayList<>();

	@BeforeEach
	void record() {
		this.observations.observationConfig().observationHandler(new ObservationHandler<>() {

			@Override
			public void onStop(Observation.Context context) {
				ObservationsTests.this.ended.add(context);
			}

			@Override
			public boolean supportsContext(Observation.Context context) {
				return true;
			}

		});
	}

	private ApplicationContextRunner contextRunner() {
		return new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class,
							MultiDbCatalogAutoConfiguration.class, MultiDbDiscoveryAutoConfiguration.class,
							MultiDbFanOutAutoConfiguration.class, MultiDbObservationAutoConfiguration.class))
			.withBean(ObservationRegistry.class, () -> this.observations)
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory + "/lisbon.db",
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory + "/porto.db",
					"app.datasources.down.url=jdbc:sqlite:" + this.directory + "/missing/down.db",
					"app.datasources.shop.url=jdbc:sqlite:" + this.directory + "/shop-{id}.db",
					"app.datasources.shop.create=explicit",
					"app.datasources.shop.liquibase.change-log=classpath:db/notes.yaml",
					"app.tenancy.routes[0].tenants=shop-{id}", "app.tenancy.routes[0].source=shop",
					"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}");
	}

	private static void use(ApplicationContext context, String tenant) throws SQLException {
		TenantContext.call(tenant, () -> {
			try (Connection connection = context.getBean(DataSource.class).getConnection()) {
				return connection.isClosed();
			}
		});
	}

	private List<Observation.Context> contexts(DatasourcesObservation kind) {
		return this.ended.stream().filter((context) -> kind.getName().equals(context.getName())).toList();
	}

	private static List<String> values(Observation.Context context) {
		return context.getAllKeyValues()
			.stream()
			.map((each) -> each.getKey() + "=" + each.getValue())
			.sorted()
			.toList();
	}

	@Test
	void openingIsObservedOnce() {
		contextRunner().run((context) -> {
			use(context, "lisbon");
			use(context, "lisbon");
			Observation.Context opened = contexts(DatasourcesObservation.OPEN).get(0);
			assertThat(contexts(DatasourcesObservation.OPEN)).hasSize(1);
			assertThat(opened.getContextualName()).isEqualTo("open source");
			assertThat(values(opened)).containsExactly("outcome=opened", "product=sqlite", "source=lisbon",
					"tenant=lisbon");
			assertThat(opened.getLowCardinalityKeyValues().stream().map(KeyValue::getKey)).containsExactly("outcome",
					"product");
			assertThat(contexts(DatasourcesObservation.MIGRATE)).as("it has no change log").isEmpty();
			assertThat(this.observations.getCurrentObservation()).as("nothing is left").isNull();
		});
	}

	@Test
	void whatFailsIsObservedWithoutSecrets() {
		contextRunner()
			.withPropertyValues(
					"app.datasources.server.url=jdbc:postgresql://localhost:1/x?user=me&password=very-secret")
			.run((context) -> {
				assertThatExceptionOfType(SQLException.class).isThrownBy(() -> use(context, "down"));
				assertThatExceptionOfType(SQLException.class).isThrownBy(() -> use(context, "server"));
				assertThat(contexts(DatasourcesObservation.OPEN)).hasSize(2).allSatisfy((failed) -> {
					assertThat(values(failed)).contains("outcome=failed");
					assertThat(failed.getError()).isNotNull().message().doesNotContain("very-secret");
					for (Throwable ex = failed.getError(); ex != null; ex = ex.getCause()) {
						assertThat(ex.toString()).doesNotContain("very-secret");
					}
				});
			});
	}

	@Test
	void makingAndMigratingADatabaseIsObserved() {
		contextRunner().run((context) -> {
			context.getBean(SourceRegistry.class).create("shop-1");
			use(context, "shop-1");
			assertThat(contexts(DatasourcesObservation.CREATE)).hasSize(1);
			assertThat(values(contexts(DatasourcesObservation.CREATE).get(0))).containsExactly("outcome=created",
					"product=sqlite", "source=shop-1");
			Observation.Context migrated = contexts(DatasourcesObservation.MIGRATE).get(0);
			assertThat(values(migrated)).contains("outcome=migrated", "product=sqlite");
			assertThat(parent(migrated)).as("it is part of it").isEqualTo(DatasourcesObservation.CREATE.getName());
			assertThat(contexts(DatasourcesObservation.MIGRATE)).last()
				.satisfies((found) -> assertThat(values(found)).contains("source=shop-1"));
		});
	}

	private static String parent(Observation.Context context) {
		return (context.getParentObservation() != null) ? context.getParentObservation().getContextView().getName()
				: null;
	}

	@Test
	void aFanOutAndItsPartsAreObservedBelowTheCaller() {
		contextRunner().run((context) -> {
			Observation caller = Observation.start("caller", this.observations);
			TenantContext.run("lisbon", () -> caller.scoped(() -> {
				context.getBean(FanOut.class)
					.over(List.of("lisbon", "porto", "down"))
					.query((jdbc) -> jdbc.sql("select 1").query(Integer.class).list());
			}));
			caller.stop();
			Observation.Context whole = contexts(DatasourcesObservation.FAN_OUT).get(0);
			assertThat(values(whole)).containsExactly("outcome=partial", "tenant=lisbon");
			assertThat(parent(whole)).isEqualTo("caller");
			assertThat(contexts(DatasourcesObservation.FAN_OUT_SOURCE)).hasSize(3)
				.allSatisfy((part) -> assertThat(parent(part)).isEqualTo(DatasourcesObservation.FAN_OUT.getName()))
				.extracting(ObservationsTests::values)
				.containsExactlyInAnyOrder(
						List.of("outcome=completed", "product=sqlite", "source=lisbon", "tenant=lisbon"),
						List.of("outcome=completed", "product=sqlite", "source=porto", "tenant=lisbon"),
						List.of("outcome=unavailable", "product=sqlite", "source=down", "tenant=lisbon"));
			assertThat(contexts(DatasourcesObservation.OPEN)).allSatisfy(
					(opened) -> assertThat(parent(opened)).isEqualTo(DatasourcesObservation.FAN_OUT_SOURCE.getName()));
		});
	}

	@Test
	void aPartThatDoesNotEndInTimeIsObserved() {
		contextRunner().run((context) -> {
			AtomicBoolean begun = new AtomicBoolean();
			// On a busy machine its turn may not have come by then.
			while (!begun.get()) {
				context.getBean(FanOut.class).over(List.of("lisbon")).timeout(Duration.ofMillis(200)).call(() -> {
					begun.set(true);
					Thread.currentThread().join();
					return 1;
				});
			}
			await().until(() -> contexts(DatasourcesObservation.FAN_OUT_SOURCE).stream()
				.anyMatch((part) -> values(part).contains("outcome=timed-out")));
		});
	}

	@Test
	void readingTheCatalogIsObserved() {
		contextRunner()
			.withPropertyValues("app.tenancy.catalog.source=lisbon", "app.tenancy.catalog.poll-interval=50ms")
			.run((context) -> {
				context.getBean(Catalog.class)
					.save(CatalogSource.named("ny").url("jdbc:sqlite:" + this.directory + "/ny.db").build());
				await().until(() -> outcomes().containsAll(List.of("outcome=changed", "outcome=unchanged")));
				Sources.execute(context.getBean(SourceRegistry.class).get("lisbon"), "drop table multidb_revision");
				await().until(() -> outcomes().contains("outcome=failed"));
			});
	}

	private List<String> outcomes() {
		return contexts(DatasourcesObservation.CATALOG_READ).stream()
			.flatMap((read) -> values(read).stream())
			.filter((value) -> value.startsWith("outcome="))
			.toList();
	}

	@Test
	void theyHaveTheKeysThatAreWrittenDown() {
		contextRunner().run((context) -> {
			use(context, "lisbon");
			context.getBean(SourceRegistry.class).create("shop-1");
			context.getBean(FanOut.class).over(List.of("lisbon")).call(() -> 1);
			for (DatasourcesObservation kind : List.of(DatasourcesObservation.OPEN, DatasourcesObservation.CREATE,
					DatasourcesObservation.MIGRATE, DatasourcesObservation.FAN_OUT,
					DatasourcesObservation.FAN_OUT_SOURCE)) {
				assertThat(contexts(kind)).isNotEmpty()
					.allSatisfy((found) -> assertThat(found.getContextualName()).as("of few values")
						.isEqualTo(kind.getContextualName()))
					.allSatisfy((found) -> assertThat(found.getLowCardinalityKeyValues().stream().map(KeyValue::getKey))
						.containsExactlyInAnyOrderElementsOf(names(kind.getLowCardinalityKeyNames())))
					.allSatisfy((found) -> assertThat(names(kind.getHighCardinalityKeyNames()))
						.containsAll(found.getHighCardinalityKeyValues().stream().map(KeyValue::getKey).toList()));
			}
		});
	}

	private static List<String> names(KeyName... keys) {
		return Arrays.stream(keys).map(KeyName::asString).toList();
	}

	@ParameterizedTest
	@EnumSource
	void everyActivityHasAnObservation(Watch.Activity activity) {
		assertThat(DatasourcesObservation.of(activity)).isNotNull();
	}

	@Test
	void theyCanBeTurnedOffByName() {
		contextRunner().withConfiguration(AutoConfigurations.of(ObservationAutoConfiguration.class))
			.withPropertyValues("management.observations.enable.datasources=false")
			.run((context) -> {
				use(context, "lisbon");
				TestObservationRegistryAssert.assertThat(this.observations).doesNotHaveAnyObservation();
			});
	}

	@Test
	void aHandlerThatFailsChangesNothing() {
		for (String moment : List.of("predicate", "start", "open", "close", "stop")) {
			TestObservationRegistry failing = TestObservationRegistry.create();
			FailingHandler handler = new FailingHandler(moment);
			failing.observationConfig().observationHandler(handler).observationPredicate((name, observed) -> {
				handler.failAt("predicate");
				return true;
			});
			new ApplicationContextRunner()
				.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
						MultiDbObservationAutoConfiguration.class))
				.withBean(ObservationRegistry.class, () -> failing)
				.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve(moment + ".db"))
				.run((context) -> {
					use(context, "lisbon");
					assertThat(context.getBean(SourceRegistry.class).get("lisbon").state())
						.isInstanceOf(SourceState.Open.class);
				});
			assertThat(failing.getCurrentObservation()).as("nothing is left").isNull();
		}
	}

	/**
	 * One of the application's own.
	 *
	 * @param moment when it fails
	 */
	private record FailingHandler(String moment) implements ObservationHandler<Observation.Context> {

		@Override
		public void onStart(Observation.Context context) {
			failAt("start");
		}

		@Override
		public void onScopeOpened(Observation.Context context) {
			failAt("open");
		}

		@Override
		public void onScopeClosed(Observation.Context context) {
			failAt("close");
		}

		@Override
		public void onStop(Observation.Context context) {
			failAt("stop");
		}

		private void failAt(String now) {
			if (now.equals(this.moment)) {
				throw new IllegalStateException("on purpose");
			}
		}

		@Override
		public boolean supportsContext(Observation.Context context) {
			return true;
		}

	}

	@Test
	void withoutARegistryNothingIsObserved() {
		new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbObservationAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory + "/lisbon.db")
			.run((context) -> use(context, "lisbon"));
	}

	@Test
	void aRequestsTenantIsAKeyOfItsSpanAndOfNoMeter() {
		new WebApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
					MultiDbObservationAutoConfiguration.class, MultiDbWebAutoConfiguration.class))
			.withBean(ObservationRegistry.class, () -> this.observations)
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory + "/lisbon.db",
					"app.tenancy.web.resolvers=header")
			.run((context) -> {
				TenantFilter filter = (TenantFilter) context.getBean(FilterRegistrationBean.class).getFilter();
				request(filter, "lisbon");
				assertThat(this.ended).singleElement().satisfies((ended) -> {
					assertThat(ended.getHighCardinalityKeyValues()).contains(KeyValue.of("tenant", "lisbon"));
					assertThat(ended.getLowCardinalityKeyValues().stream().map(KeyValue::getKey))
						.doesNotContain("tenant");
				});
				this.ended.clear();
				request(filter, null);
				assertThat(this.ended).singleElement()
					.satisfies((ended) -> assertThat(ended.getHighCardinalityKeyValues().stream().map(KeyValue::getKey))
						.doesNotContain("tenant"));
			});
	}

	private void request(TenantFilter filter, String tenant) throws ServletException, IOException {
		MockHttpServletRequest request = new MockHttpServletRequest("GET", "/");
		if (tenant != null) {
			request.addHeader("X-Tenant-Id", tenant);
		}
		HttpServlet handler = new HttpServlet() {

			private static final long serialVersionUID = 1L;

			@Override
			protected void doGet(HttpServletRequest handled, HttpServletResponse response) {
				assertThat(TenantContext.current()).isEqualTo(tenant);
			}

		};
		new ServerHttpObservationFilter(this.observations).doFilter(request, new MockHttpServletResponse(),
				new MockFilterChain(handler, filter));
	}

}
