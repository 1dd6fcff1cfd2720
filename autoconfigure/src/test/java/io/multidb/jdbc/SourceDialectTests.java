package io.multidb.jdbc;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.data.jdbc.autoconfigure.DataJdbcRepositoriesAutoConfiguration;
import org.springframework.boot.jdbc.DatabaseDriver;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.annotation.Id;
import org.springframework.data.domain.Limit;
import org.springframework.data.domain.PageRequest;
import org.springframework.data.domain.Slice;
import org.springframework.data.domain.Sort;
import org.springframework.data.jdbc.core.dialect.JdbcDialect;
import org.springframework.data.jdbc.core.dialect.JdbcH2Dialect;
import org.springframework.data.jdbc.core.dialect.JdbcPostgresDialect;
import org.springframework.data.jdbc.repository.config.EnableJdbcRepositories;
import org.springframework.data.relational.core.mapping.Table;
import org.springframework.data.relational.core.sql.LockMode;
import org.springframework.data.relational.repository.Lock;
import org.springframework.data.repository.CrudRepository;
import org.springframework.data.repository.PagingAndSortingRepository;

import io.multidb.InvalidDatasourcesException;
import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbDataJdbcAutoConfiguration;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link SourceDialect} and {@link CommonDialect}.
 */
class SourceDialectTests {

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner()
		.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbDataJdbcAutoConfiguration.class,
				DataSourceAutoConfiguration.class, DataSourceTransactionManagerAutoConfiguration.class,
				TransactionAutoConfiguration.class, JdbcTemplateAutoConfiguration.class, AopAutoConfiguration.class,
				DataJdbcRepositoriesAutoConfiguration.class))
		.withUserConfiguration(Repositories.class);

	@Test
	void repositoryOfSqliteSourcesStartsWithoutTenantAndWorksForEach() {
		sqlite().run((context) -> {
			assertThat(context).hasNotFailed();
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			assertThat(registry.get("lisbon").state()).isInstanceOf(SourceState.Cold.class);
			for (String tenant : List.of("lisbon", "porto")) {
				Sources.execute(registry.get(tenant),
						"CREATE TABLE city (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(50))");
			}
			Cities cities = context.getBean(Cities.class);
			TenantContext.run("lisbon", () -> {
				for (String name : List.of("a", "b", "c", "d", "e")) {
					assertThat(cities.save(new City(null, name)).id()).isNotNull();
				}
			});
			TenantContext.run("porto", () -> {
				assertThat(cities.count()).isZero();
				assertThat(cities.save(new City(null, "z")).id()).isEqualTo(1);
			});
			TenantContext.run("lisbon", () -> {
				assertThat(cities.findAll(PageRequest.of(1, 2, Sort.by("name"))).map(City::name)).containsExactly("c",
						"d");
				Slice<City> last = cities.findByNameGreaterThan("a", PageRequest.of(1, 3, Sort.by("name")));
				assertThat(last.map(City::name)).containsExactly("e");
				assertThat(cities.findByNameGreaterThan("b", Limit.of(1))).hasSize(1);
				assertThat(cities.existsByName("e")).isTrue();
				City a = cities.findByNameGreaterThan("", Limit.of(1)).get(0);
				cities.save(new City(a.id(), "changed"));
				cities.deleteById(2L);
				assertThat(cities.count()).isEqualTo(4);
				assertThat(cities.existsByName("changed")).isTrue();
			});
		});
	}

	@Test
	void lockIsRefusedAndNotIgnored() {
		sqlite().run((context) -> {
			Sources.execute(context.getBean(SourceRegistry.class).get("lisbon"),
					"CREATE TABLE city (id INTEGER PRIMARY KEY, name VARCHAR(50))");
			TenantContext.run("lisbon",
					() -> assertThatExceptionOfType(UnsupportedOperationException.class)
						.isThrownBy(() -> context.getBean(Cities.class).findByName("a"))
						.withMessageContaining("spring.data.jdbc.dialect"));
		});
	}

	@Test
	void offsetAloneIsUnderstoodByBothProducts() {
		CommonDialect dialect = new CommonDialect();
		assertThat(dialect.limit().getOffset(3)).isEqualTo("LIMIT 9223372036854775807 OFFSET 3");
		assertThat(dialect.limit().getLimit(2)).isEqualTo("LIMIT 2");
	}

	@Test
	void dialectFollowsTheDeclaredProducts() {
		assertThat(SourceDialect.of(Set.of(DatabaseDriver.POSTGRESQL))).isInstanceOf(JdbcPostgresDialect.class);
		assertThat(SourceDialect.of(Set.of(DatabaseDriver.H2))).isInstanceOf(JdbcH2Dialect.class);
		assertThat(SourceDialect.of(Set.of(DatabaseDriver.SQLITE))).isInstanceOf(CommonDialect.class);
		assertThat(SourceDialect.of(Set.of(DatabaseDriver.SQLITE, DatabaseDriver.POSTGRESQL)))
			.isInstanceOf(CommonDialect.class);
		assertThat(SourceDialect.of(Set.of(DatabaseDriver.SQLITE, DatabaseDriver.H2))).isNull();
		assertThat(SourceDialect.of(Set.of(DatabaseDriver.UNKNOWN))).isNull();
		assertThat(SourceDialect.of(Set.of())).isNull();
	}

	@Test
	void productsWithoutACommonDialectFailTheStart() {
		sqlite()
			.withPropertyValues("app.datasources.faro.url=jdbc:h2:mem:faro",
					"app.datasources.faro.driver-class-name=org.h2.Driver")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContaining("spring.data.jdbc.dialect"));
	}

	@Test
	void applicationsOwnDialectWins() {
		sqlite().withPropertyValues("spring.data.jdbc.dialect=h2")
			.run((context) -> assertThat(context.getBean(JdbcDialect.class)).isInstanceOf(JdbcH2Dialect.class));
		sqlite().withUserConfiguration(OwnDialect.class)
			.run((context) -> assertThat(context.getBean(JdbcDialect.class)).isInstanceOf(JdbcPostgresDialect.class));
	}

	private ApplicationContextRunner sqlite() {
		return this.contextRunner.withPropertyValues(
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
				"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"));
	}

	@Configuration(proxyBeanMethods = false)
	@EnableJdbcRepositories(considerNestedRepositories = true, basePackageClasses = Cities.class)
	static class Repositories {

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnDialect {

		@Bean
		JdbcDialect jdbcDialect() {
			return JdbcPostgresDialect.INSTANCE;
		}

	}

	interface Cities extends CrudRepository<City, Long>, PagingAndSortingRepository<City, Long> {

		Slice<City> findByNameGreaterThan(String name, PageRequest page);

		List<City> findByNameGreaterThan(String name, Limit limit);

		boolean existsByName(String name);

		@Lock(LockMode.PESSIMISTIC_WRITE)
		List<City> findByName(String name);

	}

	@Table("city")
	record City(@Id @Nullable Long id, String name) {

	}

}
