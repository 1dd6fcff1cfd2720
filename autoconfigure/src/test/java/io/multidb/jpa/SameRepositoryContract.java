package io.multidb.jpa;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.Stream;

import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.PersistenceContext;
import jakarta.persistence.PersistenceUnit;
import jakarta.persistence.criteria.CriteriaUpdate;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.StatelessSession;
import org.hibernate.exception.ConstraintViolationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.dao.OptimisticLockingFailureException;
import org.springframework.data.domain.Example;
import org.springframework.data.domain.Page;
import org.springframework.data.domain.PageRequest;
import org.springframework.data.domain.Sort;
import org.springframework.data.jpa.domain.Specification;
import org.springframework.data.jpa.repository.config.EnableJpaRepositories;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Scope;
import io.multidb.TenantContext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * What one repository does, the same on every product: an application with lisbon on
 * SQLite and porto on PostgreSQL.
 */
abstract class SameRepositoryContract {

	private static final Instant SENT = Instant.parse("2026-10-25T00:30:00.123Z");

	private static final UUID REFERENCE = UUID.fromString("5b3f1c1e-0000-4000-8000-0123456789ab");

	private JpaApplication application;

	private Crates crates;

	private Scope scope;

	abstract JpaApplication application();

	/** Whose database the repository works on. */
	abstract String source();

	@BeforeEach
	void enter() {
		this.application = application();
		this.crates = this.application.bean(Crates.class);
		this.scope = TenantContext.enter(source());
		this.crates.deleteAll();
	}

	@AfterEach
	void leave() {
		this.scope.close();
	}

	@Test
	void savesFindsChangesAndDeletes() {
		Crate saved = this.crates.save(new Crate("a").text("one"));
		assertThat(this.crates.findById(saved.id)).hasValueSatisfying((it) -> assertThat(it.text).isEqualTo("one"));
		saved.text = "two";
		this.crates.save(saved);
		assertThat(this.crates.findByCode("a")).hasValueSatisfying((it) -> assertThat(it.text).isEqualTo("two"));
		assertThat(this.crates.existsByCode("a")).isTrue();
		this.crates.deleteById(saved.id);
		assertThat(this.crates.count()).isZero();
		assertThat(this.crates.existsByCode("a")).isFalse();
	}

	@Test
	void keepsValuesOfEveryKind() {
		Crate crate = new Crate("values");
		crate.delivered = true;
		crate.status = Crate.Status.LOST;
		crate.former = Crate.Status.SENT;
		crate.sent = SENT;
		crate.due = LocalDate.of(2026, 2, 28);
		crate.local = LocalDateTime.of(2026, 3, 29, 1, 30, 0, 5_000_000);
		crate.reference = REFERENCE;
		crate.price = new BigDecimal("1234567890.12");
		crate.seal = "seal".getBytes(StandardCharsets.UTF_8);
		crate.note = "\uD83C\uDF89".repeat(3000);
		Crate found = this.crates.findById(this.crates.save(crate).id).orElseThrow();
		assertThat(found).usingRecursiveComparison().ignoringFields("items", "price").isEqualTo(crate);
		assertThat(found.price).isEqualByComparingTo(crate.price);
	}

	@Test
	void findsByValuesOfEveryKind() {
		Crate crate = new Crate("found");
		crate.delivered = true;
		crate.status = Crate.Status.LOST;
		crate.sent = SENT;
		crate.reference = REFERENCE;
		this.crates.save(crate);
		this.crates.save(new Crate("other"));
		assertThat(this.crates.findByDeliveredTrueOrderByCode()).extracting("code").containsExactly("found");
		assertThat(this.crates.findBySentBetween(SENT.minusMillis(1), SENT.plusMillis(1))).hasSize(1);
		assertThat(this.crates.findBySentBetween(SENT.plusMillis(1), SENT.plusMillis(2))).isEmpty();
		assertThat(this.crates.findByReference(REFERENCE)).hasSize(1);
		assertThat(this.crates.findByStatusInOrderByCode(List.of(Crate.Status.LOST, Crate.Status.SENT)))
			.extracting("code")
			.containsExactly("found");
		Crate probe = new Crate(null);
		probe.delivered = true;
		probe.status = Crate.Status.LOST;
		assertThat(this.crates.findAll(Example.of(probe))).extracting("code").containsExactly("found");
	}

