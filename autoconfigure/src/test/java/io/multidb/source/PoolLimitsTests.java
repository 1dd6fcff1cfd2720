package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.InvalidTenantException;
import io.multidb.Scope;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.awaitility.Awaitility.await;

/**
 * Tests for how many sources are open, for how long, and which gives way.
 */
class PoolLimitsTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	@AfterEach
	void close() {
		this.sources.close();
	}

	private static PoolLimits atMost(int maxOpen) {
		return new PoolLimits(maxOpen, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(30));
	}

	private SourceRegistry registry(PoolLimits limits, int count, String connectionTimeout) {
		this.sources.with(limits);
		for (int i = 0; i < count; i++) {
			this.sources
				.with(Sources.sqlite("s" + i, this.directory).hikari(Map.of("connection-timeout", connectionTimeout)));
		}
		return this.sources.registry();
	}

	private static String use(SourceRegistry registry, int source) throws SQLException {
		return Sources.query(registry.get("s" + source), "select 1");
	}

	private static List<String> open(SourceRegistry registry) {
		return registry.sources().stream().filter((source) -> source.pool() != null).map(Source::name).toList();
	}

	@Test
	void theLeastRecentlyUsedGivesWay() throws SQLException {
		SourceRegistry registry = registry(atMost(3), 5, "1000");
		use(registry, 0);
		use(registry, 1);
		use(registry, 2);
		use(registry, 0);
		use(registry, 3);
		assertThat(open(registry)).containsExactly("s0", "s2", "s3");
		use(registry, 0);
		use(registry, 4);
		assertThat(open(registry)).containsExactly("s0", "s3", "s4");
		assertThat(registry.get("s1").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(use(registry, 1)).isEqualTo("1");
		await().untilAsserted(() -> assertThat(this.sources.events).contains(new SourceEvent.Closed("s1")));
	}

	@Test
	void whatIsInUseDoesNotGiveWay() throws SQLException {
		SourceRegistry registry = registry(atMost(2), 3, "1000");
		try (Connection oldest = registry.get("s0").getConnection()) {
			use(registry, 1);
			use(registry, 2);
			assertThat(open(registry)).containsExactly("s0", "s2");
			assertThat(Sources.query(oldest, "select 1")).isEqualTo("1");
		}
	}

	@Test
	void aFurtherSourceWaitsUntilOneIsIdle() throws Exception {
		SourceRegistry registry = registry(atMost(1), 2, "20000");
		CompletableFuture<String> waiting;
		try (Connection only = registry.get("s0").getConnection()) {
			waiting = CompletableFuture.supplyAsync(() -> {
				try {
					return use(registry, 1);
				}
				catch (SQLException ex) {
					return ex.toString();
				}
			});
			await().until(() -> registry.openPools().waiting() == 1);
			assertThat(waiting).isNotDone();
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
		assertThat(waiting.get()).isEqualTo("1");
		assertThat(open(registry)).containsExactly("s1");
		await().until(() -> registry.attention().get() == 0);
	}

	@Test
	void aFurtherSourceIsRefusedWithNumbersWhenNoneIsIdleInTime() throws SQLException {
		SourceRegistry registry = registry(atMost(2), 4, "300");
		try (Connection one = registry.get("s0").getConnection();
				Connection two = registry.get("s0").getConnection();
				Connection three = registry.get("s1").getConnection()) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> use(registry, 2))
				.withMessage("Source 's2' was not opened within 300 ms: 2 sources may be open ('app.tenancy.max-open'),"
						+ " 2 are and 0 are being opened, all of them in use with 3 connections in all; 0 others wait."
						+ " Raise it, or look for what keeps connections.");
			assertThat(registry.get("s2").state()).as("it has not failed").isInstanceOf(SourceState.Cold.class);
			assertThat(List.of(one, two, three)).noneMatch((each) -> isClosed(each));
		}
		assertThat(use(registry, 2)).as("never down for ever").isEqualTo("1");
	}

	private static boolean isClosed(Connection connection) {
		try {
			return connection.isClosed();
		}
		catch (SQLException ex) {
			return true;
		}
	}

	@Test
	void theLimitCanBeExceededWhereThatIsWanted() throws Exception {
		SourceRegistry registry = registry(
				new PoolLimits(1, PoolLimits.WhenFull.EXCEED, Duration.ofMillis(400), Duration.ofSeconds(30)), 3,
				"1000");
		try (Connection one = registry.get("s0").getConnection(); Connection two = registry.get("s1").getConnection()) {
			assertThat(open(registry)).containsExactly("s0", "s1");
			assertThat(Sources.query(one, "select 1") + Sources.query(two, "select 1")).isEqualTo("11");
		}
		await().until(() -> open(registry).size() <= 1);
	}

	@Test
	void whatWaitsForAPlaceIsToldWhenTheApplicationEnds() throws Exception {
		SourceRegistry registry = registry(atMost(1), 2, "20000");
		try (Connection only = registry.get("s0").getConnection()) {
			CompletableFuture<String> waiting = CompletableFuture.supplyAsync(() -> {
				try {
					return use(registry, 1);
				}
				catch (SQLException | SourceUnavailableException ex) {
					return ex.getMessage();
				}
			});
			await().until(() -> registry.openPools().waiting() == 1);
			registry.close();
			assertThat(waiting.get()).isEqualTo("Source 's1' was not opened: the application has ended.");
		}
	}

	@Test
	void whoeverIsInterruptedLeavesTheQueue() throws Exception {
		SourceRegistry registry = registry(atMost(1), 2, "20000");
		List<Throwable> failures = new ArrayList<>();
		try (Connection only = registry.get("s0").getConnection()) {
			Thread waiting = new Thread(() -> {
				try {
					use(registry, 1);
				}
				catch (SQLException | SourceUnavailableException ex) {
					failures.add(ex);
				}
			});
			waiting.start();
			await().until(() -> registry.openPools().waiting() == 1);
			waiting.interrupt();
			waiting.join();
			assertThat(failures).singleElement().isInstanceOf(SourceUnavailableException.class);
			assertThat(registry.openPools().waiting()).isZero();
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
		assertThat(use(registry, 1)).isEqualTo("1");
	}

	@Test
	void aSourceThatCannotBeOpenedTakesNoPlace() throws Exception {
		this.sources.with(atMost(1))
			.with(SourceDefinition.named("broken").url("jdbc:sqlite:" + this.directory + "/none/there.db"));
		SourceRegistry registry = registry(atMost(1), 1, "1000");
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> Sources.query(registry.get("broken"), "select 1"));
		assertThat(use(registry, 0)).isEqualTo("1");
	}

	@Test
	void whatNobodyUsesIsClosed() throws Exception {
		SourceRegistry registry = registry(
				new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ofMillis(300), Duration.ofSeconds(30)), 3, "1000");
		use(registry, 0);
		try (Connection inUse = registry.get("s1").getConnection()) {
			await().untilAsserted(() -> assertThat(open(registry)).containsExactly("s1"));
			assertThat(Sources.query(inUse, "select 1")).isEqualTo("1");
		}
		await().untilAsserted(() -> assertThat(open(registry)).isEmpty());
		assertThat(use(registry, 0)).isEqualTo("1");
	}

	@Test
	void whatIsToKeepConnectionsStaysOpen() throws Exception {
		this.sources.with(new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ofMillis(200), Duration.ofSeconds(30)))
			.with(Sources.sqlite("warm", this.directory).hikari(Map.of("minimum-idle", "1")))
			.with(Sources.sqlite("cold", this.directory));
		SourceRegistry registry = this.sources.registry();
		Sources.query(registry.get("warm"), "select 1");
		Sources.query(registry.get("cold"), "select 1");
		await().until(() -> registry.get("cold").pool() == null);
		assertThat(registry.get("warm").state()).isInstanceOf(SourceState.Open.class);
	}

	@Test
	void theSourcesOfATemplateAreForgottenWhenTheyAreClosed() throws Exception {
		this.sources.with(atMost(2))
			.with(Sources.template(
					SourceDefinition.named("chat").url("jdbc:sqlite:" + this.directory + "/chat-{id}.db").build(),
					"chat-{id}", CreatePolicy.ON_FIRST_USE, null));
		SourceRegistry registry = this.sources.registry();
		for (int i = 0; i < 20; i++) {
			assertThat(Sources.query(registry.get("chat-" + i), "select 1")).isEqualTo("1");
		}
		await().untilAsserted(
				() -> assertThat(registry.sources()).extracting(Source::name).containsExactly("chat-18", "chat-19"));
	}

	@Test
	void underLoadNoMoreAreOpenThanMayBeAndNothingLeasedIsClosed() throws Exception {
		int maxOpen = 4;
		SourceRegistry registry = registry(atMost(maxOpen), 12, "20000");
		AtomicInteger mostOpen = new AtomicInteger();
		List<Object> outcomes = Race.run(8, () -> {
			for (int i = 0; i < 60; i++) {
				Source source = registry.get("s" + ThreadLocalRandom.current().nextInt(12));
				try (Connection connection = source.getConnection()) {
					mostOpen.accumulateAndGet(registry.openPools().size(), Math::max);
					assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
		assertThat(mostOpen.get()).isLessThanOrEqualTo(maxOpen);
	}

	@Test
	void whoeverOpensASourceGetsItBeforeItCanGiveWayToAnother() throws Exception {
		this.sources.with(atMost(1))
			.with(Sources.template(
					SourceDefinition.named("chat").url("jdbc:sqlite:" + this.directory + "/chat-{id}.db").build(),
					"chat-{id}", CreatePolicy.ON_FIRST_USE, null));
		SourceRegistry registry = this.sources.registry();
		RoutingDataSource router = new RoutingDataSource(
				new Routes(List.of(new Route(List.of(NamePattern.of("chat-{id}")), "chat")), null, registry));
		AtomicInteger next = new AtomicInteger();
		List<Object> outcomes = Race.run(8, () -> {
			for (int i = 0; i < 25; i++) {
				try (Scope scope = TenantContext.enter("chat-" + next.getAndIncrement() % 11);
						Connection connection = router.getConnection()) {
					assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
	}

	@Test
	void nothingGivesWayToATenantThatCannotBe() throws Exception {
		this.sources.with(atMost(1))
			.with(Sources.template(
					SourceDefinition.named("chat").url("jdbc:sqlite:" + this.directory + "/chat-{id}.db").build(),
					"chat-{id}", CreatePolicy.EXPLICIT, null));
		SourceRegistry registry = this.sources.registry();
		registry.create("chat-1");
		Source one = registry.get("chat-1");
		assertThat(Sources.query(one, "select 1")).isEqualTo("1");
		Pool pool = one.pool();
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> registry.get("chat", "chat-../x"));
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> registry.get("chat", "chat-.x"));
		assertThat(one.pool()).isSameAs(pool);
	}

	@Test
	void beingLookedAtKeepsNothingOpen() throws Exception {
		SourceRegistry registry = registry(
				new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ofMillis(400), Duration.ofSeconds(30)), 1, "1000");
		use(registry, 0);
		await().pollInterval(Duration.ofMillis(20)).until(() -> !registry.get("s0").test());
		assertThat(open(registry)).isEmpty();
	}

	@Test
	void limitsThatMakeNoSenseAreRefused() {
		assertThatIllegalArgumentException().isThrownBy(() -> atMost(-1));
		assertThatIllegalArgumentException().isThrownBy(
				() -> new PoolLimits(1, PoolLimits.WhenFull.WAIT, Duration.ofSeconds(-1), Duration.ofSeconds(30)));
	}

}
