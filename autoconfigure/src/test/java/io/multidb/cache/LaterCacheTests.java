package io.multidb.cache;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.cache.autoconfigure.CacheAutoConfiguration;
import org.springframework.boot.cache.autoconfigure.CacheManagerCustomizer;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.cache.Cache;
import org.springframework.cache.CacheManager;
import org.springframework.cache.annotation.CacheEvict;
import org.springframework.cache.annotation.CachePut;
import org.springframework.cache.annotation.Cacheable;
import org.springframework.cache.annotation.EnableCaching;
import org.springframework.cache.caffeine.CaffeineCacheManager;
import org.springframework.cache.concurrent.ConcurrentMapCache;
import org.springframework.cache.interceptor.CacheResolver;
import org.springframework.cache.support.SimpleCacheManager;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.env.Environment;

import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbCacheAutoConfiguration;
import io.multidb.routing.TenantMappings;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * {@code @Cacheable} and its like on what is there only later, when another thread has
 * it, with or without a target of its own.
 */
class LaterCacheTests {

	private static final String[] NONE = {};

	private static final String[] ASYNCHRONOUS_CAFFEINE = { "spring.cache.type=caffeine", "test.async=true" };

	@TempDir
	private Path directory;

	@ParameterizedTest
	@CsvSource({ "porto,", "porto, porto", ",", ", porto" })
	void aFutureIsKeptForWhoAskedWhoeverCompletesIt(String completing, String noTenant) {
		run((names, caches) -> {
			CompletableFuture<String> asked = TenantContext.call("lisbon", () -> names.name(1));
			names.complete(completing, "of lisbon");
			assertThat(got(asked)).isEqualTo("of lisbon");
			assertThat(TenantContext.call("porto", () -> names.name(1))).as("porto asks itself").isNotDone();
			assertThat(got(TenantContext.call("lisbon", () -> names.name(1)))).isEqualTo("of lisbon");
		}, noTenant(noTenant));
	}

	@Test
	void whatAPartOfACallLooksUpForAnotherIsTheOthers() {
		run((names, caches) -> {
			TenantContext.run("lisbon", () -> cache(caches).put("label", "of lisbon"));
			TenantContext.run("porto", () -> cache(caches).put("label", "of porto"));
			CompletableFuture<String> asked = TenantContext.call("lisbon", () -> names.nameByLabelOf("porto"));
			names.complete("", "name of lisbon");
			assertThat(got(asked)).isEqualTo("name of lisbon");
			assertThat(kept(caches, "lisbon", "of porto")).as("by the label that porto has")
				.isEqualTo("name of lisbon");
		}, noTenant(null));
	}

