package io.multidb.fanout;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import io.micrometer.context.ContextRegistry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.MDC;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.Operation;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.WrongSourceException;
import io.multidb.access.Access;
import io.multidb.access.AccessDecision;
import io.multidb.access.AccessListener;
import io.multidb.access.CurrentUser;
import io.multidb.access.SourceAccess;
import io.multidb.access.UserContext;
import io.multidb.fanout.FanOutResult.Row;
import io.multidb.fanout.SourceOutcome.Status;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TargetAccess;
import io.multidb.source.NamePattern;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.source.Watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link FanOut}, with real databases.
 */
class FanOutTests {

	private static final String ENDLESS = "with recursive t(n) as (select 1 union all select n + 1 from t)"
			+ " select count(*) from t";

	private static final Duration LONG = Duration.ofMinutes(2);

	record Hit(String title, int relevance) {
	}

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private RoutingDataSource router;

	private JdbcClient jdbc;

	private FanOut fanOut;

	@BeforeEach
	void noThreadIsLeftOfOthers() {
		await().until(() -> Sources.threads("multidb-").isEmpty());
	}

	@AfterEach
	void leavesNothingBehind() throws Exception {
		assertThat(Target.current()).isSameAs(Target.none());
		if (this.fanOut != null) {
			await("workers that do not let go").until(() -> this.fanOut.late() == 0);
			this.sources.registry().sources().forEach(Sources::assertIdle);
			this.fanOut.close();
		}
		this.sources.close();
		await().until(() -> Sources.threads("multidb-").isEmpty());
		await().until(() -> Sources.openFiles(this.directory.toRealPath()).isEmpty());
		MDC.clear();
	}

	@Test
	void eachSourceAnswersForItselfInTheOrderAskedFor() throws Exception {
		open("ca", "fed", "ny");
		FanOutResult<String> result = this.fanOut.over(List.of("ny", "ca", "fed")).query(FanOutTests::where);
		assertThat(result.rows()).containsExactly(new Row<>("ny", "ny"), new Row<>("ca", "ca"),
				new Row<>("fed", "fed"));
		assertThat(result.outcomes()).extracting(SourceOutcome::source).containsExactly("ny", "ca", "fed");
		assertThat(result.outcomes()).allSatisfy((outcome) -> {
			assertThat(outcome.status()).isEqualTo(Status.COMPLETED);
			assertThat(outcome.count()).isEqualTo(1);
			assertThat(outcome.failure()).isNull();
		});
		assertThat(result.isComplete()).isTrue();
		assertThat(result.took()).isPositive();
	}

	@Test
	void repositoriesThatAreCalledGoToTheSource() throws Exception {
		open("ca", "ny");
		FanOutResult<String> result = this.fanOut.over(List.of("ca", "ny")).rows(() -> where(this.jdbc));
		assertThat(result.values()).containsExactly("ca", "ny");
	}

	@Test
	void workersInheritNothingOfWhoeverCausedThem() throws Exception {
		open("ca");
		InheritableThreadLocal<String> user = new InheritableThreadLocal<>();
		user.set("anna");
		try {
			assertThat(this.fanOut.over(List.of("ca")).call(() -> String.valueOf(user.get())).values())
				.containsExactly("null");
		}
		finally {
			user.remove();
		}
	}

	@Test
	void aPatternMeansDeclaredSourcesButNoInternalOnes() throws Exception {
		open("ny-one", "ny-two", "ca");
		this.sources.registry().add(Sources.sqlite("ny-three", this.directory).build());
		assertThat(this.fanOut.over(NamePattern.of("ny-*")).call(SourceContext::require).values())
			.containsExactly("ny-one", "ny-three", "ny-two");
		assertThat(this.fanOut.over(NamePattern.of("*")).call(SourceContext::require).values()).containsExactly("ca",
				"ny-one", "ny-three", "ny-two");
	}

	@Test
	void aSelectionIsAskedEachTime() throws Exception {
		open("ca", "ny");
		SourceSelection mine = () -> Set.of("ny");
		assertThat(this.fanOut.over(mine).query(FanOutTests::where).values()).containsExactly("ny");
	}

	@Test
	void oneNamedTwiceCountsOnceAndNoneIsNoOutcome() throws Exception {
		open("ny");
		assertThat(this.fanOut.over(List.of("ny", "ny")).query(FanOutTests::where).outcomes()).hasSize(1);
		FanOutResult<String> none = this.fanOut.over(List.of()).query(FanOutTests::where);
		assertThat(none.outcomes()).isEmpty();
		assertThat(none.rows()).isEmpty();
		assertThat(none.isComplete()).isTrue();
	}

