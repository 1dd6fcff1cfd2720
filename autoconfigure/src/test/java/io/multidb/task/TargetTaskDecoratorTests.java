package io.multidb.task;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.slf4j.MDC;

import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.core.task.TaskDecorator;
import org.springframework.core.task.TaskRejectedException;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;

import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.source.Race;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * Tests for {@link TargetTaskDecorator} on one thread that is used again and again.
 */
@ExtendWith(OutputCaptureExtension.class)
class TargetTaskDecoratorTests {

	private final ThreadPoolTaskExecutor executor = new ThreadPoolTaskExecutor();

	@AfterEach
	void leavesNothingBehind() throws Exception {
		assertThat(Target.current()).isSameAs(Target.none());
		assertThat(MDC.get("tenant")).isNull();
		this.executor.shutdown();
	}

	@Test
	void taskHasTheTargetOfWhoSubmittedIt() throws Exception {
		start();
		assertThat(submitFor("lisbon").get()).isEqualTo("lisbon/lisbon");
		assertThat(submitFor("porto").get()).isEqualTo("porto/porto");
		try (Scope tenant = TenantContext.enter("lisbon"); Scope source = SourceContext.enter("archive")) {
			assertThat(this.executor.submit(SourceContext::current).get()).isEqualTo("archive");
		}
		assertThat(this.executor.submit(seen()).get()).isEqualTo("null/null");
	}

	@Test
	void workerHasNoTargetAfterATask() throws Exception {
		start();
		submitFor("lisbon").get();
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
	}

	@Test
	void workerHasNoTargetAfterATaskThatFailed() throws Exception {
		start();
		Future<?> failed = TenantContext.call("lisbon", () -> this.executor.submit(() -> {
			throw new IllegalStateException("on purpose");
		}));
		assertThatThrownBy(failed::get).isInstanceOf(ExecutionException.class).hasRootCauseMessage("on purpose");
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
	}

	@Test
	void scopeThatATaskForgotEndsWithItAndIsTold(CapturedOutput output) throws Exception {
		start();
		Future<?> forgetful = TenantContext.call("lisbon",
				() -> this.executor.submit(() -> TenantContext.enter("forgotten")));
		forgetful.get();
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
		assertThat(this.executor.submit(seen()).get()).isEqualTo("null/null");
		assertThat(output).contains("ERROR", "left something open", "'forgotten'", "ThreadPoolTaskExecutor-1");
	}

	@Test
	void scopeThatATaskWithoutTargetForgotEndsWithIt() throws Exception {
		start();
		this.executor.submit(() -> TenantContext.enter("forgotten")).get();
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
		assertThat(this.executor.submit(seen()).get()).isEqualTo("null/null");
	}

	@Test
	void taskWithoutTargetDoesNotSeeWhatIsLeftOnTheThread() throws Exception {
		start();
		Scope[] left = new Scope[1];
		ownDecorator((task) -> task);
		runUndecorated(() -> left[0] = TenantContext.enter("left"));
		ownDecorator(new TargetTaskDecorator());
		assertThat(this.executor.submit(seen()).get()).isEqualTo("null/null");
		assertThat(submitFor("lisbon").get()).isEqualTo("lisbon/lisbon");
		ownDecorator((task) -> task);
		runUndecorated(() -> left[0].close());
	}

	@Test
	void callerThatRunsItItselfKeepsItsTarget() throws Exception {
		this.executor.setRejectedExecutionHandler(new ThreadPoolExecutor.CallerRunsPolicy());
		start();
		CountDownLatch busy = occupy();
		fillQueue();
		try (Scope scope = TenantContext.enter("lisbon")) {
			assertThat(this.executor.submit(seenOn(Thread.currentThread())).get()).isEqualTo("lisbon/lisbon");
			assertThat(MDC.get("tenant")).isEqualTo("lisbon");
		}
		assertThat(this.executor.submit(seenOn(Thread.currentThread())).get()).isEqualTo("null/null");
		busy.countDown();
	}

