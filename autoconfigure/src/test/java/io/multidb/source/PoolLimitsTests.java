package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.InvalidTenantException;
import io.multidb.Scope;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
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

	@AutoClose
	private final Sources sources = new Sources();

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
			only.close();
			assertThat(registry.get("s0").pool()).as("gave way when it was given back, not later").isNull();
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
			assertThat(registry.attention()).as("nobody waits any more").hasValue(0);
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
			assertThat(registry.attention()).as("nobody waits any more").hasValue(0);
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
	void whoeverWaitsIsServedInTurn() throws Exception {
		SourceRegistry registry = registry(atMost(1), 6, "60000");
		List<String> served = new CopyOnWriteArrayList<>();
		List<CompletableFuture<Void>> waiting = new ArrayList<>();
		try (Connection only = registry.get("s0").getConnection()) {
			for (int i = 1; i < 6; i++) {
				Source source = registry.get("s" + i);
				waiting.add(CompletableFuture.runAsync(() -> {
					try (Connection connection = source.getConnection()) {
						served.add(source.name() + ((connection != null) ? "" : " not"));
					}
					catch (SQLException ex) {
						served.add(ex.toString());
					}
				}, (task) -> new Thread(task).start()));
				int expected = i;
				await().until(() -> registry.openPools().waiting() == expected);
			}
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
		waiting.forEach(CompletableFuture::join);
		assertThat(served).containsExactly("s1", "s2", "s3", "s4", "s5");
	}

	/** An aborted connection may be given back late, or never. */
	@Test
	void aSourceThatBecomesIdleWithoutTellingIsFound() throws Exception {
		SourceRegistry registry = registry(atMost(1), 2, "600000");
		Connection only = registry.get("s0").getConnection();
		CompletableFuture<String> waiting = CompletableFuture.supplyAsync(() -> {
			try {
				return use(registry, 1);
			}
			catch (SQLException ex) {
				return ex.toString();
			}
		});
		await().until(() -> registry.openPools().waiting() == 1);
		only.abort(Runnable::run);
		assertThat(waiting.get(60, TimeUnit.SECONDS)).isEqualTo("1");
	}

	/**
	 * Whoever closed the former pool may have to tell of it when there is another one.
	 */
	@Test
	void whoeverIsLateToSayThatASourceIsClosedTakesNoPlaceFromIt() throws SQLException {
		SourceRegistry registry = registry(atMost(1), 2, "300");
		use(registry, 0);
		registry.openPools().left(registry.get("s0"));
		assertThat(registry.openPools().size()).isEqualTo(1);
		use(registry, 1);
		assertThat(open(registry)).containsExactly("s1");
	}

	@Test
	void whoeverIsInterruptedWhenHisTurnComesLeavesThePlaceToOthers() throws Exception {
		SourceRegistry registry = registry(atMost(1), 2, "20000");
		for (int i = 0; i < 100; i++) {
			Connection only = registry.get("s0").getConnection();
			Thread waiting = new Thread(() -> {
				try {
					use(registry, 1);
				}
				catch (SQLException | SourceUnavailableException ex) {
					boolean unused = Thread.interrupted();
				}
			});
			waiting.start();
			await().pollInterval(Duration.ofMillis(1)).until(() -> registry.openPools().waiting() == 1);
			waiting.interrupt();
			only.close();
			waiting.join();
		}
		assertThat(use(registry, 0)).isEqualTo("1");
		assertThat(open(registry)).containsExactly("s0");
		assertThat(registry.openPools().size()).isEqualTo(1);
	}

	@Test
	void whatIsBeingReplacedDoesNotGiveWay() throws Exception {
		CountDownLatch replacing = new CountDownLatch(1);
		CountDownLatch goOn = new CountDownLatch(1);
		this.sources.with((definition, connection) -> {
			if (definition.attributes().containsKey("slow")) {
				replacing.countDown();
				goOn.await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		SourceRegistry registry = registry(atMost(1), 2, "60000");
		use(registry, 0);
		Pool before = registry.get("s0").pool();
		CompletableFuture<Void> replacement = CompletableFuture.runAsync(
				() -> registry.replace(Sources.sqlite("s0", this.directory).attributes(Map.of("slow", "yes")).build()));
		replacing.await();
		CompletableFuture<String> other = CompletableFuture.supplyAsync(() -> {
			try {
				return use(registry, 1);
			}
			catch (SQLException ex) {
				return ex.toString();
			}
		}, (task) -> new Thread(task).start());
		await().until(() -> registry.openPools().waiting() == 1);
		assertThat(registry.get("s0").pool()).isSameAs(before);
		goOn.countDown();
		replacement.get(60, TimeUnit.SECONDS);
		assertThat(other.get(60, TimeUnit.SECONDS)).isEqualTo("1");
		assertThat(open(registry)).containsExactly("s1");
	}

	@Test
	void nothingGivesWayToASourceThatWasRemovedWhileItWaited() throws Exception {
		SourceRegistry registry = registry(atMost(1), 2, "600000");
		Pool pool;
		try (Connection only = registry.get("s0").getConnection()) {
			CompletableFuture<String> waiting = CompletableFuture.supplyAsync(() -> {
				try {
					return use(registry, 1);
				}
				catch (UnknownSourceException ex) {
					return "unknown";
				}
				catch (SQLException ex) {
					return ex.toString();
				}
			});
			await().until(() -> registry.openPools().waiting() == 1);
			pool = registry.get("s0").pool();
			registry.remove("s1");
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
			only.close();
			assertThat(registry.get("s0").pool()).isSameAs(pool);
			assertThat(waiting.get(60, TimeUnit.SECONDS)).isEqualTo("unknown");
		}
		assertThat(registry.get("s0").pool()).isSameAs(pool);
	}

	@Test
	void whicheverGivesWayNoneWasUsedLongerAgo() throws SQLException {
		int maxOpen = 5;
		SourceRegistry registry = registry(atMost(maxOpen), 12, "1000");
		Random random = new Random(7);
		Map<String, Integer> used = new HashMap<>();
		for (int i = 0, opened = 0; i < 600; i++) {
			List<String> before = open(registry);
			int next = random.nextInt(12);
			boolean opens = !before.contains("s" + next);
			opened += opens ? 1 : 0;
			use(registry, next);
			List<String> after = open(registry);
			if (opens && before.size() == maxOpen) {
				List<String> gone = before.stream().filter((name) -> !after.contains(name)).toList();
				assertThat(gone).hasSize(1);
				int oldest = before.stream().mapToInt(used::get).min().orElseThrow();
				assertThat(used.get(gone.get(0))).isEqualTo(oldest);
			}
			used.put("s" + next, opened);
		}
	}

	/** Interrupts, time-outs, files that cannot be opened, and draining, all at once. */
	@Test
	void whateverFailsTakesNoPlaceAndLeavesNothingToAttendTo() throws Exception {
		int maxOpen = 3;
		this.sources.with(SourceDefinition.named("broken").url("jdbc:sqlite:" + this.directory + "/none/there.db"));
		SourceRegistry registry = registry(atMost(maxOpen), 8, "250");
		List<Object> outcomes = Race.run(8, () -> {
			for (int i = 0; i < 60; i++) {
				ThreadLocalRandom random = ThreadLocalRandom.current();
				String name = (random.nextInt(10) == 0) ? "broken" : "s" + random.nextInt(8);
				if (random.nextInt(8) == 0) {
					Thread.currentThread().interrupt();
				}
				try (Connection connection = registry.get(name).getConnection()) {
					boolean unused = Thread.interrupted();
					assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
				}
				catch (SQLException | SourceUnavailableException ex) {
					boolean unused = Thread.interrupted();
				}
				if (random.nextInt(6) == 0) {
					registry.drain("s" + random.nextInt(8));
				}
			}
			return "fine";
		});
		assertThat(outcomes).containsOnly("fine");
		assertThat(registry.openPools().waiting()).isZero();
		await().until(() -> registry.attention().get() == 0);
		assertThat(registry.openPools().size()).isEqualTo(open(registry).size()).isLessThanOrEqualTo(maxOpen);
		try (Connection one = registry.get("s0").getConnection();
				Connection two = registry.get("s1").getConnection();
				Connection three = registry.get("s2").getConnection()) {
			assertThat(List.of(one, two, three)).as("all places are there").hasSize(maxOpen);
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> use(registry, 3))
				.withMessageContaining("3 are and 0 are being opened")
				.withMessageContaining("0 others wait");
		}
	}

	@Test
	void whoOpensFasterThanOthersCloseClosesWhatGaveWay() throws Exception {
		CountDownLatch end = new CountDownLatch(1);
		List<SourceDefinition> definitions = new ArrayList<>();
		for (int i = 0; i < 60; i++) {
			definitions.add(Sources.sqlite("s" + i, this.directory).build());
		}
		try (SourceRegistry registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE, (event) -> {
			if (Thread.currentThread().getName().equals("multidb-closer")) {
				try {
					end.await();
				}
				catch (InterruptedException ex) {
					Thread.currentThread().interrupt();
				}
			}
		}, CallerSession.NONE, atMost(1))) {
			for (int i = 0; i < 60; i++) {
				use(registry, i);
				assertThat(registry.sources().stream().filter(Source::isOpen)).hasSizeLessThan(25);
			}
			end.countDown();
			await().until(() -> registry.sources().stream().filter(Source::isOpen).count() == 1);
		}
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
		assertThatIllegalArgumentException().isThrownBy(() -> new ServerSettings(null, null, 1, -1))
			.withMessage("'max-open' must be 0, for any number, or more");
	}

}
