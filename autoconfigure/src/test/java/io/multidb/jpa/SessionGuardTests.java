package io.multidb.jpa;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

import jakarta.persistence.CascadeType;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.JoinColumn;
import jakarta.persistence.LockModeType;
import jakarta.persistence.OneToMany;
import org.hibernate.Session;
import org.hibernate.StatelessSession;
import org.hibernate.engine.spi.SessionImplementor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.NestedExceptionUtils;

import io.multidb.NoTenantException;
import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.WrongSourceException;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.params.provider.Arguments.arguments;

/**
 * Sessions that are held across a change of target, and entities that are carried from
 * one source to another. Sessions are opened by hand, so that nothing but Hibernate is
 * asked.
 */
class SessionGuardTests {

	@TempDir
	private static Path directory;

	private static JpaApplication application;

	@BeforeAll
	static void start() {
		application = JpaApplication.start(directory, Libraries.class, "app.tenancy.routes[0].tenants=lisbon,belem",
				"app.tenancy.routes[0].source=lisbon", "app.tenancy.routes[1].tenants=porto",
				"app.tenancy.routes[1].source=porto",
				// A transaction that has read can have no number from a table otherwise.
				"app.datasources.lisbon.hikari.data-source-properties.transaction_mode=DEFERRED");
	}

	@AfterAll
	static void stop() {
		application.close();
	}

	@BeforeEach
	void fill() {
		for (String source : JpaApplication.SOURCES) {
			application.update(source, "delete from book");
			application.update(source, "delete from library");
			application.update(source, "insert into library (id, name) values (1000, 'of " + source + "')");
			application.update(source,
					"insert into book (id, title, books_id) values (1000, 'in " + source + "', 1000)");
		}
	}

	// A session under another target

	static Stream<Arguments> uses() {
		return Stream.of(use("find in the first-level cache", (session) -> session.find(Library.class, 1000L)),
				use("find", (session) -> session.find(Library.class, 2000L)),
				use("reference", (session) -> session.getReference(Library.class, 2000L)),
				use("query", (session) -> session.createQuery("from Library", Library.class).list()),
				use("native query", (session) -> session.createNativeQuery("select 1", Integer.class).list()),
				use("bulk update", (session) -> {
					int unused = session.createMutationQuery("update Library set name = 'x'").executeUpdate();
				}), use("persist", (session) -> session.persist(new Library("new"))),
				use("merge", (session) -> session.merge(new Library("new"))),
				use("remove", (session) -> session.remove(session.find(Library.class, 1000L))),
				use("refresh", (session) -> session.refresh(first(session))),
				use("lock", (session) -> session.lock(first(session), LockModeType.PESSIMISTIC_WRITE)),
				use("lazy collection", (session) -> {
					int unused = first(session).books.size();
				}), use("flush", (session) -> {
					first(session).name = "x";
					session.flush();
				}));
	}

	private static Arguments use(String name, Consumer<Session> use) {
		return arguments(name, use);
	}

