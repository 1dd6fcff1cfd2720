package io.multidb.routing;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.InvalidTenantException;
import io.multidb.Scope;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.WrongSourceException;
import io.multidb.routing.NumberedMappingStore.Revision;
import io.multidb.source.CreatePolicy;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link TenantMappings}.
 */
class TenantMappingsTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final List<MappingEvent> events = new CopyOnWriteArrayList<>();

	private SourceRegistry registry;

	private TenantMappings mappings;

	private Routes routes;

	@BeforeEach
	void declare() {
		for (String name : new String[] { "main", "archive", "third" }) {
			this.sources.with(Sources.sqlite(name, this.directory));
		}
		this.sources.with(Sources.sqlite("server", this.directory).internal(true));
		this.sources.with(Sources.template(
				SourceDefinition.named("election").url("jdbc:sqlite:" + this.directory + "/{id}.db").build(),
				"election-{id}", CreatePolicy.EXPLICIT, null));
		this.registry = this.sources.registry();
		use(MappingStore.NONE);
	}

	private void use(MappingStore store) {
		this.mappings = new TenantMappings(this.registry, store, this.events::add);
		this.routes = new Routes(
				List.of(new Route(List.of(NamePattern.of("election-{id}")), "election"),
						new Route(List.of(NamePattern.of("chat-*")), "main")),
				null, this.registry, this.mappings, new ShardTables(this.registry));
	}

	/** The source of a scope that is entered now. */
	private String sourceOf(String tenant) {
		return TenantContext.call(tenant, () -> this.routes.resolve(Target.current()).name());
	}

	@Test
	void aMappingGoesBeforeTheRoutes() {
		assertThat(sourceOf("chat-1")).isEqualTo("main");
		this.mappings.map("chat-1", "archive");
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		assertThat(sourceOf("chat-2")).isEqualTo("main");
		this.mappings.map("chat-1", "third");
		assertThat(sourceOf("chat-1")).isEqualTo("third");
		assertThat(this.mappings.unmap("chat-1")).isTrue();
		assertThat(this.mappings.unmap("chat-1")).isFalse();
		assertThat(sourceOf("chat-1")).isEqualTo("main");
	}

	@Test
	void aScopeStaysWhereItIsThoughAnotherApplicationOfTheProcessResolvesItsTenantToo() {
		TenantMappings its = this.mappings;
		Routes ours = this.routes;
		use(MappingStore.NONE);
		Routes others = this.routes;
		Target before = TenantContext.call("chat-1", () -> {
			assertThat(ours.resolve(Target.current()).name()).isEqualTo("main");
			assertThat(others.resolve(Target.current()).name()).isEqualTo("main");
			its.map("chat-1", "archive");
			assertThat(others.resolve(Target.current()).name()).isEqualTo("main");
			assertThat(ours.resolve(Target.current()).name()).isEqualTo("main");
			return Target.current();
		});
		try (Scope scope = before.enter()) {
			assertThat(ours.resolve(Target.current()).name()).isEqualTo("archive");
			assertThat(others.resolve(Target.current()).name()).isEqualTo("main");
		}
	}

	@Test
	void whatAnotherApplicationOfTheProcessResolvesLaterMakesNothingNew() {
		TenantMappings its = this.mappings;
		Routes ours = this.routes;
		use(MappingStore.NONE);
		Routes others = this.routes;
		Target before = TenantContext.call("chat-1", () -> {
			assertThat(ours.resolve(Target.current()).name()).isEqualTo("main");
			its.map("chat-1", "archive");
			assertThat(others.resolve(Target.current()).name()).isEqualTo("main");
			return Target.current();
		});
		try (Scope scope = before.enter()) {
			assertThat(ours.resolve(Target.current()).name()).isEqualTo("archive");
		}
	}

	@Test
	void aTenantWithoutARouteMayBeMapped() {
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> sourceOf("vip"));
		this.mappings.map("vip", "archive");
		assertThat(sourceOf("vip")).isEqualTo("archive");
	}

	@Test
	void aTenantOfATemplateMayBeMappedAndNeedsNoDatabaseThen() {
		this.mappings.map("election-1", "archive");
		assertThat(sourceOf("election-1")).isEqualTo("archive");
		assertThat(this.routes.create("election-1")).isFalse();
	}

	@Test
	void mappingsAreFound() {
		this.mappings.map("chat-2", "archive");
		this.mappings.map("chat-1", "third");
		assertThat(this.mappings.find("chat-1")).isEqualTo("third");
		assertThat(this.mappings.find("chat-3")).isNull();
		assertThat(this.mappings.all()).containsExactly(Map.entry("chat-1", "third"), Map.entry("chat-2", "archive"));
	}

	@ParameterizedTest
	@CsvSource({ "nowhere, declared", "server, internal", "election, template" })
	void aSourceThatIsNoneForTenantsIsRefused(String source, String why) {
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> this.mappings.map("chat-1", source))
			.withMessageContaining("'" + source + "'")
			.withMessageContaining(why)
			.satisfies((ex) -> assertThat(ex.source()).isEqualTo(source));
		assertThat(this.mappings.all()).isEmpty();
		assertThat(sourceOf("chat-1")).isEqualTo("main");
	}

	@Test
	void anotherTenantsDatabaseIsRefused() {
		this.routes.create("election-1");
		this.registry.get("election", "election-1");
		assertThatExceptionOfType(UnknownSourceException.class)
			.isThrownBy(() -> this.mappings.map("chat-1", "election-1"))
			.withMessageContaining("'election'");
	}

	@ParameterizedTest
	@ValueSource(strings = { "x'; DROP TABLE multidb_mapping; --", "", "../main", "a b", "ünder" })
	void aMalformedTenantIsRefused(String tenant) {
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> this.mappings.map(tenant, "archive"));
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> this.mappings.unmap(tenant));
		assertThat(this.mappings.all()).isEmpty();
	}

	@Test
	void aTenantWhoseSourceIsRemovedIsUnknownAndNotSomewhereElse() {
		this.mappings.map("chat-1", "archive");
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		this.registry.remove("archive");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> sourceOf("chat-1"))
			.withMessageContaining("mapped to the source 'archive'");
		this.registry.add(Sources.sqlite("archive", this.directory).build());
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
	}

	@Test
	void aScopeThatIsOpenKeepsItsSource() {
		try (Scope scope = TenantContext.enter("chat-1")) {
			assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("main");
			this.mappings.map("chat-1", "archive");
			assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("main");
			try (Scope inner = TenantContext.enter("chat-1")) {
				assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("archive");
			}
			assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("main");
		}
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
	}

	@Test
	void aScopeThatUsedNoSourceYetGoesToTheNewOne() {
		try (Scope scope = TenantContext.enter("chat-1")) {
			this.mappings.map("chat-1", "archive");
			assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("archive");
		}
	}

	@Test
	void aTargetThatIsHandedOnLeadsToTheNewSource() {
		List<Target> handedOn = new ArrayList<>();
		TenantContext.run("chat-1", () -> {
			this.routes.resolve(Target.current());
			handedOn.add(Target.current());
		});
		assertThat(handedTo(handedOn.get(0))).isEqualTo("main");
		this.mappings.map("chat-1", "archive");
		assertThat(handedTo(handedOn.get(0))).isEqualTo("archive");
		this.mappings.map("chat-2", "archive");
		assertThat(handedTo(handedOn.get(0))).isEqualTo("archive");
		this.mappings.unmap("chat-1");
		assertThat(handedTo(handedOn.get(0))).isEqualTo("main");
	}

	@Test
	void aTargetThatWasEnteredBetweenOtherChangesIsNotTakenForCurrent() {
		Target target = TenantContext.call("chat-1", () -> {
			this.routes.resolve(Target.current());
			return Target.current();
		});
		this.mappings.map("chat-2", "archive");
		assertThat(handedTo(target)).isEqualTo("main");
		this.mappings.map("chat-1", "archive");
		this.mappings.map("chat-2", "main");
		assertThat(handedTo(target)).isEqualTo("archive");
	}

	private String handedTo(Target target) {
		try (Scope scope = target.enter()) {
			return this.routes.resolve(Target.current()).name();
		}
	}

	@Test
	void aConnectionOfTheOldSourceIsRefusedToANewScope() throws SQLException {
		RoutingDataSource router = new RoutingDataSource(this.routes);
		try (Scope scope = TenantContext.enter("chat-1"); Connection connection = router.getConnection()) {
			Sources.execute(connection, "create table t (id integer)");
			this.mappings.map("chat-1", "archive");
			Sources.execute(connection, "insert into t values (1)");
			try (Scope inner = TenantContext.enter("chat-1")) {
				assertThatExceptionOfType(SQLException.class)
					.isThrownBy(() -> Sources.execute(connection, "insert into t values (2)"))
					.withCauseInstanceOf(WrongSourceException.class);
			}
			assertThat(Sources.query(connection, "select max(id) from t")).isEqualTo("1");
		}
	}

	@Test
	void whatWasReadInAScopeWhoseTenantWasMappedIsNotKept() {
		try (Scope scope = TenantContext.enter("chat-1")) {
			assertThat(this.routes.hasMoved(Target.current())).isFalse();
			this.mappings.map("chat-2", "archive");
			assertThat(this.routes.hasMoved(Target.current())).isFalse();
			this.mappings.map("chat-1", "archive");
			assertThat(this.routes.hasMoved(Target.current())).isTrue();
			this.mappings.map("chat-1", "main");
			assertThat(this.routes.hasMoved(Target.current())).isTrue();
		}
		try (Scope scope = TenantContext.enter("chat-1")) {
			assertThat(this.routes.hasMoved(Target.current())).isFalse();
			this.mappings.unmap("chat-1");
			assertThat(this.routes.hasMoved(Target.current())).isTrue();
		}
	}

	@Test
	void whatWasLookedUpBeforeAChangeIsRememberedByNobodyElse() {
		Target slow = Target.ofTenant("chat-1");
		long before = Target.forgotten();
		this.mappings.map("chat-1", "archive");
		slow.resolution(null, "what was looked up before", before);
		assertThat(Target.ofTenant("chat-1")).isNotSameAs(slow);
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
	}

	@Test
	void whoLooksUpSlowlyDoesNotUndoWhatAnotherHasFoundForTheSameTarget() {
		Target shared = Target.ofTenant("chat-1");
		long before = Target.forgotten();
		this.mappings.map("chat-1", "archive");
		try (Scope scope = shared.enter()) {
			assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("archive");
		}
		Object found = this.routes.resolution(shared);
		assertThat(shared.resolution(null, "what was looked up before", before)).isSameAs(found);
		assertThat(this.routes.resolve(shared).name()).isEqualTo("archive");
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
	}

	/** Who looked it up before the change puts it into the target after it. */
	@Test
	void aTargetThatWasHandedOnBeforeAChangeIsLookedUpAnewWhenItIsEntered() {
		Target shared = Target.ofTenant("chat-1");
		Target before = Target.ofTenant("chat-1");
		Routes.Resolution old = this.routes.resolution(before);
		assertThat(old.source().name()).isEqualTo("main");
		long forgotten = Target.forgotten();
		this.mappings.map("chat-1", "archive");
		assertThat(shared.resolution(null, old, forgotten)).isSameAs(old);
		assertThat(handedTo(shared)).isEqualTo("archive");
		assertThat(handedTo(before)).isEqualTo("archive");
	}

	@Test
	void aTargetThatIsUnresolvedWhenItIsEnteredIsNotTheOneThatASlowLookUpFills() {
		Target shared = Target.ofTenant("chat-1");
		Routes.Resolution old = this.routes.resolution(Target.ofTenant("chat-1"));
		long forgotten = Target.forgotten();
		this.mappings.map("chat-1", "archive");
		try (Scope scope = shared.enter()) {
			shared.resolution(null, old, forgotten);
			assertThat(this.routes.resolve(Target.current()).name()).isEqualTo("archive");
		}
	}

	/**
	 * One thread looks up for the first time while another maps: whichever is first, all
	 * scopes that are entered after that lead to the new source.
	 */
	@Test
	void noThreadRemembersWhatItLookedUpBeforeTheChange() throws Exception {
		int rounds = 3_000;
		CyclicBarrier barrier = new CyclicBarrier(2);
		List<String> wrong = new CopyOnWriteArrayList<>();
		Thread reader = new Thread(() -> {
			for (int i = 0; i < rounds; i++) {
				String tenant = "chat-" + i;
				meet(barrier);
				String either = sourceOf(tenant);
				assertThat(either).isIn("main", "archive");
				meet(barrier);
				if (!sourceOf(tenant).equals("archive")) {
					wrong.add(tenant);
				}
			}
		});
		reader.start();
		for (int i = 0; i < rounds; i++) {
			String tenant = "chat-" + i;
			meet(barrier);
			this.mappings.map(tenant, "archive");
			if (!sourceOf(tenant).equals("archive")) {
				wrong.add(tenant);
			}
			meet(barrier);
		}
		reader.join();
		assertThat(wrong).isEmpty();
		assertThat(this.mappings.all()).hasSize(rounds);
	}

	private static void meet(CyclicBarrier barrier) {
		try {
			barrier.await(60, TimeUnit.SECONDS);
		}
		catch (Exception ex) {
			throw new IllegalStateException(ex);
		}
	}

	@Test
	void changesAreTold() {
		this.mappings.map("chat-1", "archive");
		this.mappings.map("chat-1", "archive");
		this.mappings.map("chat-1", "third");
		this.mappings.unmap("chat-1");
		assertThat(this.events).containsExactly(new MappingEvent.Mapped("chat-1", "archive", null),
				new MappingEvent.Mapped("chat-1", "third", "archive"), new MappingEvent.Unmapped("chat-1", "third"));
	}

	@Test
	void aListenerThatFailsChangesNothing() {
		this.mappings = new TenantMappings(this.registry, MappingStore.NONE, (event) -> {
			throw new IllegalStateException("on purpose");
		});
		this.mappings.map("chat-1", "archive");
		assertThat(this.mappings.find("chat-1")).isEqualTo("archive");
	}

	@Test
	void theStoreIsReadAndWritten() {
		Store store = new Store();
		store.rows.put("chat-1", "archive");
		use(store);
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		this.mappings.map("chat-2", "third");
		this.mappings.unmap("chat-1");
		assertThat(store.rows).containsExactly(Map.entry("chat-2", "third"));
	}

	@Test
	void whatAnotherNodeChangesComesIntoForce() {
		Store store = new Store();
		store.rows.put("chat-1", "archive");
		store.rows.put("chat-2", "archive");
		use(store);
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		assertThat(sourceOf("chat-2")).isEqualTo("archive");
		store.rows.put("chat-1", "third");
		store.rows.remove("chat-2");
		store.rows.put("chat-3", "third");
		store.changed.run();
		assertThat(sourceOf("chat-1")).isEqualTo("third");
		assertThat(sourceOf("chat-2")).isEqualTo("main");
		assertThat(sourceOf("chat-3")).isEqualTo("third");
		assertThat(this.events).containsExactlyInAnyOrder(new MappingEvent.Mapped("chat-1", "third", "archive"),
				new MappingEvent.Unmapped("chat-2", "archive"), new MappingEvent.Mapped("chat-3", "third", null));
	}

	@Test
	void whatAnotherNodePutsBackComesIntoForce() {
		Store store = new Store();
		use(store);
		assertThat(sourceOf("chat-1")).isEqualTo("main");
		this.mappings.map("chat-1", "archive");
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		store.rows.remove("chat-1");
		store.changed.run();
		assertThat(sourceOf("chat-1")).isEqualTo("main");
	}

	@Test
	void whatIsReadAnewAtTheSameNumberComesIntoForceIfItIsSomethingElse() {
		Numbered store = new Numbered();
		use(store);
		store.read(Map.of("chat-1", "archive"), 100);
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		store.read(Map.of("chat-2", "third"), 100);
		assertThat(sourceOf("chat-1")).isEqualTo("main");
		assertThat(sourceOf("chat-2")).isEqualTo("third");
		store.read(Map.of("chat-1", "archive"), 99);
		assertThat(sourceOf("chat-1")).isEqualTo("main");
	}

	@Test
	void aBadRowSpoilsOnlyItself() {
		Store store = new Store();
		store.rows.put("chat-1", "nowhere");
		store.rows.put("x'; --", "archive");
		store.rows.put("chat-2", "server");
		store.rows.put("chat-3", "archive");
		use(store);
		assertThat(sourceOf("chat-3")).isEqualTo("archive");
		assertThat(sourceOf("chat-4")).isEqualTo("main");
		for (String bad : List.of("chat-1", "chat-2")) {
			assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> sourceOf(bad));
		}
	}

	@Test
	void untilMappingsAreKnownNoTenantIsServed() {
		Store store = new Store();
		store.rows.put("chat-1", "archive");
		store.down = true;
		use(store);
		for (int i = 0; i < 3; i++) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> sourceOf("chat-1"))
				.withMessageContaining("which tenants are mapped")
				.withMessageContaining("catalog is down");
		}
		assertThat(store.loads).as("times the store was asked within a second").hasValueLessThan(3);
		store.down = false;
		store.changed.run();
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
	}

	@Test
	void aStoreThatComesBackIsAskedAgain() {
		Store store = new Store();
		store.rows.put("chat-1", "archive");
		store.down = true;
		use(store);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> sourceOf("chat-1"));
		store.down = false;
		await().ignoreException(SourceUnavailableException.class).until(() -> sourceOf("chat-1").equals("archive"));
	}

	@Test
	void whatIsKnownStaysInForceWhileTheStoreIsDown() {
		Store store = new Store();
		store.rows.put("chat-1", "archive");
		use(store);
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		store.down = true;
		store.changed.run();
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> this.mappings.map("chat-1", "third"));
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
	}

	@Test
	void whoMapsWhileAnotherWaitsForHisTransactionIsRefusedInTime() throws Exception {
		Store store = new Store();
		store.rows.put("chat-3", "third");
		NumberedMappingStore serialized = new SerializedMappings(store, Duration.ofMillis(100));
		this.mappings = new TenantMappings(this.registry, serialized, this.events::add);
		Thread other = new Thread(() -> this.mappings.map("chat-1", "archive"));
		store.transaction.lock();
		try {
			this.mappings.map("chat-2", "archive");
			other.start();
			await().until(store.transaction::hasQueuedThreads);
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> this.mappings.map("chat-2", "third"))
				.withMessageContaining("mapping of tenant 'chat-2' could not be changed")
				.withMessageContaining("longer than 100 ms")
				.satisfies((ex) -> assertThat(ex.source()).isEqualTo("*mappings"));
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> this.mappings.unmap("chat-3"))
				.withMessageContaining("mapping of tenant 'chat-3' could not be changed")
				.satisfies((ex) -> assertThat(ex.source()).isEqualTo("*mappings"));
			Thread.currentThread().interrupt();
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> this.mappings.unmap("chat-3"))
				.withMessageContaining("interrupted");
			assertThat(Thread.interrupted()).isTrue();
			assertThat(this.mappings.all()).isEqualTo(Map.of("chat-2", "archive", "chat-3", "third"));
		}
		finally {
			store.transaction.unlock();
			other.join();
		}
		assertThat(this.mappings.unmap("chat-3")).isTrue();
		assertThat(this.mappings.all()).isEqualTo(Map.of("chat-1", "archive", "chat-2", "archive"))
			.isEqualTo(store.rows);
	}

	@Test
	void aChangeComesIntoForceWhenItIsKeptAndIsNotUndoneByWhatWasReadBefore() {
		Numbered store = new Numbered();
		use(store);
		this.mappings.map("chat-1", "archive");
		this.mappings.map("chat-2", "archive");
		assertThat(this.mappings.all()).isEmpty();
		store.kept.remove(0).accept(new Revision(0, 6));
		assertThat(sourceOf("chat-1")).isEqualTo("archive");
		store.read(Map.of("chat-1", "third", "chat-2", "third"), 5);
		assertThat(this.mappings.all()).isEqualTo(Map.of("chat-1", "archive", "chat-2", "third"));
		store.read(Map.of("chat-1", "archive", "chat-2", "archive"), 7);
		store.kept.remove(0).accept(new Revision(0, 7));
		assertThat(this.events).containsExactly(new MappingEvent.Mapped("chat-1", "archive", null),
				new MappingEvent.Mapped("chat-2", "third", null),
				new MappingEvent.Mapped("chat-2", "archive", "third"));
		store.read(Map.of("chat-1", "third"), 10);
		this.mappings.map("chat-1", "archive");
		store.kept.remove(0).accept(new Revision(0, 9));
		assertThat(this.mappings.all()).as("another was later").isEqualTo(Map.of("chat-1", "third"));
		store.read(Map.of(), 11);
		assertThat(this.mappings.all()).isEmpty();
		store.read(Map.of("chat-1", "third"), 7);
		assertThat(this.mappings.all()).isEmpty();
	}

	@Test
	void ofTwoChangesOfATenantTheLaterOneCountsWhicheverIsToldFirst() {
		Numbered store = new Numbered();
		use(store);
		this.mappings.map("chat-1", "archive");
		this.mappings.unmap("chat-1");
		store.kept.remove(1).accept(new Revision(0, 9));
		store.kept.remove(0).accept(new Revision(0, 8));
		assertThat(this.mappings.find("chat-1")).isNull();
		store.read(Map.of("chat-1", "archive"), 8);
		assertThat(this.mappings.find("chat-1")).isNull();
		assertThat(this.events).isEmpty();
	}

	/** The commit of a change may be undone in ways that nobody is told of. */
	@Test
	void aChangeThatIsNotAmongWhatWasReadAfterItIsNone() {
		Numbered store = new Numbered();
		use(store);
		this.mappings.map("chat-1", "archive");
		store.kept.remove(0).accept(new Revision(0, 2));
		store.read(store.contents.mappings(), 2);
		assertThat(this.mappings.find("chat-1")).isNull();
		store.contents = new NumberedMappingStore.Contents(Map.of("chat-2", "third"), new Revision(1, 1));
		this.mappings.map("chat-1", "archive");
		store.kept.remove(0).accept(new Revision(0, 3));
		store.changed.run();
		assertThat(this.mappings.all()).as("an older state was put back").isEqualTo(Map.of("chat-2", "third"));
	}

	@Test
	void whatIsThereAtTheStartIsNoChange() {
		Numbered store = new Numbered();
		use(store);
		store.read(Map.of("chat-1", "archive"), 1);
		assertThat(this.mappings.find("chat-1")).isEqualTo("archive");
		assertThat(this.events).isEmpty();
	}

	/** Numbers its changes; each is kept when the test says so. */
	private static final class Numbered implements NumberedMappingStore {

		private final List<Consumer<Revision>> kept = new ArrayList<>();

		private Contents contents = new Contents(Map.of(), new Revision(0, 0));

		private Runnable changed;

		@Override
		public <T> T read(Function<Contents, T> taken) {
			return taken.apply(this.contents);
		}

		void read(Map<String, String> mappings, long number) {
			this.contents = new Contents(mappings, new Revision(0, number));
			this.changed.run();
		}

		@Override
		public void change(String tenant, String source, Consumer<Revision> taken) {
			this.kept.add(taken);
		}

		@Override
		public void whenChanged(Runnable listener) {
			this.changed = listener;
		}

	}

	/** As a table in a catalog would be. */
	private static final class Store implements MappingStore {

		private final Map<String, String> rows = new ConcurrentHashMap<>();

		private final AtomicInteger loads = new AtomicInteger();

		/** What a transaction locks that has changed something. */
		private final ReentrantLock transaction = new ReentrantLock();

		private volatile boolean down;

		private Runnable changed;

		private void check() {
			if (this.down) {
				throw new SourceUnavailableException("catalog", "the catalog is down", Duration.ofSeconds(1), null);
			}
		}

		@Override
		public Map<String, String> load() {
			this.loads.incrementAndGet();
			check();
			return Map.copyOf(this.rows);
		}

		@Override
		public void save(String tenant, String source) {
			check();
			this.transaction.lock();
			try {
				this.rows.put(tenant, source);
			}
			finally {
				this.transaction.unlock();
			}
		}

		@Override
		public void remove(String tenant) {
			check();
			this.rows.remove(tenant);
		}

		@Override
		public void whenChanged(Runnable listener) {
			this.changed = listener;
		}

	}

	/** As a listener does that has another thread do it, and waits for that. */
	@Test
	void aListenerMayChangeAnotherMappingInAnotherThread() throws Exception {
		List<Object> outcomes = new CopyOnWriteArrayList<>();
		Map<String, String> kept = new ConcurrentHashMap<>();
		MappingStore store = new MappingStore() {

			@Override
			public Map<String, String> load() {
				return Map.copyOf(kept);
			}

			@Override
			public void save(String tenant, String source) {
				kept.put(tenant, source);
			}

			@Override
			public void remove(String tenant) {
				kept.remove(tenant);
			}

		};
		this.mappings = new TenantMappings(this.registry, store, (event) -> {
			if (event.tenant().equals("chat-1")) {
				// In force by then.
				outcomes.add(String.valueOf(this.mappings.find("chat-1")));
				outcomes.addAll(inAnotherThread(() -> {
					this.mappings.map("chat-2", "archive");
					return "mapped";
				}));
			}
		});
		this.mappings.map("chat-1", "archive");
		this.mappings.unmap("chat-1");
		assertThat(outcomes).containsExactly("archive", "mapped", "null", "mapped");
		assertThat(kept).isEqualTo(Map.of("chat-2", "archive"));
	}

	private static List<Object> inAnotherThread(Callable<?> task) {
		try {
			return Race.run(1, task);
		}
		catch (Exception ex) {
			throw new IllegalStateException(ex);
		}
	}

}
