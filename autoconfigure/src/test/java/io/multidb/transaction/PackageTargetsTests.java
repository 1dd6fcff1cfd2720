package io.multidb.transaction;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.aop.support.AopUtils;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.jpa.repository.config.EnableJpaRepositories;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.test.util.AopTestUtils;

import io.multidb.Scope;
import io.multidb.SourceSwitchException;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.transaction.apps.auth.AuthConfiguration;
import io.multidb.transaction.apps.auth.AuthFilter;
import io.multidb.transaction.apps.auth.AuthMarker;
import io.multidb.transaction.apps.auth.AuthPostProcessor;
import io.multidb.transaction.apps.auth.AuthProperties;
import io.multidb.transaction.apps.auth.AuthService;
import io.multidb.transaction.apps.auth.AuthSettings;
import io.multidb.transaction.apps.auth.FinalMethodService;
import io.multidb.transaction.apps.auth.FinalService;
import io.multidb.transaction.apps.auth.HiddenLoginService;
import io.multidb.transaction.apps.auth.Login;
import io.multidb.transaction.apps.auth.LoginRepository;
import io.multidb.transaction.apps.auth.web.AuthController;
import io.multidb.transaction.apps.driver.DriverService;
import io.multidb.transaction.apps.driver.InheritingService;
import io.multidb.transaction.apps.driver.LisbonService;
import io.multidb.transaction.apps.pinned.PinnedService;
import io.multidb.transaction.apps.pinned.below.BelowService;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for the tenant that a bean's package gives.
 */
class PackageTargetsTests {

