package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

import javax.sql.DataSource;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import net.ttddyy.dsproxy.support.ProxyDataSourceBuilder;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import org.springframework.aop.support.DefaultPointcutAdvisor;
import org.springframework.aop.support.NameMatchMethodPointcut;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.health.contributor.CompositeHealthContributor;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.health.DataSourceHealthContributorAutoConfiguration;
import org.springframework.boot.liquibase.autoconfigure.LiquibaseAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Role;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceSwitchException;
import io.multidb.TenantContext;
import io.multidb.access.AccessDecision;
import io.multidb.access.SourceAccess;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;
import io.multidb.fanout.FanOut;
import io.multidb.migration.StartupMigration;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for applications in which a library wraps every DataSource bean.
 */
@ParameterizedClass
@EnumSource
class WrappedDataSourceTests {

	enum Wrapper {

		/** As Spring's own, and those of gavlyukovskiy's starters. */
		DELEGATING {

			@Override
			DataSource wrap(DataSource dataSource) {
				return new DelegatingDataSource(dataSource);
			}

		},

		DATASOURCE_PROXY {

			@Override
			DataSource wrap(DataSource dataSource) {
				return ProxyDataSourceBuilder.create(dataSource).build();
			}

		},

		/** As datasource-micrometer has it. */
		DATASOURCE_PROXY_OF_INTERFACES {

			@Override
			DataSource wrap(DataSource dataSource) {
				return ProxyDataSourceBuilder.create(dataSource).buildProxy();
			}

		},

		/** Advice on all that is a DataSource, where classes are proxied by default. */
		ADVICE {

			@Override
			DataSource wrap(DataSource dataSource) {
				return dataSource;
			}

		};

		abstract DataSource wrap(DataSource dataSource);

	}

	@Parameter
	private Wrapper wrapper;

	@TempDir
	private Path directory;

	/** How many connections were taken from wrapped DataSources. */
	private final AtomicInteger taken = new AtomicInteger();

