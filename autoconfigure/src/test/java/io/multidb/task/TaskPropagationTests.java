package io.multidb.task;

import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.MDC;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

import org.springframework.beans.factory.FactoryBean;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.task.TaskExecutionAutoConfiguration;
import org.springframework.boot.autoconfigure.task.TaskSchedulingAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.task.SimpleAsyncTaskExecutorBuilder;
import org.springframework.boot.task.ThreadPoolTaskExecutorBuilder;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.context.runner.ContextConsumer;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.event.EventListener;
import org.springframework.context.event.SimpleApplicationEventMulticaster;
import org.springframework.core.annotation.Order;
import org.springframework.core.task.AsyncTaskExecutor;
import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.core.task.TaskDecorator;
import org.springframework.core.task.TaskExecutor;
import org.springframework.core.task.VirtualThreadTaskExecutor;
import org.springframework.core.task.support.TaskExecutorAdapter;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.annotation.Async;
import org.springframework.scheduling.annotation.EnableAsync;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.scheduling.annotation.Scheduled;
import org.springframework.scheduling.concurrent.ConcurrentTaskExecutor;
import org.springframework.scheduling.concurrent.ConcurrentTaskScheduler;
import org.springframework.scheduling.concurrent.SimpleAsyncTaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.transaction.event.TransactionalEventListener;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.NoTenantException;
import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbTaskAutoConfiguration;
import io.multidb.source.Race;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

/**
 * Which database work reaches that an application hands to another thread.
 */
@ExtendWith(OutputCaptureExtension.class)
class TaskPropagationTests {