	@Test
	void escapesPercentAndUnderscore() {
		this.crates.saveAll(List.of(new Crate("a").text("50% off_now"), new Crate("b").text("50 of_f"),
				new Crate("c").text("505 offXnow"), new Crate("d").text("back\\slash"),
				new Crate("e").text("it's \"quoted\"")));
		assertThat(this.crates.findByTextContainingOrderByCode("50%")).extracting("code").containsExactly("a");
		assertThat(this.crates.findByTextContainingOrderByCode("f_n")).extracting("code").containsExactly("a");
		assertThat(this.crates.findByTextContainingOrderByCode("k\\s")).extracting("code").containsExactly("d");
		assertThat(this.crates.findByTextContainingOrderByCode("t's \"q")).extracting("code").containsExactly("e");
		assertThat(this.crates.findByTextStartingWithIgnoreCaseOrderByCode("50% OFF")).extracting("code")
			.containsExactly("a");
	}

	@Test
	void pagesSortsAndCounts() {
		fill(25);
		Page<Crate> page = this.crates.findByWeightGreaterThan(4, PageRequest.of(1, 8, Sort.by("weight").descending()));
		assertThat(page.getTotalElements()).isEqualTo(20);
		assertThat(page.getTotalPages()).isEqualTo(3);
		assertThat(page).extracting("weight").containsExactly(16, 15, 14, 13, 12, 11, 10, 9);
		assertThat(this.crates.findByWeightLessThan(3, PageRequest.of(0, 2, Sort.by("code"))).hasNext()).isTrue();
		assertThat(this.crates.findTop2ByOrderByWeightDesc()).extracting("weight").containsExactly(24, 23);
		assertThat(this.crates.findAll(PageRequest.of(4, 6, Sort.by("code")))).hasSize(1);
		assertThat(
				this.crates.findAll(Sort.by(Sort.Order.desc("text").nullsLast(), Sort.Order.asc("code"))).get(0).code)
			.isEqualTo("c00");
	}

	@Test
	void queriesByJpqlAndSql() {
		fill(5);
		assertThat(this.crates.heaviest()).extracting("code").containsExactly("c04");
		assertThat(this.crates.codesAbove(2)).containsExactly("c03", "c04");
		int heaviest = entities(
				(entities) -> entities.createNamedQuery("Crate.heaviest", Integer.class).getSingleResult());
		assertThat(heaviest).isEqualTo(4);
	}

	@Test
	void queriesBySpecification() {
		fill(6);
		Specification<Crate> heavy = (crate, query, criteria) -> criteria.greaterThan(crate.get("weight"), 2);
		Specification<Crate> odd = (crate, query, criteria) -> criteria
			.equal(criteria.mod(crate.<Integer>get("weight"), 2), 1);
		assertThat(this.crates.findAll(heavy.and(odd), Sort.by("code"))).extracting("code")
			.containsExactly("c03", "c05");
		assertThat(this.crates.count(heavy)).isEqualTo(3);
		// locate is instr on one product and position on the other.
		Specification<Crate> located = (crate, query, criteria) -> criteria
			.equal(criteria.locate(crate.get("text"), "x"), 3);
		assertThat(this.crates.count(located)).isEqualTo(6);
		assertThat(this.crates.exists(odd)).isTrue();
	}

