package io.multidb.actuate;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.actuate.endpoint.SanitizingFunction;
import org.springframework.boot.actuate.endpoint.Sanitizer;

import io.multidb.InvalidTenantException;
import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.actuate.SourceDescriptor.PoolDescriptor;
import io.multidb.actuate.SourceDetailsDescriptor.EventDescriptor;
import io.multidb.actuate.SourcesDescriptor.RouteDescriptor;
import io.multidb.catalog.CatalogStatus;
import io.multidb.routing.MappingStore;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.ShardTables;
import io.multidb.routing.Shards;
import io.multidb.routing.TenantMappings;
import io.multidb.source.CreatePolicy;
import io.multidb.source.FallbackSettings;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.NamePattern;
import io.multidb.source.PoolLimits;
import io.multidb.source.ReplicaSettings;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.awaitility.Awaitility.await;

class SourcesViewTests {

	@TempDir
	private Path directory;

	private final SourceHistory history = new SourceHistory(Clock.systemUTC());

	private SourceRegistry registry;

	private TenantMappings mappings;

	private SourcesView view;

	@BeforeEach
	void start() {
		SourceDefinition template = SourceDefinition.named("elections")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db") + "?password=s3cret")
			.origin("application.yaml, line 7")
			.build();
		this.registry = new SourceRegistry(List.of(),
				List.of(Sources.template(template, "election-{id}", CreatePolicy.EXPLICIT, null)),
				new io.multidb.migration.LiquibaseMigrator(new org.springframework.core.io.DefaultResourceLoader()),
				this.history::on);
		this.mappings = new TenantMappings(this.registry, MappingStore.NONE, (event) -> {
		});
		Routes routes = new Routes(
				List.of(new Route(List.of(NamePattern.of("election-{id}")), "elections"),
						new Route(List.of(NamePattern.of("chat-*")), new Shards(List.of("chats1", "chats2"), 1)),
						new Route(List.of(NamePattern.of("app-{name}")), "{name}")),
				null, this.registry, this.mappings, new ShardTables(this.registry));
		this.view = new SourcesView(this.registry, routes, this.mappings, this.history, new Sanitizer());
	}

	@AfterEach
	void close() {
		this.registry.close();
	}

	private SourceDefinition.Builder sqlite(String name) {
		return Sources.sqlite(name, this.directory);
	}

	private void add(SourceDefinition.Builder definition) {
		this.registry.add(definition.build());
	}

	private void open(String name) throws SQLException {
		add(sqlite(name));
		this.registry.get(name).getConnection().close();
	}

	private void fail(String name) {
		fail(name, true);
	}

