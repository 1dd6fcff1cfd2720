package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

import javax.sql.DataSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.SimpleDriverDataSource;

import io.multidb.TenantContext;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.web.RawHttp;
import io.multidb.web.WebApplication;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;

/**
 * The health endpoint as an operator sees it.
 */
class HealthEndpointTests {

	@TempDir
	private Path directory;

	private WebApplication application;

	@AfterEach
	void stop() {
		this.application.close();
	}

	@Test
	void coldSourcesAreUnknownAndStayCold() throws IOException {
		start();
		for (int i = 0; i < 5; i++) {
			RawHttp response = get("/actuator/health/datasources");
			assertThat(response.status()).isEqualTo(200);
			assertThat(response.body()).contains("\"lisbon\":{", "\"state\":\"cold\"", "\"status\":\"UNKNOWN\"");
		}
		try (Stream<Path> files = Files.list(this.directory)) {
			assertThat(files).isEmpty();
		}
	}

	@Test
	void anOpenSourceIsUp() throws IOException {
		start();
		use("lisbon");
		assertThat(get("/actuator/health/datasources/lisbon").body()).contains("\"status\":\"UP\"",
				"\"state\":\"open\"");
		assertThat(get("/actuator/health/datasources/porto").body()).contains("\"state\":\"cold\"");
	}

	@Test
	void anEssentialSourceThatIsDownTakesTheApplicationDown() throws IOException {
		start("app.datasources.dead.url=jdbc:postgresql://localhost:1/x?password=s3cret");
		assertThatException().isThrownBy(() -> use("dead"));
		RawHttp response = get("/actuator/health");
		assertThat(response.status()).isEqualTo(503);
		assertThat(response.body()).contains("\"dead\":{", "cannot be connected", "\"nextTry\":\"20")
			.doesNotContain("s3cret");
	}

	@Test
	void anotherSourceThatIsDownDoesNot() throws IOException {
		start("app.datasources.dead.url=jdbc:postgresql://localhost:1/x", "app.datasources.dead.essential=false");
		assertThatException().isThrownBy(() -> use("dead"));
		RawHttp response = get("/actuator/health");
		assertThat(response.status()).isEqualTo(200);
		assertThat(response.body()).contains("cannot be connected");
	}

	@Test
	void readinessIsAboutSourcesOnlyWhereItIsTold() throws IOException {
		start("app.datasources.dead.url=jdbc:postgresql://localhost:1/x");
		assertThatException().isThrownBy(() -> use("dead"));
		assertThat(get("/actuator/health/readiness").status()).isEqualTo(200);
		assertThat(get("/actuator/health/liveness").status()).isEqualTo(200);
	}

	@Test
	void readinessIsDownOnlyWithAnEssentialSource() throws IOException {
		start("management.endpoint.health.group.readiness.include=readinessState,datasources",
				"app.datasources.dead.url=jdbc:postgresql://localhost:1/x", "app.datasources.dead.essential=false",
				"app.datasources.vital.url=jdbc:postgresql://localhost:1/y");
		assertThat(get("/actuator/health/readiness").status()).isEqualTo(200);
		assertThatException().isThrownBy(() -> use("dead"));
		assertThat(get("/actuator/health/readiness").status()).isEqualTo(200);
		assertThatException().isThrownBy(() -> use("vital"));
		assertThat(get("/actuator/health/readiness").status()).isEqualTo(503);
		assertThat(get("/actuator/health/readiness").body()).contains("\"vital\":{");
		assertThat(get("/actuator/health/liveness").status()).isEqualTo(200);
	}

	@Test
	void detailsAreShownAsSpringBootIsTold() throws IOException {
		this.application = WebApplication.start(this.directory, List.of(),
				"app.datasources.dead.url=jdbc:postgresql://localhost:1/x",
				"management.endpoint.health.group.readiness.include=datasources");
		assertThatException().isThrownBy(() -> use("dead"));
		assertThat(get("/actuator/health").status()).isEqualTo(503);
		assertThat(get("/actuator/health").body()).doesNotContain("dead");
		assertThat(get("/actuator/health/readiness").body()).doesNotContain("dead");
		assertThat(get("/actuator/health/datasources/dead").status()).isEqualTo(404);
	}

	@Test
	void whatWasFoundIsSharedByAllPathsAndGroups() throws Exception {
		start("app.tenancy.health.cache=1h", "management.endpoint.health.group.readiness.include=datasources",
				"app.datasources.lisbon.hikari.maximum-pool-size=1");
		use("lisbon");
		assertThat(get("/actuator/health/datasources/lisbon").body()).contains("\"status\":\"UP\"");
		try (Connection inUse = this.application.bean(SourceRegistry.class).get("lisbon").getConnection()) {
			assertThat(inUse.isClosed()).isFalse();
			// A look of one's own would find no connection.
			for (String path : List.of("", "/datasources", "/datasources/lisbon", "/readiness")) {
				RawHttp response = get("/actuator/health" + path);
				assertThat(response.status()).isEqualTo(200);
				assertThat(response.body()).contains("\"state\":\"open\"");
			}
		}
	}

	@Test
	void anUnknownSourceIsNotFound() throws IOException {
		start();
		assertThat(get("/actuator/health/datasources/nowhere").status()).isEqualTo(404);
	}

	@Test
	void aSourceComesAndGoes() throws IOException {
		start();
		SourceRegistry registry = this.application.bean(SourceRegistry.class);
		registry.add(SourceDefinition.named("faro").url("jdbc:sqlite:" + this.directory.resolve("faro.db")).build());
		assertThat(get("/actuator/health/datasources/faro").status()).isEqualTo(200);
		registry.remove("faro");
		assertThat(get("/actuator/health/datasources/faro").status()).isEqualTo(404);
	}

	@Test
	void springsOwnContributorIsNotThere() throws IOException {
		start();
		assertThat(get("/actuator/health").body()).contains("\"datasources\":{").doesNotContain("\"db\":{");
		assertThat(get("/actuator/health/db").status()).isEqualTo(404);
	}

	@Test
	void aProxyOfTheRouterIsNoUnrelatedDataSource() throws IOException {
		start(List.of(RouterProxy.class));
		assertThat(get("/actuator/health").body()).doesNotContain("\"db\":{");
	}

	@Test
	void anUnrelatedDataSourceKeepsItsHealth() throws IOException {
		start(List.of(UnrelatedDataSource.class));
		assertThat(get("/actuator/health/db/reports").body()).contains("\"status\":\"UP\"", "SQLite");
	}

	private void use(String tenant) {
		TenantContext.run(tenant,
				() -> this.application.bean(JdbcClient.class).sql("select 1").query(Integer.class).single());
	}

	private RawHttp get(String target) throws IOException {
		return this.application.get(target);
	}

	private void start(String... properties) {
		start(List.of(), properties);
	}

	private void start(List<Class<?>> configurations, String... properties) {
		List<String> all = new ArrayList<>(List.of(properties));
		all.add("management.endpoint.health.show-details=always");
		this.application = WebApplication.start(this.directory, configurations, all.toArray(String[]::new));
	}

	@Configuration(proxyBeanMethods = false)
	static class UnrelatedDataSource {

		@Bean
		DataSource reports() {
			return new SimpleDriverDataSource(new org.sqlite.JDBC(), "jdbc:sqlite::memory:");
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class RouterProxy {

		@Bean
		DataSource lazy(RoutingDataSource router) {
			return new LazyConnectionDataSourceProxy(router);
		}

	}

}
