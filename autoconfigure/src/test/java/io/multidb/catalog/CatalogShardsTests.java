package io.multidb.catalog;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.ShardMap;
import io.multidb.routing.Shards;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Places of tenants that are kept in a catalog, on SQLite; on PostgreSQL in
 * {@link CatalogShardsIntegrationTests}. Sources are SQLite files.
 */
class CatalogShardsTests {

	@TempDir
	Path directory;

	private final List<AutoCloseable> processes = new ArrayList<>();

	@AfterEach
	void close() throws Exception {
		for (AutoCloseable process : this.processes) {
			process.close();
		}
	}

	/** The source that has the catalog. */
	SourceDefinition.Builder main() {
		return Sources.sqlite("main", this.directory);
	}

	/** The same, which waits for others half a second. */
	SourceDefinition.Builder impatient() {
		return main().url("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=500");
	}

	/** Connects to the catalog as a program that knows nothing of this library. */
	Connection connect() throws SQLException {
		return DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=30000");
	}

	final void foreign(String... statements) throws SQLException {
		try (Connection connection = connect()) {
			for (String sql : statements) {
				Sources.execute(connection, sql);
			}
		}
	}

	private Sources sources(String... names) {
		Sources sources = new Sources();
		for (String name : names) {
			sources.with(Sources.sqlite(name, this.directory));
		}
		this.processes.add(sources);
		return sources;
	}

	static List<Route> spread(int generation, String... sources) {
		return List.of(new Route(List.of(NamePattern.of("chat-*")), new Shards(List.of(sources), generation)));
	}

	/** A process whose sources are those of the list and all others. */
	final CatalogNode node(int generation, String... list) {
		CatalogNode node = new CatalogNode(sources("a", "b", "c", "d").with(main()), Duration.ofHours(1),
				spread(generation, list));
		synchronized (this.processes) {
			this.processes.add(0, node);
		}
		return node;
	}

	/** A process that knows of no catalog. */
	private Routes withoutCatalog(int generation, String... list) {
		return new Routes(spread(generation, list), null, sources("a", "b", "c", "d").registry());
	}

	private static String place(Routes routes, int tenant) {
		return routes.resolve("chat-" + tenant).name();
	}

	final Map<String, String> kept() throws SQLException {
		Map<String, String> kept = new TreeMap<>();
		try (Connection connection = connect();
				var rows = connection.createStatement().executeQuery("SELECT tenant, source FROM courts_place")) {
			while (rows.next()) {
				kept.put(rows.getString(1), rows.getString(2));
			}
		}
		return kept;
	}

