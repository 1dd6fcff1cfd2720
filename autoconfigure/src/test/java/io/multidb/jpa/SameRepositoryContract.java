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

	private Parcels parcels;

	private Scope scope;

	abstract JpaApplication application();

	/** Whose database the repository works on. */
	abstract String source();

	@BeforeEach
	void enter() {
		this.application = application();
		this.parcels = this.application.bean(Parcels.class);
		this.scope = TenantContext.enter(source());
		this.parcels.deleteAll();
	}

	@AfterEach
	void leave() {
		this.scope.close();
	}

	@Test
	void savesFindsChangesAndDeletes() {
		Parcel saved = this.parcels.save(new Parcel("a").text("one"));
		assertThat(this.parcels.findById(saved.id)).hasValueSatisfying((it) -> assertThat(it.text).isEqualTo("one"));
		saved.text = "two";
		this.parcels.save(saved);
		assertThat(this.parcels.findByCode("a")).hasValueSatisfying((it) -> assertThat(it.text).isEqualTo("two"));
		assertThat(this.parcels.existsByCode("a")).isTrue();
		this.parcels.deleteById(saved.id);
		assertThat(this.parcels.count()).isZero();
		assertThat(this.parcels.existsByCode("a")).isFalse();
	}

	@Test
	void keepsValuesOfEveryKind() {
		Parcel parcel = new Parcel("values");
		parcel.delivered = true;
		parcel.status = Parcel.Status.LOST;
		parcel.former = Parcel.Status.SENT;
		parcel.sent = SENT;
		parcel.due = LocalDate.of(2026, 2, 28);
		parcel.local = LocalDateTime.of(2026, 3, 29, 1, 30, 0, 5_000_000);
		parcel.reference = REFERENCE;
		parcel.price = new BigDecimal("1234567890.12");
		parcel.seal = "seal".getBytes(StandardCharsets.UTF_8);
		parcel.note = "\uD83C\uDF89".repeat(3000);
		Parcel found = this.parcels.findById(this.parcels.save(parcel).id).orElseThrow();
		assertThat(found).usingRecursiveComparison().ignoringFields("items", "price").isEqualTo(parcel);
		assertThat(found.price).isEqualByComparingTo(parcel.price);
	}

	@Test
	void findsByValuesOfEveryKind() {
		Parcel parcel = new Parcel("found");
		parcel.delivered = true;
		parcel.status = Parcel.Status.LOST;
		parcel.sent = SENT;
		parcel.reference = REFERENCE;
		this.parcels.save(parcel);
		this.parcels.save(new Parcel("other"));
		assertThat(this.parcels.findByDeliveredTrueOrderByCode()).extracting("code").containsExactly("found");
		assertThat(this.parcels.findBySentBetween(SENT.minusMillis(1), SENT.plusMillis(1))).hasSize(1);
		assertThat(this.parcels.findBySentBetween(SENT.plusMillis(1), SENT.plusMillis(2))).isEmpty();
		assertThat(this.parcels.findByReference(REFERENCE)).hasSize(1);
		assertThat(this.parcels.findByStatusInOrderByCode(List.of(Parcel.Status.LOST, Parcel.Status.SENT)))
			.extracting("code")
			.containsExactly("found");
		Parcel probe = new Parcel(null);
		probe.delivered = true;
		probe.status = Parcel.Status.LOST;
		assertThat(this.parcels.findAll(Example.of(probe))).extracting("code").containsExactly("found");
	}

	@Test
	void escapesPercentAndUnderscore() {
		this.parcels.saveAll(List.of(new Parcel("a").text("50% off_now"), new Parcel("b").text("50 of_f"),
				new Parcel("c").text("505 offXnow"), new Parcel("d").text("back\\slash"),
				new Parcel("e").text("it's \"quoted\"")));
		assertThat(this.parcels.findByTextContainingOrderByCode("50%")).extracting("code").containsExactly("a");
		assertThat(this.parcels.findByTextContainingOrderByCode("f_n")).extracting("code").containsExactly("a");
		assertThat(this.parcels.findByTextContainingOrderByCode("k\\s")).extracting("code").containsExactly("d");
		assertThat(this.parcels.findByTextContainingOrderByCode("t's \"q")).extracting("code").containsExactly("e");
		assertThat(this.parcels.findByTextStartingWithIgnoreCaseOrderByCode("50% OFF")).extracting("code")
			.containsExactly("a");
	}

	@Test
	void pagesSortsAndCounts() {
		fill(25);
		Page<Parcel> page = this.parcels.findByWeightGreaterThan(4,
				PageRequest.of(1, 8, Sort.by("weight").descending()));
		assertThat(page.getTotalElements()).isEqualTo(20);
		assertThat(page.getTotalPages()).isEqualTo(3);
		assertThat(page).extracting("weight").containsExactly(16, 15, 14, 13, 12, 11, 10, 9);
		assertThat(this.parcels.findByWeightLessThan(3, PageRequest.of(0, 2, Sort.by("code"))).hasNext()).isTrue();
		assertThat(this.parcels.findTop2ByOrderByWeightDesc()).extracting("weight").containsExactly(24, 23);
		assertThat(this.parcels.findAll(PageRequest.of(4, 6, Sort.by("code")))).hasSize(1);
		assertThat(
				this.parcels.findAll(Sort.by(Sort.Order.desc("text").nullsLast(), Sort.Order.asc("code"))).get(0).code)
			.isEqualTo("c00");
	}

	@Test
	void queriesByJpqlAndSql() {
		fill(5);
		assertThat(this.parcels.heaviest()).extracting("code").containsExactly("c04");
		assertThat(this.parcels.codesAbove(2)).containsExactly("c03", "c04");
		int heaviest = entities(
				(entities) -> entities.createNamedQuery("Parcel.heaviest", Integer.class).getSingleResult());
		assertThat(heaviest).isEqualTo(4);
	}

	@Test
	void queriesBySpecification() {
		fill(6);
		Specification<Parcel> heavy = (parcel, query, criteria) -> criteria.greaterThan(parcel.get("weight"), 2);
		Specification<Parcel> odd = (parcel, query, criteria) -> criteria
			.equal(criteria.mod(parcel.<Integer>get("weight"), 2), 1);
		assertThat(this.parcels.findAll(heavy.and(odd), Sort.by("code"))).extracting("code")
			.containsExactly("c03", "c05");
		assertThat(this.parcels.count(heavy)).isEqualTo(3);
		// locate is instr on one product and position on the other.
		Specification<Parcel> located = (parcel, query, criteria) -> criteria
			.equal(criteria.locate(parcel.get("text"), "x"), 3);
		assertThat(this.parcels.count(located)).isEqualTo(6);
		assertThat(this.parcels.exists(odd)).isTrue();
	}

	/** Its attributes are of one session factory, whichever is asked. */
	@Test
	void queriesByStaticMetamodel() {
		Parcel parcel = new Parcel("typed");
		parcel.delivered = true;
		parcel.status = Parcel.Status.LOST;
		parcel.sent = SENT;
		parcel.reference = REFERENCE;
		this.parcels.save(parcel);
		this.parcels.save(new Parcel("other"));
		Specification<Parcel> typed = (it, query, criteria) -> criteria.and(
				criteria.equal(it.get(Parcel_.code), "typed"), criteria.isTrue(it.get(Parcel_.delivered)),
				criteria.equal(it.get(Parcel_.status), Parcel.Status.LOST), criteria.equal(it.get(Parcel_.sent), SENT),
				criteria.equal(it.get(Parcel_.reference), REFERENCE), it.get(Parcel_.reference).in(List.of(REFERENCE)));
		assertThat(this.parcels.findAll(typed)).extracting("code").containsExactly("typed");
	}

	@Test
	void projects() {
		fill(2);
		assertThat(this.parcels.findByWeight(1)).extracting(Parcels.CodeOnly::getCode).containsExactly("c01");
		assertThat(this.parcels.labels()).containsExactly(new Parcels.Label("c00", 0), new Parcels.Label("c01", 1));
	}

	@Test
	void streams() {
		fill(30);
		assertThat(this.<List<String>>inTransaction((entities) -> {
			try (Stream<Parcel> all = this.parcels.stream()) {
				return all.map((it) -> it.code).toList();
			}
		})).hasSize(30).startsWith("c00", "c01");
	}

	@Test
	void updatesAndDeletesInBulk() {
		fill(10);
		assertThat(this.parcels.makeHeavier(8)).isEqualTo(2);
		assertThat(this.parcels.findByStatusInOrderByCode(List.of(Parcel.Status.SENT))).extracting("weight")
			.containsExactly(9, 10);
		assertThat(this.parcels.deleteLight(5)).isEqualTo(5);
		assertThat(this.parcels.deleteByText("text")).isEqualTo(5);
		fill(4);
		this.parcels.deleteAllByIdInBatch(this.parcels.findAll().stream().map(Parcel::getId).limit(3).toList());
		assertThat(this.parcels.count()).isEqualTo(1);
		int updated = inTransaction((entities) -> {
			CriteriaUpdate<Parcel> update = entities.getCriteriaBuilder().createCriteriaUpdate(Parcel.class);
			update.set(update.from(Parcel.class).<String>get("text"), "new");
			return entities.createQuery(update).executeUpdate();
		});
		assertThat(updated).isEqualTo(1);
	}

	@Test
	void locks() {
		fill(1);
		String text = inTransaction((entities) -> {
			Parcel locked = this.parcels.lock("c00");
			locked.text = "locked";
			return locked.text;
		});
		assertThat(text).isEqualTo("locked");
		assertThat(this.parcels.findByCode("c00").orElseThrow().text).isEqualTo("locked");
	}

	@Test
	void refusesStaleVersions() {
		Parcel first = this.parcels.save(new Parcel("stale"));
		Parcel second = this.parcels.findById(first.id).orElseThrow();
		first.text = "first";
		this.parcels.save(first);
		second.text = "second";
		assertThatExceptionOfType(OptimisticLockingFailureException.class).isThrownBy(() -> this.parcels.save(second));
		assertThat(this.parcels.findById(first.id).orElseThrow().text).isEqualTo("first");
	}

	@Test
	void rollsBack() {
		assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> inTransaction((entities) -> {
			this.parcels.saveAndFlush(new Parcel("gone"));
			assertThat(this.parcels.count()).isEqualTo(1);
			throw new IllegalStateException("roll back");
		}));
		assertThat(this.parcels.count()).isZero();
	}

	@Test
	void saysWhenAConstraintIsViolated() {
		this.parcels.save(new Parcel("twice"));
		assertThatExceptionOfType(DataIntegrityViolationException.class)
			.isThrownBy(() -> this.parcels.save(new Parcel("twice")))
			.satisfies((ex) -> assertThat(ex.getCause()).isInstanceOfSatisfying(ConstraintViolationException.class,
					(cause) -> assertThat(cause.getKind())
						.isEqualTo(ConstraintViolationException.ConstraintKind.UNIQUE)));
		assertThatExceptionOfType(ConstraintViolationException.class)
			.isThrownBy(() -> inTransaction((entities) -> entities
				.createNativeQuery("insert into parcel (id, version, weight, delivered) values (-1, 0, 0, true)")
				.executeUpdate()));
	}

	@Test
	void loadsCollections() {
		Parcel parcel = new Parcel("full");
		parcel.items.add(new Parcel.Item("cup"));
		parcel.items.add(new Parcel.Item("spoon"));
		this.parcels.save(parcel);
		assertThat(this.parcels.withItems("full").items).extracting("name").containsExactlyInAnyOrder("cup", "spoon");
		int lazily = inTransaction((entities) -> this.parcels.findByCode("full").orElseThrow().items.size());
		assertThat(lazily).isEqualTo(2);
	}

	@Test
	void numbersByEveryStrategy() {
		inTransaction((entities) -> {
			for (int i = 0; i < 25; i++) {
				entities.persist(new Parcel.OfAuto());
				entities.persist(new Parcel.OfSequence());
				entities.persist(new Parcel.OfTable());
				entities.persist(new Parcel.OfUuid());
			}
			// Written at once; SQLite then has no numbers to give until the commit.
			entities.persist(new Parcel.Item("item"));
			return null;
		});
		for (String entity : List.of("OfAuto", "OfSequence", "OfTable", "OfUuid")) {
			long count = entities(
					(entities) -> entities.createQuery("select count(distinct e.id) from " + entity + " e", Long.class)
						.getSingleResult());
			assertThat(count).as(entity).isEqualTo(25);
		}
	}

	@Test
	void savesManyInBatches() {
		this.parcels.saveAll(IntStream.range(0, 120).mapToObj((i) -> new Parcel("b" + i)).toList());
		assertThat(this.parcels.count()).isEqualTo(120);
	}

	@Test
	void injectedEntityManagersAndStatelessSessionsWork() {
		Injected injected = this.application.bean(Injected.class);
		inTransaction((entities) -> {
			injected.entities.persist(new Parcel("injected"));
			return null;
		});
		assertThat(this.parcels.existsByCode("injected")).isTrue();
		try (EntityManager own = injected.factory.createEntityManager()) {
			assertThat(own.unwrap(Session.class).getTenantIdentifier()).isEqualTo(source());
			assertThat(own.createQuery("select p.code from Parcel p", String.class).getResultList())
				.containsExactly("injected");
		}
		SessionFactory sessions = injected.factory.unwrap(SessionFactory.class);
		try (StatelessSession session = sessions.openStatelessSession()) {
			session.beginTransaction();
			session.insert(new Parcel("stateless"));
			session.getTransaction().commit();
		}
		sessions.inTransaction((session) -> session.persist(new Parcel("native")));
		assertThat(this.parcels.count()).isEqualTo(3);
	}

	private void fill(int count) {
		this.parcels.saveAll(IntStream.range(0, count)
			.mapToObj((i) -> new Parcel("c%02d".formatted(i)).text("text").weight(i))
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
	@EntityScan(basePackageClasses = Parcel.class)
	@EnableJpaRepositories(basePackageClasses = Parcels.class)
	static class Shop {

		@Bean
		Injected injected() {
			return new Injected();
		}

	}

}
