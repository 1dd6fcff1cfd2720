package io.multidb.jpa;

import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;

import javax.sql.DataSource;

import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.dialect.Dialect;
import org.hibernate.dialect.PostgreSQLDialect;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.jpa.HibernatePersistenceProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.hibernate.autoconfigure.HibernatePropertiesCustomizer;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.orm.jpa.EntityManagerFactoryInfo;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.orm.jpa.vendor.HibernateJpaVendorAdapter;
import org.springframework.transaction.CannotCreateTransactionException;

import io.multidb.NoTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.source.Race;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * What session factories there are, and when: lisbon is on SQLite, porto on a PostgreSQL
 * that is down.
 */
@ExtendWith(OutputCaptureExtension.class)
class ProductsTests {

	private static final String POSTGRESQL = "Hibernate for PostgreSQL is ready";

	private static final String SQLITE = "Hibernate for SQLite is ready";

	@TempDir
	private Path directory;

	@Test
	void theSecondFactoryIsBuiltWhenASourceOfItsProductIsUsed(CapturedOutput output) {
		try (JpaApplication application = start()) {
			assertThat(output).contains(SQLITE).doesNotContain(POSTGRESQL);
			TenantContext.run("porto", () -> {
				try (EntityManager entities = application.bean(EntityManagerFactory.class).createEntityManager()) {
					assertThat(dialect(entities)).isInstanceOf(PostgreSQLDialect.class);
				}
			});
			assertThat(output).containsOnlyOnce(POSTGRESQL);
			TenantContext.run("lisbon", () -> {
				try (EntityManager entities = application.bean(EntityManagerFactory.class).createEntityManager()) {
					assertThat(dialect(entities)).isNotInstanceOf(PostgreSQLDialect.class);
				}
			});
		}
		assertThat(output).containsOnlyOnce(SQLITE).containsOnlyOnce(POSTGRESQL);
	}

	@Test
	void springBootsOwnFactoryBeanStays() {
		try (JpaApplication application = start()) {
			assertThat(application.context().getBean("&entityManagerFactory"))
				.isExactlyInstanceOf(LocalContainerEntityManagerFactoryBean.class);
			assertThat(application.context().getBeansOfType(EntityManagerFactory.class)).hasSize(1);
		}
	}

	@Test
	void oneProductHasHibernatesFactoryAndNothingInBetween(CapturedOutput output) {
		try (JpaApplication application = JpaApplication.start(this.directory, SameRepositoryContract.Shop.class)) {
			LocalContainerEntityManagerFactoryBean factory = application.context()
				.getBean("&entityManagerFactory", LocalContainerEntityManagerFactoryBean.class);
			assertThat(factory).isExactlyInstanceOf(LocalContainerEntityManagerFactoryBean.class);
			assertThat(factory.getPersistenceProvider()).isInstanceOf(HibernatePersistenceProvider.class);
			assertThat(((EntityManagerFactoryInfo) application.bean(EntityManagerFactory.class))
				.getNativeEntityManagerFactory()).isInstanceOf(SessionFactoryImplementor.class);
			assertThat(output).doesNotContain(SQLITE);
		}
	}

	@Test
	void oneProductIsUsedWhereOnlyOneIsSet() {
		try (JpaApplication application = start(SameRepositoryContract.Shop.class,
				"app.tenancy.jpa.products=postgresql")) {
			assertThat(((EntityManagerFactoryInfo) application.bean(EntityManagerFactory.class))
				.getNativeEntityManagerFactory()).isInstanceOf(SessionFactoryImplementor.class);
			assertThatException()
				.isThrownBy(() -> application.in("lisbon", (entities) -> entities.find(Crate.class, 1)))
				.havingRootCause()
				.isInstanceOfSatisfying(WrongProductException.class,
						(ex) -> assertThat(ex.source()).isEqualTo("lisbon"))
				.withMessageContainingAll("'lisbon'", "SQLite", "PostgreSQL", "app.tenancy.jpa.products");
		}
	}

