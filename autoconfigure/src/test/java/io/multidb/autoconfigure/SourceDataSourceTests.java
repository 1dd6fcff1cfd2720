package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.SQLNonTransientConnectionException;
import java.util.List;
import java.util.stream.Stream;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.beans.factory.NoSuchBeanDefinitionException;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.health.contributor.CompositeHealthContributor;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.metrics.DataSourcePoolMetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.export.simple.SimpleMetricsExportAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

import io.multidb.InvalidDatasourcesException;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.SourceDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Every declared source as a bean of its name, and DataSources of the application's own.
 */
class SourceDataSourceTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareSources() {
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbHealthAutoConfiguration.class,
							DataSourceAutoConfiguration.class, JdbcTemplateAutoConfiguration.class,
							JdbcClientAutoConfiguration.class, DataSourceTransactionManagerAutoConfiguration.class,
							TransactionAutoConfiguration.class, MetricsAutoConfiguration.class,
							SimpleMetricsExportAutoConfiguration.class, DataSourcePoolMetricsAutoConfiguration.class))
			.withPropertyValues("app.datasources.main.url=" + url("main"),
					"app.datasources.[Acme.Corp].url=" + url("acme"), "app.datasources.shop.url=" + url("{id}"),
					"app.tenancy.routes[0].tenants=shop-{id}", "app.tenancy.routes[0].source=shop",
					"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}");
	}

	@Test
	void everyDeclaredSourceIsABeanOfItsNameAndATemplateIsNone() {
		this.contextRunner.withPropertyValues("spring.datasource.url=" + url("boot"))
			.run((context) -> assertThat(context.getBeanNamesForType(DataSource.class))
				.containsExactlyInAnyOrder("multiDbRoutingDataSource", "main", "Acme.Corp", "default"));
	}

	@Test
	void nobodyGetsOneWithoutItsQualifier() {
		this.contextRunner.withUserConfiguration(Wanting.class).run((context) -> {
			Wanting wanting = context.getBean(Wanting.class);
			assertThat(wanting.plain).isInstanceOf(RoutingDataSource.class);
			assertThat(wanting.all).containsExactly(wanting.plain);
			assertThat(wanting.main).isSameAs(context.getBean("main"));
			assertThat(wanting.acme).hasToString("DataSource of source 'Acme.Corp'");
			assertThat(context.getBean(JdbcTemplate.class).getDataSource()).isSameAs(wanting.plain);
		});
	}

	@Test
	void itGoesToItsSourceWhateverTheTenantIs() {
		this.contextRunner.run((context) -> {
			JdbcClient main = JdbcClient.create(context.getBean("main", DataSource.class));
			main.sql("create table t (id int)").update();
			TenantContext.run("Acme.Corp", () -> main.sql("insert into t values (1)").update());
			assertThat(rows(context.getBean(JdbcClient.class), "main")).isOne();
		});
	}

	@Test
	void nothingIsOpenedUntilItIsUsed() {
		this.contextRunner.run((context) -> {
			DataSource main = context.getBean("main", DataSource.class);
			assertThat(main.isWrapperFor(HikariDataSource.class)).isFalse();
			assertThat(main.isWrapperFor(SourceDataSource.class)).isTrue();
			assertThat(main.unwrap(SourceDataSource.class)).isSameAs(main);
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> main.unwrap(HikariDataSource.class))
				.withMessageContaining("'main'");
			assertThatExceptionOfType(SQLFeatureNotSupportedException.class)
				.isThrownBy(() -> main.getConnection("me", "secret"))
				.withMessageContaining("'main'")
				.withMessageNotContaining("secret");
			assertThat(context.getBean(SourceRegistry.class).sources())
				.allMatch((source) -> source.state() instanceof SourceState.Cold);
			assertThat(files()).isZero();
		});
	}

	@Test
	void aSourceThatWasRemovedIsUnknown() {
		this.contextRunner.run((context) -> {
			DataSource main = context.getBean("main", DataSource.class);
			main.getConnection().close();
			context.getBean(SourceRegistry.class).remove("main");
			assertThatExceptionOfType(SQLNonTransientConnectionException.class).isThrownBy(main::getConnection)
				.withCauseInstanceOf(UnknownSourceException.class)
				.withMessageContaining("'main'");
		});
	}

	@Test
	void theyAreNotListedAgainAmongTheApplicationsOwnDataSources() {
		this.contextRunner.withUserConfiguration(Reports.class, ForSessions.class)
			.run((context) -> assertThat(context.getBean("dbHealthContributor", CompositeHealthContributor.class)
				.stream()
				.map((entry) -> entry.name())).containsExactly("reports"));
	}

	@Test
	void anotherDataSourceStaysUsableByItsQualifier() {
		this.contextRunner.withUserConfiguration(Reports.class, WantingReports.class).run((context) -> {
			JdbcClient reports = JdbcClient.create(context.getBean(WantingReports.class).reports);
			reports.sql("create table r (id int)").update();
			assertThat(context.getBean(DataSource.class)).isInstanceOf(RoutingDataSource.class);
			assertThat(files()).isZero();
		});
	}

	@Test
	void anotherPrimaryDataSourceIsAMistake() {
		this.contextRunner.withUserConfiguration(PrimaryReports.class)
			.run((context) -> assertThat(context).getFailure()
				.isInstanceOfSatisfying(InvalidDatasourcesException.class,
						(ex) -> assertThat(ex.mistakes()).singleElement()
							.asString()
							.contains("'reports'", "@Primary", "@Qualifier(\"reports\")")));
	}

	@Test
	void aBeanOfTheApplicationsOwnKeepsItsName() {
		this.contextRunner.withUserConfiguration(MainBean.class, WantingMain.class).run((context) -> {
			assertThat(context.getBean("main")).isEqualTo("mine");
			assertThat(context.getBean(WantingMain.class).main).isSameAs(context.getBean("mainDataSource"))
				.hasToString("DataSource of source 'main'");
		});
	}

	@Test
	void aDataSourceOfTheApplicationsOwnGoesBeforeTheSourceOfItsName() {
		this.contextRunner.withUserConfiguration(MainDataSources.class).run((context) -> {
			assertThat(context).hasNotFailed();
			assertThat(context.getBean("main")).isInstanceOf(SingleConnectionDataSource.class);
			assertThat(context.getBean("mainDataSource")).isInstanceOf(SingleConnectionDataSource.class);
		});
	}

	@Test
	void thereAreNoneWithoutSources() {
		new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class))
			.withPropertyValues("spring.datasource.url=" + url("boot"))
			.run((context) -> assertThatExceptionOfType(NoSuchBeanDefinitionException.class)
				.isThrownBy(() -> context.getBean("default")));
	}

	private static long rows(JdbcClient jdbc, String tenant) {
		return TenantContext.call(tenant, () -> jdbc.sql("select count(*) from t").query(Long.class).single());
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private long files() throws IOException {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.count();
		}
	}

	@Configuration(proxyBeanMethods = false)
	static class Wanting {

		@Autowired
		private DataSource plain;

		@Autowired
		private List<DataSource> all;

		@Autowired
		@Qualifier("main")
		private DataSource main;

		@Autowired
		@Qualifier("Acme.Corp")
		private DataSource acme;

	}

	@Configuration(proxyBeanMethods = false)
	static class Reports {

		@Bean
		DataSource reports() throws SQLException {
			return new SingleConnectionDataSource("jdbc:sqlite::memory:", true);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class WantingReports {

		@Autowired
		@Qualifier("reports")
		private DataSource reports;

	}

	@Configuration(proxyBeanMethods = false)
	static class PrimaryReports {

		@Bean
		@Primary
		DataSource reports() throws SQLException {
			return new SingleConnectionDataSource("jdbc:sqlite::memory:", true);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class ForSessions {

		@Bean(defaultCandidate = false)
		DataSource sessionDataSource(@Qualifier("main") DataSource main) {
			return main;
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class MainBean {

		@Bean
		String main() {
			return "mine";
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class WantingMain {

		@Autowired
		@Qualifier("main")
		private DataSource main;

	}

	@Configuration(proxyBeanMethods = false)
	static class MainDataSources {

		@Bean
		DataSource main() throws SQLException {
			return new SingleConnectionDataSource("jdbc:sqlite::memory:", true);
		}

		@Bean
		DataSource mainDataSource() throws SQLException {
			return new SingleConnectionDataSource("jdbc:sqlite::memory:", true);
		}

	}

}
