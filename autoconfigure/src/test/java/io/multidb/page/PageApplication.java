package io.multidb.page;

import java.io.IOException;
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.json.JsonParserFactory;
import org.springframework.boot.security.autoconfigure.actuate.web.servlet.EndpointRequest;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpMethod;
import org.springframework.security.authorization.AuthorizationDecision;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.AbstractHttpConfigurer;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetails;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;

import io.multidb.routing.MappingStore;

/**
 * An application with the page on a real Tomcat, with the SQLite files lisbon and porto.
 */
final class PageApplication implements AutoCloseable {

	static final String WRITABLE = "management.endpoint.datasources.access=unrestricted";

	private final ServletWebServerApplicationContext context;

	private final HttpClient client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();

	private PageApplication(ServletWebServerApplicationContext context) {
		this.context = context;
	}

	static PageApplication start(Path directory, Class<?> security, String... properties) {
		List<String> all = new ArrayList<>(
				List.of("server.port=0", "spring.main.banner-mode=off", "app.tenancy.page.enabled=true",
						"app.datasources.lisbon.url=jdbc:sqlite:" + directory.resolve("lisbon.db"),
						"app.datasources.porto.url=jdbc:sqlite:" + directory.resolve("porto.db")));
		all.addAll(Arrays.asList(properties));
		return new PageApplication((ServletWebServerApplicationContext) new SpringApplicationBuilder(security)
			.web(WebApplicationType.SERVLET)
			.properties(all.toArray(String[]::new))
			.run());
	}

	int port() {
		return this.context.getWebServer().getPort();
	}

	int managementPort() {
		return this.context.getEnvironment().getRequiredProperty("local.management.port", Integer.class);
	}

	<T> T bean(Class<T> type) {
		return this.context.getBean(type);
	}

	HttpResponse<String> get(String path, String user) throws IOException, InterruptedException {
		return get(port(), path, user);
	}

	HttpResponse<String> get(int port, String path, String user) throws IOException, InterruptedException {
		return send(request(port, path, user).GET().build());
	}

	Map<String, Object> json(String path, String user) throws IOException, InterruptedException {
		HttpResponse<String> response = get(path, user);
		if (response.statusCode() != 200) {
			throw new AssertionError(response.statusCode() + " " + response.body());
		}
		return JsonParserFactory.getJsonParser().parseMap(response.body());
	}

	/** As the page does it; headers given here go before. */
	HttpResponse<String> post(String path, String user, String body, String... headers)
			throws IOException, InterruptedException {
		HttpRequest.Builder request = request(port(), path, user);
		request.header("Content-Type", "application/json").header("X-Datasources-Page", "1");
		for (int i = 0; i < headers.length; i += 2) {
			request.setHeader(headers[i], headers[i + 1]);
		}
		return send(request.POST(HttpRequest.BodyPublishers.ofString(body.replace('\'', '"'))).build());
	}

	HttpRequest.Builder request(int port, String path, String user) {
		HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://localhost:" + port + path));
		if (user != null) {
			request.header("Authorization", "Basic "
					+ Base64.getEncoder().encodeToString((user + ":" + user).getBytes(StandardCharsets.UTF_8)));
		}
		return request;
	}

	HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
		return this.client.send(request, HttpResponse.BodyHandlers.ofString());
	}

	@Override
	public void close() {
		this.context.close();
	}

	/** Operators only, as it should be. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class Protected {

		@Bean
		SecurityFilterChain operators(HttpSecurity http) {
			return http.authorizeHttpRequests((requests) -> requests.anyRequest().hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.csrf(AbstractHttpConfigurer::disable)
				.build();
		}

		@Bean
		UserDetailsService users() {
			return new InMemoryUserDetailsManager(user("olga", "OPERATOR"), user("ada", "VIEWER"));
		}

		private static UserDetails user(String name, String role) {
			return User.withUsername(name).password("{noop}" + name).roles(role).build();
		}

	}

	/** As Spring Security is by itself. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class WithTokens {

		@Bean
		SecurityFilterChain operators(HttpSecurity http) {
			return http.authorizeHttpRequests((requests) -> requests.anyRequest().hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.build();
		}

		@Bean
		UserDetailsService users() {
			return new Protected().users();
		}

	}

	/** Viewers may look, operators may change. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class WithViewers {

		@Bean
		SecurityFilterChain operators(HttpSecurity http) {
			return http
				.authorizeHttpRequests((requests) -> requests.requestMatchers(HttpMethod.GET, "/datasources/**")
					.authenticated()
					.anyRequest()
					.hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.csrf(AbstractHttpConfigurer::disable)
				.build();
		}

		@Bean
		UserDetailsService users() {
			return new Protected().users();
		}

	}

	/** As Spring Boot's reference has it: endpoints by a chain of their own. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class WithEndpoints {

		@Bean
		@Order(1)
		SecurityFilterChain endpoints(HttpSecurity http) {
			return http.securityMatcher(EndpointRequest.toAnyEndpoint())
				.authorizeHttpRequests((requests) -> requests.requestMatchers(EndpointRequest.to("health"))
					.permitAll()
					.anyRequest()
					.hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.build();
		}

		@Bean
		@Order(2)
		SecurityFilterChain page(HttpSecurity http) {
			return http.securityMatcher("/datasources/**")
				.authorizeHttpRequests((requests) -> requests.anyRequest().hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.build();
		}

		@Bean
		@Order(3)
		SecurityFilterChain everythingElse(HttpSecurity http) {
			return http.authorizeHttpRequests((requests) -> requests.anyRequest().permitAll()).build();
		}

		@Bean
		UserDetailsService users() {
			return new Protected().users();
		}

	}

	/** Whoever is logged in, as most applications have it. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class AnyUser {

		@Bean
		SecurityFilterChain users(HttpSecurity http) {
			return http.authorizeHttpRequests((requests) -> requests.anyRequest().authenticated())
				.httpBasic(Customizer.withDefaults())
				.build();
		}

	}

	/** Viewers may also drain sources, and try them again. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class WithSupport {

		@Bean
		SecurityFilterChain operators(HttpSecurity http) {
			return http
				.authorizeHttpRequests((requests) -> requests.requestMatchers(HttpMethod.GET, "/datasources/**")
					.authenticated()
					.requestMatchers("/datasources/api/sources/*/drain", "/datasources/api/sources/*/retry")
					.authenticated()
					.anyRequest()
					.hasRole("OPERATOR"))
				.httpBasic(Customizer.withDefaults())
				.csrf(AbstractHttpConfigurer::disable)
				.build();
		}

		@Bean
		UserDetailsService users() {
			return new Protected().users();
		}

	}

	/** The page asks for a login, what it shows does not. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class OpenData {

		@Bean
		SecurityFilterChain data(HttpSecurity http) {
			return http
				.authorizeHttpRequests((requests) -> requests.requestMatchers("/datasources/api/**")
					.permitAll()
					.anyRequest()
					.authenticated())
				.httpBasic(Customizer.withDefaults())
				.build();
		}

	}

	/** Looking asks for a login, changing does not. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class OpenChanges {

		@Bean
		SecurityFilterChain changes(HttpSecurity http) {
			return http
				.authorizeHttpRequests((requests) -> requests.requestMatchers(HttpMethod.GET, "/**")
					.authenticated()
					.anyRequest()
					.permitAll())
				.httpBasic(Customizer.withDefaults())
				.csrf(AbstractHttpConfigurer::disable)
				.build();
		}

	}

	/** Rules that want to see a request, and cannot be asked before there is one. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(
			excludeName = { "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
					"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration" })
	static class ByAddress {

		@Bean
		SecurityFilterChain local(HttpSecurity http) {
			return http
				.authorizeHttpRequests((requests) -> requests.anyRequest()
					.access((user, context) -> new AuthorizationDecision(
							context.getRequest().getRemoteAddr().equals("127.0.0.1"))))
				.httpBasic(Customizer.withDefaults())
				.build();
		}

	}

	/** Where tenants were mapped is kept somewhere else. */
	@Configuration(proxyBeanMethods = false)
	@Import(Protected.class)
	static class WithMappings {

		@Bean
		Kept kept() {
			return new Kept();
		}

		static final class Kept implements MappingStore {

			final AtomicInteger loads = new AtomicInteger();

			@Override
			public Map<String, String> load() {
				this.loads.incrementAndGet();
				return Map.of("ada", "lisbon");
			}

			@Override
			public void save(String tenant, String source) {
			}

			@Override
			public void remove(String tenant) {
			}

		}

	}

	/** No Spring Security, as far as the application knows. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(excludeName = {
			"org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
			"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.SecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.UserDetailsServiceAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.actuate.web.servlet.ManagementWebSecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.SecurityFilterAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.ServletWebSecurityAutoConfiguration" })
	static class Unprotected {

	}

}