	@Test
	void aDeadServerIsItsOwnUsersTrouble() {
		try (JpaApplication application = start()) {
			assertThatException()
				.isThrownBy(() -> application.in("porto", (entities) -> entities.find(Crate.class, 1L)))
				.havingRootCause()
				.isNotInstanceOf(WrongProductException.class);
			assertThatException()
				.isThrownBy(() -> application.in("porto", (entities) -> entities.find(Crate.class, 1L)))
				.satisfies((ex) -> assertThat(ex).hasStackTraceContaining(SourceUnavailableException.class.getName()));
			Crate saved = TenantContext.call("lisbon", () -> application.bean(Crates.class).save(new Crate("works")));
			assertThat(saved.getId()).isNotNull();
		}
	}

	@Test
	void aMissingDirectoryIsItsOwnUsersTrouble() {
		try (JpaApplication application = JpaApplication.start(SameRepositoryContract.Shop.class,
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("missing/lisbon.db"),
				"app.datasources.porto.url=jdbc:postgresql://localhost:1/porto")) {
			assertThatException()
				.isThrownBy(() -> application.in("lisbon", (entities) -> entities.find(Crate.class, 1L)))
				.satisfies((ex) -> assertThat(ex).hasStackTraceContaining("missing"));
		}
	}

	@Test
	void withoutATenantASessionGetsNoConnection() {
		try (JpaApplication application = start()) {
			Crates crates = application.bean(Crates.class);
			assertThatException().isThrownBy(crates::count).havingRootCause().isInstanceOf(NoTenantException.class);
			assertThatException().isThrownBy(() -> crates.save(new Crate("lost")))
				.satisfies((ex) -> assertThat(ex).hasStackTraceContaining(NoTenantException.class.getName()));
			assertThatException()
				.isThrownBy(() -> application.in("madrid", (entities) -> entities.find(Crate.class, 1L)))
				.satisfies((ex) -> assertThat(ex).hasStackTraceContaining(UnknownTenantException.class.getName()));
			assertThat(application.column("lisbon", "select code from crate")).isEmpty();
		}
	}

	@Test
	void aLaterSourceOfAnotherProductIsRefusedAndToldTheProperty() {
		try (JpaApplication application = start()) {
			application.bean(SourceRegistry.class).add(SourceDefinition.named("faro").url("jdbc:h2:mem:faro").build());
			assertThatExceptionOfType(CannotCreateTransactionException.class)
				.isThrownBy(() -> application.in("faro", (entities) -> entities.find(Crate.class, 1L)))
				.havingRootCause()
				.isInstanceOf(WrongProductException.class)
				.withMessage("Source 'faro' is a H2 database, and the EntityManagerFactory was built for SQLite and"
						+ " PostgreSQL: its SQL would be wrong. Set 'app.tenancy.jpa.products' to all products that come"
						+ " into use.");
		}
	}

	@Test
	void aLaterSourceOfAKnownProductIsServed() {
		try (JpaApplication application = start()) {
			application.bean(SourceRegistry.class)
				.add(SourceDefinition.named("faro").url("jdbc:sqlite:" + this.directory.resolve("faro.db")).build());
			TenantContext.run("faro", () -> {
				application.sessions().getSchemaManager().exportMappedObjects(false);
				assertThat(application.bean(Crates.class).save(new Crate("late")).getId()).isNotNull();
			});
			assertThat(application.column("lisbon", "select code from crate")).isEmpty();
			assertThat(application.column("faro", "select code from crate")).containsExactly("late");
		}
	}

	@Test
	void aTemplateDeclaresItsProduct(CapturedOutput output) {
		try (JpaApplication application = JpaApplication.start(SameRepositoryContract.Shop.class,
				"app.datasources.main.url=jdbc:postgresql://localhost:1/main",
				"app.datasources.city.url=jdbc:sqlite:" + this.directory.resolve("{id}.db"),
				"app.datasources.city.create=explicit", "app.tenancy.routes[0].tenants=city-{id}",
				"app.tenancy.routes[0].source=city")) {
			application.bean(SourceRegistry.class).create("city-lisbon");
			TenantContext.run("city-lisbon", () -> {
				application.sessions().getSchemaManager().exportMappedObjects(false);
				assertThat(application.bean(Crates.class).save(new Crate("made")).getId()).isNotNull();
			});
		}
		assertThat(output).contains(SQLITE);
	}

