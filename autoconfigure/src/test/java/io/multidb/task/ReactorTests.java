package io.multidb.task;

import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;

import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.source.Race;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * The target in Reactor's pipelines.
 */
class ReactorTests {

	private final Scheduler one = Schedulers.newSingle("one", true);

	@BeforeEach
	void propagate() {
		Hooks.enableAutomaticContextPropagation();
	}

	@AfterEach
	void stop() throws Exception {
		assertThat(Target.current()).isSameAs(Target.none());
		assertThat(onTheThread(this.one)).isEqualTo("null");
		Hooks.disableAutomaticContextPropagation();
		this.one.dispose();
	}

	@Test
	void monoHasTheTargetOfItsSubscriber() {
		Mono<String> seen = Mono.fromCallable(ReactorTests::seen).subscribeOn(this.one);
		assertThat(TenantContext.<String, RuntimeException>call("lisbon", seen::block)).isEqualTo("lisbon");
		assertThat(TenantContext.<String, RuntimeException>call("porto", seen::block)).isEqualTo("porto");
		assertThat(seen.block()).isEqualTo("null");
	}

	@Test
	void everyOperatorOfAFluxHasTheTarget() {
		Flux<String> seen = Flux.range(0, 100)
			.publishOn(Schedulers.parallel())
			.map((i) -> seen())
			.flatMap((before) -> Mono.fromCallable(() -> before + "+" + seen()).subscribeOn(this.one))
			.publishOn(Schedulers.boundedElastic())
			.map((before) -> before + "+" + seen());
		List<String> all = TenantContext.call("lisbon", () -> seen.collectList().block());
		assertThat(all).hasSize(100).containsOnly("lisbon+lisbon+lisbon");
	}

	@Test
	void contextMayBeGivenATarget() {
		Target porto = TenantContext.call("porto", Target::current);
		assertThat(Mono.fromCallable(ReactorTests::seen)
			.subscribeOn(this.one)
			.contextWrite((context) -> context.put(TargetThreadLocalAccessor.KEY, porto))
			.block()).isEqualTo("porto");
	}

	@Test
	void failedPipelineLeavesNothing() {
		Mono<String> failed = Mono.fromCallable(() -> {
			TenantContext.enter("forgotten");
			throw new IllegalStateException("on purpose");
		}).subscribeOn(this.one).map(String::valueOf).onErrorResume((ex) -> Mono.just(seen()));
		assertThat(TenantContext.<String, RuntimeException>call("lisbon", failed::block)).isNotNull();
	}

	@Test
	void withoutPropagationThereIsNoTargetOnOtherThreads() {
		Hooks.disableAutomaticContextPropagation();
		Mono<String> seen = Mono.fromCallable(ReactorTests::seen).subscribeOn(this.one);
		assertThat(TenantContext.<String, RuntimeException>call("lisbon", seen::block)).isEqualTo("null");
	}

	@Test
	void manySubscribersNeverSeeEachOthersTarget() throws Exception {
		List<Object> outcomes = Race.run(8, () -> {
			Random random = new Random();
			for (int i = 0; i < 300; i++) {
				String tenant = (random.nextInt(4) == 0) ? null : "tenant-" + random.nextInt(20);
				Mono<List<String>> pipeline = Flux.range(0, 5)
					.publishOn(this.one)
					.map((each) -> seen())
					.flatMap((before) -> Mono.fromCallable(() -> before + "+" + seen())
						.subscribeOn(Schedulers.parallel()))
					.collectList();
				List<String> all = (tenant != null) ? TenantContext.call(tenant, () -> pipeline.block())
						: pipeline.block();
				assertThat(all).containsOnly(tenant + "+" + tenant);
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
	}

	/**
	 * Reactor captures what is current when an element is queued, sets it when it is
	 * taken out, and puts back only the last.
	 */
	@Test
	void elementsOfManyTenantsInOneQueueLeaveNothingOnTheThreadThatDrainsIt() throws Exception {
		Sinks.Many<Integer> sink = Sinks.many().multicast().onBackpressureBuffer(10_000, false);
		Queue<Integer> arrived = new ConcurrentLinkedQueue<>();
		Disposable subscription = sink.asFlux().publishOn(this.one).subscribe(arrived::add);
		for (int round = 0; round < 20; round++) {
			CountDownLatch held = new CountDownLatch(1);
			Disposable unused = this.one.schedule(() -> {
				try {
					assertThat(held.await(30, TimeUnit.SECONDS)).isTrue();
				}
				catch (InterruptedException ex) {
					Thread.currentThread().interrupt();
				}
			});
			for (int i = 0; i < 5; i++) {
				try (Scope scope = TenantContext.enter("tenant-" + i)) {
					assertThat(sink.tryEmitNext(i)).isEqualTo(Sinks.EmitResult.OK);
				}
			}
			held.countDown();
			int expected = 5 * (round + 1);
			await().pollInterval(Duration.ofMillis(5)).until(() -> arrived.size() == expected);
			assertThat(onTheThread(this.one)).isEqualTo("null");
		}
		subscription.dispose();
	}

	private static String seen() {
		return String.valueOf(TenantContext.current());
	}

	/**
	 * What the thread itself has: the target is hidden by what is carried to it, unless
	 * it was left.
	 */
	private static String onTheThread(Scheduler scheduler) throws Exception {
		Hooks.disableAutomaticContextPropagation();
		try {
			FutureTask<String> seen = new FutureTask<>(ReactorTests::seen);
			Disposable unused = scheduler.schedule(seen);
			return seen.get(30, TimeUnit.SECONDS);
		}
		finally {
			Hooks.enableAutomaticContextPropagation();
		}
	}

}