	@ParameterizedTest
	@CsvSource({ "porto,", "porto, porto", ",", ", porto" })
	void aFutureIsPutAndEvictedForWhoAsked(String completing, String noTenant) {
		run((names, caches) -> {
			for (String tenant : List.of("lisbon", "porto")) {
				TenantContext.run(tenant, () -> cache(caches).put(5, "old of " + tenant));
			}
			CompletableFuture<String> put = TenantContext.call("lisbon", () -> names.rename(5));
			names.complete(completing, "new of lisbon");
			got(put);
			assertThat(kept(caches, "lisbon", 5)).isEqualTo("new of lisbon");
			assertThat(kept(caches, "porto", 5)).isEqualTo("old of porto");
			CompletableFuture<String> evicted = TenantContext.call("lisbon", () -> names.forget(5));
			names.complete(completing, "");
			got(evicted);
			assertThat(kept(caches, "lisbon", 5)).isNull();
			CompletableFuture<String> all = TenantContext.call("porto", names::forgetAll);
			names.complete("lisbon", "");
			got(all);
			assertThat(kept(caches, "porto", 5)).isNull();
		}, noTenant(noTenant));
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "porto" })
	void aFutureThatACacheMakesItselfIsMadeForWhoAsked(String noTenant) {
		for (String[] cache : List.of(NONE, ASYNCHRONOUS_CAFFEINE)) {
			run((names, caches) -> {
				for (String tenant : List.of("lisbon", "porto", "lisbon")) {
					assertThat(got(TenantContext.call(tenant, () -> names.whoseInStep(1)))).isEqualTo(tenant);
					assertThat(TenantContext.call(tenant, () -> names.whoseMonoInStep(1)).block()).isEqualTo(tenant);
					assertThat(got(
							TenantContext.call(tenant, () -> cache(caches).retrieve("code", LaterCacheTests::whose))))
						.isEqualTo(tenant);
				}
			}, with(cache, noTenant(noTenant)));
		}
	}

	/** As Redis does, whose client answers on a thread of its own. */
	@ParameterizedTest
	@ValueSource(strings = { "", "porto" })
	void whatACacheDoesNotHaveAfterAllIsMadeForWhoAsked(String noTenant) {
		run((names, caches) -> {
			CompletableFuture<String> asked = TenantContext.call("lisbon", () -> names.whose(1));
			assertThat(asked).isNotDone();
			LateCache.answers.remove().complete(null);
			assertThat(got(asked)).isEqualTo("lisbon");
			assertThat(kept(caches, "lisbon", "whose 1")).isEqualTo("lisbon");
			assertThat(kept(caches, "porto", "whose 1")).isNull();
		}, with(new String[] { "test.late=true" }, noTenant(noTenant)));
	}

	@ParameterizedTest
	@CsvSource({ "porto,", "porto, porto", ",", ", porto" })
	void aPublisherIsKeptForWhoAskedWhoeverCompletesIt(String completing, String noTenant) {
		run((names, caches) -> {
			List<String> got = new ArrayList<>();
			TenantContext.run("lisbon", () -> names.mono(1).subscribe(got::add));
			TenantContext.run("lisbon", () -> names.flux(2).subscribe(got::add));
			names.complete(completing, "of lisbon");
			names.complete(completing, "of lisbon, too");
			assertThat(got).containsExactly("of lisbon", "of lisbon, too");
			assertThat(kept(caches, "lisbon", 1)).isEqualTo("of lisbon");
			assertThat(kept(caches, "lisbon", 2)).isEqualTo(List.of("of lisbon, too"));
			assertThat(kept(caches, "porto", 1)).isNull();
			assertThat(kept(caches, "porto", 2)).isNull();
			TenantContext.run("porto", () -> cache(caches).put(1, "of porto"));
			TenantContext.run("lisbon", () -> names.forgetMono(1).subscribe());
			names.complete(completing, "");
			assertThat(kept(caches, "lisbon", 1)).isNull();
		}, noTenant(noTenant));
	}

	@ParameterizedTest
	@ValueSource(strings = { "lisbon", "porto", "" })
	void aPublisherThatAnotherSubscribesToIsNotKept(String completing) {
		run((names, caches) -> {
			Mono<String> mono = TenantContext.call("lisbon", () -> names.whoseMono(1));
			assertThat(TenantContext.<String, RuntimeException>call("porto", mono::block)).isEqualTo("porto");
			assertThat(mono.block()).isEqualTo("null");
			List<String> got = new ArrayList<>();
			Mono<String> later = TenantContext.call("lisbon", () -> names.mono(1));
			Flux<String> flux = TenantContext.call("lisbon", () -> names.flux(1));
			TenantContext.run("porto", () -> later.subscribe(got::add));
			TenantContext.run("porto", () -> flux.subscribe(got::add));
			names.complete(completing, "of porto");
			names.complete(completing, "of porto, too");
			assertThat(got).containsExactly("of porto", "of porto, too");
			assertThat(kept(caches, "lisbon", 1)).isNull();
			assertThat(kept(caches, "porto", 1)).isNull();
			for (String tenant : List.of("lisbon", "porto")) {
				TenantContext.run(tenant, () -> cache(caches).put(1, "of " + tenant));
			}
			Mono<String> forget = TenantContext.call("lisbon", () -> names.forgetMono(1));
			TenantContext.run("porto", () -> forget.subscribe());
			names.complete("porto", "");
			assertThat(kept(caches, "porto", 1)).as("It changed something in porto").isNull();
			assertThat(kept(caches, "lisbon", 1)).isNull();
		}, noTenant("porto"));
	}

	@Test
	void aCacheThatAResolverKeepsIsOfEachCall() {
		run((names, caches) -> {
			CompletableFuture<String> ofLisbon = TenantContext.call("lisbon", () -> names.nameByResolver(1));
			CompletableFuture<String> ofPorto = TenantContext.call("porto", () -> names.nameByResolver(1));
			names.complete("", "of lisbon");
			names.complete("", "of porto");
			assertThat(got(ofLisbon)).isEqualTo("of lisbon");
			assertThat(got(ofPorto)).isEqualTo("of porto");
			assertThat(kept(caches, "lisbon", 1)).isEqualTo("of lisbon");
			assertThat(kept(caches, "porto", 1)).isEqualTo("of porto");
		});
	}

	@Test
	void aCacheThatTheMethodKeepsFollowsTheThread() {
		run((names, caches) -> {
			CompletableFuture<String> asked = TenantContext.call("lisbon", () -> names.name(1));
			assertThat(asked).isNotDone();
			TenantContext.run("porto", () -> names.kept().put("key", "of porto"));
			assertThat(kept(caches, "lisbon", "key")).isNull();
			assertThat(kept(caches, "porto", "key")).isEqualTo("of porto");
		});
	}

	@Test
	void theTenantOfTheMethodItselfCounts() {
		run((names, caches) -> {
			CompletableFuture<String> asked = TenantContext.call("lisbon", () -> names.nameInPorto(1));
			names.complete("lisbon", "of porto");
			assertThat(got(asked)).isEqualTo("of porto");
			assertThat(kept(caches, "porto", 1)).isEqualTo("of porto");
			assertThat(kept(caches, "lisbon", 1)).isNull();
		});
	}

	@Test
	void whatIsMadeWhileTheTenantIsMappedElsewhereIsNotKept() {
		for (String[] cache : List.of(NONE, ASYNCHRONOUS_CAFFEINE)) {
			run((names, caches) -> {
				TenantContext.run("lisbon", () -> {
					assertThat(got(cache(caches).retrieve("key", () -> {
						names.map("lisbon", "porto");
						return CompletableFuture.completedFuture("of porto");
					}))).isEqualTo("of porto");
				});
				for (String source : List.of("lisbon", "porto")) {
					SourceContext.run(source, () -> assertThat(cache(caches).get("key")).isNull());
				}
			}, cache);
		}
	}

	private static CompletableFuture<String> whose() {
		return CompletableFuture.completedFuture(String.valueOf(TenantContext.current()));
	}

	private static String[] noTenant(String source) {
		return (source == null || source.isEmpty()) ? NONE : new String[] { "app.tenancy.no-tenant=" + source };
	}

	private static String[] with(String[] some, String[] others) {
		List<String> all = new ArrayList<>(List.of(some));
		all.addAll(List.of(others));
		return all.toArray(String[]::new);
	}

	private static Cache cache(CacheManager caches) {
		return Objects.requireNonNull(caches.getCache("names"));
	}

	private static Object kept(CacheManager caches, String tenant, Object key) {
		Cache.ValueWrapper found = TenantContext.call(tenant, () -> cache(caches).get(key));
		return (found != null) ? found.get() : null;
	}

	private static <T> T got(CompletableFuture<T> future) {
		try {
			return future.get(20, TimeUnit.SECONDS);
		}
		catch (InterruptedException | ExecutionException | TimeoutException ex) {
			throw new AssertionError(ex);
		}
	}

	private interface Check {

		void accept(Names names, CacheManager caches);

	}

	private void run(Check check, String... properties) {
		new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
					MultiDbCacheAutoConfiguration.class, CacheAutoConfiguration.class))
			.withUserConfiguration(Caching.class)
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"spring.cache.type=simple", "spring.cache.cache-names=names")
			.withPropertyValues(properties)
			.run((context) -> check.accept(context.getBean(Names.class), context.getBean(CacheManager.class)));
	}

	static class Names {

		private final CacheManager caches;

		private final Queue<CompletableFuture<String>> pending = new ConcurrentLinkedQueue<>();

		private Cache kept;

		private final TenantMappings mappings;

		Names(CacheManager caches, TenantMappings mappings) {
			this.caches = caches;
			this.mappings = mappings;
		}

		void map(String tenant, String source) {
			this.mappings.map(tenant, source);
		}

		Cache kept() {
			return this.kept;
		}

		/** On a thread that works for another tenant, or for none. */
		void complete(String tenant, String value) {
			CompletableFuture<String> next = this.pending.remove();
			CompletableFuture<Void> done = CompletableFuture.runAsync(() -> {
				if (tenant == null || tenant.isEmpty()) {
					next.complete(value);
				}
				else {
					TenantContext.run(tenant, () -> next.complete(value));
				}
			}, ForkJoinPool.commonPool());
			got(done);
		}

		private CompletableFuture<String> later() {
			CompletableFuture<String> later = new CompletableFuture<>();
			this.pending.add(later);
			return later;
		}

		@Cacheable("names")
		CompletableFuture<String> name(int id) {
			this.kept = this.caches.getCache("names");
			return later();
		}

		@Cacheable(cacheNames = "names", key = "#root.target.labelOf(#tenant)")
		CompletableFuture<String> nameByLabelOf(String tenant) {
			return later();
		}

		public String labelOf(String tenant) {
			return TenantContext.call(tenant, () -> String.valueOf(cache(this.caches).get("label", String.class)));
		}

		@Cacheable(cacheNames = "names", cacheResolver = "keeping")
		CompletableFuture<String> nameByResolver(int id) {
			return later();
		}

		@Tenant("porto")
		@Cacheable("names")
		CompletableFuture<String> nameInPorto(int id) {
			return later();
		}

		@CachePut("names")
		CompletableFuture<String> rename(int id) {
			return later();
		}

		@CacheEvict("names")
		CompletableFuture<String> forget(int id) {
			return later();
		}

		@CacheEvict(cacheNames = "names", allEntries = true)
		CompletableFuture<String> forgetAll() {
			return later();
		}

		@Cacheable(cacheNames = "names", key = "'whose ' + #id", sync = true)
		CompletableFuture<String> whoseInStep(int id) {
			return LaterCacheTests.whose();
		}

		@Cacheable(cacheNames = "names", key = "'whose ' + #id")
		CompletableFuture<String> whose(int id) {
			return LaterCacheTests.whose();
		}

		@Cacheable(cacheNames = "names", key = "'whose mono ' + #id", sync = true)
		Mono<String> whoseMonoInStep(int id) {
			return Mono.fromCallable(() -> String.valueOf(Target.current().tenant()));
		}

		@Cacheable("names")
		Mono<String> whoseMono(int id) {
			return Mono.fromCallable(() -> String.valueOf(Target.current().tenant()));
		}

		@Cacheable("names")
		Mono<String> mono(int id) {
			return Mono.fromFuture(later());
		}

		@Cacheable("names")
		Flux<String> flux(int id) {
			return Mono.fromFuture(later()).flux();
		}

		@CacheEvict("names")
		Mono<String> forgetMono(int id) {
			return Mono.fromFuture(later());
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableCaching
	@Import(Names.class)
	static class Caching {

		@Bean
		static CacheResolver keeping(CacheManager caches) {
			Map<String, Cache> kept = new ConcurrentHashMap<>();
			return (context) -> List.of(kept.computeIfAbsent("names", caches::getCache));
		}

		@Bean
		static CacheManagerCustomizer<CaffeineCacheManager> asynchronous(Environment environment) {
			return (caches) -> caches.setAsyncCacheMode(environment.containsProperty("test.async"));
		}

		@Bean
		@ConditionalOnProperty("test.late")
		static CacheManager lateCaches() {
			SimpleCacheManager caches = new SimpleCacheManager();
			caches.setCaches(List.of(new LateCache("names")));
			return caches;
		}

	}

	static class LateCache extends ConcurrentMapCache {

		static final Queue<CompletableFuture<?>> answers = new ConcurrentLinkedQueue<>();

		LateCache(String name) {
			super(name);
		}

		@Override
		public CompletableFuture<?> retrieve(Object key) {
			CompletableFuture<?> answer = new CompletableFuture<>();
			answers.add(answer);
			return answer;
		}

	}

}
