package io.multidb.jpa;

import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import jakarta.persistence.PersistenceException;
import jakarta.persistence.SynchronizationType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.orm.jpa.EntityManagerHolder;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.orm.jpa.persistenceunit.PersistenceManagedTypes;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceSwitchException;
import io.multidb.TenantContext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link BoundSessionReader}, by the switches that are refused because of it.
 */
class BoundSessionReaderTests {

	@TempDir
	private Path directory;

	private JpaApplication application;

	@BeforeEach
	void start() {
		this.application = JpaApplication.start(this.directory, Markets.class,
				"spring.data.jpa.repositories.enabled=false", "app.tenancy.routes[0].tenants=lisbon,belem",
				"app.tenancy.routes[0].source=lisbon", "app.tenancy.routes[1].tenants=porto",
				"app.tenancy.routes[1].source=porto");
	}

	@AfterEach
	void stop() {
		this.application.close();
		assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
	}

	@Test
	void anEntityManagerOfTheApplicationsOwnKeepsItsSource() {
		TransactionTemplate unrelated = unrelated();
		List<EntityManager> created = new ArrayList<>();
		TenantContext.run("lisbon", () -> unrelated.executeWithoutResult((status) -> {
			EntityManager entities = this.application.bean(EntityManagerFactory.class)
				.createEntityManager(SynchronizationType.SYNCHRONIZED);
			created.add(entities);
			entities.persist(new Market("a"));
			TenantContext.run("belem", () -> entities.persist(new Market("b")));
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("porto"))
				.withMessageContaining("an open Hibernate session of source 'lisbon'");
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("atlantis"));
			entities.close();
		}));
		assertThat(created).hasSize(1).noneMatch(EntityManager::isOpen);
		assertThat(this.application.column("lisbon", "select name from market order by name")).containsExactly("a",
				"b");
		assertThat(this.application.column("porto", "select name from market")).isEmpty();
	}

	@Test
	void anEntityManagerOfTheApplicationsOwnThatOutlivesItsScopeIsRefused() {
		TransactionTemplate unrelated = unrelated();
		assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.run("porto",
				() -> unrelated.executeWithoutResult((status) -> TenantContext.run("lisbon", () -> {
					EntityManager entities = this.application.bean(EntityManagerFactory.class)
						.createEntityManager(SynchronizationType.SYNCHRONIZED);
					entities.persist(new Market("a"));
					entities.close();
				}))))
			.withMessageContaining("still open");
		for (String source : JpaApplication.SOURCES) {
			assertThat(this.application.column(source, "select name from market")).isEmpty();
		}
	}

	@Test
	void theSessionOfAnotherContextDoesNotCount() {
		try (JpaApplication other = JpaApplication.start(Markets.class, "spring.data.jpa.repositories.enabled=false",
				"app.datasources.other.url=jdbc:sqlite:" + this.directory.resolve("other.db"))) {
			assertThat(other.sessions().isOpen()).isTrue();
			EntityManager entities = SharedEntityManagerCreator
				.createSharedEntityManager(this.application.bean(EntityManagerFactory.class));
			TransactionTemplate transaction = new TransactionTemplate(
					this.application.bean(PlatformTransactionManager.class));
			TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
				entities.persist(new Market("a"));
				TenantContext.run("belem", () -> entities.persist(new Market("b")));
			}));
		}
		assertThat(this.application.column("lisbon", "select name from market order by name")).containsExactly("a",
				"b");
	}

	@Test
	void anEntityManagerOfAnotherProviderDoesNotStandInTheWay() {
		EntityManager foreign = (EntityManager) Proxy.newProxyInstance(getClass().getClassLoader(),
				new Class<?>[] { EntityManager.class }, (proxy, method, arguments) -> {
					throw new PersistenceException(method.getName());
				});
		Object key = new Object();
		TransactionSynchronizationManager.bindResource(key, new EntityManagerHolder(foreign));
		try {
			this.application.update("lisbon", "insert into market (name) values ('a')");
		}
		finally {
			TransactionSynchronizationManager.unbindResource(key);
		}
		assertThat(this.application.column("lisbon", "select name from market")).containsExactly("a");
	}

	/** Of a DataSource that is none of the router's. */
	private TransactionTemplate unrelated() {
		return new TransactionTemplate(new JdbcTransactionManager(
				new DriverManagerDataSource("jdbc:sqlite:" + this.directory.resolve("u.db"))));
	}

	@Entity(name = "market")
	static class Market {

		@Id
		private String name;

		Market() {
		}

		Market(String name) {
			this.name = name;
		}

		String getName() {
			return this.name;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackages = "none.at.all")
	static class Markets {

		@Bean
		PersistenceManagedTypes persistenceManagedTypes() {
			return PersistenceManagedTypes.of(Market.class.getName());
		}

	}

}
