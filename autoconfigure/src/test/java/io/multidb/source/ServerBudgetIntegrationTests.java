package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Many databases on one PostgreSQL that has few connections.
 */
class ServerBudgetIntegrationTests {

	private static final int DATABASES = 30;

	/** 20, less superuser_reserved_connections (3), less our reserve (5). */
	private static final int BUDGET = 12;

	private static final String CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";

	private static EmbeddedPostgres postgres;

	private static Connection superuser;

	private final Sources sources = new Sources().with(SourceMigrator.NONE);

	private final ExecutorService threads = Executors.newCachedThreadPool();

	@BeforeAll
	static void start() throws IOException, SQLException {
		postgres = TestPostgres.builder().setServerConfig("max_connections", "20").start();
		superuser = DriverManager.getConnection(url("postgres"), "postgres", "");
		Sources.execute(superuser, "CREATE ROLE app LOGIN");
		for (int i = 0; i < DATABASES; i++) {
			Sources.execute(superuser, "CREATE DATABASE d" + i + " OWNER app");
		}
	}

	@AfterAll
	static void stop() throws IOException, SQLException {
		superuser.close();
		postgres.close();
	}

	@AfterEach
	void close() {
		this.threads.shutdownNow();
		this.sources.close();
		await().untilAsserted(() -> assertThat(connections()).isZero());
	}

	private static String url(String database) {
		return "jdbc:postgresql://localhost:" + postgres.getPort() + "/" + database;
	}

	private static String server() {
		return "localhost:" + postgres.getPort();
	}

	private static int connections() throws SQLException {
		return Integer.parseInt(Sources.query(superuser, CONNECTIONS));
	}

	private static SourceDefinition.Builder definition(int number, Map<String, String> hikari) {
		return SourceDefinition.named("d" + number).url(url("d" + number)).username("app").hikari(hikari);
	}

	private SourceRegistry registry(Map<String, String> hikari) {
		for (int i = 0; i < DATABASES; i++) {
			this.sources.with(definition(i, hikari));
		}
		return this.sources.registry();
	}

