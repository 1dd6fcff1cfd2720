package io.multidb.autoconfigure;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Principal;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import javax.management.MBeanFeatureInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.actuate.audit.AuditEvent;
import org.springframework.boot.actuate.audit.listener.AuditApplicationEvent;
import org.springframework.boot.json.JsonParserFactory;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.core.env.Environment;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.web.filter.OncePerRequestFilter;

import io.multidb.TenantContext;
import io.multidb.actuate.DatasourcesEndpoint;
import io.multidb.actuate.Operator;
import io.multidb.actuate.OperationHistory;
import io.multidb.actuate.SourceOperations;
import io.multidb.actuate.SourcesView;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;
import io.multidb.discovery.ProvidedSources;
import io.multidb.routing.TenantMappings;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;
import io.multidb.web.WebApplication;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;
import static org.awaitility.Awaitility.await;

/**
 * The endpoint through a real Tomcat.
 */
@ExtendWith(OutputCaptureExtension.class)
class DatasourcesEndpointTests {

	private static final String PATH = "/actuator/datasources";

	private static final String WRITABLE = "management.endpoint.datasources.access=unrestricted";

	private static final String SECRET = "s3cret-4711";

	@TempDir
	private Path directory;

	private WebApplication application;

	private final HttpClient client = HttpClient.newHttpClient();

	@AfterEach
	void stop() {
		if (this.application != null) {
			this.application.close();
		}
	}

	private void start(String... properties) {
		start(List.of(), properties);
	}

	private void start(List<Class<?>> configurations, String... properties) {
		List<String> all = new ArrayList<>(List.of(properties));
		all.add("management.endpoints.web.exposure.include=datasources,health");
		List<Class<?>> classes = new ArrayList<>(configurations);
		classes.add(Audited.class);
		this.application = WebApplication.start(this.directory, classes, all.toArray(String[]::new));
	}

	private HttpResponse<String> send(String method, String path, String json) throws Exception {
		HttpRequest.Builder request = HttpRequest
			.newBuilder(URI.create("http://localhost:" + this.application.port() + PATH + path))
			.timeout(Duration.ofMinutes(2))
			.header("X-User", "ada");
		if (method.equals("POST")) {
			request.header("Content-Type", "application/json");
		}
		request.method(method, (json != null) ? HttpRequest.BodyPublishers.ofString(json.replace('\'', '"'))
				: HttpRequest.BodyPublishers.noBody());
		return this.client.send(request.build(), HttpResponse.BodyHandlers.ofString());
	}

	private Map<String, Object> get(String path) throws Exception {
		HttpResponse<String> response = send("GET", path, null);
		assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
		return json(response);
	}

	private Map<String, Object> post(String path, String json) throws Exception {
		HttpResponse<String> response = send("POST", path, json);
		assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
		return json(response);
	}

	private Map<String, Object> delete(String path) throws Exception {
		HttpResponse<String> response = send("DELETE", path, null);
		assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
		return json(response);
	}

	private Map<String, Object> problem(int status, HttpResponse<String> response) {
		assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
		assertThat(response.headers().firstValue("Content-Type")).hasValue("application/problem+json");
		assertThat(json(response)).containsEntry("status", status).containsKeys("title", "detail");
		return json(response);
	}

	private static Map<String, Object> json(HttpResponse<String> response) {
		return JsonParserFactory.getJsonParser().parseMap(response.body());
	}

	@SuppressWarnings("unchecked")
	private static List<Map<String, Object>> list(Map<String, Object> of, String key) {
		return (List<Map<String, Object>>) of.get(key);
	}

	@SuppressWarnings("unchecked")
	private static Map<String, Object> map(Map<String, Object> of, String key) {
		return (Map<String, Object>) of.get(key);
	}

	private SourceRegistry registry() {
		return this.application.bean(SourceRegistry.class);
	}

	private List<AuditEvent> audited() {
		return this.application.bean(Audited.class).events;
	}