	@Test
	void taskSubmittedWithoutTargetHasNoneWhereverItRuns() {
		Runnable task = new TargetTaskDecorator().decorate(() -> assertThat(TenantContext.current()).isNull());
		try (Scope scope = TenantContext.enter("lisbon")) {
			task.run();
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void callerThatRunsATaskWithAForgottenScopeKeepsItsTarget() throws Exception {
		this.executor.setRejectedExecutionHandler(new ThreadPoolExecutor.CallerRunsPolicy());
		start();
		CountDownLatch busy = occupy();
		fillQueue();
		try (Scope scope = TenantContext.enter("lisbon")) {
			this.executor.submit(() -> TenantContext.enter("forgotten")).get();
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
		busy.countDown();
	}

	@Test
	void callerWhoseTaskIsRejectedKeepsItsTarget() throws Exception {
		start();
		CountDownLatch busy = occupy();
		fillQueue();
		try (Scope scope = TenantContext.enter("lisbon")) {
			assertThatThrownBy(() -> this.executor.submit(seen())).isInstanceOf(TaskRejectedException.class);
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
		busy.countDown();
	}

	@Test
	void cancelledTaskLeavesNothingOnItsThread() throws Exception {
		start();
		CountDownLatch begun = new CountDownLatch(1);
		Future<?> cancelled = TenantContext.call("lisbon", () -> this.executor.submit(() -> {
			TenantContext.enter("forgotten");
			begun.countDown();
			new CountDownLatch(1).await();
			return null;
		}));
		begun.await();
		Future<String> behind = submitFor("porto");
		Future<String> withdrawn = submitBlocked("porto");
		cancelled.cancel(true);
		if (withdrawn != null) {
			withdrawn.cancel(true);
		}
		assertThat(behind.get()).isEqualTo("porto/porto");
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
	}

	@Test
	void ownDecoratorRunsWithinTheTargetAndHasTheLastWord() throws Exception {
		List<String> seen = new ArrayList<>();
		this.executor.setTaskDecorator(new TargetTaskDecorator((task) -> {
			seen.add("submitted for " + TenantContext.current());
			return () -> {
				seen.add("run for " + TenantContext.current());
				TenantContext.run("maintenance", task);
				TenantContext.enter("forgotten");
			};
		}));
		initialize();
		assertThat(submitFor("lisbon").get()).isEqualTo("maintenance/maintenance");
		assertThat(seen).containsExactly("submitted for lisbon", "run for lisbon");
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
	}

	@Test
	void decoratorThatReplacesTheLoggingContextLeavesNothing() throws Exception {
		this.executor.setTaskDecorator(new TargetTaskDecorator((task) -> {
			var logged = MDC.getCopyOfContextMap();
			return () -> {
				if (logged != null) {
					MDC.setContextMap(logged);
				}
				try {
					task.run();
				}
				finally {
					MDC.clear();
				}
			};
		}));
		initialize();
		assertThat(submitFor("lisbon").get()).isEqualTo("lisbon/lisbon");
		assertThat(onTheWorkerItself()).isEqualTo("null/null");
		assertThat(this.executor.submit(seen()).get()).isEqualTo("null/null");
	}

	@Test
	void schedulersDecoratorHidesTheTargetFromWithinAnyOther() {
		List<String> seen = new ArrayList<>();
		NoTargetTaskDecorator decorator = new NoTargetTaskDecorator(new TargetTaskDecorator());
		Runnable job = TenantContext.call("lisbon",
				() -> decorator.decorate(() -> seen.add(TenantContext.current() + "/" + MDC.get("tenant"))));
		job.run();
		TenantContext.run("porto", job);
		assertThat(seen).containsExactly("null/null", "null/null");
	}

	@Test
	void manySubmittersNeverSeeEachOthersTarget() throws Exception {
		this.executor.setTaskDecorator(new TargetTaskDecorator());
		this.executor.setCorePoolSize(4);
		this.executor.setMaxPoolSize(4);
		this.executor.setQueueCapacity(10);
		this.executor.setRejectedExecutionHandler(new ThreadPoolExecutor.CallerRunsPolicy());
		this.executor.initialize();
		List<Object> outcomes = Race.run(8, () -> {
			Random random = new Random();
			for (int i = 0; i < 2_000; i++) {
				String tenant = (random.nextInt(4) == 0) ? null : "tenant-" + random.nextInt(50);
				boolean forget = i % 500 == 0;
				Callable<String> task = () -> {
					String seen = seen().call();
					if (forget) {
						TenantContext.enter("forgotten");
					}
					return seen;
				};
				Future<String> future = (tenant != null) ? TenantContext.call(tenant, () -> this.executor.submit(task))
						: this.executor.submit(task);
				assertThat(future.get()).isEqualTo(tenant + "/" + tenant);
				assertThat(TenantContext.current()).isNull();
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
	}

	private void start() {
		this.executor.setTaskDecorator(new TargetTaskDecorator());
		initialize();
	}

	private void initialize() {
		this.executor.setCorePoolSize(1);
		this.executor.setMaxPoolSize(1);
		this.executor.setQueueCapacity(1);
		this.executor.initialize();
	}

	private void ownDecorator(TaskDecorator decorator) {
		this.executor.setTaskDecorator(decorator);
	}

	private Future<String> submitFor(String tenant) {
		return TenantContext.call(tenant, () -> this.executor.submit(seen()));
	}

	/** The queue is full, so it usually is refused. */
	private Future<String> submitBlocked(String tenant) {
		List<Future<String>> submitted = new ArrayList<>();
		Throwable refused = catchThrowable(() -> submitted.add(submitFor(tenant)));
		return (refused == null) ? submitted.get(0) : null;
	}

	private static Callable<String> seen() {
		return () -> TenantContext.current() + "/" + MDC.get("tenant");
	}

	private static Callable<String> seenOn(Thread expected) {
		return () -> {
			assertThat(Thread.currentThread()).isSameAs(expected);
			return seen().call();
		};
	}

	private CountDownLatch occupy() throws InterruptedException {
		CountDownLatch begun = new CountDownLatch(1);
		CountDownLatch busy = new CountDownLatch(1);
		this.executor.execute(() -> {
			begun.countDown();
			try {
				assertThat(busy.await(30, TimeUnit.SECONDS)).isTrue();
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
		});
		begun.await();
		return busy;
	}

	private void fillQueue() {
		this.executor.execute(() -> {
		});
	}

	private void runUndecorated(Runnable work) throws Exception {
		this.executor.submit(work).get();
	}

	/** What the thread has when no decorator is there to hide it. */
	private String onTheWorkerItself() throws Exception {
		ThreadPoolExecutor pool = this.executor.getThreadPoolExecutor();
		assertThat(pool.getPoolSize()).isEqualTo(1);
		this.executor.setTaskDecorator((task) -> task);
		try {
			return this.executor.submit(seen()).get();
		}
		finally {
			this.executor.setTaskDecorator(new TargetTaskDecorator());
		}
	}

}
