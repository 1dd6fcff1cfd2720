package io.multidb.jpa;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import jakarta.persistence.Cacheable;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.TableGenerator;
import org.hibernate.KeyType;
import org.hibernate.Session;
import org.hibernate.StatelessSession;
import org.hibernate.annotations.Cache;
import org.hibernate.annotations.CacheConcurrencyStrategy;
import org.hibernate.annotations.NaturalId;
import org.hibernate.annotations.NaturalIdCache;
import org.hibernate.jpa.HibernateHints;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Configuration;

import io.multidb.TenantContext;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;

/**
 * What Hibernate shares between sessions: second-level, query and natural-id caches, and
 * blocks of identifiers. Run with {@code -Dmultidb.test.without-spi=true}, those that
 * compare sources fail.
 */
class HibernateCacheTests {

	static final String[] CACHES = { "spring.jpa.properties.hibernate.cache.region.factory_class=jcache",
			"spring.jpa.properties.hibernate.javax.cache.provider=com.github.benmanes.caffeine.jcache.spi.CaffeineCachingProvider",
			"spring.jpa.properties.hibernate.cache.use_query_cache=true",
			"spring.jpa.properties.hibernate.generate_statistics=true",
			"logging.level.org.hibernate.session.metrics=off" };

	@TempDir
	private Path directory;

	@Test
	void theSecondLevelCacheServesEachSourceItsOwnRows() {
		try (JpaApplication application = start()) {
			assertThat(name(application, "lisbon")).isEqualTo("Lisboa");
			assertThat(name(application, "porto")).isEqualTo("Porto");
			assertThat(name(application, "lisbon")).isEqualTo("Lisboa");
			assertThat(application.sessions().getStatistics().getSecondLevelCacheHitCount()).isEqualTo(1);
		}
	}

	@Test
	void anUpdateWritesNoColumnOfAnotherSource() {
		try (JpaApplication application = start()) {
			application.in("lisbon", (entities) -> entities.find(Town.class, 1L));
			application.in("porto", (entities) -> {
				entities.find(Town.class, 1L).population = 7;
				return null;
			});
			assertThat(application.column("porto", "select name || population from town")).containsExactly("Porto7");
			assertThat(application.column("lisbon", "select name || population from town")).containsExactly("Lisboa0");
		}
	}

	@Test
	void theQueryCacheServesEachSourceItsOwnRows() {
		try (JpaApplication application = start()) {
			assertThat(application.in("lisbon", HibernateCacheTests::names)).containsExactly("Lisboa");
			assertThat(application.in("porto", HibernateCacheTests::names)).containsExactly("Porto");
			assertThat(application.in("lisbon", HibernateCacheTests::names)).containsExactly("Lisboa");
			assertThat(application.sessions().getStatistics().getQueryCacheHitCount()).isEqualTo(1);
		}
	}

	@Test
	void theNaturalIdCacheServesEachSourceItsOwnRows() {
		try (JpaApplication application = start()) {
			application.update("porto", "update town set id = 2");
			assertThat(idByCode(application, "lisbon")).isEqualTo(1);
			assertThat(idByCode(application, "porto")).isEqualTo(2);
		}
	}

	@Test
	void aStatelessSessionIsOfItsSource() {
		try (JpaApplication application = start()) {
			for (String source : JpaApplication.SOURCES) {
				application.in(source, (entities) -> entities.find(Town.class, 1L));
			}
			assertThat(TenantContext.call("porto", () -> {
				try (StatelessSession session = application.sessions().openStatelessSession()) {
					return session.get(Town.class, 1L).name;
				}
			})).isEqualTo("Porto");
		}
	}

	@Test
	void evictingAnEntityEvictsItForAllSources() {
		try (JpaApplication application = start()) {
			for (String source : JpaApplication.SOURCES) {
				name(application, source);
				application.update(source, "update town set name = 'changed'");
			}
			application.sessions().getCache().evict(Town.class);
			assertThat(name(application, "lisbon")).isEqualTo("changed");
			assertThat(name(application, "porto")).isEqualTo("changed");
		}
	}

	@Test
	void aSourceAddedAnewUnderItsNameHasNothingOfTheFormer() {
		try (JpaApplication application = start()) {
			application.in("porto", (entities) -> entities.find(Town.class, 1L));
			long first = application.in("porto", HibernateCacheTests::ticket);
			SourceRegistry registry = application.bean(SourceRegistry.class);
			registry.remove("porto");
			registry
				.add(SourceDefinition.named("porto").url("jdbc:sqlite:" + this.directory.resolve("porto2.db")).build());
			TenantContext.run("porto", () -> application.sessions().getSchemaManager().exportMappedObjects(false));
			application.update("porto",
					"insert into town (id, code, name, population) values (1, 'OPO', 'of the new', 0)");
			application.in("porto", (entities) -> {
				entities.find(Town.class, 1L).population = 7;
				return null;
			});
			assertThat(application.column("porto", "select name || population from town"))
				.containsExactly("of the new7");
			assertThat(application.in("porto", HibernateCacheTests::ticket)).isEqualTo(first);
			assertThat(name(application, "porto")).isEqualTo("of the new");
		}
	}

