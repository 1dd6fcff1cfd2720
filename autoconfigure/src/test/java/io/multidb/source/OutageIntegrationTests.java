package io.multidb.source;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for the end of an outage: as soon as one source has reached its server, the
 * others that could not reach it are tried at their next use, and what is wrong with one
 * source alone waits as ever.
 */
class OutageIntegrationTests {

	/** The next try is more than half a minute away, so none happens by itself. */
	private static final int MANY_FAILURES = 6;

	private static final Duration LONG = Duration.ofSeconds(10);

	private static TestPostgres postgres;

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private TestProxy proxy;

	private TestProxy another;

	private volatile boolean migrationFails;

	@BeforeAll
	static void start() throws SQLException {
		postgres = TestPostgres.start();
		for (String role : roles()) {
			postgres.run("create role " + role + " login password 'right'");
		}
	}

	private static List<String> roles() {
		return IntStream.rangeClosed('a', 'l').mapToObj((each) -> "source_" + (char) each).toList();
	}

	@AfterAll
	static void stop() throws IOException {
		postgres.close();
	}

	@BeforeEach
	void declare() {
		String server = new JdbcUrl(postgres.url()).server();
		this.proxy = TestProxy.before(server);
		this.another = TestProxy.before(server);
		for (String name : roles()) {
			this.sources.with(source(name, this.proxy));
		}
		this.sources.with((definition, connection) -> {
			if (this.migrationFails && definition.name().equals("source_k")) {
				throw new IllegalStateException("cannot be migrated");
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
	}

	@AfterEach
	void end() throws IOException {
		this.sources.close();
		this.proxy.close();
		this.another.close();
	}

	private static SourceDefinition.Builder source(String name, TestProxy server) {
		return SourceDefinition.named(name)
			.url(server.url(name))
			.username(name)
			.password("right")
			.hikari(Map.of("maximum-pool-size", "2", "connection-timeout", "5000"));
	}

	private Source get(String letter) {
		return this.sources.registry().get("source_" + letter);
	}

	private int tries(String letter) {
		return this.proxy.tries("source_" + letter);
	}

	private void retry(String letter) {
		this.sources.registry().retry("source_" + letter);
	}

	private static String ask(Source source) throws SQLException {
		return Sources.query(source, "select 1");
	}

	private static SourceUnavailableException refusal(Source source) {
		SourceUnavailableException refusal = catchThrowableOfType(SourceUnavailableException.class, () -> ask(source));
		assertThat(refusal).as("'%s' is refused", source.name()).isNotNull();
		return refusal;
	}

	/** Fails until it is not tried for a long time any more. */
	private void fail(String... letters) {
		for (String letter : letters) {
			assertThat(refusal(get(letter))).isNotNull();
			for (int i = 1; i < MANY_FAILURES; i++) {
				assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> retry(letter));
			}
			assertRefusedForLong(letter);
		}
	}

	private void assertRefusedForLong(String letter) {
		assertThat(refusal(get(letter)).retryAfter()).isGreaterThan(LONG);
	}

	@Test
	void whenOneIsBackTheOthersOfItsServerAreServedAtTheirNextUse() throws Exception {
		this.proxy.lose();
		fail("a", "b", "c", "d", "e");
		assertThat(get("b").state()).isInstanceOfSatisfying(SourceState.Unavailable.class,
				(unavailable) -> assertThat(unavailable.reason()).contains("Check that the server runs"));
		this.proxy.pass((user) -> true);
		int tries = tries("b");
		assertRefusedForLong("b");
		assertThat(tries("b")).as("nobody has reached the server yet").isEqualTo(tries);
		retry("a");
		for (String letter : List.of("b", "c", "d", "e", "a")) {
			assertThat(ask(get(letter))).isEqualTo("1");
		}
		await().untilAsserted(
				() -> assertThat(this.sources.events).filteredOn((event) -> event instanceof SourceEvent.Recovered)
					.hasSize(5));
	}

	@Test
	void oneThatIsOpenedForTheFirstTimeSaysThatTheServerIsBack() throws Exception {
		this.proxy.lose();
		fail("b");
		this.proxy.pass((user) -> true);
		assertThat(ask(get("a"))).isEqualTo("1");
		assertThat(ask(get("b"))).isEqualTo("1");
	}

	@Test
	void anOutageThatEndsSoonIsNoLongerForThoseThatWereOpen() throws Exception {
		for (int outage = 0; outage < 3; outage++) {
			for (String letter : List.of("a", "b", "c")) {
				assertThat(ask(get(letter))).isEqualTo("1");
			}
			this.proxy.lose();
			for (String letter : List.of("a", "b", "c")) {
				await().until(() -> isUnavailable(get(letter)));
			}
			this.proxy.pass((user) -> true);
			retry("a");
		}
		assertThat(ask(get("b"))).isEqualTo("1");
	}

	private static boolean isUnavailable(Source source) {
		try {
			ask(source);
		}
		catch (SQLException | SourceUnavailableException ex) {
			// Its connections are lost one after the other.
		}
		return source.state() instanceof SourceState.Unavailable;
	}

	@Test
	void whatIsWrongWithOneSourceAloneWaitsAsEver() throws Exception {
		SourceRegistry registry = this.sources
			.with(source("wrong", this.proxy).username("source_l").password("guessed"))
			.with(source("absent", this.proxy).url(this.proxy.url("x").replace("/postgres?", "/absent?"))
				.username("source_j"))
			.with(source("nopassword", this.proxy).username("source_i").password(null))
			.with(source("encrypted", this.proxy)
				.url(this.proxy.url("y").replace("sslmode=disable", "sslmode=require")))
			.with(SourceDefinition.named("file").url("jdbc:sqlite:" + this.directory.resolve("none/file.db")))
			.with(Sources.sqlite("well", this.directory))
			.registry();
		this.migrationFails = true;
		List<String> broken = List.of("wrong", "absent", "nopassword", "encrypted", "source_k", "file");
		for (String name : broken) {
			assertThat(refusal(registry.get(name))).isNotNull();
			for (int i = 1; i < MANY_FAILURES; i++) {
				assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.retry(name));
			}
		}
		this.proxy.lose();
		fail("a", "b");
		this.proxy.pass((user) -> true);
		retry("a");
		assertThat(ask(registry.get("well"))).isEqualTo("1");
		assertThat(ask(get("b"))).isEqualTo("1");
		int tries = this.proxy.tries();
		for (String name : broken) {
			assertThat(refusal(registry.get(name)).retryAfter()).as(name).isGreaterThan(LONG);
		}
		assertThat(this.proxy.tries()).isEqualTo(tries);
	}

	@Test
	void anotherServerIsNotTriedForThat() throws Exception {
		SourceRegistry registry = this.sources.with(source("other", this.another).username("source_l")).registry();
		this.proxy.lose();
		this.another.lose();
		fail("a", "b");
		assertThat(refusal(registry.get("other"))).isNotNull();
		for (int i = 1; i < MANY_FAILURES; i++) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.retry("other"));
		}
		this.proxy.pass((user) -> true);
		this.another.pass((user) -> true);
		retry("a");
		assertThat(refusal(registry.get("other")).retryAfter()).isGreaterThan(LONG);
		assertThat(this.another.tries("source_l")).isEqualTo(MANY_FAILURES);
		assertThat(ask(get("b"))).isEqualTo("1");
	}

	@Test
	void aTryThatBeganBeforeTheServerWasBackDoesNotKeepItsSourceWaiting() throws Exception {
		this.proxy.lose();
		fail("a", "b");
		CountDownLatch asked = new CountDownLatch(1);
		CountDownLatch silent = new CountDownLatch(1);
		this.proxy.pass((user) -> {
			if (user.equals("source_b")) {
				asked.countDown();
				awaitQuietly(silent);
				return false;
			}
			return true;
		});
		CompletableFuture<Void> late = CompletableFuture.runAsync(() -> retry("b"));
		assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue();
		retry("a");
		silent.countDown();
		assertThat(late).failsWithin(Duration.ofSeconds(10));
		this.proxy.pass((user) -> true);
		assertThat(ask(get("b"))).isEqualTo("1");
	}

	private static void awaitQuietly(CountDownLatch latch) {
		try {
			boolean unused = latch.await(4, TimeUnit.SECONDS);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	@Test
	void aServerThatComesAndGoesIsTriedOnceBeforeTheTimeAndNoMoreUntilThen() throws Exception {
		this.proxy.lose();
		fail("a", "b", "c");
		int tries = tries("b");
		this.proxy.pass("source_a"::equals);
		retry("a");
		for (int i = 0; i < 20; i++) {
			assertThat(ask(get("a"))).isEqualTo("1");
			assertRefusedForLong("b");
			assertThat(this.sources.registry().drain("source_a")).isTrue();
		}
		assertThat(tries("b") - tries).as("tries before the time").isEqualTo(1);
		// Its own try was made, and failed as well: it may be hastened once again.
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> retry("b"));
		assertThat(ask(get("a"))).isEqualTo("1");
		for (int i = 0; i < 20; i++) {
			assertRefusedForLong("b");
		}
		assertThat(tries("b") - tries).isEqualTo(3);
	}

	@Test
	void theFirstThatFindsTheServerLostAgainSparesTheOthers() throws Exception {
		this.proxy.lose();
		fail("a", "b", "c", "d", "e");
		this.proxy.pass((user) -> true);
		retry("a");
		this.proxy.lose();
		assertRefusedForLong("b");
		int tries = tries("c") + tries("d") + tries("e");
		for (String letter : List.of("c", "d", "e")) {
			assertRefusedForLong(letter);
		}
		assertThat(tries("c") + tries("d") + tries("e")).isEqualTo(tries);
		this.proxy.pass((user) -> true);
		assertThat(ask(get("a"))).isEqualTo("1");
		for (String letter : List.of("c", "d", "e")) {
			assertThat(ask(get(letter))).isEqualTo("1");
		}
	}

	@Test
	void manyWhoUseThemAtOnceTryEachSourceOnce() throws Exception {
		List<String> waiting = List.of("b", "c", "d", "e", "f", "g", "h", "i");
		this.proxy.lose();
		fail("a");
		fail(waiting.toArray(String[]::new));
		this.proxy.pass("source_a"::equals);
		retry("a");
		int tries = waiting.stream().mapToInt(this::tries).sum();
		AtomicBoolean over = new AtomicBoolean();
		AtomicInteger comings = new AtomicInteger();
		CompletableFuture<Void> comingAndGoing = CompletableFuture.runAsync(() -> {
			try {
				while (!over.get()) {
					if (ask(get("a")).equals("1") && this.sources.registry().drain("source_a")) {
						comings.incrementAndGet();
					}
				}
			}
			catch (SQLException ex) {
				throw new IllegalStateException(ex);
			}
		}, (task) -> new Thread(task).start());
		AtomicInteger next = new AtomicInteger();
		List<Object> refused = Race.run(16, () -> {
			int count = 0;
			int mine = next.getAndIncrement();
			while (count < 2000 || comings.get() < 50) {
				assertThat(refusal(get(waiting.get((mine + count) % waiting.size())))).isNotNull();
				count++;
			}
			return count;
		});
		over.set(true);
		comingAndGoing.get(30, TimeUnit.SECONDS);
		assertThat(refused).allSatisfy((count) -> assertThat(count).isInstanceOf(Integer.class));
		assertThat(waiting.stream().mapToInt(this::tries).sum() - tries)
			.as("tries of %d sources, %d comings", waiting.size(), comings.get())
			.isEqualTo(waiting.size());
	}

	@Test
	void manyWhoUseThemAtOnceAreAllServed() throws Exception {
		List<String> waiting = List.of("b", "c", "d", "e", "f", "g", "h", "i");
		this.proxy.lose();
		fail("a");
		fail(waiting.toArray(String[]::new));
		this.proxy.pass((user) -> true);
		AtomicInteger next = new AtomicInteger();
		retry("a");
		List<Object> answers = Race.run(32, () -> ask(get(waiting.get(next.getAndIncrement() % waiting.size()))));
		assertThat(answers).containsOnly("1");
	}

}
