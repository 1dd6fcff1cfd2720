package io.multidb.access;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Stream;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.cache.autoconfigure.CacheAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.cache.annotation.CacheEvict;
import org.springframework.cache.annotation.Cacheable;
import org.springframework.cache.annotation.EnableCaching;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.WrongSourceException;
import io.multidb.autoconfigure.MultiDbAccessAutoConfiguration;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbCacheAutoConfiguration;
import io.multidb.autoconfigure.MultiDbFanOutAutoConfiguration;
import io.multidb.autoconfigure.MultiDbJpaAutoConfiguration;
import io.multidb.autoconfigure.MultiDbTaskAutoConfiguration;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.SourceOutcome;
import io.multidb.routing.TargetAccess;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;
import io.multidb.task.ForEach;
import io.multidb.task.Outcome;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Of whoever may not use a tenant nothing is left that the tenant's name has brought
 * about: no source, no place, no file.
 */
class InventedTenantsTests {

	@TempDir
	private Path directory;

	private final Users users = new Users();

	private final TestGrants grants = new TestGrants().admin("ada", "main");

	private ApplicationContextRunner runner() {
		return new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
					MultiDbAccessAutoConfiguration.class, MultiDbTaskAutoConfiguration.class,
					MultiDbJpaAutoConfiguration.class, MultiDbCacheAutoConfiguration.class,
					MultiDbFanOutAutoConfiguration.class, DataSourceAutoConfiguration.class,
					DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
					JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class, AopAutoConfiguration.class,
					HibernateJpaAutoConfiguration.class, CacheAutoConfiguration.class))
			.withUserConfiguration(Application.class)
			.withBean(CurrentUser.class, () -> this.users)
			.withPropertyValues("spring.jpa.hibernate.ddl-auto=none", "spring.cache.type=simple",
					"app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"),
					"app.datasources.chats-1.url=jdbc:sqlite:" + this.directory.resolve("chats-1.db"),
					"app.datasources.chats-2.url=jdbc:sqlite:" + this.directory.resolve("chats-2.db"),
					"app.datasources.election.url=jdbc:sqlite:" + this.directory + "/election-{id}.db",
					"app.datasources.election.create=explicit",
					"app.datasources.poll.url=jdbc:sqlite:" + this.directory + "/poll-{id}.db",
					"app.datasources.poll.create=on-first-use", "app.tenancy.routes[0].tenants=election-{id}",
					"app.tenancy.routes[0].source=election", "app.tenancy.routes[1].tenants=poll-{id}",
					"app.tenancy.routes[1].source=poll", "app.tenancy.routes[2].tenants=chat-*",
					"app.tenancy.routes[2].sources=chats-1,chats-2", "app.tenancy.routes[3].tenants=*",
					"app.tenancy.routes[3].source={tenant}");
	}

	/** By each way in, for somebody who may nothing. */
	private Map<String, Consumer<String>> ways(ApplicationContext context) {
		JdbcClient jdbc = context.getBean(JdbcClient.class);
		EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
		Service service = context.getBean(Service.class);
		TargetAccess access = context.getBean(TargetAccess.class);
		TransactionTemplate transaction = new TransactionTemplate(context.getBean(PlatformTransactionManager.class));
		Map<String, Consumer<String>> ways = new TreeMap<>();
		ways.put("filter", (tenant) -> access.check(Target.ofTenant(tenant), Operation.READ));
		ways.put("@Tenant", service::work);
		ways.put("@Tenant create", service::create);
		ways.put("connection", (tenant) -> TenantContext.run(tenant, () -> jdbc.sql("select 1").query().singleValue()));
		ways.put("transaction",
				(tenant) -> TenantContext.run(tenant, () -> transaction.executeWithoutResult((status) -> {
				})));
		ways.put("session", (tenant) -> TenantContext.run(tenant, () -> {
			try (EntityManager entities = factory.createEntityManager()) {
				entities.find(Note.class, 1L);
			}
		}));
		ways.put("cache", (tenant) -> TenantContext.run(tenant, service::cached));
		ways.put("eviction", (tenant) -> TenantContext.run(tenant, service::forget));
		ways.put("fan-out", (tenant) -> {
			SourceOutcome outcome = context.getBean(FanOut.class)
				.over(List.of(tenant))
				.query((client) -> client.sql("select 1").query(Integer.class).list())
				.outcomes()
				.get(0);
			if (outcome.status() == SourceOutcome.Status.REFUSED) {
				throw new SourceAccessDeniedException(null, null, tenant, Operation.READ, null);
			}
		});
		return ways;
	}

	private static void refuse(String way, Consumer<String> using, String tenant) {
		assertThatThrownBy(() -> using.accept(tenant)).as(way).satisfies((failure) -> {
			Throwable root = failure;
			while (root.getCause() != null) {
				root = root.getCause();
			}
			assertThat(root).isInstanceOf(SourceAccessDeniedException.class);
		});
	}

	private List<Path> files() throws Exception {
		try (Stream<Path> files = Files.walk(this.directory)) {
			return files.sorted().toList();
		}
	}

	@Test
	void tenThousandWhoAreRefusedLeaveNothing() {
		refuseTenThousand(runner());
	}

	/** With a session factory for each, of which one must be chosen. */
	@Test
	void tenThousandWhoAreRefusedLeaveNothingWhereThereAreTwoProducts() {
		refuseTenThousand(runner().withPropertyValues("app.tenancy.jpa.products=sqlite,postgresql"));
	}

	@Test
	void tenThousandWhoAreRefusedLeaveNothingWhereTheApplicationTellsItsSessionsApart() {
		refuseTenThousand(runner().withBean(CurrentTenantIdentifierResolver.class, SessionOfTenant::new));
	}

	private void refuseTenThousand(ApplicationContextRunner runner) {
		runner.withBean(TestGrants.class, () -> this.grants).run((context) -> {
			assertThat(context).hasNotFailed();
			placeOne(context);
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			List<String> before = registry.sources().stream().map(Source::name).toList();
			List<Path> files = files();
			Map<String, Consumer<String>> ways = ways(context);
			this.users.set("bob");
			for (int i = 0; i < 10_000; i++) {
				String tenant = List.of("election-", "poll-", "chat-").get(i % 3) + i;
				int number = i;
				ways.forEach((way, using) -> {
					// All of them for some, and one of them for each.
					if (number < 30 || way.equals("filter")) {
						refuse(way, using, tenant);
					}
				});
			}
			assertThat(registry.sources()).extracting(Source::name).isEqualTo(before);
			assertThat(registry.get("main").state()).isInstanceOf(SourceState.Cold.class);
			assertThat(files()).isEqualTo(files);
			assertNothingElseIsPlaced(registry);
		});
	}

	@Test
	void whoIsRefusedInsideATransactionLeavesNothingEither() {
		runner().withBean(TestGrants.class, () -> this.grants).run((context) -> {
			placeOne(context);
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			List<String> before = registry.sources().stream().map(Source::name).toList();
			TransactionTemplate transaction = new TransactionTemplate(
					context.getBean(PlatformTransactionManager.class));
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			this.users.set("ada");
			for (String tenant : List.of("election-1", "poll-1", "chat-1")) {
				TenantContext.run("main", () -> transaction.executeWithoutResult((status) -> {
					assertThatThrownBy(
							() -> TenantContext.run(tenant, () -> jdbc.sql("select 1").query().singleValue()));
					assertThatThrownBy(() -> context.getBean(Service.class).work(tenant));
				}));
			}
			assertThat(registry.sources()).extracting(Source::name).isEqualTo(before);
			assertNothingElseIsPlaced(registry);
		});
	}

	/** Of shards, something is recorded once the first tenant is placed. */
	private void placeOne(ApplicationContext context) {
		for (String shard : List.of("chats-1", "chats-2")) {
			this.grants.grant("ada", shard, "chat-ada", Permission.Level.READ);
		}
		this.users.set("ada");
		TenantContext.run("chat-ada", () -> context.getBean(JdbcClient.class).sql("select 1").query().singleValue());
	}

	private static void assertNothingElseIsPlaced(SourceRegistry registry) throws Exception {
		List<String> placed = new ArrayList<>();
		for (String shard : List.of("chats-1", "chats-2")) {
			placed.add(Sources.query(registry.get(shard), "select count(*) from multidb_shard_tenant"));
		}
		assertThat(placed).containsExactlyInAnyOrder("0", "1");
	}

	@Test
	void whoMayReadEverythingButMakeNothingLeavesNothingWhenHeTries() {
		runner()
			.withBean(SourceAccess.class,
					() -> (user, tenant, source, operation) -> (operation == Operation.READ) ? AccessDecision.allow()
							: AccessDecision.deny("Read only."))
			.run((context) -> {
				SourceRegistry registry = context.getBean(SourceRegistry.class);
				List<String> before = registry.sources().stream().map(Source::name).toList();
				for (int i = 0; i < 100; i++) {
					String tenant = "election-" + i;
					assertThatThrownBy(() -> context.getBean(Service.class).create(tenant))
						.isInstanceOf(SourceAccessDeniedException.class);
				}
				assertThat(registry.sources()).extracting(Source::name).isEqualTo(before);
			});
	}

	/** Whatever it would decide, it is asked before anything may be made. */
	@Test
	void aRuleThatReadsFromTheTenantItIsAskedAboutBringsNothingAboutAndIsToldSo() {
		AtomicReference<JdbcClient> reading = new AtomicReference<>();
		runner().withBean(SourceAccess.class, () -> (user, tenant, source, operation) -> {
			JdbcClient jdbc = reading.get();
			if (jdbc != null && tenant != null) {
				TenantContext.run(tenant, () -> jdbc.sql("select 1").query().singleValue());
			}
			return AccessDecision.allow();
		}).run((context) -> {
			placeOne(context);
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			List<String> before = registry.sources().stream().map(Source::name).toList();
			List<Path> files = files();
			reading.set(jdbc);
			for (String tenant : List.of("election-1", "poll-1", "chat-1")) {
				ways(context).forEach((way, using) -> {
					if (!way.equals("fan-out")) {
						assertThatThrownBy(() -> using.accept(tenant)).as(way)
							.hasRootCauseInstanceOf(WrongSourceException.class)
							.hasStackTraceContaining("tenant '" + tenant + "'")
							.hasStackTraceContaining("SourceContext.enter(…)");
					}
				});
			}
			assertThat(registry.sources()).extracting(Source::name).isEqualTo(before);
			assertThat(files()).isEqualTo(files);
			assertNothingElseIsPlaced(registry);
			// Of who has a place, it may ask.
			TenantContext.run("chat-ada", () -> jdbc.sql("select 1").query().singleValue());
		});
	}

	@Test
	void aRuleThatReadsFromTheTenantItIsAskedAboutMakesNoDatabase() {
		AtomicReference<JdbcClient> reading = new AtomicReference<>();
		runner().withBean(SourceAccess.class, () -> (user, tenant, source, operation) -> {
			JdbcClient jdbc = reading.get();
			if (jdbc != null && tenant != null) {
				TenantContext.run(tenant, () -> jdbc.sql("select 1").query().singleValue());
			}
			return AccessDecision.allow();
		}).run((context) -> {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			// As if somebody had asked who may, and found nothing to read.
			context.getBean(SourceRegistry.class).get("poll", "poll-1");
			reading.set(jdbc);
			Consumer<String> work = (tenant) -> TenantContext.run(tenant,
					() -> jdbc.sql("select 1").query().singleValue());
			assertThatThrownBy(() -> work.accept("poll-1")).hasRootCauseInstanceOf(UnknownTenantException.class);
			assertThat(files()).noneMatch((file) -> file.toString().contains("poll"));
			reading.set(null);
			work.accept("poll-1");
			reading.set(jdbc);
			work.accept("poll-1");
		});
	}

	@Test
	void whatIsKeptInACacheIsNotForWhoMayNotRead() {
		runner().withBean(TestGrants.class, () -> this.grants).run((context) -> {
			Service service = context.getBean(Service.class);
			this.users.set("ada");
			assertThat(TenantContext.call("main", service::cached)).isEqualTo("main");
			this.users.set("bob");
			refuse("@Cacheable", (tenant) -> TenantContext.run(tenant, service::cached), "main");
			this.grants.read("bob", "main");
			assertThat(TenantContext.call("main", service::cached)).isEqualTo("main");
		});
	}

	@Test
	void whoMayIsServedAndItsSourceIsKnown() {
		runner().withBean(TestGrants.class, () -> this.grants.admin("ada", "poll-1")).run((context) -> {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			this.users.set("ada");
			TenantContext.run("poll-1", () -> jdbc.sql("create table t (x int)").update());
			SourceContext.run("poll-1", () -> jdbc.sql("insert into t values (1)").update());
			assertThat(context.getBean(SourceRegistry.class).sources()).extracting(Source::name).contains("poll-1");
			assertThat(Sources.query(context.getBean(SourceRegistry.class).get("poll-1"), "select x from t"))
				.isEqualTo("1");
			List<Outcome<Integer>> outcomes = context.getBean(ForEach.class)
				.sources(List.of("poll-1", "poll-2"))
				.call(() -> jdbc.sql("select x from t").query(Integer.class).single());
			assertThat(outcomes.get(0)).isInstanceOf(Outcome.Completed.class);
			assertThat(outcomes.get(1)).isInstanceOf(Outcome.Failed.class);
			assertThat(context.getBean(SourceRegistry.class).find("poll-2")).isNull();
		});
	}

	@Configuration(proxyBeanMethods = false)
	@EnableCaching
	@EntityScan(basePackageClasses = Note.class)
	static class Application {

		@Bean
		Service service() {
			return new Service();
		}

	}

	static class SessionOfTenant implements CurrentTenantIdentifierResolver<String> {

		@Override
		public String resolveCurrentTenantIdentifier() {
			String tenant = TenantContext.current();
			return (tenant != null) ? tenant : "nobody";
		}

		@Override
		public boolean validateExistingCurrentSessions() {
			return true;
		}

	}

	static class Service {

		@Tenant("#tenant")
		public void work(String tenant) {
		}

		@Tenant(value = "#tenant", create = true)
		public void create(String tenant) {
		}

		@Cacheable("names")
		public String cached() {
			return TenantContext.require();
		}

		@CacheEvict("names")
		public void forget() {
		}

	}

	@Entity(name = "note")
	static class Note {

		@Id
		private Long id;

	}

}