	private ServerBudget budget(SourceRegistry registry) {
		return registry.budgets().find(registry.get("d0").definition());
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 5 })
	void manyDatabasesShareFewConnectionsWithoutAnError(int poolSize) throws Exception {
		SourceRegistry registry = registry(
				Map.of("maximum-pool-size", Integer.toString(poolSize), "connection-timeout", "20000"));
		AtomicBoolean over = new AtomicBoolean();
		AtomicInteger most = new AtomicInteger();
		Future<?> watching = this.threads.submit(() -> {
			while (!over.get()) {
				most.accumulateAndGet(connections(), Math::max);
			}
			return null;
		});
		List<Object> outcomes = Race.run(16, () -> {
			for (int i = 0; i < 60; i++) {
				Source source = registry.get("d" + zipf(DATABASES));
				assertThat(Sources.query(source, "SELECT current_database()")).isEqualTo(source.name());
			}
			return "done";
		});
		over.set(true);
		watching.get();
		assertThat(outcomes).containsOnly("done");
		assertThat(budget(registry).permits()).isEqualTo(BUDGET);
		assertThat(most).hasValueLessThanOrEqualTo(BUDGET).hasValueGreaterThan(BUDGET / 2);
		awaitNobodyWaiting(registry);
	}

	/** HikariCP may be connecting for one who was served meanwhile. */
	private void awaitNobodyWaiting(SourceRegistry registry) {
		await().until(() -> budget(registry).waiting() == 0 && registry.attention().get() == 0);
	}

	/** The first is drawn twice as often as the second, and so on. */
	private static int zipf(int n) {
		double sum = 0;
		for (int i = 1; i <= n; i++) {
			sum += 1.0 / i;
		}
		double at = ThreadLocalRandom.current().nextDouble(sum);
		int drawn = 0;
		while ((at -= 1.0 / (drawn + 1)) > 0 && drawn < n - 1) {
			drawn++;
		}
		return drawn;
	}

	@Test
	void aConnectionThatIsCutWhileItsPoolDrainsCountsNoLonger() throws SQLException {
		SourceRegistry registry = registry(Map.of());
		Source source = registry.get("d0");
		Connection cut = source.take();
		registry.drain("d0");
		Connection other = source.take();
		Pool open = source.pool();
		assertThat(connections()).isEqualTo(2);
		source.sever(cut);
		source.ended(cut);
		await().untilAsserted(() -> assertThat(source.life().draining()).isEmpty());
		await().untilAsserted(() -> assertThat(connections()).isOne());
		assertThat(source.pool()).isSameAs(open);
		assertThat(Sources.query(other, "SELECT 1")).isEqualTo("1");
		source.giveBack(other, false);
		Sources.assertIdle(source);
		awaitNobodyWaiting(registry);
	}

	@Test
	void whoWaitsTooLongIsToldOfTheBudgetWithNumbers() throws Exception {
		SourceRegistry registry = registry(Map.of("connection-timeout", "500"));
		List<Connection> held = new ArrayList<>();
		for (int i = 0; i < BUDGET; i++) {
			held.add(registry.get("d" + i).getConnection());
		}
		// One that was opened before waits in its pool, one that was not waits to open.
		for (String name : List.of("d0", "d20")) {
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> registry.get(name).getConnection())
				.withMessageContaining("The budget of server '" + server() + "' had no permit left (permits " + BUDGET
						+ ", in use or being made " + BUDGET + ", idle 0, waiting 1)")
				.withMessageContaining("max-connections");
			assertThat(registry.get(name).state()).isNotInstanceOf(SourceState.Unavailable.class);
		}
		awaitNobodyWaiting(registry);
		for (Connection connection : held) {
			connection.close();
		}
		assertThat(Sources.query(registry.get("d20"), "SELECT 1")).isEqualTo("1");
	}

	@Test
	void aThreadThatNeedsASecondConnectionTimesOut() throws Exception {
		for (int i = 0; i < DATABASES; i++) {
			boolean second = i >= DATABASES / 2;
			this.sources.with(definition(i, Map.of("connection-timeout", second ? "1000" : "20000")));
		}
		SourceRegistry registry = this.sources.registry();
		// Permits that are taken may be of connections that a pool makes ahead.
		CountDownLatch holding = new CountDownLatch(BUDGET);
		List<Object> outcomes = Race.run(BUDGET, () -> {
			int number = ThreadLocalRandom.current().nextInt(DATABASES / 2);
			try (Connection outer = registry.get("d" + number).getConnection()) {
				holding.countDown();
				assertThat(holding.await(1, TimeUnit.MINUTES)).isTrue();
				return Sources.query(registry.get("d" + (number + DATABASES / 2)), "SELECT 1");
			}
		});
		assertThat(outcomes).hasSize(BUDGET)
			.allSatisfy((outcome) -> assertThat(String.valueOf(outcome)).satisfiesAnyOf(
					(text) -> assertThat(text).isEqualTo("1"), (text) -> assertThat(text).contains("permits 12"),
					(text) -> assertThat(text).contains("is still being opened")));
		assertThat(outcomes)
			.anySatisfy((outcome) -> assertThat(outcome).isInstanceOf(SourceUnavailableException.class));
		awaitNobodyWaiting(registry);
	}

	@Test
	void aPoolOfOneIsServedAlthoughAHotOneHoldsAllPermits() throws Exception {
		this.sources.with(definition(0, Map.of("maximum-pool-size", "40", "connection-timeout", "20000")));
		this.sources.with(definition(1, Map.of("maximum-pool-size", "1", "connection-timeout", "20000")));
		SourceRegistry registry = this.sources.registry();
		AtomicBoolean over = new AtomicBoolean();
		List<Future<?>> hot = new ArrayList<>();
		for (int i = 0; i < 30; i++) {
			hot.add(this.threads.submit(() -> {
				while (!over.get()) {
					assertThat(Sources.query(registry.get("d0"), "SELECT pg_sleep(0.005)")).isEmpty();
				}
				return null;
			}));
		}
		await().until(() -> budget(registry).taken() == BUDGET);
		for (int i = 0; i < 10; i++) {
			assertThat(Sources.query(registry.get("d1"), "SELECT 1")).isEqualTo("1");
			boolean unused = registry.drain("d1");
		}
		over.set(true);
		for (Future<?> each : hot) {
			each.get();
		}
	}

	@Test
	void othersMayUseTheServerToo() throws Exception {
		SourceRegistry registry = registry(Map.of("connection-timeout", "10000", "maximum-pool-size", "2"));
		List<Connection> others = new ArrayList<>();
		try {
			for (int i = 0; i < 14; i++) {
				others.add(DriverManager.getConnection(url("postgres"), "app", ""));
			}
			// Two are left, though the budget has twelve.
			List<Object> outcomes = Race.run(8, () -> {
				for (int i = 0; i < 20; i++) {
					Source source = registry.get("d" + zipf(DATABASES));
					assertThat(Sources.query(source, "SELECT current_database()")).isEqualTo(source.name());
				}
				return "done";
			});
			assertThat(outcomes).containsOnly("done");
		}
		finally {
			for (Connection other : others) {
				other.close();
			}
		}
	}

	@Test
	void aServerThatOthersHaveFilledIsNamed() throws Exception {
		SourceRegistry registry = registry(Map.of("connection-timeout", "500"));
		List<Connection> others = new ArrayList<>();
		try {
			while (others.size() < 16) {
				others.add(DriverManager.getConnection(url("postgres"), "app", ""));
			}
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> registry.get("d0").getConnection())
				.withMessageContaining("has no connection left, as others use it too (permits ")
				.withMessageContaining("remaining connection slots are reserved");
		}
		finally {
			for (Connection other : others) {
				other.close();
			}
		}
	}

	/** Invariant 6: what is full is not the server. */
	@Test
	void theLimitOfADatabaseOrRoleChangesNothingForOthers() throws Exception {
		Sources.execute(superuser, "CREATE ROLE few LOGIN CONNECTION LIMIT 1");
		Sources.execute(superuser, "CREATE DATABASE narrow OWNER app CONNECTION LIMIT 1");
		Map<String, String> hikari = Map.of("connection-timeout", "1500");
		this.sources.with(definition(0, Map.of("connection-timeout", "20000")))
			.with(definition(1, hikari).username("few"))
			.with(definition(2, hikari).url(url("narrow")));
		SourceRegistry registry = this.sources.registry();
		assertThat(Sources.query(registry.get("d0"), "SELECT 1")).isEqualTo("1");
		for (String full : List.of("d1", "d2")) {
			try (Connection only = registry.get(full).getConnection()) {
				assertThatExceptionOfType(SourceUnavailableException.class)
					.isThrownBy(() -> Sources.query(registry.get(full), "SELECT 1"))
					.withMessageContaining("too many connections for");
				assertThat(Sources.query(only, "SELECT 1")).isEqualTo("1");
			}
		}
		try (Connection second = registry.get("d0").getConnection();
				Connection third = registry.get("d0").getConnection()) {
			assertThat(second).isNotSameAs(third);
		}
		assertThat(budget(registry).taken()).as("nothing idle was closed for it").isEqualTo(4);
	}

	@Test
	void isReadFromTheServerOrConfigured() throws Exception {
		PoolLimits limits = new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(1),
				Map.of(server(), new ServerSettings(null, 1, 4), "small", new ServerSettings(2, null, 1)));
		this.sources.with(limits)
			.with(definition(0, Map.of()))
			.with(definition(1, Map.of("connection-timeout", "250")).server("small"))
			.with(definition(2, Map.of("connection-timeout", "250")).server("small"));
		SourceRegistry registry = this.sources.registry();
		assertThat(Sources.query(registry.get("d0"), "SELECT 1")).isEqualTo("1");
		assertThat(budget(registry).permits()).isEqualTo(4);
		try (Connection one = registry.get("d1").getConnection(); Connection two = registry.get("d2").getConnection()) {
			assertThat(one).isNotSameAs(two);
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> registry.get("d2").getConnection())
				.withMessageContaining("server 'small' had no permit left (permits 2,");
		}
	}

	@Test
	void minimumIdleIsKeptAsLongAsThereIsRoom() throws Exception {
		SourceRegistry registry = registry(Map.of("minimum-idle", "2", "maximum-pool-size", "2"));
		assertThat(Sources.query(registry.get("d0"), "SELECT 1")).isEqualTo("1");
		await().until(() -> budget(registry).taken() == 2);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < DATABASES; i++) {
				assertThat(Sources.query(registry.get("d" + i), "SELECT 1")).isEqualTo("1");
			}
		}
		assertThat(budget(registry).taken()).isLessThanOrEqualTo(BUDGET);
	}

	@Test
	void theDriversOwnConnectionIsReached() throws Exception {
		SourceRegistry registry = registry(Map.of());
		try (Connection connection = registry.get("d0").getConnection()) {
			assertThat(connection.isWrapperFor(PGConnection.class)).isTrue();
			assertThat(connection.unwrap(PGConnection.class).getBackendPID()).isPositive();
		}
	}

	@Test
	void aPoolThatIsClosedLeavesTheQueue() throws Exception {
		SourceRegistry registry = registry(Map.of("connection-timeout", "5000", "maximum-pool-size", "13"));
		ServerBudget budget = budget(registry);
		List<Connection> held = new ArrayList<>();
		for (int i = 0; i < BUDGET; i++) {
			held.add(registry.get("d0").getConnection());
		}
		assertThat(held).doesNotContainNull();
		Future<Connection> waiting = this.threads.submit(() -> registry.get("d0").getConnection());
		Future<Connection> opening = this.threads.submit(() -> registry.get("d1").getConnection());
		await().until(() -> budget.waiting() == 2);
		registry.close();
		assertThat(opening).failsWithin(Duration.ofSeconds(60)).withThrowableOfType(ExecutionException.class);
		assertThat(waiting).failsWithin(Duration.ofSeconds(60)).withThrowableOfType(ExecutionException.class);
		assertThat(budget.waiting()).isZero();
		assertThat(budget.taken()).isZero();
	}

}