	/** Its attributes are of one session factory, whichever is asked. */
	@Test
	void queriesByStaticMetamodel() {
		Crate crate = new Crate("typed");
		crate.delivered = true;
		crate.status = Crate.Status.LOST;
		crate.sent = SENT;
		crate.reference = REFERENCE;
		this.crates.save(crate);
		this.crates.save(new Crate("other"));
		Specification<Crate> typed = (it, query, criteria) -> criteria.and(criteria.equal(it.get(Crate_.code), "typed"),
				criteria.isTrue(it.get(Crate_.delivered)), criteria.equal(it.get(Crate_.status), Crate.Status.LOST),
				criteria.equal(it.get(Crate_.sent), SENT), criteria.equal(it.get(Crate_.reference), REFERENCE),
				it.get(Crate_.reference).in(List.of(REFERENCE)));
		assertThat(this.crates.findAll(typed)).extracting("code").containsExactly("typed");
	}

	@Test
	void projects() {
		fill(2);
		assertThat(this.crates.findByWeight(1)).extracting(Crates.CodeOnly::getCode).containsExactly("c01");
		assertThat(this.crates.labels()).containsExactly(new Crates.Label("c00", 0), new Crates.Label("c01", 1));
	}

	@Test
	void streams() {
		fill(30);
		assertThat(this.<List<String>>inTransaction((entities) -> {
			try (Stream<Crate> all = this.crates.stream()) {
				return all.map((it) -> it.code).toList();
			}
		})).hasSize(30).startsWith("c00", "c01");
	}

	@Test
	void updatesAndDeletesInBulk() {
		fill(10);
		assertThat(this.crates.makeHeavier(8)).isEqualTo(2);
		assertThat(this.crates.findByStatusInOrderByCode(List.of(Crate.Status.SENT))).extracting("weight")
			.containsExactly(9, 10);
		assertThat(this.crates.deleteLight(5)).isEqualTo(5);
		assertThat(this.crates.deleteByText("text")).isEqualTo(5);
		fill(4);
		this.crates.deleteAllByIdInBatch(this.crates.findAll().stream().map(Crate::getId).limit(3).toList());
		assertThat(this.crates.count()).isEqualTo(1);
		int updated = inTransaction((entities) -> {
			CriteriaUpdate<Crate> update = entities.getCriteriaBuilder().createCriteriaUpdate(Crate.class);
			update.set(update.from(Crate.class).<String>get("text"), "new");
			return entities.createQuery(update).executeUpdate();
		});
		assertThat(updated).isEqualTo(1);
	}

	@Test
	void locks() {
		fill(1);
		String text = inTransaction((entities) -> {
			Crate locked = this.crates.lock("c00");
			locked.text = "locked";
			return locked.text;
		});
		assertThat(text).isEqualTo("locked");
		assertThat(this.crates.findByCode("c00").orElseThrow().text).isEqualTo("locked");
	}

	@Test
	void refusesStaleVersions() {
		Crate first = this.crates.save(new Crate("stale"));
		Crate second = this.crates.findById(first.id).orElseThrow();
		first.text = "first";
		this.crates.save(first);
		second.text = "second";
		assertThatExceptionOfType(OptimisticLockingFailureException.class).isThrownBy(() -> this.crates.save(second));
		assertThat(this.crates.findById(first.id).orElseThrow().text).isEqualTo("first");
	}