	private ApplicationContextRunner withJdbc() {
		ApplicationContextRunner runner = new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class,
							MultiDbHealthAutoConfiguration.class, MultiDbFanOutAutoConfiguration.class,
							MultiDbCatalogAutoConfiguration.class, MultiDbDiscoveryAutoConfiguration.class,
							MultiDbAccessAutoConfiguration.class, MultiDbDataJdbcAutoConfiguration.class,
							DataSourceAutoConfiguration.class, LiquibaseAutoConfiguration.class,
							JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class,
							DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
							DataSourceHealthContributorAutoConfiguration.class, AopAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"app.tenancy.liquibase.change-log=classpath:db/notes.yaml")
			.withBean(AtomicInteger.class, () -> this.taken);
		return (this.wrapper == Wrapper.ADVICE) ? runner.withUserConfiguration(Advice.class)
				: runner.withBean(Wrapping.class, () -> new Wrapping(this.wrapper, this.taken));
	}

	private ApplicationContextRunner withJpa() {
		return withJdbc()
			.withConfiguration(
					AutoConfigurations.of(MultiDbJpaAutoConfiguration.class, HibernateJpaAutoConfiguration.class))
			.withUserConfiguration(Entities.class);
	}

	@Test
	void whatTheApplicationDoesGoesThroughTheWrapper() {
		withJdbc().run((context) -> {
			assertThat(context).hasNotFailed();
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			this.taken.set(0);
			TenantContext.run("lisbon", () -> insert(jdbc, "a"));
			TenantContext.run("porto", () -> transaction(context.getBean(PlatformTransactionManager.class))
				.executeWithoutResult((status) -> insert(jdbc, "b")));
			assertThat(this.taken).hasValue(2);
			assertThat(context.getBean(FanOut.class)
				.over(List.of("lisbon", "porto"))
				.query((client) -> client.sql("SELECT text FROM note").query(String.class).list())
				.values()).containsExactlyInAnyOrder("a", "b");
			assertThat(this.taken).hasValue(4);
			JdbcClient porto = JdbcClient.create(context.getBean("porto", DataSource.class));
			assertThat(texts(porto)).containsExactly("b");
			assertThat(this.taken).hasValue(5);
			assertIdle(context.getBean(SourceRegistry.class));
		});
	}

	@Test
	void sessionsAreOfOneSource() {
		withJpa().run((context) -> {
			assertThat(context).hasNotFailed();
			EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
			EntityManager entities = SharedEntityManagerCreator.createSharedEntityManager(factory);
			TransactionTemplate transaction = transaction(context.getBean(PlatformTransactionManager.class));
			this.taken.set(0);
			TenantContext.run("lisbon",
					() -> transaction.executeWithoutResult((status) -> entities.persist(new Note("a"))));
			assertThat(this.taken).hasValue(1);
			TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
				entities.persist(new Note("b"));
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> TenantContext.run("porto", () -> entities.persist(new Note("c"))))
					.withMessageContaining("source 'lisbon'");
			}));
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			assertThat(TenantContext.call("lisbon", () -> texts(jdbc))).containsExactly("a", "b");
			assertThat(TenantContext.call("porto", () -> texts(jdbc))).isEmpty();
			TenantContext.run("porto", () -> {
				try (var session = factory.unwrap(SessionFactory.class).openSession()) {
					assertThat(session.getTenantIdentifier()).isEqualTo("porto");
				}
			});
			assertIdle(context.getBean(SourceRegistry.class));
		});
	}

	@Test
	void aSwitchInATransactionIsRefused() {
		withJdbc().run((context) -> {
			assertThat(context).hasNotFailed();
			TransactionTemplate transaction = transaction(context.getBean(PlatformTransactionManager.class));
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
				insert(jdbc, "a");
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> TenantContext.run("porto", () -> insert(jdbc, "b")))
					.withMessageContaining("source 'lisbon'");
			}));
			assertThat(TenantContext.call("lisbon", () -> texts(jdbc))).containsExactly("a");
			assertThat(TenantContext.call("porto", () -> texts(jdbc))).isEmpty();
		});
	}

	@Test
	void everySourceIsMigratedAndNoneIsInSpringBootsHealth() {
		withJdbc().run((context) -> {
			assertThat(context).hasNotFailed().hasSingleBean(StartupMigration.class);
			for (String source : List.of("lisbon", "porto")) {
				assertThat(Sources.query(context.getBean(SourceRegistry.class).get(source),
						"SELECT count(*) FROM databasechangelog"))
					.isEqualTo("1");
			}
			assertThat(context.getBean("dbHealthContributor", CompositeHealthContributor.class)).isEmpty();
		});
	}

	@Test
	void theCatalogIsPartOfTheApplicationsTransaction() {
		withJdbc().withPropertyValues("app.tenancy.catalog.source=lisbon").run((context) -> {
			assertThat(context).hasNotFailed();
			Catalog catalog = context.getBean(Catalog.class);
			TenantContext.run("lisbon", () -> transaction(context.getBean(PlatformTransactionManager.class))
				.executeWithoutResult((status) -> {
					catalog.save(CatalogSource.named("faro")
						.url("jdbc:sqlite:" + this.directory.resolve("faro.db"))
						.build());
					status.setRollbackOnly();
				}));
			assertThat(catalog.find("faro")).isNull();
		});
	}

	@Test
	void rulesAreAskedBehindTheWrapper() {
		withJdbc().withBean(SourceAccess.class, () -> (user, tenant, source, operation) -> source.equals("porto")
				? AccessDecision.allow() : AccessDecision.deny("Closed."))
			.run((context) -> {
				assertThat(context).hasNotFailed();
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				TenantContext.run("porto", () -> insert(jdbc, "a"));
				assertThatThrownBy(() -> TenantContext.run("lisbon", () -> texts(jdbc)))
					.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
			});
	}

	private static TransactionTemplate transaction(PlatformTransactionManager manager) {
		return new TransactionTemplate(manager);
	}

	private static void insert(JdbcClient jdbc, String text) {
		jdbc.sql("INSERT INTO note (text) VALUES (?)").param(text).update();
	}

	private static List<String> texts(JdbcClient jdbc) {
		return jdbc.sql("SELECT text FROM note ORDER BY id").query(String.class).list();
	}

	private static void assertIdle(SourceRegistry registry) {
		Sources.assertIdle(registry.get("lisbon"));
		Sources.assertIdle(registry.get("porto"));
	}

	/** As libraries have it that wrap every DataSource. */
	private record Wrapping(Wrapper wrapper, AtomicInteger taken) implements BeanPostProcessor {

		@Override
		public Object postProcessAfterInitialization(Object bean, String name) {
			return (bean instanceof DataSource dataSource) ? this.wrapper.wrap(new Counting(dataSource, this.taken))
					: bean;
		}

	}

	private static final class Counting extends DelegatingDataSource {

		private final AtomicInteger taken;

		Counting(DataSource dataSource, AtomicInteger taken) {
			super(dataSource);
			this.taken = taken;
		}

		@Override
		public Connection getConnection() throws SQLException {
			this.taken.incrementAndGet();
			return super.getConnection();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Advice {

		@Bean
		@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
		static DefaultPointcutAdvisor counting(AtomicInteger taken) {
			NameMatchMethodPointcut pointcut = new NameMatchMethodPointcut();
			pointcut.setMappedName("getConnection");
			pointcut.setClassFilter(DataSource.class::isAssignableFrom);
			return new DefaultPointcutAdvisor(pointcut, (org.aopalliance.intercept.MethodInterceptor) (call) -> {
				taken.incrementAndGet();
				return call.proceed();
			});
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = Note.class)
	static class Entities {

	}

	@Entity
	@Table(name = "note")
	static class Note {

		@Id
		@GeneratedValue(strategy = GenerationType.IDENTITY)
		private Long id;

		private String text;

		Note() {
		}

		Note(String text) {
			this.text = text;
		}

		@Override
		public String toString() {
			return this.text;
		}

	}

}