	private String file(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private void use(String tenant) {
		TenantContext.run(tenant,
				() -> this.application.bean(JdbcClient.class).sql("select 1").query(Integer.class).single());
	}

	@Test
	void sourcesAreListedAndStayCold() throws Exception {
		start();
		for (int i = 0; i < 5; i++) {
			Map<String, Object> page = get("");
			assertThat(page).containsEntry("total", 2).containsEntry("page", 0).containsEntry("size", 50);
			assertThat(map(page, "states")).containsExactly(Map.entry("cold", 2));
			Map<String, Object> lisbon = list(page, "sources").get(0);
			assertThat(lisbon).containsEntry("name", "lisbon")
				.containsEntry("product", "sqlite")
				.containsEntry("url", file("lisbon"))
				.doesNotContainKeys("pool", "lastError", "template");
			assertThat((String) lisbon.get("origin")).contains("app.datasources.lisbon");
		}
		try (Stream<Path> files = Files.list(this.directory)) {
			assertThat(files).isEmpty();
		}
	}

	@Test
	void aSourceInUseShowsItsPool() throws Exception {
		start();
		use("lisbon");
		Map<String, Object> lisbon = map(get("/lisbon"), "source");
		assertThat(map(lisbon, "state")).containsEntry("status", "open").containsKey("since");
		assertThat(map(lisbon, "pool")).containsEntry("active", 0).containsEntry("idle", 1).containsEntry("max", 10);
		assertThat(list(get("/lisbon"), "events")).extracting((event) -> event.get("type")).containsExactly("opened");
	}

	@Test
	void sourcesAreSearchedFilteredSortedAndPaged() throws Exception {
		start();
		use("porto");
		assertThat(list(get("?search=ISB"), "sources")).extracting((each) -> each.get("name"))
			.containsExactly("lisbon");
		assertThat(list(get("?state=open&product=sqlite&origin=DATASOURCES"), "sources"))
			.extracting((each) -> each.get("name"))
			.containsExactly("porto");
		assertThat(list(get("?sort=-name"), "sources")).extracting((each) -> each.get("name"))
			.containsExactly("porto", "lisbon");
		assertThat(list(get("?sort=state&page=1&size=1"), "sources")).extracting((each) -> each.get("name"))
			.containsExactly("lisbon");
	}

	@ParameterizedTest
	@CsvSource({ "state=broken,use one of", "sort=colour,sort by name", "size=0,1 to 1000", "size=1001,1 to 1000",
			"page=-1,count from 0" })
	void whatCannotBeAskedForIsABadRequest(String query, String detail) throws Exception {
		start();
		assertThat((String) problem(400, send("GET", "?" + query, null)).get("detail")).contains(detail);
	}

	@Test
	void anUnknownSourceIsNotFound() throws Exception {
		start();
		problem(404, send("GET", "/nowhere", null));
		problem(404, send("GET", "/lisbon/else", null));
	}

	@Test
	void whereATenantGoesIsTold() throws Exception {
		start("app.datasources.elections.url=jdbc:sqlite:" + this.directory.resolve("{id}.db"),
				"app.tenancy.routes[0].tenants=election-{id}", "app.tenancy.routes[0].source=elections",
				"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}");
		assertThat(get("/tenants/lisbon")).containsEntry("source", "lisbon").containsEntry("rule", "route");
		assertThat(get("/tenants/election-7")).containsEntry("source", "election-7").containsEntry("rule", "template");
		assertThat((String) get("/tenants/faro").get("problem")).contains("no source 'faro'");
		problem(400, send("GET", "/tenants/.hidden", null));
		assertThat(registry().find("election-7")).isNull();
		assertThat(list(get(""), "templates")).extracting((each) -> each.get("name")).containsExactly("elections");
		assertThat(list(get(""), "routes")).hasSize(2);
	}

	@Test
	void nothingCanBeChangedUnlessItIsAllowed() throws Exception {
		start();
		assertThat(send("POST", "", "{'name':'faro','url':'" + file("faro") + "'}").statusCode()).isEqualTo(405);
		assertThat(send("POST", "/lisbon", "{'password':'x'}").statusCode()).isEqualTo(405);
		assertThat(send("DELETE", "/lisbon", null).statusCode()).isEqualTo(405);
		assertThat(send("POST", "/lisbon/drain", null).statusCode()).isEqualTo(405);
		assertThat(send("POST", "/tenants/ada", "{'source':'porto'}").statusCode()).isEqualTo(405);
		assertThat(send("DELETE", "/tenants/ada", null).statusCode()).isEqualTo(405);
		assertThat(registry().find("faro")).isNull();
		assertThat(registry().find("lisbon")).isNotNull();
		assertThat(audited()).isEmpty();
	}

	@Test
	void itIsNotThereUnlessItIsExposed() throws Exception {
		this.application = WebApplication.start(this.directory, List.of());
		assertThat(send("GET", "", null).statusCode()).isEqualTo(404);
	}

	@Test
	void itIsNotThereWithoutAccess() throws Exception {
		start("management.endpoint.datasources.access=none");
		assertThat(send("GET", "", null).statusCode()).isEqualTo(404);
	}

	@Test
	void aSourceIsAddedReplacedAndRemoved() throws Exception {
		start(WRITABLE);
		assertThat(post("", "{'name':'faro','url':'" + file("faro") + "','displayName':'Faro','readOnly':false}"))
			.containsEntry("operation", "add")
			.containsEntry("source", "faro")
			.containsEntry("outcome", "added")
			.containsEntry("scope", "this-node")
			.containsEntry("message", "Added on this node, until restart. It is opened at its first use.");
		assertThat(map(get("/faro"), "source")).containsEntry("displayName", "Faro").containsEntry("essential", false);
		use("faro");
		assertThat(post("/faro", "{'url':'" + file("new") + "'}")).containsEntry("outcome", "replaced")
			.containsEntry("scope", "this-node");
		assertThat(registry().get("faro").definition().url().text()).isEqualTo(file("new"));
		assertThat(Files.exists(this.directory.resolve("new.db"))).isTrue();
		assertThat(delete("/faro")).containsEntry("outcome", "removed").containsEntry("scope", "this-node");
		problem(404, send("GET", "/faro", null));
		problem(404, send("DELETE", "/faro", null));
		problem(404, send("POST", "/faro", "{'password':'x'}"));
		assertThat(Files.exists(this.directory.resolve("new.db"))).isTrue();
	}

	@Test
	void aSourceIsDrained() throws Exception {
		start(WRITABLE);
		assertThat(post("/lisbon/drain", null)).containsEntry("outcome", "not-open");
		use("lisbon");
		assertThat(post("/lisbon/drain", null)).containsEntry("outcome", "draining");
		assertThat(registry().get("lisbon").state()).isInstanceOf(SourceState.Cold.class);
		problem(404, send("POST", "/nowhere/drain", null));
		problem(404, send("POST", "/lisbon/explode", null));
	}

	@Test
	void aSourceIsTriedAgain() throws Exception {
		start(WRITABLE);
		assertThat(post("/lisbon/retry", null)).containsEntry("outcome", "not-unavailable");
		Files.createDirectory(this.directory.resolve("lisbon.db"));
		assertThatException().isThrownBy(() -> use("lisbon"));
		Map<String, Object> problem = problem(503, send("POST", "/lisbon/retry", null));
		assertThat(problem).containsKey("retryAfter");
		assertThat((String) problem.get("detail")).contains("is a directory");
		Files.delete(this.directory.resolve("lisbon.db"));
		// The prober may have been faster.
		assertThat((String) post("/lisbon/retry", null).get("outcome")).isIn("available", "not-unavailable");
		use("lisbon");
		assertThat(map(get("/lisbon"), "source")).containsKey("lastError");
	}

	@Test
	void aSourceIsMigrated() throws Exception {
		start(WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		post("", "{'name':'faro','url':'" + file("faro") + "','migrated':true}");
		assertThat(map(map(get("/faro"), "source"), "migrations")).containsEntry("status", "unknown");
		Map<String, Object> answer = post("/faro/migrate", null);
		assertThat(answer).containsEntry("outcome", "up-to-date");
		assertThat(map(answer, "migrations")).containsEntry("pending", 0);
		assertThat((Integer) map(answer, "migrations").get("run")).isPositive();
		assertThat(map(map(get("/faro"), "source"), "migrations")).containsEntry("status", "up-to-date")
			.containsKey("at");
		assertThat(registry().get("faro").state()).isInstanceOf(SourceState.Cold.class);
		problem(404, send("POST", "/nowhere/migrate", null));
	}

	@Test
	void anOpenSourceIsMigratedWhileItIsUsed() throws Exception {
		Path changes = this.directory.resolve("changes.sql");
		Files.writeString(changes, "--liquibase formatted sql\n--changeset a:1\ncreate table one (x int);\n");
		start(WRITABLE, "app.datasources.faro.url=" + file("faro"),
				"app.datasources.faro.liquibase.change-log=" + changes.toUri());
		try (Connection inUse = registry().get("faro").getConnection()) {
			Files.writeString(changes, Files.readString(changes) + "--changeset a:2\ncreate table two (x int);\n");
			assertThat(map(post("/faro/migrate", null), "migrations")).containsEntry("run", 2)
				.containsEntry("pending", 0);
			assertThat(Sources.query(inUse, "select count(*) from one")).isEqualTo("0");
		}
		assertThat(Sources.query(registry().get("faro"), "select count(*) from two")).isEqualTo("0");
	}

	@Test
	void aMigrationThatFailsIsAProblem() throws Exception {
		start(WRITABLE, "app.datasources.faro.url=" + file("faro"), "app.datasources.faro.essential=false",
				"app.datasources.faro.liquibase.change-log=classpath:db/none.yaml");
		Map<String, Object> problem = problem(503, send("POST", "/faro/migrate", null));
		assertThat((String) problem.get("detail")).contains("none.yaml");
		assertThat(map(map(get("/faro"), "source"), "migrations")).containsEntry("status", "failed")
			.containsKey("error");
		assertThat((String) problem(409, send("POST", "/lisbon/migrate", null)).get("detail"))
			.contains("no change log");
	}

	@Test
	void whatIsUnavailableSinceItsMigrationFailedIsMigratedAtOnce() throws Exception {
		Path changes = this.directory.resolve("changes.sql");
		start(WRITABLE, "app.datasources.faro.url=" + file("faro"), "app.datasources.faro.essential=false",
				"app.datasources.faro.liquibase.change-log=" + changes.toUri());
		problem(503, send("POST", "/faro/migrate", null));
		Files.writeString(changes, "--liquibase formatted sql\n--changeset a:1\ncreate table one (x int);\n");
		assertThat(map(post("/faro/migrate", null), "migrations")).containsEntry("run", 1).containsEntry("pending", 0);
		assertThat(Sources.query(registry().get("faro"), "select count(*) from one")).isEqualTo("0");
	}

	@Test
	void aLongMigrationGoesOnInTheBackground() throws Exception {
		start(List.of(SlowMigration.class), WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		SlowMigration slow = this.application.bean(SlowMigration.class);
		post("", "{'name':'faro','url':'" + file("faro") + "','migrated':true}");
		HttpResponse<String> first = send("POST", "/faro/migrate", null);
		assertThat(first.statusCode()).isEqualTo(202);
		assertThat(json(first)).containsEntry("outcome", "running");
		assertThat(map(map(get("/faro"), "source"), "state")).containsEntry("status", "opening").containsKey("since");
		slow.goOn.countDown();
		await().untilAsserted(
				() -> assertThat(map(map(get("/faro"), "source"), "migrations")).containsEntry("status", "up-to-date"));
		await()
			.until(() -> audited().stream().anyMatch((event) -> "up-to-date".equals(event.getData().get("outcome"))));
		await().until(() -> Sources.threads("multidb-operation").isEmpty());
	}

	@Test
	@SuppressWarnings("unchecked")
	void whatHasBecomeOfAnOperationIsToldByTheSource() throws Exception {
		start(List.of(SlowMigration.class), WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		post("", "{'name':'faro','url':'" + file("faro") + "','migrated':true}");
		Map<String, Object> accepted = accepted(send("POST", "/faro/migrate", null));
		// Who joins it is told of the same.
		assertThat(accepted(send("POST", "/faro/migrate", null))).containsEntry("id", accepted.get("id"));
		List<Map<String, Object>> operations = (List<Map<String, Object>>) get("/faro").get("operations");
		assertThat(operations).extracting((each) -> each.get("operation")).containsExactly("migrate", "add");
		assertThat(operations.get(0)).containsEntry("id", accepted.get("id"))
			.containsEntry("status", "running")
			.containsEntry("via", "http")
			.containsKey("since")
			.doesNotContainKeys("ended", "outcome", "message");
		this.application.bean(SlowMigration.class).goOn.countDown();
		await().untilAsserted(() -> assertThat(((List<Map<String, Object>>) get("/faro").get("operations")).get(0))
			.containsEntry("id", accepted.get("id"))
			.containsEntry("status", "done")
			.containsEntry("outcome", "up-to-date")
			.containsKeys("ended", "message"));
	}

	@Test
	@SuppressWarnings("unchecked")
	void whyAnOperationFailedIsToldByTheSourceWithoutSecrets() throws Exception {
		start(WRITABLE);
		use("lisbon");
		problem(503, send("POST", "/lisbon", "{'url':'jdbc:sqlite:/no/such/x.db','password':'" + SECRET + "'}"));
		Map<String, Object> failed = ((List<Map<String, Object>>) get("/lisbon").get("operations")).get(0);
		assertThat(failed).containsEntry("operation", "replace").containsEntry("status", "failed").containsKey("ended");
		assertThat((String) failed.get("message")).contains("is as it was");
		assertThat(get("/lisbon").toString()).doesNotContain(SECRET);
	}

	private Map<String, Object> accepted(HttpResponse<String> response) {
		assertThat(response.statusCode()).as(response.body()).isEqualTo(202);
		return json(response);
	}

	private void awaitAudited(String operation, String outcome) {
		await().atMost(Duration.ofMinutes(1))
			.until(() -> audited().stream()
				.map(AuditEvent::getData)
				.anyMatch((data) -> operation.equals(data.get("operation")) && outcome.equals(data.get("outcome"))));
	}

	@Test
	void aLongReplacementGoesOnInTheBackground() throws Exception {
		start(List.of(SlowMigration.class), WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		post("", "{'name':'faro','url':'" + file("faro") + "','migrated':true}");
		HttpResponse<String> answer = send("POST", "/faro", "{'url':'" + file("new") + "'}");
		assertThat(accepted(answer)).containsEntry("outcome", "running").containsEntry("operation", "replace");
		assertThat(registry().get("faro").definition().url().text()).isEqualTo(file("faro"));
		this.application.bean(SlowMigration.class).goOn.countDown();
		awaitAudited("replace", "replaced");
		assertThat(registry().get("faro").definition().url().text()).isEqualTo(file("new"));
	}

	@Test
	void aLongRetryGoesOnInTheBackground() throws Exception {
		start(List.of(SlowMigration.class), WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		post("", "{'name':'faro','url':'" + file("faro") + "','migrated':true}");
		Files.createDirectory(this.directory.resolve("faro.db"));
		assertThatException().isThrownBy(() -> use("faro"));
		Files.delete(this.directory.resolve("faro.db"));
		assertThat(accepted(send("POST", "/faro/retry", null))).containsEntry("outcome", "running");
		this.application.bean(SlowMigration.class).goOn.countDown();
		await().atMost(Duration.ofMinutes(1)).until(() -> registry().get("faro").state() instanceof SourceState.Cold);
		await().until(() -> audited().size() == 2);
	}

	@Test
	void whatHasNotBegunIsQueuedAndKeepsNoPasswordWaiting() throws Exception {
		start(List.of(SlowMigration.class), WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		for (int i = 0; i < 5; i++) {
			post("", "{'name':'faro" + i + "','url':'" + file("faro" + i) + "','migrated':true}");
		}
		for (int i = 0; i < 4; i++) {
			assertThat(accepted(send("POST", "/faro" + i + "/migrate", null))).containsEntry("outcome", "running");
		}
		assertThat(accepted(send("POST", "/faro4/migrate", null))).containsEntry("outcome", "queued");
		use("lisbon");
		assertThat(send("POST", "/lisbon", "{'password':'new'}").body()).containsAnyOf("replaced", "running");
		awaitAudited("replace", "replaced");
		this.application.bean(SlowMigration.class).goOn.countDown();
		await().atMost(Duration.ofMinutes(1))
			.until(() -> audited().stream()
				.filter((event) -> "up-to-date".equals(event.getData().get("outcome")))
				.count() == 5);
	}

	@Test
	void whoJoinsAnOperationIsAuditedOnce() throws Exception {
		start(List.of(SlowMigration.class), WRITABLE, "app.tenancy.liquibase.change-log=classpath:db/notes.yaml");
		SourceOperations operations = this.application.bean(SourceOperations.class);
		post("", "{'name':'faro','url':'" + file("faro") + "','migrated':true}");
		Operator ada = new Operator("ada", "page");
		Operator grace = new Operator("grace", "page");
		for (Operator by : List.of(ada, grace, ada, grace, grace)) {
			assertThat(operations.migrate(by, "faro").outcome()).isEqualTo("running");
		}
		this.application.bean(SlowMigration.class).goOn.countDown();
		awaitAudited("migrate", "up-to-date");
		assertThat(audited()).extracting((event) -> event.getPrincipal() + " " + event.getData().get("outcome"))
			.containsExactly("ada added", "grace joined", "ada up-to-date");
	}

	@Test
	void whatFailsIsInTheLogWithoutSecrets(CapturedOutput output) throws Exception {
		start(WRITABLE);
		send("DELETE", "/nowhere", null);
		send("POST", "/lisbon", "{'url':'jdbc:postgresql://localhost:1/x?password=" + SECRET + "'}");
		send("POST", "/lisbon",
				"{'url':'jdbc:postgresql://localhost:1/x','username':'me','password':'" + SECRET + "'}");
		send("POST", "", "{'name':'a\\nb','url':'" + file("x") + "'}");
		assertThat(output.getAll()
			.lines()
			.filter((line) -> line.contains(" failed: ") && line.contains("WARN"))
			.map((line) -> line.substring(line.indexOf(": ") + 2))).satisfiesExactly(
					(line) -> assertThat(line).startsWith("nowhere: remove by ada (http) failed: Unknown source"),
					(line) -> assertThat(line).startsWith("lisbon: replace by ada (http) failed: The URL"),
					(line) -> assertThat(line).startsWith("lisbon: replace by ada (http) failed: Source 'lisbon' was"),
					(line) -> assertThat(line).startsWith("a?b: add by ada (http) failed: 'a?b' is no name"));
		assertThat(output.getAll()).doesNotContain(SECRET);
	}

	@Test
	void anOpenTenantOfATemplateIsMigrated() throws Exception {
		Path changes = this.directory.resolve("changes.sql");
		Files.writeString(changes, "--liquibase formatted sql\n--changeset a:1\ncreate table one (x int);\n");
		start(WRITABLE, "app.datasources.elections.url=jdbc:sqlite:" + this.directory.resolve("{id}.db"),
				"app.datasources.elections.create=on-first-use",
				"app.datasources.elections.liquibase.change-log=" + changes.toUri(),
				"app.tenancy.routes[0].tenants=election-{id}", "app.tenancy.routes[0].source=elections",
				"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}");
		use("election-7");
		Files.writeString(changes, Files.readString(changes) + "--changeset a:2\ncreate table two (x int);\n");
		assertThat(map(post("/election-7/migrate", null), "migrations")).containsEntry("run", 2)
			.containsEntry("pending", 0);
		assertThat(Sources.query(registry().get("election-7"), "select count(*) from two")).isEqualTo("0");
		assertThat(post("/election-7/drain", null)).containsEntry("outcome", "draining");
		await().until(() -> registry().find("election-7") == null);
	}

	@Test
	void whatIsMisspelledIsNotDefined() throws Exception {
		start(WRITABLE, "app.datasources.elections.url=jdbc:sqlite:" + this.directory.resolve("{id}.db"),
				"app.tenancy.routes[0].tenants=election-{id}", "app.tenancy.routes[0].source=elections",
				"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}");
		problem(409, send("POST", "/election-typo/migrate", null));
		problem(404, send("POST", "/election-typo/retry", null));
		problem(404, send("POST", "/election-typo", "{'password':'x'}"));
		assertThat(registry().sources()).extracting(Source::name).containsExactly("lisbon", "porto");
	}

	/** Waits until so many operations wait for one that is under way. */
	private static void awaitWaiting(int operations) {
		await().atMost(Duration.ofMinutes(1))
			.until(() -> Thread.getAllStackTraces()
				.values()
				.stream()
				.map((stack) -> List.of(stack).toString())
				.filter((stack) -> stack.contains("SourceOperations") && stack.contains("Transitions.awaitEnd"))
				.count() == operations);
	}

	private CompletableFuture<HttpResponse<String>> sendAside(String method, String path, String json) {
		return CompletableFuture.supplyAsync(() -> {
			try {
				return send(method, path, json);
			}
			catch (Exception ex) {
				throw new IllegalStateException(ex);
			}
		}, (task) -> new Thread(task, "sends").start());
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			/faro/migrate |
			/faro         | {'password':'new'}
			""")
	void whatIsDoneAfterAReplacementDoesNotUndoIt(String path, String json) throws Exception {
		start(List.of(SlowOpening.class), WRITABLE, "app.datasources.faro.url=" + file("faro"),
				"app.datasources.faro.liquibase.change-log=classpath:db/notes.yaml");
		SlowOpening slow = this.application.bean(SlowOpening.class);
		use("faro");
		CompletableFuture<HttpResponse<String>> first = sendAside("POST", "/faro", "{'url':'" + file("slow") + "'}");
		assertThat(slow.begun.await(1, TimeUnit.MINUTES)).isTrue();
		CompletableFuture<HttpResponse<String>> second = sendAside("POST", path, json);
		awaitWaiting(1);
		slow.goOn.countDown();
		assertThat(first.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(200);
		assertThat(second.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(200);
		assertThat(registry().get("faro").definition().url().text()).isEqualTo(file("slow"));
		assertThat(registry().get("faro").definition().password()).isEqualTo((json != null) ? "new" : null);
		use("faro");
	}

	@Test
	void aTenantIsMappedAndUnmapped() throws Exception {
		start(WRITABLE);
		assertThat(post("/tenants/ada", "{'source':'porto'}")).containsEntry("outcome", "mapped")
			.containsEntry("scope", "this-node")
			.containsEntry("tenant", "ada");
		assertThat(get("/tenants/ada")).containsEntry("source", "porto").containsEntry("rule", "mapping");
		assertThat(get("/porto").get("tenants")).isEqualTo(List.of("ada"));
		use("ada");
		assertThat(registry().get("porto").state()).isInstanceOf(SourceState.Open.class);
		assertThat(delete("/tenants/ada")).containsEntry("outcome", "unmapped");
		assertThat(delete("/tenants/ada")).containsEntry("outcome", "not-mapped");
		problem(404, send("POST", "/tenants/ada", "{'source':'nowhere'}"));
		problem(400, send("POST", "/tenants/ada", "{}"));
		problem(400, send("POST", "/tenants/a%20b", "{'source':'porto'}"));
		problem(400, send("DELETE", "/tenants/.a", null));
		problem(404, send("DELETE", "/lisbon/ada", null));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			jdbc:postgresql://db/x?socketFactory=org.example.Evil     | socketFactory
			jdbc:sqlite::resource:http://example.org/x.db             | no plain file
			jdbc:h2:mem:x;INIT=RUNSCRIPT FROM 'http://example.org'    | allowed-drivers
			jdbc:postgresql://me:s3cret-4711@db/x                     | not of the form
			jdbc:postgresql://db/x?password=s3cret-4711               | password
			nonsense                                                  |
			""")
	void aUrlThatIsNotAllowedIsABadRequest(String url, String detail) throws Exception {
		start(WRITABLE);
		String body = "{\"name\":\"faro\",\"url\":\"" + url + "\"}";
		for (String path : new String[] { "", "/lisbon" }) {
			HttpRequest request = HttpRequest
				.newBuilder(URI.create("http://localhost:" + this.application.port() + PATH + path))
				.header("Content-Type", "application/json")
				.POST(HttpRequest.BodyPublishers.ofString(body))
				.build();
			HttpResponse<String> response = this.client.send(request, HttpResponse.BodyHandlers.ofString());
			assertThat((String) problem(400, response).get("detail")).contains((detail != null) ? detail : "URL")
				.doesNotContain(SECRET);
		}
		assertThat(registry().find("faro")).isNull();
		assertThat(registry().get("lisbon").definition().url().text()).isEqualTo(file("lisbon"));
	}

	@Test
	void whatIsTakenIsAConflict() throws Exception {
		start(WRITABLE, "app.datasources.elections.url=jdbc:sqlite:" + this.directory.resolve("{id}.db"),
				"app.datasources.elections.create=on-first-use", "app.tenancy.routes[0].tenants=election-{id}",
				"app.tenancy.routes[0].source=elections", "app.tenancy.routes[1].tenants=*",
				"app.tenancy.routes[1].source={tenant}");
		problem(409, send("POST", "", "{'name':'lisbon','url':'" + file("faro") + "'}"));
		problem(409, send("POST", "", "{'name':'faro','url':'" + file("lisbon") + "'}"));
		problem(409, send("POST", "/porto", "{'url':'" + file("lisbon") + "'}"));
		problem(400, send("POST", "", "{'name':'a b','url':'" + file("faro") + "'}"));
		problem(400, send("POST", "", "{'name':'faro'}"));
		use("election-7");
		problem(409, send("POST", "/election-7", "{'password':'x'}"));
		problem(409, send("DELETE", "/election-7", null));
		assertThat(post("/election-7/drain", null)).containsEntry("outcome", "draining");
	}

	@Test
	void aSourceThatCannotBeOpenedIsNotReplaced() throws Exception {
		start(WRITABLE);
		use("lisbon");
		Map<String, Object> problem = problem(503, send("POST", "/lisbon",
				"{'url':'jdbc:postgresql://localhost:1/x','username':'me','password':'" + SECRET + "'}"));
		assertThat((String) problem.get("detail")).contains("was not replaced").doesNotContain(SECRET);
		use("lisbon");
		problem(400, send("POST", "/lisbon", "{}"));
	}

	@Test
	void aPasswordThatIsInTheUrlIsNotReplacedBeside() throws Exception {
		start(WRITABLE, "app.datasources.dead.url=jdbc:postgresql://localhost:1/x?user=me&password=" + SECRET,
				"app.datasources.dead.essential=false");
		assertThat((String) problem(409, send("POST", "/dead", "{'password':'new'}")).get("detail"))
			.contains("give 'url', 'username' and 'password'");
	}

	@Test
	void noSecretIsInAnswersAuditOrLog(CapturedOutput output) throws Exception {
		start(WRITABLE,
				"app.datasources.dead.url=jdbc:postgresql://localhost:1/x?password=" + SECRET + "&sslpassword="
						+ SECRET,
				"app.datasources.dead.essential=false",
				"app.datasources.dead.hikari.data-source-properties.sslpassword=" + SECRET,
				"app.datasources.info.url=jdbc:postgresql://root:" + SECRET + "@localhost:1/y",
				"app.datasources.info.essential=false", "management.endpoint.datasources.show-values=always");
		assertThatException().isThrownBy(() -> use("dead"));
		assertThatException().isThrownBy(() -> use("info"));
		StringBuilder answers = new StringBuilder();
		for (String path : List.of("", "/dead", "/info", "?search=" + SECRET)) {
			answers.append(send("GET", path, null).body());
		}
		String url = "'url':'jdbc:postgresql://localhost:1/z','username':'me','password':'" + SECRET + "'";
		answers.append(send("POST", "", "{'name':'faro'," + url + "}").body());
		answers.append(send("POST", "", "{'name':'lisbon'," + url + "}").body());
		answers.append(send("POST", "/faro", "{" + url + "}").body());
		answers.append(send("POST", "/faro", "{'password':'" + SECRET + "'}").body());
		answers.append(send("POST", "/faro/retry", null).body());
		answers.append(send("POST", "", "{'name':'x','url':'jdbc:postgresql://u:" + SECRET + "@h/x'}").body());
		answers.append(send("GET", "/faro", null).body());
		assertThat(answers.toString()).contains("password=***").doesNotContain(SECRET);
		assertThat(audited()).hasSizeGreaterThan(5);
		assertThat(audited().toString()).doesNotContain(SECRET);
		assertThat(output.getAll()).contains("faro: add by ada (http): added").doesNotContain(SECRET);
	}

	@Test
	void valuesAreShownWhereTheyMayBe() throws Exception {
		String[] shop = { "app.datasources.shop.url=jdbc:postgresql://localhost:1/x?sslmode=require",
				"app.datasources.shop.attributes.owner=finance" };
		start(shop);
		assertThat(get("/shop").toString()).contains("sslmode=******", "owner=******").doesNotContain("finance");
		stop();
		start(shop[0], shop[1], "management.endpoint.datasources.show-values=when-authorized");
		assertThat(get("/shop").toString()).contains("sslmode=require", "owner=finance");
		stop();
		start(shop[0], shop[1], "management.endpoint.datasources.show-values=when-authorized",
				"management.endpoint.datasources.roles=operator");
		assertThat(get("/shop").toString()).contains("sslmode=******").doesNotContain("finance");
	}

	@Test
	void everyChangeIsAudited() throws Exception {
		start(WRITABLE);
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		send("POST", "", "{'name':'faro','url':'" + file("faro") + "'}");
		post("/tenants/ada", "{'source':'faro'}");
		get("/faro");
		delete("/faro");
		assertThat(audited()).extracting(AuditEvent::getType).containsOnly("DATASOURCE_OPERATION");
		assertThat(audited()).extracting(AuditEvent::getPrincipal).containsOnly("ada");
		assertThat(audited()).extracting((event) -> event.getData().get("operation"))
			.containsExactly("add", "add", "map", "remove");
		assertThat(audited()).extracting((event) -> event.getData().get("outcome"))
			.containsExactly("added", "failed", "mapped", "removed");
		assertThat(audited().get(0).getData()).containsEntry("source", "faro")
			.containsEntry("scope", "this-node")
			.containsEntry("via", "http");
		assertThat(audited().get(1).getData()).containsEntry("reason", "There is a source 'faro' already.");
		assertThat(audited().get(2).getData()).containsEntry("tenant", "ada").containsEntry("source", "faro");
	}

	@Test
	void withACatalogChangesAreKeptForAllNodes() throws Exception {
		String key = Base64.getEncoder().encodeToString(new byte[32]);
		start(WRITABLE, "app.datasources.main.url=" + file("main"), "app.tenancy.catalog.source=main",
				"app.tenancy.catalog.credentials.keys.k1=" + key, "app.tenancy.catalog.credentials.active-key=k1");
		Catalog catalog = this.application.bean(Catalog.class);
		assertThat(post("", "{'name':'faro','url':'" + file("faro") + "','username':'me','password':'" + SECRET + "'}"))
			.containsEntry("scope", "all-nodes")
			.containsEntry("message", "Added to the catalog, for all nodes. It is opened at its first use.");
		assertThat(catalog.find("faro").password()).startsWith("{aes-gcm:k1}").doesNotContain(SECRET);
		assertThat(registry().get("faro").definition().password()).isEqualTo(SECRET);
		assertThat(map(get("/faro"), "source")).containsEntry("origin", "catalog 'main', row faro");
		assertThat(post("/faro", "{'password':'other'}")).containsEntry("scope", "all-nodes");
		await().untilAsserted(() -> assertThat(registry().get("faro").definition().password()).isEqualTo("other"));
		assertThat(registry().get("faro").definition().username()).isEqualTo("me");
		assertThat(post("/tenants/ada", "{'source':'faro'}")).containsEntry("scope", "all-nodes");
		assertThat(catalog.mappings().load()).containsEntry("ada", "faro");
		problem(409, send("POST", "", "{'name':'copy','url':'" + file("faro") + "'}"));
		assertThat(catalog.find("copy")).isNull();
		problem(409, send("POST", "", "{'name':'faro','url':'" + file("other") + "'}"));
		problem(409, send("DELETE", "/main", null));
		problem(400, send("POST", "", "{'name':'tavira','url':'" + file("tavira") + "','migrated':true}"));
		assertThat(delete("/faro")).containsEntry("scope", "all-nodes");
		assertThat(catalog.find("faro")).isNull();
		problem(404, send("GET", "/faro", null));
		assertThat(delete("/lisbon")).containsEntry("scope", "this-node");
	}

	private Catalog startWithCatalog(String... properties) {
		List<String> all = new ArrayList<>(List.of(properties));
		all.addAll(List.of(WRITABLE, "app.datasources.main.url=" + file("main"), "app.tenancy.catalog.source=main",
				"app.tenancy.catalog.credentials.plain-text=true"));
		start(all.toArray(String[]::new));
		return this.application.bean(Catalog.class);
	}

	@Test
	void whatNodesWouldRefuseIsNotWrittenToTheCatalog() throws Exception {
		Catalog catalog = startWithCatalog();
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		post("", "{'name':'tavira','url':'" + file("tavira") + "'}");
		for (String taken : List.of("lisbon", "faro")) {
			assertThat((String) problem(409, send("POST", "/tavira", "{'url':'" + file(taken) + "'}")).get("detail"))
				.contains("The sources '" + taken + "' and 'tavira' have the same database");
			assertThat((String) problem(409, send("POST", "", "{'name':'olhao','url':'" + file(taken) + "'}"))
				.get("detail")).contains("The sources '" + taken + "' and 'olhao' have the same database");
		}
		assertThat((String) problem(409, send("POST", "", "{'name':'Fa-ro','url':'" + file("x") + "'}")).get("detail"))
			.contains("are the same once case");
		assertThat(catalog.find("tavira").url()).isEqualTo(file("tavira"));
		assertThat(catalog.all()).extracting(CatalogSource::name).containsExactly("faro", "tavira");
		assertThat(this.application.bean(ProvidedSources.class).problems()).isEmpty();
	}

	@Test
	void whatThisNodeHasNotFollowedIsSavedAndNotSaidToBeInUse() throws Exception {
		Catalog catalog = startWithCatalog();
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		catalog.close();
		HttpResponse<String> answer = send("POST", "/faro", "{'url':'" + file("new") + "'}");
		assertThat(answer.statusCode()).isEqualTo(202);
		assertThat(json(answer)).containsEntry("outcome", "saved").containsEntry("scope", "all-nodes");
		assertThat((String) json(answer).get("message")).contains("this node had not followed within 5 s");
		assertThat(Sources.query(registry().get("main"), "select url from multidb_source")).isEqualTo(file("new"));
		assertThat(registry().get("faro").definition().url().text()).isEqualTo(file("faro"));
		assertThat(audited().get(1).getData()).containsEntry("outcome", "saved");
	}

	@Test
	void aSourceThatIsRemovedAndNotFollowedIsNotSaidToBeRemoved() throws Exception {
		Catalog catalog = startWithCatalog();
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		catalog.close();
		HttpResponse<String> answer = send("DELETE", "/faro", null);
		assertThat(answer.statusCode()).isEqualTo(202);
		assertThat(json(answer)).containsEntry("outcome", "saved").containsEntry("scope", "all-nodes");
		assertThat(Sources.query(registry().get("main"), "select count(*) from multidb_source")).isEqualTo("0");
		assertThat(registry().find("faro")).isNotNull();
	}

	@Test
	void aSourceThatIsAddedAndNotFollowedIsNotSaidToBeAdded() throws Exception {
		startWithCatalog().close();
		HttpResponse<String> answer = send("POST", "", "{'name':'faro','url':'" + file("faro") + "'}");
		assertThat(json(answer)).containsEntry("outcome", "saved");
		assertThat(Sources.query(registry().get("main"), "select name from multidb_source")).isEqualTo("faro");
		assertThat(registry().find("faro")).isNull();
	}

	@Test
	void onlyWhatIsGivenIsChangedInTheCatalog() throws Exception {
		Catalog catalog = startWithCatalog("app.tenancy.catalog.poll-interval=1h");
		post("", "{'name':'faro','url':'" + file("faro") + "','username':'me','password':'one'}");
		Sources.execute(registry().get("main"),
				"update multidb_source set active = 0, display_name = 'Faro' where name = 'faro'");
		assertThat(catalog.find("faro").active()).as("not read yet").isTrue();
		post("/faro", "{'password':'two'}");
		assertThat(catalog.find("faro").active()).isFalse();
		assertThat(catalog.find("faro").displayName()).isEqualTo("Faro");
		assertThat(catalog.find("faro").password()).isEqualTo("two");
		assertThat(catalog.find("faro").username()).isEqualTo("me");
		post("/faro", "{'url':'" + file("new") + "'}");
		assertThat(catalog.find("faro").active()).isFalse();
		assertThat(catalog.find("faro").username()).isNull();
		Sources.execute(registry().get("main"), "delete from multidb_source");
		problem(404, send("POST", "/faro", "{'password':'three'}"));
		assertThat(Sources.query(registry().get("main"), "select count(*) from multidb_source")).isEqualTo("0");
	}

	@Test
	void whatIsReplacedInTheCatalogIsUsedOnThisNodeOrSaidNotToBe() throws Exception {
		startWithCatalog();
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		Source faro = registry().get("faro");
		assertThat(Sources.query(faro, "select file from pragma_database_list")).endsWith("faro.db");
		assertThat(json(send("POST", "/faro", "{'url':'" + file("new") + "'}"))).containsEntry("outcome", "replaced");
		assertThat(Sources.query(faro, "select file from pragma_database_list")).endsWith("new.db");
		HttpResponse<String> answer = send("POST", "/faro", "{'url':'" + file("nowhere/newer") + "'}");
		assertThat(answer.statusCode()).isEqualTo(202);
		assertThat(json(answer)).containsEntry("outcome", "saved");
		assertThat((String) json(answer).get("message"))
			.startsWith("Saved in the catalog, for all nodes. This node cannot use it yet, and goes on as before: ")
			.contains("nowhere");
		assertThat(Sources.query(faro, "select file from pragma_database_list")).endsWith("new.db");
	}

	@Test
	void aRowOfAnotherNodeIsNotOverwrittenByOneThatIsAdded() throws Exception {
		Catalog catalog = startWithCatalog("app.tenancy.catalog.poll-interval=1h");
		Sources.execute(registry().get("main"),
				"insert into multidb_source (name, url, username) values ('faro', '" + file("theirs") + "', 'they')");
		assertThat(catalog.find("faro")).as("not read yet").isNull();
		assertThat(
				(String) problem(409, send("POST", "", "{'name':'faro','url':'" + file("faro") + "'}")).get("detail"))
			.contains("'faro'");
		assertThat(Sources.query(registry().get("main"), "select url from multidb_source")).isEqualTo(file("theirs"));
	}

	@Test
	void noOtherSourceTakesTheNameOfOneThatIsRemoved() throws Exception {
		Catalog catalog = startWithCatalog();
		ProvidedSources provided = this.application.bean(ProvidedSources.class);
		catalog.save(CatalogSource.named("lisbon").url(file("another")).build());
		assertThat(provided.problems()).containsOnlyKeys("lisbon");
		Map<String, Object> answer = delete("/lisbon");
		assertThat(answer).containsEntry("scope", "this-node").containsEntry("outcome", "removed");
		assertThat((String) answer.get("message")).contains("until its next start", "app.datasources.lisbon",
				"Nothing that is defined takes its name");
		catalog.save(CatalogSource.named("lisbon").url(file("another")).username("me").build());
		provided.retryRefused();
		assertThat(provided.awaitApplied(Duration.ofMinutes(1))).isTrue();
		assertThat(registry().find("lisbon")).isNull();
		assertThatException().isThrownBy(() -> use("lisbon")).withStackTraceContaining("UnknownTenantException");
		for (String method : List.of("DELETE", "POST")) {
			assertThat((String) problem(404, send(method, "/lisbon", method.equals("POST") ? "{'password':'x'}" : null))
				.get("detail")).contains("removed on this node");
		}
		assertThat((String) problem(409, send("POST", "", "{'name':'lisbon','url':'" + file("third") + "'}"))
			.get("detail")).contains("removed on this node");
		assertThat(catalog.find("lisbon").url()).as("its row stays").isEqualTo(file("another"));
		assertThat(catalog.find("lisbon").password()).isNull();
		assertThat(delete("/porto").get("message")).asString().contains("app.datasources.porto");
	}

	@Test
	void whatWasOnlyAddedIsRemovedForGood() throws Exception {
		start(WRITABLE);
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		assertThat(delete("/faro")).containsEntry("message",
				"Removed on this node, which alone had it. Its database is left alone.");
		delete("/lisbon");
		assertThat(post("", "{'name':'lisbon','url':'" + file("faro") + "'}")).containsEntry("outcome", "added");
		use("lisbon");
		assertThat(Files.exists(this.directory.resolve("faro.db"))).isTrue();
	}

	@Test
	void theCatalogsOwnSourceKeepsItsPlace() throws Exception {
		Catalog catalog = startWithCatalog();
		for (String body : List.of("{'url':'" + file("other") + "'}", "{'username':'me','password':'x'}")) {
			assertThat((String) problem(409, send("POST", "/main", body)).get("detail"))
				.contains("The catalog is in the source 'main'");
		}
		problem(409, send("DELETE", "/main", null));
		assertThat(post("/main", "{'password':'x'}")).containsEntry("outcome", "replaced");
		post("", "{'name':'faro','url':'" + file("faro") + "'}");
		assertThat(catalog.find("faro")).isNotNull();
		assertThat(registry().get("main").definition().url().text()).isEqualTo(file("main"));
	}

	@Test
	void amongTenThousandOneIsFound() throws Exception {
		start();
		SourceRegistry registry = registry();
		List<SourceDefinition> many = IntStream.range(0, 10_000)
			.mapToObj((i) -> SourceDefinition.named("shop-" + i)
				.url("jdbc:postgresql://localhost:1/shop" + i)
				.essential(false)
				.build())
			.toList();
		assertThat(registry.addAll(many)).isEmpty();
		HttpResponse<String> first = send("GET", "", null);
		assertThat(json(first)).containsEntry("total", 10_002).containsEntry("known", 10_002);
		assertThat(list(json(first), "sources")).hasSize(50);
		assertThat(first.body().length()).isLessThan(50_000);
		assertThat(list(get("?search=shop-9876"), "sources")).extracting((each) -> each.get("name"))
			.containsExactly("shop-9876");
		assertThat(list(get("?page=200&sort=-name"), "sources")).extracting((each) -> each.get("name"))
			.containsExactly("porto", "lisbon");
		assertThat(registry.stream().filter((source) -> !(source.state() instanceof SourceState.Cold))).isEmpty();
	}

	@Test
	void itIsWiredOnlyWhereItIsWanted() {
		this.application = WebApplication.start(this.directory, List.of());
		assertThat(this.application.bean(TenantMappings.class)).isNotNull();
		assertThatException().isThrownBy(() -> this.application.bean(DatasourcesEndpoint.class));
		assertThat(this.application.bean(SourcesView.class)).isNotNull();
	}

	/** Spring Boot lets a query and a body take the place of what a path says. */
	@ParameterizedTest
	@CsvSource(delimiter = '|', nullValues = "-", textBlock = """
			GET    | /lisbon?source=porto               | -
			GET    | /lisbon?source=lisbon&source=porto | -
			GET    | /tenants/lisbon?id=porto           | -
			GET    | /tenants/lisbon?kind=porto         | -
			POST   | /lisbon?source=porto               | {'password':'x'}
			POST   | /lisbon                            | {'source':'porto','password':'x'}
			POST   | /lisbon/drain?kind=porto           | {}
			POST   | /lisbon/drain                      | {'kind':'porto'}
			POST   | /lisbon/drain                      | {'id':'migrate'}
			POST   | /lisbon/drain                      | {'id':null}
			POST   | /tenants/ada                       | {'id':'eve','source':'lisbon'}
			DELETE | /lisbon?source=porto               | -
			DELETE | /tenants/ada?id=eve                | -
			""")
	void nothingTakesThePlaceOfThePath(String method, String path, String body) throws Exception {
		start(WRITABLE);
		use("lisbon");
		use("porto");
		assertThat((String) problem(400, send(method, path, body)).get("detail")).contains("the path");
		assertThat(audited()).isEmpty();
		assertThat(registry().stream()).hasSize(2)
			.allSatisfy((source) -> assertThat(source.state()).isInstanceOf(SourceState.Open.class));
	}

	@Test
	void whatSaysTheSameAsThePathIsNoHarm() throws Exception {
		start(WRITABLE);
		assertThat(map(get("/lisbon?source=lisbon"), "source")).containsEntry("name", "lisbon");
		assertThat(post("/tenants/ada", "{'id':'ada','source':'lisbon'}")).containsEntry("tenant", "ada");
		assertThat(delete("/tenants/ada?id=ada")).containsEntry("outcome", "unmapped");
	}

	@Test
	void nothingTakesThePlaceOfThePathOnAPortOfItsOwn() throws Exception {
		start(WRITABLE, "management.server.port=0");
		HttpResponse<String> response = this.client.send(HttpRequest.newBuilder(URI
			.create("http://localhost:" + this.application.bean(Environment.class).getProperty("local.management.port")
					+ PATH + "/lisbon?source=porto"))
			.DELETE()
			.build(), HttpResponse.BodyHandlers.ofString());
		problem(400, response);
		assertThat(registry().stream()).hasSize(2);
	}

	@Test
	void itIsTheSameOnAPortOfItsOwn() throws Exception {
		start(WRITABLE, "management.server.port=0");
		String address = "http://localhost:"
				+ this.application.bean(Environment.class).getProperty("local.management.port") + PATH;
		HttpResponse<String> page = this.client.send(HttpRequest.newBuilder(URI.create(address)).build(),
				HttpResponse.BodyHandlers.ofString());
		assertThat(json(page)).containsEntry("total", 2);
		assertThat(page.body()).doesNotContain("null");
		HttpResponse<String> problem = this.client.send(
				HttpRequest.newBuilder(URI.create(address + "/nowhere")).DELETE().build(),
				HttpResponse.BodyHandlers.ofString());
		assertThat((String) problem(404, problem).get("detail")).contains("no source of this name");
		assertThat(send("GET", "", null).statusCode()).isEqualTo(404);
	}

	@Test
	void itIsTheSameByJmx() throws Exception {
		start("spring.jmx.enabled=true", "management.endpoints.jmx.exposure.include=datasources", WRITABLE,
				"management.endpoints.jmx.domain=" + this.directory.getFileName());
		MBeanServer server = ManagementFactory.getPlatformMBeanServer();
		ObjectName name = new ObjectName(this.directory.getFileName() + ":type=Endpoint,name=Datasources");
		assertThat(server.getMBeanInfo(name).getOperations()).extracting(MBeanFeatureInfo::getName)
			.containsExactlyInAnyOrder("datasources", "datasource", "tenant", "add", "replace", "remove", "drain",
					"retry", "migrate", "map", "unmap");
		assertThat(invoke(server, name, "datasources", null, null, null, null, null, null, 10)).contains("name=lisbon",
				"total=2");
		assertThat(invoke(server, name, "add", "faro", file("faro"), null, null, null, null, null))
			.contains("outcome=added");
		assertThat(invoke(server, name, "map", "ada", "faro")).contains("outcome=mapped");
		assertThat(invoke(server, name, "tenant", "ada")).contains("source=faro");
		assertThat(invoke(server, name, "drain", "faro")).contains("outcome=not-open");
		assertThat(invoke(server, name, "remove", "faro")).contains("outcome=removed");
		assertThat(invoke(server, name, "datasource", "faro")).isEqualTo("null");
		assertThatException().isThrownBy(() -> invoke(server, name, "remove", "faro"))
			.withStackTraceContaining("There is no source of this name");
		assertThat(audited()).extracting((event) -> event.getData().get("via")).containsOnly("jmx");
	}

	private static String invoke(MBeanServer server, ObjectName name, String operation, Object... arguments)
			throws Exception {
		return String.valueOf(server.invoke(name, operation, arguments, new String[arguments.length]));
	}

	@Test
	void byJmxNothingCanBeChangedUnlessItIsAllowed() throws Exception {
		start("spring.jmx.enabled=true", "management.endpoints.jmx.exposure.include=datasources",
				"management.endpoints.jmx.domain=" + this.directory.getFileName());
		MBeanServer server = ManagementFactory.getPlatformMBeanServer();
		ObjectName name = new ObjectName(this.directory.getFileName() + ":type=Endpoint,name=Datasources");
		assertThat(server.getMBeanInfo(name).getOperations()).extracting(MBeanFeatureInfo::getName)
			.containsExactlyInAnyOrder("datasources", "datasource", "tenant");
	}

	/** Keeps what is audited, and takes the user's name from a header. */
	@Configuration(proxyBeanMethods = false)
	static class Audited {

		final List<AuditEvent> events = new CopyOnWriteArrayList<>();

		@EventListener
		void on(AuditApplicationEvent event) {
			this.events.add(event.getAuditEvent());
		}

		@Bean
		OncePerRequestFilter user() {
			return new OncePerRequestFilter() {
				@Override
				protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response,
						FilterChain chain) throws ServletException, IOException {
					chain.doFilter(new HttpServletRequestWrapper(request) {
						@Override
						public Principal getUserPrincipal() {
							String name = getHeader("X-User");
							return (name != null) ? () -> name : null;
						}
					}, response);
				}
			};
		}

	}

	/** Files whose names begin with 'slow' are not migrated before they may be. */
	@Configuration(proxyBeanMethods = false)
	static class SlowOpening {

		final CountDownLatch begun = new CountDownLatch(1);

		final CountDownLatch goOn = new CountDownLatch(1);

		@Bean
		SourceMigrator slowly() {
			return (definition, connection) -> {
				if (definition.url().text().contains("/slow")) {
					this.begun.countDown();
					if (!this.goOn.await(120, TimeUnit.SECONDS)) {
						throw new IllegalStateException("Nobody let it go on");
					}
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			};
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class SlowMigration {

		final CountDownLatch goOn = new CountDownLatch(1);

		@Bean
		SourceOperations impatient(SourceRegistry registry, TenantMappings mappings, Datasources datasources,
				SourceMigrator migrator, ProvidedSources provided, OperationHistory history,
				ApplicationEventPublisher publisher) {
			return new SourceOperations(registry, mappings, null,
					new SourceOperations.Settings(datasources.tenancy().catalog().urls(), datasources.migration(),
							false, Duration.ofMillis(100)),
					migrator, provided, (event) -> publisher.publishEvent(new AuditApplicationEvent(event)), history);
		}

		@Bean
		SourceMigrator slowly() {
			return (definition, connection) -> {
				if (definition.name().startsWith("faro") && !this.goOn.await(120, TimeUnit.SECONDS)) {
					throw new IllegalStateException("Nobody let it go on");
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			};
		}

	}

}
