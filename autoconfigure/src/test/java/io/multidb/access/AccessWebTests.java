package io.multidb.access;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.concurrent.Callable;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetails;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Requests of users who have logged in by HTTP basic, through a real Tomcat.
 */
class AccessWebTests {

	@TempDir
	private Path directory;

	private ServletWebServerApplicationContext context;

	private final HttpClient client = HttpClient.newHttpClient();

	@BeforeEach
	void start() {
		this.context = (ServletWebServerApplicationContext) new SpringApplicationBuilder(Application.class)
			.web(WebApplicationType.SERVLET)
			.properties("server.port=0", "spring.main.banner-mode=off", "app.tenancy.web.resolvers=header",
					"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"))
			.run();
	}

	@AfterEach
	void stop() {
		this.context.close();
	}

	private HttpResponse<String> send(String method, String path, String user, String tenant) throws Exception {
		HttpRequest.Builder request = HttpRequest
			.newBuilder(URI.create("http://localhost:" + this.context.getWebServer().getPort() + path))
			.method(method, HttpRequest.BodyPublishers.noBody());
		if (user != null) {
			request.header("Authorization", "Basic "
					+ Base64.getEncoder().encodeToString((user + ":" + user).getBytes(StandardCharsets.UTF_8)));
		}
		if (tenant != null) {
			request.header("X-Tenant-Id", tenant);
		}
		return this.client.send(request.build(), HttpResponse.BodyHandlers.ofString());
	}

	private void isRefused(HttpResponse<String> response, String detail) {
		assertThat(response.statusCode()).isEqualTo(403);
		assertThat(response.headers().firstValue("Content-Type")).hasValue("application/problem+json");
		assertThat(response.body()).contains("\"detail\":\"" + detail + "\"")
			.doesNotContain("lisbon")
			.doesNotContain("permission");
	}

	private void fill() throws Exception {
		Sources.execute(this.context.getBean(SourceRegistry.class).get("lisbon"), "create table t (x int)");
	}

	@Test
	void whoMayUseATenantIsServed() throws Exception {
		fill();
		assertThat(send("GET", "/rows", "ada", "lisbon").body()).isEqualTo("0");
		assertThat(send("POST", "/rows", "ada", "lisbon").body()).isEqualTo("1");
		assertThat(send("GET", "/rows", "grace", "lisbon").body()).isEqualTo("1");
		assertThat(send("GET", "/later", "grace", "lisbon").body()).isEqualTo("grace 1");
	}

	@Test
	void whoMayNotIsRefusedBeforeAnythingIsDone() throws Exception {
		for (String user : new String[] { "bob", null }) {
			isRefused(send("GET", "/tenant", user, "lisbon"), "Access denied.");
			isRefused(send("GET", "/rows", user, "lisbon"), "Access denied.");
			isRefused(send("GET", "/later", user, "lisbon"), "Access denied.");
			assertThat(send("GET", "/of/lisbon", user, null).statusCode()).isEqualTo(403);
		}
		assertThat(this.context.getBean(SourceRegistry.class).get("lisbon").state())
			.isInstanceOf(SourceState.Cold.class);
		assertThat(Files.exists(this.directory.resolve("lisbon.db"))).isFalse();
	}

	@Test
	void whatDoesNotExistIsRefusedAlike() throws Exception {
		assertThat(send("GET", "/rows", "bob", "invented").body())
			.isEqualTo(send("GET", "/rows", "bob", "lisbon").body());
		assertThat(send("GET", "/of/invented", "bob", null).statusCode()).isEqualTo(403);
	}

	@Test
	void aReadersWriteIsRefused() throws Exception {
		fill();
		isRefused(send("POST", "/rows", "grace", "lisbon"), "Access to write denied.");
		assertThat(send("GET", "/rows", "grace", "lisbon").body()).isEqualTo("0");
	}

	@Test
	void whatIsTakenAwayIsGoneWithTheNextRequest() throws Exception {
		fill();
		assertThat(send("GET", "/rows", "grace", "lisbon").statusCode()).isEqualTo(200);
		this.context.getBean(TestGrants.class).revoke("grace", "lisbon");
		isRefused(send("GET", "/rows", "grace", "lisbon"), "Access denied.");
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class Application {

		@Bean
		SecurityFilterChain security(HttpSecurity http) throws Exception {
			return http.authorizeHttpRequests((requests) -> requests.anyRequest().permitAll())
				.csrf((csrf) -> csrf.disable())
				.httpBasic(Customizer.withDefaults())
				.build();
		}

		@Bean
		UserDetailsService users() {
			return new InMemoryUserDetailsManager(user("ada"), user("grace"), user("bob"));
		}

		private static UserDetails user(String name) {
			return User.withUsername(name).password("{noop}" + name).roles("USER").build();
		}

		@Bean
		TestGrants grants() {
			return new TestGrants().admin("ada", "lisbon").read("grace", "lisbon");
		}

		@Bean
		Controller controller(JdbcClient jdbc, Access access) {
			return new Controller(jdbc, access);
		}

	}

	@RestController
	static class Controller {

		private final JdbcClient jdbc;

		private final Access access;

		Controller(JdbcClient jdbc, Access access) {
			this.jdbc = jdbc;
			this.access = access;
		}

		@GetMapping("/tenant")
		String tenant() {
			return TenantContext.require();
		}

		@GetMapping("/rows")
		String rows() {
			return this.jdbc.sql("select count(*) from t").query(String.class).single();
		}

		@PostMapping("/rows")
		String write() {
			return String.valueOf(this.jdbc.sql("insert into t values (1)").update());
		}

		@GetMapping("/later")
		Callable<String> later() {
			return () -> this.access.user() + " " + rows();
		}

		@GetMapping("/of/{source}")
		String of(@PathVariable("source") String source) throws IOException {
			return SourceContext.call(source, this::rows);
		}

	}

}
