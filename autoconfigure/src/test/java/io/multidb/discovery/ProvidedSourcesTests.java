package io.multidb.discovery;

import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.routing.Routes;
import io.multidb.source.Race;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

class ProvidedSourcesTests {

	private static final Duration LONG = Duration.ofSeconds(60);

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private ProvidedSources provided;

	private final List<ILoggingEvent> log = new CopyOnWriteArrayList<>();

	private final AppenderBase<ILoggingEvent> appender = new AppenderBase<>() {

		@Override
		protected void append(ILoggingEvent event) {
			ProvidedSourcesTests.this.log.add(event);
		}

	};

	/** A provider whose definitions the test changes. */
	private static final class Provider implements SourceProvider {

		private final String name;

		private volatile Map<String, SourceDefinition> definitions = new ConcurrentHashMap<>();

		private volatile boolean read = true;

		private volatile Runnable asked = () -> {
		};

		private final AtomicReference<Consumer<Set<String>>> listener = new AtomicReference<>();

		Provider(String name) {
			this.name = name;
		}

		@Override
		public String name() {
			return this.name;
		}

		@Override
		public Map<String, SourceDefinition> definitions() {
			this.asked.run();
			return this.read ? this.definitions : null;
		}

		@Override
		public String problem(String name) {
			return name.equals("spoilt") ? "its row is spoilt." : null;
		}

		@Override
		public void onChange(Consumer<Set<String>> listener) {
			this.listener.set(listener);
		}

		void put(SourceDefinition.Builder definition) {
			SourceDefinition built = definition.origin(this.name).essential(false).build();
			this.definitions.put(built.name(), built);
			tell(built.name());
		}

		void remove(String name) {
			this.definitions.remove(name);
			tell(name);
		}

		void tell(String... names) {
			if (this.listener.get() != null) {
				this.listener.get().accept(Set.of(names));
			}
		}

	}

	@BeforeEach
	void listen() {
		Logger logger = (Logger) LoggerFactory.getLogger("io.multidb");
		this.appender.setContext(logger.getLoggerContext());
		this.appender.start();
		logger.addAppender(this.appender);
	}

	@AfterEach
	void close() {
		((Logger) LoggerFactory.getLogger("io.multidb")).detachAppender(this.appender);
		if (this.provided != null) {
			this.provided.close();
		}
		this.sources.close();
	}

	private SourceRegistry start(SourceProvider... providers) {
		this.sources.with(SourceMigrator.NONE);
		return startAsIs(providers);
	}

	/** With the migrator that the test has set. */
	private SourceRegistry startAsIs(SourceProvider... providers) {
		SourceRegistry registry = this.sources.registry();
		this.provided = new ProvidedSources(registry, List.of(providers));
		this.provided.start(LONG);
		return registry;
	}

	private void applied() {
		assertThat(this.provided.awaitApplied(LONG)).isTrue();
	}

	private SourceDefinition.Builder at(String name, String file) {
		return SourceDefinition.named(name).url("jdbc:sqlite:" + this.directory.resolve(file));
	}

	private String file(Source source) throws Exception {
		return Path.of(Sources.query(source, "select file from pragma_database_list where name = 'main'"))
			.getFileName()
			.toString();
	}

	private List<String> told(String what) {
		return this.log.stream().map(ILoggingEvent::getFormattedMessage).filter((line) -> line.contains(what)).toList();
	}

	private List<String> warnings() {
		return this.log.stream()
			.filter((event) -> event.getLevel().isGreaterOrEqual(Level.WARN))
			.map(ILoggingEvent::getFormattedMessage)
			.toList();
	}

