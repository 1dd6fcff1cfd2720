package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceInitializationAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.liquibase.autoconfigure.LiquibaseAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.entry;

/**
 * An application's one database, once there are sources beside it.
 */
class DefaultSourceTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareASource() {
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class,
							MultiDbSqlInitAutoConfiguration.class, DataSourceAutoConfiguration.class,
							DataSourceInitializationAutoConfiguration.class, LiquibaseAutoConfiguration.class,
							JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class,
							DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class))
			.withPropertyValues("app.datasources.lisbon.url=" + url("lisbon"));
	}

	@Test
	void codeWithoutATenantGoesOnOnIt() {
		this.contextRunner
			.withPropertyValues("spring.datasource.url=" + url("boot"), "app.tenancy.no-tenant=default",
					"spring.liquibase.change-log=classpath:db/notes.yaml")
			.run((context) -> {
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				jdbc.sql("insert into note (text) values ('as ever')").update();
				TenantContext.run("lisbon", () -> assertThat(notes(jdbc)).isZero());
				assertThat(notes(jdbc)).isOne();
				assertThat(notes(JdbcClient.create(context.getBean("default", DataSource.class)))).isOne();
			});
	}

	@Test
	void itHasEverythingThatSpringBootsDataSourceHad() {
		this.contextRunner
			.withPropertyValues("spring.datasource.url=" + url("boot"), "spring.datasource.username=me",
					"spring.datasource.password=s3cret", "spring.datasource.driver-class-name=org.sqlite.JDBC",
					"spring.datasource.name=ignored", "spring.datasource.hikari.pool-name=ignored",
					"spring.datasource.hikari.initialization-fail-timeout=5000",
					"spring.datasource.hikari.maximumPoolSize=3",
					"spring.datasource.hikari.data-source-properties.busy_timeout=77")
			.run((context) -> {
				SourceDefinition source = definition(context.getBean(SourceRegistry.class));
				assertThat(source.username()).isEqualTo("me");
				assertThat(source.password()).isEqualTo("s3cret");
				assertThat(source.driverClassName()).isEqualTo("org.sqlite.JDBC");
				assertThat(source.hikari()).containsOnly(entry("maximum-pool-size", "3"),
						entry("data-source-properties.busy_timeout", "77"));
				assertThat(SourceContext.call("default",
						() -> context.getBean(JdbcClient.class).sql("pragma busy_timeout").query(Long.class).single()))
					.isEqualTo(77);
			});
	}

	@Test
	void whatIsWrongWithItIsSaidOfItsOwnProperties() {
		this.contextRunner
			.withPropertyValues("spring.datasource.url=jdbc:sqlite:" + this.directory.resolve("missing/boot.db"))
			.run((context) -> assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> context.getBean("default", DataSource.class).getConnection())
				.withMessageContaining("correct 'spring.datasource.url'."));
	}

	@Test
	void hikarisOwnPropertiesNameTheConnectionFirst() {
		this.contextRunner
			.withPropertyValues("spring.datasource.url=" + url("boot"), "spring.datasource.username=me",
					"spring.datasource.hikari.jdbc-url=" + url("pool"), "spring.datasource.hikari.username=you")
			.run((context) -> assertThat(definition(context.getBean(SourceRegistry.class)))
				.returns("you", SourceDefinition::username)
				.returns(url("pool"), (source) -> source.url().text()));
	}

	@Test
	void connectionDetailsGoBeforeProperties() {
		this.contextRunner.withBean(JdbcConnectionDetails.class, () -> new Container("jdbc:postgresql://container:1/x"))
			.withPropertyValues("spring.datasource.url=" + url("boot"), "spring.datasource.hikari.maximum-pool-size=3")
			.run((context) -> assertThat(definition(context.getBean(SourceRegistry.class)))
				.returns("container", SourceDefinition::username)
				.returns("opens", SourceDefinition::password)
				.returns("org.postgresql.Driver", SourceDefinition::driverClassName)
				.returns("jdbc:postgresql://container:1/x", (source) -> source.url().text())
				.satisfies((source) -> assertThat(source.hikari()).containsEntry("maximum-pool-size", "3")));
	}

	@Test
	void connectionDetailsAloneAreEnough() {
		this.contextRunner.withBean(JdbcConnectionDetails.class, () -> new Container(url("container")))
			.run((context) -> {
				JdbcClient.create(context.getBean("default", DataSource.class)).sql("create table t (id int)").update();
				assertThat(this.directory.resolve("container.db")).exists();
			});
	}

	@Test
	void connectionDetailsBesideADeclaredDefaultAreAMistake() {
		this.contextRunner.withBean(JdbcConnectionDetails.class, () -> new Container(url("container")))
			.withPropertyValues("app.datasources.default.url=" + url("mine"))
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContaining("Both 'JdbcConnectionDetails' and 'app.datasources.default'"));
	}

	@Test
	void aDataSourceOfTheServersIsRefused() {
		this.contextRunner.withPropertyValues("spring.datasource.jndi-name=java:comp/env/jdbc/x")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContaining("'spring.datasource.jndi-name'"));
	}

	@Test
	void scriptsRunOnItOnly() throws IOException {
		this.contextRunner.withPropertyValues(scripts())
			.withPropertyValues("spring.datasource.url=" + url("boot"), "spring.sql.init.mode=always",
					"spring.liquibase.enabled=false")
			.run((context) -> {
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				assertThat(SourceContext.call("default", () -> notes(jdbc))).isOne();
				assertThat(this.directory.resolve("lisbon.db")).doesNotExist();
			});
	}

	@Test
	void scriptsAreForgottenWhereTheDatabaseIsNotEmbedded() throws IOException {
		this.contextRunner.withPropertyValues(scripts())
			.withPropertyValues("spring.datasource.url=" + url("boot"))
			.run((context) -> assertThat(SourceContext.call("default",
					() -> context.getBean(JdbcClient.class)
						.sql("select count(*) from sqlite_master")
						.query(Long.class)
						.single()))
				.isZero());
	}

	@Test
	void scriptsWithoutADefaultAreAMistake() throws IOException {
		this.contextRunner.withPropertyValues(scripts())
			.withPropertyValues("spring.sql.init.mode=always")
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContaining("'spring.sql.init.mode' is 'always'"));
	}

	@Test
	void scriptsThatNobodyAskedForOpenNothing() throws IOException {
		this.contextRunner.withPropertyValues(scripts())
			.run((context) -> assertThat(context.getBean(SourceRegistry.class).sources())
				.allMatch((source) -> source.state() instanceof SourceState.Cold));
	}

	private String[] scripts() throws IOException {
		Path schema = Files.writeString(this.directory.resolve("schema.sql"), "create table note (text text);");
		Path data = Files.writeString(this.directory.resolve("data.sql"), "insert into note values ('one');");
		return new String[] { "spring.sql.init.schema-locations=file:" + schema,
				"spring.sql.init.data-locations=file:" + data };
	}

	private static SourceDefinition definition(SourceRegistry registry) {
		return registry.get("default").definition();
	}

	private static long notes(JdbcClient jdbc) {
		return jdbc.sql("select count(*) from note").query(Long.class).single();
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	/** What @ServiceConnection and Docker Compose make. */
	record Container(String url) implements JdbcConnectionDetails {

		@Override
		public @Nullable String getUsername() {
			return "container";
		}

		@Override
		public @Nullable String getPassword() {
			return "opens";
		}

		@Override
		public String getJdbcUrl() {
			return this.url;
		}

	}

}
