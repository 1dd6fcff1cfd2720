package io.multidb.jpa;

import java.nio.file.Path;
import java.util.List;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import org.hibernate.Session;
import org.hibernate.annotations.TenantId;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.orm.jpa.persistenceunit.PersistenceManagedTypes;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.OpenTransaction;
import io.multidb.Scope;
import io.multidb.SourceSwitchException;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tenants of one source, told apart by a column and an application's own resolver.
 */
class TenantIdTests {

	@TempDir
	private Path directory;

	private JpaApplication application;

	private EntityManager entities;

	@BeforeEach
	void start() {
		this.application = JpaApplication.start(Owned.class, "spring.data.jpa.repositories.enabled=false",
				"app.tenancy.routes[0].tenants=x*", "app.tenancy.routes[0].source=shared",
				"app.datasources.shared.url=jdbc:sqlite:" + this.directory.resolve("shared.db"));
		this.application.update("x1", "create table barrel (id bigint primary key, owner varchar(64))");
		this.entities = SharedEntityManagerCreator
			.createSharedEntityManager(this.application.bean(EntityManagerFactory.class));
	}

	@AfterEach
	void stop() {
		this.application.close();
	}

	@Test
	void anotherTenantIsRefusedInATransactionOfTheSameSource() {
		TenantContext.run("x1", () -> transaction().executeWithoutResult((status) -> {
			this.entities.persist(new Barrel(1L));
			this.entities.flush();
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("x2"))
				.withMessageContaining("an open Hibernate session of tenant 'x1'");
			TenantContext.run("x1", () -> this.entities.persist(new Barrel(2L)));
		}));
		assertThat(this.application.column("x1", "select owner || id from barrel order by id")).containsExactly("x11",
				"x12");
	}

	@Test
	void anotherTenantReadsItsOwnRowsWhereTheTransactionIsSetAside() {
		this.application.update("x1", "insert into barrel (id, owner) values (1, 'x1'), (2, 'x2')");
		TenantContext.run("x1", () -> transaction().executeWithoutResult((status) -> {
			assertThat(barrels()).containsExactly(1L);
			this.application.bean(Suspending.class).inX2(() -> assertThat(barrels()).containsExactly(2L));
			assertThat(barrels()).containsExactly(1L);
		}));
	}

	@Test
	void anotherTenantWritesItsOwnRowsInATransactionOfItsOwn() {
		TenantContext.run("x1", () -> transaction().executeWithoutResult((status) -> {
			this.entities.persist(new Barrel(1L));
			this.application.bean(Separate.class).inX2(() -> {
				assertThat(barrels()).isEmpty();
				this.entities.persist(new Barrel(2L));
			});
			assertThat(this.entities.find(Barrel.class, 2L)).isNull();
			assertThat(barrels()).containsExactly(1L);
			status.setRollbackOnly();
		}));
		assertThat(this.application.column("x1", "select owner || id from barrel")).containsExactly("x22");
	}

	@Test
	void anotherTenantsOwnTransactionIsRolledBackAlone() {
		TenantContext.run("x1", () -> transaction().executeWithoutResult((status) -> {
			assertThatExceptionOfType(IllegalStateException.class)
				.isThrownBy(() -> this.application.bean(Separate.class).inX2(() -> {
					this.entities.persist(new Barrel(2L));
					this.entities.flush();
					throw new IllegalStateException("on purpose");
				}));
			this.entities.persist(new Barrel(1L));
		}));
		assertThat(this.application.column("x1", "select owner || id from barrel")).containsExactly("x11");
	}

	@Test
	void anotherTenantReadsItsOwnRowsOutsideOfTheTransaction() {
		this.application.update("x1", "insert into barrel (id, owner) values (1, 'x1'), (2, 'x2')");
		TenantContext.run("x1", () -> transaction().executeWithoutResult((status) -> {
			Barrel mine = this.entities.find(Barrel.class, 1L);
			this.application.bean(Separate.class).inX2WithoutTransaction(() -> {
				assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isFalse();
				assertThat(barrels()).containsExactly(2L);
				assertThat(this.entities.find(Barrel.class, 1L)).isNull();
			});
			assertThat(this.entities.contains(mine)).isTrue();
			assertThat(barrels()).containsExactly(1L);
		}));
	}

	@Test
	void aTransactionTemplateAroundTheScopeSetsTheTransactionAside() {
		TransactionTemplate without = transaction();
		without.setPropagationBehavior(TransactionDefinition.PROPAGATION_NOT_SUPPORTED);
		TenantContext.run("x1", () -> transaction().executeWithoutResult((status) -> {
			this.entities.persist(new Barrel(1L));
			without.executeWithoutResult((none) -> TenantContext.run("x2", () -> {
				assertThat(barrels()).isEmpty();
				transaction().executeWithoutResult((own) -> this.entities.persist(new Barrel(2L)));
				assertThat(barrels()).containsExactly(2L);
			}));
			assertThat(barrels()).containsExactly(1L);
		}));
		assertThat(this.application.column("x1", "select owner || id from barrel order by id")).containsExactly("x11",
				"x22");
	}

	@Test
	void aSessionThatIsHeldIsRefusedUnderAnotherTenant() {
		try (Scope scope = TenantContext.enter("x1"); Session session = this.application.sessions().openSession()) {
			session.beginTransaction();
			session.find(Barrel.class, 1L);
			try (Scope inner = TenantContext.enter("x2")) {
				assertThatExceptionOfType(WrongSourceException.class).isThrownBy(() -> session.persist(new Barrel(1L)))
					.withMessageContaining("of source 'shared', opened for 'x1'")
					.withMessageContaining("tenant 'x2'");
				assertThatExceptionOfType(WrongSourceException.class)
					.isThrownBy(() -> session.createQuery("from Barrel", Barrel.class).list());
			}
			session.getTransaction().commit();
		}
		assertThat(this.application.column("x1", "select id from barrel")).isEmpty();
	}

	private List<Long> barrels() {
		return this.entities.createQuery("select id from Barrel", Long.class).getResultList();
	}

	private TransactionTemplate transaction() {
		return new TransactionTemplate(this.application.bean(PlatformTransactionManager.class));
	}

	@Entity(name = "Barrel")
	static class Barrel {

		@Id
		private Long id;

		@TenantId
		private String owner;

		Barrel() {
		}

		Barrel(Long id) {
			this.id = id;
		}

		Long getId() {
			return this.id;
		}

		String getOwner() {
			return this.owner;
		}

	}

	static class Separate {

		@Tenant("x2")
		@Transactional(propagation = Propagation.REQUIRES_NEW)
		public void inX2(Runnable work) {
			work.run();
		}

		@Tenant("x2")
		@Transactional(propagation = Propagation.NOT_SUPPORTED)
		public void inX2WithoutTransaction(Runnable work) {
			work.run();
		}

	}

	static class Suspending {

		@Tenant(value = "x2", transaction = OpenTransaction.SUSPEND)
		public void inX2(Runnable work) {
			work.run();
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackages = "none.at.all")
	static class Owned {

		@Bean
		Separate separate() {
			return new Separate();
		}

		@Bean
		Suspending suspending() {
			return new Suspending();
		}

		@Bean
		CurrentTenantIdentifierResolver<String> tenants() {
			return new CurrentTenantIdentifierResolver<>() {

				@Override
				public String resolveCurrentTenantIdentifier() {
					String tenant = TenantContext.current();
					return (tenant != null) ? tenant : "none";
				}

				@Override
				public boolean validateExistingCurrentSessions() {
					return true;
				}

			};
		}

		@Bean
		PersistenceManagedTypes persistenceManagedTypes() {
			return PersistenceManagedTypes.of(Barrel.class.getName());
		}

	}

}
