package io.multidb.web;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.stream.Stream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.http.MediaType;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.context.request.async.DeferredResult;
import org.springframework.web.context.request.async.WebAsyncTask;
import org.springframework.web.servlet.config.annotation.AsyncSupportConfigurer;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;
import org.springframework.web.servlet.mvc.method.annotation.ResponseBodyEmitter;
import org.springframework.web.servlet.mvc.method.annotation.StreamingResponseBody;

import io.multidb.NoTenantException;
import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.source.Race;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Requests that a real Tomcat answers on more than one thread, with few threads that are
 * used again and again.
 */
class AsyncWebTests {

	private static final String NONE = "no tenant";

	private static final List<String> PATHS = List.of("/callable", "/web-async-task", "/stream", "/deferred", "/future",
			"/emitter");

	@TempDir
	private Path directory;

	private WebApplication application;

	@AfterEach
	void stop() {
		Hooks.disableAutomaticContextPropagation();
		if (this.application != null) {
			this.application.close();
		}
	}

	@Test
	void asynchronousWorkIsForTheRequestsTenant() throws IOException {
		start(Application.class);
		everyPathReachesItsTenant(PATHS);
	}

	@Test
	void asynchronousWorkIsForTheRequestsTenantOnAnExecutorOfAnyMake() throws IOException {
		start(OwnMvcExecutor.class);
		everyPathReachesItsTenant(PATHS);
	}

	@Test
	@EnabledForJreRange(min = JRE.JAVA_21)
	void asynchronousWorkIsForTheRequestsTenantOnVirtualThreads() throws IOException {
		start(Application.class, "spring.threads.virtual.enabled=true");
		everyPathReachesItsTenant(PATHS);
	}

