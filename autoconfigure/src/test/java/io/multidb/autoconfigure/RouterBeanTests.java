package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

import javax.sql.DataSource;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.beans.factory.support.BeanDefinitionRegistry;
import org.springframework.beans.factory.support.BeanDefinitionRegistryPostProcessor;
import org.springframework.beans.factory.support.RootBeanDefinition;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.AbstractDataSource;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.SimpleDriverDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.InvalidDatasourcesException;
import io.multidb.NoTenantException;
import io.multidb.SourceSwitchException;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;
import io.multidb.access.AccessDecision;
import io.multidb.access.SourceAccess;
import io.multidb.fanout.FanOut;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for {@link RouterBean}, and for what applications put around the router
 * themselves.
 */
class RouterBeanTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner withSources() {
		return new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbAccessAutoConfiguration.class,
							MultiDbFanOutAutoConfiguration.class, DataSourceAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"));
	}

	@Test
	void aWrapperThatHidesTheRouterFailsTheStart() {
		withSources().withBean(HidingEach.class)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOfSatisfying(InvalidDatasourcesException.class,
						(ex) -> assertThat(ex.mistakes()).singleElement()
							.asString()
							.contains("'multiDbRoutingDataSource'", Hiding.class.getName(), "isWrapperFor", "unwrap",
									"DelegatingDataSource")));
	}

	@Test
	void aRouterThatAsksNobodyFailsTheStartBehindAWrapperToo() {
		withSources().withUserConfiguration(OwnRouter.class)
			.withBean(WrappingEach.class)
			.withBean(SourceAccess.class, () -> (user, tenant, source, operation) -> AccessDecision.allow())
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContainingAll("RoutingDataSource", "'dataSource'", "TargetAccess"));
	}

	@Test
	void whoeverInjectsItsTypeIsToldWhatTheBeanIs() {
		withSources().withBean(WrappingEach.class)
			.withUserConfiguration(Wanting.class)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.hasMessageContainingAll(RoutingDataSource.class.getName(), DelegatingDataSource.class.getName()));
	}

	@Test
	void aRouterBesideAnotherPrimaryDataSourceIsFound() {
		withSources().withUserConfiguration(OwnRouter.class, PrimaryReports.class)
			.withBean(WrappingEach.class)
			.run((context) -> {
				assertThat(context).hasNotFailed();
				assertThat(files(context)).containsExactly("lisbon.db", "porto.db");
			});
	}

	@Test
	void whereATestHasReplacedItTheFanOutWorksOnThat() {
		withSources().withBean(ReplacingIt.class).run((context) -> {
			assertThat(context).hasNotFailed();
			assertThat(files(context)).containsExactly("", "");
		});
	}

	@Test
	void aTransactionWhoseConnectionIsYetToBeFetchedKeepsItsSource() {
		withSources().withUserConfiguration(OwnRouter.class, PrimaryLazy.class).run(this::switchesAreRefused);
	}

	@Test
	void soDoesOneWhereALibraryMakesConnectionsLazy() {
		withSources().withBean(LazyEach.class).run(this::switchesAreRefused);
	}

	private void switchesAreRefused(AssertableApplicationContext context) throws SQLException {
		assertThat(context).hasNotFailed();
		createNotes(context);
		DataSource lazy = context.getBean(DataSource.class);
		assertThat(lazy).isInstanceOf(LazyConnectionDataSourceProxy.class);
		TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(lazy));
		JdbcClient jdbc = JdbcClient.create(lazy);
		TenantContext.run("lisbon",
				() -> transaction
					.executeWithoutResult((status) -> assertThatExceptionOfType(SourceSwitchException.class)
						.isThrownBy(() -> TenantContext.run("porto", () -> insert(jdbc)))
						.withMessageContaining("source 'lisbon'")));
		// Begun for nobody, and for whom it is is not known before a statement
		transaction.executeWithoutResult((status) -> assertThatExceptionOfType(SourceSwitchException.class)
			.isThrownBy(() -> TenantContext.run("porto", () -> insert(jdbc))));
		assertThatThrownBy(() -> transaction.executeWithoutResult((status) -> insert(jdbc)))
			.hasRootCauseInstanceOf(NoTenantException.class);
		TenantContext.run("porto", () -> transaction.executeWithoutResult((status) -> insert(jdbc)));
		assertNotes(context, "0", "1");
	}

	/**
	 * Nothing tells what it leads to before its first statement: not right, but refused.
	 */
	@Test
	void aHiddenRouterBehindAConnectionYetToBeFetchedCommitsToNoOtherSource() {
		withSources().run((context) -> {
			createNotes(context);
			LazyConnectionDataSourceProxy lazy = new LazyConnectionDataSourceProxy();
			lazy.setTargetDataSource(new Hiding(context.getBean(DataSource.class)));
			lazy.setDefaultAutoCommit(true);
			lazy.setDefaultTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
			TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(lazy));
			JdbcClient jdbc = JdbcClient.create(lazy);
			TenantContext.run("lisbon",
					() -> assertThatThrownBy(() -> transaction
						.executeWithoutResult((status) -> TenantContext.run("porto", () -> insert(jdbc))))
						.hasRootCauseInstanceOf(WrongSourceException.class));
			assertNotes(context, "0", "0");
		});
	}

	private static List<String> files(AssertableApplicationContext context) {
		return context.getBean(FanOut.class)
			.over(List.of("lisbon", "porto"))
			.query((jdbc) -> jdbc.sql("SELECT file FROM pragma_database_list").query(String.class).list())
			.values()
			.stream()
			.map((file) -> file.substring(file.lastIndexOf('/') + 1))
			.sorted()
			.toList();
	}

	private static void createNotes(AssertableApplicationContext context) throws SQLException {
		for (String source : List.of("lisbon", "porto")) {
			Sources.execute(context.getBean(SourceRegistry.class).get(source), "CREATE TABLE note (text VARCHAR(20))");
		}
	}

	private static void insert(JdbcClient jdbc) {
		jdbc.sql("INSERT INTO note VALUES ('a')").update();
	}

	private static void assertNotes(AssertableApplicationContext context, String lisbon, String porto)
			throws SQLException {
		SourceRegistry registry = context.getBean(SourceRegistry.class);
		assertThat(Sources.query(registry.get("lisbon"), "SELECT count(*) FROM note")).isEqualTo(lisbon);
		assertThat(Sources.query(registry.get("porto"), "SELECT count(*) FROM note")).isEqualTo(porto);
		Sources.assertIdle(registry.get("lisbon"));
		Sources.assertIdle(registry.get("porto"));
	}

	/** Says nothing of what it wraps. */
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

	static final class HidingEach implements BeanPostProcessor {

		@Override
		public Object postProcessAfterInitialization(Object bean, String name) {
			return (bean instanceof DataSource dataSource) ? new Hiding(dataSource) : bean;
		}

	}

	static final class WrappingEach implements BeanPostProcessor {

		@Override
		public Object postProcessAfterInitialization(Object bean, String name) {
			return (bean instanceof DataSource dataSource) ? new DelegatingDataSource(dataSource) : bean;
		}

	}

	static final class LazyEach implements BeanPostProcessor {

		@Override
		public Object postProcessAfterInitialization(Object bean, String name) {
			return (bean instanceof DataSource dataSource) ? new LazyConnectionDataSourceProxy(dataSource) : bean;
		}

	}

	/** As Spring Boot's test slices do. */
	static final class ReplacingIt implements BeanDefinitionRegistryPostProcessor {

		@Override
		public void postProcessBeanDefinitionRegistry(BeanDefinitionRegistry registry) {
			registry.removeBeanDefinition("multiDbRoutingDataSource");
			registry.registerBeanDefinition("multiDbRoutingDataSource", new RootBeanDefinition(DataSource.class,
					() -> new SimpleDriverDataSource(new org.sqlite.JDBC(), "jdbc:sqlite::memory:")));
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnRouter {

		@Bean
		RoutingDataSource dataSource(Routes routes) {
			return new RoutingDataSource(routes);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class PrimaryLazy {

		@Bean
		@Primary
		DataSource lazy(RoutingDataSource router) {
			return new LazyConnectionDataSourceProxy(router);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class PrimaryReports {

		@Bean
		@Primary
		DataSource reports() {
			return new SimpleDriverDataSource(new org.sqlite.JDBC(), "jdbc:sqlite::memory:");
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Wanting {

		@Bean
		TransactionTemplate wanting(RoutingDataSource router) {
			return new TransactionTemplate(new JdbcTransactionManager(router));
		}

	}

}
