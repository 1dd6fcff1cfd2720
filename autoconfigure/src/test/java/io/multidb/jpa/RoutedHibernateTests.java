package io.multidb.jpa;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

import javax.sql.DataSource;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.EntityTransaction;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;
import jakarta.persistence.PersistenceConfiguration;
import jakarta.persistence.PersistenceException;
import net.ttddyy.dsproxy.support.ProxyDataSourceBuilder;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.StatelessSession;
import org.hibernate.annotations.TenantId;
import org.hibernate.boot.registry.StandardServiceRegistryBuilder;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.internal.UserSuppliedConnectionProviderImpl;
import org.hibernate.engine.jdbc.connections.spi.AbstractMultiTenantConnectionProvider;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.hibernate.autoconfigure.HibernatePropertiesCustomizer;
import org.springframework.boot.jpa.EntityManagerFactoryBuilder;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.core.env.Environment;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.AbstractDataSource;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.orm.jpa.LocalEntityManagerFactoryBean;
import org.springframework.orm.jpa.hibernate.HibernateTransactionManager;
import org.springframework.orm.jpa.persistenceunit.DefaultPersistenceUnitManager;
import org.springframework.orm.jpa.persistenceunit.PersistenceManagedTypes;
import org.springframework.orm.jpa.vendor.HibernateJpaVendorAdapter;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for {@link RoutedHibernate} in an ordinary application.
 */
class RoutedHibernateTests {

	private static final String DEAD = "jdbc:postgresql://localhost:1/lisbon";

	@TempDir
	private Path directory;

	@Test
	void entitiesGoToTheirSource() {
		try (JpaApplication application = JpaApplication.start(this.directory, Cities.class)) {
			application.in("lisbon", RoutedHibernateTests::save);
			assertThat(application.column("lisbon", "select name from city")).containsExactly("a");
			assertThat(application.column("porto", "select name from city")).isEmpty();
		}
	}

