package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * How many sources of one server are open: one PostgreSQL, whose sources say that they
 * are of server {@code a}, or of {@code b}.
 */
class ServerLimitsIntegrationTests {

	private static final int DATABASES = 4;

	private static TestPostgres postgres;

	private final Sources sources = new Sources().with(SourceMigrator.NONE);

	private final ExecutorService threads = Executors.newCachedThreadPool();

	@BeforeAll
	static void start() throws SQLException {
		postgres = TestPostgres.start();
		try (Connection connection = DriverManager.getConnection(postgres.url(), postgres.username(),
				postgres.password())) {
			for (int i = 0; i < DATABASES; i++) {
				Sources.execute(connection, "CREATE DATABASE a" + i);
				Sources.execute(connection, "CREATE DATABASE b" + i);
			}
		}
	}

	@AfterAll
	static void stop() throws IOException {
		postgres.close();
	}

	@AfterEach
	void close() {
		this.threads.shutdownNow();
		this.sources.close();
	}

	private static ServerSettings atMost(int maxOpen) {
		return new ServerSettings(null, null, 1, maxOpen);
	}

	private static PoolLimits limits(int maxOpen, PoolLimits.WhenFull whenFull, Map<String, ServerSettings> servers) {
		Duration idle = (whenFull == PoolLimits.WhenFull.EXCEED) ? Duration.ofMillis(400) : Duration.ZERO;
		return new PoolLimits(maxOpen, whenFull, idle, Duration.ofSeconds(30), servers);
	}

	private static SourceDefinition.Builder source(String name, String database, String connectionTimeout) {
		return SourceDefinition.named(name)
			.url(new JdbcUrl(postgres.url()).withDatabaseName(database).text())
			.username(postgres.username())
			.password(postgres.password())
			.hikari(Map.of("maximum-pool-size", "2", "connection-timeout", connectionTimeout));
	}

	private SourceRegistry registry(PoolLimits limits, String connectionTimeout) {
		this.sources.with(limits);
		for (String server : List.of("a", "b")) {
			for (int i = 0; i < DATABASES; i++) {
				this.sources.with(source(server + i, server + i, connectionTimeout).server(server));
			}
		}
		return this.sources.registry();
	}

	private SourceRegistry waiting(int maxOpen, Map<String, ServerSettings> servers, String connectionTimeout) {
		return registry(limits(maxOpen, PoolLimits.WhenFull.WAIT, servers), connectionTimeout);
	}

	private static String use(SourceRegistry registry, String source) throws SQLException {
		return Sources.query(registry.get(source), "select 1");
	}

	private Future<String> using(SourceRegistry registry, String source) {
		return this.threads.submit(() -> use(registry, source));
	}

	private static List<String> open(SourceRegistry registry) {
		return registry.sources().stream().filter((source) -> source.pool() != null).map(Source::name).toList();
	}

	@Test
	void theLeastRecentlyUsedOfTheServerGivesWay() throws SQLException {
		SourceRegistry registry = waiting(0, Map.of("a", atMost(2)), "20000");
		for (String each : List.of("b0", "a0", "a1", "b1", "b2", "a0", "a2")) {
			use(registry, each);
		}
		assertThat(open(registry)).containsExactly("a0", "a2", "b0", "b1", "b2");
	}

	@Test
	void bothLimitsHoldAndNeitherClosesMoreThanItMust() throws SQLException {
		SourceRegistry registry = waiting(3, Map.of("a", atMost(2)), "20000");
		for (String each : List.of("b0", "a0", "a1")) {
			use(registry, each);
		}
		use(registry, "a2");
		assertThat(open(registry)).as("one of the full server, not the oldest of all")
			.containsExactly("a1", "a2", "b0");
		use(registry, "b1");
		assertThat(open(registry)).as("the oldest of all").containsExactly("a1", "a2", "b1");
		use(registry, "b2");
		assertThat(open(registry)).containsExactly("a2", "b1", "b2");
		use(registry, "a0");
		assertThat(open(registry)).as("the server has room").containsExactly("a0", "b1", "b2");
	}

