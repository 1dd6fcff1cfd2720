package io.multidb.actuate;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Statistic;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LeaseCounts;
import io.multidb.source.PoolLimits;
import io.multidb.source.PoolListener;
import io.multidb.source.Race;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Meters of sources, as they are counted, capped, and removed.
 */
class SourceMetersTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private final AtomicLong time = new AtomicLong();

	private final MeterRegistry meters = new SimpleMeterRegistry();

	private SourceMeters measured;

	@AfterEach
	void close() {
		this.sources.close();
	}

	private SourceRegistry measure(int most, HikariMeters hikari) {
		this.measured = new SourceMeters(this.sources::registry, most, hikari, this.time::get);
		this.sources.registry().measure(this.measured, 1);
		this.measured.bindTo(this.meters);
		return this.sources.registry();
	}

	private SourceRegistry measure(int sources, int most) {
		IntStream.range(0, sources).forEach((i) -> this.sources.with(Sources.sqlite("s" + i, this.directory)));
		return measure(most, HikariMeters.NONE);
	}

	private static void use(SourceRegistry registry, String name, int times) throws SQLException {
		for (int i = 0; i < times; i++) {
			registry.get(name).getConnection().close();
		}
	}

	private double value(DatasourcesMeter meter, String source) {
		return value(meter, "source", source, Statistic.VALUE);
	}

	private double leases(String source) {
		return value(DatasourcesMeter.LEASES_USAGE, "source", source, Statistic.COUNT);
	}

	private double value(DatasourcesMeter meter, String tag, String value, Statistic statistic) {
		Meter found = this.meters.find(meter.getName()).tag(tag, value).meter();
		assertThat(found).as("%s of %s", meter, value).isNotNull();
		for (var each : found.measure()) {
			if (each.getStatistic() == statistic || found.getId().getType() == Meter.Type.COUNTER) {
				return each.getValue();
			}
		}
		throw new AssertionError(found.measure());
	}

	private List<String> tags() {
		return this.meters.find(DatasourcesMeter.LEASES_ACTIVE.getName())
			.meters()
			.stream()
			.map((meter) -> meter.getId().getTag("source"))
			.sorted()
			.toList();
	}

	/** Meters that are looked at, as by a scrape. */
	private void scrape() {
		this.time.addAndGet(TimeUnit.SECONDS.toNanos(15));
		this.meters.getMeters().forEach((meter) -> meter.measure().forEach((each) -> each.getValue()));
	}

	private void scrapeAfterRanking() {
		this.time.addAndGet(SourceMeters.RANKING_INTERVAL);
		scrape();
	}

	@Test
	void whatIsLentIsCountedAndTimed() throws Exception {
		SourceRegistry registry = measure(1, 10);
		assertThat(tags()).isEmpty();
		try (Connection one = registry.get("s0").getConnection(); Connection two = registry.get("s0").getConnection()) {
			assertThat(value(DatasourcesMeter.LEASES_ACTIVE, "s0")).isEqualTo(2);
			assertThat(value(DatasourcesMeter.CONNECTIONS_MAX, "s0")).isEqualTo(10);
			assertThat(leases("s0")).isEqualTo(2);
			assertThat(held("s0")).isZero();
			assertThat(one).isNotSameAs(two);
		}
		assertThat(value(DatasourcesMeter.LEASES_ACTIVE, "s0")).isZero();
		assertThat(value(DatasourcesMeter.CONNECTIONS_IDLE, "s0")).isEqualTo(2);
		assertThat(held("s0")).isPositive();
		assertThat(value(DatasourcesMeter.LEASES_WAIT, "source", "s0", Statistic.TOTAL_TIME)).isPositive();
	}

	private double held(String source) {
		return value(DatasourcesMeter.LEASES_USAGE, "source", source, Statistic.TOTAL_TIME);
	}

	@Test
	void oneOfSoManyStandsForTheOthers() throws Exception {
		this.sources.with(Sources.sqlite("s0", this.directory));
		this.measured = new SourceMeters(this.sources::registry, 10, HikariMeters.NONE);
		this.sources.registry().measure(this.measured, 4);
		this.measured.bindTo(this.meters);
		long before = System.nanoTime();
		int leases = 0;
		while (held("s0", leases) == 0) {
			use(this.sources.registry(), "s0", 1);
			leases++;
		}
		use(this.sources.registry(), "s0", 1000);
		double nanos = System.nanoTime() - before;
		assertThat(leases("s0")).isEqualTo(leases + 1000);
		assertThat(held("s0")).as("estimated seconds").isPositive().isLessThan(20 * nanos / 1e9);
	}

	private double held(String source, int leases) {
		return (leases == 0) ? 0 : held(source);
	}

	@Test
	void whoeverWaitsOrGetsNothingIsCounted() throws Exception {
		this.sources.with(Sources.sqlite("s0", this.directory).hikari(Map.of("maximum-pool-size", "1")));
		SourceRegistry registry = measure(10, HikariMeters.NONE);
		try (Connection taken = registry.get("s0").getConnection()) {
			Thread waiting = new Thread(() -> {
				try {
					registry.get("s0").getConnection().close();
				}
				catch (SQLException ex) {
					throw new IllegalStateException(ex);
				}
			});
			waiting.start();
			await().until(() -> value(DatasourcesMeter.LEASES_WAITING, "s0") == 1);
			long asked = System.nanoTime();
			await().until(() -> System.nanoTime() - asked > TimeUnit.MILLISECONDS.toNanos(20));
			taken.close();
			waiting.join();
		}
		assertThat(value(DatasourcesMeter.LEASES_WAIT, "source", "s0", Statistic.TOTAL_TIME)).isGreaterThan(0.02);
		assertThat(value(DatasourcesMeter.LEASES_TIMEOUTS, "s0")).isZero();
	}

	@Test
	void whoeverGetsNoneInTimeIsCounted() throws Exception {
		this.sources.with(Sources.sqlite("s0", this.directory)
			.hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "250")));
		SourceRegistry registry = measure(10, HikariMeters.NONE);
		try (Connection taken = registry.get("s0").getConnection()) {
			assertThat(taken.isClosed()).isFalse();
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> registry.get("s0").getConnection());
		}
		assertThat(value(DatasourcesMeter.LEASES_TIMEOUTS, "s0")).isEqualTo(1);
		assertThat(leases("s0")).isEqualTo(1);
	}

	@Test
	void lookingWhetherASourceAnswersIsNoUse() throws Exception {
		SourceRegistry registry = measure(1, 10);
		use(registry, "s0", 1);
		assertThat(registry.get("s0").test()).isTrue();
		assertThat(leases("s0")).isEqualTo(1);
	}

	@Test
	void thereAreNoMoreTagsThanWanted() throws Exception {
		SourceRegistry registry = measure(5, 2);
		for (int i = 0; i < 5; i++) {
			use(registry, "s" + i, i + 1);
		}
		assertThat(tags()).containsExactly("other", "s0", "s1");
		assertThat(leases("s0")).isEqualTo(1);
		assertThat(leases("other")).isEqualTo(3 + 4 + 5);
		assertThat(value(DatasourcesMeter.CONNECTIONS_IDLE, "other")).isEqualTo(3);
		assertThat(value(DatasourcesMeter.CONNECTIONS_MAX, "other")).isEqualTo(30);
	}

	@Test
	void noneHasItsOwnIfNoneIsWanted() throws Exception {
		SourceRegistry registry = measure(3, 0);
		use(registry, "s0", 2);
		use(registry, "s1", 2);
		scrapeAfterRanking();
		assertThat(tags()).containsExactly("other");
		assertThat(leases("other")).isEqualTo(4);
	}

	@Test
	void whatIsUsedMuchMoreTakesAPlaceAndNothingIsCountedTwice() throws Exception {
		SourceRegistry registry = measure(3, 2);
		use(registry, "s0", 1);
		use(registry, "s1", 5);
		use(registry, "s2", 100);
		assertThat(tags()).containsExactly("other", "s0", "s1");
		scrape();
		assertThat(tags()).as("not yet").containsExactly("other", "s0", "s1");
		scrapeAfterRanking();
		assertThat(tags()).containsExactly("other", "s1", "s2");
		assertThat(leases("other")).as("it stays where it was counted").isEqualTo(100);
		assertThat(leases("s2")).as("it begins at zero").isZero();
		use(registry, "s2", 3);
		use(registry, "s0", 2);
		assertThat(leases("s2")).isEqualTo(3);
		assertThat(leases("other")).isEqualTo(102);
		assertThat(leases("s1")).isEqualTo(5);
	}

	@Test
	void whatWasUsedMuchKeepsItsPlaceForAWhileAfterItIsClosed() throws Exception {
		SourceRegistry registry = measure(2, 1);
		use(registry, "s0", 100);
		use(registry, "s1", 100);
		registry.drain("s0");
		await().until(() -> registry.get("s0").poolState() == null);
		scrapeAfterRanking();
		assertThat(tags()).containsExactly("other", "s0");
		assertThat(leases("s0")).isEqualTo(100);
		use(registry, "s1", 100);
		scrapeAfterRanking();
		assertThat(tags()).containsExactly("other", "s1");
	}

	@Test
	void aSourceThatIsNamedAsTheRestIsPartOfIt() throws Exception {
		this.sources.with(Sources.sqlite("other", this.directory));
		SourceRegistry registry = measure(2, 1);
		use(registry, "other", 100);
		use(registry, "s0", 2);
		use(registry, "s1", 3);
		scrapeAfterRanking();
		assertThat(tags()).containsExactly("other", "s0");
		assertThat(leases("other")).isEqualTo(103);
	}

	@Test
	void metersCanBeReadWhileSourcesComeAndGo() throws Exception {
		SourceRegistry registry = measure(8, 3);
		PrometheusMeterRegistry prometheus = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
		this.measured.bindTo(prometheus);
		List<Throwable> failures = new CopyOnWriteArrayList<>();
		List<Thread> threads = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			int offset = i;
			threads.add(new Thread(() -> {
				try {
					for (int round = 0; round < 60; round++) {
						String name = "s" + (round * (offset + 1) + offset) % 8;
						use(registry, name, 20);
						if (round % 3 == 0) {
							registry.drain(name);
						}
					}
				}
				catch (Throwable ex) {
					failures.add(ex);
				}
			}));
		}
		threads.forEach(Thread::start);
		double before = 0;
		while (threads.stream().anyMatch(Thread::isAlive)) {
			this.time.addAndGet(SourceMeters.RANKING_INTERVAL);
			double now = other(prometheus.scrape());
			assertThat(now).isGreaterThanOrEqualTo(before);
			before = now;
		}
		assertThat(failures).isEmpty();
		scrapeAfterRanking();
		assertThat(tags()).hasSizeLessThanOrEqualTo(4);
	}

	private static double other(String scrape) {
		return scrape.lines()
			.filter((line) -> line.startsWith("datasources_leases_usage_seconds_count{source=\"other\"}"))
			.mapToDouble((line) -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
			.findFirst()
			.orElse(0);
	}

	@Test
	void aLittleMoreUseChangesNothing() throws Exception {
		SourceRegistry registry = measure(3, 2);
		for (int i = 0; i < 5; i++) {
			use(registry, "s0", 10);
			use(registry, "s1", 10);
			use(registry, "s2", 15);
			scrapeAfterRanking();
			assertThat(tags()).containsExactly("other", "s0", "s1");
		}
	}

	@Test
	void fewTakeAPlaceAtATime() throws Exception {
		SourceRegistry registry = measure(8, 4);
		for (int i = 0; i < 8; i++) {
			use(registry, "s" + i, (i < 4) ? 1 : 200);
		}
		scrapeAfterRanking();
		assertThat(tags()).hasSize(5).filteredOn((tag) -> tag.compareTo("s4") >= 0).hasSize(1);
	}

	@Test
	void noCounterEverBecomesLessWhatEverIsOpenedAndClosed() throws Exception {
		SourceRegistry registry = measure(6, 3);
		double total = 0;
		double before = 0;
		for (int round = 1; round <= 30; round++) {
			for (int i = 0; i < 6; i++) {
				int times = ((i * 7 + round * 5) % 11) * 4;
				use(registry, "s" + i, times);
				total += times;
				if ((i + round) % 3 == 0) {
					String name = "s" + i;
					registry.drain(name);
					await().until(() -> registry.get(name).poolState() == null);
				}
			}
			double other = tags().contains("other") ? leases("other") : 0;
			assertThat(other).isGreaterThanOrEqualTo(before);
			before = other;
			if (round % 4 == 0) {
				scrapeAfterRanking();
			}
		}
		assertThat(tags()).hasSize(4);
		assertThat(before).isLessThan(total);
	}

	@Test
	void aSourceThatIsRemovedTakesItsMetersAlong() throws Exception {
		SourceRegistry registry = measure(3, 2);
		MeterRegistry simple = new SimpleMeterRegistry();
		PrometheusMeterRegistry prometheus = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
		CompositeMeterRegistry composite = new CompositeMeterRegistry();
		composite.add(simple).add(prometheus);
		this.measured.bindTo(composite);
		use(registry, "s0", 1);
		use(registry, "s1", 1);
		use(registry, "s2", 7);
		assertThat(prometheus.scrape()).contains("source=\"s0\"");
		registry.remove("s0");
		assertThat(tags()).containsExactly("other", "s1");
		assertThat(prometheus.scrape()).doesNotContain("source=\"s0\"").contains("source=\"s1\"");
		assertThat(simple.getMeters()).noneMatch((meter) -> "s0".equals(meter.getId().getTag("source")));
		scrapeAfterRanking();
		assertThat(tags()).as("its place is another's").containsExactly("other", "s1", "s2");
		assertThat(prometheus.scrape()).contains("source=\"s2\"");
	}

	@Test
	void aSourceOfTheSameNameIsAnotherOne() throws Exception {
		SourceRegistry registry = measure(1, 2);
		use(registry, "s0", 3);
		registry.remove("s0");
		assertThat(tags()).isEmpty();
		registry.add(Sources.sqlite("s0", this.directory).build());
		use(registry, "s0", 1);
		assertThat(leases("s0")).isEqualTo(1);
	}

	/**
	 * Opened, drained, removed, added and exchanged by many at the same time, while
	 * registries come and go.
	 */
	@ParameterizedTest
	@ValueSource(ints = { 3, 20 })
	void afterAllThatHappensAtOnceThereAreTheMetersOfTheSourcesThatAreThere(int most) throws Exception {
		int count = 5;
		for (int round = 0; round < 30; round++) {
			try (Sources all = new Sources()) {
				IntStream.range(0, count).forEach((i) -> all.with(Sources.sqlite("s" + i, this.directory)));
				SourceRegistry registry = all.registry();
				SourceMeters measuring = new SourceMeters(all::registry, most, HikariMeters.ALL, this.time::get);
				registry.measure(late(measuring), 1);
				List<MeterRegistry> bound = new CopyOnWriteArrayList<>();
				MeterRegistry first = bind(measuring, bound);
				MeterRegistry closed = bind(measuring, new ArrayList<>());
				AtomicInteger number = new AtomicInteger();
				List<Object> outcomes = Race.run(6, () -> {
					int who = number.getAndIncrement();
					for (int i = 0; i < 15; i++) {
						String name = "s" + (i * (who + 1) + who) % count;
						if (who == 0) {
							this.time.addAndGet(SourceMeters.RANKING_INTERVAL);
							first.getMeters().forEach((meter) -> meter.measure().forEach((each) -> each.getValue()));
						}
						else if (who == 1 && i % 5 == 3) {
							bind(measuring, bound);
							closed.close();
						}
						else if (who == 2) {
							boolean unused = registry.remove(name);
							registry.add(Sources.sqlite(name, this.directory).build());
						}
						else {
							useIfThere(registry, name);
						}
					}
					return null;
				});
				assertThat(outcomes).containsOnlyNulls();
				Set<String> opened = new TreeSet<>();
				registry.stream()
					.filter((each) -> each.upToDateAt() != null)
					.forEach((each) -> opened.add(each.name()));
				assertThat(bound).hasSize(4);
				for (MeterRegistry each : bound) {
					this.time.addAndGet(TimeUnit.SECONDS.toNanos(15));
					each.getMeters().forEach((meter) -> meter.measure().forEach((value) -> value.getValue()));
					assertExactlyTheirs(each, most, most >= count, opened);
				}
			}
		}
	}

	/** Hears of things when others have happened since. */
	private static PoolListener late(PoolListener listener) {
		return new PoolListener() {

			@Override
			public void opened(Source source, LeaseCounts counts) {
				linger();
				listener.opened(source, counts);
			}

			@Override
			public MetricsTrackerFactory tracker(String source) {
				return listener.tracker(source);
			}

			@Override
			public void removed(Source source) {
				linger();
				listener.removed(source);
			}

			private void linger() {
				LockSupport.parkNanos(ThreadLocalRandom.current().nextInt(500_000));
			}

		};
	}

	@Test
	void whatIsRemovedBeforeAnybodyHearsThatItWasOpenedHasNoMeters() throws Exception {
		this.sources.with(Sources.sqlite("s0", this.directory));
		SourceRegistry registry = measure(2, HikariMeters.NONE);
		int before = this.meters.getMeters().size();
		registry.measure(new PoolListener() {

			@Override
			public void opened(Source source, LeaseCounts counts) {
				assertThat(registry.remove(source.name())).isTrue();
				SourceMetersTests.this.measured.opened(source, counts);
			}

			@Override
			public void removed(Source source) {
				SourceMetersTests.this.measured.removed(source);
			}

		}, 1);
		registry.get("s0").getConnection().close();
		scrapeAfterRanking();
		assertThat(this.meters.getMeters()).hasSize(before);
	}

	private static MeterRegistry bind(SourceMeters measuring, List<MeterRegistry> bound) {
		MeterRegistry registry = new SimpleMeterRegistry();
		measuring.bindTo(registry);
		bound.add(registry);
		return registry;
	}

	private static void useIfThere(SourceRegistry registry, String name) throws SQLException {
		try {
			use(registry, name, 1);
			registry.drain(name);
		}
		catch (UnknownSourceException ex) {
			// It was removed, and is added again.
		}
	}

	/**
	 * Every series has all of its meters, and only sources that are there have one: all
	 * of them, if there always was a place. Who found none has one from its next opening
	 * on.
	 */
	private static void assertExactlyTheirs(MeterRegistry registry, int most, boolean enough, Set<String> there) {
		Map<String, Set<String>> meters = new TreeMap<>();
		for (Meter meter : registry.getMeters()) {
			meter.getId()
				.getTags()
				.stream()
				.filter((tag) -> !tag.getKey().equals("state"))
				.forEach((tag) -> assertThat(
						meters.computeIfAbsent(tag.getValue(), (added) -> new TreeSet<>()).add(meter.getId().getName()))
					.isTrue());
		}
		Set<String> named = new TreeSet<>(meters.keySet());
		boolean others = named.remove(DatasourcesMeter.OTHER);
		assertThat(there).containsAll(named);
		if (enough) {
			assertThat(named).isEqualTo(new TreeSet<>(there));
		}
		else {
			assertThat(named.size()).isLessThanOrEqualTo(most);
		}
		named.forEach((name) -> assertThat(meters.get(name)).as(name).hasSize(8 + 10 + 4));
		if (others) {
			assertThat(meters.get(DatasourcesMeter.OTHER)).hasSize(8);
		}
	}

	@Test
	void whatIsDownKeepsItsSeriesForAsLongAsItIs() throws Exception {
		this.sources.with(SourceDefinition.named("down").url("jdbc:sqlite:" + this.directory + "/later/down.db"));
		SourceRegistry registry = measure(2, 1);
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry.get("down").getConnection());
		scrape();
		assertThat(tags()).containsExactly("down");
		for (int i = 0; i < 3; i++) {
			use(registry, "s0", 100);
			scrapeAfterRanking();
			assertThat(tags()).containsExactly("down", "other");
			assertThat(value(DatasourcesMeter.UNAVAILABLE, "down")).isEqualTo(1);
		}
		Files.createDirectory(this.directory.resolve("later"));
		registry.retry("down");
		use(registry, "s0", 100);
		scrapeAfterRanking();
		assertThat(tags()).containsExactly("other", "s0");
	}

	@Test
	void whoTakesAFreePlaceTakesAlongWhatItHadAmongTheRest() throws Exception {
		SourceRegistry registry = measure(2, 1);
		use(registry, "s0", 1);
		try (Connection first = registry.get("s1").getConnection()) {
			assertThat(value(DatasourcesMeter.LEASES_ACTIVE, "other")).isEqualTo(1);
			registry.remove("s0");
			registry
				.replace(Sources.sqlite("s1", this.directory).url("jdbc:sqlite:" + this.directory + "/n.db").build());
			try (Connection second = registry.get("s1").getConnection()) {
				assertThat(tags()).containsExactly("other", "s1");
				assertThat(first).isNotSameAs(second);
				assertThat(value(DatasourcesMeter.LEASES_ACTIVE, "other")).isZero();
				assertThat(value(DatasourcesMeter.LEASES_ACTIVE, "s1")).isEqualTo(1);
			}
		}
	}

	@Test
	void aRegistryThatIsBoundTwiceHasEachMeterOnce() throws Exception {
		SourceRegistry registry = measure(1, 2);
		use(registry, "s0", 1);
		this.measured.bindTo(this.meters);
		assertThat(tags()).containsExactly("s0");
		registry.remove("s0");
		assertThat(tags()).isEmpty();
	}

	@Test
	void oneThatRefusesAMeterKeepsNobodyElseFromTheirs() throws Exception {
		SourceRegistry registry = measure(2, 2);
		SimpleMeterRegistry refusing = new SimpleMeterRegistry();
		refusing.config().onMeterAdded((meter) -> {
			if ("s0".equals(meter.getId().getTag("source"))) {
				throw new IllegalStateException("refused");
			}
		});
		this.measured.bindTo(refusing);
		MeterRegistry later = new SimpleMeterRegistry();
		this.measured.bindTo(later);
		use(registry, "s0", 1);
		use(registry, "s1", 1);
		assertThat(tags()).containsExactly("s0", "s1");
		assertThat(later.find(DatasourcesMeter.LEASES_ACTIVE.getName()).meters()).hasSize(2);
		assertThat(refusing.find(DatasourcesMeter.LEASES_ACTIVE.getName()).tag("source", "s1").meter()).isNotNull();
		assertThat(registry.remove("s0")).isTrue();
		assertThat(tags()).containsExactly("s1");
	}

	@Test
	void healthsLooksAreNoTimeouts() throws Exception {
		this.sources.with(Sources.sqlite("s0", this.directory)
			.hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "250")));
		SourceRegistry registry = measure(10, HikariMeters.NONE);
		try (Connection taken = registry.get("s0").getConnection()) {
			assertThat(taken.isClosed()).isFalse();
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("s0").test());
		}
		assertThat(value(DatasourcesMeter.LEASES_TIMEOUTS, "s0")).isZero();
	}

	@Test
	void aReplacedSourceGoesOnCounting() throws Exception {
		SourceRegistry registry = measure(1, 2);
		use(registry, "s0", 3);
		registry.replace(SourceDefinition.named("s0").url("jdbc:sqlite:" + this.directory.resolve("new.db")).build());
		use(registry, "s0", 2);
		assertThat(leases("s0")).isEqualTo(5);
		assertThat(tags()).containsExactly("s0");
	}

	@Test
	void inventedTenantsHaveNoMeters() {
		this.sources.with(Sources.template(
				SourceDefinition.named("election").url("jdbc:sqlite:" + this.directory + "/{id}.db").build(),
				"election-{id}", CreatePolicy.NEVER, null));
		SourceRegistry registry = measure(10, HikariMeters.NONE);
		int before = this.meters.getMeters().size();
		for (int i = 0; i < 1000; i++) {
			String name = "election-" + i;
			assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> registry.get(name).getConnection());
		}
		scrapeAfterRanking();
		assertThat(this.meters.getMeters()).hasSize(before);
	}

	@Test
	void manyTenantsHaveNoMoreMetersThanWanted() throws Exception {
		this.sources
			.with(Sources.template(
					SourceDefinition.named("election").url("jdbc:sqlite:" + this.directory + "/{id}.db").build(),
					"election-{id}", CreatePolicy.ON_FIRST_USE, null))
			.with(new PoolLimits(3, PoolLimits.WhenFull.EXCEED, Duration.ofMinutes(1), Duration.ofSeconds(1),
					Map.of()));
		SourceRegistry registry = measure(5, HikariMeters.NONE);
		for (int i = 0; i < 200; i++) {
			use(registry, "election-" + i, 2);
			if (i % 20 == 0) {
				scrapeAfterRanking();
			}
		}
		scrape();
		assertThat(tags()).hasSize(6).contains("other");
		double all = tags().stream().mapToDouble(this::leases).sum();
		assertThat(all).as("but for those whose meters have ended").isLessThanOrEqualTo(400).isGreaterThan(300);
	}

	@Test
	void aSourceThatIsDownFromTheStartHasAMeterThatSaysSo() throws Exception {
		this.sources.with(SourceDefinition.named("down").url("jdbc:sqlite:" + this.directory + "/missing/down.db"));
		SourceRegistry registry = measure(1, 2);
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry.get("down").getConnection());
		scrape();
		assertThat(value(DatasourcesMeter.UNAVAILABLE, "down")).isEqualTo(1);
		assertThat(value(DatasourcesMeter.SOURCES, "state", "unavailable", Statistic.VALUE)).isEqualTo(1);
		assertThat(value(DatasourcesMeter.SOURCES, "state", "cold", Statistic.VALUE)).isEqualTo(1);
		use(registry, "s0", 1);
		assertThat(value(DatasourcesMeter.UNAVAILABLE, "s0")).isZero();
	}

	@Test
	void thoseThatAreDownAndHaveNoPlaceAreCountedTogether() {
		for (int i = 0; i < 5; i++) {
			this.sources.with(
					SourceDefinition.named("down" + i).url("jdbc:sqlite:" + this.directory + "/missing/" + i + ".db"));
		}
		SourceRegistry registry = measure(2, HikariMeters.NONE);
		for (int i = 0; i < 5; i++) {
			String name = "down" + i;
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> registry.get(name).getConnection());
		}
		scrape();
		assertThat(tags()).hasSize(3);
		assertThat(value(DatasourcesMeter.UNAVAILABLE, "other")).isEqualTo(3);
	}

	@Test
	void gaugesOfHikariCpsNamesAreThereIfTheyAreWanted() throws Exception {
		this.sources.with(Sources.sqlite("s0", this.directory));
		SourceRegistry registry = measure(10, HikariMeters.GAUGES);
		try (Connection taken = registry.get("s0").getConnection()) {
			assertThat(taken.isClosed()).isFalse();
			assertThat(known("hikaricp.connections.active", "pool")).isEqualTo(1);
			assertThat(known("hikaricp.connections", "pool")).isEqualTo(1);
			assertThat(known("jdbc.connections.active", "name")).isEqualTo(1);
		}
		assertThat(known("hikaricp.connections.active", "pool")).isZero();
		assertThat(known("hikaricp.connections.idle", "pool")).isEqualTo(1);
		assertThat(known("hikaricp.connections.max", "pool")).isEqualTo(10);
		assertThat(known("hikaricp.connections.min", "pool")).isZero();
		assertThat(known("hikaricp.connections.pending", "pool")).isZero();
		assertThat(known("jdbc.connections.max", "name")).isEqualTo(10);
		assertThat(this.meters.find("hikaricp.connections.usage").meter()).isNull();
		registry.remove("s0");
		assertThat(this.meters.getMeters()).noneMatch((meter) -> meter.getId().getName().contains("connections.m"));
	}

	private double known(String name, String tag) {
		return this.meters.get(name).tag(tag, "s0").gauge().value();
	}

	@Test
	void aHundredThousandColdSourcesHaveNoMeters() throws Exception {
		List<SourceDefinition> definitions = new ArrayList<>();
		for (int i = 0; i < 100_000; i++) {
			definitions.add(SourceDefinition.named("cold-" + i).url("jdbc:sqlite:" + this.directory + "/" + i).build());
		}
		SourceRegistry registry = measure(1, 100);
		assertThat(registry.addAll(definitions)).isEmpty();
		int before = this.meters.getMeters().size();
		scrape();
		Collection<Meter> after = this.meters.getMeters();
		assertThat(after).hasSize(before);
		assertThat(value(DatasourcesMeter.SOURCES, "state", "cold", Statistic.VALUE)).isEqualTo(100_001);
	}

}
