package io.multidb.routing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.InvalidDatasourcesException;
import io.multidb.Operation;
import io.multidb.Scope;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.access.Access;
import io.multidb.access.AccessDecision;
import io.multidb.access.AccessListener;
import io.multidb.access.CurrentUser;
import io.multidb.access.SourceAccess;
import io.multidb.source.Deadline;
import io.multidb.source.FallbackSettings;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link ShardTables} and {@link Placements}. Each node has a registry of its
 * own, as a process has.
 */
class ShardTablesTests {

	@TempDir
	private Path directory;

	private final List<Sources> nodes = new ArrayList<>();

	private SourceRegistry registry;

	@BeforeEach
	void start() {
		this.registry = node("a", "b", "c", "d");
	}

	@AfterEach
	void stop() {
		this.nodes.forEach(Sources::close);
	}

	private SourceRegistry node(String... names) {
		Sources sources = new Sources();
		for (String name : names) {
			sources.with(Sources.sqlite(name, this.directory));
		}
		this.nodes.add(sources);
		return sources.registry();
	}

	private static Shards shards(int generation, String... sources) {
		return new Shards(List.of(sources), generation);
	}

	private static Routes routes(SourceRegistry registry, Shards shards) {
		return new Routes(List.of(new Route(List.of(NamePattern.of("chat-*")), shards)), null, registry);
	}

	private static String place(Routes routes, int tenant) {
		return routes.resolve("chat-" + tenant).name();
	}

	private List<String> tenants(String source) throws SQLException {
		String tenants = Sources.query(this.registry.get(source),
				"SELECT group_concat(tenant) FROM (SELECT tenant FROM multidb_shard_tenant ORDER BY 1)");
		return (tenants != null) ? Arrays.asList(tenants.split(",")) : List.of();
	}

	@Test
	void whoMayReadFromNoneOfTheSourcesHasNobodyPlaced() throws SQLException {
		Routes routes = routes(this.registry, shards(1, "a", "b"));
		routes.checkShards();
		Set<String> allowed = ConcurrentHashMap.newKeySet();
		SourceAccess rule = (user, tenant, source, operation) -> allowed.contains(source) ? AccessDecision.allow()
				: AccessDecision.deny("No.");
		try (Access access = new Access(() -> List.of(rule), CurrentUser.NONE, AccessListener.NONE)) {
			TargetAccess asked = new TargetAccess(access, routes);
			RoutingDataSource router = new RoutingDataSource(routes, asked);
			for (int i = 0; i < 10; i++) {
				try (Scope scope = TenantContext.enter("chat-" + i)) {
					assertThatExceptionOfType(SQLException.class).isThrownBy(router::getConnection)
						.withCauseInstanceOf(SourceAccessDeniedException.class);
					assertThatExceptionOfType(SourceAccessDeniedException.class)
						.isThrownBy(() -> asked.check(Target.current(), Operation.READ));
				}
			}
			assertThat(tenants("a")).isEmpty();
			assertThat(tenants("b")).isEmpty();
			allowed.addAll(Set.of("a", "b"));
			try (Scope scope = TenantContext.enter("chat-1"); Connection connection = router.getConnection()) {
				assertThat(connection.isValid(1)).isTrue();
			}
			assertThat(tenants("a").size() + tenants("b").size()).isEqualTo(1);
		}
	}

	@Test
	void aTenantIsPlacedWhereItPrefersToBe() throws SQLException {
		Shards shards = shards(1, "a", "b", "c");
		Routes routes = routes(this.registry, shards);
		for (int i = 0; i < 30; i++) {
			assertThat(place(routes, i)).isEqualTo(shards.preferredBy("chat-" + i).get(0));
			assertThat(tenants(place(routes, i))).contains("chat-" + i);
		}
		assertThat(tenants("a").size() + tenants("b").size() + tenants("c").size()).isEqualTo(30);
	}

