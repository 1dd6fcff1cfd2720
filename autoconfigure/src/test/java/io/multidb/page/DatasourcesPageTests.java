package io.multidb.page;

import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceContext;
import io.multidb.page.PageApplication.AnyUser;
import io.multidb.page.PageApplication.ByAddress;
import io.multidb.page.PageApplication.OpenChanges;
import io.multidb.page.PageApplication.OpenData;
import io.multidb.page.PageApplication.Protected;
import io.multidb.page.PageApplication.Unprotected;
import io.multidb.page.PageApplication.WithEndpoints;
import io.multidb.page.PageApplication.WithMappings;
import io.multidb.page.PageApplication.WithSupport;
import io.multidb.page.PageApplication.WithTokens;
import io.multidb.page.PageApplication.WithViewers;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * The page through a real Tomcat, behind a real Spring Security. What a browser makes of
 * it is tested with one.
 */
@ExtendWith(OutputCaptureExtension.class)
class DatasourcesPageTests {

	private static final String WRITABLE = PageApplication.WRITABLE;

	private static final List<String> ALL = List.of("add", "replace", "remove", "drain", "retry", "migrate", "map",
			"unmap");

	@TempDir
	private Path directory;

	private PageApplication application;

	@AfterEach
	void stop() {
		if (this.application != null) {
			this.application.close();
		}
	}

	private void start(Class<?> security, String... properties) {
		this.application = PageApplication.start(this.directory, security, properties);
	}

	private static String asset(HttpResponse<String> page, String name) {
		Matcher matcher = Pattern.compile("\"(assets/[0-9a-f]{12}/" + Pattern.quote(name) + ")\"").matcher(page.body());
		assertThat(matcher.find()).as(page.body()).isTrue();
		return "/datasources/" + matcher.group(1);
	}