	@Test
	void failuresChangeNothingForTheOthers() throws Exception {
		open("ca", "ny");
		this.sources.registry().add(SourceDefinition.named("gone").url("jdbc:sqlite:/nowhere/gone.db").build());
		FanOutResult<String> result = this.fanOut.over(List.of("nowhere", "ca", "gone", "ny")).query((jdbc) -> {
			if ("ny".equals(SourceContext.current())) {
				return jdbc.sql("select nonsense").query(String.class).list();
			}
			return where(jdbc);
		});
		assertThat(result.outcomes()).extracting(SourceOutcome::status)
			.containsExactly(Status.FAILED, Status.COMPLETED, Status.UNAVAILABLE, Status.FAILED);
		assertThat(result.values()).containsExactly("ca");
		assertThat(result.failures().get("nowhere")).hasRootCauseInstanceOf(UnknownSourceException.class);
		assertThat(result.failures().get("gone")).hasStackTraceContaining(SourceUnavailableException.class.getName());
		assertThat(result.outcomes().get(2).failure()).contains("gone");
		assertThat(result.outcomes().get(3).failure()).contains("nonsense");
		assertThat(result.isComplete()).isFalse();
		assertThat(result.count(Status.FAILED)).isEqualTo(2);
	}

	@Test
	void whoeverMayNotUseASourceIsRefusedAndReadersOnlyRead() throws Exception {
		open("ca", "ny", "hung");
		SourceAccess rule = (user, tenant, source, operation) -> ("ny".equals(source)
				|| ("hung".equals(source) && operation == Operation.WRITE) || !"ada".equals(user))
						? AccessDecision.deny("not granted") : AccessDecision.allow();
		Access access = new Access(() -> List.of(rule), CurrentUser.NONE, AccessListener.NONE);
		Routes routes = new Routes(List.of(), null, this.sources.registry());
		RoutingDataSource guarded = new RoutingDataSource(routes, new TargetAccess(access, routes));
		try (access; FanOut asked = new FanOut(this.sources.registry(), guarded, LONG, 8, null)) {
			FanOutQuery<Object> query = asked.over(List.of("ny", "nowhere", "ca", "hung"));
			FanOutResult<String> result = UserContext.call("ada", () -> query.query(FanOutTests::where));
			assertThat(result.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(Status.REFUSED, Status.FAILED, Status.COMPLETED, Status.COMPLETED);
			assertThat(result.values()).containsExactly("ca", "hung");
			assertThat(query.query(FanOutTests::where).count(Status.REFUSED)).isEqualTo(4);
			FanOutQuery<Object> reading = asked.over(List.of("hung")).timeout(Duration.ofMillis(500));
			for (int i = 0; i < 3; i++) {
				assertThat(UserContext.call("ada", () -> reading.query(FanOutTests::endlessOnHung))
					.count(Status.TIMED_OUT)).isEqualTo(1);
				await().until(() -> asked.late() == 0);
			}
			assertThat(Sources.query(this.sources.registry().get("hung"), "pragma busy_timeout")).isEqualTo("5000");
		}
	}

	@Test
	void anErrorIsAnOutcomeAndTheThreadsWorkOn() throws Exception {
		open("ca", "ny");
		for (int i = 0; i < 20; i++) {
			FanOutResult<Object> result = this.fanOut.over(List.of("ca", "ny")).call(() -> {
				throw new StackOverflowError("on purpose");
			});
			assertThat(result.count(Status.FAILED)).isEqualTo(2);
			assertThat(result.outcomes().get(0).failure()).isEqualTo("on purpose");
		}
		assertThat(this.fanOut.over(List.of("ca", "ny")).query(FanOutTests::where).isComplete()).isTrue();
	}

	@Test
	void theBestOfAllSourcesAreKeptAndTiesAreInTheOrderOfSourcesAndRows() throws Exception {
		hits("a", "a1:5", "a2:9", "a3:5");
		hits("b", "b1:9", "b2:1", "b3:5");
		FanOutResult<Hit> result = this.fanOut.over(List.of("b", "a"))
			.limit(5)
			.sortedBy(Comparator.<Hit>comparingInt(Hit::relevance).reversed())
			.query((jdbc) -> jdbc.sql("select title, relevance from hit order by rowid").query(Hit.class).list());
		assertThat(result.values()).extracting(Hit::title).containsExactly("b1", "a2", "b3", "a1", "a3");
		assertThat(result.outcomes()).extracting(SourceOutcome::count).containsExactly(3L, 3L);
	}

	@Test
	void theOrderIsTheSameWithAndWithoutLimits() throws Exception {
		hits("a", IntStream.range(0, 50).mapToObj((i) -> "a" + i + ":" + i % 7).toArray(String[]::new));
		hits("b", IntStream.range(0, 50).mapToObj((i) -> "b" + i + ":" + i % 5).toArray(String[]::new));
		hits("c", IntStream.range(0, 50).mapToObj((i) -> "c" + i + ":" + i % 3).toArray(String[]::new));
		FanOutQuery<Hit> sorted = this.fanOut.over(List.of("c", "a", "b"))
			.sortedBy(Comparator.comparingInt(Hit::relevance));
		List<Hit> all = sorted.stream(FanOutTests::hits).values();
		assertThat(all).hasSize(150).isSortedAccordingTo(Comparator.comparingInt(Hit::relevance));
		for (int limit : new int[] { 1, 2, 7, 40, 149, 150, 1000 }) {
			assertThat(sorted.limit(limit).stream(FanOutTests::hits).values())
				.isEqualTo(all.subList(0, Math.min(limit, 150)));
		}
		assertThat(sorted.limitPerSource(2).stream(FanOutTests::hits).rows()).extracting(Row::source)
			.containsOnly("a", "b", "c")
			.hasSize(6);
	}

	@Test
	void withoutAnOrderTheFirstSourcesComeFirst() throws Exception {
		hits("a", "a1:1", "a2:2", "a3:3");
		hits("b", "b1:1", "b2:2", "b3:3");
		FanOutQuery<Object> both = this.fanOut.over(List.of("b", "a"));
		assertThat(both.limit(4).stream(FanOutTests::hits).values()).extracting(Hit::title)
			.containsExactly("b1", "b2", "b3", "a1");
		assertThat(both.limitPerSource(1).stream(FanOutTests::hits).values()).extracting(Hit::title)
			.containsExactly("b1", "a1");
		assertThat(both.limitPerSource(1).stream(FanOutTests::hits).outcomes()).extracting(SourceOutcome::count)
			.containsExactly(1L, 1L);
	}

	@Test
	void sumsAreByGroup() throws Exception {
		hits("a", "x:1", "y:2", "x:3");
		hits("b", "x:10", "z:20");
		hits("c", "x:100");
		FanOutGroups<String, Integer> result = this.fanOut.over(List.of("a", "b", "nowhere"))
			.groupedBy(Hit::title, Hit::relevance, Integer::sum)
			.stream(FanOutTests::hits);
		assertThat(result.sums()).containsExactlyInAnyOrderEntriesOf(Map.of("x", 14, "y", 2, "z", 20));
		assertThat(result.outcomes()).extracting(SourceOutcome::status)
			.containsExactly(Status.COMPLETED, Status.COMPLETED, Status.FAILED);
	}

	@Test
	void sumThatThrowsFailsItsSourceAndNothingOfItIsAdded() throws Exception {
		hits("a", "x:1", "y:2");
		hits("b", "x:10", "y:20");
		FanOutGroups<String, Integer> result = this.fanOut.over(List.of("a", "b"))
			.<Hit, String, Integer>groupedBy(Hit::title, Hit::relevance, (one, other) -> {
				if (one + other == 22) {
					throw new ArithmeticException("on purpose");
				}
				return one + other;
			})
			.stream(FanOutTests::hits);
		assertThat(result.count(Status.FAILED)).isEqualTo(1);
		assertThat(result.sums()).isIn(Map.of("x", 1, "y", 2), Map.of("x", 10, "y", 20));
	}

	@Test
	void aRowThatCannotBeComparedFailsItsSource() throws Exception {
		hits("a", "a1:1");
		hits("bad", "b1:2");
		hits("c", "c1:3");
		for (int limit : new int[] { 10, Integer.MAX_VALUE }) {
			FanOutResult<Hit> result = this.fanOut.over(List.of("bad", "a", "c"))
				.limit(limit)
				.sortedBy((Hit one, Hit other) -> {
					if ("b1".equals(one.title()) || "b1".equals(other.title())) {
						throw new IllegalStateException("on purpose");
					}
					return one.relevance() - other.relevance();
				})
				.stream(FanOutTests::hits);
			assertThat(result.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(Status.FAILED, Status.COMPLETED, Status.COMPLETED);
			assertThat(result.values()).extracting(Hit::title).containsExactly("a1", "c1");
			assertThat(result.failures().get("bad")).hasMessage("on purpose");
		}
	}

	@Test
	void twoRowsThatCannotBeComparedFailTheLaterSource() throws Exception {
		hits("a", "a1:1");
		hits("b", "b1:2");
		FanOutQuery<Hit> query = this.fanOut.over(List.of("a", "b")).sortedBy((one, other) -> {
			if (!one.equals(other)) {
				throw new IllegalStateException("on purpose");
			}
			return 0;
		});
		FanOutResult<Hit> limited = query.limit(10).stream(FanOutTests::hits);
		assertThat(limited.count(Status.COMPLETED)).isEqualTo(1);
		assertThat(limited.count(Status.FAILED)).isEqualTo(1);
		assertThat(limited.rows()).hasSize(1);
		assertThatThrownBy(() -> query.stream(FanOutTests::hits)).hasMessage("on purpose");
	}

	@Test
	void noMoreRowsThanTheLimitAreKeptOfASourceHoweverManyThereAre() throws Exception {
		open("a", "b");
		AtomicInteger alive = new AtomicInteger();
		FanOutResult<Integer> result = this.fanOut.over(List.of("a", "b"))
			.limit(3)
			.sortedBy(Comparator.<Integer>naturalOrder().reversed())
			.stream((jdbc) -> jdbc
				.sql("with recursive t(n) as (select 1 union all select n + 1 from t where n < 200000) select n from t")
				.query(Integer.class)
				.stream()
				.peek((row) -> alive.incrementAndGet()));
		assertThat(result.values()).containsExactly(200_000, 200_000, 199_999);
		assertThat(result.outcomes()).extracting(SourceOutcome::count).containsOnly(200_000L);
		assertThat(alive).hasValue(400_000);
	}

	@Test
	void aStreamIsReadOnlyAsFarAsItIsNeededAndItsConnectionComesBack() throws Exception {
		open("a");
		AtomicBoolean closed = new AtomicBoolean();
		FanOutResult<Integer> result = this.fanOut.over(List.of("a"))
			.limit(3)
			.stream((jdbc) -> jdbc
				.sql("with recursive t(n) as (select 1 union all select n + 1 from t) select n from t")
				.query(Integer.class)
				.stream()
				.onClose(() -> closed.set(true)));
		assertThat(result.values()).containsExactly(1, 2, 3);
		assertThat(closed).isTrue();
		Sources.assertIdle(this.sources.registry().get("a"));
		FanOutResult<Object> write = this.fanOut.over(List.of("a")).stream((jdbc) -> {
			jdbc.sql("insert into here values ('more')").update();
			return Stream.of();
		});
		assertThat(write.count(Status.FAILED)).isEqualTo(1);
		assertThat(this.fanOut.over(List.of("a"))
			.call(() -> this.jdbc.sql("insert into here values ('more')").update())
			.values()).containsExactly(1);
	}

	@Test
	void theCallersTenantLoggingAndTracingGoAlongAndNothingStays() throws Exception {
		open("ca", "ny");
		ThreadLocal<String> trace = new ThreadLocal<>();
		ContextRegistry.getInstance().registerThreadLocalAccessor("FanOutTests", trace);
		try {
			for (int i = 0; i < 20; i++) {
				trace.set("trace-" + i);
				MDC.put("request", "r" + i);
				try (Scope scope = TenantContext.enter("auditor")) {
					assertThat(this.fanOut.over(List.of("ca", "ny"))
						.call(() -> SourceContext.current() + " " + TenantContext.current() + " " + MDC.get("tenant")
								+ " " + MDC.get("request") + " " + trace.get())
						.values()).containsExactly("ca auditor auditor r" + i + " trace-" + i,
								"ny auditor auditor r" + i + " trace-" + i);
				}
				trace.remove();
				MDC.clear();
				assertThat(this.fanOut.over(List.of("ca", "ny"))
					.call(() -> TenantContext.current() + " " + MDC.get("tenant") + " " + MDC.get("request") + " "
							+ trace.get())
					.values()).containsOnly("null null null null");
			}
		}
		finally {
			ContextRegistry.getInstance().removeThreadLocalAccessor("FanOutTests");
		}
	}

	@Test
	void aContextThatCannotBeTakenAlongIsWhatFails() throws Exception {
		open("ca", "ny");
		long caller = Thread.currentThread().getId();
		ContextRegistry.getInstance().registerThreadLocalAccessor("FanOutTests", () -> "value", (value) -> {
			if (Thread.currentThread().getId() != caller) {
				throw new IllegalStateException("on purpose");
			}
		}, () -> {
		});
		try {
			FanOutResult<String> result = this.fanOut.over(List.of("ca", "ny"))
				.timeout(Duration.ofSeconds(20))
				.call(SourceContext::require);
			assertThat(result.outcomes()).extracting(SourceOutcome::failure)
				.containsExactly("on purpose", "on purpose");
			assertThat(result.count(Status.FAILED)).isEqualTo(2);
		}
		finally {
			ContextRegistry.getInstance().removeThreadLocalAccessor("FanOutTests");
		}
		assertThat(this.fanOut.over(List.of("ca", "ny")).call(SourceContext::require).isComplete()).isTrue();
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void whoWatchesAndFailsHoldsUpNobodyAndNoWorker(boolean atOnce) throws Exception {
		open("ca", "ny", "tx", "fed");
		List<String> names = List.of("ca", "ny", "tx", "fed");
		this.fanOut.watch((activity, source, product) -> {
			if (!"ny".equals(source)) {
				return Watch.Watched.NONE;
			}
			if (atOnce) {
				throw new IllegalStateException("on purpose");
			}
			return (outcome, failure) -> {
				throw new AssertionError("on purpose");
			};
		});
		for (int i = 0; i < 3; i++) {
			FanOutResult<String> result = this.fanOut.over(names).call(SourceContext::require);
			assertThat(result.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(Status.COMPLETED, atOnce ? Status.FAILED : Status.COMPLETED, Status.COMPLETED,
						Status.COMPLETED);
			assertThat(result.took()).isLessThan(LONG);
		}
	}

	@Test
	void whatAWorkerLeavesOpenReachesNobodyElse() throws Exception {
		open("ca", "ny");
		FanOutResult<Object> result = this.fanOut.over(List.of("ca", "ny")).call(() -> {
			Thread.currentThread().interrupt();
			MDC.put("left", "over");
			return SourceContext.enter("ca");
		});
		assertThat(result.count(Status.FAILED)).isEqualTo(2);
		for (int i = 0; i < 10; i++) {
			assertThat(this.fanOut.over(List.of("ca", "ny"))
				.call(() -> Thread.currentThread().isInterrupted() + " " + MDC.get("left") + " "
						+ SourceContext.current())
				.values()).containsExactly("false null ca", "false null ny");
		}
	}

	@Test
	void aConnectionThatAWorkerForgotIsClosed() throws Exception {
		hits("a", "a1:1");
		assertThat(this.fanOut.over(List.of("a")).query((jdbc) -> hits(jdbc).limit(1).toList()).isComplete()).isTrue();
		assertThat(this.fanOut.over(List.of("a")).call(this.router::getConnection).isComplete()).isTrue();
		Sources.assertIdle(this.sources.registry().get("a"));
	}

	@Test
	void aWorkerCannotUseItsConnectionForAnotherSource() throws Exception {
		open("ca", "ny");
		FanOutResult<String> result = this.fanOut.over(List.of("ca")).call(() -> {
			try (Connection connection = this.router.getConnection(); Scope scope = SourceContext.enter("ny")) {
				return Sources.query(connection, "select name from here");
			}
		});
		assertThat(result.failures().get("ca")).hasCauseInstanceOf(WrongSourceException.class);
		assertThat(
				this.fanOut.over(List.of("ca")).rows(() -> SourceContext.call("ny", () -> where(this.jdbc))).values())
			.containsExactly("ny");
	}

	@Test
	void whatDoesNotEndIsCancelledAtTheDeadlineAndTheOthersAnswer() throws Exception {
		open("ca", "hung", "ny");
		warm("ca", "hung", "ny");
		for (int i = 0; i < 5; i++) {
			long start = System.nanoTime();
			FanOutResult<String> result = this.fanOut.over(List.of("ca", "hung", "ny"))
				.timeout(Duration.ofMillis(500))
				.query(FanOutTests::endlessOnHung);
			assertThat(System.nanoTime() - start).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(500));
			assertThat(result.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(Status.COMPLETED, Status.TIMED_OUT, Status.COMPLETED);
			assertThat(result.outcomes().get(1).failure()).contains("500 ms").contains("stopped");
			assertThat(result.outcomes().get(1).milliseconds()).isBetween(1L, 60_000L);
			assertThat(result.values()).containsExactly("ca", "ny");
			await().until(() -> this.fanOut.late() == 0);
			Sources.assertIdle(this.sources.registry().get("hung"));
			assertThat(Sources.query(this.sources.registry().get("hung"), "select name from here")).isEqualTo("hung");
		}
	}

	@Test
	void aCancellationNeverReachesTheNextUserOfTheConnection() throws Exception {
		this.sources.with(Sources.sqlite("one", this.directory).hikari(Map.of("maximum-pool-size", "1")));
		open();
		Sources.execute(this.sources.registry().get("one"), "create table here as select 'one' as name");
		AtomicBoolean over = new AtomicBoolean();
		List<Throwable> failures = new ArrayList<>();
		AtomicInteger uses = new AtomicInteger();
		Thread next = new Thread(() -> {
			while (!over.get()) {
				try {
					Sources.query(this.sources.registry().get("one"), "select count(*) from here a, here b, here c");
					uses.incrementAndGet();
				}
				catch (Exception ex) {
					failures.add(ex);
				}
			}
		});
		next.start();
		try {
			AtomicInteger timedOut = new AtomicInteger();
			for (int i = 0; i < 150; i++) {
				// Some end just before, some just after the deadline.
				String sql = "with recursive t(n) as (select 1 union all select n + 1 from t where n < " + i % 30 * 4000
						+ ") select count(*) from t";
				FanOutResult<String> result = this.fanOut.over(List.of("one"))
					.timeout(Duration.ofMillis(5 + i % 7))
					.query((jdbc) -> jdbc.sql(sql).query(String.class).list());
				timedOut.addAndGet(result.count(Status.TIMED_OUT));
				await().until(() -> this.fanOut.late() == 0);
			}
			assertThat(timedOut).hasPositiveValue();
		}
		finally {
			over.set(true);
			next.join();
		}
		assertThat(failures).isEmpty();
		assertThat(uses).hasPositiveValue();
	}

	@Test
	void whoWaitsForALockGivesUpAtTheDeadline() throws Exception {
		open("ca", "locked", "ny");
		warm("ca", "locked", "ny");
		try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("locked.db"))) {
			Sources.execute(other, "begin immediate");
			FanOutResult<Integer> result = this.fanOut.over(List.of("ca", "locked", "ny"))
				.timeout(Duration.ofMillis(500))
				.call(() -> this.jdbc.sql("update here set name = name").update());
			assertThat(result.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(Status.COMPLETED, Status.TIMED_OUT, Status.COMPLETED);
			// Sooner than the lock would have been given up otherwise
			await().atMost(Duration.ofSeconds(4)).until(() -> this.fanOut.late() == 0);
			Sources.execute(other, "rollback");
		}
		try (Connection after = this.router("locked")) {
			assertThat(Sources.query(after, "pragma busy_timeout")).isEqualTo("5000");
		}
	}

	@Test
	void aConnectionThatWasInTimeWaitsForLocksAsEverAfterwards() throws Exception {
		open("ca");
		warm("ca");
		assertThat(this.fanOut.over(List.of("ca"))
			.timeout(Duration.ofSeconds(3))
			.call(() -> this.jdbc.sql("pragma busy_timeout").query(Integer.class).single())
			.values()).allSatisfy((millis) -> assertThat(millis).isBetween(1, 3001));
		try (Connection after = this.router("ca")) {
			assertThat(Sources.query(after, "pragma busy_timeout")).isEqualTo("5000");
		}
	}

	@Test
	void nobodyWaitsForAConnectionBeyondTheDeadline() throws Exception {
		this.sources.with(Sources.sqlite("one", this.directory).hikari(Map.of("maximum-pool-size", "1")));
		open("ca");
		Sources.execute(this.sources.registry().get("one"), "create table here as select 'one' as name");
		try (Connection only = this.sources.registry().get("one").getConnection()) {
			FanOutResult<String> result = this.fanOut.over(List.of("one", "ca"))
				.timeout(Duration.ofMillis(300))
				.query(FanOutTests::where);
			assertThat(result.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(Status.TIMED_OUT, Status.COMPLETED);
			await().atMost(Duration.ofSeconds(20)).until(() -> this.fanOut.late() == 0);
			assertThat(only.isClosed()).isFalse();
		}
	}

	@Test
	void theAnswerComesEvenIfATaskIgnoresThatItIsStoppedAndItsConnectionComesFree() throws Exception {
		this.sources.with(Sources.sqlite("stubborn", this.directory).hikari(Map.of("maximum-pool-size", "1")));
		open("ca");
		AtomicBoolean released = new AtomicBoolean();
		try {
			FanOutResult<String> result = this.fanOut.over(List.of("stubborn", "ca"))
				.timeout(Duration.ofMillis(300))
				.call(() -> {
					if ("ca".equals(SourceContext.current())) {
						return "ca";
					}
					try (Connection connection = this.router.getConnection()) {
						waitWhateverHappens(released);
						return "late";
					}
				});
			assertThat(result.values()).containsExactly("ca");
			assertThat(result.outcomes().get(0).status()).isEqualTo(Status.TIMED_OUT);
			assertThat(this.fanOut.late()).isEqualTo(1);
			assertThat(Sources.query(this.sources.registry().get("stubborn"), "select 1")).isEqualTo("1");
		}
		finally {
			released.set(true);
		}
	}

	@Test
	void hungSourcesDoNotKeepHealthyOnesFromAnswering() throws Exception {
		List<String> names = IntStream.range(0, 60).mapToObj((i) -> ((i < 40) ? "hung-" : "healthy-") + i).toList();
		open(names.toArray(String[]::new));
		warm(names.toArray(String[]::new));
		FanOutResult<String> result = this.fanOut.over(names)
			.timeout(Duration.ofSeconds(5))
			.query(FanOutTests::endlessOnHung);
		assertThat(result.values()).isEqualTo(names.subList(40, 60));
		assertThat(result.count(Status.TIMED_OUT)).isEqualTo(40);
	}

	@Test
	void neighboursThatHangAreNotTheOnlyOnesThatAreAskedFirst() throws Exception {
		List<String> names = names(64);
		open(names.toArray(String[]::new));
		CountDownLatch answered = new CountDownLatch(1);
		try (FanOut few = new FanOut(this.sources.registry(), this.router, LONG, 8, null)) {
			FanOutResult<String> result = few.over(names).timeout(Duration.ofSeconds(20)).call(() -> {
				String source = SourceContext.require();
				if (names.indexOf(source) < 16) {
					answered.await();
				}
				answered.countDown();
				return source;
			});
			assertThat(result.values()).isEqualTo(names);
		}
	}

	@Test
	void eachIsAskedOnceWhereverItIs() {
		for (int count = 0; count < 300; count++) {
			assertThat(Execution.spread(count)).hasSize(count)
				.containsExactlyInAnyOrder(IntStream.range(0, count).toArray());
		}
	}

	/** As what is not to be interrupted does, in a virtual thread without its carrier. */
	private static void waitWhateverHappens(AtomicBoolean released) {
		while (!released.get()) {
			boolean unused = Thread.interrupted();
			LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
		}
	}

	@Test
	void noMoreThreadsWorkThanThereMayBeButForThoseThatWereStopped() throws Exception {
		open();
		FanOut two = new FanOut(this.sources.registry(), this.router, LONG, 2, null);
		AtomicBoolean released = new AtomicBoolean();
		try {
			AtomicInteger working = new AtomicInteger();
			AtomicInteger most = new AtomicInteger();
			FanOutResult<Integer> result = two.over(names(50)).call(() -> {
				most.accumulateAndGet(working.incrementAndGet(), Math::max);
				TimeUnit.MILLISECONDS.sleep(1);
				return working.decrementAndGet();
			});
			assertThat(result.isComplete()).isTrue();
			assertThat(most.get()).isBetween(1, 2);
			FanOutResult<Object> stopped = two.over(names(2)).timeout(Duration.ofMillis(100)).call(() -> {
				waitWhateverHappens(released);
				return null;
			});
			assertThat(stopped.count(Status.TIMED_OUT)).isEqualTo(2);
			assertThat(two.late()).isEqualTo(2);
			assertThat(two.over(names(5)).call(() -> 1).isComplete()).isTrue();
		}
		finally {
			released.set(true);
			await().until(() -> two.late() == 0);
			two.close();
		}
	}

	@Test
	void tenThousandSourcesAreAskedAtOnce() {
		List<String> names = names(10_000);
		names.forEach((name) -> this.sources.with(Sources.sqlite(name, this.directory)));
		open2();
		FanOutResult<String> result = this.fanOut.over(names)
			.timeout(LONG)
			.limit(10)
			.sortedBy(Comparator.<String>naturalOrder().reversed())
			.call(SourceContext::require);
		assertThat(result.isComplete()).isTrue();
		assertThat(result.outcomes()).extracting(SourceOutcome::source).isEqualTo(names);
		assertThat(result.values()).first().isEqualTo("source-9999");
	}

	@Test
	void outcomesAreToldOnceEachOnTheCallersThreadAndListenersMayThrow() throws Exception {
		open("ca", "ny");
		Map<String, Status> told = new TreeMap<>();
		Set<Thread> threads = ConcurrentHashMap.newKeySet();
		FanOutResult<String> result = this.fanOut.over(List.of("ca", "nowhere", "ny")).onOutcome((outcome) -> {
			assertThat(told.put(outcome.source(), outcome.status())).isNull();
			threads.add(Thread.currentThread());
			throw new IllegalStateException("on purpose");
		}).query(FanOutTests::where);
		assertThat(result.values()).containsExactly("ca", "ny");
		assertThat(told).isEqualTo(
				result.outcomes().stream().collect(Collectors.toMap(SourceOutcome::source, SourceOutcome::status)));
		assertThat(threads).containsExactly(Thread.currentThread());
	}

	@Test
	void allAreStoppedAtTheDeadlineBeforeAListenerTakesHisTime() throws Exception {
		open("hung-1", "hung-2");
		warm("hung-1", "hung-2");
		List<Integer> working = new ArrayList<>();
		FanOutResult<String> result = this.fanOut.over(List.of("hung-1", "hung-2"))
			.timeout(Duration.ofMillis(500))
			.onOutcome((outcome) -> {
				await().atMost(Duration.ofSeconds(20)).until(() -> this.fanOut.late() == 0);
				working.add(this.fanOut.late());
			})
			.query(FanOutTests::endlessOnHung);
		assertThat(result.count(Status.TIMED_OUT)).isEqualTo(2);
		assertThat(working).containsExactly(0, 0);
	}

	@Test
	void anInterruptedCallerStopsItAndStaysInterrupted() throws Exception {
		open("ca", "hung");
		warm("ca", "hung");
		CountDownLatch answered = new CountDownLatch(1);
		FutureTask<FanOutResult<String>> call = new FutureTask<>(() -> {
			FanOutResult<String> result = this.fanOut.over(List.of("ca", "hung"))
				.timeout(LONG)
				.onOutcome((outcome) -> answered.countDown())
				.query(FanOutTests::endlessOnHung);
			assertThat(Thread.interrupted()).isTrue();
			return result;
		});
		Thread caller = new Thread(call);
		caller.start();
		assertThat(answered.await(60, TimeUnit.SECONDS)).isTrue();
		caller.interrupt();
		FanOutResult<String> result = call.get(60, TimeUnit.SECONDS);
		assertThat(result.outcomes()).extracting(SourceOutcome::status)
			.containsExactly(Status.COMPLETED, Status.FAILED);
		assertThat(result.outcomes().get(1).failure()).contains("stopped");
		assertThat(result.values()).containsExactly("ca");
	}

	@Test
	void nothingOfItCanBeChanged() throws Exception {
		open("ca");
		FanOutResult<String> result = this.fanOut.over(List.of("ca")).query(FanOutTests::where);
		assertThatThrownBy(() -> result.rows().clear()).isInstanceOf(UnsupportedOperationException.class);
		assertThatThrownBy(() -> result.values().clear()).isInstanceOf(UnsupportedOperationException.class);
		assertThatThrownBy(() -> result.outcomes().clear()).isInstanceOf(UnsupportedOperationException.class);
		assertThatThrownBy(() -> result.failures().clear()).isInstanceOf(UnsupportedOperationException.class);
	}

	@Test
	void inJsonStatusesAreInLowerCaseWithDashes() {
		assertThat(JsonMapper.shared().writeValueAsString(new SourceOutcome("ny", Status.TIMED_OUT, 0, 17, "late")))
			.isEqualTo(
					"{\"source\":\"ny\",\"status\":\"timed-out\",\"count\":0,\"milliseconds\":17,\"failure\":\"late\"}");
	}

	@Test
	void whatCannotBeIsRefused() throws Exception {
		open("ca");
		FanOutQuery<Object> query = this.fanOut.over(List.of("ca"));
		assertThatIllegalArgumentException().isThrownBy(() -> query.timeout(Duration.ZERO));
		assertThatIllegalArgumentException().isThrownBy(() -> query.limit(0));
		assertThatIllegalArgumentException().isThrownBy(() -> query.limitPerSource(-1));
		assertThat(query.timeout(Duration.ofSeconds(Long.MAX_VALUE)).query(FanOutTests::where).isComplete()).isTrue();
		assertThat(query.query((jdbc) -> null).count(Status.FAILED)).isEqualTo(1);
		assertThat(query.call(() -> null).rows()).isEmpty();
	}

	private void open(String... names) throws Exception {
		for (String name : names) {
			this.sources.with(Sources.sqlite(name, this.directory));
		}
		this.sources.with(Sources.sqlite("internal", this.directory).internal(true));
		open2();
		for (String name : names) {
			Sources.execute(this.sources.registry().get(name), "create table here as select '" + name + "' as name");
		}
	}

	private void open2() {
		SourceRegistry registry = this.sources.registry();
		this.router = new RoutingDataSource(new Routes(List.of(), null, registry));
		this.jdbc = JdbcClient.create(this.router);
		this.fanOut = new FanOut(registry, this.router, LONG, 256, null);
	}

	private void warm(String... names) throws Exception {
		for (String name : names) {
			Sources.query(this.sources.registry().get(name), "select 1");
		}
	}

	private void hits(String name, String... hits) throws Exception {
		if (this.fanOut == null) {
			open2();
		}
		this.sources.registry().add(Sources.sqlite(name, this.directory).build());
		try (Connection connection = this.sources.registry().get(name).getConnection()) {
			Sources.execute(connection, "create table hit (title text, relevance integer)");
			for (String hit : hits) {
				Sources.execute(connection, "insert into hit values ('" + hit.replace(":", "', ") + ")");
			}
		}
	}

	private Connection router(String source) throws Exception {
		try (Scope scope = SourceContext.enter(source)) {
			return this.sources.registry().get(source).getConnection();
		}
	}

	private static Stream<Hit> hits(JdbcClient jdbc) {
		return jdbc.sql("select title, relevance from hit order by rowid").query(Hit.class).stream();
	}

	private static List<String> where(JdbcClient jdbc) {
		return jdbc.sql("select name from here").query(String.class).list();
	}

	private static List<String> endlessOnHung(JdbcClient jdbc) {
		return SourceContext.require().startsWith("hung") ? jdbc.sql(ENDLESS).query(String.class).list() : where(jdbc);
	}

	private static List<String> names(int count) {
		return IntStream.range(0, count).mapToObj((i) -> "source-" + i).toList();
	}

}
