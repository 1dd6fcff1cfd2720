package io.multidb.web;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Principal;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import java.util.stream.Stream;

import javax.sql.DataSource;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequestEvent;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.MDC;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.tomcat.TomcatContextCustomizer;
import org.springframework.boot.web.error.ErrorAttributeOptions;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.boot.web.servlet.ServletRegistrationBean;
import org.springframework.boot.webmvc.error.DefaultErrorAttributes;
import org.springframework.boot.webmvc.error.ErrorAttributes;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.mock.web.MockFilterChain;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.mock.web.MockHttpServletResponse;
import org.springframework.mock.web.MockServletContext;
import org.springframework.security.authentication.TestingAuthenticationToken;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.context.request.WebRequest;
import org.springframework.web.context.request.async.DeferredResult;
import org.springframework.web.filter.OncePerRequestFilter;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.servlet.ModelAndView;

import io.multidb.InvalidTenantException;
import io.multidb.NoTenantException;
import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.access.TaskUser;
import io.multidb.access.UserContext;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

/**
 * Requests through a real Tomcat to real databases.
 */
class TenantWebTests {

	/** Nothing listens there, and its name must reach nobody. */
	private static final String DEAD = "jdbc:postgresql://localhost:1/secret_database?user=secret_user&password=s3cret";

	@TempDir
	private static Path directory;

	/** An application per configuration, as starting one takes its time. */
	private static final Map<List<?>, WebApplication> applications = new HashMap<>();

	private WebApplication application;

	@AfterAll
	static void stop() {
		applications.values().forEach(WebApplication::close);
		applications.clear();
	}

	// Resolvers

	@Test
	void noResolverIsActiveUntilItIsConfigured() throws IOException {
		start();
		assertThat(get("/tenant", "X-Tenant-Id: lisbon").body()).isEqualTo("none");
	}

