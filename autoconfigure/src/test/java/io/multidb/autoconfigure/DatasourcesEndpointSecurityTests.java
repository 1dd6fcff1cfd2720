package io.multidb.autoconfigure;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.actuate.audit.AuditEvent;
import org.springframework.boot.actuate.audit.listener.AuditApplicationEvent;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.security.autoconfigure.actuate.web.servlet.EndpointRequest;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;

import io.multidb.access.AccessDecision;
import io.multidb.access.SourceAccess;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The endpoint behind Spring Security, as the guide protects it.
 */
class DatasourcesEndpointSecurityTests {

	@TempDir
	private Path directory;

	private ServletWebServerApplicationContext context;

	private final HttpClient client = HttpClient.newHttpClient();

	@BeforeEach
	void start() {
		this.context = (ServletWebServerApplicationContext) new SpringApplicationBuilder(Application.class)
			.web(WebApplicationType.SERVLET)
			.properties("server.port=0", "spring.main.banner-mode=off",
					"management.endpoints.web.exposure.include=datasources",
					"management.endpoint.datasources.access=unrestricted",
					"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"))
			.run();
	}

	@AfterEach
	void stop() {
		this.context.close();
	}

	private HttpResponse<String> send(String method, String path, String user) throws Exception {
		HttpRequest.Builder request = HttpRequest
			.newBuilder(URI
				.create("http://localhost:" + this.context.getWebServer().getPort() + "/actuator/datasources" + path))
			.header("Content-Type", "application/json")
			.method(method, HttpRequest.BodyPublishers.noBody());
		if (user != null) {
			request.header("Authorization", "Basic "
					+ Base64.getEncoder().encodeToString((user + ":" + user).getBytes(StandardCharsets.UTF_8)));
		}
		return this.client.send(request.build(), HttpResponse.BodyHandlers.ofString());
	}

	@Test
	void onlyOperatorsSeeAndChangeAnything() throws Exception {
		for (String method : List.of("GET", "POST", "DELETE")) {
			assertThat(send(method, "/lisbon", null).statusCode()).isEqualTo(401);
			assertThat(send(method, "/lisbon", "ada").statusCode()).isEqualTo(403);
		}
		assertThat(this.context.getBean(SourceRegistry.class).find("lisbon")).isNotNull();
		assertThat(this.context.getBean(Application.class).events).isEmpty();
	}

	/** The rules are about tenants' data: the operator needs no right to a source. */
	@Test
	void anOperatorIsNotAskedWhatTheRulesSayOfSources() throws Exception {
		assertThat(send("GET", "", "root").body()).contains("\"name\":\"lisbon\"");
		assertThat(send("POST", "/lisbon/drain", "root").statusCode()).isEqualTo(200);
		assertThat(send("DELETE", "/lisbon", "root").statusCode()).isEqualTo(200);
		assertThat(this.context.getBean(Application.class).events).extracting(AuditEvent::getPrincipal)
			.containsExactly("root", "root");
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class Application {

		final List<AuditEvent> events = new CopyOnWriteArrayList<>();

		@EventListener
		void on(AuditApplicationEvent event) {
			if (event.getAuditEvent().getType().startsWith("DATASOURCE")) {
				this.events.add(event.getAuditEvent());
			}
		}

		@Bean
		SourceAccess nobody() {
			return (user, tenant, source, operation) -> AccessDecision.deny("Nobody may.");
		}

		@Bean
		SecurityFilterChain operators(HttpSecurity http) throws Exception {
			return http.securityMatcher(EndpointRequest.toAnyEndpoint())
				.authorizeHttpRequests((requests) -> requests.anyRequest().hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.csrf((csrf) -> csrf.disable())
				.build();
		}

		@Bean
		UserDetailsService users() {
			return new InMemoryUserDetailsManager(
					User.withUsername("root").password("{noop}root").roles("OPERATOR").build(),
					User.withUsername("ada").password("{noop}ada").roles("USER").build());
		}

	}

}