	@Test
	void aTemplatesSourceThatIsClosedAndOpenedAgainHasWhatItHad() {
		try (JpaApplication application = start(
				"app.datasources.village.url=jdbc:sqlite:" + this.directory + "/{id}.db",
				"app.datasources.village.create=on-first-use", "app.tenancy.routes[0].tenants=village-{id}",
				"app.tenancy.routes[0].source=village", "app.tenancy.routes[1].tenants=*",
				"app.tenancy.routes[1].source={tenant}")) {
			TenantContext.run("village-1", () -> application.sessions().getSchemaManager().exportMappedObjects(false));
			application.update("village-1",
					"insert into town (id, code, name, population) values (1, 'SIN', 'Sintra', 0)");
			assertThat(name(application, "village-1")).isEqualTo("Sintra");
			long first = application.in("village-1", HibernateCacheTests::ticket);
			assertThat(application.bean(SourceRegistry.class).drain("village-1")).isTrue();
			assertThat(name(application, "village-1")).isEqualTo("Sintra");
			assertThat(application.sessions().getStatistics().getSecondLevelCacheHitCount()).isEqualTo(1);
			assertThat(application.in("village-1", HibernateCacheTests::ticket)).isEqualTo(first + 1);
		}
	}

	@Test
	void twoTenantsOfOneSourceShareTheCache() {
		try (JpaApplication application = start("app.tenancy.routes[0].tenants=lisbon,belem",
				"app.tenancy.routes[0].source=lisbon", "app.tenancy.routes[1].tenants=porto",
				"app.tenancy.routes[1].source=porto")) {
			application.in("lisbon", (entities) -> entities.find(Town.class, 1L));
			application.in("belem", (entities) -> entities.find(Town.class, 1L));
			assertThat(application.sessions().getStatistics().getSecondLevelCacheHitCount()).isEqualTo(1);
		}
	}

	@Test
	void eachSourceNumbersItsOwnAndAfterARestartNoNumberIsGivenTwice() {
		try (JpaApplication application = start()) {
			for (int i = 0; i < 60; i++) {
				for (String source : JpaApplication.SOURCES) {
					application.in(source, HibernateCacheTests::number);
				}
			}
			for (String source : JpaApplication.SOURCES) {
				assertThat(application.column(source, "select id from ticket order by id")).hasSize(60)
					.startsWith("1")
					.endsWith("60");
				assertThat(application.column(source, "select id from receipt order by id")).hasSize(60)
					.startsWith("1")
					.endsWith("60");
			}
		}
		// Alone, so that blocks that were shared would overlap with what is there.
		for (String source : JpaApplication.SOURCES) {
			try (JpaApplication application = JpaApplication.start(Towns.class, url("lisbon"), url("porto"))) {
				for (int i = 0; i < 60; i++) {
					application.in(source, HibernateCacheTests::number);
				}
				assertThat(application.column(source, "select count(*) from ticket")).containsExactly("120");
			}
		}
	}

	@Test
	void whatWasReadFromTheFallbackIsNotServedAsTheSourcesOwn() throws IOException {
		try (JpaApplication application = startWithFallback()) {
			stop(application);
			assertThat(name(application, "lisbon")).isEqualTo("Porto");
			assertThat(application.in("lisbon", HibernateCacheTests::names)).containsExactly("Porto", "Porto");
			assertThat(idByCode(application, "lisbon")).isEqualTo(2);
			long hits = application.sessions().getStatistics().getSecondLevelCacheHitCount();
			assertThat(name(application, "lisbon")).isEqualTo("Porto");
			assertThat(application.sessions().getStatistics().getSecondLevelCacheHitCount()).isEqualTo(hits + 1);
			restart(application);
			assertThat(name(application, "lisbon")).isEqualTo("Lisboa");
			assertThat(application.in("lisbon", HibernateCacheTests::names)).containsExactly("Lisboa", "Belem");
			assertThat(idByCode(application, "lisbon")).isEqualTo(1);
			stop(application);
			assertThat(name(application, "lisbon")).isEqualTo("Porto");
			assertThat(name(application, "porto")).isEqualTo("Porto");
		}
	}

	@Test
	void whatWasReadFromTheSourceIsNotWrittenToItsFallback() throws IOException {
		try (JpaApplication application = startWithFallback("app.datasources.lisbon.fallback-read-only=false")) {
			assertThat(name(application, "lisbon")).isEqualTo("Lisboa");
			stop(application);
			for (int i = 0; i < 2; i++) {
				application.in("lisbon", (entities) -> {
					entities.find(Town.class, 1L).population += 7;
					return null;
				});
			}
			assertThat(application.column("porto", "select name || population from town where id = 1"))
				.containsExactly("Porto14");
			restart(application);
			application.in("lisbon", (entities) -> {
				entities.find(Town.class, 1L).population += 5;
				return null;
			});
			assertThat(application.column("lisbon", "select name || population from town where id = 1"))
				.containsExactly("Lisboa5");
		}
	}

