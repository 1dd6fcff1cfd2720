package io.multidb.cache;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

import javax.sql.DataSource;

import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.cache.autoconfigure.CacheAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.cache.Cache;
import org.springframework.cache.CacheManager;
import org.springframework.cache.annotation.CacheEvict;
import org.springframework.cache.annotation.CachePut;
import org.springframework.cache.annotation.Cacheable;
import org.springframework.cache.annotation.CachingConfigurer;
import org.springframework.cache.annotation.EnableCaching;
import org.springframework.cache.caffeine.CaffeineCacheManager;
import org.springframework.cache.concurrent.ConcurrentMapCache;
import org.springframework.cache.concurrent.ConcurrentMapCacheManager;
import org.springframework.cache.interceptor.CacheResolver;
import org.springframework.cache.support.SimpleCacheManager;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbCacheAutoConfiguration;
import io.multidb.routing.SourceDataSource;
import io.multidb.routing.TenantMappings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * {@code @Cacheable} and its like on rows of two sources.
 */
class SourceCacheTests {

	@TempDir
	private Path directory;

	private final List<Class<?>> configurations = new ArrayList<>(List.of(Caching.class));

	@ParameterizedTest
	@ValueSource(strings = { "simple", "caffeine", "jcache" })
	void eachSourceHasItsOwnEntries(String type) {
		run(type, (context, cities) -> {
			for (int round = 0; round < 2; round++) {
				for (String source : List.of("lisbon", "porto")) {
					TenantContext.run(source, () -> {
						assertThat(cities.name(1)).isEqualTo("of " + source);
						assertThat(cities.nameByKey()).isEqualTo("of " + source);
						assertThat(cities.nameInStep(1)).isEqualTo("of " + source);
					});
				}
			}
			assertThat(cities.queries()).isEqualTo(6);
		});
	}