	private static final String APPS = "app.tenancy.packages=io.multidb.transaction.apps.{tenant}";

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareSources() {
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class,
					DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
					JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class, AopAutoConfiguration.class))
			.withPropertyValues("app.datasources.default.url=" + url("default"),
					"app.datasources.lisbon.url=" + url("lisbon"), "city=lisbon");
	}

	@AfterEach
	void leavesNothingBehind() {
		assertThat(Target.current()).hasToString("no tenant");
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private void run(Class<?> bean, Consumer<AssertableApplicationContext> test) {
		this.contextRunner.withPropertyValues(APPS).withUserConfiguration(bean).run((context) -> {
			assertThat(context).hasNotFailed();
			test.accept(context);
		});
	}

	// Whose a bean is

	@Test
	void aBeanIsItsPackages() {
		run(AuthService.class,
				(context) -> assertThat(context.getBean(AuthService.class).target()).isEqualTo("tenant 'auth'"));
	}

	@Test
	void aBeanOfAPackageBelowIsToo() {
		run(AuthController.class,
				(context) -> assertThat(context.getBean(AuthController.class).target()).isEqualTo("tenant 'auth'"));
	}

	@Test
	void anotherCurrentTenantGivesWay() {
		run(AuthService.class, (context) -> {
			try (Scope scope = TenantContext.enter("lisbon")) {
				assertThat(context.getBean(AuthService.class).target()).isEqualTo("tenant 'auth'");
				assertThat(Target.current()).hasToString("tenant 'lisbon'");
			}
		});
	}

	@Test
	void withoutThePropertyPackagesSayNothing() {
		this.contextRunner.withBean(AuthController.class).run((context) -> {
			assertThat(AopUtils.isAopProxy(context.getBean(AuthController.class))).isFalse();
			assertThat(context.getBean(AuthController.class).target()).isEqualTo("no tenant");
		});
	}

	@Test
	void aSubclassIsItsOwnPackagesAndNotItsSuperclasss() {
		run(DriverService.class,
				(context) -> assertThat(context.getBean(DriverService.class).target()).isEqualTo("tenant 'driver'"));
	}

	@Test
	void aSubclassElsewhereIsItsSuperclasss() {
		run(Elsewhere.class, (context) -> {
			assertThat(context.getBean(Elsewhere.class).target()).isEqualTo("tenant 'auth'");
			assertThat(context.getBean(Elsewhere.class).own()).isEqualTo("tenant 'auth'");
		});
	}

	@Test
	void anAnnotationOfAMethodGoesBefore() {
		run(AuthService.class, (context) -> {
			assertThat(context.getBean(AuthService.class).ofLisbon()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(AuthService.class).atLisbon()).contains("source 'lisbon'");
		});
		run(DriverService.class,
				(context) -> assertThat(context.getBean(DriverService.class).ofLisbon()).isEqualTo("tenant 'lisbon'"));
	}

	@Test
	void anAnnotationOfATypeGoesBeforeAnInheritedOneToo() {
		run(LisbonService.class,
				(context) -> assertThat(context.getBean(LisbonService.class).target()).isEqualTo("tenant 'lisbon'"));
		run(InheritingService.class, (context) -> assertThat(context.getBean(InheritingService.class).target())
			.isEqualTo("tenant 'lisbon'"));
	}

	@Test
	void anAnnotationOfThePackageGoesBeforeItsNameAndHoldsForNoPackageBelow() {
		run(PinnedService.class, (context) -> {
			assertThat(context.getBean(PinnedService.class).target()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(PinnedService.class).atLisbon()).contains("source 'lisbon'");
		});
		run(BelowService.class,
				(context) -> assertThat(context.getBean(BelowService.class).target()).isEqualTo("tenant 'pinned'"));
	}

	@Test
	void anAnnotationOfThePackageNeedsNoProperty() {
		this.contextRunner.withBean(PinnedService.class).withBean(BelowService.class).run((context) -> {
			assertThat(context.getBean(PinnedService.class).target()).isEqualTo("tenant 'lisbon'");
			assertThat(context.getBean(BelowService.class).target()).isEqualTo("no tenant");
		});
	}

	@Test
	void aBeanOfNoClassIsThePackagesThatItWasWrittenIn() {
		run(AuthConfiguration.class, (context) -> {
			assertThat(context.getBean("target", Supplier.class).get()).isEqualTo("tenant 'auth'");
			assertThat(AopUtils.isAopProxy(context.getBean(AuthConfiguration.class))).isFalse();
		});
	}

	@ParameterizedTest
	@ValueSource(classes = { AuthProperties.class, AuthPostProcessor.class, AuthFilter.class, AuthMarker.class })
	void whatIsNoServiceIsLeftAlone(Class<?> bean) {
		run(bean, (context) -> assertThat(AopUtils.isAopProxy(context.getBean(bean))).isFalse());
	}

	@Test
	void aValueIsLeftAlone() {
		this.contextRunner.withPropertyValues(APPS)
			.withBean(AuthSettings.class, "x")
			.run((context) -> assertThat(context).hasSingleBean(AuthSettings.class));
	}

	@Test
	void aFinalServiceIsRefused() {
		this.contextRunner.withPropertyValues(APPS)
			.withBean(FinalService.class)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.hasMessageContainingAll("io.multidb.transaction.apps.auth", FinalService.class.getName(),
						"Remove 'final'"));
	}

	@Test
	void aFinalMethodIsRefused() {
		this.contextRunner.withPropertyValues(APPS)
			.withBean(FinalMethodService.class)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.hasMessageContainingAll("FinalMethodService.method()", "package would be ignored"));
	}

	@Test
	void aPatternThatIsNoneFailsTheStartWithOneSentence() {
		this.contextRunner.withPropertyValues("app.tenancy.packages=io.multidb")
			.withBean(AuthService.class)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.hasMessageContaining("'app.tenancy.packages' has 'io.multidb'"));
	}

	// Transactions

	@Test
	void appsOfOneSourceShareATransactionAndOthersAreRefused() {
		this.contextRunner.withPropertyValues(APPS)
			.withBean(AuthService.class)
			.withBean(DriverService.class)
			.withBean(PinnedService.class)
			.run((context) -> {
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				Runnable atDriver = () -> assertThat(context.getBean(DriverService.class).target())
					.isEqualTo("tenant 'driver'");
				Runnable atLisbon = () -> assertThat(context.getBean(PinnedService.class).target())
					.isEqualTo("tenant 'lisbon'");
				AuthService auth = context.getBean("authService", AuthService.class);
				auth.around(() -> {
					// A session, in which a switch would be too late.
					int unused = jdbc.sql("create table a (b int)").update();
					atDriver.run();
					assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(atLisbon::run);
					context.getBean(PinnedService.class).anew(() -> {
					});
				});
			});
	}

	@Test
	void aMethodWithATransactionToItselfSetsAnothersAside() {
		this.contextRunner.withPropertyValues(APPS)
			.withBean(AuthService.class)
			.withBean(PinnedService.class)
			.run((context) -> {
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				AuthService auth = context.getBean("authService", AuthService.class);
				List<String> inside = new ArrayList<>();
				context.getBean(PinnedService.class).around(() -> {
					int unused = jdbc.sql("create table a (b int)").update();
					assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(auth::target);
					auth.anew(() -> inside.add(Target.current().toString()));
				});
				assertThat(inside).containsExactly("tenant 'auth'");
			});
	}

	// Repositories

	@Test
	void rowsOfARepositoryGoToItsPackagesTenant() {
		this.contextRunner
			.withConfiguration(AutoConfigurations.of(HibernateJpaAutoConfiguration.class,
					DataJpaRepositoriesAutoConfiguration.class))
			.withUserConfiguration(Repositories.class)
			.withBean(HiddenLoginService.class)
			.withPropertyValues(APPS, "app.datasources.auth.url=" + url("auth"),
					"spring.jpa.properties.hibernate.dialect=org.hibernate.community.dialect.SQLiteDialect",
					"spring.jpa.properties.hibernate.boot.allow_jdbc_metadata_access=false")
			.run((context) -> {
				assertThat(context).hasNotFailed();
				for (String tenant : List.of("auth", "driver", "lisbon")) {
					TenantContext.run(tenant, () -> {
						int unused = context.getBean(JdbcClient.class)
							.sql("create table login (name varchar(9))")
							.update();
					});
				}
				LoginRepository logins = context.getBean(LoginRepository.class);
				logins.save(new Login("a"));
				TenantContext.run("lisbon", () -> {
					Login unused = logins.save(new Login("b"));
				});
				// Past the service's own advice: the repository alone says whose rows
				// they are.
				HiddenLoginService hidden = AopTestUtils.getTargetObject(context.getBean(HiddenLoginService.class));
				hidden.save("c");
				assertThat(names(context, "auth")).containsExactly("a", "b", "c");
				assertThat(names(context, "driver")).isEmpty();
				assertThat(names(context, "lisbon")).isEmpty();
				assertThat(logins.findByName("a")).as("which is said to be of 'driver'").isEmpty();
			});
	}

	private static List<String> names(AssertableApplicationContext context, String tenant) {
		return TenantContext.call(tenant,
				() -> context.getBean(JdbcClient.class).sql("select name from login").query(String.class).list());
	}

	/** In no app's package. */
	static class Elsewhere extends AuthService {

		String own() {
			return Target.current().toString();
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableJpaRepositories(basePackageClasses = Login.class)
	@EntityScan(basePackageClasses = Login.class)
	static class Repositories {

	}

}