	private String inSource(String source, String sql) throws SQLException {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve(source + ".db"))) {
			return Sources.query(connection, sql);
		}
	}

	@Test
	void aTenantIsPlacedWhereItPrefersToBeAndTheCatalogKnowsIt() throws SQLException {
		Routes routes = node(1, "a", "b", "c").routes;
		routes.checkShards();
		Map<String, String> expected = new TreeMap<>();
		for (int i = 0; i < 30; i++) {
			expected.put("chat-" + i, new Shards(List.of("a", "b", "c"), 1).preferredBy("chat-" + i).get(0));
			assertThat(place(routes, i)).isEqualTo(expected.get("chat-" + i));
		}
		assertThat(kept()).isEqualTo(expected);
		for (String source : List.of("a", "b", "c")) {
			assertThat(inSource(source, "SELECT count(*) FROM multidb_shard_tenant")).isEqualTo("0");
		}
	}

	@Test
	void aFurtherSourceMovesNobodyAndTakesItsShareOfTheNew() {
		Routes before = node(1, "a", "b").routes;
		List<String> places = new ArrayList<>();
		for (int i = 0; i < 40; i++) {
			places.add(place(before, i));
		}
		Routes after = node(2, "a", "b", "c").routes;
		after.checkShards();
		TreeSet<String> placesOfNew = new TreeSet<>();
		for (int i = 0; i < 40; i++) {
			assertThat(place(after, i)).isEqualTo(places.get(i));
			placesOfNew.add(place(after, 100 + i));
		}
		assertThat(placesOfNew).containsExactly("a", "b", "c");
	}

	@Test
	void anotherListIsRefusedUnlessItIsSaidToBeMeant() {
		node(1, "a", "b").routes.checkShards();
		node(1, "b", "a").routes.checkShards();
		for (String[] other : new String[][] { { "a", "b", "c" }, { "a" }, { "a", "c" } }) {
			Routes routes = node(1, other).routes;
			assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(routes::checkShards)
				.withMessageContaining("[a, b]")
				.withMessageContaining("'generation: 2'");
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(routes, 1))
				.withMessageContaining("not those that are recorded");
		}
		node(2, "a", "b", "c").routes.checkShards();
		Routes old = node(1, "a", "b").routes;
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(old::checkShards)
			.withMessageContaining("an old list")
			.withMessageContaining("[a, b, c]");
		node(3, "a", "b").routes.checkShards();
	}

	@Test
	void aRunningNodeWithAnOldListPlacesNobodyAndServesThoseThatHaveAPlace() throws SQLException {
		Routes old = node(1, "a", "b").routes;
		String before = place(old, 1);
		Routes current = node(2, "a", "b", "c").routes;
		current.checkShards();
		for (int i = 2; i < 30; i++) {
			String place = place(current, i);
			assertThat(place(old, i)).isEqualTo(place);
		}
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(old, 99))
			.withMessageContaining("was changed while this process runs with [a, b], generation 1");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(old, 99))
			.withMessageContaining("old list");
		assertThat(place(old, 1)).isEqualTo(before);
		assertThat(kept()).hasSize(29).doesNotContainKey("chat-99");
	}

	/** Another process has begun to record a list, and does not go on. */
	@Test
	@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
	void ofManyTenantsThatWaitForAFailingComparisonOneTriesIt() throws Exception {
		int tenants = 16;
		LeaseTotals leases = new LeaseTotals("main");
		Sources sources = sources("a", "b").with(impatient());
		sources.registry().measure(leases, 1);
		CatalogNode node = new CatalogNode(sources, Duration.ofHours(1), spread(1, "a", "b"));
		this.processes.add(0, node);
		try (Connection other = connect()) {
			other.setAutoCommit(false);
			Sources.execute(other, "INSERT INTO courts_place_list (source, generation, complete, sources)"
					+ " VALUES ('a', 1, 0, 'a,b')");
			long before = leases.total();
			long begun = System.nanoTime();
			AtomicInteger next = new AtomicInteger();
			List<Object> outcomes = Race.run(tenants, () -> place(node.routes, next.getAndIncrement()));
			assertThat(outcomes).allMatch(SourceUnavailableException.class::isInstance);
			// Each has looked for its tenant, and one a second for the list, to record
			// it.
			long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun);
			assertThat(leases.total() - before).isLessThanOrEqualTo(tenants + 2 * (1 + seconds));
			other.rollback();
		}
		await().ignoreException(SourceUnavailableException.class).until(() -> !place(node.routes, 1).isEmpty());
	}

	@Test
	void aSourceIsLeftOutOnlyWhenItIsEmpty() throws SQLException {
		Routes routes = node(1, "a", "b").routes;
		int tenant = 0;
		while (!place(routes, tenant).equals("b")) {
			tenant++;
		}
		Routes shorter = node(2, "a").routes;
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(shorter::checkShards)
			.withMessageContaining("'b' cannot be left out")
			.withMessageContaining("1 tenants")
			.withMessageContaining("Stop all other processes");
		assertThat(place(node(1, "a", "b").routes, tenant)).isEqualTo("b");
		foreign("UPDATE courts_place SET source = 'a'");
		shorter.checkShards();
		assertThat(place(node(2, "a").routes, tenant)).isEqualTo("a");
		// Whoever still has the longer list cannot put anybody there any more.
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> {
			for (int i = 100; i < 150; i++) {
				place(routes, i);
			}
		});
		assertThat(kept()).doesNotContainValue("b");
	}

	/** A process with two routes, each of which spreads its tenants. */
	private Routes node(Shards chats, Shards teams, boolean teamsFirst) {
		Route chat = new Route(List.of(NamePattern.of("chat-*")), chats);
		Route team = new Route(List.of(NamePattern.of("team-*")), teams);
		CatalogNode node = new CatalogNode(sources("a", "b", "c", "d").with(main()), Duration.ofHours(1),
				teamsFirst ? List.of(team, chat) : List.of(chat, team));
		this.processes.add(0, node);
		return node.routes;
	}

	private static Shards list(int generation, String... sources) {
		return new Shards(List.of(sources), generation);
	}

	private String recorded(String source) throws SQLException {
		try (Connection connection = connect()) {
			return Sources.query(connection,
					"SELECT generation || ' ' || sources FROM courts_place_list WHERE source = '" + source + "'");
		}
	}

	@ParameterizedTest
	@ValueSource(booleans = { false, true })
	void aSourceThatOneRouteLeavesOutIsTakenByAnotherOne(boolean teamsFirst) throws SQLException {
		Routes before = node(list(1, "a", "b"), list(1, "c"), teamsFirst);
		before.checkShards();
		List<Integer> chats = IntStream.range(0, 40)
			.filter((i) -> list(1, "a", "b").preferredBy("chat-" + i).get(0).equals("a"))
			.boxed()
			.toList();
		chats.forEach((i) -> assertThat(place(before, i)).isEqualTo("a"));
		Routes sameNumber = node(list(2, "a"), list(2, "b", "c"), teamsFirst);
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(sameNumber::checkShards)
			.withMessageContaining("'generation: 3'");
		for (int start = 0; start < 2; start++) {
			Routes after = node(list(2, "a"), list(3, "b", "c"), teamsFirst);
			after.checkShards();
			chats.forEach((i) -> assertThat(place(after, i)).isEqualTo("a"));
			assertThat(place(after, 100 + start)).isEqualTo("a");
			TreeSet<String> teams = new TreeSet<>();
			for (int i = 0; i < 40; i++) {
				teams.add(after.resolve("team-" + i).name());
			}
			assertThat(teams).containsExactly("b", "c");
			assertThat(List.of(recorded("a"), recorded("b"), recorded("c"))).containsExactly("2 a", "3 b,c", "3 b,c");
		}
		// Whoever still has the former list puts nobody where the others are now.
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> {
			for (int i = 200; i < 250; i++) {
				place(before, i);
			}
		});
		assertThat(kept()).doesNotContainKey("chat-200");
	}

	/** Of two lists with the same number, in two routes. */
	@Test
	void theListThatLeftASourceOutStaysWhatItBecameSince() throws SQLException {
		node(list(1, "a", "b"), list(1, "c"), false).checkShards();
		node(list(3, "a"), list(1, "c"), false).checkShards();
		Routes running = node(list(4, "a", "d"), list(4, "b", "c"), false);
		running.checkShards();
		assertThat(List.of(recorded("a"), recorded("d"))).containsOnly("4 a,d");
		assertThat(List.of(recorded("b"), recorded("c"))).containsOnly("4 b,c");
		node(list(4, "a", "d"), list(4, "b", "c"), true).checkShards();
	}

	/** Or else those who are placed in the others would be placed anew. */
	@Test
	void aListIsNotReplacedByWhatItHasLeftOut() {
		Routes before = node(1, "a", "b").routes;
		List<Integer> chats = IntStream.range(0, 20)
			.filter((i) -> list(1, "a", "b").preferredBy("chat-" + i).get(0).equals("a"))
			.boxed()
			.toList();
		chats.forEach((i) -> assertThat(place(before, i)).isEqualTo("a"));
		node(2, "a").routes.checkShards();
		Routes other = node(3, "b", "c").routes;
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(other::checkShards)
			.withMessageContaining("'a' cannot be left out");
	}

	@Test
	void nobodyIsPlacedByAListThatIsNotTheRecordedOneThoughItsNumberIs() throws SQLException {
		Routes running = node(2, "a", "b").routes;
		running.checkShards();
		foreign("UPDATE courts_place_list SET sources = 'a,b,c'");
		for (int i = 0; i < 10; i++) {
			int tenant = i;
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(running, tenant));
		}
		assertThat(kept()).isEmpty();
	}

	@Test
	void nodesThatRaceAgreeOnEveryTenant() throws Exception {
		List<Routes> racing = List.of(node(1, "a", "b", "c").routes, node(1, "a", "b", "c").routes,
				node(1, "a", "b", "c").routes);
		AtomicInteger next = new AtomicInteger();
		List<Object> outcomes = Race.run(6, () -> {
			Routes routes = racing.get(next.getAndIncrement() % 3);
			List<String> places = new ArrayList<>();
			for (int i = 0; i < 60; i++) {
				int tenant = i;
				places.add(await().atMost(CatalogNode.LONG)
					.ignoreException(SourceUnavailableException.class)
					.until(() -> place(routes, tenant), (place) -> true));
			}
			return places;
		});
		assertThat(outcomes).allMatch(outcomes.get(0)::equals);
		assertThat(kept()).hasSize(60);
	}

	@Test
	void nodesThatStartTogetherRecordTheSameListTogether() throws Exception {
		int rounds = 8;
		String[] names = IntStream.range(0, 2 * rounds).mapToObj((i) -> "s" + i).toArray(String[]::new);
		List<ShardMap> maps = new ArrayList<>();
		for (int i = 0; i < 3; i++) {
			CatalogNode node = new CatalogNode(sources(names).with(main()), Duration.ofHours(1), List.of());
			this.processes.add(0, node);
			maps.add(node.catalog.shards());
		}
		for (int i = 0; i < rounds; i++) {
			Shards shards = new Shards(List.of("s" + 2 * i, "s" + (2 * i + 1)), 1);
			AtomicInteger next = new AtomicInteger();
			List<Object> outcomes = Race.run(3, () -> {
				maps.get(next.getAndIncrement()).check(shards);
				return "done";
			});
			// Whoever comes too late looks again when a tenant is to be placed.
			assertThat(outcomes).contains("done")
				.allMatch((outcome) -> outcome.equals("done") || outcome instanceof SourceUnavailableException);
			for (ShardMap map : maps) {
				await().ignoreException(SourceUnavailableException.class).until(() -> {
					map.check(shards);
					return true;
				});
			}
		}
	}

	/** The list grows, and a source is left out, while the same tenants are placed. */
	@Test
	void nodesWithDifferentListsAgreeOnEveryTenant() throws Exception {
		List<Routes> racing = List.of(node(1, "a", "b", "c").routes, node(2, "a", "d").routes);
		racing.get(0).checkShards();
		AtomicInteger next = new AtomicInteger();
		List<String> placed = new CopyOnWriteArrayList<>();
		List<Object> outcomes = Race.run(4, () -> {
			Routes routes = racing.get(next.getAndIncrement() % 2);
			for (int i = 0; i < 60; i++) {
				try {
					placed.add("chat-" + i + "@" + place(routes, i));
				}
				catch (SourceUnavailableException ex) {
					assertThat(ex).hasMessageNotContaining("ERROR:");
				}
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		TreeSet<String> kept = new TreeSet<>();
		kept().forEach((tenant, source) -> kept.add(tenant + "@" + source));
		assertThat(new TreeSet<>(placed)).isEqualTo(kept);
	}

	@Test
	void whileTheCatalogIsDownThoseWhoAreKnownAreServedAndNobodyIsPlaced() throws SQLException {
		CatalogNode node = node(1, "a", "b");
		String known = place(node.routes, 1);
		node(1, "a", "b").routes.resolve("chat-2");
		foreign("ALTER TABLE courts_place RENAME TO gone");
		assertThat(place(node.routes, 1)).isEqualTo(known);
		for (int i = 2; i < 5; i++) {
			int tenant = i;
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(node.routes, tenant))
				.withMessageContaining("chat-" + i)
				.withMessageContaining("not placed anew")
				.withMessageContaining("courts_place")
				.withMessageContaining("tables.sql")
				.satisfies((ex) -> assertThat(ex.source()).isEqualTo("main"));
		}
		foreign("ALTER TABLE gone RENAME TO courts_place");
		assertThat(kept()).containsOnlyKeys("chat-1", "chat-2");
		assertThat(place(node.routes, 3)).isEqualTo(new Shards(List.of("a", "b"), 1).preferredBy("chat-3").get(0));
	}

	@Test
	void aCatalogThatComesLaterTakesOverWhereTenantsAre() throws SQLException {
		Routes running = withoutCatalog(2, "a", "b");
		List<String> places = new ArrayList<>();
		for (int i = 0; i < 30; i++) {
			places.add(place(running, i));
		}
		Routes after = node(2, "a", "b").routes;
		after.checkShards();
		assertThat(kept()).hasSize(30);
		for (int i = 0; i < 30; i++) {
			assertThat(place(after, i)).isEqualTo(places.get(i));
			assertThat(place(running, i)).isEqualTo(places.get(i));
		}
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(running, 99));
		Routes back = withoutCatalog(2, "a", "b");
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(back::checkShards)
			.withMessageContaining("is known by a catalog")
			.withMessageContaining("'app.tenancy.catalog.source'");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(back, 98));
		assertThat(kept()).hasSize(30);
	}

	@Test
	void aCatalogThatComesTogetherWithAnotherListIsRefusedUnlessThatIsMeant() {
		String place = place(withoutCatalog(1, "a", "b"), 1);
		Routes other = node(1, "a", "b", "c").routes;
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(other::checkShards)
			.withMessageContaining("not those that are recorded");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(node(2, place.equals("a") ? "b" : "a").routes::checkShards)
			.withMessageContaining("cannot be left out");
		Routes meant = node(2, "a", "b", "c").routes;
		meant.checkShards();
		assertThat(place(meant, 1)).isEqualTo(place);
	}

	@Test
	void whatIsStartedTogetherWithACatalogAgreesOnEveryTenant() throws Exception {
		Routes before = withoutCatalog(1, "a", "b", "c");
		List<Routes> racing = List.of(before, node(1, "a", "b", "c").routes, node(1, "a", "b", "c").routes);
		AtomicInteger next = new AtomicInteger();
		List<String> placed = new CopyOnWriteArrayList<>();
		List<Object> outcomes = Race.run(3, () -> {
			Routes routes = racing.get(next.getAndIncrement());
			for (int i = 0; i < 60; i++) {
				int tenant = i;
				if (routes != before) {
					placed.add("chat-" + i + "@"
							+ await().atMost(CatalogNode.LONG)
								.ignoreException(SourceUnavailableException.class)
								.until(() -> place(routes, tenant), (place) -> true));
				}
				else {
					try {
						placed.add("chat-" + i + "@" + place(routes, i));
					}
					catch (SourceUnavailableException ex) {
						// It knows of no catalog.
					}
				}
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		assertThat(new TreeSet<>(placed)).as("places of 60 tenants").hasSize(60);
		assertThat(kept()).hasSize(60);
	}

	@Test
	void aTakeoverThatWasInterruptedIsFinishedByTheNext() throws SQLException {
		List<String> places = new ArrayList<>();
		Routes before = withoutCatalog(1, "a", "b");
		for (int i = 0; i < 20; i++) {
			places.add(place(before, i));
		}
		Sources.execute(sources("a").registry().get("a"),
				"UPDATE multidb_shard SET generation = 2147483647, complete = 0");
		// Its list may be a later one, of the same sources.
		Routes after = node(2, "a", "b").routes;
		after.checkShards();
		for (int i = 0; i < 20; i++) {
			assertThat(place(after, i)).isEqualTo(places.get(i));
		}
		assertThat(inSource("b", "SELECT generation || '-' || complete FROM multidb_shard")).isEqualTo("2147483647-1");
		// The last step of another one is missing.
		Sources.execute(sources("b").registry().get("b"), "UPDATE multidb_shard SET complete = 0");
		foreign("UPDATE courts_place_list SET complete = 0 WHERE source = 'b'");
		node(2, "a", "b").routes.checkShards();
		assertThat(inSource("b", "SELECT generation || '-' || complete FROM multidb_shard")).isEqualTo("2147483647-1");
	}

	@Test
	void aCatalogThatHasForgottenThemIsRefused() throws SQLException {
		Routes routes = node(1, "a", "b").routes;
		place(routes, 1);
		foreign("DELETE FROM courts_place_list", "DELETE FROM courts_place");
		Routes other = node(1, "a", "b").routes;
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(other::checkShards)
			.withMessageContaining("was known by a catalog")
			.withMessageContaining("'a'");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(other, 1));
		assertThat(kept()).isEmpty();
	}

	@Test
	void aSourceThatIsAddedBringsTheTenantsThatItHas() throws SQLException {
		node(1, "a", "b").routes.checkShards();
		place(withoutCatalog(1, "c"), 7);
		Routes after = node(2, "a", "b", "c").routes;
		after.checkShards();
		assertThat(place(after, 7)).isEqualTo("c");
		assertThat(kept()).isEqualTo(Map.of("chat-7", "c"));
	}

	@Test
	void aTenantThatIsPlacedInTwoSourcesIsNamed() throws SQLException {
		Routes before = withoutCatalog(1, "a", "b");
		String place = place(before, 7);
		String other = place.equals("a") ? "b" : "a";
		Sources.execute(sources(other).registry().get(other), "INSERT INTO multidb_shard_tenant VALUES ('chat-7')");
		Routes after = node(1, "a", "b").routes;
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(after::checkShards)
			.withMessageContaining("'chat-7'")
			.withMessageContaining("another source");
		Sources.execute(sources(other).registry().get(other), "DELETE FROM multidb_shard_tenant");
		after.checkShards();
		assertThat(place(after, 7)).isEqualTo(place);
	}

	@Test
	void theCatalogsOwnSourceMayBeOneOfThem() throws SQLException {
		Routes before = new Routes(spread(1, "a", "main"), null, sources("a").with(main()).registry());
		String place = place(before, 1);
		Routes routes = node(1, "a", "main").routes;
		routes.checkShards();
		assertThat(place(routes, 1)).isEqualTo(place);
		TreeSet<String> places = new TreeSet<>();
		for (int i = 2; i < 20; i++) {
			places.add(place(routes, i));
		}
		assertThat(places).containsExactly("a", "main");
		assertThat(kept()).hasSize(19);
	}

	@Test
	void aPlaceThatThisProcessDoesNotKnowIsNoReasonToPlaceTheTenantAnew() throws SQLException {
		Routes routes = node(1, "a", "b").routes;
		routes.checkShards();
		foreign("INSERT INTO courts_place VALUES ('chat-7', 'nowhere'), ('chat-8', 'd')");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(routes, 7))
			.withMessageContaining("'nowhere'");
		assertThat(place(routes, 8)).isEqualTo("d");
		assertThat(kept()).isEqualTo(Map.of("chat-7", "nowhere", "chat-8", "d"));
	}

	@Test
	void aTransactionThatIsRolledBackUndoesNoPlace() throws SQLException {
		CatalogNode node = node(1, "a", "b");
		node.routes.checkShards();
		try (var scope = io.multidb.SourceContext.enter("a")) {
			node.transaction.executeWithoutResult((status) -> {
				place(node.routes, 1);
				status.setRollbackOnly();
			});
		}
		assertThat(kept()).containsOnlyKeys("chat-1");
	}

}