	@Test
	@Timeout(60)
	void startsWithItsDatabaseDownAndAsksNone() {
		try (JpaApplication application = JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD)) {
			assertThat(application.sessions().isOpen()).isTrue();
			assertThat(application.bean(SourceRegistry.class).get("lisbon").state())
				.isInstanceOf(SourceState.Cold.class);
		}
	}

	@Test
	void theDialectIsKnownWithoutADatabase() {
		try (JpaApplication application = JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD)) {
			assertThat(dialect(application)).contains("PostgreSQLDialect, version: 14");
		}
		try (JpaApplication application = JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD,
				"spring.jpa.properties.jakarta.persistence.database-major-version=18")) {
			assertThat(dialect(application)).contains("PostgreSQLDialect, version: 18");
		}
		try (JpaApplication application = JpaApplication.start(this.directory, Cities.class)) {
			assertThat(dialect(application)).contains("SqliteConstraintDialect, version: 3.");
		}
	}

	private static SessionFactoryImplementor implementor(JpaApplication application) {
		return application.bean(EntityManagerFactory.class).unwrap(SessionFactoryImplementor.class);
	}

	private static String dialect(JpaApplication application) {
		return implementor(application).getJdbcServices().getDialect().toString();
	}

	@ParameterizedTest
	@ValueSource(strings = { "spring.jpa.hibernate.ddl-auto=update", "spring.jpa.hibernate.ddl-auto=validate",
			"spring.jpa.generate-ddl=true", "spring.jpa.properties.hibernate.hbm2ddl.auto=create-drop",
			"spring.jpa.properties.jakarta.persistence.schema-generation.database.action=create" })
	void schemaToolsAreRefusedAtTheStart(String property) {
		assertThatThrownBy(() -> JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD, property))
			.satisfies((ex) -> assertThat(NestedExceptionUtils.getRootCause(ex))
				.isInstanceOfSatisfying(FailureAnalyzedException.class, (failure) -> {
					assertThat(failure.analysis().getDescription()).contains("one database only");
					assertThat(failure.analysis().getAction()).contains("app.tenancy.liquibase.change-log");
				}));
	}

	@Test
	void loadingWhatIsLazyWithoutItsSessionIsRefusedAtTheStart() {
		assertThatThrownBy(() -> JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD,
				"spring.jpa.properties.hibernate.enable_lazy_load_no_trans=true"))
			.satisfies((ex) -> assertThat(NestedExceptionUtils.getRootCause(ex))
				.isInstanceOfSatisfying(FailureAnalyzedException.class, (failure) -> {
					assertThat(failure.analysis().getDescription()).contains("hibernate.enable_lazy_load_no_trans");
					assertThat(failure.analysis().getAction()).contains("@EntityGraph");
				}));
	}

	@ParameterizedTest
	@ValueSource(strings = { "none", "" })
	void noSchemaToolIsFine(String action) {
		try (JpaApplication application = JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD,
				"spring.jpa.hibernate.ddl-auto=" + action)) {
			assertThat(application.sessions().isOpen()).isTrue();
		}
	}

	@Test
	void anUnrelatedDataSourcesFactoryIsUntouched() {
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"))) {
			SessionFactoryImplementor other = application.context()
				.getBean("other", EntityManagerFactory.class)
				.unwrap(SessionFactoryImplementor.class);
			assertThat(other.getProperties()).doesNotContainKeys("hibernate.tenant_identifier_resolver",
					"hibernate.multi_tenant_connection_provider", "hibernate.boot.allow_jdbc_metadata_access");
			assertThat(other.getServiceRegistry().getService(MultiTenantConnectionProvider.class)).isNull();
			// Created by Hibernate, as the application has it there, and used without a
			// tenant and across one.
			other.inTransaction((session) -> {
				session.persist(new City("mine"));
				try (Scope scope = TenantContext.enter("lisbon")) {
					session.flush();
				}
			});
			application.in("porto", RoutedHibernateTests::save);
			assertThat(application.column("porto", "select name from city")).containsExactly("a");
			assertThat(JdbcClient.create(application.context().getBean("otherDataSource", DataSource.class))
				.sql("select name from city")
				.query(String.class)
				.list()).containsExactly("mine");
		}
	}

	@Test
	void aWrappedRouterIsTheRouter() {
		try (JpaApplication application = JpaApplication.start(this.directory, Wrapped.class)) {
			application.in("lisbon", RoutedHibernateTests::save);
			assertThat(application.column("lisbon", "select name from city")).containsExactly("a");
			try (Scope scope = TenantContext.enter("lisbon"); Session session = application.sessions().openSession()) {
				assertThat(session.getTenantIdentifier()).isEqualTo("lisbon");
			}
		}
	}

	@Test
	void aWrapperThatHidesTheRouterIsRefusedAtItsFirstConnection() {
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"))) {
			try (EntityManagerFactory hiding = factory(application,
					new Hiding(application.bean(RoutingDataSource.class)));
					Scope scope = TenantContext.enter("lisbon");
					EntityManager entities = hiding.createEntityManager()) {
				assertThatThrownBy(() -> entities.find(City.class, 1L))
					.hasRootCauseInstanceOf(SQLNonTransientConnectionException.class)
					.rootCause()
					.hasMessageContaining("does not say so");
			}
			assertThat(application.bean(SourceRegistry.class).drain("lisbon")).as("Nothing is left in use").isTrue();
		}
	}

	private static EntityManagerFactory factory(JpaApplication application, DataSource dataSource) {
		LocalContainerEntityManagerFactoryBean bean = new LocalContainerEntityManagerFactoryBean();
		bean.setDataSource(dataSource);
		bean.setManagedTypes(PersistenceManagedTypes.of(City.class.getName()));
		bean.setJpaVendorAdapter(new HibernateJpaVendorAdapter());
		// As Hibernate does by itself: a session takes a connection for each transaction.
		bean.setJpaPropertyMap(Map.of("hibernate.dialect", "org.hibernate.community.dialect.SQLiteDialect",
				"hibernate.boot.allow_jdbc_metadata_access", "false", "hibernate.connection.handling_mode",
				"DELAYED_ACQUISITION_AND_RELEASE_AFTER_TRANSACTION"));
		return ((LocalContainerEntityManagerFactoryBean) application.context()
			.getAutowireCapableBeanFactory()
			.initializeBean(bean, "hiding")).getObject();
	}

	@Test
	void aLazyConnectionOfARouterThatIsHiddenIsRefusedAtItsFirstStatement() {
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"));
				EntityManagerFactory hiding = factory(application,
						new Hiding(lazy(application.bean(RoutingDataSource.class))))) {
			SourceRegistry registry = application.bean(SourceRegistry.class);
			registry.drain("lisbon");
			application.update("porto", "insert into city (id, name) values (1, 'of porto')");
			EntityTransaction none = hiding.createEntityManager().getTransaction();
			try (Scope scope = TenantContext.enter("lisbon")) {
				none.begin();
				none.commit();
			}
			assertThat(registry.get("lisbon").state()).as("nothing was asked").isInstanceOf(SourceState.Cold.class);
			application.update("lisbon", "insert into city (id, name) values (1, 'of lisbon')");
			// A session that is open for a while, as for a request.
			Throwable failure = null;
			try (EntityManager entities = hiding.createEntityManager()) {
				City city;
				try (Scope scope = TenantContext.enter("lisbon")) {
					entities.getTransaction().begin();
					city = entities.find(City.class, 1L);
					entities.getTransaction().commit();
				}
				try (Scope scope = TenantContext.enter("porto")) {
					entities.getTransaction().begin();
					city.name = "changed";
					entities.getTransaction().commit();
				}
			}
			catch (PersistenceException ex) {
				failure = ex;
			}
			assertThat(application.column("porto", "select name from city")).as("a city of lisbon's was changed")
				.containsExactly("of porto");
			assertThat(failure).rootCause()
				.isInstanceOf(SQLNonTransientConnectionException.class)
				.hasMessageContaining("does not say so");
			Sources.assertIdle(registry.get("lisbon"));
		}
	}

	/** Hibernate asks for the first of these when it begins. */
	private static DataSource lazy(DataSource dataSource) {
		LazyConnectionDataSourceProxy lazy = new LazyConnectionDataSourceProxy();
		lazy.setTargetDataSource(dataSource);
		lazy.setDefaultAutoCommit(true);
		lazy.setDefaultTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
		return lazy;
	}

	@Test
	void aLazyConnectionOfAnUnrelatedDataSourceStaysLazy() {
		AtomicInteger connections = new AtomicInteger();
		DataSource counted = new DelegatingDataSource(
				new DriverManagerDataSource("jdbc:sqlite:" + this.directory.resolve("other.db"))) {

			@Override
			public Connection getConnection() throws SQLException {
				connections.incrementAndGet();
				return super.getConnection();
			}

		};
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"));
				EntityManagerFactory other = factory(application, new LazyConnectionDataSourceProxy(counted));
				EntityManager entities = other.createEntityManager()) {
			connections.set(0);
			entities.getTransaction().begin();
			entities.getTransaction().commit();
			assertThat(connections).hasValue(0);
			entities.getTransaction().begin();
			assertThat(entities.createQuery("select c.name from City c", String.class).getResultList()).isEmpty();
			assertThat(entities.find(City.class, 1L)).isNull();
			entities.getTransaction().commit();
			assertThat(connections).hasValue(1);
		}
	}

	@Test
	void aFactoryWithoutAContainerKeepsSourcesApart() {
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"))) {
			LocalEntityManagerFactoryBean bean = new LocalEntityManagerFactoryBean(
					new PersistenceConfiguration("local").managedClass(City.class));
			bean.setDataSource(application.bean(RoutingDataSource.class));
			LocalEntityManagerFactoryBean prepared = (LocalEntityManagerFactoryBean) application.context()
				.getAutowireCapableBeanFactory()
				.initializeBean(bean, "local");
			try (EntityManagerFactory local = prepared.getObject();
					Scope scope = TenantContext.enter("lisbon");
					EntityManager entities = local.createEntityManager()) {
				assertThat(entities.unwrap(Session.class).getTenantIdentifier()).isEqualTo("lisbon");
				assertThat(entities.find(City.class, 1L)).isNull();
				try (Scope inner = TenantContext.enter("porto")) {
					assertThatThrownBy(() -> entities.persist(new City("a"))).isInstanceOf(WrongSourceException.class);
				}
			}
		}
	}

	@Test
	void aPersistenceUnitsOwnRouterIsRefusedAtTheStart() {
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"))) {
			DefaultPersistenceUnitManager units = new DefaultPersistenceUnitManager();
			units.setDefaultDataSource(application.bean(RoutingDataSource.class));
			units.setManagedTypes(PersistenceManagedTypes.of(City.class.getName()));
			units.afterPropertiesSet();
			LocalContainerEntityManagerFactoryBean bean = new LocalContainerEntityManagerFactoryBean();
			bean.setPersistenceUnitManager(units);
			bean.setJpaVendorAdapter(new HibernateJpaVendorAdapter());
			bean.setJpaPropertyMap(Map.of("hibernate.dialect", "org.hibernate.community.dialect.SQLiteDialect",
					"hibernate.boot.allow_jdbc_metadata_access", "false"));
			assertThatThrownBy(
					() -> application.context().getAutowireCapableBeanFactory().initializeBean(bean, "units"))
				.isInstanceOf(FailureAnalyzedException.class)
				.hasMessageContaining("'units'");
		}
	}

	@Test
	void anUnrelatedSessionFactorySharesItsTransactionsWithJdbc() {
		try (JpaApplication application = JpaApplication.start(this.directory, TwoFactories.class,
				"test.file=" + this.directory.resolve("other.db"))) {
			DataSource other = application.context().getBean("otherDataSource", DataSource.class);
			try (SessionFactory sessions = new org.hibernate.cfg.Configuration().addAnnotatedClass(City.class)
				.buildSessionFactory(
						new StandardServiceRegistryBuilder().applySetting("hibernate.connection.datasource", other)
							.applySetting("hibernate.dialect", "org.hibernate.community.dialect.SQLiteDialect")
							.build())) {
				HibernateTransactionManager manager = new HibernateTransactionManager(sessions);
				JdbcClient jdbc = JdbcClient.create(other);
				new TransactionTemplate(manager).executeWithoutResult((status) -> {
					assertThat(jdbc.sql("insert into City (id, name) values (7, 'a')").update()).isOne();
					status.setRollbackOnly();
				});
				assertThat(jdbc.sql("select name from City").query(String.class).list()).isEmpty();
			}
		}
	}

	@ParameterizedTest
	@ValueSource(classes = { Lazy.class, LazyInAProxy.class })
	void aLazyConnectionIsOfTheSessionsSource(Class<?> configuration) {
		try (JpaApplication application = JpaApplication.start(this.directory, configuration,
				"spring.jpa.hibernate.ddl-auto=none");
				Scope scope = TenantContext.enter("lisbon");
				StatelessSession session = application.sessions().openStatelessSession()) {
			session.beginTransaction();
			try (Scope inner = TenantContext.enter("porto")) {
				assertThatThrownBy(() -> session.createNativeMutationQuery("delete from city").executeUpdate())
					.hasRootCauseInstanceOf(WrongSourceException.class);
			}
			session.getTransaction().rollback();
		}
	}

	@Test
	void aSourceOfAnotherProductIsRefused() {
		try (JpaApplication application = JpaApplication.start(this.directory, Cities.class)) {
			application.bean(SourceRegistry.class).add(SourceDefinition.named("madrid").url(DEAD).build());
			assertThatThrownBy(() -> application.in("madrid", RoutedHibernateTests::save))
				.hasRootCauseInstanceOf(WrongProductException.class)
				.hasStackTraceContaining("app.tenancy.jpa.products");
		}
	}

	@Test
	void theApplicationsOwnResolverWinsAndMayTellTenantsApart() {
		try (JpaApplication application = JpaApplication.start(this.directory, TenantResolver.class,
				"app.tenancy.routes[0].tenants=lisbon,belem", "app.tenancy.routes[0].source=lisbon",
				"app.tenancy.routes[1].tenants=porto", "app.tenancy.routes[1].source=porto")) {
			for (String tenant : new String[] { "lisbon", "belem", "porto" }) {
				application.in(tenant, (entities) -> {
					entities.persist(new Note());
					return null;
				});
			}
			assertThat(application.column("lisbon", "select owner from note order by owner")).containsExactly("belem",
					"lisbon");
			List<String> owners = application.in("belem",
					(entities) -> entities.createQuery("select n.owner from Note n", String.class).getResultList());
			assertThat(owners).containsExactly("belem");
		}
	}

	@Test
	void anIdentifierThatStandsForTwoSourcesIsRefused() {
		try (JpaApplication application = JpaApplication.start(Constant.class,
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
				"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"))) {
			TenantContext.run("lisbon", () -> application.sessions().openSession().close());
			TenantContext.run("porto",
					() -> assertThatThrownBy(() -> application.sessions().openSession())
						.isInstanceOf(WrongSourceException.class)
						.hasMessageContaining("stood for source 'lisbon'"));
		}
	}

	@Test
	void aResolverThatIsOnlyNamedIsRefused() {
		assertThatThrownBy(() -> JpaApplication.start(Cities.class, "app.datasources.lisbon.url=" + DEAD,
				"spring.jpa.properties.hibernate.tenant_identifier_resolver=com.example.Resolver"))
			.rootCause()
			.hasMessageContaining("Define the resolver as a bean");
	}

	@Test
	void theApplicationsOwnConnectionProviderWins() {
		try (JpaApplication application = JpaApplication.start(OwnProvider.class,
				"app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"))) {
			assertThat(implementor(application).getServiceRegistry().getService(MultiTenantConnectionProvider.class))
				.isSameAs(OwnProvider.PROVIDER);
		}
	}

	@Test
	void sourcesAreSessionsToo() {
		try (JpaApplication application = JpaApplication.start(this.directory, Cities.class);
				Scope scope = SourceContext.enter("porto")) {
			application.sessions().inTransaction((session) -> session.persist(new City("a")));
			assertThat(application.column("porto", "select name from city")).containsExactly("a");
		}
	}

	private static Void save(EntityManager entities) {
		entities.persist(new City("a"));
		return null;
	}

	@Entity(name = "City")
	static class City {

		@Id
		@GeneratedValue
		private Long id;

		private String name;

		City() {
		}

		City(String name) {
			this.name = name;
		}

		String getName() {
			return this.name;
		}

	}

	@Entity(name = "Note")
	static class Note {

		@Id
		@GeneratedValue
		private Long id;

		@TenantId
		private String owner;

		Long getId() {
			return this.id;
		}

		String getOwner() {
			return this.owner;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = RoutedHibernateTests.class)
	static class Cities {

	}

	@Configuration(proxyBeanMethods = false)
	static class TwoFactories extends Cities {

		@Bean
		@Primary
		LocalContainerEntityManagerFactoryBean entityManagerFactory(EntityManagerFactoryBuilder builder,
				DataSource dataSource) {
			return builder.dataSource(dataSource).packages(City.class).build();
		}

		@Bean(defaultCandidate = false)
		DataSource otherDataSource(Environment environment) {
			return new DriverManagerDataSource("jdbc:sqlite:" + environment.getRequiredProperty("test.file"));
		}

		@Bean(defaultCandidate = false)
		LocalContainerEntityManagerFactoryBean other(EntityManagerFactoryBuilder builder,
				@Qualifier("otherDataSource") DataSource dataSource) {
			return builder.dataSource(dataSource)
				.managedTypes(PersistenceManagedTypes.of(City.class.getName()))
				.properties(Map.of("hibernate.hbm2ddl.auto", "create"))
				.build();
		}

	}

	/** As one that measures statements, say. */
	private static final class Hiding extends AbstractDataSource {

		private final DataSource dataSource;

		Hiding(DataSource dataSource) {
			this.dataSource = dataSource;
		}

		@Override
		public Connection getConnection() throws SQLException {
			return this.dataSource.getConnection();
		}

		@Override
		public Connection getConnection(String username, String password) throws SQLException {
			return this.dataSource.getConnection(username, password);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Wrapped extends Cities {

		@Bean
		@Primary
		LocalContainerEntityManagerFactoryBean entityManagerFactory(EntityManagerFactoryBuilder builder,
				RoutingDataSource router) {
			return builder.dataSource(new DelegatingDataSource(router)).packages(City.class).build();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Lazy extends Cities {

		@Bean
		@Primary
		LocalContainerEntityManagerFactoryBean entityManagerFactory(EntityManagerFactoryBuilder builder,
				RoutingDataSource router) {
			return builder.dataSource(new DelegatingDataSource(new LazyConnectionDataSourceProxy(router)))
				.packages(City.class)
				.build();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class TenantResolver extends Cities {

		@Bean
		CurrentTenantIdentifierResolver<String> tenants() {
			return resolver("none");
		}

	}

	/** An identifier that is not of a source says nothing of a fallback. */
	@Configuration(proxyBeanMethods = false)
	static class LazyInAProxy extends TenantResolver {

		@Bean
		@Primary
		LocalContainerEntityManagerFactoryBean entityManagerFactory(EntityManagerFactoryBuilder builder,
				RoutingDataSource router) {
			return builder.dataSource(ProxyDataSourceBuilder.create(new LazyConnectionDataSourceProxy(router)).build())
				.packages(City.class)
				.build();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Constant extends Cities {

		@Bean
		HibernatePropertiesCustomizer constant() {
			return (properties) -> properties.put("hibernate.tenant_identifier_resolver",
					new CurrentTenantIdentifierResolver<String>() {
						@Override
						public String resolveCurrentTenantIdentifier() {
							return "all";
						}

						@Override
						public boolean validateExistingCurrentSessions() {
							return false;
						}
					});
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnProvider extends Cities {

		static final MultiTenantConnectionProvider<?> PROVIDER = new AbstractMultiTenantConnectionProvider<Object>() {
			@Override
			protected ConnectionProvider getAnyConnectionProvider() {
				return new UserSuppliedConnectionProviderImpl();
			}

			@Override
			protected ConnectionProvider selectConnectionProvider(Object identifier) {
				return getAnyConnectionProvider();
			}
		};

		@Bean
		MultiTenantConnectionProvider<?> provider() {
			return PROVIDER;
		}

	}

	private static CurrentTenantIdentifierResolver<String> resolver(String none) {
		return new CurrentTenantIdentifierResolver<>() {
			@Override
			public String resolveCurrentTenantIdentifier() {
				String tenant = TenantContext.current();
				return (tenant != null) ? tenant : none;
			}

			@Override
			public boolean validateExistingCurrentSessions() {
				return true;
			}
		};
	}

}