	/** What is in the session already, without asking the session. */
	private static Library first(Session session) {
		return (Library) session.unwrap(SessionImplementor.class)
			.getPersistenceContextInternal()
			.getEntitiesByKey()
			.values()
			.iterator()
			.next();
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("uses")
	void aSessionIsRefusedUnderAnotherSourcesTarget(String name, Consumer<Session> use) {
		try (Scope scope = TenantContext.enter("lisbon"); Session session = application.sessions().openSession()) {
			session.beginTransaction();
			session.find(Library.class, 1000L);
			try (Scope inner = TenantContext.enter("porto")) {
				assertThatThrownBy(() -> use.accept(session)).isInstanceOf(WrongSourceException.class)
					.hasMessageContaining("'lisbon'")
					.hasMessageContaining("'porto'");
			}
			session.getTransaction().rollback();
		}
		unchanged();
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("uses")
	void aSessionIsRefusedWithoutATarget(String name, Consumer<Session> use) {
		Session session;
		try (Scope scope = TenantContext.enter("lisbon")) {
			session = application.sessions().openSession();
			session.beginTransaction();
			session.find(Library.class, 1000L);
		}
		assertThatThrownBy(() -> use.accept(session))
			.satisfies((ex) -> assertThat(NestedExceptionUtils.getMostSpecificCause(ex))
				.isInstanceOf(WrongSourceException.class));
		session.getTransaction().rollback();
		session.close();
		unchanged();
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("uses")
	void aSessionIsRefusedUnderATenantThatLeadsNowhere(String name, Consumer<Session> use) {
		try (Scope scope = TenantContext.enter("lisbon"); Session session = application.sessions().openSession()) {
			session.beginTransaction();
			session.find(Library.class, 1000L);
			try (Scope inner = TenantContext.enter("atlantis")) {
				assertThatThrownBy(() -> use.accept(session)).isInstanceOf(WrongSourceException.class)
					.hasMessageContaining("'lisbon'")
					.hasMessageContaining("'atlantis'");
			}
			session.getTransaction().rollback();
		}
		unchanged();
	}

	@Test
	void aSessionFinishesItsWorkOnASourceThatWasRemovedAndNoOther() {
		SourceRegistry registry = application.bean(SourceRegistry.class);
		TenantContext.run("porto", () -> {
			try (Session session = application.sessions().openSession()) {
				// Takes a block of identifiers, which a removed source cannot be asked
				// for;
				// the very first is one of its own.
				session.persist(new Library("never written"));
				session.persist(new Library("nor this"));
				session.persist(new Library("nor this"));
			}
		});
		try (Scope scope = TenantContext.enter("porto"); Session session = application.sessions().openSession()) {
			// Before, as its number may need a connection and transaction of its own.
			session.persist(new Library("new"));
			session.beginTransaction();
			Library library = session.find(Library.class, 1000L);
			// Takes a block of identifiers, which a removed source cannot be asked for.
			session.persist(new Library("old"));
			registry.remove("porto");
			try {
				assertThat(library.books).hasSize(1);
				session.flush();
				try (Scope inner = TenantContext.enter("atlantis")) {
					assertThatThrownBy(() -> session.find(Library.class, 1000L))
						.isInstanceOf(WrongSourceException.class);
				}
				session.getTransaction().rollback();
			}
			finally {
				registry.add(Sources.sqlite("porto", directory).build());
			}
		}
		unchanged();
	}

	@Test
	void aSessionIsRefusedOnceItsSourceIsAnotherOfTheSameName() {
		SourceRegistry registry = application.bean(SourceRegistry.class);
		try (Scope scope = TenantContext.enter("porto"); Session session = application.sessions().openSession()) {
			session.beginTransaction();
			session.find(Library.class, 1000L).name = "changed";
			session.find(Library.class, 1000L);
			registry.remove("porto");
			registry.add(Sources.sqlite("porto", directory).build());
			try (Session fresh = application.sessions().openSession()) {
				assertThat(fresh.find(Library.class, 1000L).name).isEqualTo("of porto");
			}
			assertThatThrownBy(() -> session.find(Library.class, 1000L)).isInstanceOf(WrongSourceException.class)
				.hasMessageContaining("removed and added");
			session.getTransaction().rollback();
		}
		unchanged();
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("uses")
	void aSessionWorksUnderAnotherTenantOfItsSource(String name, Consumer<Session> use) {
		try (Scope scope = TenantContext.enter("lisbon"); Session session = application.sessions().openSession()) {
			session.beginTransaction();
			session.find(Library.class, 1000L);
			try (Scope inner = TenantContext.enter("belem")) {
				use.accept(session);
			}
			session.getTransaction().rollback();
		}
	}

	@Test
	void aCommitUnderAnotherTargetWritesNothing() {
		try (Scope scope = TenantContext.enter("lisbon"); Session session = application.sessions().openSession()) {
			session.beginTransaction();
			session.find(Library.class, 1000L).name = "x";
			try (Scope inner = TenantContext.enter("porto")) {
				assertThatThrownBy(() -> session.getTransaction().commit())
					.hasRootCauseInstanceOf(WrongSourceException.class);
			}
		}
		unchanged();
	}

	@Test
	void aSessionOfNoSourceStaysWithoutOne() {
		try (Session session = application.sessions().openSession()) {
			assertThatThrownBy(() -> session.find(Library.class, 1000L))
				.hasRootCauseInstanceOf(NoTenantException.class);
			try (Scope scope = TenantContext.enter("lisbon")) {
				assertThatThrownBy(() -> session.find(Library.class, 1000L)).isInstanceOf(WrongSourceException.class)
					.hasMessageContaining("without a source")
					.hasMessageContaining("open-in-view");
			}
		}
	}

	@Test
	void aSessionOfAnUnknownTenantSaysSo() {
		try (Scope scope = TenantContext.enter("nowhere"); Session session = application.sessions().openSession()) {
			assertThatThrownBy(() -> session.find(Library.class, 1000L))
				.hasRootCauseInstanceOf(UnknownTenantException.class);
		}
	}

	@Test
	void aSessionWithAnIdentifierOfItsOwnIsRefusedElsewhere() {
		String porto = application.bean(SourceRegistry.class).get("porto").identity();
		try (Scope scope = TenantContext.enter("lisbon");
				Session session = application.sessions().withOptions().tenantIdentifier((Object) porto).openSession()) {
			assertThatThrownBy(() -> session.find(Library.class, 1000L)).isInstanceOf(WrongSourceException.class);
		}
		try (Scope scope = TenantContext.enter("porto");
				Session session = application.sessions().withOptions().tenantIdentifier((Object) porto).openSession()) {
			assertThat(session.find(Library.class, 1000L).name).isEqualTo("of porto");
		}
	}

	// An entity of another source

	static Stream<Arguments> carryings() {
		return Stream.of(carrying("merge", (session, library) -> session.merge(library)),
				carrying("remove", (session, library) -> session.remove(library)),
				carrying("refresh", (session, library) -> session.refresh(library)),
				carrying("lock", (session, library) -> session.lock(library, LockModeType.PESSIMISTIC_WRITE)),
				carrying("merge by cascade", (session, library) -> {
					Library mine = new Library("new");
					mine.books = new ArrayList<>(library.books);
					session.merge(mine);
				}));
	}

	private static Arguments carrying(String name, BiConsumer<Session, Library> use) {
		return arguments(name, use);
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("carryings")
	void anEntityOfAnotherSourceIsRefused(String name, BiConsumer<Session, Library> carry) {
		Library library = loaded("lisbon");
		library.name = "changed";
		TenantContext.run("porto", () -> {
			try (Session session = application.sessions().openSession()) {
				session.beginTransaction();
				assertThatThrownBy(() -> carry.accept(session, library)).isInstanceOf(WrongSourceException.class)
					.hasMessageContaining("'lisbon'")
					.hasMessageContaining("'porto'")
					.hasMessageContaining("copy its values");
				session.getTransaction().rollback();
			}
		});
		unchanged();
	}

	@Test
	void anEntityThatAnotherSourceHasSavedIsRefused() {
		Library library = application.in("lisbon", (entities) -> {
			Library saved = new Library("new");
			entities.persist(saved);
			return saved;
		});
		assertThatThrownBy(() -> application.in("porto", (entities) -> entities.merge(library)))
			.isInstanceOf(WrongSourceException.class);
	}

	@Test
	void anEntityComesBackToItsSource() {
		Library library = loaded("lisbon");
		library.name = "changed";
		application.in("belem", (entities) -> entities.merge(library));
		assertThat(application.column("lisbon", "select name from library")).containsExactly("changed");
	}

	@Test
	void anInstanceWithoutIdentifierBelongsToWhoeverSavesIt() {
		Library library = application.in("lisbon", (entities) -> {
			Library saved = new Library("new");
			entities.persist(saved);
			return saved;
		});
		library.id = null;
		library.books = new ArrayList<>();
		application.in("porto", (entities) -> {
			entities.persist(library);
			return null;
		});
		application.in("porto", (entities) -> entities.merge(library));
		assertThatThrownBy(() -> application.in("lisbon", (entities) -> entities.merge(library)))
			.isInstanceOf(WrongSourceException.class);
	}

	@Test
	void aStatelessSessionRefusesAnEntityOfAnotherSource() {
		Library library = loaded("lisbon");
		library.name = "changed";
		TenantContext.run("porto", () -> {
			try (StatelessSession session = application.sessions().openStatelessSession()) {
				assertThatThrownBy(() -> session.update(library)).isInstanceOf(WrongSourceException.class);
				assertThatThrownBy(() -> session.delete(library)).isInstanceOf(WrongSourceException.class);
				assertThatThrownBy(() -> session.upsert(library)).isInstanceOf(WrongSourceException.class);
				assertThatThrownBy(() -> session.upsertMultiple(List.of(library)))
					.isInstanceOf(WrongSourceException.class);
			}
		});
		unchanged();
	}

	@Test
	void anEntityThatAnotherSourceHasUpsertedIsRefused() {
		Library library = new Library("upserted");
		library.id = 1000L;
		TenantContext.run("lisbon", () -> {
			try (StatelessSession session = application.sessions().openStatelessSession()) {
				session.upsert(library);
			}
		});
		assertThat(application.column("lisbon", "select name from library")).containsExactly("upserted");
		assertThatThrownBy(() -> application.in("porto", (entities) -> entities.merge(library)))
			.isInstanceOf(WrongSourceException.class);
		assertThat(application.column("porto", "select name from library")).containsExactly("of porto");
	}

	@Test
	void aStatelessSessionIsRefusedUnderAnotherSourcesTarget() {
		try (Scope scope = TenantContext.enter("lisbon");
				StatelessSession session = application.sessions().openStatelessSession()) {
			try (Scope inner = TenantContext.enter("porto")) {
				assertThatThrownBy(() -> session.get(Library.class, 1000L))
					.hasRootCauseInstanceOf(WrongSourceException.class);
			}
		}
	}

	@Test
	void nothingIsKeptOfEntitiesThatAreGone() {
		LoadedEntities loaded = new LoadedEntities();
		for (int i = 0; i < 1000; i++) {
			loaded.add(new Object(), "lisbon");
		}
		await().untilAsserted(() -> {
			System.gc();
			Object kept = new Object();
			loaded.add(kept, "lisbon");
			assertThat(loaded.size()).isLessThan(50);
			assertThat(loaded.sourceOf(kept)).isEqualTo("lisbon");
		});
	}

	private static Library loaded(String source) {
		return application.in(source, (Function<EntityManager, Library>) (entities) -> {
			Library library = entities.find(Library.class, 1000L);
			assertThat(library.books).hasSize(1);
			return library;
		});
	}

	private static void unchanged() {
		for (String source : JpaApplication.SOURCES) {
			assertThat(application.column(source, "select name from library")).containsExactly("of " + source);
			assertThat(application.column(source, "select title from book")).containsExactly("in " + source);
		}
	}

	@Entity(name = "Library")
	static class Library {

		@Id
		@GeneratedValue(strategy = GenerationType.TABLE)
		private Long id;

		private String name;

		@OneToMany(cascade = CascadeType.ALL)
		@JoinColumn(name = "books_id")
		private List<Book> books = new ArrayList<>();

		Library() {
		}

		Library(String name) {
			this.name = name;
		}

	}

	@Entity(name = "Book")
	static class Book {

		@Id
		@GeneratedValue(strategy = GenerationType.TABLE)
		private Long id;

		private String title;

		Long getId() {
			return this.id;
		}

		String getTitle() {
			return this.title;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = SessionGuardTests.class)
	static class Libraries {

	}

}
