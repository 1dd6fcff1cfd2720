package io.multidb.transaction;

import java.io.IOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

import jakarta.annotation.PostConstruct;
import org.aopalliance.intercept.MethodInterceptor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.aop.framework.ProxyFactory;
import org.springframework.aop.support.AopUtils;
import org.springframework.beans.factory.BeanCreationException;
import org.springframework.beans.factory.FactoryBean;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.ApplicationListener;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.support.ApplicationObjectSupport;
import org.springframework.core.Ordered;
import org.springframework.core.PriorityOrdered;
import org.springframework.core.annotation.AliasFor;
import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.scheduling.annotation.Async;
import org.springframework.scheduling.annotation.EnableAsync;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.InvalidTenantException;
import io.multidb.NoTenantException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceSwitchException;
import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.UseSource;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.discovery.TenantPackages;
import io.multidb.source.SourceEvent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for {@link TargetAdvisor}.
 */
class TargetAdvisorTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareSources() {
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class,
					DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
					JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class, AopAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=" + url("lisbon"),
					"app.datasources.porto.url=" + url("porto"), "app.datasources.election.url=" + url("election-{id}"),
					"app.datasources.election.create=explicit", "app.datasources.poll.url=" + url("poll-{id}"),
					"app.tenancy.routes[0].tenants=election-{id}", "app.tenancy.routes[0].source=election",
					"app.tenancy.routes[1].tenants=poll-{id}", "app.tenancy.routes[1].source=poll",
					"app.tenancy.routes[2].tenants=*", "app.tenancy.routes[2].source={tenant}", "city=porto");
	}

	@AfterEach
	void leavesNothingBehind() {
		assertThat(Target.current()).hasToString("no tenant");
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private void run(Class<?> bean, Consumer<AssertableApplicationContext> test) {
		run(this.contextRunner, bean, test);
	}

	private void run(ApplicationContextRunner runner, Class<?> bean, Consumer<AssertableApplicationContext> test) {
		runner.withBean(bean).run((context) -> {
			assertThat(context).hasNotFailed();
			test.accept(context);
		});
	}

	private void refuses(Class<?> bean, String... message) {
		this.contextRunner.withBean(bean)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(IllegalStateException.class)
				.hasMessageContainingAll(message));
	}

	/** Where the annotation may stand. */

	@Test
	void annotationOnTheClassCoversItsMethods() {
		run(OnClass.class, (context) -> {
			assertThat(context.getBean(OnClass.class).target()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(OnClass.class).packagePrivate()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(OnClass.class).forProtected()).isEqualTo("tenant 'lisbon'");
		});
	}

	@Test
	void annotationOnTheMethodBeatsThatOnTheClass() {
		run(OnClass.class,
				(context) -> assertThat(context.getBean(OnClass.class).method()).isEqualTo("tenant 'porto'"));
	}

	@Test
	void sourceOnTheMethodBeatsTheTenantOnTheClass() {
		run(OnClass.class,
				(context) -> assertThat(context.getBean(OnClass.class).source()).isEqualTo("source 'porto'"));
	}

	@Test
	void tenantOnTheMethodBeatsTheSourceOnTheClass() {
		run(OnSource.class, (context) -> {
			assertThat(context.getBean(OnSource.class).method()).isEqualTo("tenant 'porto'");
			assertThat(context.getBean(OnSource.class).target()).isEqualTo("source 'lisbon'");
		});
	}

	@Test
	void otherMethodsOfTheClassAreLeftAlone() {
		run(OnMethod.class, (context) -> {
			assertThat(context.getBean(OnMethod.class).annotated()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(OnMethod.class).plain()).isEqualTo("no tenant");
		});
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void annotationOnTheInterfaceCoversClassAndInterfaceProxies(boolean proxyTargetClass) {
		run(this.contextRunner.withPropertyValues("spring.aop.proxy-target-class=" + proxyTargetClass),
				CityService.class, (context) -> {
					City city = context.getBean(City.class);
					assertThat(AopUtils.isCglibProxy(city)).isEqualTo(proxyTargetClass);
					assertThat(city.target()).isEqualTo("tenant 'lisbon'");
					assertThat(city.method()).isEqualTo("tenant 'porto'");
					assertThat(city.defaultMethod()).isEqualTo("tenant 'lisbon'");
					assertThat(city.annotatedDefaultMethod("x")).isEqualTo("tenant 'x'");
					assertThat(city.inherited()).isEqualTo("tenant 'lisbon'");
				});
	}

	@Test
	void classBeatsItsInterface() {
		run(CityOnSource.class, (context) -> {
			assertThat(context.getBean(City.class).target()).isEqualTo("source 'porto'");
			assertThat(context.getBean(City.class).method()).isEqualTo("tenant 'porto'");
		});
	}

	@Test
	void annotationOnTheSuperclassIsInherited() {
		run(Sub.class, (context) -> {
			assertThat(context.getBean(Sub.class).target()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(Sub.class).own()).isEqualTo("tenant 'lisbon'");
		});
	}

	@Test
	void subclassBeatsItsSuperclass() {
		run(SubOnPorto.class, (context) -> {
			assertThat(context.getBean(SubOnPorto.class).target()).isEqualTo("tenant 'porto'");
			assertThat(context.getBean(SubOnPorto.class).method()).isEqualTo("tenant 'porto'");
		});
	}

	@Test
	void annotationOnAnOverriddenMethodCounts() {
		run(SubOverrides.class,
				(context) -> assertThat(context.getBean(SubOverrides.class).method()).isEqualTo("tenant 'porto'"));
	}

	@Test
	void annotationOfYourOwnMayBearIt() {
		run(OnMeta.class, (context) -> {
			OnMeta bean = context.getBean(OnMeta.class);
			assertThat(bean.target()).isEqualTo("tenant 'lisbon'");
			assertThat(bean.alias(7)).isEqualTo("tenant 'election-7'");
			assertThat(bean.direct()).isEqualTo("tenant 'porto'");
		});
	}

	@Test
	void bridgeMethodsOfGenericsAreCovered() {
		for (boolean proxyTargetClass : new boolean[] { true, false }) {
			run(this.contextRunner.withPropertyValues("spring.aop.proxy-target-class=" + proxyTargetClass),
					StringStore.class, (context) -> {
						@SuppressWarnings("unchecked")
						Store<String> store = context.getBean(Store.class);
						assertThat(store.put("x")).isEqualTo("tenant 't-x'");
						assertThat(store.get("x")).isEqualTo("tenant 'g-x'");
					});
		}
	}

	@Test
	void beanOfNobodysIsNotProxied() {
		run(Plain.class, (context) -> assertThat(AopUtils.isAopProxy(context.getBean(Plain.class))).isFalse());
	}

	/** Repositories: a bean that is an interface proxy of its own. */

	@Test
	void annotationOnARepositoryCoversItsInheritedMethods() {
		run(RepositoryFactory.class, (context) -> {
			VoteRepository repository = context.getBean(VoteRepository.class);
			assertThat(repository.save("x")).isEqualTo("tenant 'lisbon'");
			assertThat(repository.findByElection(7)).isEqualTo("tenant 'election-7'");
			assertThat(repository.archived()).isEqualTo("source 'porto'");
		});
	}

	@Test
	void mistakeOnARepositoryFailsTheStart() {
		refuses(BadRepositoryFactory.class, "'#uid'", "BadRepository");
	}

	@Test
	void proxyOfAProxyEntersTheTenant() {
		this.contextRunner
			.withBean("twice", OnMethod.class, () -> (OnMethod) new ProxyFactory(new OnMethod()).getProxy())
			.run((context) -> assertThat(context.getBean(OnMethod.class).annotated()).isEqualTo("tenant 'lisbon'"));
	}

	@Test
	void proxyWithoutATargetEntersTheTenant() {
		this.contextRunner.run((context) -> {
			ProxyFactory factory = new ProxyFactory();
			factory.setInterfaces(VoteRepository.class);
			factory.addAdvisor(context.getBean(TargetAdvisor.class));
			factory.addAdvice((MethodInterceptor) (invocation) -> Target.current().toString());
			assertThat(((VoteRepository) factory.getProxy()).archived()).isEqualTo("source 'porto'");
			assertThat(((VoteRepository) factory.getProxy()).save("x")).isEqualTo("no tenant");
		});
	}

	/** What is refused at start-up. */

	@Test
	void bothOnOneElementAreRefused() {
		refuses(BothOnMethod.class, "@Tenant(\"lisbon\")", "@UseSource(\"porto\")", "exclude each other");
		refuses(BothOnClass.class, "exclude each other");
		refuses(BothThroughMeta.class, "exclude each other");
	}

	@Test
	void twoAnnotationsThatBringDifferentTenantsAreRefused() {
		refuses(TwoMeta.class, "exclude each other");
	}

	@ParameterizedTest
	@ValueSource(classes = { PrivateMethod.class, StaticMethod.class, FinalMethod.class, FinalInClass.class,
			FinalInSuperclass.class, PrivateInSuperclass.class, StaticInInterface.class, FinalOfInterface.class,
			LifecycleMethod.class })
	void methodThatNoProxyCanInterceptIsRefused(Class<?> bean) {
		refuses(bean, "would be ignored");
	}

	@ParameterizedTest
	@ValueSource(classes = { FinalUnannotated.class, FinalBesideAnnotated.class, PrivateInAnnotatedClass.class,
			SpringBase.class })
	void finalAndPrivateMethodsThatConcernNobodyAreLeftAlone(Class<?> bean) {
		run(bean, (context) -> assertThat(context).hasSingleBean(bean));
	}

	@Test
	void finalClassThatHasAnInterfaceMayHaveAnInterfacesProxy() {
		run(this.contextRunner.withPropertyValues("spring.aop.proxy-target-class=false"), FinalCity.class,
				(context) -> assertThat(context.getBean(AnnotatedMethod.class).method()).isEqualTo("tenant 'lisbon'"));
	}

	@Test
	void finalClassOfWhichNothingIsInterceptedIsLeftAlone() {
		run(FinalMarker.class, (context) -> assertThat(context).hasSingleBean(FinalMarker.class));
	}

	@Test
	void mistakeOfAnInterfaceProxysBeanFailsTheStart() {
		ApplicationContextRunner jdk = this.contextRunner.withPropertyValues("spring.aop.proxy-target-class=false");
		jdk.withBean(LateMistake.class)
			.run((context) -> assertThat(context).getFailure().rootCause().hasMessageContaining("'#uid'"));
	}

	@Test
	void invalidConstantsAreRefused() {
		refuses(InvalidConstant.class, "@Tenant(\"../x\")", "names no valid tenant", "1 to 64");
		refuses(BlankSource.class, "needs a value");
		refuses(CreateWithoutValue.class, "needs a value");
		refuses(InvalidSource.class, "names no valid source");
	}

	@Test
	void mistakeOfALazyBeanIsReportedWhenItIsMade() {
		this.contextRunner
			.withBean(InvalidConstant.class, InvalidConstant::new, (definition) -> definition.setLazyInit(true))
			.run((context) -> {
				assertThat(context).hasNotFailed();
				assertThatExceptionOfType(BeanCreationException.class)
					.isThrownBy(() -> context.getBean(InvalidConstant.class))
					.withRootCauseInstanceOf(IllegalStateException.class);
			});
	}

	/** Values. */

	@Test
	void placeholdersOfConstantsAreResolved() {
		run(Placeholder.class, (context) -> {
			assertThat(context.getBean(Placeholder.class).target()).isEqualTo("tenant 'porto'");
			assertThat(context.getBean(Placeholder.class).composed()).isEqualTo("tenant 'city-porto'");
			assertThat(context.getBean(Placeholder.class).source()).isEqualTo("source 'porto'");
		});
	}

	@Test
	void placeholderThatCannotBeResolvedFailsTheStart() {
		this.contextRunner.withBean(MissingPlaceholder.class)
			.run((context) -> assertThat(context).getFailure().rootCause().hasMessageContaining("no.such.property"));
	}

	@Test
	void withoutAValueATenantMustBeThere() {
		run(Required.class, (context) -> {
			Required bean = context.getBean(Required.class);
			assertThatExceptionOfType(NoTenantException.class).isThrownBy(bean::target);
			try (Scope source = SourceContext.enter("porto")) {
				assertThatExceptionOfType(NoTenantException.class).isThrownBy(bean::target);
			}
			try (Scope tenant = TenantContext.enter("lisbon")) {
				assertThat(bean.target()).isEqualTo("tenant 'lisbon'");
			}
		});
	}

	@Test
	void expressionsAreEvaluatedPerCall() {
		run(Elections.class, (context) -> {
			Elections bean = context.getBean(Elections.class);
			assertThat(bean.target(1L)).isEqualTo("tenant 'election-1'");
			assertThat(bean.target(2L)).isEqualTo("tenant 'election-2'");
			assertThat(bean.source("porto")).isEqualTo("source 'porto'");
		});
	}

	@Test
	void nullAndMalformedTenantsOfExpressionsAreRefusedBeforeTheMethod() {
		run(Elections.class, (context) -> {
			Elections bean = context.getBean(Elections.class);
			assertThatExceptionOfType(NoTenantException.class).isThrownBy(() -> bean.target(null))
				.withMessageContainingAll("@Tenant(\"'election-' + #id\")", "Elections.target");
			assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> bean.any("../x"));
			assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> bean.any(""));
			assertThat(bean.calls()).isZero();
			assertThat(bean.any("lisbon")).isEqualTo("tenant 'lisbon'");
			assertThat(bean.calls()).isOne();
		});
	}

	@Test
	void rulesAreReadOnce() throws Exception {
		TargetRules rules = new TargetRules(TenantPackages.NONE, (value) -> value);
		TargetRule rule = rules.find(Elections.class.getDeclaredMethod("target", Long.class), Elections.class);
		assertThat(rule).isNotNull()
			.isSameAs(rules.find(Elections.class.getDeclaredMethod("target", Long.class), Elections.class));
	}

	/** How it ends. */

	@ParameterizedTest
	@ValueSource(classes = { IllegalArgumentException.class, IOException.class, StackOverflowError.class })
	void scopeEndsWhenTheMethodThrows(Class<? extends Throwable> type) {
		run(Throwing.class, (context) -> {
			try (Scope outer = TenantContext.enter("porto")) {
				assertThatThrownBy(() -> context.getBean(Throwing.class).fail(type)).isInstanceOf(type);
				assertThat(TenantContext.current()).isEqualTo("porto");
			}
		});
	}

	@Test
	void recursionThroughTheProxyNests() {
		run(Recursive.class, (context) -> {
			List<String> seen = new ArrayList<>();
			Recursive bean = context.getBean(Recursive.class);
			bean.descend(3, bean, seen);
			assertThat(seen).containsExactly("t3", "t2", "t1", "t0", "t0", "t1", "t2", "t3");
		});
	}

	@Test
	void scopeEndsWhenTheMethodReturnsItsFuture() {
		run(Futures.class, (context) -> {
			Futures bean = context.getBean(Futures.class);
			CountDownLatch go = new CountDownLatch(1);
			CompletableFuture<String> future = bean.later(go);
			assertThat(TenantContext.current()).isNull();
			go.countDown();
			assertThat(future.join()).isEqualTo("no tenant");
		});
	}

	@Test
	void prototypeBeansAreCovered() {
		this.contextRunner
			.withBean(OnMethod.class, OnMethod::new,
					(definition) -> definition.setScope(BeanDefinition.SCOPE_PROTOTYPE))
			.run((context) -> {
				assertThat(context.getBean(OnMethod.class)).isNotSameAs(context.getBean(OnMethod.class));
				assertThat(context.getBean(OnMethod.class).annotated()).isEqualTo("tenant 'lisbon'");
			});
	}

	/** Beside transactions and other advice. */

	@Test
	void transactionBeginsInsideSoThatRowsGoToTheTenant() {
		run(Ledger.class, (context) -> {
			Ledger ledger = context.getBean(Ledger.class);
			prepare(context, "lisbon", "porto");
			assertThat(ledger.add("lisbon", "a")).isTrue();
			ledger.add("porto", "b");
			ledger.add("porto", "c");
			assertThat(rows(context, "lisbon")).containsExactly("a");
			assertThat(rows(context, "porto")).containsExactly("b", "c");
		});
	}

	@Test
	void transactionOfTheClassBeginsInsideToo() {
		run(TransactionalLedger.class, (context) -> {
			prepare(context, "lisbon", "porto");
			assertThat(context.getBean(TransactionalLedger.class).add("a")).isTrue();
			assertThat(rows(context, "lisbon")).containsExactly("a");
			assertThat(rows(context, "porto")).isEmpty();
		});
	}

	@Test
	void transactionIsRolledBackAtTheTenant() {
		run(Ledger.class, (context) -> {
			prepare(context, "lisbon", "porto");
			assertThatThrownBy(() -> context.getBean(Ledger.class).fail("lisbon", "a"))
				.isInstanceOf(IllegalArgumentException.class);
			assertThat(rows(context, "lisbon")).isEmpty();
		});
	}

	@Test
	void newTransactionOfAnotherTenantCommitsOnItsOwn() {
		run(Ledger.class, (context) -> {
			prepare(context, "lisbon", "porto");
			Ledger ledger = context.getBean(Ledger.class);
			assertThatThrownBy(() -> ledger.around("lisbon", "a", () -> {
				ledger.anew("porto", "b");
				throw new IllegalArgumentException("outer");
			})).hasMessage("outer");
			assertThat(rows(context, "lisbon")).isEmpty();
			assertThat(rows(context, "porto")).containsExactly("b");
		});
	}

	@Test
	void joinedTransactionOfAnotherSourceIsRefusedAndWritesNothing() {
		run(Ledger.class, (context) -> {
			prepare(context, "lisbon", "porto");
			Ledger ledger = context.getBean(Ledger.class);
			assertThatThrownBy(() -> ledger.around("lisbon", "a", () -> ledger.add("porto", "b")))
				.isInstanceOf(SourceSwitchException.class);
			assertThat(rows(context, "lisbon")).isEmpty();
			assertThat(rows(context, "porto")).isEmpty();
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "spring.aop.auto=false", "spring.aop.proxy-target-class=false", "spring.aop.auto=true" })
	void transactionBeginsInsideHoweverProxiesAreMade(String property) {
		run(this.contextRunner.withPropertyValues(property), Ledger.class, (context) -> {
			prepare(context, "porto");
			assertThat(context.getBean(Ledger.class).add("porto", "a")).isTrue();
			assertThat(rows(context, "porto")).containsExactly("a");
		});
	}

	@Test
	void transactionBeginsInsideWhateverItsOrder() {
		run(this.contextRunner.withUserConfiguration(EarlyTransactions.class), Ledger.class, (context) -> {
			prepare(context, "porto");
			assertThat(context.getBean(Ledger.class).add("porto", "a")).isTrue();
			assertThat(rows(context, "porto")).containsExactly("a");
		});
	}

	@Test
	void transactionBeginsInsideWithoutAspectj() {
		run(this.contextRunner.withClassLoader(new FilteredClassLoader("org.aspectj")), Ledger.class, (context) -> {
			prepare(context, "porto");
			assertThat(context.getBean(Ledger.class).add("porto", "a")).isTrue();
			assertThat(rows(context, "porto")).containsExactly("a");
		});
	}

	@Test
	void tenantIsEnteredOnTheThreadOfAnAsyncMethod() {
		run(this.contextRunner.withUserConfiguration(AsyncConfiguration.class), AsyncLedger.class, (context) -> {
			prepare(context, "lisbon", "porto");
			try (Scope caller = TenantContext.enter("porto")) {
				assertThat(context.getBean(AsyncLedger.class).add("lisbon", "a").join()).startsWith("async-");
			}
			assertThat(rows(context, "lisbon")).containsExactly("a");
			assertThat(rows(context, "porto")).isEmpty();
		});
	}

	/** Databases on demand. */

	@Test
	void missingDatabaseOfATemplateIsMadeOnceByManyCallers() {
		Queue<SourceEvent.Created> made = new ConcurrentLinkedQueue<>();
		ApplicationContextRunner listening = this.contextRunner.withInitializer(
				(context) -> context.addApplicationListener(ApplicationListener.forPayload((SourceEvent event) -> {
					if (event instanceof SourceEvent.Created created) {
						made.add(created);
					}
				})));
		run(listening, Elections.class, (context) -> {
			Elections bean = context.getBean(Elections.class);
			inParallel(8, () -> bean.vote(7L, "Ada"));
			bean.vote(7L, "Bob");
			assertThat(made).singleElement().extracting(SourceEvent.Created::source).isEqualTo("election-7");
			try (Scope scope = TenantContext.enter("election-7")) {
				assertThat(
						context.getBean(JdbcClient.class).sql("select count(*) from vote").query(Long.class).single())
					.isEqualTo(9);
			}
		});
	}

	@Test
	void withoutCreateAMissingDatabaseStaysMissing() {
		run(Elections.class, (context) -> {
			assertThatThrownBy(() -> context.getBean(Elections.class).read(8L)).isInstanceOf(DataAccessException.class)
				.hasRootCauseInstanceOf(UnknownTenantException.class);
			assertThat(Files.exists(this.directory.resolve("election-8.db"))).isFalse();
		});
	}

	@Test
	void createDoesNothingForADeclaredSource() {
		run(Creating.class,
				(context) -> assertThat(context.getBean(Creating.class).target("lisbon")).isEqualTo("tenant 'lisbon'"));
	}

	@Test
	void createIsRefusedByATemplateThatNeverDoes() {
		run(Creating.class, (context) -> {
			assertThatExceptionOfType(UnknownTenantException.class)
				.isThrownBy(() -> context.getBean(Creating.class).target("poll-1"))
				.withMessageContaining("app.datasources.poll.create");
			assertThat(Files.exists(this.directory.resolve("poll-1.db"))).isFalse();
		});
	}

	@Test
	void createIsRefusedForAnUnknownTenant() {
		run(Creating.class, (context) -> assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> context.getBean(Creating.class).target("nobody")));
	}

	@Test
	void contextsShareProxyClasses() {
		List<Class<?>> types = new ArrayList<>();
		for (int i = 0; i < 2; i++) {
			run(OnMethod.class, (context) -> types.add(context.getBean(OnMethod.class).getClass()));
		}
		assertThat(types.get(0)).isSameAs(types.get(1));
	}

	private static void prepare(AssertableApplicationContext context, String... tenants) {
		for (String tenant : tenants) {
			TenantContext.run(tenant, () -> {
				int unused = context.getBean(JdbcClient.class).sql("create table row (text varchar(9))").update();
			});
		}
	}

	private static List<String> rows(AssertableApplicationContext context, String tenant) {
		return TenantContext.call(tenant,
				() -> context.getBean(JdbcClient.class)
					.sql("select text from row order by text")
					.query(String.class)
					.list());
	}

	private static void inParallel(int threads, Runnable task) {
		CyclicBarrier barrier = new CyclicBarrier(threads);
		ExecutorService pool = Executors.newFixedThreadPool(threads);
		try {
			List<Future<?>> futures = new ArrayList<>();
			for (int i = 0; i < threads; i++) {
				futures.add(pool.submit(() -> {
					barrier.await(60, TimeUnit.SECONDS);
					task.run();
					return null;
				}));
			}
			for (Future<?> each : futures) {
				assertThat(each).succeedsWithin(Duration.ofSeconds(30));
			}
		}
		finally {
			pool.shutdownNow();
		}
	}

	@ParameterizedTest
	@ValueSource(classes = { NeededFirst.class, NeededEarly.class })
	void aBeanThatIsMadeBeforeThereAreProxiesIsRefused(Class<?> configuration) {
		this.contextRunner.withBean(OnClass.class)
			.withUserConfiguration(configuration)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(IllegalStateException.class)
				.hasMessageContainingAll(OnClass.class.getName(), "before there are proxies", "ObjectProvider"));
	}

	@Test
	void aBeanThatIsMadeBeforeThereAreProxiesAndNotConcernedIsFine() {
		run(this.contextRunner.withBean(Plain.class), AlsoEarly.class,
				(context) -> assertThat(context).hasSingleBean(Plain.class));
	}

	private static String here() {
		return Target.current().toString();
	}

	@Tenant("lisbon")
	static class OnClass {

		public String target() {
			return here();
		}

		String packagePrivate() {
			return here();
		}

		protected String forProtected() {
			return here();
		}

		@Tenant("porto")
		public String method() {
			return here();
		}

		@UseSource("porto")
		public String source() {
			return here();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class NeededFirst {

		@Bean
		static First first(OnClass needed) {
			assertThat(needed.target()).as("Not refused").isEqualTo("tenant 'lisbon'");
			return new First();
		}

	}

	static class First implements BeanPostProcessor, PriorityOrdered {

		@Override
		public int getOrder() {
			return 0;
		}

	}

	static class NeededEarly implements BeanPostProcessor, Ordered {

		NeededEarly(OnClass needed) {
			assertThat(needed.target()).as("Not refused").isEqualTo("tenant 'lisbon'");
		}

		@Override
		public int getOrder() {
			return 0;
		}

	}

	static class AlsoEarly implements BeanPostProcessor, Ordered {

		AlsoEarly(Plain needed) {
			assertThat(needed).isNotNull();
		}

		@Override
		public int getOrder() {
			return 0;
		}

	}

	@UseSource("lisbon")
	static class OnSource {

		public String target() {
			return here();
		}

		@Tenant("porto")
		public String method() {
			return here();
		}

	}

	static class OnMethod {

		@Tenant("lisbon")
		public String annotated() {
			return here();
		}

		public String plain() {
			return here();
		}

	}

	interface Place {

		String inherited();

	}

	@Tenant("lisbon")
	interface City extends Place {

		String target();

		@Tenant("porto")
		String method();

		default String defaultMethod() {
			return here();
		}

		@Tenant("#name")
		default String annotatedDefaultMethod(String name) {
			return here();
		}

	}

	static class CityService implements City {

		@Override
		public String target() {
			return here();
		}

		@Override
		public String method() {
			return here();
		}

		@Override
		public String inherited() {
			return here();
		}

	}

	@UseSource("porto")
	static class CityOnSource extends CityService {

	}

	@Tenant("lisbon")
	static class Base {

		public String target() {
			return here();
		}

		@Tenant("porto")
		public String method() {
			return here();
		}

	}

	static class Sub extends Base {

		public String own() {
			return here();
		}

	}

	@Tenant("porto")
	static class SubOnPorto extends Base {

	}

	static class SubOverrides extends Base {

		@Override
		public String method() {
			return here();
		}

	}

	@Retention(RetentionPolicy.RUNTIME)
	@Tenant("lisbon")
	@interface Lisbon {

	}

	@Retention(RetentionPolicy.RUNTIME)
	@Tenant("porto")
	@interface Porto {

	}

	@Retention(RetentionPolicy.RUNTIME)
	@UseSource("porto")
	@interface PortoSource {

	}

	@Retention(RetentionPolicy.RUNTIME)
	@Tenant
	@interface ForTenant {

		@AliasFor(annotation = Tenant.class, attribute = "value")
		String whose();

	}

	@Lisbon
	static class OnMeta {

		public String target() {
			return here();
		}

		@ForTenant(whose = "'election-' + #id")
		public String alias(int id) {
			return here();
		}

		@Lisbon
		@Tenant("porto")
		public String direct() {
			return here();
		}

	}

	interface Store<T> {

		String put(T item);

		@Tenant("'g-' + #item")
		String get(T item);

	}

	static class StringStore implements Store<String> {

		@Override
		@Tenant("'t-' + #text")
		public String put(String text) {
			return here();
		}

		@Override
		public String get(String text) {
			return here();
		}

	}

	static class Plain {

		public String target() {
			return here();
		}

	}

	interface Crud<T> {

		String save(T entity);

	}

	@Tenant("lisbon")
	interface VoteRepository extends Crud<String> {

		@Tenant("'election-' + #election")
		String findByElection(int election);

		@UseSource("porto")
		String archived();

	}

	interface BadRepository extends Crud<String> {

		@Tenant("'election-' + #uid")
		String findByElection(int election);

	}

	abstract static class ProxyFactoryBean<T> implements FactoryBean<T> {

		private final Class<T> type;

		ProxyFactoryBean(Class<T> type) {
			this.type = type;
		}

		@Override
		public T getObject() {
			// As Spring Data does: an interface proxy whose target is of another type.
			ProxyFactory factory = new ProxyFactory(new Plain());
			factory.setInterfaces(this.type);
			factory.addAdvice((MethodInterceptor) (invocation) -> here());
			return this.type.cast(factory.getProxy());
		}

		@Override
		public Class<T> getObjectType() {
			return this.type;
		}

	}

	static class RepositoryFactory extends ProxyFactoryBean<VoteRepository> {

		RepositoryFactory() {
			super(VoteRepository.class);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class BadRepositoryFactory {

		@Bean
		BadRepository badRepository() {
			ProxyFactory factory = new ProxyFactory(new Plain());
			factory.setInterfaces(BadRepository.class);
			return (BadRepository) factory.getProxy();
		}

	}

	static class BothOnMethod {

		@Tenant("lisbon")
		@UseSource("porto")
		public void method() {
		}

	}

	@Tenant("lisbon")
	@UseSource("porto")
	static class BothOnClass {

		public void method() {
		}

	}

	static class BothThroughMeta {

		@Tenant("lisbon")
		@PortoSource
		public void method() {
		}

	}

	static class TwoMeta {

		@Lisbon
		@Porto
		public void method() {
		}

	}

	static class PrivateMethod {

		@Tenant("lisbon")
		@SuppressWarnings("UnusedMethod")
		private void method() {
		}

	}

	static class StaticMethod {

		@Tenant("lisbon")
		public static void method() {
		}

	}

	static class FinalMethod {

		@UseSource("lisbon")
		public final void method() {
		}

	}

	static class LifecycleMethod {

		@PostConstruct
		@Tenant("lisbon")
		void load() {
		}

	}

	@Lisbon
	static class FinalInClass {

		public final void method() {
		}

	}

	static class WithFinal {

		public final void method() {
		}

	}

	@Tenant("lisbon")
	static class FinalInSuperclass extends WithFinal {

	}

	static class PrivateInSuperclass extends PrivateMethod {

	}

	interface WithStatic {

		@Tenant("lisbon")
		static void method() {
		}

	}

	static class StaticInInterface implements WithStatic {

	}

	interface AnnotatedMethod {

		@Tenant("lisbon")
		String method();

	}

	static class FinalOfInterface implements AnnotatedMethod {

		@Override
		public final String method() {
			return here();
		}

	}

	static final class FinalCity implements AnnotatedMethod {

		@Override
		public String method() {
			return here();
		}

	}

	@Tenant("lisbon")
	static final class FinalMarker {

	}

	static class FinalUnannotated {

		public final void method() {
		}

		protected static void other() {
		}

	}

	static class FinalBesideAnnotated extends OnMethod {

		public final void method() {
		}

	}

	@Tenant("'election-' + #id")
	static class PrivateInAnnotatedClass {

		public String target(int id) {
			return here() + helper();
		}

		private String helper() {
			return "";
		}

	}

	@Tenant("lisbon")
	static class SpringBase extends ApplicationObjectSupport {

		public String target() {
			return here();
		}

	}

	interface TwoMethods {

		void first();

		void second(int id);

	}

	static class LateMistake implements TwoMethods {

		@Override
		@Tenant("lisbon")
		public void first() {
		}

		@Override
		@Tenant("'x' + #uid")
		public void second(int id) {
		}

	}

	static class InvalidConstant {

		@Tenant("../x")
		public void method() {
		}

	}

	static class InvalidSource {

		@UseSource("a b")
		public void method() {
		}

	}

	static class BlankSource {

		@UseSource("")
		public void method() {
		}

	}

	static class CreateWithoutValue {

		@Tenant(create = true)
		public void method() {
		}

	}

	@Tenant("${city}")
	static class Placeholder {

		public String target() {
			return here();
		}

		@Tenant("city-${city}")
		public String composed() {
			return here();
		}

		@UseSource("${no.such.property:porto}")
		public String source() {
			return here();
		}

	}

	@Tenant("${no.such.property}")
	static class MissingPlaceholder {

		public void method() {
		}

	}

	@Tenant
	static class Required {

		public String target() {
			return here();
		}

	}

	static class Elections {

		private final JdbcClient jdbc;

		private int calls;

		Elections(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Tenant("'election-' + #id")
		public String target(@Nullable Long id) {
			this.calls++;
			return here();
		}

		@Tenant("#tenant")
		public String any(String tenant) {
			this.calls++;
			return here();
		}

		int calls() {
			return this.calls;
		}

		@UseSource("#name")
		public String source(String name) {
			return here();
		}

		@Tenant(value = "'election-' + #id", create = true)
		public void vote(Long id, String candidate) {
			this.jdbc.sql("create table if not exists vote (candidate varchar(9))").update();
			this.jdbc.sql("insert into vote values (?)").param(candidate).update();
		}

		@Tenant("'election-' + #id")
		public Long read(Long id) {
			return this.jdbc.sql("select count(*) from vote").query(Long.class).single();
		}

	}

	static class Throwing {

		@Tenant("lisbon")
		public void fail(Class<? extends Throwable> type) throws Throwable {
			throw type.getDeclaredConstructor().newInstance();
		}

	}

	static class Recursive {

		@Tenant("'t' + #depth")
		public void descend(int depth, Recursive self, List<String> seen) {
			seen.add(TenantContext.require());
			if (depth > 0) {
				self.descend(depth - 1, self, seen);
			}
			seen.add(TenantContext.require());
		}

	}

	static class Futures {

		@Tenant("lisbon")
		public CompletableFuture<String> later(CountDownLatch go) {
			return CompletableFuture.supplyAsync(() -> {
				try {
					go.await(60, TimeUnit.SECONDS);
				}
				catch (InterruptedException ex) {
					Thread.currentThread().interrupt();
				}
				return here();
			});
		}

	}

	public static class Ledger {

		private final JdbcClient jdbc;

		public Ledger(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Transactional
		@Tenant("#tenant")
		public boolean add(String tenant, String text) {
			this.jdbc.sql("insert into row values (?)").param(text).update();
			return TransactionSynchronizationManager.isActualTransactionActive();
		}

		@Transactional
		@Tenant("#tenant")
		public void fail(String tenant, String text) {
			add(tenant, text);
			throw new IllegalArgumentException();
		}

		@Transactional
		@Tenant("#tenant")
		public void around(String tenant, String text, Runnable inner) {
			add(tenant, text);
			inner.run();
		}

		@Transactional(propagation = Propagation.REQUIRES_NEW)
		@Tenant("#tenant")
		public void anew(String tenant, String text) {
			add(tenant, text);
		}

	}

	@Transactional
	@Tenant("lisbon")
	static class TransactionalLedger {

		private final JdbcClient jdbc;

		TransactionalLedger(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		public boolean add(String text) {
			this.jdbc.sql("insert into row values (?)").param(text).update();
			return TransactionSynchronizationManager.isActualTransactionActive();
		}

	}

	@EnableTransactionManagement(order = Ordered.HIGHEST_PRECEDENCE + 100)
	@Configuration(proxyBeanMethods = false)
	static class EarlyTransactions {

	}

	@EnableAsync
	@Configuration(proxyBeanMethods = false)
	static class AsyncConfiguration {

		@Bean
		SimpleAsyncTaskExecutor taskExecutor() {
			return new SimpleAsyncTaskExecutor("async-");
		}

	}

	static class AsyncLedger {

		private final JdbcClient jdbc;

		AsyncLedger(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Async
		@Transactional
		@Tenant("#tenant")
		public CompletableFuture<String> add(String tenant, String text) {
			this.jdbc.sql("insert into row values (?)").param(text).update();
			return CompletableFuture.completedFuture(Thread.currentThread().getName());
		}

	}

	static class Creating {

		@Tenant(value = "#tenant", create = true)
		public String target(String tenant) {
			return here();
		}

	}

}
