package io.multidb.transaction;

import java.nio.file.Path;
import java.util.List;

import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.context.runner.ContextConsumer;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.config.EnableJpaRepositories;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.Scope;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link TargetAdvisor} on Spring Data repositories.
 */
class TenantRepositoryTests {

	@TempDir
	private Path directory;

	@Test
	void rowsOfARepositoryGoToItsTenant() {
		run((context) -> {
			CityRepository cities = context.getBean(CityRepository.class);
			cities.save(new City("a"));
			try (Scope scope = TenantContext.enter("porto")) {
				// The repository's own tenant is nearer than the caller's.
				cities.save(new City("b"));
			}
			assertThat(names(context, "lisbon")).containsExactly("a", "b");
			assertThat(names(context, "porto")).isEmpty();
		});
	}

	@Test
	void methodOfARepositoryMayNameAnotherTenant() {
		run((context) -> {
			context.getBean(CityRepository.class).save(new City("a"));
			assertThat(context.getBean(CityRepository.class).findByNameNotNull()).isEmpty();
			assertThat(context.getBean(CityRepository.class).findByName("a")).hasSize(1);
		});
	}

	private void run(ContextConsumer<AssertableApplicationContext> test) {
		new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class,
					HibernateJpaAutoConfiguration.class, DataJpaRepositoriesAutoConfiguration.class,
					TransactionAutoConfiguration.class, JdbcTemplateAutoConfiguration.class,
					JdbcClientAutoConfiguration.class, AopAutoConfiguration.class))
			.withUserConfiguration(Repositories.class)
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"spring.jpa.hibernate.ddl-auto=none",
					"spring.jpa.properties.hibernate.dialect=org.hibernate.community.dialect.SQLiteDialect",
					"spring.jpa.properties.hibernate.boot.allow_jdbc_metadata_access=false")
			.run((context) -> {
				assertThat(context).hasNotFailed();
				for (String tenant : List.of("lisbon", "porto")) {
					TenantContext.run(tenant, () -> {
						int unused = context.getBean(JdbcClient.class)
							.sql("create table city (name varchar(9))")
							.update();
					});
				}
				test.accept(context);
			});
	}

	private static List<String> names(AssertableApplicationContext context, String tenant) {
		return TenantContext.call(tenant,
				() -> context.getBean(JdbcClient.class).sql("select name from city").query(String.class).list());
	}

	@Tenant("lisbon")
	interface CityRepository extends JpaRepository<City, String> {

		List<City> findByName(String name);

		@Tenant("porto")
		List<City> findByNameNotNull();

	}

	@Entity(name = "City")
	static class City {

		@Id
		private String name = "";

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
	@EnableJpaRepositories(considerNestedRepositories = true)
	@EntityScan(basePackageClasses = TenantRepositoryTests.class)
	static class Repositories {

	}

}
