package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import javax.sql.DataSource;

import io.micrometer.common.docs.KeyName;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.metrics.DataSourcePoolMetricsAutoConfiguration;
import org.springframework.boot.json.JsonParserFactory;
import org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.export.prometheus.PrometheusMetricsExportAutoConfiguration;
import org.springframework.boot.micrometer.observation.autoconfigure.ObservationAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.access.AccessDecision;
import io.multidb.access.SourceAccess;
import io.multidb.actuate.DatasourcesMeter;
import io.multidb.actuate.DatasourcesObservation;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;
import io.multidb.fanout.FanOut;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * The meters of an application in which everything has happened that they tell of, beside
 * what the guide says of them, and beside what the dashboard asks for.
 */
class MetersIntegrationTests {

	private static final Path GUIDE = Path.of("..", "docs", "guide.md");

	private static final Path DASHBOARD = Path.of("..", "docs", "grafana-dashboard.json");

	@TempDir
	private static Path directory;

	private static TestPostgres server;

	/** The meters that were there, as {@code name{key,key}}. */
	private static final Set<String> seen = new TreeSet<>();

	/** Their values that were not zero, as {@code name{key=value}}. */
	private static final Set<String> nonZero = new TreeSet<>();

	/** The last scrape. */
	private static String scrape = "";

	@BeforeAll
	static void haveEverythingHappen() throws Exception {
		server = TestPostgres.start();
		for (String database : List.of("pa", "pb", "pc")) {
			server.run("CREATE DATABASE " + database);
		}
		contextRunner().run((context) -> {
			assertThat(context).hasNotFailed();
			haveEverythingHappen(context);
		});
	}

	@AfterAll
	static void stopServer() throws IOException {
		server.close();
	}

