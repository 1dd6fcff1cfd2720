package io.multidb.jpa;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import jakarta.persistence.ElementCollection;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.orm.jpa.support.OpenEntityManagerInViewInterceptor;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

import io.multidb.Scope;
import io.multidb.SourceSwitchException;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.web.RawHttp;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Spring's open session in view, through a real Tomcat.
 */
@ExtendWith(OutputCaptureExtension.class)
class OpenInViewTests {

	private static final String OPEN = "spring.jpa.open-in-view=true";

	@TempDir
	private Path directory;

	private ServletWebServerApplicationContext context;

	@AfterEach
	void stop() {
		this.context.close();
	}

	@Test
	void isOffByDefaultAndNothingIsWarnedOf(CapturedOutput output) throws IOException {
		start();
		assertThat(this.context.getBeansOfType(OpenEntityManagerInViewInterceptor.class)).isEmpty();
		assertThat(output).doesNotContain("open-in-view");
		assertThat(get("/street", "lisbon").body()).contains("LazyInitializationException");
	}

	@Test
	void eachRequestLoadsLazilyFromItsOwnSource() throws IOException {
		start(OPEN);
		for (String source : List.of("lisbon", "porto", "lisbon")) {
			assertThat(get("/street", source).body()).isEqualTo("[house in " + source + "]");
		}
	}

	@Test
	void aSwitchInsideTheRequestIsRefused() throws IOException {
		start(OPEN);
		assertThat(get("/switch", "lisbon").body()).contains(SourceSwitchException.class.getSimpleName())
			.contains("'lisbon'")
			.contains("'porto'");
		assertThat(get("/street", "porto").body()).isEqualTo("[house in porto]");
	}

	@Test
	void aSwitchInsideTheRequestIsFineWithoutAnOpenSession() throws IOException {
		start();
		assertThat(get("/switch", "lisbon").body()).isEqualTo("street in porto");
	}

	@Test
	void aTenantThatIsEnteredAfterTheSessionWasOpenedIsRefused() throws IOException {
		start(OPEN);
		assertThat(get("/annotated").body()).contains(SourceSwitchException.class.getSimpleName())
			.contains("Hibernate session");
	}

	@Test
	void aTenantThatIsEnteredByTheMethodIsFineWithoutAnOpenSession() throws IOException {
		start();
		assertThat(get("/annotated").body()).isEqualTo("street in lisbon");
	}

	private RawHttp get(String path) throws IOException {
		return RawHttp.get(this.context.getWebServer().getPort(), path);
	}

	private RawHttp get(String path, String tenant) throws IOException {
		return RawHttp.get(this.context.getWebServer().getPort(), path, "X-Tenant-Id: " + tenant);
	}

	private void start(String... properties) {
		this.context = (ServletWebServerApplicationContext) new SpringApplicationBuilder(Application.class)
			.web(WebApplicationType.SERVLET)
			.properties("server.port=0", "spring.main.banner-mode=off", "spring.liquibase.enabled=false",
					"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"app.tenancy.web.resolvers=header",
					"spring.jpa.properties.hibernate.javax.cache.missing_cache_strategy=create")
			.properties(properties)
			.run();
		SessionFactory sessions = this.context.getBean(EntityManagerFactory.class).unwrap(SessionFactory.class);
		JdbcClient jdbc = this.context.getBean(JdbcClient.class);
		for (String source : JpaApplication.SOURCES) {
			TenantContext.run(source, () -> {
				sessions.getSchemaManager().exportMappedObjects(false);
				int unused = jdbc.sql("insert into street (id, name) values (1, ?)")
					.param("street in " + source)
					.update();
				unused = jdbc.sql("insert into street_houses values (1, ?)").param("house in " + source).update();
			});
		}
	}

	@RestController
	static class Streets {

		private final EntityManager entities;

		private final TransactionTemplate transactions;

		Streets(EntityManager entities, TransactionTemplate transactions) {
			this.entities = entities;
			this.transactions = transactions;
		}

		@GetMapping("/street")
		String street() {
			try {
				return this.transactions.execute((status) -> find()).houses.toString();
			}
			catch (RuntimeException ex) {
				return ex.toString();
			}
		}

		@GetMapping("/switch")
		String change() {
			try {
				String unused = find().name;
				try (Scope scope = TenantContext.enter("porto")) {
					return find().name;
				}
			}
			catch (RuntimeException ex) {
				return ex.toString();
			}
		}

		private Street find() {
			return this.entities.find(Street.class, 1L);
		}

	}

	@RestController
	static class Annotated {

		private final Lisbon lisbon;

		Annotated(Lisbon lisbon) {
			this.lisbon = lisbon;
		}

		@GetMapping("/annotated")
		String street() {
			try {
				return this.lisbon.street();
			}
			catch (RuntimeException ex) {
				return ex.toString();
			}
		}

	}

	@Tenant("lisbon")
	static class Lisbon {

		private final EntityManager entities;

		Lisbon(EntityManager entities) {
			this.entities = entities;
		}

		String street() {
			return this.entities.find(Street.class, 1L).name;
		}

	}

	@Entity(name = "Street")
	static class Street {

		@Id
		private long id;

		private String name;

		@ElementCollection
		private List<String> houses = new ArrayList<>();

		long getId() {
			return this.id;
		}

	}

	@EnableAutoConfiguration(excludeName = {
			"org.springframework.boot.security.autoconfigure.SecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.UserDetailsServiceAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.actuate.web.servlet.ManagementWebSecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.SecurityFilterAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.ServletWebSecurityAutoConfiguration" })
	@EntityScan(basePackageClasses = OpenInViewTests.class)
	@Import({ Streets.class, Annotated.class, Lisbon.class })
	static class Application {

	}

}