	@Test
	void isServedWithHeadersThatLeaveNothingOpen() throws Exception {
		start(Protected.class);
		HttpResponse<String> redirect = this.application.get("/datasources", "olga");
		assertThat(redirect.statusCode()).isEqualTo(302);
		assertThat(redirect.headers().firstValue("Location")).hasValue("datasources/");
		HttpResponse<String> page = this.application.get("/datasources/", "olga");
		for (HttpResponse<String> response : List.of(redirect, page,
				this.application.get("/datasources/api/sources", "olga"),
				this.application.get("/datasources/api/sources/madrid", "olga"),
				this.application.get(asset(page, "page.js"), "olga"))) {
			assertThat(response.headers().firstValue("Content-Security-Policy")).hasValue(
					"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
							+ " frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
			assertThat(response.headers().firstValue("X-Content-Type-Options")).hasValue("nosniff");
			assertThat(response.headers().firstValue("Referrer-Policy")).hasValue("no-referrer");
			assertThat(response.headers().firstValue("X-Frame-Options")).hasValue("DENY");
		}
		assertThat(page.statusCode()).isEqualTo(200);
		assertThat(page.headers().firstValue("Content-Type")).hasValue("text/html;charset=UTF-8");
		assertThat(page.headers().firstValue("Cache-Control")).hasValue("no-store");
		assertThat(page.body()).doesNotContain("style=", "http:", "https:", "<style")
			.doesNotContainPattern("<script(?! type=\"module\" src=\"assets/)");
	}

	@Test
	void letsABrowserKeepFilesButNoData() throws Exception {
		start(Protected.class);
		HttpResponse<String> page = this.application.get("/datasources/", "olga");
		String script = asset(page, "page.js");
		HttpResponse<String> asset = this.application.get(script, "olga");
		assertThat(asset.headers().firstValue("Cache-Control"))
			.hasValueSatisfying((value) -> assertThat(value).contains("max-age=31536000", "private", "immutable"));
		assertThat(asset.headers().firstValue("Content-Type")).hasValue("text/javascript;charset=UTF-8");
		assertThat(this.application.get(asset(page, "page.css"), "olga").headers().firstValue("Content-Type"))
			.hasValue("text/css;charset=UTF-8");
		HttpResponse<String> former = this.application.get(script.replaceFirst("[0-9a-f]{12}", "0123456789ab"), "olga");
		assertThat(former.statusCode()).isEqualTo(200);
		assertThat(former.headers().firstValue("Cache-Control")).hasValue("no-store");
		for (String path : List.of("/api/session", "/api/sources", "/api/sources/lisbon", "/api/tenants/lisbon")) {
			HttpResponse<String> data = this.application.get("/datasources" + path, "olga");
			assertThat(data.statusCode()).as(path).isEqualTo(200);
			assertThat(data.headers().firstValue("Cache-Control")).hasValue("no-store");
			assertThat(data.headers().firstValue("Content-Type")).hasValue("application/json");
		}
	}

	/** What each script imports, by path: those that are needed at once, and others. */
	private void read(String path, Map<String, Set<String>> atOnce, Set<String> later) throws Exception {
		HttpResponse<String> served = this.application.get(path, "olga");
		assertThat(served.statusCode()).as(path).isEqualTo(200);
		Set<String> imported = new LinkedHashSet<>();
		atOnce.put(path, imported);
		Matcher imports = Pattern.compile("(from|import\\(?) ?['\"](\\.\\.?/[^'\"]+)['\"]").matcher(served.body());
		while (imports.find()) {
			String other = URI.create(path).resolve(imports.group(2)).getPath();
			if (imports.group(1).equals("import(")) {
				later.add(other);
			}
			else {
				imported.add(other);
				if (!atOnce.containsKey(other)) {
					read(other, atOnce, later);
				}
			}
		}
	}

	@Test
	void servesWhatItsScriptImportsAndNothingElse() throws Exception {
		start(Protected.class);
		HttpResponse<String> page = this.application.get("/datasources/", "olga");
		String script = asset(page, "page.js");
		String base = script.substring(0, script.lastIndexOf('/') + 1);
		Map<String, Set<String>> atOnce = new LinkedHashMap<>();
		Set<String> later = new LinkedHashSet<>();
		read(script, atOnce, later);
		assertThat(later).containsExactly(base + "chart.js/dist/chart.umd.min.js");
		assertThat(this.application.get(base + "chart.js/dist/chart.umd.min.js", "olga").statusCode()).isEqualTo(200);
		for (String other : List.of("index.html", "lit-html/package.json", "lit-html/..%2f..%2f..%2fapplication.yaml",
				"lit-html/", "")) {
			assertThat(this.application.get(base + other, "olga").statusCode()).as(other).isIn(400, 404);
		}
		// A browser is to ask for all of them together, not for one after the other.
		Set<String> announced = new LinkedHashSet<>();
		Matcher preloads = Pattern.compile("\"(?:modulepreload\" href|module\" src)=\"([^\"]+)\"").matcher(page.body());
		while (preloads.find()) {
			announced.add("/datasources/" + preloads.group(1));
		}
		assertThat(atOnce.keySet()).containsExactlyInAnyOrderElementsOf(announced);
	}

	@Test
	void itsOwnScriptsHaveNoCyclesAndSayWhatTheyAreFor() throws Exception {
		start(Protected.class);
		String script = asset(this.application.get("/datasources/", "olga"), "page.js");
		Map<String, Set<String>> imports = new LinkedHashMap<>();
		read(script, imports, new LinkedHashSet<>());
		imports.keySet().removeIf((path) -> path.contains("/lit-html/"));
		for (String path : imports.keySet()) {
			String body = this.application.get(path, "olga").body();
			assertThat(body).as(path).startsWith("/*\n * ");
			assertThat(body.lines()).as(path).hasSizeLessThan(250);
		}
		while (!imports.isEmpty()) {
			Set<String> left = imports.keySet();
			assertThat(left).as("a cycle").anyMatch((path) -> Collections.disjoint(imports.get(path), left));
			left.removeIf((path) -> Collections.disjoint(imports.get(path), Set.copyOf(left)));
		}
	}

	@Test
	void isForThoseWhomTheApplicationLetsIn() throws Exception {
		start(Protected.class, WRITABLE);
		for (String path : List.of("", "/", "/api/session", "/api/sources", "/api/sources/lisbon",
				"/api/tenants/lisbon")) {
			assertThat(this.application.get("/datasources" + path, null).statusCode()).as(path).isEqualTo(401);
			assertThat(this.application.get("/datasources" + path, "ada").statusCode()).as(path).isEqualTo(403);
		}
		assertThat(this.application.post("/datasources/api/sources/lisbon/remove", null, "{}").statusCode())
			.isEqualTo(401);
		assertThat(this.application.post("/datasources/api/sources/lisbon/remove", "ada", "{}").statusCode())
			.isEqualTo(403);
		assertThat(this.application.bean(SourceRegistry.class).find("lisbon")).isNotNull();
	}

	@Test
	void isNotThereUnlessItIsAskedFor() throws Exception {
		start(Protected.class, "app.tenancy.page.enabled=false");
		assertThat(this.application.get("/datasources", "olga").statusCode()).isEqualTo(404);
		assertThat(this.application.get("/datasources/api/sources", "olga").statusCode()).isEqualTo(404);
	}

	@Test
	void doesNotStartWhereEverybodyCouldSeeIt() {
		assertThatExceptionOfType(FailureAnalyzedException.class).isThrownBy(() -> start(Unprotected.class))
			.satisfies((ex) -> {
				assertThat(ex.analysis().getDescription()).contains("'GET /datasources' needs no login");
				assertThat(ex.analysis().getAction()).contains("http.securityMatcher(\"/datasources/**\")",
						"'app.tenancy.page.unprotected'");
			});
	}

	@Test
	void doesNotStartWhereItsDataIsOpen() {
		assertThatExceptionOfType(FailureAnalyzedException.class).isThrownBy(() -> start(OpenData.class))
			.satisfies((ex) -> assertThat(ex.analysis().getDescription()).contains("'GET /datasources/api/session'"));
	}

	@Test
	void doesNotStartWhereEverybodyCouldChangeSomething() {
		assertThatExceptionOfType(FailureAnalyzedException.class).isThrownBy(() -> start(OpenChanges.class, WRITABLE))
			.satisfies((ex) -> assertThat(ex.analysis().getDescription()).contains("'POST /datasources/api/sources'"));
	}

	@Test
	void startsWhereNobodyCanChangeAnything() throws Exception {
		start(OpenChanges.class);
		assertThat(this.application.get("/datasources/", null).statusCode()).isEqualTo(401);
		assertThat(this.application.post("/datasources/api/sources/lisbon/remove", null, "{}").statusCode())
			.isEqualTo(403);
	}

	@Test
	void doesNotStartWhereItCannotBeTold() {
		assertThatExceptionOfType(FailureAnalyzedException.class).isThrownBy(() -> start(ByAddress.class));
	}

	@Test
	void startsUnprotectedIfItIsTold() throws Exception {
		start(Unprotected.class, "app.tenancy.page.unprotected=true", WRITABLE);
		assertThat(this.application.get("/datasources/", null).statusCode()).isEqualTo(200);
		assertThat(this.application.json("/datasources/api/session", null)).containsEntry("actions", ALL)
			.doesNotContainKeys("user", "csrf");
	}

	@Test
	void isAskedForWithItsContextAndServletPath() throws Exception {
		start(Protected.class, "server.servlet.context-path=/shop", "spring.mvc.servlet.path=/admin");
		assertThat(this.application.get("/shop/admin/datasources/", "olga").statusCode()).isEqualTo(200);
		assertThat(this.application.get("/shop/admin/datasources/api/sources", "olga").statusCode()).isEqualTo(200);
		assertThat(this.application.get("/shop/admin/datasources/", null).statusCode()).isEqualTo(401);
	}

	/** The checks are there all the same. */
	@Test
	void doesNotStartWhereEverybodyCouldSeeItThoughBeansAreLazy() {
		assertThatExceptionOfType(FailureAnalyzedException.class)
			.isThrownBy(() -> start(Unprotected.class, "spring.main.lazy-initialization=true"));
	}

	@Test
	void worksBesideOtherFilterChains() throws Exception {
		for (String port : List.of("0", "-1")) {
			start(WithEndpoints.class, WRITABLE, port.equals("0") ? "management.server.port=0" : "any=any");
			int at = port.equals("0") ? this.application.managementPort() : this.application.port();
			assertThat(this.application.get(at, "/datasources/", null).statusCode()).isEqualTo(401);
			assertThat(this.application.get(at, "/datasources/", "ada").statusCode()).isEqualTo(403);
			assertThat(this.application.get(at, "/datasources/api/session", "olga").body())
				.contains("\"actions\":[\"add\",");
			stop();
		}
	}

	/** As the proxy has it in front of the application: another host, and a prefix. */
	@Test
	void worksBehindAProxyWithAPrefix() throws Exception {
		start(WithViewers.class, WRITABLE, "server.forward-headers-strategy=framework");
		String[] forwarded = { "X-Forwarded-Host", "ops.example.com", "X-Forwarded-Proto", "https",
				"X-Forwarded-Prefix", "/apps/shop", "Origin", "https://ops.example.com" };
		for (String user : List.of("olga", "ada")) {
			HttpResponse<String> session = this.application
				.send(this.application.request(this.application.port(), "/datasources/api/session", user)
					.headers(forwarded)
					.build());
			assertThat(session.body()).contains(user.equals("olga") ? "\"actions\":[\"add\"," : "\"actions\":[]");
			HttpResponse<String> drained = this.application.post("/datasources/api/sources/lisbon/drain", user, "{}",
					forwarded);
			assertThat(drained.statusCode()).as(drained.body()).isEqualTo(user.equals("olga") ? 200 : 403);
		}
		HttpResponse<String> page = this.application
			.send(this.application.request(this.application.port(), "/datasources", "olga").headers(forwarded).build());
		assertThat(page.headers().firstValue("Location")).hasValue("datasources/");
	}

	@ParameterizedTest
	@CsvSource({ "management.endpoints.web.base-path=/,/datasources",
			"app.tenancy.page.path=/actuator/health,/actuator/health",
			"app.tenancy.page.path=/actuator,/actuator/datasources",
			"app.tenancy.page.path=/actuator/datasources/page,/actuator/datasources" })
	void refusesAPathThatEndpointsHave(String property, String path) {
		for (String port : List.of("", "0")) {
			assertThatExceptionOfType(FailureAnalyzedException.class)
				.isThrownBy(() -> start(Protected.class, property, "management.server.port=" + port,
						"management.endpoints.web.exposure.include=health,datasources"))
				.satisfies((ex) -> {
					assertThat(ex.analysis().getDescription()).contains("'" + path + "'");
					assertThat(ex.analysis().getAction()).contains("'app.tenancy.page.path'");
				});
		}
	}

	@Test
	void mayLieBesideTheEndpoints() throws Exception {
		start(Protected.class, "app.tenancy.page.path=/actuator/page",
				"management.endpoints.web.exposure.include=health,datasources");
		assertThat(this.application.get("/actuator/page/", "olga").statusCode()).isEqualTo(200);
		assertThat(this.application.get("/actuator/datasources", "olga").statusCode()).isEqualTo(200);
	}

	@Test
	void liesWhereItIsTold() throws Exception {
		start(Protected.class, "app.tenancy.page.path=/ops/databases");
		assertThat(this.application.get("/ops/databases", "olga").headers().firstValue("Location"))
			.hasValue("databases/");
		assertThat(this.application.get("/ops/databases/api/sources", "olga").statusCode()).isEqualTo(200);
		assertThat(this.application.get("/datasources", "olga").statusCode()).isEqualTo(404);
	}

	@ParameterizedTest
	@ValueSource(strings = { "datasources", "/", "/datasources/", "/data//sources", "/{x}", "/**", "/a b" })
	void refusesAPathThatIsNone(String path) {
		assertThatException().isThrownBy(() -> start(Protected.class, "app.tenancy.page.path=" + path))
			.havingRootCause()
			.isInstanceOf(InvalidDatasourcesException.class)
			.withMessageContaining("app.tenancy.page.path");
	}

	@Test
	void isOnTheManagementPortIfThereIsOne() throws Exception {
		start(Protected.class, "management.server.port=0", "management.server.base-path=/manage", WRITABLE);
		int management = this.application.managementPort();
		assertThat(management).isNotEqualTo(this.application.port());
		assertThat(this.application.get(this.application.port(), "/datasources/", "olga").statusCode()).isEqualTo(404);
		assertThat(this.application.get(management, "/manage/datasources/", null).statusCode()).isEqualTo(401);
		assertThat(this.application.get(management, "/manage/datasources/", "ada").statusCode()).isEqualTo(403);
		HttpResponse<String> page = this.application.get(management, "/manage/datasources/", "olga");
		assertThat(page.statusCode()).isEqualTo(200);
		assertThat(page.headers().firstValue("Content-Security-Policy")).isPresent();
		assertThat(this.application.get(management, "/manage" + asset(page, "page.js"), "olga").statusCode())
			.isEqualTo(200);
		HttpResponse<String> session = this.application.get(management, "/manage/datasources/api/session", "olga");
		assertThat(session.body()).contains("\"actions\":[\"add\"", "\"user\":\"olga\"");
		HttpResponse<String> sources = this.application.get(management, "/manage/datasources/api/sources", "olga");
		assertThat(sources.body()).contains("\"lisbon\"");
	}

	@Test
	void doesNotStartUnprotectedOnTheManagementPortEither() {
		assertThatExceptionOfType(FailureAnalyzedException.class)
			.isThrownBy(() -> start(Unprotected.class, "management.server.port=0"));
	}

	@Test
	void isNotThereWithoutAManagementServer() throws Exception {
		start(Unprotected.class, "management.server.port=-1");
		assertThat(this.application.get("/datasources", null).statusCode()).isEqualTo(404);
	}

	@Test
	void doesAsTheEndpointWould() throws Exception {
		start(Protected.class, WRITABLE);
		String url = "jdbc:sqlite:" + this.directory.resolve("madrid.db");
		HttpResponse<String> added = this.application.post("/datasources/api/sources", "olga",
				"{'name':'madrid','url':'" + url + "','displayName':'Madrid'}");
		assertThat(added.statusCode()).as(added.body()).isEqualTo(200);
		assertThat(added.body()).contains("\"outcome\":\"added\"", "\"scope\":\"this-node\"");
		assertThat(this.application.get("/datasources/api/sources/madrid", "olga").body()).contains("Madrid", "cold");
		assertThat(this.application.post("/datasources/api/tenants/ada/map", "olga", "{'source':'madrid'}").body())
			.contains("\"outcome\":\"mapped\"");
		assertThat(this.application.get("/datasources/api/sources/madrid", "olga").body())
			.contains("\"tenants\":[\"ada\"]");
		assertThat(this.application.get("/datasources/api/tenants/ada", "olga").body())
			.contains("\"rule\":\"mapping\"");
		assertThat(this.application.post("/datasources/api/tenants/ada/unmap", "olga", "{}").body())
			.contains("\"outcome\":\"unmapped\"");
		assertThat(this.application.post("/datasources/api/sources/madrid/drain", "olga", "{}").body())
			.contains("\"outcome\":\"not-open\"");
		assertThat(this.application.post("/datasources/api/sources/madrid/retry", "olga", "{}").body())
			.contains("\"outcome\":\"not-unavailable\"");
		assertThat(this.application.post("/datasources/api/sources/madrid/migrate", "olga", "{}").statusCode())
			.isEqualTo(409);
		assertThat(this.application
			.post("/datasources/api/sources/madrid/replace", "olga",
					"{'url':'jdbc:sqlite:" + this.directory.resolve("other.db") + "'}")
			.body()).contains("\"outcome\":\"replaced\"");
		assertThat(this.application.post("/datasources/api/sources/madrid/remove", "olga", "{}").body())
			.contains("\"outcome\":\"removed\"");
		assertThat(this.application.get("/datasources/api/sources/madrid", "olga").statusCode()).isEqualTo(404);
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			/api/sources | {'name':'x y','url':'jdbc:sqlite:x.db'} | 400
			/api/sources | {'url':'jdbc:sqlite:x.db'} | 400
			/api/sources | {'name':'x'} | 400
			/api/sources | {'name':'lisbon','url':'jdbc:sqlite:x.db'} | 409
			/api/sources | {'name':'x','url':'jdbc:h2:mem:x;INIT=RUNSCRIPT'} | 400
			/api/sources | {"name | 400
			/api/sources | [1] | 400
			/api/sources | 4711 | 400
			/api/sources | null | 400
			/api/sources/lisbon/remove | null | 400
			/api/sources/madrid/remove | {} | 404
			/api/sources/lisbon/explode | {} | 404
			/api/tenants/x/map | {} | 400
			/api/tenants/x/map | {'source':'madrid'} | 404
			/api/tenants/%20/map | {'source':'lisbon'} | 400
			""")
	void saysWhatIsWrongWithAChange(String path, String body, int status) throws Exception {
		start(Protected.class, WRITABLE);
		HttpResponse<String> response = this.application.post("/datasources" + path, "olga", body);
		assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
		assertThat(response.headers().firstValue("Content-Type")).hasValue("application/problem+json");
		assertThat(response.body()).contains("\"detail\":");
	}

	@Test
	void saysWhenToTryAgain() throws Exception {
		start(Protected.class, WRITABLE);
		assertThat(this.application
			.send(this.application.request(this.application.port(), "/datasources/api/sources", "olga").build())
			.headers()
			.firstValue("Retry-After")).isEmpty();
		SourceContext.run("lisbon",
				() -> this.application.bean(JdbcClient.class).sql("select 1").query().singleValue());
		HttpResponse<String> response = this.application.post("/datasources/api/sources/lisbon/replace", "olga",
				"{'url':'jdbc:postgresql://localhost:1/x','username':'me','password':'x'}");
		assertThat(response.statusCode()).as(response.body()).isEqualTo(503);
		assertThat(response.headers().firstValue("Retry-After"))
			.hasValueSatisfying((seconds) -> assertThat(response.body()).contains("\"retryAfter\":" + seconds));
	}

	@ParameterizedTest
	@ValueSource(strings = { "sort=size", "page=-1", "page=x", "size=0", "size=100000", "state=broken" })
	void refusesAQuestionThatMakesNoSense(String query) throws Exception {
		start(Protected.class);
		HttpResponse<String> response = this.application.get("/datasources/api/sources?" + query, "olga");
		assertThat(response.statusCode()).isEqualTo(400);
	}

	/** It changes what the endpoint may change, whatever the page's own security says. */
	@ParameterizedTest
	@ValueSource(strings = { "spring.main.banner-mode=off", "management.endpoint.datasources.access=read-only",
			"management.endpoint.datasources.access=none", "management.endpoints.access.default=unrestricted",
			"management.endpoint.datasources.access=unrestricted,management.endpoints.access.max-permitted=read-only" })
	void changesNothingUnlessTheEndpointMay(String properties) throws Exception {
		start(Protected.class, properties.split(","));
		boolean allowed = properties.contains("access.default=unrestricted");
		List<?> actions = (List<?>) this.application.json("/datasources/api/session", "olga").get("actions");
		assertThat(actions.isEmpty()).isEqualTo(!allowed);
		HttpResponse<String> response = this.application.post("/datasources/api/sources/lisbon/remove", "olga", "{}");
		assertThat(response.statusCode()).isEqualTo(allowed ? 200 : 403);
		assertThat(this.application.bean(SourceRegistry.class).find("lisbon") == null).isEqualTo(allowed);
		if (!allowed) {
			assertThat(response.body()).contains("management.endpoint.datasources.access=unrestricted");
		}
	}

	@Test
	void warnsWhereEveryUserCouldChangeSomething(CapturedOutput output) {
		start(AnyUser.class, WRITABLE);
		assertThat(output).contains("Every user who is logged in may change sources by the page '/datasources'")
			.contains("'POST /datasources/api/sources'");
	}

	@Test
	void warnsOfNothingWhereOnlyOperatorsCouldOrNobody(CapturedOutput output) {
		start(Protected.class, WRITABLE);
		stop();
		start(WithViewers.class, WRITABLE);
		stop();
		start(AnyUser.class);
		assertThat(output).doesNotContain("Every user who is logged in");
	}

	@Test
	void offersChangesToThoseWhoMayMakeThem() throws Exception {
		start(WithViewers.class, WRITABLE);
		assertThat(this.application.json("/datasources/api/session", "olga")).containsEntry("actions", ALL)
			.containsEntry("user", "olga");
		assertThat(this.application.json("/datasources/api/session", "ada")).containsEntry("actions", List.of());
		assertThat(this.application.post("/datasources/api/sources/lisbon/remove", "ada", "{}").statusCode())
			.isEqualTo(403);
	}

	@Test
	@SuppressWarnings("unchecked")
	void showsWhatIsInUseOfARemovedSource() throws Exception {
		start(Protected.class, WRITABLE);
		try (var inUse = this.application.bean(SourceRegistry.class).get("lisbon").getConnection()) {
			assertThat(this.application.post("/datasources/api/sources/lisbon/remove", "olga", "{}").statusCode())
				.isEqualTo(200);
			assertThat(inUse.isClosed()).isFalse();
			Map<String, Object> details = (Map<String, Object>) this.application
				.json("/datasources/api/sources/lisbon", "olga")
				.get("details");
			Map<String, Object> source = (Map<String, Object>) details.get("source");
			assertThat((Map<String, Object>) source.get("draining")).containsEntry("connections", 1)
				.containsKeys("since", "deadline");
			assertThat((Map<String, Object>) source.get("state")).containsEntry("status", "draining");
		}
		org.awaitility.Awaitility.await()
			.untilAsserted(
					() -> assertThat(this.application.get("/datasources/api/sources/lisbon", "olga").statusCode())
						.isEqualTo(404));
	}

	@Test
	void offersEachWhatHeMayDo() throws Exception {
		start(WithSupport.class, WRITABLE);
		assertThat(this.application.json("/datasources/api/session", "olga")).containsEntry("actions", ALL);
		assertThat(this.application.json("/datasources/api/session", "ada")).containsEntry("actions",
				List.of("drain", "retry"));
		assertThat(this.application.post("/datasources/api/sources/lisbon/retry", "ada", "{}").statusCode())
			.isEqualTo(200);
		assertThat(this.application.post("/datasources/api/sources/lisbon/remove", "ada", "{}").statusCode())
			.isEqualTo(403);
	}

	@Test
	void saysWithEachAnswerWhoGivesItAndOfWhichVersionThePageIs() throws Exception {
		start(Protected.class);
		String script = asset(this.application.get("/datasources/", "olga"), "page.js");
		String version = script.substring("/datasources/assets/".length(), script.lastIndexOf('/'));
		for (String path : List.of("/api/session", "/api/sources", "/api/sources/lisbon")) {
			assertThat(this.application.json("/datasources" + path, "olga")).as(path)
				.containsEntry("version", version)
				.hasEntrySatisfying("node", (node) -> assertThat((String) node).contains("process "));
		}
	}

	@Test
	@SuppressWarnings("unchecked")
	void findsWhatIsOnAServer() throws Exception {
		start(Protected.class, "app.datasources.faro.url=jdbc:postgresql://localhost:1/faro",
				"app.datasources.beja.url=jdbc:postgresql://localhost:2/beja");
		Map<String, Object> list = (Map<String, Object>) this.application
			.json("/datasources/api/sources?server=LocalHost:1", "olga")
			.get("list");
		assertThat((List<Map<String, Object>>) list.get("sources")).singleElement()
			.extracting("name")
			.isEqualTo("faro");
		assertThat(list).containsEntry("products", List.of("postgresql", "sqlite"))
			.containsEntry("totals", Map.of("servers", 0, "templates", 0, "routes", 1));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			Sec-Fetch-Site | cross-site | 403
			Sec-Fetch-Site | same-site | 403
			Sec-Fetch-Site | none | 403
			Sec-Fetch-Site | same-origin | 200
			Origin | https://evil.example | 403
			Origin | null | 403
			Origin | http://localhost:1 | 403
			Content-Type | text/plain | 403
			Content-Type | application/x-www-form-urlencoded | 403
			Content-Type | application/json;charset=UTF-8 | 200
			""")
	void isNotMadeUseOfByOtherSites(String header, String value, int status) throws Exception {
		start(Protected.class, WRITABLE);
		assertThat(this.application.post("/datasources/api/sources/lisbon/drain", "olga", "{}", header, value)
			.statusCode()).isEqualTo(status);
	}

	@Test
	void wantsTheHeaderThatNoFormSends() throws Exception {
		start(Protected.class, WRITABLE);
		HttpResponse<String> response = this.application
			.send(this.application.request(this.application.port(), "/datasources/api/sources/lisbon/drain", "olga")
				.header("Content-Type", "application/json")
				.POST(java.net.http.HttpRequest.BodyPublishers.ofString("{}"))
				.build());
		assertThat(response.statusCode()).isEqualTo(403);
		assertThat(response.body()).contains("X-Datasources-Page");
		assertThat(this.application
			.post("/datasources/api/sources/lisbon/drain", "olga", "{}", "Origin",
					"http://localhost:" + this.application.port())
			.statusCode()).isEqualTo(200);
	}

	@Test
	@SuppressWarnings("unchecked")
	void sendsSpringSecuritysTokenAlong() throws Exception {
		start(WithTokens.class, WRITABLE);
		// Spring Boot's page of errors asks for a login as well.
		assertThat(this.application.post("/datasources/api/sources/lisbon/drain", "olga", "{}").statusCode()).isIn(401,
				403);
		Map<String, Object> session = this.application.json("/datasources/api/session", "olga");
		Map<String, Object> csrf = (Map<String, Object>) session.get("csrf");
		assertThat(this.application
			.post("/datasources/api/sources/lisbon/drain", "olga", "{}", (String) csrf.get("header"),
					(String) csrf.get("token"))
			.statusCode()).isEqualTo(200);
	}

	@Test
	void opensNothingByLooking() throws Exception {
		start(Protected.class, "app.tenancy.catalog.poll-interval=1h");
		for (int i = 0; i < 5; i++) {
			for (String path : List.of("", "/", "/api/session", "/api/sources?sort=active", "/api/sources/lisbon",
					"/api/tenants/lisbon", "/api/sources?search=port&state=cold")) {
				assertThat(this.application.get("/datasources" + path, "olga").statusCode()).isLessThan(400);
			}
		}
		assertThat(this.application.bean(SourceRegistry.class).sources())
			.allSatisfy((source) -> assertThat(source.state()).isInstanceOf(SourceState.Cold.class));
		assertThat(this.directory).isEmptyDirectory();
	}

	@Test
	void doesNotAskWhereTenantsWereMapped() throws Exception {
		start(WithMappings.class);
		assertThat(this.application.get("/datasources/api/sources/lisbon", "olga").body()).doesNotContain("tenants");
		assertThat(this.application.bean(WithMappings.Kept.class).loads).hasValue(0);
		assertThat(this.application.get("/datasources/api/tenants/ada", "olga").body())
			.contains("\"rule\":\"mapping\"");
		assertThat(this.application.get("/datasources/api/sources/lisbon", "olga").body())
			.contains("\"tenants\":[\"ada\"]");
		assertThat(this.application.bean(WithMappings.Kept.class).loads).hasValue(1);
	}

	@Test
	void asksForNoTenant() throws Exception {
		start(Protected.class, "app.tenancy.web.resolvers=header");
		HttpResponse<String> response = this.application
			.send(this.application.request(this.application.port(), "/datasources/api/sources", "olga")
				.header("X-Tenant-Id", "nobody")
				.build());
		assertThat(response.statusCode()).isEqualTo(200);
	}

	@Test
	void whatIsAtItsPathOnTheApplicationsOwnPortHasATenant() throws Exception {
		start(Protected.class, "app.tenancy.web.resolvers=header", "management.server.port=0");
		for (String path : List.of("/datasources/mine", "/actuator/mine")) {
			HttpResponse<String> response = this.application
				.send(this.application.request(this.application.port(), path, "olga")
					.header("X-Tenant-Id", "no such thing")
					.build());
			assertThat(response.statusCode()).as(path).isEqualTo(400);
		}
	}

	@Test
	@SuppressWarnings("unchecked")
	void remembersConnectionsWhileSomebodyLooks() throws Exception {
		start(Protected.class);
		SourceRegistry registry = this.application.bean(SourceRegistry.class);
		assertThat(
				(Map<String, Object>) this.application.json("/datasources/api/sources/lisbon", "olga").get("samples"))
			.containsEntry("active", List.of());
		try (var scope = SourceContext.enter("lisbon"); var connection = registry.get("lisbon").getConnection()) {
			org.awaitility.Awaitility.await().untilAsserted(() -> {
				this.application.get("/datasources/api/sources", "olga");
				assertThat((List<Object>) ((Map<String, Object>) this.application
					.json("/datasources/api/sources/lisbon", "olga")
					.get("samples")).get("active")).contains(1);
			});
		}
	}

	@Test
	@SuppressWarnings("unchecked")
	void putsWhatIsBrokenFirst() throws Exception {
		start(Protected.class, "app.datasources.faro.url=jdbc:sqlite:/no/such/directory/faro.db");
		SourceRegistry registry = this.application.bean(SourceRegistry.class);
		try {
			registry.get("faro").getConnection().close();
		}
		catch (Exception ex) {
			// As it should.
		}
		Map<String, Object> overview = this.application.json("/datasources/api/sources", "olga");
		Map<String, Object> list = (Map<String, Object>) overview.get("list");
		assertThat((List<Map<String, Object>>) list.get("sources")).first().extracting("name").isEqualTo("faro");
		assertThat((List<Map<String, Object>>) overview.get("broken")).singleElement()
			.extracting("name")
			.isEqualTo("faro");
		overview = this.application.json("/datasources/api/sources?search=lisbon", "olga");
		assertThat((List<Map<String, Object>>) overview.get("broken")).singleElement()
			.extracting("name")
			.isEqualTo("faro");
		assertThat((Map<String, Object>) overview.get("states")).containsEntry("unavailable", 1)
			.containsEntry("cold", 2);
	}

	@Test
	void understandsItselfHoweverTheApplicationHasItsJson() throws Exception {
		start(Protected.class, WRITABLE, "spring.jackson.property-naming-strategy=SNAKE_CASE",
				"app.datasources.lisbon.attributes.display-name=Lisboa");
		assertThat(this.application.get("/datasources/api/sources", "olga").body())
			.contains("\"displayName\":\"Lisboa\"", "\"readOnly\":false");
	}

	@Test
	void tellsNoSecrets() throws Exception {
		start(Protected.class, WRITABLE,
				"app.datasources.faro.url=jdbc:postgresql://localhost:1/x?password=s3cret&user=u",
				"app.datasources.faro.password=s3cret", "app.datasources.faro.attributes.token=s3cret");
		assertThat(this.application.get("/datasources/api/sources/faro", "olga").body()).contains("faro")
			.doesNotContain("s3cret");
		HttpResponse<String> added = this.application.post("/datasources/api/sources", "olga",
				"{'name':'x','url':'jdbc:h2:mem:x','password':'s3cret'}");
		assertThat(added.body()).doesNotContain("s3cret");
		assertThat(this.application.post("/datasources/api/sources", "olga", "{'name':['s3cret']}").body())
			.doesNotContain("s3cret");
	}

}