	@Test
	void aHeaderNamesTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/tenant", "X-Tenant-Id: lisbon").body()).isEqualTo("lisbon");
		assertThat(get("/tenant", "x-tenant-id: porto").body()).isEqualTo("porto");
		assertThat(get("/tenant").body()).isEqualTo("none");
	}

	@ParameterizedTest
	@CsvSource({ "header, X-Tenant-Id", "'path,cookie', Cookie", "session, Cookie",
			"'session,header,cookie', 'Cookie, X-Tenant-Id'", "path,", "principal," })
	void cachesOnTheWayAreToldWhatDecides(String resolvers, String vary) throws IOException {
		start("app.tenancy.web.resolvers=" + resolvers, "app.tenancy.web.path.pattern=/shops/{tenant}/**",
				"app.tenancy.web.exclude=/mdc");
		assertThat(get("/tenant").headers().get("vary")).isEqualTo(vary);
		assertThat(get("/tenant", "X-Tenant-Id: lisbon", "Cookie: tenant=lisbon").headers().get("vary"))
			.isEqualTo(vary);
		assertThat(get("/mdc").headers()).doesNotContainKey("vary");
	}

	@Test
	void theHeadersNameCanBeSet() throws IOException {
		start("app.tenancy.web.resolvers=header", "app.tenancy.web.header.name=X-Court");
		assertThat(get("/tenant", "X-Court: lisbon", "X-Tenant-Id: porto").body()).isEqualTo("lisbon");
	}

	@Test
	void oneHeaderTwiceWithOneValueIsOneTenant() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/tenant", "X-Tenant-Id: lisbon", "X-Tenant-Id: lisbon").body()).isEqualTo("lisbon");
	}

	@Test
	void oneHeaderWithTwoValuesIsRefused() throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/tenant", "X-Tenant-Id: lisbon", "X-Tenant-Id: porto");
		assertThat(response.status()).isEqualTo(400);
		assertThat(response.contentType()).isEqualTo("application/problem+json");
		assertThat(response.body()).contains("more than one header 'X-Tenant-Id'");
	}

	@Test
	void aCookieNamesTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=cookie");
		assertThat(get("/tenant", "Cookie: theme=dark; tenant=lisbon").body()).isEqualTo("lisbon");
		assertThat(get("/tenant", "Cookie: theme=dark").body()).isEqualTo("none");
		assertThat(get("/tenant").body()).isEqualTo("none");
	}

	@Test
	void oneCookieWithTwoValuesIsRefused() throws IOException {
		start("app.tenancy.web.resolvers=cookie");
		assertThat(get("/tenant", "Cookie: tenant=lisbon; tenant=porto").status()).isEqualTo(400);
	}

	@Test
	void theSessionNamesTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=session");
		RawHttp login = get("/login/lisbon");
		assertThat(login.body()).isEqualTo("none");
		String cookie = cookie(login);
		assertThat(get("/tenant", "Cookie: " + cookie).body()).isEqualTo("lisbon");
	}

	@Test
	void noSessionIsCreatedToLookForATenant() throws IOException {
		start("app.tenancy.web.resolvers=session");
		assertThat(get("/tenant").headers()).doesNotContainKey("set-cookie");
	}

	@ParameterizedTest
	@CsvSource({ "lisbon.example.com,lisbon", "LISBON.Example.COM:8080,lisbon", "example.com,none", "lisbon.org,none",
			"lisbonexample.com,none" })
	void aSubdomainNamesTheTenant(String host, String tenant) throws IOException {
		start("app.tenancy.web.resolvers=subdomain", "app.tenancy.web.subdomain.domain=example.com");
		assertThat(get("/tenant", "Host: " + host).body()).isEqualTo(tenant);
	}

	@Test
	void aPathNamesTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=path", "app.tenancy.web.path.pattern=/shops/{tenant}/**");
		assertThat(get("/shops/lisbon/tenant").body()).isEqualTo("lisbon");
		assertThat(get("/shops/%6cisbon/tenant").body()).isEqualTo("lisbon");
		assertThat(get("/tenant").body()).isEqualTo("none");
	}

	@Test
	void aPathBelowTheContextPathNamesTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=path", "app.tenancy.web.path.pattern=/shops/{tenant}/**",
				"server.servlet.context-path=/app");
		assertThat(get("/app/shops/lisbon/tenant").body()).isEqualTo("lisbon");
	}

	@Test
	void thePrincipalsNameIsTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=principal");
		assertThat(get("/tenant", "X-User: lisbon").body()).isEqualTo("lisbon");
		assertThat(get("/tenant").body()).isEqualTo("none");
	}

	@Test
	void aClaimOfThePrincipalIsTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=principal", "app.tenancy.web.principal.claim=court");
		assertThat(get("/tenant", "X-User: ada", "X-Claim: lisbon").body()).isEqualTo("lisbon");
		assertThat(get("/tenant", "X-User: ada").body()).isEqualTo("none");
	}

	@Test
	void resolversAreAskedInTheConfiguredOrder() throws IOException {
		start("app.tenancy.web.resolvers=cookie,header");
		assertThat(get("/tenant", "X-Tenant-Id: porto", "Cookie: tenant=lisbon").body()).isEqualTo("lisbon");
		assertThat(get("/tenant", "X-Tenant-Id: porto").body()).isEqualTo("porto");
	}

	@Test
	void aBeanThatIsNotNamedIsAskedFirst() throws IOException {
		start(OwnResolver.class, "app.tenancy.web.resolvers=header");
		assertThat(get("/tenant?own=lisbon", "X-Tenant-Id: porto").body()).isEqualTo("lisbon");
		assertThat(get("/tenant", "X-Tenant-Id: porto").body()).isEqualTo("porto");
	}

	@Test
	void aBeanThatIsNamedIsAskedAtItsPlace() throws IOException {
		start(OwnResolver.class, "app.tenancy.web.resolvers=header,byParameter");
		assertThat(get("/tenant?own=lisbon", "X-Tenant-Id: porto").body()).isEqualTo("porto");
		assertThat(get("/tenant?own=lisbon").body()).isEqualTo("lisbon");
	}

	@Test
	void aBeanOfAnotherTypeDoesNotStandInAResolversWay() throws IOException {
		start(NamedLikeAResolver.class, "app.tenancy.web.resolvers=header");
		assertThat(get("/tenant", "X-Tenant-Id: lisbon").body()).isEqualTo("lisbon");
	}

	@ParameterizedTest
	@CsvSource(quoteCharacter = '"',
			value = { "path.pattern=/shops/{tenants}/**,has no variable {tenant}",
					"path.pattern=/{tenant}/{,is no path pattern", "exclude=/{,is no path pattern",
					"subdomain.domain=.example.com,is no domain", "resolvers=jdbcClient,is no TenantResolver" })
	void whatAResolverCannotReadFailsTheStart(String property, String mistake) {
		assertThatThrownBy(
				() -> start("app.tenancy.web.resolvers=path,subdomain", "app.tenancy.web.path.pattern=/{tenant}",
						"app.tenancy.web.subdomain.domain=example.com", "app.tenancy.web." + property))
			.rootCause()
			.satisfies((ex) -> assertThat(describe(ex)).contains("app.tenancy.web", mistake));
	}

	// Tenants that are none

	@ParameterizedTest
	@ValueSource(strings = { "", "   ", "../x", "a/b", "a\0b", "a\"b", "a'b", "%2e", "%2e%2e%2fx", ".hidden", "lisbоn",
			"ｌisbon", "a b", "a;b", "a,b", "a\\b", "main'--" })
	void aMalformedIdIsRefusedAndNothingIsMade(String id) throws IOException {
		start("app.tenancy.web.resolvers=header");
		List<Path> before = files();
		assertThat(get("/count", "X-Tenant-Id: " + id).status()).isEqualTo(400);
		assertThat(files()).isEqualTo(before);
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "../x", "a\"b", "lisbоn" })
	void aMalformedIdIsAnsweredWithAProblem(String id) throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/count", "X-Tenant-Id: " + id, "Accept: text/html");
		assertThat(response.contentType()).isEqualTo("application/problem+json");
		assertThat(response.body()).contains("\"status\":400", "Invalid tenant id");
	}

	@Test
	void anIdOf300CharactersIsRefusedAndNotEchoedWhole() throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/count", "X-Tenant-Id: " + "a".repeat(300));
		assertThat(response.status()).isEqualTo(400);
		assertThat(response.body()).contains("length 300").doesNotContain("a".repeat(65));
	}

	@ParameterizedTest
	@ValueSource(strings = { "/shops/%2e%2e%2fx/tenant", "/shops/a%2fb/tenant", "/shops/a%00b/tenant",
			"/shops/%252e/tenant", "/shops/%22/tenant", "/shops/ｌisbon/tenant" })
	void aMalformedIdInAPathIsRefused(String path) throws IOException {
		start("app.tenancy.web.resolvers=path", "app.tenancy.web.path.pattern=/shops/{tenant}/**");
		assertThat(get(path).status()).isEqualTo(400);
	}

	@Test
	void anIdThatDiffersInCaseIsAnother() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/count", "X-Tenant-Id: Lisbon").status()).isEqualTo(404);
	}

	@Test
	void aRequestWithoutTenantIsRefusedWhereItNeedsADatabase() throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/count");
		assertThat(response.status()).isEqualTo(400);
		assertThat(response.contentType()).isEqualTo("application/problem+json");
		assertThat(response.body()).contains("The request names no tenant.");
	}

	@Test
	void anUnknownTenantIsNotFound() throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/count", "X-Tenant-Id: faro");
		assertThat(response.status()).isEqualTo(404);
		assertThat(response.contentType()).isEqualTo("application/problem+json");
		assertThat(response.body()).contains("Unknown tenant 'faro'.").doesNotContain("route");
	}

	@Test
	void aTenantWhoseSourceWasRemovedIsNotFoundAndItsFileDoesNotComeBack() throws IOException {
		Path file = directory.resolve("evora.db");
		start("app.tenancy.web.resolvers=header", "app.datasources.evora.url=jdbc:sqlite:" + file);
		assertThat(get("/count", "X-Tenant-Id: evora").status()).isEqualTo(200);
		assertThat(this.application.bean(SourceRegistry.class).remove("evora")).isTrue();
		assertThat(get("/count", "X-Tenant-Id: evora").status()).isEqualTo(404);
		await().until(() -> Files.deleteIfExists(file));
		assertThat(get("/count", "X-Tenant-Id: evora").status()).isEqualTo(404);
		assertThat(file).doesNotExist();
		assertThat(get("/count", "X-Tenant-Id: lisbon").status()).isEqualTo(200);
	}

	@Test
	void aKnownTenantIsServed() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/count", "X-Tenant-Id: lisbon").body()).isEqualTo("1");
	}

	// Sources that fail

	@ParameterizedTest
	@ValueSource(strings = { "/count", "/transaction", "/servlet", "/servlet-io", "/count/async" })
	void anUnavailableSourceIsSaidSoWithoutInnerDetails(String path) throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get(path, "X-Tenant-Id: dead");
		assertThat(response.status()).isEqualTo(503);
		assertThat(Integer.parseInt(response.headers().get("retry-after"))).isBetween(1, 60);
		assertThat(response.contentType()).isEqualTo("application/problem+json");
		assertThat(response.body()).contains("'dead' is unavailable").doesNotContain("localhost", "secret", "s3cret");
	}

	@Test
	void aFilterOutsideMvcIsAnsweredForToo() throws IOException {
		start(DatabaseFilter.class, "app.tenancy.web.resolvers=header");
		assertThat(get("/tenant", "X-Tenant-Id: faro").status()).isEqualTo(404);
	}

	@Test
	void aCommittedResponseIsNotWrittenInto() throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/servlet-committed", "X-Tenant-Id: dead");
		assertThat(response.status()).isEqualTo(200);
		assertThat(response.body()).contains("begun").doesNotContain("unavailable", "secret");
	}

	@Test
	void theApplicationsOwnHandlerWins() throws IOException {
		start(OwnHandler.class, "app.tenancy.web.resolvers=header");
		assertThat(get("/count").body()).isEqualTo("own: no tenant");
		assertThat(get("/tenant", "X-Tenant-Id: ../x").body()).isEqualTo("own: invalid");
		assertThat(get("/count", "X-Tenant-Id: faro").status()).isEqualTo(404);
	}

	@Test
	void anOwnHandlerThatAnswersWithAViewLeavesTheStatus() throws IOException {
		start(OwnView.class, "app.tenancy.web.resolvers=header");
		assertThat(get("/tenant", "X-Tenant-Id: ../x").status()).isEqualTo(400);
	}

	@ParameterizedTest
	@ValueSource(strings = { "/status-exception", "/annotated-exception" })
	void anExceptionThatHasAStatusKeepsIt(String path) throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get(path).status()).isEqualTo(409);
	}

	@Test
	void otherFailuresAreNotOurs() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/broken", "X-Tenant-Id: lisbon").status()).isEqualTo(500);
	}

	// Paths without tenants

	@Test
	void theActuatorNeedsNoTenant() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/actuator/health", "X-Tenant-Id: ../x").body()).contains("\"status\"");
	}

	@Test
	void theActuatorNeedsNoTenantAtAnotherPath() throws IOException {
		start("app.tenancy.web.resolvers=header", "management.endpoints.web.base-path=/manage/");
		assertThat(get("/manage/health", "X-Tenant-Id: ../x").body()).contains("\"status\"");
		assertThat(get("/tenant", "X-Tenant-Id: ../x").status()).isEqualTo(400);
	}

	@Test
	void anActuatorAtTheRootLeavesOtherPathsTheirTenants() throws IOException {
		start("app.tenancy.web.resolvers=header", "management.endpoints.web.base-path=/");
		assertThat(get("/tenant", "X-Tenant-Id: lisbon").body()).isEqualTo("lisbon");
	}

	@Test
	void otherPathsCanBeExcluded() throws IOException {
		start("app.tenancy.web.resolvers=header", "app.tenancy.web.exclude=/tenant/**");
		assertThat(get("/tenant", "X-Tenant-Id: ../x").body()).isEqualTo("none");
	}

	// Threads

	@ParameterizedTest
	@ValueSource(strings = { "/tenant", "/broken", "/count", "/servlet", "/nowhere", "/callable", "/deferred" })
	void noTenantStaysOnTheThread(String path) throws IOException {
		start("app.tenancy.web.resolvers=header", "server.tomcat.threads.max=1", "server.tomcat.threads.min-spare=1");
		get(path, "X-Tenant-Id: lisbon");
		get(path, "X-Tenant-Id: dead");
		assertThat(get("/tenant").body()).isEqualTo("none");
		assertThat(get("/mdc").body()).isEqualTo("none");
	}

	@Test
	void theLogsContextKnowsTheTenant() throws IOException {
		start("app.tenancy.web.resolvers=header");
		assertThat(get("/mdc", "X-Tenant-Id: lisbon").body()).isEqualTo("lisbon");
	}

	@ParameterizedTest
	@ValueSource(strings = { "/callable", "/deferred" })
	void theSecondHalfOfAnAsynchronousRequestKnowsTheTenant(String path) throws IOException {
		start(WebApplication.LateTenant.class, "app.tenancy.web.resolvers=header");
		assertThat(get(path, "X-Tenant-Id: lisbon").headers()).containsEntry("x-tenant-when-written", "lisbon");
	}

	@Test
	void theSecondHalfKeepsTheTenantOfTheFirst() throws IOException {
		start(WebApplication.LateTenant.class, "app.tenancy.web.resolvers=session");
		String cookie = cookie(get("/login/lisbon"));
		assertThat(get("/deferred/login/porto", "Cookie: " + cookie).headers()).containsEntry("x-tenant-when-written",
				"lisbon");
	}

	@Test
	void aScopeThatIsLeftOpenEndsWithItsRequest() throws IOException {
		start("app.tenancy.web.resolvers=header", "server.tomcat.threads.max=1", "server.tomcat.threads.min-spare=1");
		get("/forget/lisbon");
		assertThat(get("/tenant").body()).isEqualTo("none");
		get("/forget/lisbon", "X-Tenant-Id: porto");
		assertThat(get("/tenant").body()).isEqualTo("none");
	}

	@Test
	void aForwardIsForTheRequestsTenantWhateverTheContainerTellsOfIt() throws IOException {
		start(TellsOfForwards.class, "app.tenancy.web.resolvers=header");
		assertThat(get("/forward", "X-Tenant-Id: lisbon").body()).isEqualTo("lisbon");
	}

	@ParameterizedTest
	@CsvSource({ "/broken, lisbon, tenant 'lisbon'", "/nowhere, lisbon, tenant 'lisbon'",
			"/send-error, faro, tenant 'faro'", "/send-error, , no tenant", "/tenant?fail, lisbon, no tenant" })
	void theErrorPageIsForTheRequestsTenant(String path, String tenant, String target) throws IOException {
		start(TellingErrors.class, "app.tenancy.web.resolvers=header", "app.tenancy.no-tenant=porto");
		RawHttp response = (tenant != null) ? get(path, "X-Tenant-Id: " + tenant, "Accept: application/json")
				: get(path, "Accept: application/json");
		assertThat(response.body()).contains("\"target\":\"" + target + "\"");
	}

	@Test
	void aUserWhoWasLeftOnTheThreadIsNobody() {
		TaskUser nobody = TaskUser.current();
		try (TaskUser.Span left = UserContext.call("ada", TaskUser::current).enter()) {
			assertThat(TaskUser.current()).isNotEqualTo(nobody);
			new ForgottenTarget()
				.requestInitialized(new ServletRequestEvent(new MockServletContext(), new MockHttpServletRequest()));
			assertThat(TaskUser.current()).isEqualTo(nobody);
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "app.tenancy.web.resolvers=header" })
	void aScopeThatIsLeftOpenOnTheThreadBeforeTheFilterIsNobodys(String resolvers) throws IOException {
		start(Careless.class, "server.tomcat.threads.max=1", "server.tomcat.threads.min-spare=1", resolvers);
		assertThat(get("/tenant?forget=lisbon").body()).isEqualTo("lisbon");
		assertThat(get("/tenant").body()).isEqualTo("none");
		assertThat(get("/mdc").body()).isEqualTo("none");
		assertThat(get("/tenant?forget=porto").body()).isEqualTo("porto");
		assertThat(get("/tenant?enter=lisbon").body()).as("Entered rightly").isEqualTo("lisbon");
		assertThat(get("/deferred?enter=lisbon").headers()).containsEntry("x-tenant-when-written", "lisbon");
		assertThat(get("/tenant?forget=porto").body()).isEqualTo("porto");
		assertThat(get("/deferred").headers()).containsEntry("x-tenant-when-written", "null");
	}

	@Test
	void theErrorPageHasNoTenant() throws IOException {
		start("app.tenancy.web.resolvers=header");
		RawHttp response = get("/send-error", "X-Tenant-Id: lisbon", "Accept: application/json");
		assertThat(response.status()).isEqualTo(418);
		assertThat(response.body()).contains("\"status\":418");
	}

	// Without MVC's exception handlers

	@Test
	void withoutExceptionHandlersTheContainerAnswers() throws Exception {
		TenantFilter filter = new TenantFilter(List.of(TenantResolvers.header("X-Tenant-Id")), List.of(), null);
		MockHttpServletRequest request = new MockHttpServletRequest("GET", "/");
		request.addHeader("X-Tenant-Id", "../x");
		MockHttpServletResponse response = new MockHttpServletResponse();
		filter.doFilter(request, response, new MockFilterChain());
		assertThat(response.getStatus()).isEqualTo(400);
	}

	private RawHttp get(String target, String... headers) throws IOException {
		return this.application.get(target, headers);
	}

	private void start(String... properties) {
		start(Application.class, properties);
	}

	private void start(Class<?> configuration, String... properties) {
		List<String> all = new ArrayList<>(List.of(properties));
		all.add("app.datasources.dead.url=" + DEAD);
		this.application = applications.computeIfAbsent(List.of(configuration, all), (key) -> WebApplication
			.start(directory, List.of(Application.class, configuration), all.toArray(String[]::new)));
	}

	private static String cookie(RawHttp response) {
		String cookie = response.headers().get("set-cookie");
		return cookie.substring(0, cookie.indexOf(';'));
	}

	private static String describe(Throwable failure) {
		return failure + " " + failure.getMessage();
	}

	private List<Path> files() throws IOException {
		try (Stream<Path> files = Files.list(directory)) {
			return files.sorted().toList();
		}
	}

	@Configuration(proxyBeanMethods = false)
	@Import(Endpoints.class)
	static class Application {

		/** Stands where Spring Security does. */
		@Bean
		FilterRegistrationBean<OncePerRequestFilter> login() {
			FilterRegistrationBean<OncePerRequestFilter> registration = new FilterRegistrationBean<>(
					new OncePerRequestFilter() {
						@Override
						protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response,
								FilterChain chain) throws ServletException, IOException {
							String user = request.getHeader("X-User");
							chain.doFilter((user != null) ? new LoggedIn(request, user) : request, response);
						}
					});
			registration.setOrder(-100);
			return registration;
		}

		@Bean
		ServletRegistrationBean<HttpServlet> servlet(DataSource dataSource) {
			return new ServletRegistrationBean<>(servlet((request, response) -> connect(dataSource)), "/servlet");
		}

		@Bean
		ServletRegistrationBean<HttpServlet> servletIo(DataSource dataSource) {
			ServletRegistrationBean<HttpServlet> registration = new ServletRegistrationBean<>(
					servlet((request, response) -> {
						try {
							connect(dataSource);
						}
						catch (ServletException ex) {
							throw new IOException(ex.getRootCause());
						}
					}), "/servlet-io");
			registration.setName("servletIo");
			return registration;
		}

		@Bean
		ServletRegistrationBean<HttpServlet> servletCommitted(DataSource dataSource) {
			ServletRegistrationBean<HttpServlet> registration = new ServletRegistrationBean<>(
					servlet((request, response) -> {
						response.getWriter().write("begun");
						response.flushBuffer();
						connect(dataSource);
					}), "/servlet-committed");
			registration.setName("servletCommitted");
			return registration;
		}

		private static HttpServlet servlet(Work work) {
			return new HttpServlet() {

				@Serial
				private static final long serialVersionUID = 1L;

				@Override
				protected void doGet(HttpServletRequest request, HttpServletResponse response)
						throws ServletException, IOException {
					work.run(request, response);
				}

			};
		}

		static void connect(DataSource dataSource) throws ServletException {
			try {
				dataSource.getConnection().close();
			}
			catch (SQLException ex) {
				throw new ServletException(ex);
			}
		}

	}

	private interface Work {

		void run(HttpServletRequest request, HttpServletResponse response) throws ServletException, IOException;

	}

	private static final class LoggedIn extends HttpServletRequestWrapper {

		private final String user;

		LoggedIn(HttpServletRequest request, String user) {
			super(request);
			this.user = user;
		}

		@Override
		public Principal getUserPrincipal() {
			Jwt.Builder token = Jwt.withTokenValue("token").header("alg", "none").subject(this.user);
			if (getHeader("X-Claim") != null) {
				token.claim("court", getHeader("X-Claim"));
			}
			return new TestingAuthenticationToken(getHeader("X-Claim") != null ? token.build() : this.user, null);
		}

	}

	@RestController
	static class Endpoints {

		@Autowired
		private JdbcClient jdbc;

		@Autowired
		private TransactionTemplate transaction;

		@GetMapping({ "/tenant", "/shops/{tenant}/tenant" })
		String tenant() {
			String tenant = TenantContext.current();
			return (tenant != null) ? tenant : "none";
		}

		@GetMapping("/forget/{name}")
		void forget(@PathVariable String name) {
			Scope forgotten = TenantContext.enter(name);
			assertThat(forgotten).isNotNull();
		}

		@GetMapping("/mdc")
		String mdc() {
			String tenant = MDC.get("tenant");
			return (tenant != null) ? tenant : "none";
		}

		@GetMapping("/forward")
		void forward(HttpServletRequest request, HttpServletResponse response) throws ServletException, IOException {
			request.getRequestDispatcher("/tenant").forward(request, response);
		}

		@GetMapping("/login/{name}")
		String login(@PathVariable String name, HttpSession session) {
			session.setAttribute("tenant", name);
			return tenant();
		}

		@GetMapping("/count")
		String count() {
			return String.valueOf(this.jdbc.sql("select 1").query(Integer.class).single());
		}

		@GetMapping("/transaction")
		String transaction() {
			return this.transaction.execute((status) -> count());
		}

		@GetMapping("/count/async")
		Callable<String> countAsync() {
			String tenant = TenantContext.require();
			return () -> TenantContext.call(tenant, this::count);
		}

		@GetMapping("/callable")
		Callable<String> callable() {
			return () -> "done";
		}

		@GetMapping({ "/deferred", "/deferred/login/{name}" })
		DeferredResult<String> deferred(HttpServletRequest request, @PathVariable(required = false) String name) {
			if (name != null) {
				request.getSession().setAttribute("tenant", name);
			}
			DeferredResult<String> result = new DeferredResult<>();
			CompletableFuture<Void> unused = CompletableFuture.runAsync(() -> result.setResult("done"));
			return result;
		}

		@GetMapping("/broken")
		String broken() {
			throw new IllegalStateException("broken");
		}

		@GetMapping("/status-exception")
		String statusException() {
			throw new ResponseStatusException(HttpStatus.CONFLICT, "mine", new UnknownTenantException("x", "Gone."));
		}

		@GetMapping("/annotated-exception")
		String annotatedException() {
			throw new Conflict(new NoTenantException("none"));
		}

		@GetMapping("/send-error")
		void sendError(HttpServletResponse response) throws IOException {
			response.sendError(418);
		}

	}

	@ResponseStatus(HttpStatus.CONFLICT)
	static class Conflict extends RuntimeException {

		@Serial
		private static final long serialVersionUID = 1L;

		Conflict(Throwable cause) {
			super(cause);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnResolver {

		@Bean
		TenantResolver byParameter() {
			return (request) -> request.getParameter("own");
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class TellsOfForwards {

		@Bean
		TomcatContextCustomizer tellsOfForwards() {
			return (context) -> context.setFireRequestListenersOnForwards(true);
		}

	}

	/** Whose error page says whose it is. */
	@Configuration(proxyBeanMethods = false)
	static class TellingErrors {

		@Bean
		TenantResolver failing() {
			return (request) -> {
				if (request.getParameter("fail") != null) {
					throw new IllegalStateException("on purpose");
				}
				return null;
			};
		}

		@Bean
		ErrorAttributes errorAttributes() {
			return new DefaultErrorAttributes() {
				@Override
				public Map<String, Object> getErrorAttributes(WebRequest request, ErrorAttributeOptions options) {
					Map<String, Object> attributes = super.getErrorAttributes(request, options);
					attributes.put("target", Target.current().toString());
					return attributes;
				}
			};
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class NamedLikeAResolver {

		@Bean
		Supplier<String> header() {
			return () -> "another";
		}

	}

	/** A filter of its own before ours, which enters a tenant and may forget it. */
	@Configuration(proxyBeanMethods = false)
	@Import(WebApplication.LateTenant.class)
	static class Careless {

		@Bean
		FilterRegistrationBean<OncePerRequestFilter> careless() {
			FilterRegistrationBean<OncePerRequestFilter> registration = new FilterRegistrationBean<>(
					new OncePerRequestFilter() {
						@Override
						protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response,
								FilterChain chain) throws ServletException, IOException {
							String forgotten = request.getParameter("forget");
							if (forgotten != null) {
								assertThat(TenantContext.enter(forgotten)).isNotNull();
							}
							String entered = request.getParameter("enter");
							try (Scope scope = (entered != null) ? TenantContext.enter(entered)
									: Target.current().enter()) {
								chain.doFilter(request, response);
							}
						}
					});
			registration.setOrder(-200);
			return registration;
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class DatabaseFilter {

		@Bean
		@Order(0)
		OncePerRequestFilter databaseFilter(DataSource dataSource) {
			return new OncePerRequestFilter() {
				@Override
				protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response,
						FilterChain chain) throws ServletException, IOException {
					Application.connect(dataSource);
					chain.doFilter(request, response);
				}
			};
		}

	}

	@RestControllerAdvice
	static class OwnHandler {

		@ExceptionHandler
		ResponseEntity<String> handle(NoTenantException ex) {
			return ResponseEntity.status(422).body("own: no tenant");
		}

		@ExceptionHandler
		ResponseEntity<String> handle(InvalidTenantException ex) {
			return ResponseEntity.status(422).body("own: invalid");
		}

	}

	@ControllerAdvice
	static class OwnView {

		@ExceptionHandler
		ModelAndView handle(InvalidTenantException ex) {
			return new ModelAndView("no-such-page", Map.of());
		}

	}

}
