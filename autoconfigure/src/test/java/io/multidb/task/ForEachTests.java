package io.multidb.task;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import io.micrometer.context.ContextRegistry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.MDC;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.InvalidTenantException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceSwitchException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.transaction.SwitchCheck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Tests for {@link ForEach}, with real databases.
 */
class ForEachTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private ForEach forEach;

	private Routes routes;

	private RoutingDataSource router;

	private JdbcClient jdbc;

	@AfterEach
	void leavesNothingBehind() {
		assertThat(Target.current()).isSameAs(Target.none());
		assertThat(MDC.get("tenant")).isNull();
		assertThat(Sources.threads("multidb-each")).isEmpty();
		this.sources.close();
		MDC.clear();
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2, 3, 8 })
	void eachTenantsWorkReachesItsDatabase(int atOnce) throws Exception {
		open("lisbon", "porto", "faro");
		List<Outcome<String>> outcomes = this.forEach.tenants(List.of("porto", "lisbon", "faro"))
			.atOnce(atOnce)
			.call(this::where);
		assertThat(outcomes).extracting(Outcome::name).containsExactly("porto", "lisbon", "faro");
		assertThat(values(outcomes)).containsExactly("porto", "lisbon", "faro");
		assertThat(outcomes).allSatisfy((outcome) -> assertThat(((Outcome.Completed<String>) outcome).duration())
			.isBetween(Duration.ofNanos(1), Duration.ofSeconds(30)));
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 3 })
	void failuresChangeNothingForTheOthers(int atOnce) throws Exception {
		open("lisbon", "porto");
		List<Outcome<String>> outcomes = this.forEach
			.tenants(List.of("nowhere", "lisbon", "not/valid", "internal", "porto"))
			.atOnce(atOnce)
			.call(this::where);
		assertThat(outcomes).hasSize(5);
		assertThat(failure(outcomes.get(0))).hasRootCauseInstanceOf(UnknownTenantException.class);
		assertThat(values(outcomes.subList(1, 2))).containsExactly("lisbon");
		assertThat(failure(outcomes.get(2))).isInstanceOf(InvalidTenantException.class);
		assertThat(failure(outcomes.get(3))).hasRootCauseInstanceOf(UnknownTenantException.class)
			.rootCause()
			.hasMessageContaining("internal");
		assertThat(values(outcomes.subList(4, 5))).containsExactly("porto");
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2 })
	void anErrorIsAnOutcomeToo(int atOnce) {
		Outcome<?> outcome = new ForEach(this.sources.registry()).tenants(List.of("lisbon", "porto"))
			.atOnce(atOnce)
			.run(() -> {
				throw new AssertionError("on purpose");
			})
			.get(1);
		assertThat(failure(outcome)).isInstanceOf(AssertionError.class).hasMessage("on purpose");
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2 })
	void forgottenScopeIsAFailureAndReachesNobodyElse(int atOnce) throws Exception {
		open("lisbon", "porto");
		List<Outcome<String>> outcomes = this.forEach.tenants(List.of("lisbon", "porto")).atOnce(atOnce).call(() -> {
			String where = where();
			if ("lisbon".equals(where)) {
				TenantContext.enter("porto");
			}
			return where;
		});
		assertThat(failure(outcomes.get(0))).isInstanceOf(IllegalStateException.class)
			.hasMessageContaining("still open");
		assertThat(values(outcomes.subList(1, 2))).containsExactly("porto");
	}

	@Test
	void declaredSourcesAreAllButInternalOnes() throws Exception {
		open("lisbon", "porto");
		List<String> current = new ArrayList<>();
		List<Outcome<String>> outcomes = this.forEach.sources().call(() -> {
			current.add(SourceContext.require());
			return where();
		});
		assertThat(values(outcomes)).containsExactly("lisbon", "porto");
		assertThat(current).containsExactly("lisbon", "porto");
	}

	@Test
	void namedSourcesMayBeInternal() throws Exception {
		open("lisbon");
		List<Outcome<String>> outcomes = this.forEach.sources(List.of("internal", "nowhere")).call(this::where);
		assertThat(values(outcomes.subList(0, 1))).containsExactly("internal");
		assertThat(failure(outcomes.get(1))).hasRootCauseInstanceOf(UnknownSourceException.class);
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2 })
	void callersTenantStaysAlongOnSources(int atOnce) throws Exception {
		open("lisbon", "porto");
		try (Scope scope = TenantContext.enter("auditor")) {
			List<Outcome<String>> outcomes = this.forEach.sources()
				.atOnce(atOnce)
				.call(() -> where() + " for " + TenantContext.current() + "/" + MDC.get("tenant"));
			assertThat(values(outcomes)).containsExactly("lisbon for auditor/auditor", "porto for auditor/auditor");
		}
	}

	@Test
	void oneNamedTwiceCountsOnce() throws Exception {
		open("lisbon");
		assertThat(this.forEach.tenants(List.of("lisbon", "lisbon")).call(this::where)).hasSize(1);
	}

	@Test
	void noneIsNoOutcome() {
		ForEach none = new ForEach(this.sources.registry());
		assertThat(none.tenants(List.of()).atOnce(4).call(() -> 1)).isEmpty();
		assertThat(none.sources().call(() -> 1)).isEmpty();
	}

	@Test
	void openTransactionOfAnotherSourceIsAFailureUnlessInParallel() throws Exception {
		open("lisbon", "porto");
		TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(this.router));
		ForEach.Work both = this.forEach.tenants(List.of("lisbon", "porto"));
		try (Scope scope = TenantContext.enter("lisbon");
				SwitchCheck check = new SwitchCheck(this.routes, null, List::of)) {
			transaction.executeWithoutResult((status) -> {
				assertThat(where()).isEqualTo("lisbon");
				List<Outcome<String>> outcomes = both.call(this::where);
				assertThat(values(outcomes.subList(0, 1))).containsExactly("lisbon");
				assertThat(failure(outcomes.get(1))).isInstanceOf(SourceSwitchException.class);
				assertThat(values(both.atOnce(2).call(this::where))).containsExactly("lisbon", "porto");
				assertThat(where()).isEqualTo("lisbon");
			});
		}
	}

	@Test
	void zeroThreadsAreRefused() {
		ForEach none = new ForEach(this.sources.registry());
		assertThatIllegalArgumentException().isThrownBy(() -> none.sources().atOnce(0)).withMessageContaining("not 0");
	}

	@Test
	void oneAfterAnotherIsInTheCallingThread() {
		List<Thread> threads = new ArrayList<>();
		new ForEach(this.sources.registry()).tenants(tenants(3)).run(() -> threads.add(Thread.currentThread()));
		assertThat(threads).hasSize(3).containsOnly(Thread.currentThread());
	}

	@Test
	void noMoreThanTheBoundRunAtOnceAndAsManyDo() {
		AtomicInteger running = new AtomicInteger();
		AtomicInteger most = new AtomicInteger();
		CyclicBarrier together = new CyclicBarrier(4);
		List<Outcome<Integer>> outcomes = new ForEach(this.sources.registry()).tenants(tenants(40))
			.atOnce(4)
			.call(() -> {
				int now = running.incrementAndGet();
				most.accumulateAndGet(now, Math::max);
				together.await(30, TimeUnit.SECONDS);
				running.decrementAndGet();
				return now;
			});
		assertThat(outcomes).hasSize(40).allMatch(Outcome.Completed.class::isInstance);
		assertThat(most).hasValue(4);
	}

	@Test
	void eachWorkerHasTheCallersLoggingContextAndItsOwnTenant() {
		MDC.put("request", "42");
		Map<String, String> seen = new ConcurrentHashMap<>();
		new ForEach(this.sources.registry()).tenants(tenants(20))
			.atOnce(3)
			.run(() -> seen.put(TenantContext.require(), MDC.get("request") + "/" + MDC.get("tenant")));
		assertThat(seen).hasSize(20).allSatisfy((tenant, logged) -> assertThat(logged).isEqualTo("42/" + tenant));
		assertThat(MDC.get("request")).isEqualTo("42");
	}

	@Test
	void workersHaveWhatElseTheCallersContextCarries() {
		ThreadLocal<String> trace = new ThreadLocal<>();
		ContextRegistry.getInstance().registerThreadLocalAccessor("ForEachTests", trace);
		try {
			trace.set("trace-1");
			List<Outcome<String>> outcomes = new ForEach(this.sources.registry()).tenants(tenants(4))
				.atOnce(2)
				.call(trace::get);
			assertThat(values(outcomes)).containsOnly("trace-1");
		}
		finally {
			ContextRegistry.getInstance().removeThreadLocalAccessor("ForEachTests");
		}
	}

	@Test
	void interruptedCallerStartsNoMoreInItsThread() throws Exception {
		FutureTask<List<Outcome<String>>> call = new FutureTask<>(
				() -> new ForEach(this.sources.registry()).tenants(tenants(3)).call(() -> {
					if ("tenant-1".equals(TenantContext.current())) {
						Thread.currentThread().interrupt();
					}
					return "done";
				}));
		Thread caller = new Thread(call);
		caller.start();
		List<Outcome<String>> outcomes = call.get(30, TimeUnit.SECONDS);
		assertThat(outcomes).containsExactly(outcomes.get(0), outcomes.get(1), new Outcome.NotStarted<>("tenant-2"));
		assertThat(values(outcomes.subList(0, 2))).containsOnly("done");
	}

	@Test
	void taskThatIsInterruptedLeavesItsCallerInterrupted() throws Exception {
		CountDownLatch begun = new CountDownLatch(1);
		FutureTask<Boolean> call = new FutureTask<>(() -> {
			List<Outcome<Object>> outcomes = new ForEach(this.sources.registry()).tenants(tenants(2)).call(() -> {
				begun.countDown();
				new CountDownLatch(1).await();
				return null;
			});
			assertThat(failure(outcomes.get(0))).isInstanceOf(InterruptedException.class);
			assertThat(outcomes.get(1)).isEqualTo(new Outcome.NotStarted<>("tenant-1"));
			return Thread.currentThread().isInterrupted();
		});
		Thread caller = new Thread(call);
		caller.start();
		assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
		caller.interrupt();
		assertThat(call.get(30, TimeUnit.SECONDS)).isTrue();
	}

	@Test
	void interruptedCallerEndsParallelWork() throws Exception {
		CountDownLatch begun = new CountDownLatch(2);
		FutureTask<List<Outcome<Object>>> call = new FutureTask<>(() -> {
			List<Outcome<Object>> outcomes = new ForEach(this.sources.registry()).tenants(tenants(10))
				.atOnce(2)
				.call(() -> {
					begun.countDown();
					new CountDownLatch(1).await();
					return null;
				});
			assertThat(Thread.currentThread().isInterrupted()).isTrue();
			return outcomes;
		});
		Thread caller = new Thread(call);
		caller.start();
		assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
		caller.interrupt();
		List<Outcome<Object>> outcomes = call.get(30, TimeUnit.SECONDS);
		assertThat(outcomes).hasSize(10);
		assertThat(outcomes.subList(0, 2))
			.allSatisfy((outcome) -> assertThat(failure(outcome)).isInstanceOf(InterruptedException.class));
		assertThat(outcomes.subList(2, 10)).allMatch(Outcome.NotStarted.class::isInstance);
	}

	@Test
	void parallelTaskThatInterruptsItsThreadHarmsNoOther() {
		List<Outcome<Boolean>> outcomes = new ForEach(this.sources.registry()).tenants(tenants(10))
			.atOnce(2)
			.call(() -> {
				boolean before = Thread.currentThread().isInterrupted();
				Thread.currentThread().interrupt();
				return before;
			});
		assertThat(values(outcomes)).hasSize(10).containsOnly(false);
	}

	@Test
	void noThreadIsLeft() {
		ForEach each = new ForEach(this.sources.registry());
		for (int i = 0; i < 50; i++) {
			each.tenants(tenants(20)).atOnce(10).run(() -> {
			});
			assertThat(Sources.threads("multidb-each")).isEmpty();
		}
	}

	private void open(String... names) throws Exception {
		for (String name : names) {
			this.sources.with(Sources.sqlite(name, this.directory));
		}
		this.sources.with(Sources.sqlite("internal", this.directory).internal(true));
		SourceRegistry registry = this.sources.registry();
		for (String name : names) {
			Sources.execute(registry.get(name), "create table here as select '" + name + "' as name");
		}
		Sources.execute(registry.get("internal"), "create table here as select 'internal' as name");
		this.forEach = new ForEach(registry);
		this.routes = new Routes(List.of(), null, registry);
		this.router = new RoutingDataSource(this.routes);
		this.jdbc = JdbcClient.create(this.router);
	}

	private String where() {
		return this.jdbc.sql("select name from here").query(String.class).single();
	}

	private static List<String> tenants(int count) {
		return IntStream.range(0, count).mapToObj((i) -> "tenant-" + i).toList();
	}

	private static <T> List<T> values(List<Outcome<T>> outcomes) {
		return outcomes.stream().map((outcome) -> ((Outcome.Completed<T>) outcome).value()).toList();
	}

	private static Throwable failure(Outcome<?> outcome) {
		return ((Outcome.Failed<?>) outcome).failure();
	}

}
