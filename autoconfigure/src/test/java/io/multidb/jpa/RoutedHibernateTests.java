package io.multidb.jpa;

import java.nio.file.Path;

import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Configuration;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link RoutedHibernate} in an ordinary application.
 */
class RoutedHibernateTests {

	@TempDir
	private Path directory;

	@Test
	void entitiesGoToTheirSource() {
		try (JpaApplication application = JpaApplication.start(this.directory, Cities.class)) {
			application.in("lisbon", (entities) -> {
				entities.persist(new City("a"));
				return null;
			});
			assertThat(application.column("lisbon", "select name from city")).containsExactly("a");
			assertThat(application.column("porto", "select name from city")).isEmpty();
		}
	}

	@Test
	void startsWithItsDatabaseDown() {
		try (JpaApplication application = JpaApplication.start(Cities.class,
				"app.datasources.lisbon.url=jdbc:postgresql://localhost:1/lisbon")) {
			assertThat(application.sessions().isOpen()).isTrue();
		}
	}

	@Entity(name = "City")
	static class City {

		@Id
		@GeneratedValue
		private Long id;

		private String name;

		City() {
		}

		City(String name) {
			this.name = name;
		}

		String getName() {
			return this.name;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = RoutedHibernateTests.class)
	static class Cities {

	}

}
