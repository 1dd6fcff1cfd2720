package io.multidb.jpa;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

import jakarta.persistence.Cacheable;
import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import org.hibernate.KeyType;
import org.hibernate.annotations.Cache;
import org.hibernate.annotations.CacheConcurrencyStrategy;
import org.hibernate.annotations.NaturalId;
import org.hibernate.annotations.NaturalIdCache;
import org.hibernate.jpa.HibernateHints;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

import io.multidb.source.Race;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Hibernate's caches and its sequences on PostgreSQL.
 */
class PostgresHibernateIntegrationTests {

	private static TestPostgres postgres;

	@BeforeAll
	static void start() {
		postgres = TestPostgres.start();
		JdbcClient server = JdbcClient
			.create(new DriverManagerDataSource(postgres.url(), postgres.username(), postgres.password()));
		for (String source : JpaApplication.SOURCES) {
			int unused = server.sql("create database " + source).update();
		}
	}

	@AfterAll
	static void stop() throws Exception {
		postgres.close();
	}

	@Test
	void eachSourceHasItsOwnCacheEntriesAndNumbersEvenAfterARestart() throws Exception {
		try (JpaApplication application = application()) {
			application.createSchemas();
			AtomicInteger next = new AtomicInteger();
			List<Object> outcomes = Race.run(8, () -> {
				String source = JpaApplication.SOURCES[next.getAndIncrement() % 2];
				for (int i = 0; i < 60; i++) {
					application.in(source, (entities) -> {
						entities.persist(new Parcel(source));
						return null;
					});
				}
				return "done";
			});
			assertThat(outcomes).containsOnly("done");
			for (String source : JpaApplication.SOURCES) {
				assertThat(application.column(source, "select distinct owner from parcel")).containsExactly(source);
				assertThat(application.column(source, "select id from parcel order by id")).hasSize(240)
					.startsWith("1")
					.endsWith("240");
			}
			for (String source : List.of("lisbon", "porto", "lisbon", "porto")) {
				assertThat(owners(application, source)).isEqualTo(List.of(source, source, source));
			}
			assertThat(application.sessions().getStatistics().getSecondLevelCacheHitCount()).isPositive();
			assertThat(application.sessions().getStatistics().getQueryCacheHitCount()).isEqualTo(2);
		}
		for (String source : JpaApplication.SOURCES) {
			try (JpaApplication application = application()) {
				for (int i = 0; i < 60; i++) {
					application.in(source, (entities) -> {
						entities.persist(new Parcel(source));
						return null;
					});
				}
				assertThat(application.column(source, "select count(*) from parcel")).containsExactly("300");
			}
		}
	}

	/** By identifier, natural identifier and query. */
	private static List<String> owners(JpaApplication application, String source) {
		return application.in(source, (entities) -> {
			List<String> owners = new ArrayList<>();
			owners.add(entities.find(Parcel.class, 1L).owner);
			String code = entities.find(Parcel.class, 1L).code;
			owners.add(entities.find(Parcel.class, code, KeyType.NATURAL).owner);
			owners.addAll(entities.createQuery("select distinct p.owner from Parcel p", String.class)
				.setHint(HibernateHints.HINT_CACHEABLE, true)
				.getResultList());
			return owners;
		});
	}

	private static JpaApplication application() {
		List<String> properties = new ArrayList<>(List.of(HibernateCacheTests.CACHES));
		for (String source : JpaApplication.SOURCES) {
			properties.add("app.datasources." + source + ".url="
					+ postgres.url().replaceFirst("/[a-z]+(\\?.*)?$", "/" + source));
			properties.add("app.datasources." + source + ".username=" + postgres.username());
			properties.add("app.datasources." + source + ".password=" + postgres.password());
		}
		return JpaApplication.start(Parcels.class, properties.toArray(String[]::new));
	}

	@Entity(name = "Parcel")
	@Cacheable
	@Cache(usage = CacheConcurrencyStrategy.READ_WRITE, region = "parcels")
	@NaturalIdCache(region = "parcel-codes")
	static class Parcel {

		private static final AtomicInteger CODES = new AtomicInteger();

		@Id
		@GeneratedValue(strategy = GenerationType.SEQUENCE)
		private Long id;

		@NaturalId
		private String code;

		private String owner;

		Parcel() {
		}

		Parcel(String owner) {
			this.owner = owner;
			this.code = owner + "-" + CODES.incrementAndGet();
		}

		Long getId() {
			return this.id;
		}

		String getCode() {
			return this.code;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = PostgresHibernateIntegrationTests.class)
	static class Parcels {

	}

}