	@Test
	void rollsBack() {
		assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> inTransaction((entities) -> {
			this.crates.saveAndFlush(new Crate("gone"));
			assertThat(this.crates.count()).isEqualTo(1);
			throw new IllegalStateException("roll back");
		}));
		assertThat(this.crates.count()).isZero();
	}

	@Test
	void saysWhenAConstraintIsViolated() {
		this.crates.save(new Crate("twice"));
		assertThatExceptionOfType(DataIntegrityViolationException.class)
			.isThrownBy(() -> this.crates.save(new Crate("twice")))
			.satisfies((ex) -> assertThat(ex.getCause()).isInstanceOfSatisfying(ConstraintViolationException.class,
					(cause) -> assertThat(cause.getKind())
						.isEqualTo(ConstraintViolationException.ConstraintKind.UNIQUE)));
		assertThatExceptionOfType(ConstraintViolationException.class)
			.isThrownBy(() -> inTransaction((entities) -> entities
				.createNativeQuery("insert into crate (id, version, weight, delivered) values (-1, 0, 0, true)")
				.executeUpdate()));
	}

	@Test
	void loadsCollections() {
		Crate crate = new Crate("full");
		crate.items.add(new Crate.Item("cup"));
		crate.items.add(new Crate.Item("spoon"));
		this.crates.save(crate);
		assertThat(this.crates.withItems("full").items).extracting("name").containsExactlyInAnyOrder("cup", "spoon");
		int lazily = inTransaction((entities) -> this.crates.findByCode("full").orElseThrow().items.size());
		assertThat(lazily).isEqualTo(2);
	}

	@Test
	void numbersByEveryStrategy() {
		List<Long> before = numbered();
		inTransaction((entities) -> {
			for (int i = 0; i < 25; i++) {
				entities.persist(new Crate.OfAuto());
				entities.persist(new Crate.OfSequence());
				entities.persist(new Crate.OfTable());
				entities.persist(new Crate.OfUuid());
			}
			// Written at once; SQLite then has no numbers to give until the commit.
			entities.persist(new Crate.Item("item"));
			return null;
		});
		assertThat(numbered()).isEqualTo(before.stream().map((count) -> count + 25).toList());
	}

	private List<Long> numbered() {
		return Stream.of("OfAuto", "OfSequence", "OfTable", "OfUuid")
			.map((entity) -> entities(
					(entities) -> entities.createQuery("select count(distinct e.id) from " + entity + " e", Long.class)
						.getSingleResult()))
			.toList();
	}

	@Test
	void savesManyInBatches() {
		this.crates.saveAll(IntStream.range(0, 120).mapToObj((i) -> new Crate("b" + i)).toList());
		assertThat(this.crates.count()).isEqualTo(120);
	}

	@Test
	void injectedEntityManagersAndStatelessSessionsWork() {
		Injected injected = this.application.bean(Injected.class);
		inTransaction((entities) -> {
			injected.entities.persist(new Crate("injected"));
			return null;
		});
		assertThat(this.crates.existsByCode("injected")).isTrue();
		try (EntityManager own = injected.factory.createEntityManager()) {
			assertThat(own.unwrap(Session.class).getTenantIdentifier()).isEqualTo(source());
			assertThat(own.createQuery("select p.code from Crate p", String.class).getResultList())
				.containsExactly("injected");
		}
		SessionFactory sessions = injected.factory.unwrap(SessionFactory.class);
		try (StatelessSession session = sessions.openStatelessSession()) {
			session.beginTransaction();
			session.insert(new Crate("stateless"));
			session.getTransaction().commit();
		}
		sessions.inTransaction((session) -> session.persist(new Crate("native")));
		assertThat(this.crates.count()).isEqualTo(3);
	}

	private void fill(int count) {
		this.crates.saveAll(IntStream.range(0, count)
			.mapToObj((i) -> new Crate("c%02d".formatted(i)).text("text").weight(i))
			.toList());
	}

	private <T> T inTransaction(Function<EntityManager, T> work) {
		return new TransactionTemplate(this.application.bean(PlatformTransactionManager.class))
			.execute((status) -> work.apply(this.application.bean(Injected.class).entities));
	}

	private <T> T entities(Function<EntityManager, T> work) {
		return work.apply(this.application.bean(Injected.class).entities);
	}

	static class Injected {

		@PersistenceContext
		EntityManager entities;

		@PersistenceUnit
		EntityManagerFactory factory;

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = Crate.class)
	@EnableJpaRepositories(basePackageClasses = Crates.class)
	static class Shop {

		@Bean
		Injected injected() {
			return new Injected();
		}

	}

}
