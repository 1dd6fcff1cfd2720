package io.multidb.jpa;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;

import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.LockModeType;
import jakarta.persistence.criteria.CriteriaBuilder;
import jakarta.persistence.criteria.CriteriaQuery;
import jakarta.persistence.criteria.Root;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.orm.jpa.EntityManagerHolder;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceSwitchException;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;
import io.multidb.source.Race;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Two products in one application, and what goes from one to the other: lisbon on SQLite,
 * porto on PostgreSQL.
 */
class ProductsIntegrationTests {

	@AutoClose
	private static final TestPostgres server = TestPostgres.start();

	@TempDir
	static Path directory;

	private static JpaApplication application;

	private static Crates crates;

	@BeforeAll
	static void start() {
		application = JpaApplication.start(SameRepositoryContract.Shop.class,
				"app.datasources.lisbon.url=jdbc:sqlite:" + directory.resolve("lisbon.db"),
				"app.datasources.porto.url=" + server.url(), "app.datasources.porto.username=" + server.username(),
				"app.datasources.porto.password=" + server.password(),
				"spring.jpa.properties.hibernate.cache.region.factory_class=jcache",
				"spring.jpa.properties.hibernate.javax.cache.provider=com.github.benmanes.caffeine.jcache.spi.CaffeineCachingProvider",
				"spring.jpa.properties.hibernate.cache.use_query_cache=true",
				"spring.jpa.properties.hibernate.generate_statistics=true",
				"logging.level.org.hibernate.session.metrics=off");
		application.createSchemas();
		crates = application.bean(Crates.class);
	}

	@AfterAll
	static void stop() {
		application.close();
	}

	@BeforeEach
	void empty() {
		for (String source : JpaApplication.SOURCES) {
			TenantContext.run(source, () -> crates.deleteAll());
		}
	}

	@Test
	void threadsOnBothAtOnceNeverMix() throws Exception {
		AtomicInteger number = new AtomicInteger();
		List<Object> outcomes = Race.run(8, () -> {
			int thread = number.getAndIncrement();
			for (int i = 0; i < 25; i++) {
				String source = JpaApplication.SOURCES[(thread + i) % 2];
				String code = source + "-" + thread + "-" + i;
				TenantContext.run(source, () -> {
					crates.save(new Crate(code).text(source));
					assertThat(crates.findByCode(code).orElseThrow().text).isEqualTo(source);
				});
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		for (String source : JpaApplication.SOURCES) {
			assertThat(application.column(source, "select code from crate")).hasSize(100)
				.allMatch((code) -> code.startsWith(source));
		}
	}

	@Test
	void oneRollsBackAndTheOtherStays() {
		TransactionTemplate transaction = new TransactionTemplate(application.bean(PlatformTransactionManager.class));
		TransactionTemplate none = new TransactionTemplate(transaction.getTransactionManager());
		none.setPropagationBehavior(TransactionDefinition.PROPAGATION_NOT_SUPPORTED);
		TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
			crates.saveAndFlush(new Crate("outer"));
			none.executeWithoutResult((suspended) -> TenantContext.run("porto",
					() -> transaction.executeWithoutResult((inner) -> crates.save(new Crate("inner")))));
			assertThat(crates.existsByCode("outer")).isTrue();
			assertThat(crates.existsByCode("inner")).isFalse();
			status.setRollbackOnly();
		}));
		assertThat(application.column("lisbon", "select code from crate")).isEmpty();
		assertThat(application.column("porto", "select code from crate")).containsExactly("inner");
	}

	@Test
	void aSwitchToTheOtherProductInsideATransactionIsRefused() {
		for (String from : JpaApplication.SOURCES) {
			String to = from.equals("lisbon") ? "porto" : "lisbon";
			assertThatExceptionOfType(SourceSwitchException.class)
				.isThrownBy(() -> application.in(from, (entities) -> TenantContext.call(to, () -> 1)))
				.withMessageContainingAll(from, to);
		}
	}