	@Test
	void withoutAScopeASessionStaysWhereItBegan() throws IOException {
		try (JpaApplication application = startWithFallback("app.tenancy.no-tenant=lisbon")) {
			stop(application);
			try (Session early = application.sessions().openSession()) {
				assertThat(early.find(Town.class, 1L).name).isEqualTo("Porto");
				restart(application);
				try (Session late = application.sessions().openSession()) {
					assertThat(late.find(Town.class, 1L).name).isEqualTo("Lisboa");
				}
				assertThat(nameInDatabase(early)).isEqualTo("Porto");
			}
			try (Session late = application.sessions().openSession()) {
				stop(application);
				assertThat(late.find(Town.class, 1L).name).as("cached").isEqualTo("Lisboa");
				assertThatException().isThrownBy(() -> nameInDatabase(late))
					.withStackTraceContaining("in the middle of it");
			}
		}
	}

	private static String nameInDatabase(Session session) {
		return session.createNativeQuery("select name from town where id = 1", String.class).getSingleResult();
	}

	private JpaApplication startWithFallback(String... properties) throws IOException {
		Files.createDirectory(this.directory.resolve("lisbon"));
		List<String> all = new ArrayList<>(List.of(CACHES));
		all.addAll(List.of(properties));
		all.addAll(List.of(
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon").resolve("lisbon.db"),
				url("porto"), "app.datasources.lisbon.fallback=porto"));
		JpaApplication application = JpaApplication.start(Towns.class, all.toArray(String[]::new));
		application.createSchemas();
		application.update("lisbon", "insert into town (id, code, name, population) values (1, 'OPO', 'Lisboa', 0)");
		application.update("lisbon", "insert into town (id, code, name, population) values (2, 'BEL', 'Belem', 0)");
		application.update("porto", "insert into town (id, code, name, population) values (1, 'GAI', 'Porto', 0)");
		application.update("porto", "insert into town (id, code, name, population) values (2, 'OPO', 'Porto', 0)");
		return application;
	}

	private void stop(JpaApplication application) throws IOException {
		Files.move(this.directory.resolve("lisbon"), this.directory.resolve("elsewhere"));
		application.bean(SourceRegistry.class).drain("lisbon");
	}

	private void restart(JpaApplication application) throws IOException {
		Files.move(this.directory.resolve("elsewhere"), this.directory.resolve("lisbon"));
		application.bean(SourceRegistry.class).retry("lisbon");
	}

	private static Void number(EntityManager entities) {
		entities.persist(new Ticket());
		entities.persist(new Receipt());
		return null;
	}

	private JpaApplication start(String... properties) {
		List<String> all = new ArrayList<>(List.of(CACHES));
		all.addAll(List.of(properties));
		JpaApplication application = JpaApplication.start(this.directory, Towns.class, all.toArray(String[]::new));
		application.update("lisbon", "insert into town (id, code, name, population) values (1, 'OPO', 'Lisboa', 0)");
		application.update("porto", "insert into town (id, code, name, population) values (1, 'OPO', 'Porto', 0)");
		return application;
	}

	private String url(String source) {
		return "app.datasources." + source + ".url=jdbc:sqlite:" + this.directory.resolve(source + ".db");
	}

	private static List<String> names(EntityManager entities) {
		return entities.createQuery("select t.name from Town t", String.class)
			.setHint(HibernateHints.HINT_CACHEABLE, true)
			.getResultList();
	}

	private static long ticket(EntityManager entities) {
		Ticket ticket = new Ticket();
		entities.persist(ticket);
		return ticket.id;
	}

	private static String name(JpaApplication application, String source) {
		return application.in(source, (entities) -> entities.find(Town.class, 1L).name);
	}

	private static long idByCode(JpaApplication application, String source) {
		return application.in(source, (entities) -> entities.find(Town.class, "OPO", KeyType.NATURAL).id);
	}

	@Entity(name = "Town")
	@Cacheable
	@Cache(usage = CacheConcurrencyStrategy.READ_WRITE, region = "towns")
	@NaturalIdCache(region = "codes")
	static class Town {

		@Id
		private long id;

		@NaturalId
		private String code;

		private String name;

		private int population;

		String getCode() {
			return this.code;
		}

	}

	@Entity(name = "Ticket")
	static class Ticket {

		@Id
		@GeneratedValue(strategy = GenerationType.SEQUENCE)
		private Long id;

		Long getId() {
			return this.id;
		}

	}

	@Entity(name = "Receipt")
	static class Receipt {

		@Id
		@GeneratedValue(strategy = GenerationType.TABLE, generator = "receipts")
		@TableGenerator(name = "receipts", allocationSize = 10)
		private Long id;

		Long getId() {
			return this.id;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = HibernateCacheTests.class)
	static class Towns {

	}

}