	@Test
	void aServerIsKnownByItsHostAndPortToo() throws SQLException {
		String server = String.valueOf(new JdbcUrl(postgres.url()).server());
		this.sources.with(limits(0, PoolLimits.WhenFull.WAIT, Map.of(server, atMost(1))))
			.with(source("x", "a0", "3000"))
			.with(source("y", "a1", "3000"))
			.with(source("other", "a2", "3000").server("a"));
		SourceRegistry registry = this.sources.registry();
		use(registry, "other");
		use(registry, "x");
		use(registry, "y");
		assertThat(open(registry)).containsExactly("other", "y");
		try (Connection inUse = registry.get("y").getConnection()) {
			assertThat(inUse.isClosed()).isFalse();
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> use(registry, "x"))
				.withMessageContaining("1 sources of server '" + server + "' may be open ('app.tenancy.servers["
						+ server + "].max-open'), 1 are");
		}
	}

	@Test
	void aFurtherSourceIsRefusedWithTheServersNumbers() throws SQLException {
		SourceRegistry registry = waiting(100, Map.of("a", atMost(2)), "3000");
		use(registry, "b0");
		try (Connection one = registry.get("a0").getConnection();
				Connection two = registry.get("a0").getConnection();
				Connection three = registry.get("a1").getConnection()) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> use(registry, "a2"))
				.withMessage("Source 'a2' was not opened within 3 s: 2 sources of server 'a' may be open"
						+ " ('app.tenancy.servers.a.max-open'), 2 are and 0 are being opened, all of them in use with 3"
						+ " connections in all; 0 others wait. Raise it, or look for what keeps connections.");
			assertThat(registry.get("a2").state()).as("it has not failed").isInstanceOf(SourceState.Cold.class);
			assertThat(List.of(one, two, three)).hasSize(3);
			assertThat(open(registry)).containsExactly("a0", "a1", "b0");
		}
		assertThat(use(registry, "a2")).as("never down for ever").isEqualTo("1");
	}

	@Test
	void aServersLimitCanBeExceededWhereThatIsWanted() throws SQLException {
		SourceRegistry registry = registry(
				limits(2, PoolLimits.WhenFull.EXCEED, Map.of("a", atMost(1), "b", atMost(3))), "20000");
		use(registry, "b0");
		try (Connection one = registry.get("a0").getConnection(); Connection two = registry.get("a1").getConnection()) {
			assertThat(one).isNotSameAs(two);
			assertThat(open(registry)).containsExactly("a0", "a1");
		}
		await().atMost(Duration.ofSeconds(60)).until(() -> open(registry).size() <= 1);
	}

	@Test
	void aFullServerHoldsUpNoOther() throws Exception {
		SourceRegistry registry = waiting(4, Map.of("a", atMost(1)), "60000");
		use(registry, "b0");
		Pool idle = registry.get("b0").pool();
		List<Future<String>> ofFullServer = new ArrayList<>();
		try (Connection only = registry.get("a0").getConnection()) {
			for (int i = 1; i < DATABASES; i++) {
				ofFullServer.add(using(registry, "a" + i));
			}
			await().atMost(Duration.ofSeconds(60)).until(() -> registry.openPools().waiting() == DATABASES - 1);
			assertThat(using(registry, "b1").get(30, TimeUnit.SECONDS)).isEqualTo("1");
			assertThat(using(registry, "b2").get(30, TimeUnit.SECONDS)).isEqualTo("1");
			assertThat(registry.get("b0").pool()).as("nothing gave way for nothing").isSameAs(idle);
			assertThat(using(registry, "b3").get(30, TimeUnit.SECONDS)).as("its own gave way").isEqualTo("1");
			assertThat(open(registry)).containsExactly("a0", "b1", "b2", "b3");
			assertThat(registry.openPools().waiting()).isEqualTo(DATABASES - 1);
			assertThat(ofFullServer).noneMatch(Future::isDone);
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
		for (Future<String> each : ofFullServer) {
			assertThat(each.get(30, TimeUnit.SECONDS)).isEqualTo("1");
		}
		await().atMost(Duration.ofSeconds(60)).until(() -> registry.openPools().waiting() == 0);
		assertThat(open(registry)).as("each in turn, in the only place").hasSize(4).contains("b1", "b2", "b3");
	}

	@Test
	void whoWaitsForOneServerIsNotServedByAnother() throws Exception {
		SourceRegistry registry = waiting(2, Map.of("a", atMost(1)), "60000");
		try (Connection ofA = registry.get("a0").getConnection()) {
			Future<String> next = using(registry, "a1");
			await().atMost(Duration.ofSeconds(60)).until(() -> registry.openPools().waiting() == 1);
			try (Connection ofB = registry.get("b0").getConnection()) {
				Future<String> another = using(registry, "b1");
				await().atMost(Duration.ofSeconds(60)).until(() -> registry.openPools().waiting() == 2);
				assertThat(ofB.isClosed()).isFalse();
				ofB.close();
				assertThat(another.get(30, TimeUnit.SECONDS)).as("came later, can go on").isEqualTo("1");
			}
			assertThat(next).isNotDone();
			assertThat(open(registry)).containsExactly("a0", "b1");
			assertThat(ofA.isClosed()).isFalse();
			ofA.close();
			assertThat(next.get(30, TimeUnit.SECONDS)).isEqualTo("1");
		}
		assertThat(open(registry)).containsExactly("a1", "b1");
	}

	@Test
	void noServerHasMoreOpenThanItMayUnderLoad() throws Exception {
		SourceRegistry registry = waiting(3, Map.of("a", atMost(2), "b", atMost(2)), "60000");
		AtomicInteger most = new AtomicInteger();
		AtomicInteger mostOfA = new AtomicInteger();
		List<Object> outcomes = Race.run(8, () -> {
			for (int i = 0; i < 40; i++) {
				int random = ThreadLocalRandom.current().nextInt(2 * DATABASES);
				Source source = registry.get(((random < DATABASES) ? "a" : "b") + random % DATABASES);
				try (Connection connection = source.getConnection()) {
					List<Source> open = registry.openPools().open();
					most.accumulateAndGet(open.size(), Math::max);
					int ofA = (int) open.stream().filter((each) -> each.name().startsWith("a")).count();
					mostOfA.accumulateAndGet(ofA, Math::max);
					assertThat(Sources.query(connection, "select current_database()")).isEqualTo(source.name());
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
		assertThat(mostOfA).hasValueLessThanOrEqualTo(2);
		assertThat(most).hasValueLessThanOrEqualTo(3);
		await().atMost(Duration.ofSeconds(60)).until(() -> registry.attention().get() == 0);
	}

	@Test
	void theUsersOfAnotherServerGoOnWhileOneIsFull() throws Exception {
		SourceRegistry registry = waiting(0, Map.of("a", atMost(1), "b", atMost(2)), "60000");
		CyclicBarrier start = new CyclicBarrier(3);
		try (Connection only = registry.get("a0").getConnection()) {
			Future<String> ofA = this.threads.submit(() -> {
				start.await(30, TimeUnit.SECONDS);
				return use(registry, "a1");
			});
			List<Future<String>> ofB = new ArrayList<>();
			for (int thread = 0; thread < 2; thread++) {
				int first = thread;
				ofB.add(this.threads.submit(() -> {
					start.await(30, TimeUnit.SECONDS);
					for (int i = 0; i < 50; i++) {
						assertThat(use(registry, "b" + (first + 2 * (i % 2)))).isEqualTo("1");
					}
					return "fine";
				}));
			}
			for (Future<String> each : ofB) {
				assertThat(each.get(60, TimeUnit.SECONDS)).isEqualTo("fine");
			}
			assertThat(ofA).isNotDone();
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
			only.close();
			assertThat(ofA.get(30, TimeUnit.SECONDS)).isEqualTo("1");
		}
	}

	@Test
	void aSourceThatMovesToAnotherServerNeedsAPlaceThere() throws Exception {
		SourceRegistry registry = waiting(2, Map.of("a", atMost(1), "b", atMost(1)), "3000");
		use(registry, "a0");
		Pool before = registry.get("a0").pool();
		SourceDefinition moved = source("a0", "a0", "3000").server("b").build();
		try (Connection full = registry.get("b0").getConnection()) {
			assertThat(full.isClosed()).isFalse();
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.replace(moved))
				.withMessageContaining("is as it was")
				.withMessageContaining("'app.tenancy.servers.b.max-open'");
			assertThat(registry.get("a0").pool()).isSameAs(before);
		}
		registry.replace(moved);
		assertThat(open(registry)).containsExactly("a0");
		use(registry, "a1");
		assertThat(open(registry)).as("its former place is free").containsExactly("a0", "a1");
		use(registry, "b0");
		assertThat(open(registry)).as("it counts where it is now").containsExactly("a1", "b0");
		assertThat(registry.openPools().size()).isEqualTo(2);
	}

	@Test
	void aSourceThatIsReplacedKeepsItsPlace() throws Exception {
		SourceRegistry registry = waiting(1, Map.of("a", atMost(1)), "3000");
		try (Connection inUse = registry.get("a0").getConnection()) {
			registry.replace(source("a0", "a0", "4000").server("a").build());
			assertThat(Sources.query(inUse, "select 1")).isEqualTo("1");
		}
		assertThat(use(registry, "a0")).isEqualTo("1");
		assertThat(registry.openPools().size()).isEqualTo(1);
		assertThat(use(registry, "a1")).isEqualTo("1");
		assertThat(open(registry)).containsExactly("a1");
	}

	@Test
	void makingADatabaseDoesNotWaitForItsOwnPlace() throws Exception {
		this.sources.with(limits(0, PoolLimits.WhenFull.WAIT, Map.of("a", atMost(1))))
			.with(source("maintenance", "postgres", "20000").server("a").internal(true))
			.with(Sources.template(source("shop", "shop_{id}", "20000").server("a").build(), "shop-{id}",
					CreatePolicy.ON_FIRST_USE, "maintenance"));
		SourceRegistry registry = this.sources.registry();
		assertThat(use(registry, "shop-1")).isEqualTo("1");
		CompletableFuture<String> second = CompletableFuture.supplyAsync(() -> {
			try {
				return use(registry, "shop-2");
			}
			catch (SQLException ex) {
				return ex.toString();
			}
		}, this.threads);
		assertThat(second.get(60, TimeUnit.SECONDS)).isEqualTo("1");
		await().atMost(Duration.ofSeconds(60)).until(() -> registry.attention().get() == 0);
		use(registry, "shop-1");
		assertThat(open(registry)).as("what was too many is closed by the next").containsExactly("shop-1");
	}

}
