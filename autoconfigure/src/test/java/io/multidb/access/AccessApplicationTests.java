package io.multidb.access;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

import javax.sql.DataSource;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import org.hibernate.SessionFactory;
import org.hibernate.StatelessSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.actuate.audit.AuditEvent;
import org.springframework.boot.actuate.audit.InMemoryAuditEventRepository;
import org.springframework.boot.actuate.audit.listener.AuditApplicationEvent;
import org.springframework.boot.actuate.audit.listener.AuditListener;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.autoconfigure.task.TaskExecutionAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.scheduling.annotation.Async;
import org.springframework.scheduling.annotation.EnableAsync;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.security.authentication.AnonymousAuthenticationToken;
import org.springframework.security.authentication.TestingAuthenticationToken;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.UseSource;
import io.multidb.autoconfigure.MultiDbAccessAutoConfiguration;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbFanOutAutoConfiguration;
import io.multidb.autoconfigure.MultiDbJpaAutoConfiguration;
import io.multidb.autoconfigure.MultiDbTaskAutoConfiguration;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.FanOutResult;
import io.multidb.fanout.SourceOutcome;
import io.multidb.routing.MappingStore;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.ShardMap;
import io.multidb.routing.Shards;
import io.multidb.routing.TargetAccess;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;
import io.multidb.task.ForEach;
import io.multidb.task.Outcome;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

/**
 * Access control in an application, with Spring Security's user and real Hibernate.
 */
class AccessApplicationTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner runner() {
		return new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class,
					MultiDbAccessAutoConfiguration.class, MultiDbTaskAutoConfiguration.class,
					MultiDbJpaAutoConfiguration.class, DataSourceAutoConfiguration.class,
					DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
					JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class, AopAutoConfiguration.class,
					TaskExecutionAutoConfiguration.class, HibernateJpaAutoConfiguration.class))
			.withUserConfiguration(Application.class)
			.withPropertyValues("spring.jpa.hibernate.ddl-auto=none", "spring.task.execution.mode=force",
					"app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"),
					"app.datasources.other.url=jdbc:sqlite:" + this.directory.resolve("other.db"),
					"app.datasources.election.url=jdbc:sqlite:" + this.directory.resolve("election-{id}.db"),
					"app.datasources.election.create=explicit",
					"app.datasources.poll.url=jdbc:sqlite:" + this.directory.resolve("poll-{id}.db"),
					"app.datasources.poll.create=on-first-use", "app.tenancy.routes[0].tenants=election-{id}",
					"app.tenancy.routes[0].source=election", "app.tenancy.routes[1].tenants=poll-{id}",
					"app.tenancy.routes[1].source=poll", "app.tenancy.routes[2].tenants=*",
					"app.tenancy.routes[2].source={tenant}");
	}

	private ApplicationContextRunner guarded() {
		return runner().withUserConfiguration(Permissions.class, Services.class);
	}

	@AfterEach
	void logOut() {
		SecurityContextHolder.clearContext();
	}

	private static void logIn(String user) {
		SecurityContextHolder.clearContext();
		if (user != null) {
			authenticate(new TestingAuthenticationToken(user, "secret", "ROLE_USER"));
		}
	}

	private static void authenticate(Authentication authentication) {
		SecurityContextHolder.getContext().setAuthentication(authentication);
	}

	private static void fill(ApplicationContext context) throws Exception {
		Sources.execute(context.getBean(SourceRegistry.class).get("main"),
				"create table memo (id bigint primary key, text varchar(20))");
		Sources.execute(context.getBean(SourceRegistry.class).get("main"), "insert into memo values (1, 'one')");
	}

	@Test
	void withoutRulesNobodyIsAsked() {
		runner().run((context) -> {
			assertThat(context).doesNotHaveBean(Access.class).doesNotHaveBean(TargetAccess.class);
			assertThat(context.getBean(RoutingDataSource.class).access()).isNull();
			TenantContext.run("main", () -> context.getBean(JdbcClient.class).sql("create table t (x)").update());
		});
	}

	@Test
	void noWayInOpensWhatTheUserMayNotUse() {
		guarded().run((context) -> {
			List<Runnable> ways = ways(context);
			for (String user : new String[] { "bob", null }) {
				logIn(user);
				for (Runnable way : ways) {
					assertThatThrownBy(() -> SourceContext.run("main", way))
						.satisfies(AccessApplicationTests::isDenied);
					assertThatThrownBy(() -> TenantContext.run("main", way))
						.satisfies(AccessApplicationTests::isDenied);
				}
			}
			assertThatThrownBy(() -> context.getBean("main", DataSource.class).getConnection())
				.satisfies(AccessApplicationTests::isDenied);
			assertThat(context.getBean(SourceRegistry.class).get("main").state()).isInstanceOf(SourceState.Cold.class);
			assertThat(this.directory.resolve("main.db")).doesNotExist();
		});
	}

	private static List<Runnable> ways(ApplicationContext context) {
		JdbcClient jdbc = context.getBean(JdbcClient.class);
		JdbcTemplate template = context.getBean(JdbcTemplate.class);
		EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
		TransactionTemplate transaction = new TransactionTemplate(context.getBean(PlatformTransactionManager.class));
		return List.of(() -> jdbc.sql("select 1").query().singleValue(), () -> template.queryForList("select 1"),
				() -> {
					try (EntityManager entities = factory.createEntityManager()) {
						entities.find(Memo.class, 1L);
					}
				}, () -> transaction.executeWithoutResult((status) -> {
				}), () -> {
					try (StatelessSession session = factory.unwrap(SessionFactory.class).openStatelessSession()) {
						session.get(Memo.class, 1L);
					}
				}, () -> context.getBean(Service.class).count(), () -> context.getBean(Service.class).onMain(),
				() -> context.getBean(Service.class).nothing());
	}

	private static void isDenied(Throwable failure) {
		assertThat(denied(failure)).as("%s", failure).isNotNull();
	}

	private static SourceAccessDeniedException denied(Throwable failure) {
		for (Throwable each = failure; each != null; each = each.getCause()) {
			if (each instanceof SourceAccessDeniedException denied) {
				return denied;
			}
		}
		return null;
	}

	@Test
	void aReaderReadsThroughHibernateAndCannotWrite() {
		guarded().run((context) -> {
			fill(context);
			EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
			PlatformTransactionManager manager = context.getBean(PlatformTransactionManager.class);
			TransactionTemplate transaction = new TransactionTemplate(manager);
			logIn("grace");
			SourceContext.run("main", () -> {
				transaction.executeWithoutResult(
						(status) -> assertThat(entities(factory).find(Memo.class, 1L).text).isEqualTo("one"));
				assertThatThrownBy(() -> transaction.executeWithoutResult((status) -> {
					entities(factory).find(Memo.class, 1L).text = "changed";
				})).satisfies((failure) -> {
					assertThat(denied(failure)).isNotNull();
					assertThat(denied(failure).operation()).isEqualTo(Operation.WRITE);
				});
			});
			logIn("ada");
			SourceContext.run("main", () -> {
				transaction.executeWithoutResult((status) -> {
					Memo memo = entities(factory).find(Memo.class, 1L);
					assertThat(memo.text).isEqualTo("one");
					memo.text = "two";
				});
				assertThat(context.getBean(JdbcClient.class).sql("select text from memo").query(String.class).single())
					.isEqualTo("two");
			});
		});
	}

	@Test
	void nobodyReadsFromHibernatesCachesWhatHeMayNot() {
		guarded()
			.withPropertyValues("spring.jpa.properties.hibernate.cache.region.factory_class=jcache",
					"spring.jpa.properties.hibernate.javax.cache.provider="
							+ "com.github.benmanes.caffeine.jcache.spi.CaffeineCachingProvider",
					"spring.jpa.properties.hibernate.javax.cache.missing_cache_strategy=create",
					"spring.jpa.properties.jakarta.persistence.sharedCache.mode=ALL")
			.run((context) -> {
				fill(context);
				EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
				logIn("ada");
				assertThat(find(factory).text).isEqualTo("one");
				Sources.execute(context.getBean(SourceRegistry.class).get("main"), "update memo set text = 'two'");
				logIn("grace");
				assertThat(find(factory).text).as("cached").isEqualTo("one");
				logIn("bob");
				assertThatThrownBy(() -> find(factory)).satisfies(AccessApplicationTests::isDenied);
				logIn("grace");
				assertThat(find(factory).text).as("cached").isEqualTo("one");
			});
	}

	private static Memo find(EntityManagerFactory factory) {
		return SourceContext.call("main", () -> {
			try (EntityManager entities = factory.createEntityManager()) {
				return entities.find(Memo.class, 1L);
			}
		});
	}

	@Test
	void aSessionDoesNotOpenWhatHasAFallbackForSomebodyWhoMayNot() {
		guarded().withPropertyValues("app.datasources.main.fallback=other").run((context) -> {
			EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			logIn("bob");
			assertThatThrownBy(() -> find(factory)).satisfies(AccessApplicationTests::isDenied);
			assertThat(registry.get("main").state()).isInstanceOf(SourceState.Cold.class);
			assertThat(registry.get("other").state()).isInstanceOf(SourceState.Cold.class);
			fill(context);
			logIn("grace");
			assertThat(find(factory).text).isEqualTo("one");
		});
	}

	private static EntityManager entities(EntityManagerFactory factory) {
		return org.springframework.orm.jpa.EntityManagerFactoryUtils.getTransactionalEntityManager(factory);
	}

	@Test
	void createAsksToWriteBeforeAnythingIsMade() {
		guarded().run((context) -> {
			Service service = context.getBean(Service.class);
			TestGrants grants = context.getBean(TestGrants.class)
				.read("grace", "election-1")
				.admin("ada", "election-1");
			for (String user : new String[] { "grace", "bob", null }) {
				logIn(user);
				assertThatThrownBy(() -> service.create("election-1")).isInstanceOf(SourceAccessDeniedException.class);
			}
			assertThat(files()).isEmpty();
			logIn("ada");
			assertThat(service.create("election-1")).isEqualTo("election-1");
			assertThat(this.directory.resolve("election-1.db")).exists();
			grants.read("ada", "poll-1");
			assertThatThrownBy(() -> TenantContext.run("poll-1", service::count));
			assertThat(this.directory.resolve("poll-1.db")).doesNotExist();
			grants.admin("ada", "poll-1");
			assertThat(TenantContext.call("poll-1",
					() -> context.getBean(JdbcClient.class).sql("select 1").query(Integer.class).single()))
				.isEqualTo(1);
			assertThat(this.directory.resolve("poll-1.db")).exists();
		});
	}

	private List<Path> files() throws Exception {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.toList();
		}
	}

	@Test
	void anAnonymousUserIsNobody() {
		guarded().run((context) -> {
			context.getBean(TestGrants.class).admin("anonymousUser", "main");
			authenticate(new AnonymousAuthenticationToken("key", "anonymousUser",
					AuthorityUtils.createAuthorityList("ROLE_ANONYMOUS")));
			assertThat(context.getBean(Access.class).user()).isNull();
			assertThatThrownBy(() -> SourceContext.run("main", context.getBean(Service.class)::count))
				.satisfies(AccessApplicationTests::isDenied);
		});
	}

	@Test
	void theUserGoesAlongToOtherThreads() {
		guarded().run((context) -> {
			fill(context);
			Service service = context.getBean(Service.class);
			logIn("ada");
			assertThat(SourceContext.call("main", service::countLater).get(1, TimeUnit.MINUTES)).isEqualTo(1);
			logIn(null);
			assertThatThrownBy(() -> SourceContext.call("main", service::countLater).get(1, TimeUnit.MINUTES))
				.satisfies(AccessApplicationTests::isDenied);
			UserContext.run("ada", () -> assertThat(SourceContext.call("main", service::countLater))
				.succeedsWithin(java.time.Duration.ofMinutes(1)));
			logIn("ada");
			List<Outcome<Integer>> outcomes = context.getBean(ForEach.class)
				.sources(List.of("main", "other"))
				.atOnce(2)
				.call(service::count);
			assertThat(outcomes.get(0)).isInstanceOf(Outcome.Completed.class);
			assertThat(outcomes.get(1)).isInstanceOfSatisfying(Outcome.Failed.class,
					(failed) -> isDenied(failed.failure()));
		});
	}

	@Test
	void aFanOutAsksForItsCallerAtEachSource() {
		guarded().withConfiguration(AutoConfigurations.of(MultiDbFanOutAutoConfiguration.class)).run((context) -> {
			fill(context);
			FanOut fanOut = context.getBean(FanOut.class);
			List<String> sources = List.of("main", "other");
			logIn("grace");
			FanOutResult<Integer> counts = TenantContext.call("lisbon",
					() -> fanOut.over(sources)
						.timeout(java.time.Duration.ofMinutes(1))
						.call(context.getBean(Service.class)::count));
			assertThat(counts.values()).containsExactly(1);
			assertThat(counts.outcomes()).extracting(SourceOutcome::status)
				.containsExactly(SourceOutcome.Status.COMPLETED, SourceOutcome.Status.REFUSED);
			assertThat(context.getBean(SourceRegistry.class).get("other").state()).isInstanceOf(SourceState.Cold.class);
			assertThat(context.getBean(InMemoryAuditEventRepository.class).find("grace", null, null)).hasSize(2)
				.allSatisfy((event) -> assertThat(event.getData()).containsEntry("tenant", "lisbon"));
			FanOutResult<Integer> writes = fanOut.over(sources)
				.timeout(java.time.Duration.ofMinutes(1))
				.call(() -> context.getBean(JdbcClient.class).sql("delete from memo").update());
			assertThat(writes.outcomes()).extracting(SourceOutcome::status).containsOnly(SourceOutcome.Status.REFUSED);
			logIn(null);
			assertThat(fanOut.over(sources).call(context.getBean(Service.class)::count).outcomes())
				.extracting(SourceOutcome::status)
				.containsOnly(SourceOutcome.Status.REFUSED);
		});
	}

	@Test
	void aThreadsFormerUserIsNotTheNextTasks() {
		guarded().withPropertyValues("spring.task.execution.pool.core-size=1").run((context) -> {
			fill(context);
			Service service = context.getBean(Service.class);
			CompletableFuture<Void> left = new CompletableFuture<>();
			// As SecurityContextHolder.MODE_INHERITABLETHREADLOCAL leaves it on pooled
			// threads
			context.getBean("applicationTaskExecutor", Executor.class).execute(() -> {
				logIn("ada");
				left.complete(null);
			});
			left.get(1, TimeUnit.MINUTES);
			for (String user : new String[] { "bob", null }) {
				logIn(user);
				assertThatThrownBy(() -> SourceContext.call("main", service::countLater).get(1, TimeUnit.MINUTES))
					.satisfies((failure) -> assertThat(denied(failure).user()).isEqualTo(user));
			}
			logIn("bob");
			CompletableFuture<Integer> ownUser = new CompletableFuture<>();
			SourceContext.run("main", () -> context.getBean("applicationTaskExecutor", Executor.class).execute(() -> {
				// Whom the task itself makes known counts.
				logIn("grace");
				ownUser.complete(service.count());
			}));
			assertThat(ownUser.get(1, TimeUnit.MINUTES)).isEqualTo(1);
		});
	}

	@Test
	void aScheduledJobHasNoUserButTheOneItNames() {
		guarded().run((context) -> {
			fill(context);
			Service service = context.getBean(Service.class);
			logIn("ada");
			AtomicReference<Object> asNobody = new AtomicReference<>();
			AtomicReference<Object> asNightly = new AtomicReference<>();
			ThreadPoolTaskScheduler scheduler = context.getBean(ThreadPoolTaskScheduler.class);
			scheduler.execute(() -> {
				try {
					asNobody.set(SourceContext.call("main", service::count));
				}
				catch (RuntimeException ex) {
					asNobody.set(ex);
				}
				asNightly.set(UserContext.call("nightly", () -> SourceContext.call("main", service::count)));
			});
			await().untilAtomic(asNightly, org.hamcrest.Matchers.notNullValue());
			assertThat(denied((Throwable) asNobody.get()).user()).isNull();
			assertThat(asNightly).hasValue(1);
		});
	}

	@Test
	void anotherUserIsNotEnteredInsideATransaction() {
		guarded().run((context) -> {
			fill(context);
			TransactionTemplate transaction = new TransactionTemplate(
					context.getBean(PlatformTransactionManager.class));
			logIn("ada");
			SourceContext.run("main", () -> transaction.executeWithoutResult(
					(status) -> assertThatIllegalStateException().isThrownBy(() -> UserContext.run("grace", () -> {
					})).withMessageContaining("Begin the transaction inside")));
			UserContext.run("nightly", () -> SourceContext.run("main",
					() -> transaction.executeWithoutResult((status) -> UserContext.run("nightly", () -> {
					}))));
			assertThat(context.getBean(Access.class).user()).isEqualTo("ada");
		});
	}

	@Test
	void anotherUserIsNotEnteredWhereConnectionsAreKeptWithoutATransaction() {
		guarded().run((context) -> {
			fill(context);
			TransactionTemplate supports = new TransactionTemplate(context.getBean(PlatformTransactionManager.class));
			supports.setPropagationBehavior(TransactionDefinition.PROPAGATION_SUPPORTS);
			Service service = context.getBean(Service.class);
			logIn("ada");
			SourceContext.run("main", () -> supports.executeWithoutResult((status) -> {
				// Nothing is kept yet.
				assertThatThrownBy(() -> UserContext.run("bob", service::count))
					.satisfies(AccessApplicationTests::isDenied);
				assertThat(service.count()).isEqualTo(1);
				assertThatThrownBy(() -> UserContext.run("bob", service::count))
					.isInstanceOf(IllegalStateException.class)
					.hasMessageContaining("NOT_SUPPORTED");
			}));
			UserContext.run("ada", () -> SourceContext.run("main", () -> supports.executeWithoutResult((status) -> {
				assertThat(service.count()).isEqualTo(1);
				UserContext.run("ada", () -> assertThat(service.count()).isEqualTo(1));
			})));
		});
	}

	@Test
	void aUserOfTheApplicationsOwnTakesThePlaceOfSpringSecuritys() {
		guarded().withBean(CurrentUser.class, () -> () -> "ada").run((context) -> {
			logIn("bob");
			assertThat(context.getBean(Access.class).user()).isEqualTo("ada");
		});
	}

	@Test
	void withoutSpringSecurityAndActuatorNobodyIsKnownButThoseWhoAreNamed() {
		runner().withUserConfiguration(Permissions.class)
			.withClassLoader(
					new FilteredClassLoader("org.springframework.security", "org.springframework.boot.actuate"))
			.run((context) -> {
				assertThat(context).hasNotFailed().doesNotHaveBean(CurrentUser.class);
				fill(context);
				logIn("ada");
				assertThat(context.getBean(Access.class).user()).isNull();
				assertThat(UserContext.<Integer, RuntimeException>call("ada",
						() -> SourceContext.call("main",
								context.getBean(JdbcClient.class)
									.sql("select count(*) from memo")
									.query(Integer.class)::single)))
					.isEqualTo(1);
			});
	}

	@Test
	void aRuleMayNeedTheDataSourceItGuards() {
		runner().withUserConfiguration(Services.class).withBean(RuleOfATable.class).run((context) -> {
			assertThat(context).hasNotFailed();
			logIn("ada");
			SourceContext.run("main",
					() -> assertThat(context.getBean(JdbcClient.class).sql("select 1").query(Integer.class).single())
						.isEqualTo(1));
			assertThatThrownBy(() -> SourceContext.run("other", context.getBean(Service.class)::count))
				.satisfies(AccessApplicationTests::isDenied);
		});
	}

	@Test
	void whatRoutesAreMadeOfMayNeedTheDataSourceOfOneSource() {
		runner().withUserConfiguration(Services.class)
			.withBean(RuleOfOneSource.class)
			.withBean(MappingsOfOneSource.class)
			.withBean(ShardsOfOneSource.class)
			.withPropertyValues("app.tenancy.routes[2].tenants=main,other", "app.tenancy.routes[3].tenants=chat-*",
					"app.tenancy.routes[3].sources=main,other")
			.run((context) -> {
				assertThat(context).hasNotFailed();
				Service service = context.getBean(Service.class);
				fill(context);
				logIn("ada");
				assertThat(TenantContext.call("mapped", service::count)).isEqualTo(1);
				assertThat(TenantContext.call("chat-1", service::count)).isEqualTo(1);
				logIn("bob");
				assertThatThrownBy(() -> TenantContext.call("mapped", service::count))
					.satisfies(AccessApplicationTests::isDenied);
				assertThatThrownBy(() -> context.getBean("main", DataSource.class).getConnection())
					.satisfies(AccessApplicationTests::isDenied);
			});
	}

	@Test
	void allRulesMustAllow() {
		guarded()
			.withBean("closed", SourceAccess.class,
					() -> (user, tenant, source, operation) -> (operation == Operation.READ) ? AccessDecision.allow()
							: AccessDecision.deny("Closed."))
			.run((context) -> {
				fill(context);
				logIn("ada");
				SourceContext.run("main", () -> {
					JdbcClient jdbc = context.getBean(JdbcClient.class);
					assertThat(jdbc.sql("select count(*) from memo").query(Integer.class).single()).isEqualTo(1);
					assertThatThrownBy(() -> jdbc.sql("delete from memo").update())
						.satisfies((failure) -> assertThat(denied(failure)).hasMessageContaining("Closed."));
				});
			});
	}

	@Test
	void aRouterThatAsksNobodyFailsTheStart() {
		guarded().withUserConfiguration(OwnRouter.class)
			.run((context) -> assertThat(context).getFailure()
				.hasMessageContaining("RoutingDataSource")
				.hasMessageContaining("TargetAccess"));
	}

	@Test
	void usesAndRefusalsAreAuditEvents() {
		guarded().run((context) -> {
			fill(context);
			Service service = context.getBean(Service.class);
			logIn("grace");
			for (int i = 0; i < 5; i++) {
				SourceContext.run("main", service::count);
			}
			logIn("bob");
			for (int i = 0; i < 5; i++) {
				assertThatThrownBy(() -> TenantContext.run("main", service::count));
			}
			List<AuditEvent> events = context.getBean(InMemoryAuditEventRepository.class).find(null, null, null);
			assertThat(events).hasSize(2);
			assertThat(events.get(0)).satisfies((event) -> {
				assertThat(event.getPrincipal()).isEqualTo("grace");
				assertThat(event.getType()).isEqualTo("DATASOURCE_ACCESS_GRANTED");
				assertThat(event.getData()).containsEntry("source", "main")
					.containsEntry("operation", "READ")
					.doesNotContainKey("tenant");
			});
			assertThat(events.get(1)).satisfies((event) -> {
				assertThat(event.getPrincipal()).isEqualTo("bob");
				assertThat(event.getType()).isEqualTo("DATASOURCE_ACCESS_DENIED");
				assertThat(event.getData()).containsEntry("source", "main")
					.containsEntry("tenant", "main")
					.containsEntry("reason", "The user has no permission there.");
			});
		});
	}

	@Test
	void usesNeedNotBeTold() {
		guarded().withPropertyValues("app.tenancy.access.audit.uses=false").run((context) -> {
			fill(context);
			logIn("ada");
			SourceContext.run("main", context.getBean(Service.class)::count);
			assertThat(context.getBean(InMemoryAuditEventRepository.class).find(null, null, null)).isEmpty();
		});
	}

	@Test
	void anAuditThatFailsOrNeedsADatabaseHarmsNobody() {
		guarded().withUserConfiguration(FailingAudit.class).run((context) -> {
			fill(context);
			logIn("ada");
			SourceContext.run("main", () -> assertThat(context.getBean(Service.class).count()).isEqualTo(1));
			assertThat(context.getBean(FailingAudit.class).told).isTrue();
		});
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAsync
	@EntityScan(basePackageClasses = Memo.class)
	static class Application {

		@Bean
		ThreadPoolTaskScheduler scheduler() {
			return new ThreadPoolTaskScheduler();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Services {

		@Bean
		Service service(JdbcClient jdbc) {
			return new Service(jdbc);
		}

		@Bean
		InMemoryAuditEventRepository auditEvents() {
			return new InMemoryAuditEventRepository();
		}

		@Bean
		AuditListener auditListener(InMemoryAuditEventRepository repository) {
			return new AuditListener(repository);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Permissions {

		@Bean
		TestGrants grants() {
			return new TestGrants().admin("ada", "main").read("grace", "main").read("nightly", "main");
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnRouter {

		@Bean
		RoutingDataSource ownRouter(io.multidb.routing.Routes routes) {
			return new RoutingDataSource(routes);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class FailingAudit {

		private boolean told;

		@Bean
		org.springframework.context.ApplicationListener<AuditApplicationEvent> failing(JdbcClient jdbc) {
			return (event) -> {
				assertThat(jdbc.sql("select count(*) from memo").query(Integer.class).single()).isEqualTo(1);
				this.told = true;
				throw new IllegalStateException("The audit is full");
			};
		}

	}

	/** Reads its permissions from the database that it guards. */
	static class RuleOfATable implements SourceAccess {

		private final JdbcClient jdbc;

		RuleOfATable(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Override
		public AccessDecision decide(String user, String tenant, String source, Operation operation) {
			int one = SourceContext.call("main", () -> this.jdbc.sql("select 1").query(Integer.class).single());
			return (one == 1 && source.equals("main")) ? AccessDecision.allow()
					: AccessDecision.deny("Not in the table.");
		}

	}

	/** By a DataSource that asks the rule itself. */
	static class RuleOfOneSource implements SourceAccess {

		private final JdbcClient main;

		RuleOfOneSource(@Qualifier("main") DataSource main) {
			this.main = JdbcClient.create(main);
		}

		@Override
		public AccessDecision decide(String user, String tenant, String source, Operation operation) {
			int one = this.main.sql("select 1").query(Integer.class).single();
			return (one == 1 && "ada".equals(user)) ? AccessDecision.allow() : AccessDecision.deny("No.");
		}

	}

	static class MappingsOfOneSource implements MappingStore {

		private final JdbcClient main;

		MappingsOfOneSource(@Qualifier("main") DataSource main) {
			this.main = JdbcClient.create(main);
		}

		@Override
		public Map<String, String> load() {
			return Map.of("mapped", this.main.sql("select 'main'").query(String.class).single());
		}

		@Override
		public void save(String tenant, String source) {
		}

		@Override
		public void remove(String tenant) {
		}

	}

	static class ShardsOfOneSource implements ShardMap {

		private final JdbcClient main;

		ShardsOfOneSource(@Qualifier("main") DataSource main) {
			this.main = JdbcClient.create(main);
		}

		@Override
		public String place(String tenant, Shards shards) {
			return this.main.sql("select 'main'").query(String.class).single();
		}

		@Override
		public void check(Shards shards) {
		}

	}

	static class Service {

		private final JdbcClient jdbc;

		Service(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		int count() {
			return this.jdbc.sql("select count(*) from memo").query(Integer.class).single();
		}

		@Async
		CompletableFuture<Integer> countLater() {
			return CompletableFuture.completedFuture(count());
		}

		@UseSource("main")
		void onMain() {
		}

		@Tenant("main")
		void nothing() {
		}

		@Tenant(value = "#tenant", create = true)
		String create(String tenant) {
			return TenantContext.require();
		}

	}

	@Entity(name = "memo")
	static class Memo {

		@Id
		private Long id;

		private String text;

	}

}
