package io.multidb.jpa;

import java.nio.file.Path;
import java.util.List;

import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.orm.jpa.hibernate.HibernateTransactionManager;
import org.springframework.orm.jpa.hibernate.LocalSessionFactoryBean;
import org.springframework.orm.jpa.hibernate.LocalSessionFactoryBuilder;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.OpenTransaction;
import io.multidb.Scope;
import io.multidb.SourceSwitchException;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Hibernate's own SessionFactory on the router, with its transaction manager: as a bean,
 * and built by hand.
 */
class RoutedSessionFactoryTests {

	@TempDir
	private Path directory;

	@AfterEach
	void nothingIsLeftOnTheThread() {
		assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
	}

	@Test
	void aSessionFactoryBeanKeepsSourcesApart() {
		try (JpaApplication application = start(Native.class)) {
			try (Scope scope = TenantContext.enter("lisbon"); Session session = application.sessions().openSession()) {
				assertThat(session.getTenantIdentifier()).isEqualTo("lisbon");
				session.find(Stall.class, "a");
				try (Scope inner = TenantContext.enter("porto")) {
					assertThatThrownBy(() -> session.persist(new Stall("a"))).isInstanceOf(WrongSourceException.class);
				}
			}
		}
	}

	@Test
	void aSessionFactoryBeansSchemaToolsAreRefused() {
		assertThatThrownBy(() -> start(Creating.class)).hasRootCauseInstanceOf(FailureAnalyzedException.class);
	}

	@Test
	void aSessionFactoryBeanForTwoProductsIsRefused() {
		assertThatThrownBy(() -> JpaApplication.start(Native.class, "spring.data.jpa.repositories.enabled=false",
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
				"app.datasources.porto.url=jdbc:postgresql://localhost:1/porto"))
			.hasRootCauseInstanceOf(FailureAnalyzedException.class)
			.rootCause()
			.hasMessageContaining("one product");
	}

	@ParameterizedTest
	@ValueSource(classes = { Native.class, ByHand.class })
	void aSwitchInATransactionOfHibernatesManagerIsRefused(Class<?> configuration) {
		try (JpaApplication application = start(configuration)) {
			SessionFactory sessions = application.bean(SessionFactory.class);
			TenantContext.run("lisbon", () -> transaction(application, TransactionDefinition.PROPAGATION_REQUIRED)
				.executeWithoutResult((status) -> {
					sessions.getCurrentSession().persist(new Stall("a"));
					assertThatExceptionOfType(SourceSwitchException.class)
						.isThrownBy(() -> TenantContext.enter("porto"));
				}));
			assertStalls(application, "lisbon", "a");
			assertStalls(application, "porto");
		}
	}

	@ParameterizedTest
	@ValueSource(classes = { Native.class, ByHand.class })
	void aSuspendingMethodWorksOnItsTenant(Class<?> configuration) {
		try (JpaApplication application = start(configuration)) {
			SessionFactory sessions = application.bean(SessionFactory.class);
			for (int propagation : List.of(TransactionDefinition.PROPAGATION_REQUIRED,
					TransactionDefinition.PROPAGATION_REQUIRES_NEW)) {
				TenantContext.run("lisbon", () -> transaction(application, TransactionDefinition.PROPAGATION_REQUIRED)
					.executeWithoutResult((status) -> {
						Session outer = sessions.getCurrentSession();
						outer.persist(new Stall("a" + propagation));
						application.bean(Suspending.class)
							.inPorto(() -> transaction(application, propagation).executeWithoutResult(
									(inner) -> sessions.getCurrentSession().persist(new Stall("b" + propagation))));
						assertThat(sessions.getCurrentSession()).isSameAs(outer);
					}));
			}
			assertStalls(application, "lisbon", "a0", "a3");
			assertStalls(application, "porto", "b0", "b3");
		}
	}

	private JpaApplication start(Class<?> configuration) {
		JpaApplication application = JpaApplication.start(configuration, "spring.data.jpa.repositories.enabled=false",
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
				"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"));
		for (String source : JpaApplication.SOURCES) {
			application.update(source, "create table stall (name varchar(50) primary key)");
		}
		return application;
	}

	private static TransactionTemplate transaction(JpaApplication application, int propagation) {
		TransactionTemplate template = new TransactionTemplate(application.bean(PlatformTransactionManager.class));
		template.setPropagationBehavior(propagation);
		return template;
	}

	private static void assertStalls(JpaApplication application, String source, String... names) {
		assertThat(application.column(source, "select name from stall order by name")).containsExactly(names);
	}

	@Entity(name = "stall")
	static class Stall {

		@Id
		private String name;

		Stall() {
		}

		Stall(String name) {
			this.name = name;
		}

		String getName() {
			return this.name;
		}

	}

	static class Suspending {

		@Tenant(value = "porto", transaction = OpenTransaction.SUSPEND)
		public void inPorto(Runnable work) {
			work.run();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Common {

		@Bean
		Suspending suspending() {
			return new Suspending();
		}

		@Bean
		HibernateTransactionManager transactionManager(SessionFactory sessions) {
			return new HibernateTransactionManager(sessions);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Native extends Common {

		@Bean
		LocalSessionFactoryBean entityManagerFactory(RoutingDataSource router) {
			LocalSessionFactoryBean factory = new LocalSessionFactoryBean();
			factory.setDataSource(router);
			factory.setAnnotatedClasses(Stall.class);
			return factory;
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Creating extends Common {

		@Bean
		LocalSessionFactoryBean entityManagerFactory(RoutingDataSource router) {
			LocalSessionFactoryBean factory = new Native().entityManagerFactory(router);
			factory.getHibernateProperties().setProperty("hibernate.hbm2ddl.auto", "update");
			return factory;
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class ByHand extends Common {

		@Bean
		SessionFactory entityManagerFactory(RoutingDataSource router) {
			return new LocalSessionFactoryBuilder(router).addAnnotatedClasses(Stall.class)
				.setProperty("hibernate.dialect", "org.hibernate.community.dialect.SQLiteDialect")
				.setProperty("hibernate.boot.allow_jdbc_metadata_access", "false")
				.buildSessionFactory();
		}

	}

}