	@ParameterizedTest
	@ValueSource(classes = { Application.class, OwnMvcExecutor.class })
	void manyRequestsNeverReachEachOthersDatabase(Class<?> application) throws Exception {
		start(application);
		List<Object> outcomes = Race.run(8, () -> {
			Random random = new Random();
			for (int i = 0; i < 40; i++) {
				String tenant = List.of("lisbon", "porto", NONE).get(random.nextInt(3));
				String path = PATHS.get(random.nextInt(PATHS.size()));
				assertThat(get(path, tenant).body()).as(path).contains("<" + tenant + ">");
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
	}

	@ParameterizedTest
	@ValueSource(classes = { Application.class, OwnMvcExecutor.class })
	void scopeForgottenInACallableFailsTheRequestAndReachesNoOther(Class<?> application) throws IOException {
		start(application);
		for (int i = 0; i < 5; i++) {
			assertThat(get("/forget", "lisbon").status()).isEqualTo(500);
			assertThat(get("/callable", NONE).body()).contains("<" + NONE + ">");
			assertThat(get("/now", NONE).body()).contains("<" + NONE + ">");
		}
	}

	@ParameterizedTest
	@ValueSource(classes = { Application.class, OwnMvcExecutor.class })
	void failedWorkLeavesNothingBehind(Class<?> application) throws IOException {
		start(application);
		for (int i = 0; i < 5; i++) {
			assertThat(get("/fail", "lisbon").status()).isEqualTo(500);
			assertThat(get("/callable", NONE).body()).contains("<" + NONE + ">");
			assertThat(get("/now", NONE).body()).contains("<" + NONE + ">");
		}
	}

	@Test
	void tenantThatAControllerEnteredEndsBeforeItsCallable() throws IOException {
		start(OwnMvcExecutor.class);
		assertThat(get("/callable/porto", "lisbon").body()).contains("<lisbon>");
	}

	@Test
	void publishersAreForTheRequestsTenantWhereReactorPropagatesContext() throws IOException {
		start(Application.class, "spring.reactor.context-propagation=auto");
		everyPathReachesItsTenant(List.of("/mono", "/flux", "/flux-stream"));
	}

	@Test
	void publishersHaveNoTenantOnOtherThreadsWhereReactorDoesNotPropagateContext() throws IOException {
		start(Application.class);
		for (String path : List.of("/mono", "/flux", "/flux-stream")) {
			assertThat(get(path, "lisbon").body()).as(path).contains("<" + NONE + ">").doesNotContain("<lisbon>");
		}
	}

	private void everyPathReachesItsTenant(List<String> paths) throws IOException {
		for (String tenant : List.of("lisbon", "porto", NONE, "lisbon")) {
			for (String path : paths) {
				RawHttp response = get(path, tenant);
				assertThat(response.body()).as(path).contains("<" + tenant + ">");
				assertThat(response.body()).as(path)
					.doesNotContain(List.of("lisbon", "porto", NONE)
						.stream()
						.filter((other) -> !other.equals(tenant))
						.toList());
				String whenWritten = NONE.equals(tenant) ? "null" : tenant;
				assertThat(response.headers().getOrDefault("x-tenant-when-written", whenWritten)).as(path)
					.isEqualTo(whenWritten);
			}
		}
	}

	private void start(Class<?> application, String... properties) {
		String[] all = { "server.tomcat.threads.max=3", "spring.task.execution.pool.core-size=2",
				"app.tenancy.web.resolvers=header", "spring.liquibase.enabled=false" };
		this.application = WebApplication.start(this.directory,
				List.of(application, Endpoints.class, WebApplication.LateTenant.class),
				Stream.of(all, properties).flatMap(Arrays::stream).toArray(String[]::new));
	}

	private RawHttp get(String path, String tenant) throws IOException {
		return NONE.equals(tenant) ? this.application.get(path) : this.application.get(path, "X-Tenant-Id: " + tenant);
	}

	@Configuration(proxyBeanMethods = false)
	static class Application {

		Application(SourceRegistry registry) throws Exception {
			for (String name : List.of("lisbon", "porto")) {
				Sources.execute(registry.get(name), "create table here as select '" + name + "' as name");
			}
		}

	}

	/** An executor that nothing of ours has ever seen. */
	@Configuration(proxyBeanMethods = false)
	@Import(Application.class)
	static class OwnMvcExecutor implements WebMvcConfigurer {

		@Override
		public void configureAsyncSupport(AsyncSupportConfigurer configurer) {
			ThreadPoolTaskExecutor executor = new ThreadPoolTaskExecutor();
			executor.setCorePoolSize(1);
			executor.setDaemon(true);
			executor.setThreadNamePrefix("own-mvc-");
			executor.initialize();
			configurer.setTaskExecutor(executor);
		}

	}

	@RestController
	static class Endpoints {

		private final JdbcClient jdbc;

		private final Executor executor;

		Endpoints(JdbcClient jdbc, @Qualifier("applicationTaskExecutor") Executor executor) {
			this.jdbc = jdbc;
			this.executor = executor;
		}

		@GetMapping("/now")
		String now() {
			return where();
		}

		@GetMapping("/callable")
		Callable<String> callable() {
			return this::where;
		}

		@GetMapping("/callable/porto")
		Callable<String> callableOfAController() {
			// Ends with the controller, so the request's tenant is what goes along.
			return TenantContext.call("porto", () -> this::where);
		}

		@GetMapping("/web-async-task")
		WebAsyncTask<String> webAsyncTask() {
			return new WebAsyncTask<>(null, new SimpleAsyncTaskExecutor("own-"), this::where);
		}

		@GetMapping("/stream")
		StreamingResponseBody stream() {
			return (body) -> body.write(where().getBytes(StandardCharsets.UTF_8));
		}

		@GetMapping("/deferred")
		DeferredResult<String> deferred() {
			DeferredResult<String> result = new DeferredResult<>();
			this.executor.execute(() -> result.setResult(where()));
			return result;
		}

		@GetMapping("/future")
		CompletableFuture<String> future() {
			return CompletableFuture.supplyAsync(this::where, this.executor);
		}

		@GetMapping("/emitter")
		ResponseBodyEmitter emitter() {
			ResponseBodyEmitter emitter = new ResponseBodyEmitter();
			this.executor.execute(() -> {
				try {
					emitter.send(where());
					emitter.complete();
				}
				catch (IOException ex) {
					emitter.completeWithError(ex);
				}
			});
			return emitter;
		}

		@GetMapping("/forget")
		Callable<String> forget() {
			return () -> {
				Scope forgotten = TenantContext.enter("porto");
				return (forgotten != null) ? "forgotten" : "";
			};
		}

		@GetMapping("/fail")
		Callable<String> fail() {
			return () -> {
				throw new IllegalStateException("on purpose");
			};
		}

		@GetMapping("/mono")
		Mono<String> mono() {
			return Mono.fromCallable(this::where).subscribeOn(Schedulers.boundedElastic());
		}

		@GetMapping("/flux")
		Mono<List<String>> flux() {
			return Flux.range(1, 20)
				.publishOn(Schedulers.parallel())
				.flatMap((i) -> Mono.fromCallable(this::where).subscribeOn(Schedulers.boundedElastic()))
				.collectList();
		}

		@GetMapping(path = "/flux-stream", produces = MediaType.TEXT_EVENT_STREAM_VALUE)
		Flux<String> fluxStream() {
			return Flux.range(1, 20).publishOn(Schedulers.boundedElastic()).map((i) -> where());
		}

		private String where() {
			try {
				return "<" + this.jdbc.sql("select name from here").query(String.class).single() + ">";
			}
			catch (RuntimeException ex) {
				assertThat(ex).hasRootCauseInstanceOf(NoTenantException.class);
				return "<" + NONE + ">";
			}
		}

	}

}