	private static ApplicationContextRunner contextRunner() {
		List<String> properties = new ArrayList<>(
				List.of("app.datasources.main.url=jdbc:sqlite:" + directory + "/main.db",
						"app.datasources.main.liquibase.change-log=classpath:db/notes.yaml",
						"app.datasources.secret.url=jdbc:sqlite:" + directory + "/secret.db",
						"app.datasources.down.url=jdbc:sqlite:" + directory + "/missing/down.db",
						"app.datasources.narrow.url=jdbc:sqlite:" + directory + "/narrow.db",
						"app.datasources.narrow.hikari.maximum-pool-size=1",
						"app.datasources.narrow.hikari.connection-timeout=1000",
						"app.datasources.shop.url=jdbc:sqlite:" + directory + "/shop-{id}.db",
						"app.datasources.shop.create=explicit", "app.tenancy.routes[0].tenants=shop-{id}",
						"app.tenancy.routes[0].source=shop", "app.tenancy.routes[1].tenants=t-{source}",
						"app.tenancy.routes[1].source={source}", "app.tenancy.catalog.source=main",
						"app.tenancy.catalog.poll-interval=200ms", "app.tenancy.metrics.timed-leases=1",
						"app.tenancy.metrics.hikari=all", "app.tenancy.servers.pg.max-connections=2",
						"app.tenancy.servers.pg.max-open=2"));
		for (String name : List.of("pa", "pb", "pc")) {
			String key = "app.datasources." + name;
			properties.addAll(List.of(key + ".url=" + server.url(name), key + ".username=" + server.username(),
					key + ".password=" + server.password(), key + ".server=pg",
					key + ".hikari.connection-timeout=30000"));
		}
		return new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
					MultiDbLiquibaseAutoConfiguration.class, MultiDbCatalogAutoConfiguration.class,
					MultiDbDiscoveryAutoConfiguration.class, MultiDbAccessAutoConfiguration.class,
					MultiDbFanOutAutoConfiguration.class, MultiDbMetricsAutoConfiguration.class,
					MultiDbObservationAutoConfiguration.class, DataSourceAutoConfiguration.class,
					MetricsAutoConfiguration.class, CompositeMeterRegistryAutoConfiguration.class,
					PrometheusMetricsExportAutoConfiguration.class, ObservationAutoConfiguration.class,
					DataSourcePoolMetricsAutoConfiguration.class))
			.withUserConfiguration(Rules.class)
			.withPropertyValues(properties.toArray(String[]::new));
	}

	@Configuration(proxyBeanMethods = false)
	static class Rules {

		@Bean
		SourceAccess nobodyUsesSecret() {
			return (user, tenant, source, operation) -> source.equals("secret") ? AccessDecision.deny("It is secret.")
					: AccessDecision.allow();
		}

	}

	private static void haveEverythingHappen(ApplicationContext context) throws Exception {
		DataSource router = context.getBean("multiDbRoutingDataSource", DataSource.class);
		SourceRegistry registry = context.getBean(SourceRegistry.class);
		look(context);
		routes(router, registry);
		leases(router);
		look(context);
		servers(context, router, registry);
		fanOut(context.getBean(FanOut.class), context);
		catalog(context, registry);
		look(context);
	}

	private static void take(DataSource router, String tenant) throws SQLException {
		try (var scope = TenantContext.enter(tenant)) {
			router.getConnection().close();
		}
	}

	private static void routes(DataSource router, SourceRegistry registry) throws SQLException {
		take(router, "t-narrow");
		assertThatExceptionOfType(SQLException.class).isThrownBy(router::getConnection);
		for (String tenant : List.of("nowhere", "t-secret", "t-down", "shop-1")) {
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> take(router, tenant));
		}
		try (var scope = SourceContext.enter("nosuch")) {
			assertThatExceptionOfType(SQLException.class).isThrownBy(router::getConnection);
		}
		assertThat(registry.create("shop-1")).isTrue();
		take(router, "shop-1");
	}

	private static void leases(DataSource router) throws Exception {
		try (var scope = TenantContext.enter("t-narrow"); Connection taken = router.getConnection()) {
			assertThat(taken.isClosed()).isFalse();
			assertThatExceptionOfType(SQLException.class).isThrownBy(router::getConnection);
		}
	}

	private static void servers(ApplicationContext context, DataSource router, SourceRegistry registry)
			throws Exception {
		Connection one = connection(router, "t-pa");
		Connection two = connection(router, "t-pa");
		one.close();
		two.close();
		// The second of them gives way.
		Connection other = connection(router, "t-pb");
		look(context);
		Connection again = connection(router, "t-pa");
		Thread waitsForAPermit = new Thread(() -> close(router, "t-pb"));
		Thread waitsForAPlace = new Thread(() -> close(router, "t-pc"));
		waitsForAPermit.start();
		waitsForAPlace.start();
		await().until(() -> {
			look(context);
			return nonZero.containsAll(List.of("datasources.pools.waiting{}", "datasources.server.waiting{server=pg}",
					"datasources.leases.waiting{source=pb}"));
		});
		other.close();
		again.close();
		waitsForAPermit.join();
		waitsForAPlace.join();
		registry.drain("pc");
		registry.drain("narrow");
	}

	private static Connection connection(DataSource router, String tenant) throws SQLException {
		try (var scope = TenantContext.enter(tenant)) {
			return router.getConnection();
		}
	}

	private static void close(DataSource router, String tenant) {
		try {
			connection(router, tenant).close();
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private static void fanOut(FanOut fanOut, ApplicationContext context) {
		fanOut.over(List.of("main", "secret", "down"))
			.query((jdbc) -> jdbc.sql("select 1").query(Integer.class).list());
		fanOut.over(List.of("main")).query((jdbc) -> jdbc.sql("nonsense").query(Integer.class).list());
		CountDownLatch end = new CountDownLatch(1);
		AtomicBoolean begun = new AtomicBoolean();
		// On a busy machine its turn may not have come by then.
		while (!begun.get()) {
			fanOut.over(List.of("main")).timeout(Duration.ofMillis(100)).call(() -> {
				begun.set(true);
				awaitUninterruptibly(end);
				return 1;
			});
		}
		look(context);
		end.countDown();
		await().until(() -> fanOut.late() == 0);
	}

	private static void awaitUninterruptibly(CountDownLatch end) {
		boolean interrupted = false;
		while (end.getCount() > 0) {
			try {
				end.await();
			}
			catch (InterruptedException ex) {
				interrupted = true;
			}
		}
		if (interrupted) {
			Thread.currentThread().interrupt();
		}
	}

	private static void catalog(ApplicationContext context, SourceRegistry registry) throws Exception {
		Catalog catalog = context.getBean(Catalog.class);
		catalog.save(CatalogSource.named("ny").url("jdbc:sqlite:" + directory + "/ny.db").build());
		Sources.execute(registry.get("main"), "insert into multidb_source (name, url) values ('bad', 'nonsense')");
		catalog.save(CatalogSource.named("ca").url("jdbc:sqlite:" + directory + "/ca.db").build());
		Sources.execute(registry.get("main"), "alter table multidb_revision rename to away");
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(
				() -> catalog.save(CatalogSource.named("tx").url("jdbc:sqlite:" + directory + "/tx.db").build()));
		await().until(() -> catalog.figures().failures() > 0);
		Sources.execute(registry.get("main"), "alter table away rename to multidb_revision");
	}

	/** Remembers which meters there are, and which have something to say. */
	private static void look(ApplicationContext context) {
		MeterRegistry registry = context.getBean(MeterRegistry.class);
		for (Meter meter : registry.getMeters()) {
			Meter.Id id = meter.getId();
			seen.add(id.getName() + id.getTags().stream().map(Tag::getKey).sorted().toList());
			meter.measure().forEach((measured) -> {
				double value = measured.getValue();
				if (value != 0 && !Double.isNaN(value)) {
					nonZero.add(id.getName() + "{"
							+ String.join(",",
									id.getTags().stream().map((tag) -> tag.getKey() + "=" + tag.getValue()).toList())
							+ "}");
				}
			});
		}
		scrape = context.getBean(PrometheusMeterRegistry.class).scrape();
	}

	private static List<String> keys(KeyName... keys) {
		return Arrays.stream(keys).map(KeyName::asString).sorted().toList();
	}

	@Test
	void hikariCpsMetersOfAReplacedSourceAreTheNewPools() {
		contextRunner().run((context) -> {
			DataSource router = context.getBean("multiDbRoutingDataSource", DataSource.class);
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			MeterRegistry meters = context.getBean(MeterRegistry.class);
			close(router, "t-pa");
			Timer usage = meters.get("hikaricp.connections.usage").tag("pool", "pa").timer();
			assertThat(usage.count()).isEqualTo(1);
			SourceDefinition before = registry.get("pa").definition();
			registry.replace(server.source("pa", "pa").server("pg").hikari(Map.of("maximum-pool-size", "7")).build());
			await().until(() -> meters.get("datasources.pools.closed")
				.tag("reason", "replaced")
				.functionCounter()
				.count() == 1);
			assertThat(registry.get("pa").definition()).isNotEqualTo(before);
			close(router, "t-pa");
			assertThat(meters.get("hikaricp.connections.usage").tag("pool", "pa").timer().count()).isEqualTo(2);
			await().untilAsserted(
					() -> assertThat(meters.get("hikaricp.connections.max").tag("pool", "pa").gauge().value())
						.isEqualTo(7));
			registry.remove("pa");
			assertThat(meters.find("hikaricp.connections.usage").tag("pool", "pa").meter()).isNull();
		});
	}

	@Test
	void everyMeterIsThereWithItsTags() {
		assertThat(seen).containsAll(Arrays.stream(DatasourcesMeter.values())
			.map((meter) -> meter.getName() + keys(meter.getKeyNames()))
			.toList());
	}

	@Test
	void everyObservationIsATimerWithItsTags() {
		assertThat(seen).containsAll(Arrays.stream(DatasourcesObservation.values()).map((observation) -> {
			List<String> keys = new ArrayList<>(keys(observation.getLowCardinalityKeyNames()));
			keys.add(0, "error");
			return observation.getName() + keys;
		}).toList());
	}

	@Test
	void everyMeterHasSomethingToSayOfWhatHasHappened() {
		Stream<String> names = Stream.concat(Arrays.stream(DatasourcesMeter.values()).map(DatasourcesMeter::getName),
				Arrays.stream(DatasourcesObservation.values()).map(DatasourcesObservation::getName));
		assertThat(names).allSatisfy((name) -> assertThat(nonZero).anyMatch((each) -> each.startsWith(name + "{")));
		assertThat(nonZero).contains("datasources.routes{outcome=routed}", "datasources.routes{outcome=no-tenant}",
				"datasources.routes{outcome=unknown-tenant}", "datasources.routes{outcome=unknown-source}",
				"datasources.routes{outcome=refused}", "datasources.routes{outcome=unavailable}",
				"datasources.leases.timeouts{source=narrow}", "datasources.leases.usage{source=pa}",
				"datasources.unavailable{source=down}", "datasources.sources{state=unavailable}",
				"datasources.sources{state=open}", "datasources.pools.closed{reason=drained}",
				"datasources.pools.closed{reason=evicted}", "datasources.server.stolen{server=pg}",
				"datasources.server.limit{server=pg}", "datasources.fanout.outcomes{outcome=completed}",
				"datasources.fanout.outcomes{outcome=failed}", "datasources.fanout.outcomes{outcome=refused}",
				"datasources.fanout.outcomes{outcome=unavailable}", "datasources.fanout.outcomes{outcome=timed-out}",
				"datasources.access.refusals{operation=read}", "hikaricp.connections.usage{pool=pa}",
				"hikaricp.connections.acquire{pool=pa}", "hikaricp.connections.max{pool=narrow}",
				"jdbc.connections.max{name=narrow}");
	}

	@Test
	void thereIsNoMeterThatIsNotWrittenDown() {
		Set<String> known = new LinkedHashSet<>();
		for (DatasourcesMeter meter : DatasourcesMeter.values()) {
			known.add(meter.getName() + keys(meter.getKeyNames()));
		}
		for (DatasourcesObservation observation : DatasourcesObservation.values()) {
			List<String> keys = new ArrayList<>(keys(observation.getLowCardinalityKeyNames()));
			keys.add(0, "error");
			known.add(observation.getName() + keys);
		}
		assertThat(seen).filteredOn((name) -> name.startsWith("datasources."))
			// What has not ended has not all its keys yet.
			.filteredOn((name) -> Arrays.stream(DatasourcesObservation.values())
				.noneMatch((observation) -> name.startsWith(observation.getName() + ".active[")))
			.allSatisfy((name) -> assertThat(known).contains(name));
	}

	@Test
	void theGuideHasEveryMeterAndNoOther() throws IOException {
		List<List<String>> rows = rows("### Meters", 4);
		assertThat(rows).containsExactlyElementsOf(Arrays.stream(DatasourcesMeter.values())
			.map((meter) -> List.of(meter.getName(), type(meter), tags(meter.getKeyNames()), meter.description()))
			.toList());
	}

	@Test
	void theGuideHasEveryObservationAndNoOther() throws IOException {
		List<List<String>> rows = rows("### Observations", 3);
		assertThat(rows).containsExactlyElementsOf(Arrays.stream(DatasourcesObservation.values())
			.map((each) -> List.of(each.getName(), tags(each.getLowCardinalityKeyNames()), each.description()))
			.toList());
	}

	private static String type(DatasourcesMeter meter) {
		return meter.getType().name().toLowerCase(Locale.ROOT);
	}

	private static String tags(KeyName... keys) {
		return String.join(", ", keys(keys));
	}

	private static List<List<String>> rows(String heading, int columns) throws IOException {
		String guide = Files.readString(GUIDE);
		assertThat(guide).contains(heading);
		String section = guide.substring(guide.indexOf(heading + "\n") + heading.length());
		section = section.substring(0, section.indexOf("\n##"));
		return section.lines().filter((line) -> line.startsWith("| `datasources.")).map((line) -> {
			List<String> cells = Arrays.stream(line.substring(1, line.length() - 1).split("\\|", -1))
				.map(String::strip)
				.toList();
			assertThat(cells).as(line).hasSize(columns);
			List<String> texts = new ArrayList<>();
			for (int i = 0; i < columns; i++) {
				texts.add((i + 1 < columns) ? cells.get(i).replace("`", "") : cells.get(i));
			}
			return texts;
		}).toList();
	}

	/** A metric in a query, with what is asked of its labels. */
	private static final Pattern SELECTOR = Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*+)\\s*(\\{[^}]*})?");

	private static final Pattern LABEL = Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)\\s*(=~|!~|!=|=)\\s*\"");

	private static final Pattern GROUPING = Pattern
		.compile("\\b(by|without|on|ignoring|group_left|group_right)\\s*\\(([^)]*)\\)");

	/** A label that Prometheus itself adds to all it scrapes. */
	private static final String INSTANCE = "instance";

	private static final Set<String> OPERATORS = Set.of("and", "or", "unless", "bool", "offset");

	@Test
	void whatTheDashboardAsksForIsInAScrape() throws IOException {
		assertThat(queries()).hasSizeGreaterThan(15).allSatisfy(MetersIntegrationTests::isAnswered);
	}

	/** Roughly parsed: names, labels that select, labels that group. */
	private static void isAnswered(String query) {
		Set<String> labels = new TreeSet<>();
		Matcher grouping = GROUPING.matcher(query);
		while (grouping.find()) {
			Arrays.stream(grouping.group(2).split(","))
				.map(String::strip)
				.filter((label) -> !label.isEmpty() && !label.equals(INSTANCE))
				.forEach(labels::add);
		}
		String rest = grouping.replaceAll(" ").replaceAll("\\[[^]]*]", " ").replaceAll("\\b[0-9][0-9.a-z]*\\b", " ");
		Matcher selector = SELECTOR.matcher(rest);
		int metrics = 0;
		while (selector.find()) {
			String name = selector.group(1);
			int end = selector.end(1);
			boolean called = rest.substring(end).stripLeading().startsWith("(");
			if (called || OPERATORS.contains(name)) {
				continue;
			}
			metrics++;
			Set<String> its = labelsOf(name);
			assertThat(its).as("'%s' of %s is scraped", name, query).isNotNull();
			if (selector.group(2) != null) {
				Matcher label = LABEL.matcher(selector.group(2));
				while (label.find()) {
					assertThat(label.group(1).equals(INSTANCE) || its.contains(label.group(1)))
						.as("label '%s' of %s", label.group(1), name)
						.isTrue();
				}
			}
			assertThat(its).as("labels of %s by which %s groups", name, query).containsAll(labels);
		}
		assertThat(metrics).as(query).isPositive();
	}

	/** Of a metric in the last scrape; {@code null} if it is not there. */
	private static Set<String> labelsOf(String metric) {
		Set<String> labels = null;
		for (String line : scrape.lines().toList()) {
			if (line.startsWith(metric + "{") || line.startsWith(metric + " ")) {
				labels = (labels != null) ? labels : new TreeSet<>();
				if (line.startsWith(metric + "{")) {
					Matcher label = LABEL.matcher(line.substring(0, line.lastIndexOf('}') + 1));
					while (label.find()) {
						labels.add(label.group(1));
					}
				}
			}
		}
		return labels;
	}

	private static List<String> queries() throws IOException {
		List<String> queries = new ArrayList<>();
		collect(JsonParserFactory.getJsonParser().parseMap(Files.readString(DASHBOARD)), queries);
		return queries;
	}

	private static void collect(Object node, List<String> queries) {
		if (node instanceof Map<?, ?> map) {
			map.forEach((key, value) -> {
				if (key.equals("expr")) {
					queries.add((String) value);
				}
				collect(value, queries);
			});
		}
		else if (node instanceof List<?> list) {
			list.forEach((each) -> collect(each, queries));
		}
	}

}