	@Test
	void settingsOfTheApplicationReachEveryProduct() {
		try (JpaApplication application = start(Customized.class,
				"spring.jpa.properties.hibernate.default_batch_fetch_size=7",
				"app.tenancy.jpa.properties.postgresql.hibernate.jdbc.batch_size=50",
				"app.tenancy.jpa.properties.postgresql.jakarta.persistence.database-major-version=17")) {
			for (String source : JpaApplication.SOURCES) {
				TenantContext.run(source, () -> {
					SessionFactoryImplementor factory = application.bean(EntityManagerFactory.class)
						.unwrap(SessionFactoryImplementor.class);
					assertThat(factory.getSessionFactoryOptions().getDefaultBatchFetchSize()).isEqualTo(7);
					assertThat(factory.getSessionFactoryOptions().getJdbcBatchSize())
						.isEqualTo(source.equals("porto") ? 50 : 1);
					assertThat(factory.getProperties()).containsEntry("test.customized", "yes");
					assertThat(factory.getSessionFactoryOptions().isStatisticsEnabled()).isTrue();
					if (source.equals("porto")) {
						assertThat(factory.getJdbcServices().getDialect().getVersion().getMajor()).isEqualTo(17);
					}
				});
			}
		}
	}

	@Test
	void whatIsOfOneProductIsRefusedForAll() {
		assertThatException()
			.isThrownBy(() -> start(SameRepositoryContract.Shop.class,
					"spring.jpa.database-platform=org.hibernate.community.dialect.SQLiteDialect")
				.close())
			.havingRootCause()
			.isInstanceOf(FailureAnalyzedException.class)
			.withMessageContainingAll("hibernate.dialect", "SQLite", "PostgreSQL");
		assertThatException()
			.isThrownBy(() -> start(SameRepositoryContract.Shop.class, "spring.jpa.hibernate.ddl-auto=update").close())
			.havingRootCause()
			.isInstanceOf(FailureAnalyzedException.class)
			.withMessageContaining("ddl-auto");
	}

	@Test
	void closingTheApplicationClosesEveryFactory() {
		List<SessionFactory> factories;
		SessionFactory one;
		try (JpaApplication application = start()) {
			one = application.sessions();
			factories = List.of(TenantContext.call("lisbon", () -> one.unwrap(SessionFactoryImplementor.class)),
					TenantContext.call("porto", () -> one.unwrap(SessionFactoryImplementor.class)));
			assertThat(factories).doesNotHaveDuplicates().allMatch(SessionFactory::isOpen);
			assertThat(one.isOpen()).isTrue();
		}
		assertThat(factories).noneMatch(SessionFactory::isOpen);
		assertThat(one.isOpen()).isFalse();
	}

	@Test
	void aFactoryThatWasNeverUsedIsNotBuiltByClosing(CapturedOutput output) {
		start().close();
		assertThat(output).doesNotContain(POSTGRESQL);
	}

	/** The driver keeps times as numbers, of which SQLite's functions know nothing. */
	@Test
	void sqliteCalculatesWithTimesThatAreKeptAsText() {
		try (JpaApplication application = start(SameRepositoryContract.Shop.class,
				"app.datasources.lisbon.hikari.data-source-properties.date_class=text")) {
			TenantContext.run("lisbon", () -> application.sessions().getSchemaManager().exportMappedObjects(false));
			Crate crate = new Crate("time");
			crate.sent = Instant.parse("2026-10-25T00:30:00.123Z");
			crate.due = LocalDate.of(2026, 2, 28);
			Crates crates = application.bean(Crates.class);
			TenantContext.run("lisbon", () -> crates.save(crate));
			assertThat(application.<Integer>in("lisbon",
					(entities) -> entities.createQuery("select year(p.sent) from Crate p", Integer.class)
						.getSingleResult()))
				.isEqualTo(2026);
			TenantContext.run("lisbon", () -> {
				Crate found = crates.findByCode("time").orElseThrow();
				assertThat(found.sent).isEqualTo(crate.sent);
				assertThat(found.due).isEqualTo(crate.due);
				assertThat(crates.findBySentBetween(crate.sent.minusMillis(1), crate.sent.plusMillis(1))).hasSize(1);
			});
		}
	}