	private static final String NONE = "no tenant";

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareSources() {
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbTaskAutoConfiguration.class,
					DataSourceAutoConfiguration.class, JdbcTemplateAutoConfiguration.class,
					JdbcClientAutoConfiguration.class, DataSourceTransactionManagerAutoConfiguration.class,
					TransactionAutoConfiguration.class, TaskExecutionAutoConfiguration.class,
					TaskSchedulingAutoConfiguration.class))
			.withBean(Where.class)
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"app.datasources.lisbon.hikari.maximum-pool-size=4",
					"app.datasources.porto.hikari.maximum-pool-size=4");
	}

	// Executors

	@Test
	void bootsExecutorTakesTheTargetAlong() {
		run((context) -> takesTheTargetAlong(context, "applicationTaskExecutor"));
	}

	@Test
	@EnabledForJreRange(min = JRE.JAVA_21)
	void bootsExecutorOfVirtualThreadsTakesTheTargetAlong() {
		this.contextRunner = this.contextRunner.withPropertyValues("spring.threads.virtual.enabled=true");
		run((context) -> {
			assertThat(context.getBean("applicationTaskExecutor")).isInstanceOf(SimpleAsyncTaskExecutor.class);
			takesTheTargetAlong(context, "applicationTaskExecutor");
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "pool", "perTask", "concurrent", "adapter", "declaredAsExecutor", "fromFactoryBean",
			"builtPool", "builtPerTask" })
	void executorsOfTheApplicationTakeTheTargetAlong(String name) {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnExecutors.class);
		run((context) -> takesTheTargetAlong(context, name));
	}

	@Test
	@EnabledForJreRange(min = JRE.JAVA_21)
	void virtualThreadTaskExecutorTakesTheTargetAlong() {
		this.contextRunner = this.contextRunner.withBean("virtual", VirtualThreadTaskExecutor.class,
				() -> new VirtualThreadTaskExecutor("own-"));
		run((context) -> {
			takesTheTargetAlong(context, "virtual");
			assertThat(context.getBean(AsyncTaskExecutor.class).submit(() -> Thread.currentThread().getName()).get())
				.startsWith("own-");
		});
	}

	@Test
	void executorMadeByBootsBuilderInCodeTakesTheTargetAlong() {
		run((context) -> {
			ThreadPoolTaskExecutor pool = context.getBean(ThreadPoolTaskExecutorBuilder.class).build();
			pool.initialize();
			SimpleAsyncTaskExecutor perTask = context.getBean(SimpleAsyncTaskExecutorBuilder.class).build();
			try (perTask) {
				takesTheTargetAlong(context, pool);
				takesTheTargetAlong(context, perTask);
			}
			finally {
				pool.shutdown();
			}
		});
	}

	@Test
	void executorThatIsNoBeanOfSpringsHasNoTarget() {
		this.contextRunner = this.contextRunner.withBean("plain", Executor.class, () -> (task) -> {
			Thread thread = new Thread(task);
			thread.start();
		});
		run((context) -> {
			Executor plain = context.getBean("plain", Executor.class);
			assertThat(from("lisbon", () -> CompletableFuture.supplyAsync(where(context), plain).get()))
				.isEqualTo(NONE);
		});
	}

	@Test
	void nothingStaysBehindInAPoolOfOneThread(CapturedOutput output) {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnExecutors.class);
		run((context) -> {
			AsyncTaskExecutor pool = context.getBean("pool", AsyncTaskExecutor.class);
			from("lisbon", () -> pool.submit(() -> TenantContext.enter("porto")).get());
			assertThat(pool.submit(where(context)::get).get()).isEqualTo(NONE);
			pool.submit(() -> TenantContext.enter("porto")).get();
			assertThat(pool.submit(where(context)::get).get()).isEqualTo(NONE);
			assertThat(catchThrowable(() -> from("lisbon", () -> pool.submit(() -> {
				TenantContext.enter("porto");
				throw new IllegalStateException("on purpose");
			}).get()))).hasRootCauseMessage("on purpose");
			assertThat(pool.submit(where(context)::get).get()).isEqualTo(NONE);
			assertThat(output).contains("left something open");
		});
	}

	@Test
	void manyThreadsNeverReachEachOthersDatabase() {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnExecutors.class)
			.withPropertyValues("spring.task.execution.pool.core-size=4");
		run((context) -> {
			List<AsyncTaskExecutor> executors = List.of(context.getBean("pool", AsyncTaskExecutor.class),
					context.getBean("perTask", AsyncTaskExecutor.class),
					context.getBean("concurrent", AsyncTaskExecutor.class),
					context.getBean("builtPool", AsyncTaskExecutor.class));
			List<Object> outcomes = Race.run(8, () -> {
				Random random = new Random();
				for (int i = 0; i < 200; i++) {
					AsyncTaskExecutor executor = executors.get(random.nextInt(executors.size()));
					String tenant = List.of("lisbon", "porto", NONE).get(random.nextInt(3));
					Callable<String> task = where(context)::get;
					Future<String> found = NONE.equals(tenant) ? executor.submit(task)
							: TenantContext.call(tenant, () -> executor.submit(task));
					assertThat(found.get()).isEqualTo(tenant);
				}
				return "done";
			});
			assertThat(outcomes).containsOnly("done");
		});
	}

	@Test
	void threadsAreGoneAfterTheContextIsClosed() {
		long before = threads();
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnExecutors.class, OwnSchedulers.class);
		run((context) -> {
			for (String name : List.of("pool", "builtPool", "perTask")) {
				takesTheTargetAlong(context, name);
			}
			context.getBean(ForEach.class).sources().atOnce(2).run(() -> {
			});
		});
		await().untilAsserted(() -> assertThat(threads()).isLessThanOrEqualTo(before));
	}

	@ParameterizedTest
	@CsvSource({ "OwnScheduler, , a TaskScheduler", "OwnService, , an executor of Spring's that is no bean",
			"OwnScheduler, force,", "Nothing, ," })
	void asyncWithoutTenantsIsWarnedOf(String own, String mode, String where, CapturedOutput output) {
		Class<?> configuration = switch (own) {
			case "OwnScheduler" -> OwnScheduler.class;
			case "OwnService" -> OwnService.class;
			default -> Nothing.class;
		};
		this.contextRunner = this.contextRunner.withUserConfiguration(configuration)
			.withPropertyValues("spring.task.execution.mode=" + ((mode != null) ? mode : "auto"));
		run((context) -> {
			String found = from("lisbon", () -> context.getBean(Later.class).find().get());
			assertThat(found).isEqualTo((where != null) ? NONE : "lisbon");
			if (where != null) {
				assertThat(output).contains("@Async methods that name no executor run on " + where);
			}
			else {
				assertThat(output).doesNotContain("@Async methods");
			}
		});
	}

	// The application's own decorators

	@Test
	void ownDecoratorsOfBootsExecutorStay() {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnDecorators.class);
		run((context) -> {
			AsyncTaskExecutor executor = context.getBean("applicationTaskExecutor", AsyncTaskExecutor.class);
			takesTheTargetAlong(context, executor);
			OwnDecorators.seen.clear();
			from("lisbon", () -> executor.submit(() -> OwnDecorators.seen.add("task")).get());
			assertThat(OwnDecorators.seen).containsExactly("second/lisbon", "first/lisbon", "task");
		});
	}

	@Test
	void bootsContextPropagationGoesOnBesideIt() {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnDecorators.class)
			.withPropertyValues("spring.task.execution.propagate-context=true");
		run((context) -> takesTheTargetAlong(context, "applicationTaskExecutor"));
	}

	@Test
	void ownDecoratorOfAnExecutorBeanStaysAndMayChooseAnotherTarget() {
		this.contextRunner = this.contextRunner.withBean("own", SimpleAsyncTaskExecutor.class, () -> {
			SimpleAsyncTaskExecutor executor = new SimpleAsyncTaskExecutor();
			executor.setTaskDecorator((task) -> () -> TenantContext.run("porto", task));
			return executor;
		});
		run((context) -> assertThat(
				from("lisbon", () -> context.getBean(SimpleAsyncTaskExecutor.class).submit(where(context)::get).get()))
			.isEqualTo("porto"));
	}

	@Test
	void executorsOfAnApplicationWithoutSourcesAreLeftAlone() {
		new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbTaskAutoConfiguration.class,
					TaskExecutionAutoConfiguration.class))
			.run((context) -> assertThat(context).doesNotHaveBean(TargetExecutorPostProcessor.class)
				.doesNotHaveBean(ForEach.class));
	}

	// @Async and events

	@Test
	void asyncMethodsHaveTheCallersTarget() {
		this.contextRunner = this.contextRunner.withUserConfiguration(AsyncMethods.class);
		run((context) -> {
			AsyncMethods methods = context.getBean(AsyncMethods.class);
			assertThat(from("lisbon", () -> methods.future().get())).isEqualTo("lisbon");
			assertThat(from("porto", () -> methods.future().get())).isEqualTo("porto");
			assertThat(methods.future().get()).isEqualTo(NONE);
			assertThat(from("lisbon", () -> methods.onAnotherExecutor().get())).isEqualTo("lisbon");
			from("porto", () -> {
				methods.returnsNothing();
				return null;
			});
			assertThat(AsyncMethods.found.poll(60, TimeUnit.SECONDS)).isEqualTo("porto");
		});
	}

	@Test
	void asyncMethodOfATenantIsForThatTenant() {
		this.contextRunner = this.contextRunner.withUserConfiguration(AsyncMethods.class);
		run((context) -> {
			AsyncMethods methods = context.getBean(AsyncMethods.class);
			assertThat(methods.ofPorto().get()).isEqualTo("porto");
			assertThat(from("lisbon", () -> methods.ofPorto().get())).isEqualTo("porto");
			assertThat(from("lisbon", () -> methods.of("porto").get())).isEqualTo("porto");
			assertThat(from("lisbon", () -> methods.future().get())).isEqualTo("lisbon");
		});
	}

	@Test
	void whatATenantsMethodReturnsIsNotDoneForItOnceItHasReturned() {
		this.contextRunner = this.contextRunner.withUserConfiguration(LaterWork.class, AsyncMethods.class);
		run((context) -> {
			LaterWork later = context.getBean(LaterWork.class);
			assertThat(later.mono().block()).isEqualTo(NONE);
			assertThat(later.stream().toList()).containsExactly(NONE);
			assertThat(later.future().get()).isEqualTo(NONE);
			assertThat(later.futureOnSpringsExecutor().get()).isEqualTo("porto");
			Hooks.enableAutomaticContextPropagation();
			try {
				assertThat(later.mono().block()).isEqualTo(NONE);
				assertThat(later.mono().subscribeOn(Schedulers.boundedElastic()).block()).isEqualTo(NONE);
				assertThat(from("lisbon", () -> later.mono().subscribeOn(Schedulers.boundedElastic()).block()))
					.isEqualTo("lisbon");
			}
			finally {
				Hooks.disableAutomaticContextPropagation();
			}
		});
	}

	@Test
	void listenersOfEventsHaveThePublishersTarget() {
		this.contextRunner = this.contextRunner.withUserConfiguration(AsyncMethods.class, AsyncEvents.class);
		run((context) -> {
			ApplicationEventPublisher publisher = context;
			from("lisbon", () -> {
				publisher.publishEvent(new Happened());
				return null;
			});
			assertThat(AsyncMethods.found.poll(60, TimeUnit.SECONDS)).isEqualTo("listener in lisbon");
		});
	}

	@Test
	void transactionalListenersOnAnotherThreadHaveThePublishersTarget() {
		this.contextRunner = this.contextRunner.withUserConfiguration(AsyncMethods.class);
		run((context) -> {
			TransactionTemplate transaction = context.getBean(TransactionTemplate.class);
			from("porto", () -> transaction.execute((status) -> {
				context.publishEvent(new Ordered());
				return null;
			}));
			assertThat(AsyncMethods.found.poll(60, TimeUnit.SECONDS)).isEqualTo("after commit in porto");
		});
	}

	// Schedulers

	@ParameterizedTest
	@ValueSource(strings = { "scheduler", "concurrentScheduler", "perTaskScheduler", "decoratedScheduler",
			"removingScheduler" })
	void jobScheduledFromWithinATargetHasNone(String name) {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnSchedulers.class);
		run((context) -> hasNoTarget(context, name));
	}

	@Test
	void jobHasNoTargetWhereBootPropagatesContextToSchedulers() {
		this.contextRunner = this.contextRunner.withUserConfiguration(ScheduledMethods.class)
			.withPropertyValues("spring.task.execution.propagate-context=true");
		run((context) -> hasNoTarget(context, "taskScheduler"));
	}

	@Test
	@EnabledForJreRange(min = JRE.JAVA_21)
	void jobOnAVirtualThreadHasNoTarget() {
		this.contextRunner = this.contextRunner.withUserConfiguration(ScheduledMethods.class)
			.withPropertyValues("spring.threads.virtual.enabled=true", "spring.task.execution.propagate-context=true");
		run((context) -> hasNoTarget(context, "taskScheduler"));
	}

	@Test
	void scheduledMethodsHaveNoTargetAndFailLoudly(CapturedOutput output) {
		ScheduledMethods.found.clear();
		ScheduledMethods.ofTenant.clear();
		this.contextRunner = this.contextRunner.withUserConfiguration(ScheduledMethods.class);
		run((context) -> {
			assertThat(ScheduledMethods.found.poll(60, TimeUnit.SECONDS)).isEqualTo(NONE);
			await().untilAsserted(() -> assertThat(output).contains("NoTenantException", "No tenant is current"));
			assertThat(ScheduledMethods.ofTenant.poll(60, TimeUnit.SECONDS)).isEqualTo("porto");
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "scheduler", "concurrentScheduler", "perTaskScheduler", "decoratedScheduler" })
	void scopeThatAJobForgotDoesNotReachTheNextOne(String name) {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnSchedulers.class);
		run((context) -> {
			TaskScheduler scheduler = context.getBean(name, TaskScheduler.class);
			scheduler.schedule(() -> TenantContext.enter("lisbon"), Instant.now()).get();
			assertThat(jobs(scheduler, context)).containsOnly(NONE);
		});
	}

	@Test
	void cancelledJobIsRemovedWhereTheApplicationWantsIt() {
		this.contextRunner = this.contextRunner.withUserConfiguration(OwnSchedulers.class);
		run((context) -> {
			ThreadPoolTaskScheduler scheduler = context.getBean("removingScheduler", ThreadPoolTaskScheduler.class);
			ScheduledFuture<?> job = scheduler.schedule(() -> {
			}, Instant.now().plusSeconds(3600));
			job.cancel(false);
			assertThat(scheduler.getScheduledThreadPoolExecutor().getQueue()).isEmpty();
		});
	}

	// Threads that are not Spring's

	@Test
	void rawThreadsHaveNoTargetAndFailLoudly() {
		run((context) -> {
			FutureTask<String> raw = new FutureTask<>(where(context)::get);
			assertThat(from("lisbon", () -> {
				new Thread(raw).start();
				return raw.get();
			})).isEqualTo(NONE);
			assertThat(from("lisbon", () -> CompletableFuture.supplyAsync(where(context)).get())).isEqualTo(NONE);
			Thread caller = Thread.currentThread();
			List<String> parallel = from("lisbon", () -> IntStream.range(0, 200)
				.parallel()
				.mapToObj((i) -> (Thread.currentThread().equals(caller) ? "" : "elsewhere ") + where(context).get())
				.distinct()
				.toList());
			assertThat(parallel).isSubsetOf("lisbon", "elsewhere " + NONE);
		});
	}

	private void takesTheTargetAlong(AssertableApplicationContext context, String name) throws Exception {
		takesTheTargetAlong(context, context.getBean(name, Executor.class));
	}

	private void takesTheTargetAlong(AssertableApplicationContext context, Executor executor) throws Exception {
		Supplier<String> where = where(context);
		for (String tenant : List.of("lisbon", "porto", NONE, "lisbon")) {
			assertThat(from(tenant, () -> CompletableFuture.supplyAsync(where, executor).get())).isEqualTo(tenant);
			assertThat(from(tenant,
					() -> CompletableFuture.supplyAsync(() -> "x", executor)
						.thenApplyAsync((x) -> where.get(), executor)
						.get()))
				.isEqualTo(tenant);
			if (executor instanceof AsyncTaskExecutor async) {
				assertThat(from(tenant, () -> async.submit(where::get).get())).isEqualTo(tenant);
				assertThat(from(tenant, () -> async.submitCompletable(where::get).get())).isEqualTo(tenant);
				List<String> seen = new ArrayList<>();
				from(tenant, () -> async.submit(() -> {
					seen.add(where.get());
				}).get());
				assertThat(seen).containsExactly(tenant);
				assertThat(from(tenant, () -> async.submit(() -> String.valueOf(MDC.get("tenant"))).get()))
					.isEqualTo(NONE.equals(tenant) ? "null" : tenant);
			}
		}
	}

	private void hasNoTarget(AssertableApplicationContext context, String name) throws Exception {
		TaskScheduler scheduler = context.getBean(name, TaskScheduler.class);
		assertThat(from("lisbon", () -> jobs(scheduler, context))).containsOnly(NONE);
	}

	private List<String> jobs(TaskScheduler scheduler, AssertableApplicationContext context) throws Exception {
		BlockingQueue<String> seen = new LinkedBlockingQueue<>();
		CountDownLatch repeated = new CountDownLatch(2);
		Runnable job = () -> {
			seen.add(where(context).get());
			repeated.countDown();
		};
		scheduler.schedule(job, Instant.now()).get();
		ScheduledFuture<?> atRate = scheduler.scheduleAtFixedRate(job, Duration.ofMillis(1));
		ScheduledFuture<?> withDelay = scheduler.scheduleWithFixedDelay(job, Duration.ofMillis(1));
		ScheduledFuture<?> triggered = scheduler.schedule(job, (trigger) -> Instant.now());
		assertThat(repeated.await(60, TimeUnit.SECONDS)).isTrue();
		await().until(() -> seen.size() > 10);
		atRate.cancel(false);
		withDelay.cancel(false);
		triggered.cancel(false);
		return List.copyOf(seen);
	}

	private static long threads() {
		return Thread.getAllStackTraces()
			.keySet()
			.stream()
			.filter((thread) -> thread.getName().matches("(multidb|pool|builtPool|perTask|scheduler|task-).*"))
			.count();
	}

	private void run(ContextConsumer<AssertableApplicationContext> test) {
		this.contextRunner.run((context) -> {
			assertThat(context).hasNotFailed();
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			for (String name : List.of("lisbon", "porto")) {
				makeKnown(registry, name);
			}
			test.accept(context);
			assertThat(Target.current()).isSameAs(Target.none());
		});
	}

	private static void makeKnown(SourceRegistry registry, String name) throws SQLException {
		Sources.execute(registry.get(name), "create table if not exists here (name text)");
		Sources.execute(registry.get(name), "insert into here values ('" + name + "')");
	}

	private static Supplier<String> where(AssertableApplicationContext context) {
		return context.getBean(Where.class)::find;
	}

	private static <T> T from(String tenant, Callable<T> work) throws Exception {
		return NONE.equals(tenant) ? work.call() : TenantContext.call(tenant, work::call);
	}

	/** Asks the database which it is. */
	static class Where {

		private final JdbcClient jdbc;

		Where(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		String find() {
			try {
				String name = this.jdbc.sql("select name from here").query(String.class).single();
				assertThat(TenantContext.current()).isEqualTo(name);
				return name;
			}
			catch (RuntimeException ex) {
				assertThat(ex).hasRootCauseInstanceOf(NoTenantException.class);
				return NONE;
			}
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnExecutors {

		@Bean
		ThreadPoolTaskExecutor pool() {
			ThreadPoolTaskExecutor executor = new ThreadPoolTaskExecutor();
			executor.setCorePoolSize(1);
			return executor;
		}

		@Bean
		TaskExecutor perTask() {
			return new SimpleAsyncTaskExecutor("perTask-");
		}

		@Bean
		ConcurrentTaskExecutor concurrent(ThreadPoolTaskExecutor pool) {
			return new ConcurrentTaskExecutor((task) -> new Thread(task, "perTask-concurrent").start());
		}

		@Bean
		TaskExecutorAdapter adapter() {
			return new TaskExecutorAdapter((task) -> new Thread(task, "perTask-adapter").start());
		}

		@Bean
		Executor declaredAsExecutor() {
			return new SimpleAsyncTaskExecutor("perTask-");
		}

		@Bean
		FactoryBean<TaskExecutor> fromFactoryBean() {
			TaskExecutor executor = new SimpleAsyncTaskExecutor("perTask-");
			return new FactoryBean<>() {

				@Override
				public TaskExecutor getObject() {
					return executor;
				}

				@Override
				public Class<?> getObjectType() {
					return TaskExecutor.class;
				}

			};
		}

		@Bean
		ThreadPoolTaskExecutor builtPool(ThreadPoolTaskExecutorBuilder builder) {
			return builder.threadNamePrefix("builtPool-").build();
		}

		@Bean
		SimpleAsyncTaskExecutor builtPerTask(SimpleAsyncTaskExecutorBuilder builder) {
			return builder.threadNamePrefix("perTask-").build();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnDecorators {

		static final List<String> seen = new ArrayList<>();

		@Bean
		@Order(1)
		TaskDecorator first() {
			return named("first");
		}

		@Bean
		@Order(2)
		TaskDecorator second() {
			return named("second");
		}

		private static TaskDecorator named(String name) {
			return (task) -> () -> {
				seen.add(name + "/" + TenantContext.current());
				task.run();
			};
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnSchedulers {

		@Bean
		ThreadPoolTaskScheduler scheduler() {
			return new ThreadPoolTaskScheduler();
		}

		@Bean(destroyMethod = "")
		ConcurrentTaskScheduler concurrentScheduler(ThreadPoolTaskScheduler scheduler) {
			return new ConcurrentTaskScheduler(Executors.newSingleThreadScheduledExecutor((task) -> {
				Thread thread = new Thread(task, "concurrent");
				thread.setDaemon(true);
				return thread;
			}));
		}

		@Bean
		SimpleAsyncTaskScheduler perTaskScheduler() {
			SimpleAsyncTaskScheduler scheduler = new SimpleAsyncTaskScheduler();
			scheduler.setThreadNamePrefix("perTask-");
			return scheduler;
		}

		@Bean
		ThreadPoolTaskScheduler decoratedScheduler() {
			ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
			scheduler.setTaskDecorator(new TargetTaskDecorator());
			return scheduler;
		}

		@Bean
		ThreadPoolTaskScheduler removingScheduler() {
			ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
			scheduler.setRemoveOnCancelPolicy(true);
			return scheduler;
		}

	}

	record Happened() {
	}

	record Ordered() {
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAsync
	static class AsyncMethods {

		static final BlockingQueue<String> found = new LinkedBlockingQueue<>();

		private final Where where;

		AsyncMethods(Where where) {
			this.where = where;
		}

		@Async
		CompletableFuture<String> future() {
			return CompletableFuture.completedFuture(this.where.find());
		}

		@Async
		void returnsNothing() {
			found.add(this.where.find());
		}

		@Async("other")
		CompletableFuture<String> onAnotherExecutor() {
			return CompletableFuture.completedFuture(this.where.find());
		}

		@Async
		@Tenant("porto")
		CompletableFuture<String> ofPorto() {
			return CompletableFuture.completedFuture(this.where.find());
		}

		@Async
		@Tenant("#tenant")
		CompletableFuture<String> of(String tenant) {
			return CompletableFuture.completedFuture(this.where.find());
		}

		@Async
		@TransactionalEventListener
		void afterCommit(Ordered event) {
			found.add("after commit in " + this.where.find());
		}

		@Bean(defaultCandidate = false)
		static SimpleAsyncTaskExecutor other() {
			return new SimpleAsyncTaskExecutor("other-");
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableAsync
	static class Later {

		private final Where where;

		Later(Where where) {
			this.where = where;
		}

		@Async
		CompletableFuture<String> find() {
			return CompletableFuture.completedFuture(this.where.find());
		}

	}

	@Configuration(proxyBeanMethods = false)
	@Import(Later.class)
	static class Nothing {

	}

	@Configuration(proxyBeanMethods = false)
	@Import(Later.class)
	static class OwnScheduler {

		@Bean
		ThreadPoolTaskScheduler jobs() {
			return new ThreadPoolTaskScheduler();
		}

	}

	@Configuration(proxyBeanMethods = false)
	@Import(Later.class)
	static class OwnService {

		@Bean
		ExecutorService pool() {
			return Executors.newSingleThreadExecutor();
		}

	}

	@Tenant("porto")
	static class LaterWork {

		private final Where where;

		private final Executor executor;

		LaterWork(Where where, @Qualifier("other") Executor executor) {
			this.where = where;
			this.executor = executor;
		}

		Mono<String> mono() {
			return Mono.fromCallable(this.where::find);
		}

		Stream<String> stream() {
			return Stream.of(1).map((i) -> this.where.find());
		}

		CompletableFuture<String> future() {
			return CompletableFuture.supplyAsync(this.where::find);
		}

		CompletableFuture<String> futureOnSpringsExecutor() {
			return CompletableFuture.supplyAsync(this.where::find, this.executor);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class AsyncEvents {

		private final Where where;

		AsyncEvents(Where where) {
			this.where = where;
		}

		@EventListener
		void on(Happened event) {
			AsyncMethods.found.add("listener in " + this.where.find());
		}

		@Bean
		static SimpleApplicationEventMulticaster applicationEventMulticaster(@Qualifier("other") Executor other) {
			SimpleApplicationEventMulticaster multicaster = new SimpleApplicationEventMulticaster();
			multicaster.setTaskExecutor(other);
			return multicaster;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableScheduling
	static class ScheduledMethods {

		static final BlockingQueue<String> found = new LinkedBlockingQueue<>();

		static final BlockingQueue<String> ofTenant = new LinkedBlockingQueue<>();

		private final Where where;

		private final JdbcClient jdbc;

		ScheduledMethods(Where where, JdbcClient jdbc) {
			this.where = where;
			this.jdbc = jdbc;
		}

		@Scheduled(initialDelay = 1)
		void withoutTenant() {
			found.add(this.where.find());
			this.jdbc.sql("select name from here").query(String.class).single();
		}

		@Tenant("porto")
		@Scheduled(fixedDelay = 200)
		public void ofPorto() {
			ofTenant.add(this.where.find());
		}

	}

}
