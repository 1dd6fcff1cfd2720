package io.multidb.web;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.List;

import jakarta.persistence.EntityManager;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

import io.multidb.place.Place;
import io.multidb.source.Sources;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Requests through a real Tomcat while a source is unavailable and its fallback is used.
 */
class FallbackWebTests {

	@TempDir
	private Path directory;

	private ServletWebServerApplicationContext context;

	@BeforeEach
	void start() throws SQLException, IOException {
		makeFile("archive.db", "archive");
		makeFile("made.db", "main");
		this.context = (ServletWebServerApplicationContext) new SpringApplicationBuilder(Application.class)
			.web(WebApplicationType.SERVLET)
			.properties("server.port=0", "spring.main.banner-mode=off", "spring.jpa.open-in-view=true",
					"spring.jpa.hibernate.ddl-auto=none", "management.endpoint.health.show-details=always",
					"app.tenancy.web.resolvers=header",
					"app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("down/main.db"),
					"app.datasources.main.fallback=archive",
					"app.datasources.archive.url=jdbc:sqlite:" + this.directory.resolve("archive.db"))
			.run();
	}

	@AfterEach
	void stop() {
		try {
			this.context.getBean(SourceRegistry.class).sources().forEach(Sources::assertIdle);
		}
		finally {
			this.context.close();
		}
	}

	private void makeFile(String file, String place) throws SQLException {
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve(file))) {
			Sources.execute(connection, "create table place (name varchar(20) primary key)");
			Sources.execute(connection, "insert into place values ('" + place + "')");
		}
	}

	private void comeBack() throws IOException {
		Files.createDirectory(this.directory.resolve("down"));
		Files.move(this.directory.resolve("made.db"), this.directory.resolve("down/main.db"));
		this.context.getBean(SourceRegistry.class).retry("main");
	}

	private RawHttp get(String target) throws IOException {
		return RawHttp.get(this.context.getWebServer().getPort(), target, "X-Tenant-Id: main");
	}

	private String rows() throws SQLException {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve("archive.db"))) {
			return Sources.query(connection, "select count(*) from place");
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "/jpa", "/jpa/in-view", "/jdbc" })
	void readsAreServedByTheFallbackAndThenByTheSource(String path) throws IOException {
		assertThat(get(path).body()).isEqualTo("[\"archive\"]");
		comeBack();
		assertThat(get(path).body()).isEqualTo("[\"main\"]");
	}

	@ParameterizedTest
	@ValueSource(strings = { "/jpa/persist", "/jpa/flush", "/jpa/in-view/bulk", "/jdbc/update", "/jdbc/transaction",
			"/jdbc/batch" })
	void writesAreUnavailable(String path) throws IOException, SQLException {
		for (int i = 0; i < 2; i++) {
			RawHttp response = get(path);
			assertThat(response.status()).as(response.body()).isEqualTo(503);
			assertThat(Integer.parseInt(response.headers().get("retry-after"))).isBetween(1, 60);
			assertThat(response.contentType()).isEqualTo("application/problem+json");
			assertThat(response.body()).contains("'main' is unavailable").doesNotContain("down/main.db");
		}
		assertThat(rows()).isEqualTo("1");
		comeBack();
		assertThat(get(path).status()).isEqualTo(200);
		assertThat(rows()).isEqualTo("1");
	}

	@Test
	void healthSaysWhatIsUsed() throws IOException {
		get("/jdbc");
		String health = get("/actuator/health").body();
		assertThat(health).contains("\"status\":\"DOWN\"", "\"fallback\":\"archive\"");
		comeBack();
		get("/jdbc");
		assertThat(get("/actuator/health").body()).contains("\"status\":\"UP\"").doesNotContain("\"fallback\":");
	}

	@RestController
	static class Endpoints {

		private final Places places;

		private final JdbcTemplate jdbc;

		private final EntityManager entities;

		Endpoints(Places places, JdbcTemplate jdbc, EntityManager entities) {
			this.places = places;
			this.jdbc = jdbc;
			this.entities = entities;
		}

		@GetMapping("/jpa")
		List<String> jpa() {
			return this.places.all();
		}

		/** Several transactions in one session, and none. */
		@GetMapping("/jpa/in-view")
		List<String> inView() {
			List<String> first = this.places.all();
			List<String> outside = this.entities.createQuery("select p.name from Place p", String.class)
				.getResultList();
			assertThat(outside).isEqualTo(first).isEqualTo(this.places.allToChange());
			return outside;
		}

		@GetMapping("/jpa/persist")
		void persist() {
			this.places.persist();
		}

		@GetMapping("/jpa/flush")
		void flush() {
			this.places.flush();
		}

		@GetMapping("/jpa/in-view/bulk")
		void bulk() {
			this.places.all();
			this.places.bulk();
		}

		@GetMapping("/jdbc")
		List<String> jdbc() {
			return this.jdbc.queryForList("select name from place", String.class);
		}

		@GetMapping("/jdbc/update")
		void update() {
			this.jdbc.update("insert into place values ('porto')");
		}

		@GetMapping("/jdbc/transaction")
		void transaction() {
			this.places.update();
		}

		@GetMapping("/jdbc/batch")
		void batch() {
			this.places.batch();
		}

	}

	@Transactional
	static class Places {

		private final EntityManager entities;

		private final JdbcTemplate jdbc;

		Places(EntityManager entities, JdbcTemplate jdbc) {
			this.entities = entities;
			this.jdbc = jdbc;
		}

		@Transactional(readOnly = true)
		List<String> all() {
			return allToChange();
		}

		List<String> allToChange() {
			return this.entities.createQuery("select p.name from Place p", String.class).getResultList();
		}

		void persist() {
			this.entities.persist(new Place("porto"));
		}

		void flush() {
			this.entities.persist(new Place("porto"));
			this.entities.flush();
		}

		int bulk() {
			return this.entities.createQuery("update Place p set p.name = 'porto'").executeUpdate();
		}

		void update() {
			this.jdbc.update("insert into place values ('porto')");
		}

		void batch() {
			this.jdbc.batchUpdate("insert into place values (?)",
					List.of(new Object[] { "porto" }, new Object[] { "faro" }));
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(excludeName = {
			"org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.SecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.UserDetailsServiceAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.actuate.web.servlet.ManagementWebSecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.SecurityFilterAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.ServletWebSecurityAutoConfiguration" })
	@EntityScan(basePackageClasses = Place.class)
	@Import({ Endpoints.class, Places.class })
	static class Application {

	}

}