	@Test
	void aSwitchWithASessionOfTheOtherProductBoundIsRefused() {
		EntityManagerFactory factory = application.bean(EntityManagerFactory.class);
		TenantContext.run("lisbon", () -> {
			try (EntityManager entities = factory.createEntityManager()) {
				TransactionSynchronizationManager.bindResource(factory, new EntityManagerHolder(entities));
				try {
					assertThatExceptionOfType(SourceSwitchException.class)
						.isThrownBy(() -> TenantContext.run("porto", () -> crates.count()))
						.withMessageContainingAll("lisbon", "porto");
				}
				finally {
					TransactionSynchronizationManager.unbindResource(factory);
				}
			}
		});
	}

	@Test
	void aSessionUsedUnderTheOtherProductsTargetIsRefused() {
		EntityManagerFactory factory = application.bean(EntityManagerFactory.class);
		for (String from : JpaApplication.SOURCES) {
			String to = from.equals("lisbon") ? "porto" : "lisbon";
			try (EntityManager entities = TenantContext.call(from, () -> factory.createEntityManager())) {
				assertThatException()
					.isThrownBy(() -> TenantContext.run(to,
							() -> entities.createQuery("select p from Crate p", Crate.class).getResultList()))
					.satisfies(
							(ex) -> assertThat(ex).hasStackTraceContaining(WrongSourceException.class.getSimpleName()));
			}
		}
	}

	@Test
	void aLockHoldsOnBoth() {
		for (String source : JpaApplication.SOURCES) {
			TenantContext.run(source, () -> crates.save(new Crate("locked")));
		}
		for (String source : JpaApplication.SOURCES) {
			application.in(source, (entities) -> {
				// Of a row on PostgreSQL; SQLite has one writer, who need not ask for it.
				crates.lock("locked");
				List<Object> outcomes = race(() -> application.in(source, ProductsIntegrationTests::lockNow));
				assertThat(outcomes).singleElement().isInstanceOf(RuntimeException.class);
				return null;
			});
		}
	}

	private static String lockNow(EntityManager entities) {
		return entities.createQuery("select p from Crate p where p.code = 'locked'", Crate.class)
			.setLockMode(LockModeType.PESSIMISTIC_WRITE)
			.setHint("jakarta.persistence.lock.timeout", 0)
			.getSingleResult().code;
	}

	private static List<Object> race(Callable<?> task) {
		try {
			return Race.run(1, task);
		}
		catch (Exception ex) {
			throw new IllegalStateException(ex);
		}
	}

	@Test
	void theSharedSecondLevelCacheKeepsThemApart() {
		for (String source : JpaApplication.SOURCES) {
			application.in(source, (entities) -> entities.createQuery("delete from Shelf").executeUpdate());
			application.update(source, "insert into shelf (id, name) values (1, '" + source + "')");
		}
		for (int i = 0; i < 3; i++) {
			for (String source : JpaApplication.SOURCES) {
				assertThat(application.<String>in(source, (entities) -> entities.find(Crate.Shelf.class, 1L).name))
					.isEqualTo(source);
				assertThat(application.<List<String>>in(source,
						(entities) -> entities.createQuery("select s.name from Shelf s", String.class)
							.setHint("org.hibernate.cacheable", true)
							.getResultList()))
					.containsExactly(source);
			}
		}
		for (String source : JpaApplication.SOURCES) {
			long hits = TenantContext.call(source,
					() -> application.sessions().getStatistics().getSecondLevelCacheHitCount());
			assertThat(hits).as(source).isGreaterThanOrEqualTo(2);
		}
	}

	/** The guide says so: build a query where its target is current. */
	@Test
	void aQueryThatWasBuiltForTheOtherProductKeepsItsFunctions() {
		EntityManagerFactory factory = application.bean(EntityManagerFactory.class);
		CriteriaQuery<String> query = TenantContext.call("lisbon", () -> {
			CriteriaBuilder criteria = factory.getCriteriaBuilder();
			CriteriaQuery<String> built = criteria.createQuery(String.class);
			Root<Crate> crate = built.from(Crate.class);
			built.select(crate.get("code"));
			return built.where(criteria.equal(criteria.locate(crate.get("text"), "x"), 3));
		});
		assertThatException()
			.isThrownBy(() -> application.in("porto", (entities) -> entities.createQuery(query).getResultList()))
			.withMessageContaining("instr");
	}

}