	private void fail(String name, boolean essential) {
		add(SourceDefinition.named(name)
			.url("jdbc:postgresql://localhost:1/" + (name.equals("dead") ? "x" : name) + "?password=s3cret&user=me")
			.essential(essential)
			.username("me")
			.password("s3cret"));
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> this.registry.get(name).getConnection());
	}

	private SourcesDescriptor ask(SourcesQuery query) {
		return this.view.sources(query, false);
	}

	private List<String> names(SourcesQuery query) {
		return ask(query).sources().stream().map(SourceDescriptor::name).toList();
	}

	private static SourcesQuery query(String search, String state, String product, String origin) {
		return new SourcesQuery(search, state, product, origin, null, SourcesQuery.Sort.NAME, false, 0, 50);
	}

	private static SourcesQuery sorted(SourcesQuery.Sort sort, boolean descending) {
		return new SourcesQuery(null, null, null, null, null, sort, descending, 0, 50);
	}

	private static SourcesQuery page(int page, int size) {
		return new SourcesQuery(null, null, null, null, null, SourcesQuery.Sort.NAME, false, page, size);
	}

	@Test
	void aColdSourceIsShownAndStaysCold() throws IOException {
		add(sqlite("lisbon").attributes(Map.of("display-name", "Lisboa")).origin("application.yaml, line 3"));
		for (int i = 0; i < 10; i++) {
			SourceDescriptor shown = ask(SourcesQuery.ALL).sources().get(0);
			assertThat(shown.name()).isEqualTo("lisbon");
			assertThat(shown.displayName()).isEqualTo("Lisboa");
			assertThat(shown.url()).isEqualTo("jdbc:sqlite:" + this.directory.resolve("lisbon.db"));
			assertThat(shown.product()).isEqualTo("sqlite");
			assertThat(shown.origin()).isEqualTo("application.yaml, line 3");
			assertThat(shown.state().status()).isEqualTo("cold");
			assertThat(shown.essential()).isTrue();
			assertThat(shown.pool()).isNull();
			assertThat(shown.migrations()).isNull();
			assertThat(this.view.find("lisbon", false).events()).extracting(EventDescriptor::type)
				.containsExactly("added");
		}
		assertThat(this.registry.get("lisbon").state()).isInstanceOf(SourceState.Cold.class);
		try (Stream<Path> files = Files.list(this.directory)) {
			assertThat(files).isEmpty();
		}
	}

	@Test
	void anOpenSourceShowsItsPool() throws SQLException {
		open("lisbon");
		try (Connection used = this.registry.get("lisbon").getConnection()) {
			assertThat(used.isClosed()).isFalse();
			SourceDescriptor shown = ask(SourcesQuery.ALL).sources().get(0);
			assertThat(shown.state().status()).isEqualTo("open");
			assertThat(shown.state().since()).isNotNull();
			assertThat(shown.pool()).isEqualTo(new PoolDescriptor(1, 0, 0, 10));
		}
		assertThat(ask(SourcesQuery.ALL).sources().get(0).pool()).isEqualTo(new PoolDescriptor(0, 1, 0, 10));
		this.registry.drain("lisbon");
		assertThat(ask(SourcesQuery.ALL).sources().get(0).pool()).isNull();
	}

	@Test
	void anUnavailableSourceSaysWhyAndWhenItIsTriedAgain() {
		fail("dead");
		SourceDescriptor shown = ask(SourcesQuery.ALL).sources().get(0);
		assertThat(shown.state().status()).isEqualTo("unavailable");
		assertThat(shown.state().reason()).contains("cannot be connected");
		assertThat(shown.state().nextTry()).isNotNull();
		assertThat(shown.lastError().message()).contains("cannot be connected");
		assertThat(shown.server()).isEqualTo("localhost:1");
	}

	@Test
	void anErrorIsRememberedWhenItIsOver() throws Exception {
		Path file = this.directory.resolve("lisbon.db");
		Files.createDirectory(file);
		add(sqlite("lisbon"));
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> this.registry.get("lisbon").getConnection());
		Files.delete(file);
		this.registry.retry("lisbon");
		SourceDescriptor shown = ask(SourcesQuery.ALL).sources().get(0);
		assertThat(shown.state().status()).isEqualTo("cold");
		assertThat(shown.lastError()).isNotNull();
		assertThat(this.view.find("lisbon", false).events()).extracting(EventDescriptor::type)
			.containsExactly("recovered", "unavailable", "added");
	}

	@Test
	void migrationsAreToldAsFarAsThisProcessHasSeen() {
		add(sqlite("lisbon").liquibase(Sources.NOTES));
		add(sqlite("porto").liquibase(LiquibaseSettings.of("classpath:db/none.yaml")));
		assertThat(ask(SourcesQuery.ALL).sources()).extracting((each) -> each.migrations().status())
			.containsExactly("unknown", "unknown");
		this.registry.prepare("lisbon");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> this.registry.prepare("porto"));
		List<SourceDescriptor> shown = ask(SourcesQuery.ALL).sources();
		assertThat(shown.get(0).migrations().changeLog()).isEqualTo("classpath:db/notes.yaml");
		assertThat(shown.get(0).migrations().status()).isEqualTo("up-to-date");
		assertThat(shown.get(0).migrations().at()).isNotNull();
		assertThat(shown.get(1).migrations().status()).isEqualTo("failed");
		assertThat(shown.get(1).migrations().error()).contains("none.yaml");
		assertThat(this.view.find("lisbon", false).events()).extracting(EventDescriptor::type)
			.containsExactly("migrated", "added");
	}

	@Test
	void fallbackAndReplicasAreShown() {
		add(sqlite("copy").readOnly(true).internal(true));
		add(sqlite("standby"));
		add(sqlite("shop").replicas(ReplicaSettings.of("copy")).fallback(new FallbackSettings("standby", true)));
		SourceDescriptor shown = this.view.find("shop", false).source();
		assertThat(shown.fallback()).isEqualTo(new SourceDescriptor.FallbackDescriptor("standby", false));
		assertThat(shown.replicas()).containsExactly(new SourceDescriptor.ReplicaDescriptor("copy", true, null, null));
		assertThat(this.view.find("copy", false).source().internal()).isTrue();
	}

	@Test
	void sourcesAreFoundByNameStateProductAndOrigin() throws SQLException {
		open("lisbon");
		add(sqlite("porto").attributes(Map.of("display-name", "Invicta")).origin("catalog 'main', row porto"));
		fail("dead");
		assertThat(names(SourcesQuery.ALL)).containsExactly("dead", "lisbon", "porto");
		assertThat(names(query("ISB", null, null, null))).containsExactly("lisbon");
		assertThat(names(query("vict", null, null, null))).containsExactly("porto");
		assertThat(names(query("lisbonne", null, null, null))).isEmpty();
		assertThat(names(query(null, "cold", null, null))).containsExactly("porto");
		assertThat(names(query(null, null, "postgresql", null))).containsExactly("dead");
		assertThat(names(query(null, null, null, "Catalog"))).containsExactly("porto");
		SourcesDescriptor cold = ask(query("o", "cold", null, null));
		assertThat(cold.total()).isEqualTo(1);
		assertThat(cold.known()).isEqualTo(3);
		assertThat(cold.states()).containsExactly(Map.entry("cold", 1), Map.entry("open", 1));
	}

	@Test
	void sourcesAreSorted() throws SQLException {
		open("lisbon");
		add(sqlite("porto").origin("a file"));
		open("busy");
		fail("dead");
		try (Connection used = this.registry.get("busy").getConnection()) {
			assertThat(used.isClosed()).isFalse();
			assertThat(names(sorted(SourcesQuery.Sort.NAME, true))).containsExactly("porto", "lisbon", "dead", "busy");
			assertThat(names(sorted(SourcesQuery.Sort.STATE, false))).containsExactly("dead", "busy", "lisbon",
					"porto");
			assertThat(names(sorted(SourcesQuery.Sort.PRODUCT, false))).startsWith("dead", "busy");
			assertThat(names(sorted(SourcesQuery.Sort.ORIGIN, false))).startsWith("porto", "busy");
			assertThat(names(sorted(SourcesQuery.Sort.ACTIVE, false))).containsExactly("busy", "dead", "lisbon",
					"porto");
		}
	}

	@Test
	void everySourceIsOnExactlyOnePage() {
		IntStream.range(0, 2500).forEach((i) -> add(sqlite("source" + (9999 - i))));
		for (int size : new int[] { 7, 50, 1000 }) {
			List<String> all = new ArrayList<>();
			for (int page = 0; page <= 2500 / size; page++) {
				SourcesDescriptor shown = ask(page(page, size));
				assertThat(shown.total()).isEqualTo(2500);
				all.addAll(shown.sources().stream().map(SourceDescriptor::name).toList());
			}
			assertThat(all).hasSize(2500).isSorted().doesNotHaveDuplicates();
			assertThat(names(page(2500, size))).isEmpty();
			assertThat(names(page(Integer.MAX_VALUE, size))).isEmpty();
		}
	}

	@Test
	void whatCannotBeAskedForIsRefused() {
		assertThatIllegalArgumentException().isThrownBy(() -> page(-1, 50)).withMessageContaining("count from 0");
		assertThatIllegalArgumentException().isThrownBy(() -> page(0, 0));
		assertThatIllegalArgumentException().isThrownBy(() -> page(0, SourcesQuery.MAX_SIZE + 1));
		assertThatIllegalArgumentException().isThrownBy(() -> query(null, "broken", null, null))
			.withMessageContaining("unavailable");
	}

	@Test
	void noSecretIsShownToAnybody() {
		fail("dead");
		add(SourceDefinition.named("info")
			.url("jdbc:mysql://root:s3cret@db/x?trustStorePassword=s3cret")
			.hikari(Map.of("data-source-properties.sslpassword", "s3cret"))
			.password("s3cret"));
		for (boolean showValues : new boolean[] { false, true }) {
			assertThat(this.view.sources(SourcesQuery.ALL, showValues).toString()).contains("mysql://root:***@db")
				.doesNotContain("s3cret");
			assertThat(this.view.find("dead", showValues).toString()).contains("localhost:1").doesNotContain("s3cret");
			assertThat(this.view.find("info", showValues).toString()).doesNotContain("s3cret");
			assertThat(this.view.sources(SourcesQuery.ALL, showValues).templates().toString()).contains("elections")
				.doesNotContain("s3cret");
		}
	}

	@Test
	void whatCouldBeASecretIsShownOnlyWhereItMayBe() {
		add(SourceDefinition.named("shop")
			.url("jdbc:postgresql://db/shop?sslmode=require&options=-c%20my.role=abc")
			.attributes(Map.of("owner", "ada")));
		SourceDetailsDescriptor hidden = this.view.find("shop", false);
		assertThat(hidden.source().url()).isEqualTo("jdbc:postgresql://db/shop?sslmode=******&options=******");
		assertThat(hidden.attributes()).containsEntry("owner", "******");
		SourceDetailsDescriptor shown = this.view.find("shop", true);
		assertThat(shown.source().url())
			.isEqualTo("jdbc:postgresql://db/shop?sslmode=require&options=-c%20my.role=abc");
		assertThat(shown.attributes()).containsEntry("owner", "ada");
	}

	@Test
	void whatAUrlSaysIsHiddenInSentencesToo() {
		fail("dead");
		assertThat(this.view.find("dead", false).toString()).contains("user=******").doesNotContain("user=me");
		assertThat(this.view.find("dead", true).source().state().reason()).contains("user=me");
	}

	@Test
	void theApplicationsOwnSanitizersAreAsked() {
		add(SourceDefinition.named("shop")
			.url("jdbc:postgresql://db/shop?sslmode=require&ApplicationName=x")
			.attributes(Map.of("owner", "ada")));
		SanitizingFunction own = (data) -> data.getKey().endsWith("owner") || data.getKey().endsWith("sslmode")
				? data.withSanitizedValue() : data;
		SourcesView sanitizing = new SourcesView(this.registry, new Routes(List.of(), null, this.registry),
				this.mappings, this.history, new Sanitizer(List.of(own)));
		SourceDetailsDescriptor shown = sanitizing.find("shop", true);
		assertThat(shown.source().url()).endsWith("?sslmode=******&ApplicationName=x");
		assertThat(shown.attributes()).containsEntry("owner", "******");
	}

	@Test
	void anUnknownSourceIsNotThere() {
		assertThat(this.view.find("nowhere", false)).isNull();
		assertThat(this.view.find("election-1", false)).isNull();
	}

	@Test
	void theFirstOfTheMappedTenantsAreNamed() {
		add(sqlite("lisbon"));
		add(sqlite("porto"));
		List<String> tenants = IntStream.range(0, 3 * SourcesView.TENANTS).mapToObj("t-%03d"::formatted).toList();
		tenants.forEach((tenant) -> this.mappings.map(tenant, "lisbon"));
		this.mappings.map("x", "porto");
		assertThat(this.view.find("lisbon", false).tenants()).isEqualTo(tenants.subList(0, SourcesView.TENANTS));
		assertThat(this.view.find("porto", false).tenants()).containsExactly("x");
	}

	@Test
	void whereATenantGoesIsToldWithoutSendingItThere() throws IOException {
		add(sqlite("lisbon"));
		add(sqlite("chats1"));
		add(sqlite("chats2"));
		add(sqlite("audit").internal(true));
		this.mappings.map("ada", "lisbon");
		assertThat(this.view.tenant("ada"))
			.isEqualTo(new TenantDescriptor("ada", "lisbon", "mapping", null, null, null));
		assertThat(this.view.tenant("app-lisbon"))
			.isEqualTo(new TenantDescriptor("app-lisbon", "lisbon", "route", "[app-{name}] -> {name}", null, null));
		assertThat(this.view.tenant("app-gone").problem()).contains("no source 'gone'");
		assertThat(this.view.tenant("app-audit").problem()).contains("internal");
		assertThat(this.view.tenant("election-42")).isEqualTo(new TenantDescriptor("election-42", "election-42",
				"template", "[election-{id}] -> elections", null, null));
		TenantDescriptor chat = this.view.tenant("chat-1");
		assertThat(chat.rule()).isEqualTo("shards");
		assertThat(chat.source()).isNull();
		assertThat(chat.candidates()).containsExactlyInAnyOrder("chats1", "chats2");
		assertThat(this.view.tenant("nobody").rule()).isEqualTo("none");
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> this.view.tenant("a/b"));
		assertThat(this.registry.find("election-42")).isNull();
		try (Stream<Path> files = Files.list(this.directory)) {
			assertThat(files).isEmpty();
		}
	}

	@Test
	void whatIsUnavailableIsFoundEssentialOnesFirstThenTheLongest() {
		for (int i = 0; i < 12; i++) {
			fail("a" + i, false);
		}
		fail("zz-main", true);
		AttentionDescriptor found = ask(query("a1", "cold", "sqlite", null)).attention();
		assertThat(found.unavailable().total()).isEqualTo(13);
		assertThat(found.unavailable().first()).extracting(SourceDescriptor::name)
			.containsExactly("zz-main", "a0", "a1", "a2", "a3", "a4", "a5", "a6");
		assertThat(found.states()).containsExactly(Map.entry("unavailable", 13));
		assertThat(found.waiting().total()).isZero();
	}

	@Test
	void whatThreadsWaitForIsFound() throws Exception {
		add(sqlite("quiet"));
		this.registry.get("quiet").getConnection().close();
		add(sqlite("main").hikari(Map.of("maximum-pool-size", "1")));
		ExecutorService executor = Executors.newFixedThreadPool(3);
		try (Connection inUse = this.registry.get("main").getConnection()) {
			for (int i = 0; i < 3; i++) {
				Future<?> unused = executor.submit(() -> {
					this.registry.get("main").getConnection().close();
					return null;
				});
			}
			await().untilAsserted(() -> {
				AttentionDescriptor found = ask(SourcesQuery.ALL).attention();
				assertThat(found.waiting().first()).singleElement().satisfies((main) -> {
					assertThat(main.name()).isEqualTo("main");
					assertThat(main.pool().pending()).isEqualTo(3);
				});
				assertThat(found.waiting().total()).isEqualTo(1);
			});
			assertThat(inUse.isClosed()).isFalse();
		}
		finally {
			executor.shutdown();
			assertThat(executor.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
		}
		assertThat(ask(SourcesQuery.ALL).attention().waiting().total()).isZero();
	}

	@Test
	void fallbacksInUseAndReplicasThatAreLeftOutAreFound() throws Exception {
		add(sqlite("standby"));
		add(sqlite("copy").readOnly(true).internal(true));
		add(sqlite("lisbon").replicas(ReplicaSettings.of("copy")));
		Files.createDirectory(this.directory.resolve("shop.db"));
		add(sqlite("shop").fallback(FallbackSettings.readOnly("standby")));
		AttentionDescriptor found = ask(SourcesQuery.ALL).attention();
		assertThat(found.fallbacks().total()).isZero();
		assertThat(found.replicasLeftOut().total()).isZero();
		this.registry.remove("copy");
		try (var scope = SourceContext.enter("shop"); Connection used = this.registry.get("shop").getConnection()) {
			used.createStatement().executeQuery("select 1").close();
		}
		found = ask(SourcesQuery.ALL).attention();
		assertThat(found.fallbacks().first()).extracting(SourceDescriptor::name).containsExactly("shop");
		assertThat(found.replicasLeftOut().first()).extracting(SourceDescriptor::name).containsExactly("lisbon");
	}

	@Test
	void whatIsWrongWithTheCatalogAndProvidersIsFound() {
		Map<String, String> problems = new java.util.TreeMap<>();
		SourcesView provided = new SourcesView(this.registry, new Routes(List.of(), null, this.registry), this.mappings,
				this.history, new OperationHistory(Clock.systemUTC()), new Sanitizer(), () -> null, () -> problems);
		assertThat(provided.sources(SourcesQuery.ALL, false).attention().catalog()).isNull();
		for (int i = 0; i < 20; i++) {
			problems.put("p" + (10 + i), "its URL jdbc:postgresql://db/x?sslkey=key" + i + " is another's");
		}
		assertThat(provided.sources(SourcesQuery.ALL, false).attention().catalog()).satisfies((catalog) -> {
			assertThat(catalog.sources()).isNull();
			assertThat(catalog.refused()).isEqualTo(20);
			assertThat(catalog.reasons()).hasSize(8).containsKeys("p10", "p17").doesNotContainKey("p18");
			assertThat(catalog.toString()).doesNotContain("key1");
		});
		CatalogStatus status = new CatalogStatus(3, 7, null, true, "It does not answer", Map.of("a", "no URL"));
		SourcesView catalog = new SourcesView(this.registry, new Routes(List.of(), null, this.registry), this.mappings,
				this.history, new OperationHistory(Clock.systemUTC()), new Sanitizer(), () -> status, () -> problems);
		assertThat(catalog.sources(SourcesQuery.ALL, false).attention().catalog()).satisfies((found) -> {
			assertThat(found.error()).isEqualTo("It does not answer");
			assertThat(found.sources()).isEqualTo(3);
			assertThat(found.refused()).isEqualTo(21);
			assertThat(found.reasons()).containsEntry("a", "no URL");
		});
	}

	@Test
	void whatIsListedInPartIsCounted() {
		List<Route> many = IntStream.range(0, SourcesView.BESIDE + 5)
			.mapToObj((i) -> new Route(List.of(NamePattern.of("t" + i)), "lisbon"))
			.toList();
		SourcesView view = new SourcesView(this.registry, new Routes(many, null, this.registry), this.mappings,
				this.history, new Sanitizer());
		SourcesDescriptor shown = view.sources(SourcesQuery.ALL, false);
		assertThat(shown.routes()).hasSize(SourcesView.BESIDE);
		assertThat(shown.totals()).isEqualTo(new SourcesDescriptor.Totals(0, 1, SourcesView.BESIDE + 5));
	}

	@Test
	void whatIsInUseOfADrainedSourceIsShownUntilItIsClosed() throws Exception {
		open("lisbon");
		try (Connection inUse = this.registry.get("lisbon").getConnection()) {
			assertThat(this.view.find("lisbon", false).source().draining()).isNull();
			this.registry.drain("lisbon");
			SourceDescriptor shown = this.view.find("lisbon", false).source();
			assertThat(shown.state().status()).isEqualTo("cold");
			assertThat(shown.draining().connections()).isEqualTo(1);
			assertThat(Duration.between(shown.draining().since(), shown.draining().deadline()))
				.isEqualTo(PoolLimits.DEFAULT.drainTimeout());
			assertThat(ask(SourcesQuery.ALL).sources().get(0).draining().connections()).isEqualTo(1);
			assertThat(ask(SourcesQuery.ALL).attention().draining().first()).extracting(SourceDescriptor::name)
				.containsExactly("lisbon");
			assertThat(inUse.isClosed()).isFalse();
		}
		await().untilAsserted(() -> assertThat(this.view.find("lisbon", false).source().draining()).isNull());
		assertThat(ask(SourcesQuery.ALL).attention().draining().total()).isZero();
	}

	@Test
	void aSourceThatWasRemovedIsShownUntilItIsClosed() throws Exception {
		open("lisbon");
		try (Connection inUse = this.registry.get("lisbon").getConnection()) {
			this.registry.remove("lisbon");
			assertThat(inUse.isClosed()).isFalse();
			SourceDescriptor shown = this.view.find("lisbon", false).source();
			assertThat(shown.state().status()).isEqualTo("draining");
			assertThat(shown.draining().connections()).isEqualTo(1);
			assertThat(ask(SourcesQuery.ALL).sources()).isEmpty();
			assertThat(ask(SourcesQuery.ALL).attention().draining().total()).isEqualTo(1);
			add(sqlite("lisbon"));
			SourceDescriptor another = this.view.find("lisbon", false).source();
			assertThat(another.state().status()).isEqualTo("cold");
			assertThat(another.draining().connections()).isEqualTo(1);
			this.registry.remove("lisbon");
		}
		await().untilAsserted(() -> assertThat(this.view.find("lisbon", false)).isNull());
	}

	@Test
	void aTemplatesSourceThatWasDrainedIsShownUntilItIsClosed() throws Exception {
		this.registry.create("election-42");
		try (Connection inUse = this.registry.get("election-42").getConnection()) {
			this.registry.drain("election-42");
			assertThat(inUse.isClosed()).isFalse();
			SourceDescriptor shown = this.view.find("election-42", false).source();
			assertThat(shown.state().status()).isEqualTo("draining");
			assertThat(shown.draining().connections()).isEqualTo(1);
		}
		await().untilAsserted(() -> assertThat(this.view.find("election-42", false)).isNull());
	}

	@Test
	void aFailedMigrationOfAnOpenSourceIsTold() throws Exception {
		Path changeLog = this.directory.resolve("log.sql");
		Files.writeString(changeLog, """
				--liquibase formatted sql
				--changeset a:1
				create table one (id int);
				""");
		add(sqlite("lisbon").liquibase(LiquibaseSettings.of("file:" + changeLog)));
		this.registry.get("lisbon").getConnection().close();
		assertThat(this.view.find("lisbon", false).source().migrations().status()).isEqualTo("up-to-date");
		Files.writeString(changeLog, """
				--liquibase formatted sql
				--changeset a:1
				create table one (id int);
				--changeset a:2
				create nonsense;
				""");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> this.registry.reopen("lisbon"))
			.withMessageContaining("was not replaced, and is as it was");
		SourceDetailsDescriptor shown = this.view.find("lisbon", false);
		assertThat(shown.source().state().status()).isEqualTo("open");
		assertThat(shown.source().migrations().status()).isEqualTo("failed");
		assertThat(shown.source().migrations().error()).contains("nonsense");
		assertThat(shown.source().lastError().message()).contains("goes on as it was", "nonsense");
		assertThat(shown.events().get(0).type()).isEqualTo("migration-failed");
		assertThat(ask(SourcesQuery.ALL).attention().migrationsFailed().first()).extracting(SourceDescriptor::name)
			.containsExactly("lisbon");
		Files.writeString(changeLog, """
				--liquibase formatted sql
				--changeset a:1
				create table one (id int);
				--changeset a:2
				create table two (id int);
				""");
		assertThat(this.registry.reopen("lisbon")).isTrue();
		assertThat(this.view.find("lisbon", false).source().migrations().status()).isEqualTo("up-to-date");
		assertThat(ask(SourcesQuery.ALL).attention().migrationsFailed().total()).isZero();
	}

	@Test
	void aReplacementThatFailsIsToldOnceForEachReason() throws Exception {
		open("lisbon");
		for (int i = 0; i < 3; i++) {
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> this.registry.replace(SourceDefinition.named("lisbon")
					.url("jdbc:sqlite:/no/such/directory/lisbon.db?password=s3cret")
					.build()));
		}
		SourceDetailsDescriptor shown = this.view.find("lisbon", false);
		assertThat(shown.source().state().status()).isEqualTo("open");
		assertThat(shown.events()).extracting(EventDescriptor::type).containsExactly("not-replaced", "opened", "added");
		assertThat(shown.toString()).doesNotContain("s3cret");
	}

	@Test
	void operationsAreRememberedToABound() {
		OperationHistory operations = new OperationHistory(Clock.systemUTC());
		Operator ada = new Operator("ada", "page");
		for (int i = 0; i < OperationHistory.SOURCES + 1; i++) {
			operations.note("x" + i, ada, "drain", "s" + i).run();
		}
		for (int i = 0; i < 2 * OperationHistory.OPERATIONS; i++) {
			operations.note("y" + i, ada, "retry", "s1");
		}
		assertThat(operations.of("s0")).isEmpty();
		assertThat(operations.of("s1")).hasSize(OperationHistory.OPERATIONS)
			.first()
			.extracting((each) -> each.id())
			.isEqualTo("y" + (2 * OperationHistory.OPERATIONS - 1));
		operations.note("z", ada, "drain", "another");
		assertThat(operations.of("s1")).isNotEmpty();
		assertThat(operations.of("s2")).isEmpty();
	}

	@Test
	void templatesAndRoutesAreShown() {
		SourcesDescriptor shown = ask(SourcesQuery.ALL);
		assertThat(shown.templates()).singleElement().satisfies((template) -> {
			assertThat(template.name()).isEqualTo("elections");
			assertThat(template.tenants()).isEqualTo("election-{id}");
			assertThat(template.create()).isEqualTo("explicit");
			assertThat(template.url()).contains("{id}.db");
		});
		assertThat(shown.routes()).contains(new RouteDescriptor(List.of("election-{id}"), "elections", null),
				new RouteDescriptor(List.of("chat-*"), null, List.of("chats1", "chats2")));
	}

	@Test
	void historyIsBounded() {
		for (int i = 0; i < SourceHistory.SOURCES; i++) {
			this.history.on(new SourceEvent.Opened("s" + i, Duration.ZERO));
		}
		for (int i = 0; i < 100; i++) {
			this.history.on(new SourceEvent.Closed("s0"));
		}
		this.history.on(new SourceEvent.Added("cold", "jdbc:x"));
		assertThat(this.history.events("cold")).isEmpty();
		this.history.on(new SourceEvent.Opened("late", Duration.ZERO));
		assertThat(this.history.events("s0")).hasSize(SourceHistory.EVENTS);
		assertThat(this.history.events("s1")).isEmpty();
		assertThat(this.history.events("late")).hasSize(1);
	}

	/** Everything else is left alone by one source that hangs while it is opened. */
	@Test
	void lookingWaitsForNobodyWhoOpens() throws Exception {
		CountDownLatch migrating = new CountDownLatch(1);
		CountDownLatch goOn = new CountDownLatch(1);
		SourceMigrator slow = (definition, connection) -> {
			migrating.countDown();
			goOn.await();
			return SourceMigrator.Outcome.UNTOUCHED;
		};
		SourceRegistry slowly = new SourceRegistry(List.of(sqlite("lisbon").build()), List.of(), slow,
				this.history::on);
		SourcesView view = new SourcesView(slowly, new Routes(List.of(), null, slowly), this.mappings, this.history,
				new Sanitizer());
		ExecutorService executor = Executors.newFixedThreadPool(2);
		try {
			Future<?> opening = executor.submit(() -> {
				slowly.get("lisbon").getConnection().close();
				return null;
			});
			assertThat(migrating.await(60, TimeUnit.SECONDS)).isTrue();
			Future<SourceDetailsDescriptor> looking = executor.submit(() -> {
				assertThat(view.sources(SourcesQuery.ALL, false).states()).containsEntry("opening", 1);
				return view.find("lisbon", false);
			});
			assertThat(looking.get(60, TimeUnit.SECONDS).source().state().since()).isNotNull();
			assertThat(opening.isDone()).isFalse();
			goOn.countDown();
			opening.get(60, TimeUnit.SECONDS);
		}
		finally {
			goOn.countDown();
			executor.shutdownNow();
			slowly.close();
		}
	}

	@Test
	void sourcesMayComeAndGoMeanwhile() throws Exception {
		for (int i = 0; i < 50; i++) {
			add(sqlite("source" + i));
		}
		AtomicBoolean over = new AtomicBoolean();
		ExecutorService executor = Executors.newFixedThreadPool(4);
		try {
			List<Future<?>> changing = IntStream.range(0, 3).<Future<?>>mapToObj((thread) -> executor.submit(() -> {
				for (int i = 0; i < 300; i++) {
					String name = "source" + (i % 50);
					Source source = this.registry.find(name);
					if (thread == 0 && i % 10 == 0) {
						this.registry.remove("more" + (i - 10));
						add(sqlite("more" + i));
					}
					else if (thread == 1 && source != null) {
						this.registry.drain(name);
					}
					else if (source != null) {
						source.getConnection().close();
					}
				}
				return null;
			})).toList();
			Future<?> reading = executor.submit(() -> {
				while (!over.get()) {
					for (SourcesQuery.Sort sort : SourcesQuery.Sort.values()) {
						SourcesDescriptor shown = ask(sorted(sort, false));
						assertThat(shown.sources()).hasSize(50).doesNotHaveDuplicates();
						assertThat(shown.states().values().stream().mapToInt(Integer::intValue).sum())
							.isEqualTo(shown.known());
						shown.sources().forEach((each) -> this.view.find(each.name(), false));
					}
				}
			});
			for (Future<?> each : changing) {
				each.get(120, TimeUnit.SECONDS);
			}
			over.set(true);
			reading.get(60, TimeUnit.SECONDS);
		}
		finally {
			over.set(true);
			executor.shutdownNow();
		}
	}

}