	@Test
	void whatAProviderHasAtTheStartIsThereWhenItIsStarted() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		assertThat(registry.get("a").definition().origin()).isEqualTo("list");
	}

	@Test
	void additionsChangesAndRemovalsFollowTheProviderAndDrain() throws Exception {
		Provider provider = new Provider("list");
		SourceRegistry registry = start(provider);
		provider.put(at("a", "a.db"));
		applied();
		Source a = registry.get("a");
		try (Connection inUse = a.getConnection()) {
			provider.put(at("a", "moved.db"));
			await().untilAsserted(() -> assertThat(file(a)).isEqualTo("moved.db"));
			provider.remove("a");
			applied();
			assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("a"));
			assertThat(Sources.query(inUse, "select 1")).as("what is in use goes on").isEqualTo("1");
		}
		await().until(() -> a.state() instanceof SourceState.Removed);
	}

	@Test
	void whatNobodyChangedIsNotTouched() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		Source a = registry.get("a");
		assertThat(file(a)).isEqualTo("a.db");
		int events = this.sources.events.size();
		provider.put(at("a", "a.db"));
		provider.tell();
		applied();
		assertThat(registry.get("a")).isSameAs(a);
		assertThat(this.sources.events).hasSize(events);
	}

	@Test
	void aColdSourceIsChangedWithoutBeingOpened() {
		Provider provider = new Provider("list");
		provider.put(at("a", "none/a.db"));
		SourceRegistry registry = start(provider);
		provider.put(at("a", "none/b.db"));
		await().until(() -> registry.get("a").definition().url().text().endsWith("b.db"));
		assertThat(registry.get("a").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(warnings()).isEmpty();
	}

	@Test
	void aDeclaredSourceGoesBeforeAProvidersAndThatIsSaidOnce() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "provided.db"));
		this.sources.with(at("a", "declared.db").origin("application.yml"));
		SourceRegistry registry = start(provider);
		provider.tell();
		provider.tell("a");
		applied();
		assertThat(file(registry.get("a"))).isEqualTo("declared.db");
		assertThat(warnings()).containsExactly(
				"a: its definition from list is not used: the source of this name from application.yml goes before it.");
		registry.remove("a");
		this.provided.retryRefused();
		applied();
		assertThat(file(registry.get("a"))).as("its place is free").isEqualTo("provided.db");
		assertThat(this.provided.problems()).isEmpty();
	}

	@Test
	void whatIsKeptOutComesBackByNoProvider() throws Exception {
		Provider first = new Provider("first");
		Provider second = new Provider("second");
		first.put(at("a", "first.db"));
		SourceRegistry registry = start(first, second);
		assertThat(file(registry.get("a"))).isEqualTo("first.db");
		assertThat(this.provided.keepOut("a")).isTrue();
		registry.remove("a");
		this.provided.retryRefused();
		second.put(at("a", "second.db"));
		first.put(at("a", "moved.db"));
		first.remove("a");
		first.put(at("a", "again.db"));
		first.put(at("b", "b.db"));
		applied();
		assertThat(registry.find("a")).isNull();
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("a"));
		assertThat(this.provided.isKeptOut("a")).isTrue();
		assertThat(file(registry.get("b"))).isEqualTo("b.db");
		assertThat(this.provided.problems()).isEmpty();
		registry.add(at("a", "own.db").build());
		first.put(at("a", "once-more.db"));
		first.remove("a");
		applied();
		assertThat(file(registry.get("a"))).as("not the providers' to change").isEqualTo("own.db");
	}

	@Test
	void nothingIsKeptOutWhileDefinitionsAreApplied() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		CountDownLatch begun = new CountDownLatch(1);
		CountDownLatch goOn = new CountDownLatch(1);
		provider.asked = () -> {
			begun.countDown();
			await().until(() -> goOn.getCount() == 0);
		};
		provider.tell("a");
		assertThat(begun.await(1, TimeUnit.MINUTES)).isTrue();
		assertThat(this.provided.keepOut("a")).isFalse();
		assertThat(this.provided.isKeptOut("a")).isFalse();
		goOn.countDown();
		applied();
		assertThat(registry.find("a")).isNotNull();
		assertThat(this.provided.keepOut("a")).isTrue();
	}

	@Test
	void whoGivesUpKeepingANameOutTakesItFromNobodyElse() throws Exception {
		Provider provider = new Provider("list");
		start(provider);
		CountDownLatch begun = new CountDownLatch(1);
		CountDownLatch goOn = new CountDownLatch(1);
		provider.asked = () -> {
			begun.countDown();
			await().until(() -> goOn.getCount() == 0);
		};
		provider.tell("a");
		assertThat(begun.await(1, TimeUnit.MINUTES)).isTrue();
		AtomicReference<Boolean> kept = new AtomicReference<>();
		Thread other = new Thread(() -> kept.set(this.provided.keepOut("a")));
		other.start();
		await().until(() -> other.getState() == Thread.State.TIMED_WAITING);
		Thread.currentThread().interrupt();
		assertThat(this.provided.keepOut("a")).isFalse();
		assertThat(Thread.interrupted()).isTrue();
		goOn.countDown();
		other.join();
		applied();
		assertThat(kept).hasValue(true);
		assertThat(this.provided.isKeptOut("a")).isTrue();
	}

	@Test
	void whatIsBeingReplacedWhenItIsKeptOutDoesNotComeBack() throws Exception {
		CountDownLatch begun = new CountDownLatch(1);
		CountDownLatch goOn = new CountDownLatch(1);
		this.sources.with((definition, connection) -> {
			if (definition.url().text().endsWith("slow.db")) {
				begun.countDown();
				if (!goOn.await(1, TimeUnit.MINUTES)) {
					throw new IllegalStateException("Nobody let it go on");
				}
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "slow.db"));
		assertThat(begun.await(1, TimeUnit.MINUTES)).isTrue();
		assertThat(this.provided.keepOut("a")).isTrue();
		registry.remove("a");
		goOn.countDown();
		await().until(() -> Sources.threads("multidb-replace").isEmpty());
		provider.tell("a");
		applied();
		assertThat(registry.find("a")).isNull();
		assertThat(this.provided.problems()).isEmpty();
	}

	@Test
	void anEarlierProviderGoesBeforeALaterOneWhichTakesItsPlaceWhenItGoes() throws Exception {
		Provider first = new Provider("first");
		Provider second = new Provider("second");
		second.put(at("a", "second.db"));
		SourceRegistry registry = start(first, second);
		assertThat(file(registry.get("a"))).isEqualTo("second.db");
		first.put(at("a", "first.db"));
		await().untilAsserted(() -> assertThat(file(registry.get("a"))).isEqualTo("first.db"));
		second.put(at("a", "third.db"));
		applied();
		assertThat(file(registry.get("a"))).isEqualTo("first.db");
		first.remove("a");
		await().untilAsserted(() -> assertThat(file(registry.get("a"))).isEqualTo("third.db"));
		assertThat(warnings()).containsExactly("a: defined by first and by second; the first is used");
	}

	@Test
	void aDefinitionThatIsRefusedSpoilsOnlyItselfAndIsNamed() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		provider.put(at("b", "a.db"));
		provider.put(at("x'; drop table place; --", "x.db"));
		provider.put(at("two\nlines", "y.db"));
		provider.put(at("pool", "z.db").hikari(Map.of("maximum-pool-size", "many")));
		provider.put(at("c", "c.db"));
		SourceRegistry registry = start(provider);
		assertThat(file(registry.get("c"))).isEqualTo("c.db");
		assertThat(this.provided.problems()).containsOnlyKeys("pool", "two\nlines", "x'; drop table place; --", "b");
		assertThat(warnings()).hasSize(4).noneMatch((line) -> line.contains("\n"));
	}

	@Test
	void whatStoodInTheWayMakesRoomWhenItGoes() throws Exception {
		Provider provider = new Provider("list");
		SourceRegistry registry = start(provider);
		provider.put(at("a", "one.db"));
		provider.put(at("b", "one.db"));
		applied();
		assertThat(registry.find("b")).isNull();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("b"))
			.withMessageContaining("have the same database");
		provider.remove("a");
		applied();
		assertThat(file(registry.get("b"))).isEqualTo("one.db");
	}

	@Test
	void whatStoodInTheWayMakesRoomWhenItMovesElsewhere() throws Exception {
		Provider provider = new Provider("list");
		SourceRegistry registry = start(provider);
		provider.put(at("a", "one.db"));
		applied();
		assertThat(file(registry.get("a"))).isEqualTo("one.db");
		provider.put(at("b", "one.db"));
		applied();
		assertThat(registry.find("b")).isNull();
		provider.put(at("a", "two.db"));
		await().atMost(LONG).until(() -> registry.find("b") != null);
		assertThat(file(registry.get("a"))).isEqualTo("two.db");
		assertThat(file(registry.get("b"))).isEqualTo("one.db");
		applied();
		assertThat(this.provided.problems()).isEmpty();
	}

	@Test
	void anErrorWhileReplacingIsToldAndTriedAgain() throws Exception {
		AtomicInteger attempts = new AtomicInteger();
		this.sources.with((definition, connection) -> {
			if (definition.url().text().endsWith("two.db") && attempts.incrementAndGet() == 1) {
				throw new NoClassDefFoundError("org/example/Gone");
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		Provider provider = new Provider("list");
		provider.put(at("a", "one.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("one.db");
		provider.put(at("a", "two.db"));
		await().atMost(LONG).untilAsserted(() -> assertThat(file(registry.get("a"))).isEqualTo("two.db"));
		assertThat(warnings()).anyMatch((line) -> line.contains("org/example/Gone"));
		assertThat(attempts).hasValue(2);
		// It is in use a moment before that is known here.
		await().atMost(LONG).untilAsserted(() -> assertThat(this.provided.problems()).isEmpty());
	}

	@Test
	void anUnknownNameIsUnavailableUntilTheProviderWasReadOnce() {
		Provider provider = new Provider("catalog 'main'");
		provider.read = false;
		SourceRegistry registry = start(provider);
		Routes routes = new Routes(List.of(), null, registry);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("a"))
			.withMessageContaining("catalog 'main' could not be read yet");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> routes.resolve("a"));
		provider.read = true;
		provider.tell();
		applied();
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("a"));
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve("a"));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> routes.resolve("spoilt"))
			.withMessageContaining("its row is spoilt");
		provider.put(at("a", "a.db"));
		applied();
		assertThat(routes.resolve("a")).isSameAs(registry.get("a"));
	}

	@Test
	void aSlowSourceDoesNotDelayTheChangesOfOthers() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		CountDownLatch waiting = new CountDownLatch(3);
		this.sources.with((definition, connection) -> {
			if (definition.url().text().contains("slow")) {
				waiting.countDown();
				release.await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		Provider provider = new Provider("list");
		List<String> slow = List.of("s1", "s2", "s3");
		slow.forEach((name) -> provider.put(at(name, name + ".db")));
		provider.put(at("fast", "fast.db"));
		SourceRegistry registry = startAsIs(provider);
		for (String name : slow) {
			Sources.query(registry.get(name), "select 1");
		}
		Sources.query(registry.get("fast"), "select 1");
		slow.forEach((name) -> provider.put(at(name, "slow-" + name + ".db")));
		waiting.await();
		provider.put(at("fast", "fast2.db"));
		provider.put(at("new", "new.db"));
		provider.put(at("s1", "s1-after.db"));
		await().untilAsserted(() -> assertThat(file(registry.get("fast"))).isEqualTo("fast2.db"));
		assertThat(file(registry.get("new"))).isEqualTo("new.db");
		assertThat(file(registry.get("s1"))).as("still the old one").isEqualTo("s1.db");
		release.countDown();
		await().untilAsserted(() -> assertThat(file(registry.get("s1"))).isEqualTo("s1-after.db"));
		await().untilAsserted(() -> assertThat(file(registry.get("s2"))).isEqualTo("slow-s2.db"));
	}

	@Test
	void whoWaitsForASourceFindsItOpenedAnewAndNobodyElseWaits() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		this.sources.with((definition, connection) -> {
			if (definition.url().text().contains("slow")) {
				release.await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		provider.put(at("b", "b.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "slow-a.db"));
		provider.put(at("b", "b2.db"));
		assertThat(this.provided.awaitApplied(LONG)).isTrue();
		assertThat(this.provided.awaitApplied("b", LONG)).isTrue();
		assertThat(this.provided.awaitApplied("a", Duration.ofMillis(50))).as("still being opened").isFalse();
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		// Decided on when the former replacement has ended, and waited for as well.
		provider.put(at("a", "slow-a2.db"));
		CompletableFuture<Boolean> applied = CompletableFuture.supplyAsync(() -> this.provided.awaitApplied("a", LONG));
		release.countDown();
		assertThat(applied.get(1, TimeUnit.MINUTES)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("slow-a2.db");
	}

	@Test
	void whoWaitsForASourceThatCannotBeOpenedIsToldSo() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "later/a2.db"));
		assertThat(this.provided.awaitApplied("a", LONG)).isFalse();
		assertThat(this.provided.problems()).containsKey("a");
		java.nio.file.Files.createDirectory(this.directory.resolve("later"));
		provider.tell("a");
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("a2.db");
	}

	@Test
	void aSourceIsTakenOutOfUseAtOnceThoughItIsBeingOpenedAnew() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		slowUntil(release);
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = startAsIs(provider);
		Source a = registry.get("a");
		assertThat(file(a)).isEqualTo("a.db");
		provider.put(at("a", "slow-a.db"));
		assertThat(this.provided.awaitApplied("a", Duration.ofMillis(50))).isFalse();
		provider.remove("a");
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(a::getConnection);
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("a"));
		// It may come back when that has ended.
		provider.put(at("a", "a2.db"));
		applied();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("a"))
			.withMessageContaining("still being opened");
		CompletableFuture<Boolean> back = CompletableFuture.supplyAsync(() -> this.provided.awaitApplied("a", LONG));
		release.countDown();
		assertThat(back.get(1, TimeUnit.MINUTES)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("a2.db");
		assertThat(this.provided.problems()).isEmpty();
		assertThat(warnings()).isEmpty();
		assertThat(told("Sources removed")).hasSize(1);
	}

	private void slowUntil(CountDownLatch release) {
		this.sources.with((definition, connection) -> {
			if (definition.url().text().contains("slow")) {
				release.await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
	}

	@Test
	void aSourceThatIsNotOpenDoesNotWaitForTheServersOfOthers() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		slowUntil(release);
		Provider provider = new Provider("list");
		for (int i = 0; i < 5; i++) {
			provider.put(at("s" + i, "s" + i + ".db"));
		}
		provider.put(at("cold", "cold.db"));
		SourceRegistry registry = startAsIs(provider);
		for (int i = 0; i < 5; i++) {
			assertThat(file(registry.get("s" + i))).isEqualTo("s" + i + ".db");
			provider.put(at("s" + i, "slow-s" + i + ".db"));
		}
		provider.put(at("cold", "moved.db"));
		assertThat(this.provided.awaitApplied("cold", Duration.ofSeconds(5))).isTrue();
		assertThat(file(registry.get("cold"))).isEqualTo("moved.db");
		release.countDown();
	}

	@Test
	void aListenerThatIsToldOfAChangeDoesNotWaitForItself() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		List<Boolean> answers = new CopyOnWriteArrayList<>();
		this.sources.onEvent((event) -> {
			if (event instanceof SourceEvent.Replaced || event instanceof SourceEvent.Added) {
				answers.add(this.provided.awaitApplied(event.source(), LONG));
				answers.add(this.provided.awaitApplied(Duration.ofSeconds(20)));
			}
		});
		long begun = System.nanoTime();
		SourceRegistry registry = start(provider);
		assertThat(answers).as("on the thread that decides").containsExactly(false, false);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "a2.db"));
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		// By the thread that replaces it, or one that is telling of something else.
		await().until(() -> answers.size() == 4);
		assertThat(answers.get(3)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("a2.db");
		assertThat(Duration.ofNanos(System.nanoTime() - begun)).isLessThan(Duration.ofSeconds(15));
	}

	@Test
	void nobodyWaitsForWhatHasEnded() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		slowUntil(release);
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "slow-a.db"));
		CompletableFuture<Boolean> waiting = CompletableFuture.supplyAsync(() -> this.provided.awaitApplied("a", LONG));
		assertThat(this.provided.awaitApplied("a", Duration.ofMillis(200))).isFalse();
		this.provided.close();
		assertThat(waiting.get(10, TimeUnit.SECONDS)).isFalse();
		assertThat(this.provided.awaitApplied("a", LONG)).isFalse();
		assertThat(this.provided.awaitApplied(LONG)).isFalse();
	}

	@Test
	void whatCouldNotBeLookedAtIsWithTheNextChange() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		provider.put(at("b", "b.db"));
		SourceRegistry registry = start(provider);
		provider.asked = () -> {
			throw new IllegalStateException("broken");
		};
		provider.put(at("a", "a2.db"));
		assertThat(this.provided.awaitApplied("a", LONG)).as("nobody knows how it is defined").isFalse();
		provider.asked = () -> {
		};
		provider.put(at("b", "b2.db"));
		assertThat(this.provided.awaitApplied("b", LONG)).isTrue();
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("a2.db");
	}

	@Test
	void whatChangedWhileASourceWasBeingOpenedAnewIsNotLostThoughItCouldNotBeLookedAt() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		slowUntil(release);
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "slow-a.db"));
		applied();
		provider.put(at("a", "a3.db"));
		CompletableFuture<Boolean> waiting = CompletableFuture.supplyAsync(() -> this.provided.awaitApplied("a", LONG));
		assertThat(this.provided.awaitApplied("a", Duration.ofMillis(200))).isFalse();
		provider.asked = () -> {
			throw new IllegalStateException("broken");
		};
		release.countDown();
		assertThat(waiting.get(1, TimeUnit.MINUTES)).isFalse();
		await().untilAsserted(() -> assertThat(told("could not be applied")).isNotEmpty());
		provider.asked = () -> {
		};
		provider.tell("other");
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("a3.db");
	}

	@Test
	void aSourceThatCouldNotBeOpenedAnewAndIsAddedAgainIsNotTakenForAFailure() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "nowhere/a.db"));
		assertThat(this.provided.awaitApplied("a", LONG)).isFalse();
		registry.remove("a");
		provider.put(at("a", "a2.db"));
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		assertThat(file(registry.get("a"))).isEqualTo("a2.db");
	}

	@Test
	void aSourceThatCannotBeOpenedHasOneRetryHoweverOftenItIsChanged() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		for (int i = 0; i < 8; i++) {
			provider.put(at("a", "nowhere/a" + i + ".db"));
			assertThat(this.provided.awaitApplied("a", LONG)).isFalse();
		}
		List<Long> looks = new CopyOnWriteArrayList<>();
		provider.asked = () -> looks.add(System.nanoTime());
		await().until(() -> looks.size() >= 3);
		assertThat(Duration.ofNanos(looks.get(2) - looks.get(1)))
			.as("after 1, 3 and 7 s, and not after 1, 2 and 4 s, one of each change")
			.isGreaterThanOrEqualTo(Duration.ofSeconds(4));
	}

	@Test
	void whatASourceLeftWhileItWasBeingOpenedAnewIsFreeWhenThatHasEnded() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		slowUntil(release);
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "slow.db"));
		await().until(() -> Sources.openFiles(this.directory).stream().anyMatch((file) -> file.endsWith("slow.db")));
		provider.put(at("b", "slow.db"));
		applied();
		assertThat(this.provided.problems()).containsOnlyKeys("b");
		provider.remove("a");
		applied();
		release.countDown();
		await().atMost(LONG).untilAsserted(() -> assertThat(this.provided.problems()).isEmpty());
		assertThat(file(registry.get("b"))).isEqualTo("slow.db");
	}

	@Test
	void whyAFormerDefinitionCouldNotBeUsedIsNotSaidOfTheNextOne() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		slowUntil(release);
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = startAsIs(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		provider.put(at("a", "nowhere/a.db"));
		assertThat(this.provided.awaitApplied("a", LONG)).isFalse();
		assertThat(this.provided.problems()).containsOnlyKeys("a");
		provider.put(at("a", "slow-a.db"));
		assertThat(this.provided.awaitApplied("a", Duration.ofMillis(200))).isFalse();
		assertThat(this.provided.problems()).isEmpty();
		release.countDown();
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
	}

	@Test
	void aSourceThatHasJustBecomeAnotherProvidersIsTakenOutOfUse() throws Exception {
		CountDownLatch told = new CountDownLatch(1);
		CountDownLatch release = new CountDownLatch(1);
		this.sources.onEvent((event) -> {
			if (event instanceof SourceEvent.Replaced) {
				told.countDown();
				try {
					release.await();
				}
				catch (InterruptedException ex) {
					Thread.currentThread().interrupt();
				}
			}
		});
		Provider first = new Provider("first");
		Provider second = new Provider("second");
		second.put(at("a", "a.db"));
		SourceRegistry registry = start(first, second);
		first.put(at("a", "a1.db"));
		told.await();
		first.definitions.remove("a");
		second.remove("a");
		assertThat(this.provided.awaitApplied("a", LONG)).isTrue();
		assertThat(registry.find("a")).isNull();
		release.countDown();
	}

	@Test
	void aReplacementThatCannotBeOpenedIsTriedAgain() throws Exception {
		Provider provider = new Provider("list");
		provider.put(at("a", "a.db"));
		SourceRegistry registry = start(provider);
		assertThat(file(registry.get("a"))).isEqualTo("a.db");
		AtomicInteger tries = new AtomicInteger();
		provider.asked = tries::incrementAndGet;
		provider.put(at("a", "later/a2.db"));
		await().untilAsserted(() -> assertThat(this.provided.problems()).containsKey("a"));
		assertThat(file(registry.get("a"))).as("what works is kept").isEqualTo("a.db");
		await().atMost(LONG).until(() -> tries.get() >= 3);
		applied();
		assertThat(told("Sources changed")).as("a change is told once, and not by each try").hasSize(1);
		java.nio.file.Files.createDirectory(this.directory.resolve("later"));
		await().atMost(LONG).untilAsserted(() -> assertThat(file(registry.get("a"))).isEqualTo("a2.db"));
		// It is in use a moment before that is known here.
		await().atMost(LONG).untilAsserted(() -> assertThat(told("is used now")).hasSize(1));
		assertThat(this.provided.problems()).isEmpty();
	}

	@Test
	void aHundredThousandAreAddedAndRemovedWithAFewLines() {
		Provider provider = new Provider("list");
		IntStream.range(0, 100_000)
			.mapToObj((i) -> SourceDefinition.named("s" + i).url("jdbc:sqlite:/nowhere/" + i + ".db").build())
			.forEach((definition) -> provider.definitions.put(definition.name(), definition));
		AtomicInteger added = new AtomicInteger();
		AtomicInteger removed = new AtomicInteger();
		try (SourceRegistry registry = new SourceRegistry(List.of(), List.of(), SourceMigrator.NONE,
				(event) -> ((event instanceof SourceEvent.Added) ? added : removed).incrementAndGet())) {
			this.provided = new ProvidedSources(registry, List.of(provider));
			this.provided.start(LONG);
			assertThat(registry.sources()).hasSize(100_000);
			assertThat(added).hasValue(100_000);
			provider.definitions = new ConcurrentHashMap<>();
			provider.tell();
			applied();
			assertThat(registry.sources()).isEmpty();
			assertThat(removed).hasValue(100_000);
		}
		assertThat(this.log).filteredOn((event) -> event.getLevel().isGreaterOrEqual(Level.INFO)).hasSize(2);
	}

	@Test
	void whateverChangesAtTheSameTimeTheLastDefinitionsWin() throws Exception {
		Provider first = new Provider("first");
		Provider second = new Provider("second");
		SourceRegistry registry = start(first, second);
		List<Object> outcomes = Race.run(4, () -> {
			for (int i = 0; i < 500; i++) {
				ThreadLocalRandom random = ThreadLocalRandom.current();
				Provider provider = random.nextBoolean() ? first : second;
				String name = "s" + random.nextInt(8);
				switch (random.nextInt(4)) {
					case 0 -> provider.remove(name);
					case 1 -> {
						Source source = registry.find(name);
						if (source != null) {
							try {
								Sources.query(source, "select 1");
							}
							catch (UnknownSourceException ex) {
								// Removed meanwhile.
								assertThat(source.isGone()).isTrue();
							}
						}
					}
					default -> provider.put(at(name, provider.name() + name + random.nextInt(3) + ".db"));
				}
			}
			return null;
		});
		assertThat(outcomes).containsOnlyNulls();
		await().atMost(LONG).untilAsserted(() -> {
			Map<String, SourceDefinition> wanted = new java.util.HashMap<>(second.definitions);
			wanted.putAll(first.definitions);
			List<String> urls = new ArrayList<>();
			for (Source source : registry.sources()) {
				urls.add(source.name() + " " + source.definition().url());
			}
			assertThat(urls).containsExactlyInAnyOrderElementsOf(
					wanted.values().stream().map((each) -> each.name() + " " + each.url()).toList());
		});
		assertThat(this.provided.problems()).isEmpty();
		registry.sources().forEach(Sources::assertIdle);
	}

	@Test
	void afterwardsNothingOfItRuns() {
		Provider provider = new Provider("list");
		start(provider);
		provider.put(at("a", "a.db"));
		applied();
		this.provided.close();
		provider.put(at("b", "b.db"));
		await().untilAsserted(() -> assertThat(Sources.threads("multidb-discovery", "multidb-replace")).isEmpty());
		assertThat(Target.current().tenant()).isNull();
	}

}