	@Test
	void aFactoryBeanOfTheApplicationsOwnSpeaksToAllProducts() {
		try (JpaApplication application = start(OwnFactory.class, "spring.jpa.show-sql=false")) {
			TenantContext.run("lisbon", () -> {
				application.sessions().getSchemaManager().exportMappedObjects(false);
				assertThat(application.bean(Crates.class).save(new Crate("own")).getId()).isNotNull();
			});
			assertThat(application.column("lisbon", "select typeof(id) from crate")).containsExactly("integer");
			TenantContext.run("porto", () -> {
				try (EntityManager entities = application.bean(EntityManagerFactory.class).createEntityManager()) {
					assertThat(dialect(entities)).isInstanceOf(PostgreSQLDialect.class);
				}
			});
		}
	}

	@Test
	void factoriesMayBeBuiltInTheBackground() {
		try (JpaApplication application = start(SameRepositoryContract.Shop.class, "spring.jpa.bootstrap=async",
				"spring.data.jpa.repositories.bootstrap-mode=deferred")) {
			TenantContext.run("lisbon", () -> {
				application.sessions().getSchemaManager().exportMappedObjects(false);
				assertThat(application.bean(Crates.class).save(new Crate("async")).getId()).isNotNull();
			});
		}
	}

	@Test
	void manyThreadsBuildAFactoryOnce(CapturedOutput output) throws Exception {
		try (JpaApplication application = start()) {
			EntityManagerFactory factory = application.bean(EntityManagerFactory.class);
			List<Object> built = Race.run(8,
					() -> TenantContext.call("porto", () -> factory.unwrap(SessionFactoryImplementor.class)));
			assertThat(built).allMatch(SessionFactoryImplementor.class::isInstance).containsOnly(built.get(0));
		}
		assertThat(output).containsOnlyOnce(POSTGRESQL);
	}

	private JpaApplication start() {
		return start(SameRepositoryContract.Shop.class);
	}

	private JpaApplication start(Class<?> configuration, String... more) {
		String[] properties = new String[more.length + 2];
		properties[0] = "app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db");
		properties[1] = "app.datasources.porto.url=jdbc:postgresql://localhost:1/porto";
		System.arraycopy(more, 0, properties, 2, more.length);
		JpaApplication application = JpaApplication.start(configuration, properties);
		if (more.length == 0) {
			TenantContext.run("lisbon", () -> application.sessions().getSchemaManager().exportMappedObjects(false));
		}
		return application;
	}

	private static Dialect dialect(EntityManager entities) {
		return entities.unwrap(Session.class)
			.getSessionFactory()
			.unwrap(SessionFactoryImplementor.class)
			.getJdbcServices()
			.getDialect();
	}

	@Configuration(proxyBeanMethods = false)
	@Import(SameRepositoryContract.Shop.class)
	static class Customized {

		@Bean
		HibernatePropertiesCustomizer customizer() {
			return (properties) -> {
				properties.put("test.customized", "yes");
				properties.put("hibernate.generate_statistics", true);
			};
		}

	}

	@Configuration(proxyBeanMethods = false)
	@Import(SameRepositoryContract.Shop.class)
	static class OwnFactory {

		@Bean
		LocalContainerEntityManagerFactoryBean entityManagerFactory(DataSource dataSource) {
			LocalContainerEntityManagerFactoryBean factory = new LocalContainerEntityManagerFactoryBean();
			factory.setDataSource(dataSource);
			factory.setPackagesToScan(Crate.class.getPackageName());
			factory.setJpaVendorAdapter(new HibernateJpaVendorAdapter());
			return factory;
		}

	}

}