	@Test
	void aFurtherSourceMovesNobodyAndTakesItsShareOfTheNew() {
		Routes before = routes(this.registry, shards(1, "a", "b"));
		List<String> places = new ArrayList<>();
		for (int i = 0; i < 40; i++) {
			places.add(place(before, i));
		}
		SourceRegistry restarted = node("a", "b", "c");
		Routes after = routes(restarted, shards(2, "a", "b", "c"));
		after.checkShards();
		Set<String> placesOfNew = new TreeSet<>();
		for (int i = 0; i < 40; i++) {
			assertThat(place(after, i)).isEqualTo(places.get(i));
			placesOfNew.add(place(after, 100 + i));
		}
		assertThat(placesOfNew).containsExactly("a", "b", "c");
	}

	@Test
	void anotherListIsRefusedUnlessItIsSaidToBeMeant() {
		routes(this.registry, shards(1, "a", "b")).checkShards();
		routes(this.registry, shards(1, "b", "a")).checkShards();
		for (Shards other : List.of(shards(1, "a", "b", "c"), shards(1, "a"), shards(1, "a", "c"))) {
			assertThatExceptionOfType(InvalidDatasourcesException.class)
				.isThrownBy(() -> routes(this.registry, other).checkShards())
				.withMessageContaining("[a, b]")
				.withMessageContaining("'generation: 2'");
		}
		routes(this.registry, shards(2, "a", "b", "c")).checkShards();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(this.registry, shards(1, "a", "b")).checkShards())
			.withMessageContaining("an old list")
			.withMessageContaining("[a, b, c]");
		// Back to the former list is a further change.
		routes(this.registry, shards(3, "a", "b")).checkShards();
	}

	@Test
	void aRunningNodeWithAnOldListPlacesNobodyAndStillServesThoseItFinds() throws SQLException {
		Routes old = routes(node("a", "b"), shards(1, "a", "b"));
		String before = place(old, 1);
		Routes current = routes(this.registry, shards(2, "a", "b", "c"));
		String byCurrent = null;
		for (int i = 2; byCurrent == null || byCurrent.equals("c"); i++) {
			byCurrent = place(current, i);
			int tenant = i;
			if (byCurrent.equals("c")) {
				assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(old, tenant))
					.withMessageContaining("was changed while this process runs with [a, b], generation 1");
			}
			else {
				assertThat(place(old, tenant)).isEqualTo(byCurrent);
			}
		}
		assertThat(place(old, 1)).isEqualTo(before);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(old, 99))
			.withMessageContaining("old list");
		assertThat(tenants("a")).doesNotContain("chat-99");
		assertThat(tenants("b")).doesNotContain("chat-99");
	}

	@Test
	void aSourceIsLeftOutOnlyWhenItIsEmpty() throws SQLException {
		Routes routes = routes(this.registry, shards(1, "a", "b"));
		int tenant = 0;
		while (!place(routes, tenant).equals("b")) {
			tenant++;
		}
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(this.registry, shards(2, "a")).checkShards())
			.withMessageContaining("'b' cannot be left out")
			.withMessageContaining("1 tenants")
			.withMessageContaining("Stop all other processes");
		// Nothing has changed by that.
		assertThat(place(routes, tenant)).isEqualTo("b");
		routes(node("a", "b"), shards(1, "a", "b")).checkShards();
		Sources.execute(this.registry.get("b"), "DELETE FROM multidb_shard_tenant");
		Sources.execute(this.registry.get("a"), "INSERT INTO multidb_shard_tenant VALUES ('chat-" + tenant + "')");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(node("a"), shards(2, "a")).checkShards())
			.withMessageContaining("not declared");
		routes(this.registry, shards(2, "a")).checkShards();
		assertThat(place(routes(this.registry, shards(2, "a")), tenant)).isEqualTo("a");
	}

	/** With two routes, each of which spreads its tenants. */
	private Routes routes(Shards chats, Shards teams, boolean teamsFirst) {
		Route chat = new Route(List.of(NamePattern.of("chat-*")), chats);
		Route team = new Route(List.of(NamePattern.of("team-*")), teams);
		return new Routes(teamsFirst ? List.of(team, chat) : List.of(chat, team), null, node("a", "b", "c", "d"));
	}

	private String recorded(String source) throws SQLException {
		return Sources.query(this.registry.get(source), "SELECT generation || ' ' || sources FROM multidb_shard");
	}

	@ParameterizedTest
	@ValueSource(booleans = { false, true })
	void aSourceThatOneRouteLeavesOutIsTakenByAnotherOne(boolean teamsFirst) throws SQLException {
		Routes before = routes(shards(1, "a", "b"), shards(1, "c"), teamsFirst);
		before.checkShards();
		List<Integer> chats = IntStream.range(0, 40)
			.filter((i) -> shards(1, "a", "b").preferredBy("chat-" + i).get(0).equals("a"))
			.boxed()
			.toList();
		chats.forEach((i) -> assertThat(place(before, i)).isEqualTo("a"));
		Routes sameNumber = routes(shards(2, "a"), shards(2, "b", "c"), teamsFirst);
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(sameNumber::checkShards)
			.withMessageContaining("'generation: 3'");
		for (int start = 0; start < 2; start++) {
			Routes after = routes(shards(2, "a"), shards(3, "b", "c"), teamsFirst);
			after.checkShards();
			chats.forEach((i) -> assertThat(place(after, i)).isEqualTo("a"));
			assertThat(place(after, 100 + start)).isEqualTo("a");
			Set<String> teams = new TreeSet<>();
			for (int i = 0; i < 40; i++) {
				teams.add(after.resolve("team-" + i).name());
			}
			assertThat(teams).containsExactly("b", "c");
			assertThat(List.of(recorded("a"), recorded("b"), recorded("c"))).containsExactly("2 a", "3 b,c", "3 b,c");
		}
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> {
			for (int i = 200; i < 250; i++) {
				place(before, i);
			}
		});
		assertThat(tenants("b")).noneMatch((tenant) -> tenant.startsWith("chat-"));
	}

	@Test
	void theListThatLeftASourceOutStaysWhatItBecameSince() throws SQLException {
		routes(shards(1, "a", "b"), shards(1, "c"), false).checkShards();
		routes(shards(3, "a"), shards(1, "c"), false).checkShards();
		routes(shards(4, "a", "d"), shards(4, "b", "c"), false).checkShards();
		assertThat(List.of(recorded("a"), recorded("d"))).containsOnly("4 a,d");
		assertThat(List.of(recorded("b"), recorded("c"))).containsOnly("4 b,c");
		routes(shards(4, "a", "d"), shards(4, "b", "c"), true).checkShards();
	}

	/** Or else those who are placed in the others would be placed anew. */
	@Test
	void aListIsNotReplacedByWhatItHasLeftOut() {
		Routes before = routes(this.registry, shards(1, "a", "b"));
		List<Integer> chats = IntStream.range(0, 20)
			.filter((i) -> shards(1, "a", "b").preferredBy("chat-" + i).get(0).equals("a"))
			.boxed()
			.toList();
		chats.forEach((i) -> assertThat(place(before, i)).isEqualTo("a"));
		routes(this.registry, shards(2, "a")).checkShards();
		Routes other = routes(this.registry, shards(3, "b", "c"));
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(other::checkShards)
			.withMessageContaining("'a' cannot be left out");
	}

	@Test
	void nobodyIsPlacedByAListThatIsNotTheRecordedOneThoughItsNumberIs() throws SQLException {
		Routes running = routes(this.registry, shards(2, "a", "b"));
		running.checkShards();
		for (String source : List.of("a", "b")) {
			Sources.execute(this.registry.get(source), "UPDATE multidb_shard SET sources = 'a,b,c'");
		}
		for (int i = 0; i < 10; i++) {
			int tenant = i;
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(running, tenant));
		}
		assertThat(tenants("a")).isEmpty();
		assertThat(tenants("b")).isEmpty();
	}

	/** One process has recorded its list in a, and is about to do so in b. */
	@Test
	void aSourceThatIsLeftOutBeforeItWasRecordedCannotBeRecordedByTheOneThatCameFirst() throws SQLException {
		routes(this.registry, shards(1, "a", "b")).checkShards();
		Sources.execute(this.registry.get("a"), "UPDATE multidb_shard SET complete = 0");
		Sources.execute(this.registry.get("b"), "DELETE FROM multidb_shard");
		Routes slow = routes(node("a", "b"), shards(1, "a", "b"));
		routes(this.registry, shards(2, "a", "c")).checkShards();
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(this.registry.get("b"),
				"INSERT INTO multidb_shard (id, source, generation, complete, sources) VALUES (1, 'b', 1, 0, 'a,b')"));
		for (int i = 0; i < 10; i++) {
			int tenant = i;
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(slow, tenant));
		}
		assertThat(tenants("b")).isEmpty();
	}

	@Test
	void aSourceThatHasTenantsIsNotLeftOutThoughItWasNotRecordedYet() throws SQLException {
		routes(this.registry, shards(1, "a", "b")).checkShards();
		Sources.execute(this.registry.get("a"), "UPDATE multidb_shard SET complete = 0");
		Sources.execute(this.registry.get("b"), "DELETE FROM multidb_shard");
		Sources.execute(this.registry.get("b"), "INSERT INTO multidb_shard_tenant VALUES ('chat-1')");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(this.registry, shards(2, "a", "c")).checkShards())
			.withMessageContaining("'b' cannot be left out");
	}

	@Test
	void whileASourceIsDownNobodyIsPlacedAnewAndThoseWhoAreElsewhereAreServed() throws IOException {
		Shards shards = shards(1, "a", "b");
		Routes before = routes(this.registry, shards);
		for (int i = 0; i < 20; i++) {
			place(before, i);
		}
		Files.createDirectory(this.directory.resolve("off"));
		for (String name : List.of("b.db", "b.db-wal", "b.db-shm")) {
			Files.deleteIfExists(this.directory.resolve("off").resolve(name));
		}
		this.nodes.remove(0).close();
		Files.move(this.directory.resolve("b.db"), this.directory.resolve("off/b.db"));
		Files.createDirectory(this.directory.resolve("b.db"));
		SourceRegistry restarted = node("a", "b");
		this.registry = restarted;
		Routes after = routes(restarted, shards);
		after.checkShards();
		for (int i = 0; i < 20; i++) {
			int tenant = i;
			if (shards.preferredBy("chat-" + i).get(0).equals("a")) {
				assertThat(place(after, i)).isEqualTo("a");
			}
			else {
				assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(after, tenant))
					.withMessageContaining("chat-" + i)
					.withMessageContaining("'b'");
			}
		}
		for (int i = 100; i < 110; i++) {
			int tenant = i;
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(after, tenant));
		}
		Files.delete(this.directory.resolve("b.db"));
		Files.move(this.directory.resolve("off/b.db"), this.directory.resolve("b.db"));
		for (int i = 0; i < 20; i++) {
			int tenant = i;
			await().ignoreException(SourceUnavailableException.class)
				.until(() -> place(after, tenant).equals(shards.preferredBy("chat-" + tenant).get(0)));
		}
	}

	@Test
	void aFallbackIsNotAskedForTenants() throws Exception {
		Files.createDirectory(this.directory.resolve("off.db"));
		Sources sources = new Sources();
		this.nodes.add(sources);
		sources.with(Sources.sqlite("a", this.directory));
		sources.with(Sources.sqlite("off", this.directory).fallback(FallbackSettings.writable("d")));
		sources.with(Sources.sqlite("d", this.directory));
		Routes routes = routes(sources.registry(), shards(1, "a", "off"));
		try (Scope scope = SourceContext.enter("off")) {
			// From here on, this scope keeps to the fallback.
			Sources.execute(sources.registry().get("off"), "create table note (id integer)");
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(routes, 1));
		}
		assertThat(Sources.query(sources.registry().get("d"),
				"SELECT count(*) FROM sqlite_master WHERE name LIKE 'multidb_shard%'"))
			.isEqualTo("0");
	}

	@Test
	void anEmptyDatabaseInPlaceOfAShardIsNoticed() throws SQLException {
		routes(this.registry, shards(1, "a", "b")).checkShards();
		Sources.execute(this.registry.get("b"), "DROP TABLE multidb_shard");
		Sources.execute(this.registry.get("b"), "DROP TABLE multidb_shard_tenant");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(node("a", "b"), shards(1, "a", "b")).checkShards())
			.withMessageContaining("'b'")
			.withMessageContaining("empty");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(node("a", "b", "c"), shards(2, "a", "b", "c")).checkShards());
	}

	@Test
	void databasesThatWereSwappedAreNoticed() throws SQLException {
		Routes routes = routes(this.registry, shards(1, "a", "b"));
		int tenant = 0;
		while (!place(routes, tenant).equals("b")) {
			tenant++;
		}
		Sources swapped = new Sources();
		this.nodes.add(swapped);
		swapped.with(Sources.sqlite("b", this.directory).url("jdbc:sqlite:" + this.directory.resolve("a.db")));
		swapped.with(Sources.sqlite("a", this.directory).url("jdbc:sqlite:" + this.directory.resolve("b.db")));
		Routes wrong = routes(swapped.registry(), shards(1, "a", "b"));
		int asked = tenant;
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(wrong, asked))
			.withMessageContaining("'b'");
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(wrong::checkShards)
			.withMessageContaining("The database of the source 'a' is the one in which tenants of 'b'");
	}

	@Test
	void aChangeThatWasInterruptedIsFinishedByTheNext() throws SQLException {
		routes(this.registry, shards(1, "a", "b")).checkShards();
		Sources.execute(this.registry.get("a"),
				"UPDATE multidb_shard SET generation = 2, complete = 0, sources = 'a,b,c'");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> routes(node("a", "b"), shards(1, "a", "b")).checkShards());
		routes(this.registry, shards(2, "a", "b", "c")).checkShards();
		for (String source : List.of("a", "b", "c")) {
			assertThat(Sources.query(this.registry.get(source),
					"SELECT source || generation || complete || sources FROM multidb_shard"))
				.isEqualTo(source + "21a,b,c");
		}
	}

	@Test
	void aFirstRecordingThatWasInterruptedIsFinishedByTheNext() throws SQLException {
		routes(this.registry, shards(1, "a", "b")).checkShards();
		Sources.execute(this.registry.get("a"), "UPDATE multidb_shard SET complete = 0");
		Sources.execute(this.registry.get("b"), "DELETE FROM multidb_shard");
		routes(node("a", "b"), shards(1, "a", "b")).checkShards();
		assertThat(Sources.query(this.registry.get("b"), "SELECT complete FROM multidb_shard")).isEqualTo("1");
	}

	@Test
	void nodesThatRaceAgreeOnEveryTenant() throws Exception {
		Shards shards = shards(1, "a", "b", "c");
		List<Routes> racing = List.of(routes(node("a", "b", "c"), shards), routes(node("a", "b", "c"), shards),
				routes(node("a", "b", "c"), shards));
		AtomicInteger next = new AtomicInteger();
		List<Object> outcomes = Race.run(6, () -> {
			Routes routes = racing.get(next.getAndIncrement() % 3);
			List<String> places = new ArrayList<>();
			for (int i = 0; i < 100; i++) {
				places.add(place(routes, i));
			}
			return places;
		});
		assertThat(outcomes).allMatch(outcomes.get(0)::equals);
		assertThat(tenants("a").size() + tenants("b").size() + tenants("c").size()).isEqualTo(100);
	}

	/**
	 * Nodes with an old and a new list place the same tenants at the same time, while the
	 * new list comes into force.
	 */
	@Test
	void nodesWithDifferentListsNeverPlaceATenantTwice() throws Exception {
		for (int round = 0; round < 5; round++) {
			int from = 1000 * round;
			int generation = 2 * round + 1;
			Shards before = shards(generation, "a", "b");
			Shards after = shards(generation + 1, "a", "b", "c", "d");
			List<Routes> racing = List.of(routes(node("a", "b", "c", "d"), before),
					routes(node("a", "b", "c", "d"), after));
			racing.get(0).checkShards();
			AtomicInteger next = new AtomicInteger();
			List<String> placed = new CopyOnWriteArrayList<>();
			List<Object> outcomes = Race.run(4, () -> {
				int mine = next.getAndIncrement();
				int refused = 0;
				for (int i = 0; i < 60; i++) {
					try {
						placed.add("chat-" + (from + i) + "@" + place(racing.get(mine % 2), from + i));
					}
					catch (SourceUnavailableException ex) {
						refused++;
					}
				}
				return refused;
			});
			assertThat(outcomes).allMatch(Integer.class::isInstance);
			assertThat(new TreeSet<>(placed)).as("places of 60 tenants").hasSize(60);
			// Or else they may all have come too early.
			racing.get(1).checkShards();
			List<String> all = new ArrayList<>();
			for (String source : List.of("a", "b", "c", "d")) {
				all.addAll(tenants(source));
			}
			assertThat(all).doesNotHaveDuplicates();
			// So that the next round may leave them out.
			for (String source : List.of("c", "d")) {
				Sources.execute(this.registry.get(source), "DELETE FROM multidb_shard_tenant");
			}
		}
	}

	@Test
	void ofManyThreadsThatAskForATenantOneGoesAndLooks() throws Exception {
		AtomicInteger looked = new AtomicInteger();
		ShardMap slow = new ShardMap() {

			@Override
			public void check(Shards shards) {
			}

			@Override
			public String place(String tenant, Shards shards) {
				looked.incrementAndGet();
				return "a";
			}

		};
		Placements placements = new Placements(slow, this.registry);
		assertThat(Race.run(8, () -> placements.find("chat-1", shards(1, "a", "b")))).containsOnly("a");
		assertThat(looked).hasValue(1);
	}

	/** As a listener does that keeps notes in the tenant's own database. */
	@Test
	@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
	void aListenerThatUsesTheTenantThatIsBeingPlacedIsRefusedAndTheTenantIsPlaced() {
		Sources sources = new Sources();
		this.nodes.add(sources);
		sources.with(Sources.sqlite("a", this.directory)).with(Sources.sqlite("b", this.directory));
		Routes routes = routes(sources.registry(), shards(1, "a", "b"));
		List<String> heard = new CopyOnWriteArrayList<>();
		sources.onEvent((event) -> {
			if (event instanceof SourceEvent.Opened) {
				try {
					heard.add(routes.resolve("chat-1").name());
				}
				catch (SourceUnavailableException ex) {
					heard.add(String.valueOf(ex.getMessage()));
				}
				heard.add(SourceContext.call(event.source(), () -> routes.resolve(Target.current()).name()));
			}
		});
		String place = place(routes, 1);
		assertThat(heard).hasSize(4).contains("a", "b");
		assertThat(heard.get(0)).contains("Tenant 'chat-1' is being placed by this very thread")
			.contains("SourceContext.enter(…)");
		assertThat(heard.get(2)).isEqualTo(heard.get(0));
		assertThat(place(routes, 1)).isEqualTo(place);
	}

	/** As a listener does that hands its work to another thread, and waits for that. */
	@Test
	@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
	void whoWaitsForAnotherThreadThatPlacesATenantWaitsNoLongerThanForAConnection() throws Exception {
		Sources sources = new Sources();
		this.nodes.add(sources);
		for (String name : List.of("a", "b")) {
			sources.with(Sources.sqlite(name, this.directory).hikari(Map.of("connection-timeout", "300")));
		}
		Routes routes = routes(sources.registry(), shards(1, "a", "b"));
		List<Object> heard = new CopyOnWriteArrayList<>();
		sources.onEvent((event) -> {
			if (event instanceof SourceEvent.Opened) {
				heard.addAll(inAnotherThread(() -> place(routes, 1)));
			}
		});
		String place = place(routes, 1);
		assertThat(heard).hasSize(2)
			.allSatisfy((outcome) -> assertThat(outcome).asInstanceOf(InstanceOfAssertFactories.THROWABLE)
				.isInstanceOf(SourceUnavailableException.class)
				.hasMessageContaining("Tenant 'chat-1' is still being placed by the thread")
				.hasMessageContaining("after 300 ms"));
		assertThat(place(routes, 1)).isEqualTo(place);
	}

	private static List<Object> inAnotherThread(Callable<?> task) {
		try {
			return Race.run(1, task);
		}
		catch (Exception ex) {
			throw new IllegalStateException(ex);
		}
	}

	@Test
	@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
	void whoHasADeadlineWaitsNoLongerThanThat() throws Exception {
		CountDownLatch placing = new CountDownLatch(1);
		CountDownLatch over = new CountDownLatch(1);
		Placements placements = new Placements(new ShardMap() {

			@Override
			public void check(Shards shards) {
			}

			@Override
			public String place(String tenant, Shards shards) {
				placing.countDown();
				await().until(() -> over.getCount() == 0);
				return "a";
			}

		}, this.registry);
		ExecutorService executor = Executors.newSingleThreadExecutor();
		try {
			Future<String> first = executor.submit(() -> placements.find("chat-1", shards(1, "a")));
			assertThat(placing.await(30, TimeUnit.SECONDS)).isTrue();
			Deadline deadline = new Deadline(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(100));
			deadline.begin();
			try (Scope scope = Target.none().within(deadline).enter()) {
				assertThatExceptionOfType(SourceUnavailableException.class)
					.isThrownBy(() -> placements.find("chat-1", shards(1, "a")))
					.withMessageContaining("still being placed");
			}
			assertThat(first).isNotDone();
			over.countDown();
			assertThat(first.get(30, TimeUnit.SECONDS)).isEqualTo("a");
		}
		finally {
			executor.shutdownNow();
		}
	}

	@Test
	void aFailureIsNotRemembered() {
		AtomicInteger looked = new AtomicInteger();
		ShardMap failing = new ShardMap() {

			@Override
			public void check(Shards shards) {
			}

			@Override
			public String place(String tenant, Shards shards) {
				if (looked.incrementAndGet() == 1) {
					throw new StackOverflowError("on purpose");
				}
				return "a";
			}

		};
		Placements placements = new Placements(failing, this.registry);
		assertThatExceptionOfType(StackOverflowError.class).isThrownBy(() -> placements.find("chat-1", shards(1, "a")));
		assertThat(placements.find("chat-1", shards(1, "a"))).isEqualTo("a");
	}

	@Test
	void aSourceThatIsRemovedAtRunTimeMayHoldTenants() {
		Routes routes = routes(this.registry, shards(1, "a", "b"));
		routes.checkShards();
		this.registry.remove("b");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> {
			for (int i = 0; i < 20; i++) {
				place(routes, i);
			}
		}).withMessageContaining("'b'");
	}

	@Test
	void aMappingGoesBeforeThePlace() {
		TenantMappings mappings = new TenantMappings(this.registry, MappingStore.NONE, (event) -> {
		});
		Routes routes = new Routes(List.of(new Route(List.of(NamePattern.of("chat-*")), shards(1, "a", "b"))), null,
				this.registry, mappings, new ShardTables(this.registry));
		String place = place(routes, 1);
		mappings.map("chat-1", "d");
		assertThat(place(routes, 1)).isEqualTo("d");
		mappings.unmap("chat-1");
		assertThat(place(routes, 1)).isEqualTo(place);
	}

}