	@Test
	void eachSourceHasItsOwnFutures() {
		run("simple", (context, cities) -> {
			for (String source : List.of("lisbon", "porto", "lisbon")) {
				TenantContext.run(source, () -> assertThat(cities.nameLater(1).join()).isEqualTo("of " + source));
			}
			assertThat(cities.queries()).isEqualTo(2);
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "simple", "caffeine", "jcache" })
	void twoTenantsOfOneSourceShareEntries(String type) {
		run(type, (context, cities) -> {
			TenantContext.run("lisbon", () -> cities.name(1));
			TenantContext.run("belem", () -> cities.name(1));
			assertThat(cities.queries()).isEqualTo(1);
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "simple", "caffeine", "jcache" })
	void whoTellsTenantsOfOneSourceApartHasThemApartInCachesToo(String type) {
		this.configurations.add(TenantIds.class);
		run(type, (context, cities) -> {
			TenantContext.run("lisbon", () -> cities.rename(1, "lisbon's own"));
			TenantContext.run("belem", () -> assertThat(cities.name(1)).isEqualTo("of lisbon"));
			TenantContext.run("lisbon", () -> assertThat(cities.name(1)).isEqualTo("lisbon's own"));
			assertThat(cities.queries()).isEqualTo(1);
			Cache names = cache(context.getBean(CacheManager.class), "names");
			for (String tenant : List.of("lisbon", "belem")) {
				TenantContext.run(tenant, () -> names.put("key", "of " + tenant));
			}
			for (String tenant : List.of("lisbon", "belem")) {
				TenantContext.run(tenant, () -> assertThat(names.get("key", String.class)).isEqualTo("of " + tenant));
			}
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "simple", "caffeine", "jcache" })
	void puttingAndEvictingConcernTheCurrentSource(String type) {
		run(type, (context, cities) -> {
			TenantContext.run("lisbon", () -> cities.rename(1, "new"));
			TenantContext.run("porto", () -> assertThat(cities.name(1)).isEqualTo("of porto"));
			TenantContext.run("lisbon", () -> assertThat(cities.name(1)).isEqualTo("new"));
			TenantContext.run("porto", () -> cities.forget(1));
			TenantContext.run("lisbon", () -> assertThat(cities.name(1)).isEqualTo("new"));
			TenantContext.run("lisbon", () -> cities.forget(1));
			TenantContext.run("lisbon", () -> assertThat(cities.name(1)).isEqualTo("of lisbon"));
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "simple", "caffeine", "jcache" })
	void aSourceAddedAnewUnderItsNameHasNothingOfTheFormer(String type) {
		run(type, (context, cities) -> {
			TenantContext.run("porto", () -> {
				assertThat(cities.name(1)).isEqualTo("of porto");
				assertThat(cities.nameByKey()).isEqualTo("of porto");
			});
			replacePorto(context);
			for (int round = 0; round < 2; round++) {
				TenantContext.run("porto", () -> {
					assertThat(cities.name(1)).isEqualTo("of the new porto");
					assertThat(cities.nameByKey()).isEqualTo("of the new porto");
				});
			}
			assertThat(cities.queries()).isEqualTo(4);
		});
	}

	@Test
	void whatWasReadFromASourceThatIsReplacedMeanwhileIsNotKept() {
		run("simple", (context, cities) -> {
			Cache names = cache(context.getBean(CacheManager.class), "names");
			TransactionTemplate transaction = new TransactionTemplate(
					new JdbcTransactionManager(context.getBean(DataSource.class)));
			TenantContext.run("porto", () -> transaction.executeWithoutResult((status) -> {
				assertThat(cities.greeting()).isEqualTo("hello porto");
				assertThat(cities.nameUncached(1)).isEqualTo("of porto");
				replacePorto(context);
				// The transaction goes on in what it began in.
				assertThat(cities.name(1)).isEqualTo("of porto");
				assertThat(cities.nameInStep(1)).isEqualTo("of porto");
				assertThat(cities.nameLater(1).join()).isEqualTo("of porto");
				assertThat(names.putIfAbsent("key", "of porto")).isNull();
				assertThat(names.get("key other", () -> "of porto")).isEqualTo("of porto");
				assertThatThrownBy(() -> names.get("key failing", () -> {
					throw new IllegalStateException();
				})).isInstanceOf(Cache.ValueRetrievalException.class);
			}));
			TenantContext.run("porto", () -> {
				assertThat(cities.name(1)).isEqualTo("of the new porto");
				assertThat(cities.nameInStep(1)).isEqualTo("of the new porto");
				assertThat(cities.nameLater(1).join()).isEqualTo("of the new porto");
				assertThat(names.get("key")).isNull();
				assertThat(names.get("key other")).isNull();
			});
		});
	}

	@Test
	void aSourceThatIsReplacedWhileSomethingIsPutGetsNothing() {
		ConcurrentMapCache entries = new ConcurrentMapCache("names");
		for (Consumer<Cache> use : List.<Consumer<Cache>>of((cache) -> cache.put("key", "of porto"),
				(cache) -> cache.putIfAbsent("key", "of porto"), (cache) -> cache.get("key", () -> "of porto"))) {
			use.accept(new SourceCache(entries, new ReplacedWhenAsked()));
			assertThat(entries.getNativeCache().keySet()).isSubsetOf("porto:key");
			entries.clear();
		}
	}

	@Test
	void aWriterWhoseSourceIsReplacedMeanwhileLeavesNothingOutOfDate() {
		run("simple", (context, cities) -> TenantContext.run("porto", () -> {
			assertThat(cities.name(1)).isEqualTo("of porto");
			replacePorto(context);
			Target before = Target.current();
			try (Scope scope = Target.none().enter(); Scope later = TenantContext.enter("porto")) {
				assertThat(Target.current()).isNotSameAs(before);
				assertThat(cities.name(1)).isEqualTo("of the new porto");
			}
			cities.rename(1, "renamed");
			try (Scope scope = Target.none().enter(); Scope later = TenantContext.enter("porto")) {
				assertThat(cities.name(1)).as("Read again").isEqualTo("of the new porto");
			}
			assertThat(cities.queries()).isEqualTo(3);
		}));
	}

	@Test
	void aTemplatesSourceThatIsClosedAndOpenedAgainKeepsItsEntries() {
		run("simple", (context, cities) -> {
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			TenantContext.run("village-1", () -> fill(context.getBean(JdbcClient.class), "village-1"));
			TenantContext.run("village-1", () -> assertThat(cities.name(1)).isEqualTo("of village-1"));
			assertThat(registry.drain("village-1")).isTrue();
			TenantContext.run("village-1", () -> assertThat(cities.name(1)).isEqualTo("of village-1"));
			assertThat(cities.queries()).isEqualTo(1);
		}, "app.datasources.village.url=jdbc:sqlite:" + this.directory + "/{id}.db",
				"app.datasources.village.create=on-first-use", "app.tenancy.routes[2].tenants=village-{id}",
				"app.tenancy.routes[2].source=village");
	}

	private void replacePorto(AssertableApplicationContext context) {
		SourceRegistry registry = context.getBean(SourceRegistry.class);
		registry.remove("porto");
		registry.add(SourceDefinition.named("porto").url("jdbc:sqlite:" + this.directory.resolve("new.db")).build());
		fill(JdbcClient.create(new SourceDataSource(registry, "porto")), "the new porto");
	}

	private static void fill(JdbcClient jdbc, String name) {
		int unused = jdbc.sql("create table city (id integer, name varchar(20))").update();
		unused = jdbc.sql("insert into city values (1, ?)").param("of " + name).update();
	}

	@ParameterizedTest
	@CsvSource({ "simple, 1", "caffeine, 1", "jcache, 2" })
	void clearingConcernsTheCurrentSourceWhereEntriesCanBeToldApart(String type, int queriesAfter) {
		run(type, (context, cities) -> {
			for (String source : List.of("lisbon", "porto")) {
				TenantContext.run(source, () -> cities.name(1));
			}
			TenantContext.run("lisbon", cities::forgetAll);
			cities.reset();
			for (String source : List.of("lisbon", "porto")) {
				TenantContext.run(source, () -> cities.name(1));
			}
			assertThat(cities.queries()).isEqualTo(queriesAfter);
		});
	}

	@Test
	void whatIsReadWhileTheTenantIsMappedElsewhereIsNotKept() {
		run("simple", (context, cities) -> {
			TenantMappings mappings = context.getBean(TenantMappings.class);
			Cache names = cache(context.getBean(CacheManager.class), "names");
			TenantContext.run("lisbon", () -> {
				assertThat(names.get("key", () -> {
					mappings.map("lisbon", "porto");
					return TenantContext.call("lisbon", () -> cities.name(1));
				})).isEqualTo("of porto");
				names.put("other", "of porto");
			});
			for (String source : List.of("lisbon", "porto")) {
				SourceContext.run(source, () -> {
					assertThat(names.get("key")).isNull();
					assertThat(names.get("other")).isNull();
				});
			}
		});
	}

	@Test
	void theTenantOfTheMethodItselfCounts() {
		run("simple", (context, cities) -> {
			assertThat(cities.nameInPorto(1)).isEqualTo("of porto");
			TenantContext.run("lisbon", () -> assertThat(cities.nameInPorto(1)).isEqualTo("of porto"));
			TenantContext.run("lisbon", () -> assertThat(cities.name(1)).isEqualTo("of lisbon"));
			TenantContext.run("porto", () -> assertThat(cities.name(1)).isEqualTo("of porto"));
			assertThat(cities.queries()).isEqualTo(2);
		});
	}

	@Test
	void codeThatAsksTheCacheManagerGetsItsSourcesEntries() {
		run("caffeine", (context, cities) -> {
			CacheManager caches = context.getBean(CaffeineCacheManager.class);
			TenantContext.run("lisbon", () -> cache(caches, "names").put("key", "of lisbon"));
			TenantContext.run("porto", () -> assertThat(cache(caches, "names").get("key")).isNull());
			// A cache that is kept follows the thread, too.
			Cache kept = cache(caches, "names");
			TenantContext.run("lisbon", () -> assertThat(kept.get("key", String.class)).isEqualTo("of lisbon"));
			assertThat(kept.getName()).isEqualTo("names");
			assertThat(((com.github.benmanes.caffeine.cache.Cache<?, ?>) kept.getNativeCache()).asMap().keySet())
				.map(Object::toString)
				.containsExactly("lisbon:key");
		});
	}

	@Test
	void whatIsCachedWithoutATargetIsNoSources() {
		run("simple", (context, cities) -> {
			assertThat(cities.greeting()).isEqualTo("hello null");
			TenantContext.run("lisbon", () -> assertThat(cities.greeting()).isEqualTo("hello lisbon"));
			assertThat(cities.greeting()).isEqualTo("hello null");
			assertThat(cities.queries()).isEqualTo(2);
		});
	}

	@Test
	void aTenantWithoutSourceIsRefused() {
		run("simple", (context, cities) -> TenantContext.run("nowhere",
				() -> assertThatThrownBy(cities::greeting).isInstanceOf(UnknownTenantException.class)));
	}

	@ParameterizedTest
	@ValueSource(strings = { "names", "*" })
	void aSharedCacheIsShared(String shared) {
		run("simple", (context, cities) -> {
			TenantContext.run("lisbon", () -> cities.name(1));
			TenantContext.run("porto", () -> assertThat(cities.name(1)).isEqualTo("of lisbon"));
		}, "app.tenancy.cache.shared=" + shared);
	}

	@Test
	void cachesOfAResolversOwnAreBySourceToo() {
		this.configurations.add(OwnResolver.class);
		run("simple", (context, cities) -> {
			for (String source : List.of("lisbon", "porto", "lisbon")) {
				TenantContext.run(source, () -> assertThat(cities.nameByResolver(1)).isEqualTo("of " + source));
			}
			assertThat(cities.queries()).isEqualTo(2);
		});
	}

	@ParameterizedTest
	@ValueSource(classes = { ManagerThatIsNoBean.class, ResolverThatIsNoBean.class })
	void cachesOfWhatIsNoBeanAreBySourceToo(Class<?> configurer) {
		this.configurations.add(configurer);
		run("simple", (context, cities) -> {
			for (String source : List.of("lisbon", "porto", "lisbon")) {
				TenantContext.run(source, () -> assertThat(cities.name(1)).isEqualTo("of " + source));
			}
			assertThat(cities.queries()).isEqualTo(2);
		});
	}

	@Test
	void aSharedCacheOfAResolversOwnIsShared() {
		this.configurations.add(OwnResolver.class);
		run("simple", (context, cities) -> {
			TenantContext.run("lisbon", () -> cities.nameByResolver(1));
			TenantContext.run("porto", () -> assertThat(cities.nameByResolver(1)).isEqualTo("of lisbon"));
		}, "app.tenancy.cache.shared=names");
	}

	@Test
	void aCacheManagerThatIsFinalOrAProxyIsWrappedByItsInterfaces() {
		SourceCachePostProcessor processor = new SourceCachePostProcessor(() -> null, () -> null,
				() -> Map.of("a", 1).keySet(), () -> () -> null);
		CacheManager lambda = new FinalCacheManager(new SimpleCacheManager());
		assertThat(processor.postProcessAfterInitialization(lambda, "caches")).isInstanceOf(CacheManager.class);
	}

	private static Cache cache(CacheManager caches, String name) {
		return Objects.requireNonNull(caches.getCache(name));
	}

	/** Is replaced right after it was asked whether it was. */
	private static final class ReplacedWhenAsked implements SourceCache.CurrentSource {

		private String identity = "porto";

		@Override
		public void check() {
		}

		@Override
		public String identity() {
			return this.identity;
		}

		@Override
		public CachedSources.Call ofThisCall() {
			throw new UnsupportedOperationException();
		}

		@Override
		public boolean hasMoved() {
			boolean moved = !this.identity.equals("porto");
			this.identity = "porto#2";
			return moved;
		}

	}

	private interface Check {

		void accept(AssertableApplicationContext context, Cities cities);

	}

	@ParameterizedTest
	@ValueSource(strings = { "simple", "caffeine", "jcache" })
	void whatComesFromAFallbackIsNotKept(String type) throws IOException {
		Path place = Files.createDirectory(this.directory.resolve("place"));
		Path elsewhere = this.directory.resolve("elsewhere");
		run(type, (context, cities) -> {
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			try {
				Files.move(place, elsewhere);
				registry.drain("porto");
				for (int i = 0; i < 2; i++) {
					TenantContext.run("porto", () -> {
						assertThat(cities.name(1)).isEqualTo("of lisbon");
						assertThat(cities.nameByKey()).isEqualTo("of lisbon");
						assertThat(cities.nameInStep(1)).isEqualTo("of lisbon");
					});
				}
				assertThat(cities.queries()).isEqualTo(6);
				Files.move(elsewhere, place);
			}
			catch (IOException ex) {
				throw new UncheckedIOException(ex);
			}
			registry.retry("porto");
			TenantContext.run("porto", () -> {
				assertThat(cities.name(1)).isEqualTo("of porto");
				assertThat(cities.nameByKey()).isEqualTo("of porto");
				assertThat(cities.nameInStep(1)).isEqualTo("of porto");
			});
		}, "app.datasources.porto.url=jdbc:sqlite:" + place.resolve("porto.db"),
				"app.datasources.porto.fallback=lisbon");
	}

	private void run(String type, Check check, String... properties) {
		new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbCacheAutoConfiguration.class,
							DataSourceAutoConfiguration.class, JdbcTemplateAutoConfiguration.class,
							JdbcClientAutoConfiguration.class, CacheAutoConfiguration.class))
			.withUserConfiguration(this.configurations.toArray(Class<?>[]::new))
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"app.tenancy.routes[0].tenants=lisbon,belem", "app.tenancy.routes[0].source=lisbon",
					"app.tenancy.routes[1].tenants=porto", "app.tenancy.routes[1].source=porto",
					"spring.cache.type=" + type, "spring.cache.cache-names=names",
					"spring.cache.jcache.provider=com.github.benmanes.caffeine.jcache.spi.CaffeineCachingProvider")
			.withPropertyValues(properties)
			.run((context) -> {
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				for (String source : List.of("lisbon", "porto")) {
					TenantContext.run(source, () -> fill(jdbc, source));
				}
				check.accept(context, context.getBean(Cities.class));
			});
	}

	static class Cities {

		private final JdbcClient jdbc;

		private int queries;

		Cities(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		int queries() {
			return this.queries;
		}

		void reset() {
			this.queries = 0;
		}

		@Cacheable("names")
		String name(int id) {
			return nameUncached(id);
		}

		String nameUncached(int id) {
			this.queries++;
			return this.jdbc.sql("select name from city where id = ?").param(id).query(String.class).single();
		}

		@Cacheable(cacheNames = "names", key = "'first'")
		String nameByKey() {
			return name(1);
		}

		@Cacheable(cacheNames = "names", key = "'in step ' + #id", sync = true)
		String nameInStep(int id) {
			return name(id);
		}

		@Cacheable(cacheNames = "names", key = "'later ' + #id")
		CompletableFuture<String> nameLater(int id) {
			return CompletableFuture.completedFuture(name(id));
		}

		@Cacheable(cacheNames = "names", cacheResolver = "ownResolver")
		String nameByResolver(int id) {
			return nameUncached(id);
		}

		@Tenant("porto")
		@Cacheable("names")
		String nameInPorto(int id) {
			return name(id);
		}

		@Cacheable("names")
		String greeting() {
			this.queries++;
			return "hello " + TenantContext.current();
		}

		@CachePut(cacheNames = "names", key = "#id")
		String rename(int id, String name) {
			return name;
		}

		@CacheEvict("names")
		void forget(int id) {
		}

		@CacheEvict(cacheNames = "names", allEntries = true)
		void forgetAll() {
		}

	}

	record FinalCacheManager(CacheManager caches) implements CacheManager {

		@Override
		public Cache getCache(String name) {
			return this.caches.getCache(name);
		}

		@Override
		public Collection<String> getCacheNames() {
			return this.caches.getCacheNames();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnResolver {

		@Bean
		static CacheResolver ownResolver() {
			Map<String, Cache> caches = new ConcurrentHashMap<>();
			return (context) -> context.getOperation()
				.getCacheNames()
				.stream()
				.map((name) -> caches.computeIfAbsent(name, ConcurrentMapCache::new))
				.toList();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class ManagerThatIsNoBean implements CachingConfigurer {

		private final CacheManager caches = new ConcurrentMapCacheManager();

		@Override
		public CacheManager cacheManager() {
			return this.caches;
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class ResolverThatIsNoBean implements CachingConfigurer {

		private final CacheResolver resolver = OwnResolver.ownResolver();

		@Override
		public CacheResolver cacheResolver() {
			return this.resolver;
		}

	}

	/** As for a column with {@code @TenantId}. */
	@Configuration(proxyBeanMethods = false)
	static class TenantIds {

		@Bean
		CurrentTenantIdentifierResolver<String> tenantIds() {
			return new CurrentTenantIdentifierResolver<>() {
				@Override
				public String resolveCurrentTenantIdentifier() {
					return "id:" + TenantContext.current();
				}

				@Override
				public boolean validateExistingCurrentSessions() {
					return true;
				}
			};
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableCaching
	@Import(Cities.class)
	static class Caching {

	}

}
