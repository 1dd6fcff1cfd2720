package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.awaitility.Awaitility.await;

/**
 * Tests for what may be done to a source while it is used: replacing, draining, retrying.
 */
class ReplaceTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceRegistry registry(Duration drainTimeout, Map<String, String> hikari) throws SQLException {
		SourceRegistry registry = this.sources
			.with(new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ZERO, drainTimeout))
			.with(Sources.sqlite("a", this.directory).hikari(hikari))
			.with(Sources.sqlite("other", this.directory))
			.registry();
		Sources.execute(registry.get("a"), "create table place (name text)");
		Sources.execute(registry.get("a"), "insert into place values ('old')");
		return registry;
	}

	private SourceDefinition.Builder moved() throws Exception {
		Path file = this.directory.resolve("moved.db");
		try (Connection connection = java.sql.DriverManager.getConnection("jdbc:sqlite:" + file)) {
			Sources.execute(connection, "create table place (name text)");
			Sources.execute(connection, "insert into place values ('new')");
		}
		return SourceDefinition.named("a").url("jdbc:sqlite:" + file);
	}

	private static String place(Source source) throws SQLException {
		return Sources.query(source, "select name from place");
	}

	@Test
	void whoComesAfterIsServedByTheNewOneAndWhatIsInUseGoesOnWithTheOld() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		Source a = registry.get("a");
		Pool former = a.pool();
		try (Connection old = a.getConnection()) {
			registry.replace(moved().build());
			assertThat(place(a)).isEqualTo("new");
			assertThat(Sources.query(old, "select name from place")).isEqualTo("old");
			assertThat(Sources.isClosed(former)).isFalse();
			assertThat(this.sources.events)
				.contains(new SourceEvent.Replaced("a", "jdbc:sqlite:" + this.directory.resolve("moved.db"), 1));
		}
		await().until(() -> Sources.isClosed(former));
		assertThat(registry.get("a")).as("sessions and transactions know it").isSameAs(a);
		assertThat(a.definition().url().text()).endsWith("moved.db");
	}

	@Test
	void aColdSourceIsOpenedByTheNewDefinition() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		registry.drain("a");
		registry.replace(moved().build());
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Open.class);
		assertThat(place(registry.get("a"))).isEqualTo("new");
		assertThat(registry.openPools().size()).isEqualTo(1);
	}

	@Test
	void nothingHasChangedWhenTheNewOneCannotBeOpened() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		Source a = registry.get("a");
		SourceDefinition before = a.definition();
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry
				.replace(SourceDefinition.named("a").url("jdbc:sqlite:" + this.directory + "/none/x.db").build()))
			.withMessageContaining("Source 'a' was not replaced, and is as it was");
		assertThat(a.definition()).isEqualTo(before);
		assertThat(place(a)).isEqualTo("old");
		registry.add(SourceDefinition.named("b").url("jdbc:sqlite:" + this.directory + "/none/x.db").build());
	}

	@Test
	void whatIsUnavailableComesBackByAReplacement() throws Exception {
		SourceRegistry registry = this.sources
			.with(SourceDefinition.named("a").url("jdbc:sqlite:" + this.directory + "/none/x.db"))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> place(registry.get("a")));
		registry.replace(moved().build());
		assertThat(place(registry.get("a"))).isEqualTo("new");
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Open.class);
	}

	@Test
	void theFormerDatabaseIsFreeForOthersAndTheNewOneTaken() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		SourceDefinition moved = moved().build();
		registry.replace(moved);
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry.add(SourceDefinition.named("b").url(moved.url().text()).build()));
		registry.add(SourceDefinition.named("b").url("jdbc:sqlite:" + this.directory.resolve("a.db")).build());
		assertThat(place(registry.get("b"))).isEqualTo("old");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry
				.replace(SourceDefinition.named("a").url("jdbc:sqlite:" + this.directory.resolve("other.db")).build()))
			.withMessageContaining("have the same database");
		assertThat(place(registry.get("a"))).isEqualTo("new");
	}

	/** Opens, and hence replaces, for as long as it is told to. */
	private static final class Slow implements SourceMigrator {

		private final CountDownLatch begun = new CountDownLatch(1);

		private final CompletableFuture<String> end = new CompletableFuture<>();

		private final String file;

		Slow(String file) {
			this.file = file;
		}

		@Override
		public Outcome migrate(SourceDefinition definition, Connection connection) throws Exception {
			if (definition.url().text().endsWith(this.file) && this.begun.getCount() > 0) {
				this.begun.countDown();
				if (!this.end.get(1, TimeUnit.MINUTES).isEmpty()) {
					throw new IllegalStateException(this.end.get());
				}
			}
			return Outcome.UNTOUCHED;
		}

	}

	private SourceDefinition at(String name, String file) {
		return SourceDefinition.named(name).url("jdbc:sqlite:" + this.directory.resolve(file)).build();
	}

	private static FutureTask<String> replace(SourceRegistry registry, SourceDefinition definition) {
		return replaces(() -> registry.replace(definition));
	}

	private static FutureTask<String> replaces(Runnable work) {
		FutureTask<String> task = new FutureTask<>(work, "replaced");
		Thread thread = new Thread(task, "replaces");
		thread.start();
		return task;
	}

	private void assertTaken(SourceRegistry registry, String file, boolean taken) {
		if (taken) {
			assertThatExceptionOfType(InvalidDatasourcesException.class)
				.isThrownBy(() -> registry.add(at("other", file)))
				.withMessageContaining("have the same database");
		}
		else {
			registry.add(at("other", file));
			registry.remove("other");
		}
	}

	/** So many wait for the first. */
	private static void awaitWaiting(int others) {
		await().until(() -> Thread.getAllStackTraces()
			.keySet()
			.stream()
			.filter((thread) -> thread.getName().equals("replaces") && thread.getState() == Thread.State.TIMED_WAITING)
			.count() == 1 + others);
	}

	@Test
	void ofTwoReplacementsByTheSameTheOneThatFailsTakesNoClaimAlong() throws Exception {
		Slow slow = new Slow("b.db");
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).with(slow).registry();
		FutureTask<String> failing = replace(registry, at("a", "b.db"));
		assertThat(slow.begun.await(1, TimeUnit.MINUTES)).isTrue();
		FutureTask<String> other = replace(registry, at("a", "b.db"));
		awaitWaiting(1);
		slow.end.complete("no");
		assertThat(other.get(1, TimeUnit.MINUTES)).isEqualTo("replaced");
		assertThatExceptionOfType(ExecutionException.class).isThrownBy(failing::get);
		assertTaken(registry, "b.db", true);
		assertTaken(registry, "a.db", false);
	}

	@Test
	void aReplacementAndTheWayBackAtTheSameTimeKeepTheClaim() throws Exception {
		Slow slow = new Slow("b.db");
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).with(slow).registry();
		FutureTask<String> there = replace(registry, at("a", "b.db"));
		assertThat(slow.begun.await(1, TimeUnit.MINUTES)).isTrue();
		FutureTask<String> back = replace(registry, at("a", "a.db"));
		awaitWaiting(1);
		slow.end.complete("");
		assertThat(there.get(1, TimeUnit.MINUTES)).isEqualTo("replaced");
		assertThat(back.get(1, TimeUnit.MINUTES)).isEqualTo("replaced");
		assertTaken(registry, "a.db", true);
		assertTaken(registry, "b.db", false);
	}

	@Test
	void aChangeIsMadeOfTheDefinitionThatIsThereWhenItsTurnComes() throws Exception {
		Slow slow = new Slow("b.db");
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).with(slow).registry();
		assertThat(registry.reopen("a")).as("nothing is open").isFalse();
		assertThat(registry.reopen("nobody")).isFalse();
		assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
		FutureTask<String> moved = replace(registry, at("a", "b.db"));
		assertThat(slow.begun.await(1, TimeUnit.MINUTES)).isTrue();
		FutureTask<String> changed = replaces(
				() -> registry.replace("a", (former) -> former.at(former.url().text(), "me", "secret")));
		FutureTask<String> reopened = replaces(() -> registry.reopen("a"));
		awaitWaiting(2);
		slow.end.complete("");
		for (FutureTask<String> each : List.of(moved, changed, reopened)) {
			assertThat(each.get(1, TimeUnit.MINUTES)).isEqualTo("replaced");
		}
		SourceDefinition now = registry.get("a").definition();
		assertThat(now.url().text()).endsWith("b.db");
		assertThat(now.username()).isEqualTo("me");
		assertTaken(registry, "b.db", true);
		assertTaken(registry, "a.db", false);
	}

	@Test
	void whatTheChangeThrowsIsThrownAndNothingHasChanged() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		SourceDefinition before = registry.get("a").definition();
		assertThatExceptionOfType(ArithmeticException.class).isThrownBy(() -> registry.replace("a", (former) -> {
			throw new ArithmeticException();
		}));
		assertThatIllegalArgumentException()
			.isThrownBy(() -> registry.replace("a", (former) -> Sources.sqlite("b", this.directory).build()));
		assertThat(registry.get("a").definition()).isEqualTo(before);
		assertThat(place(registry.get("a"))).isEqualTo("old");
		registry.replace(moved().build());
		assertThat(place(registry.get("a"))).isEqualTo("new");
	}

	@Test
	void aSourceThatIsRemovedWhileItIsReplacedKeepsNoClaim() throws Exception {
		Slow slow = new Slow("b.db");
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).with(slow).registry();
		FutureTask<String> replacing = replace(registry, at("a", "b.db"));
		assertThat(slow.begun.await(1, TimeUnit.MINUTES)).isTrue();
		registry.remove("a");
		assertTaken(registry, "b.db", true);
		slow.end.complete("");
		assertThatExceptionOfType(ExecutionException.class).isThrownBy(replacing::get)
			.withCauseInstanceOf(UnknownSourceException.class);
		assertTaken(registry, "b.db", false);
		assertTaken(registry, "a.db", false);
	}

	@Test
	void whateverReplacesWhatAtTheSameMomentEachHasTheClaimToItsOwnDatabase() throws Exception {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory))
			.with(Sources.sqlite("b", this.directory))
			.registry();
		for (int round = 0; round < 10; round++) {
			Race.run(6, () -> {
				for (int i = 0; i < 5; i++) {
					int drawn = ThreadLocalRandom.current().nextInt(8);
					try {
						registry.replace(at((drawn % 2 == 0) ? "a" : "b", (char) ('a' + drawn / 2) + ".db"));
					}
					catch (InvalidDatasourcesException ex) {
						// It is the other's.
					}
				}
				return "done";
			}).forEach((outcome) -> assertThat(outcome).isEqualTo("done"));
			String ofA = registry.get("a").definition().url().text();
			String ofB = registry.get("b").definition().url().text();
			assertThat(ofA).isNotEqualTo(ofB);
			for (String file : List.of("a.db", "b.db", "c.db", "d.db")) {
				assertTaken(registry, file, ofA.endsWith(file) || ofB.endsWith(file));
			}
		}
	}

	@Test
	void onlyWhatIsThereAndNoTemplatesCanBeReplaced() throws Exception {
		this.sources.with(Sources.template(
				SourceDefinition.named("chat").url("jdbc:sqlite:" + this.directory + "/chat-{id}.db").build(),
				"chat-{id}", CreatePolicy.ON_FIRST_USE, null));
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		assertThatExceptionOfType(UnknownSourceException.class)
			.isThrownBy(() -> registry.replace(Sources.sqlite("nobody", this.directory).build()));
		Sources.query(registry.get("chat-1"), "select 1");
		assertThatIllegalArgumentException()
			.isThrownBy(() -> registry.replace(Sources.sqlite("chat-1", this.directory).build()))
			.withMessageContaining("made by the template 'chat'");
	}

	@Test
	void noRequestIsLostInReplacementsUnderLoad() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of("maximum-pool-size", "4"));
		SourceDefinition one = registry.get("a").definition();
		SourceDefinition other = moved().hikari(Map.of("maximum-pool-size", "4")).build();
		AtomicBoolean ended = new AtomicBoolean();
		AtomicLong served = new AtomicLong();
		CompletableFuture<List<Object>> users = CompletableFuture.supplyAsync(() -> {
			try {
				return Race.run(6, () -> {
					while (!ended.get()) {
						try (Connection connection = registry.get("a").getConnection()) {
							String first = Sources.query(connection, "select name from place");
							assertThat(Sources.query(connection, "select name from place")).isEqualTo(first);
						}
						served.incrementAndGet();
					}
					return "fine";
				});
			}
			catch (Exception ex) {
				throw new IllegalStateException(ex);
			}
		});
		for (int i = 0; i < 40 && !users.isDone(); i++) {
			long before = served.get();
			registry.replace((i % 2 == 0) ? other : one);
			await().until(() -> served.get() > before + 6 || users.isDone());
		}
		ended.set(true);
		assertThat(users.join()).containsOnly("fine");
		assertThat(this.sources.events).noneMatch(SourceEvent.Cut.class::isInstance);
		await().until(() -> registry.attention().get() == 0);
	}

	@Test
	void aDrainedSourceIsOpenedByItsNextUse() throws Exception {
		SourceRegistry registry = registry(Duration.ofSeconds(30), Map.of());
		Source a = registry.get("a");
		Pool former = a.pool();
		try (Connection connection = a.getConnection()) {
			assertThat(registry.drain("a")).isTrue();
			assertThat(a.state()).isInstanceOf(SourceState.Cold.class);
			assertThat(place(a)).isEqualTo("old");
			assertThat(a.pool()).isNotSameAs(former);
			assertThat(Sources.query(connection, "select name from place")).isEqualTo("old");
		}
		await().until(() -> Sources.isClosed(former));
		assertThat(registry.drain("a")).isTrue();
		assertThat(registry.drain("a")).isFalse();
		assertThat(registry.drain("nobody")).isFalse();
	}

	@Test
	void whatIsStillInUseAtTheDeadlineIsCutAndNamed() throws Exception {
		SourceRegistry registry = registry(Duration.ofMillis(1200), Map.of("leak-detection-threshold", "60000"));
		Source a = registry.get("a");
		try (Connection forgotten = a.getConnection()) {
			String user = Thread.currentThread().getName();
			registry.remove("a");
			await().untilAsserted(() -> assertThat(this.sources.events).filteredOn(SourceEvent.Cut.class::isInstance)
				.singleElement()
				.satisfies((event) -> {
					SourceEvent.Cut cut = (SourceEvent.Cut) event;
					assertThat(cut.source()).isEqualTo("a");
					assertThat(cut.connections()).isEqualTo(1);
					assertThat(cut.after()).isGreaterThanOrEqualTo(Duration.ofMillis(1200));
					assertThat(cut.users()).singleElement()
						.asString()
						.matches("thread '" + user + "' for \\d+ (ms|s) at " + getClass().getName() + ".*");
					assertThat(cut.message()).contains(
							"1 connections were still in use after " + cut.after().toSeconds() + " s and were cut");
				}));
			await().untilAsserted(() -> assertThat(a.state()).isInstanceOf(SourceState.Removed.class));
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.query(forgotten, "select name from place"));
		}
		await().until(() -> registry.attention().get() == 0);
	}

	@Test
	void drainingMendsNothingThatIsUnavailable() throws Exception {
		SourceRegistry registry = this.sources
			.with(SourceDefinition.named("a").url("jdbc:sqlite:" + this.directory + "/none/a.db"))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> Sources.query(registry.get("a"), "select 1"));
		assertThat(registry.drain("a")).isFalse();
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Unavailable.class);
		Files.createDirectory(this.directory.resolve("none"));
		await().until(() -> registry.get("a").state() instanceof SourceState.Cold);
	}

	@Test
	void aRetryIsMadeAtOnce() throws Exception {
		Path missing = this.directory.resolve("later");
		SourceRegistry registry = this.sources.with(SourceDefinition.named("a").url("jdbc:sqlite:" + missing + "/a.db"))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> Sources.query(registry.get("a"), "select 1"));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.retry("a"));
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Unavailable.class);
		Files.createDirectory(missing);
		registry.retry("a");
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
		registry.retry("a");
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.retry("nobody"));
	}

	/** Waits in front of a database, and fails if it is told to. */
	private static final class Gate implements SourceMigrator {

		private final CountDownLatch entered = new CountDownLatch(1);

		private final CountDownLatch opened = new CountDownLatch(1);

		private final int failing;

		private final AtomicInteger calls = new AtomicInteger();

		Gate(int failing) {
			this.failing = failing;
		}

		@Override
		public Outcome migrate(SourceDefinition definition, Connection connection) throws Exception {
			int call = this.calls.incrementAndGet();
			if (call == this.failing) {
				this.entered.countDown();
				this.opened.await();
			}
			if (call <= this.failing) {
				throw new SQLException("not yet");
			}
			return Outcome.UNTOUCHED;
		}

	}

	private static void awaitWaiting(Thread thread) {
		await().until(() -> thread.getState() == Thread.State.TIMED_WAITING);
	}

	/** What it looked at may have been mended while it looked. */
	@Test
	void aRetryTriesForItselfAfterOneThatIsUnderWay() throws Exception {
		Gate gate = new Gate(2);
		SourceRegistry registry = this.sources.with(gate).with(Sources.sqlite("a", this.directory)).registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.prepare("a"));
		gate.entered.await();
		FutureTask<Void> retry = new FutureTask<>(() -> registry.retry("a"), null);
		Thread thread = new Thread(retry);
		thread.start();
		awaitWaiting(thread);
		gate.opened.countDown();
		retry.get(60, TimeUnit.SECONDS);
		assertThat(gate.calls).hasValue(3);
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Cold.class);
	}

	@Test
	void aReplacementComesAfterAnOpeningThatFailed() throws Exception {
		Gate gate = new Gate(1);
		SourceRegistry registry = this.sources.with(gate).with(Sources.sqlite("a", this.directory)).registry();
		CompletableFuture<Void> opening = CompletableFuture.runAsync(() -> registry.prepare("a"));
		gate.entered.await();
		SourceDefinition moved = moved().build();
		FutureTask<Void> replacement = new FutureTask<>(() -> registry.replace(moved), null);
		Thread thread = new Thread(replacement);
		thread.start();
		awaitWaiting(thread);
		gate.opened.countDown();
		replacement.get(60, TimeUnit.SECONDS);
		assertThat(opening).failsWithin(Duration.ofSeconds(60));
		assertThat(place(registry.get("a"))).isEqualTo("new");
	}

}
