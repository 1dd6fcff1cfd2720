package io.multidb.autoconfigure;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import javax.sql.DataSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.env.SystemEnvironmentPropertySource;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.InvalidDatasourcesException;
import io.multidb.TenantContext;
import io.multidb.source.FallbackSettings;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.ReplicaSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for what an application's own beans and files say of its sources.
 */
@ExtendWith(OutputCaptureExtension.class)
class OwnDefinitionsTests {

	private static final String PACKAGES = "app.tenancy.packages=com.acme.apps.{tenant}";

	@TempDir
	private Path directory;

	private URLClassLoader classLoader;

	private final Map<String, Object> variables = new HashMap<>();

	private final Map<String, SourceDefinition> beans = new HashMap<>();

	@BeforeEach
	void makeApp() throws IOException {
		Path app = Files.createDirectories(this.directory.resolve("classes/com/acme/apps/auth"));
		Files.createFile(app.resolve("AuthService.class"));
		this.classLoader = new URLClassLoader(new URL[] { this.directory.resolve("classes").toUri().toURL() },
				getClass().getClassLoader());
	}

	@AfterEach
	void closeClassLoader() throws IOException {
		this.classLoader.close();
	}

	private ApplicationContextRunner application(String... properties) {
		ApplicationContextRunner runner = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class))
			.withClassLoader(this.classLoader)
			.withInitializer(this::setVariables)
			.withPropertyValues(properties);
		for (Map.Entry<String, SourceDefinition> bean : this.beans.entrySet()) {
			runner = runner.withBean(bean.getKey(), SourceDefinition.class, bean::getValue);
		}
		return runner;
	}

	private void setVariables(ConfigurableApplicationContext context) {
		String name = StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME;
		context.getEnvironment()
			.getPropertySources()
			.replace(name, new SystemEnvironmentPropertySource(name, this.variables));
	}

	private void file(String... lines) {
		try {
			Files.write(this.directory.resolve("classes/com/acme/apps/auth/database.properties"), List.of(lines));
		}
		catch (IOException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private static SourceDefinition definition(ConfigurableApplicationContext context, String name) {
		return context.getBean(SourceRegistry.class).get(name).definition();
	}

	/** The file that a tenant's work reaches. */
	private static String fileOf(ConfigurableApplicationContext context, String tenant) {
		JdbcClient jdbc = JdbcClient.create(context.getBean(DataSource.class));
		return TenantContext.<String, RuntimeException>call(tenant,
				() -> Path.of(jdbc.sql("select file from pragma_database_list").query(String.class).single())
					.getFileName()
					.toString());
	}

	private List<String> mistakes(String... properties) {
		List<String> mistakes = new ArrayList<>();
		application(properties).run((context) -> {
			Throwable failure = context.getStartupFailure();
			while (failure != null && !(failure instanceof InvalidDatasourcesException)) {
				failure = failure.getCause();
			}
			assertThat(failure).as("mistakes").isNotNull();
			mistakes.addAll(((InvalidDatasourcesException) failure).mistakes());
		});
		return mistakes;
	}

	// Beans

	@Test
	void aBeanDefinesASourceOfItsName() {
		this.beans.put("lisbonDatabase", SourceDefinition.named("lisbon").url(url("lisbon")).build());
		this.beans.put("portoDatabase", SourceDefinition.named("Porto.2").url(url("porto")).build());
		application().run((context) -> {
			assertThat(fileOf(context, "lisbon")).isEqualTo("lisbon.db");
			assertThat(fileOf(context, "Porto.2")).isEqualTo("porto.db");
			assertThat(definition(context, "lisbon").origin()).isEqualTo("bean 'lisbonDatabase'");
		});
	}

	@Test
	void withoutBeansAndPropertiesNothingChanges() {
		application("spring.datasource.url=" + url("own"))
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(SourceRegistry.class));
	}

	@Test
	void everythingThatABeanSaysIsHeeded() {
		SourceDefinition bean = SourceDefinition.named("main")
			.url("jdbc:postgresql://db1/main")
			.username("ann")
			.password("p#a$s{s}")
			.driverClassName("org.postgresql.Driver")
			.hikari(Map.of("maximum-pool-size", "3", "data-source-properties.socketTimeout", "7"))
			.liquibase(new LiquibaseSettings("classpath:db/notes.yaml", List.of("a", "b"), List.of("c"),
					Map.of("some.parameter", "x, y")))
			.essential(false)
			.internal(true)
			.server("big")
			.attributes(Map.of("Region Name", "north"))
			.replicas(new ReplicaSettings(List.of("copy"), Duration.ofSeconds(3), Duration.ofMillis(1500)))
			.fallback(FallbackSettings.writable("other"))
			.build();
		this.beans.put("one", bean);
		this.beans.put("two", SourceDefinition.named("copy").url("jdbc:postgresql://db2/main").readOnly(true).build());
		this.beans.put("three", SourceDefinition.named("other").url("jdbc:postgresql://db3/main").build());
		application("app.tenancy.servers.big.max-connections=50").run((context) -> {
			assertThat(definition(context, "main")).usingRecursiveComparison().ignoringFields("origin").isEqualTo(bean);
			assertThat(definition(context, "copy").readOnly()).isTrue();
		});
	}

	@Test
	void aBeanMayDefineATemplate() {
		this.beans.put("shops", SourceDefinition.named("shop").url(url("shop-{id}")).build());
		application("app.datasources.shop.create=on-first-use", "app.tenancy.routes[0].tenants=shop-{id}",
				"app.tenancy.routes[0].source=shop")
			.run((context) -> assertThat(fileOf(context, "shop-7")).isEqualTo("shop-7.db"));
	}

	@Test
	void propertiesGoBeforeABeanAndTheRestMerges(CapturedOutput output) {
		this.beans.put("authDatabase",
				SourceDefinition.named("auth")
					.url("jdbc:postgresql://db1/auth")
					.username("ann")
					.password("topsecret")
					.hikari(Map.of("maximumPoolSize", "3", "minimum-idle", "1"))
					.attributes(Map.of("region", "north"))
					.build());
		application("app.datasources.auth.url=jdbc:postgresql://db2/auth",
				"app.datasources.auth.hikari.maximum-pool-size=5")
			.run((context) -> {
				SourceDefinition auth = definition(context, "auth");
				assertThat(auth.url().text()).isEqualTo("jdbc:postgresql://db2/auth");
				assertThat(auth.username()).as("which belongs to the other address").isNull();
				assertThat(auth.password()).isNull();
				assertThat(auth.hikari()).containsOnly(Map.entry("maximum-pool-size", "5"),
						Map.entry("minimum-idle", "1"));
				assertThat(auth.attributes()).containsOnly(Map.entry("region", "north"));
				assertThat(auth.origin()).contains("property source \"test\"");
			});
		assertThat(output)
			.containsOnlyOnce("'auth' is at 'app.datasources.auth.url' (\"app.datasources.auth.url\" from property"
					+ " source \"test\"), which goes before bean 'authDatabase'")
			.doesNotContain("topsecret");
	}

	@Test
	void aVariableGoesBeforeABean(CapturedOutput output) {
		this.beans.put("authDatabase",
				SourceDefinition.named("auth").url("jdbc:postgresql://db1/auth").username("ann").build());
		this.variables.put("AUTH_DATABASE_URL", "postgres://bob@db2/auth");
		application().run((context) -> {
			assertThat(definition(context, "auth").url().text()).isEqualTo("jdbc:postgresql://db2/auth");
			assertThat(definition(context, "auth").username()).isEqualTo("bob");
			assertThat(definition(context, "auth").origin()).isEqualTo("environment variable AUTH_DATABASE_URL");
		});
		assertThat(output).containsOnlyOnce("'auth' is at AUTH_DATABASE_URL, which goes before");
	}

	@ParameterizedTest
	@ValueSource(strings = { "auth", "AUTH", "au-th" })
	void twoBeansWithOneNameAreRefused(String other) {
		this.beans.put("one", SourceDefinition.named("auth").url(url("one")).build());
		this.beans.put("two", SourceDefinition.named(other).url(url("two")).build());
		assertThat(mistakes()).singleElement()
			.asString()
			.contains("'one'", "'two'", "both define the source", "remove one");
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "a]b", "a/b", ".x", "a b" })
	void aBeanWithABadNameIsRefused(String name) {
		this.beans.put("one", SourceDefinition.named(name).url(url("one")).build());
		assertThat(mistakes()).singleElement()
			.asString()
			.startsWith("The bean 'one' defines a source with a bad name. ");
	}

	@Test
	void aBeanIsCheckedLikeProperties() {
		this.beans.put("authDatabase",
				SourceDefinition.named("auth").url(url("auth")).hikari(Map.of("maximum-pool-sise", "3")).build());
		assertThat(mistakes()).singleElement()
			.asString()
			.contains("'hikari.maximum-pool-sise' is no setting of HikariCP");
	}

	// Files

	@Test
	void anAppsFileDefinesItsSource() {
		file("url=sqlite:" + this.directory.resolve("own.db"), "hikari.maximum-pool-size=2", "attributes.team=a");
		application(PACKAGES).run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("own.db");
			assertThat(context).hasBean("auth");
			SourceDefinition auth = definition(context, "auth");
			assertThat(auth.hikari()).containsEntry("maximum-pool-size", "2");
			assertThat(auth.attributes()).containsEntry("team", "a");
			assertThat(auth.origin()).isEqualTo("class path resource [com/acme/apps/auth/database.properties] - 1:5");
		});
	}

	@Test
	void theFirstOfAllPlacesDecides(CapturedOutput output) {
		file("url=" + url("file"), "hikari.minimum-idle=1");
		application(PACKAGES).run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("file.db"));
		this.beans.put("authDatabase", SourceDefinition.named("auth").url(url("bean")).build());
		application(PACKAGES).run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("bean.db"));
		String property = "app.datasources.auth.url=" + url("property");
		application(PACKAGES, property).run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("property.db"));
		assertThat(output).containsOnlyOnce("\"test\"), which goes before bean 'authDatabase' and class path resource"
				+ " [com/acme/apps/auth/database.properties] - 1:5");
		this.variables.put("AUTH_DATABASE_URL", url("variable"));
		application(PACKAGES, property).run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("variable.db");
			assertThat(definition(context, "auth").hikari()).containsEntry("minimum-idle", "1");
		});
		assertThat(output).containsOnlyOnce("'auth' is at AUTH_DATABASE_URL, which goes before"
				+ " 'app.datasources.auth.url' (\"app.datasources.auth.url\" from property source \"test\") and bean"
				+ " 'authDatabase' and class path resource [com/acme/apps/auth/database.properties] - 1:5");
	}

	@Test
	void settingsWaitForAnAddressMeanwhileTheAppUsesTheDefault(CapturedOutput output) {
		file("hikari.maximum-pool-size=2", "liquibase.enabled=false");
		this.variables.put("DATABASE_URL", url("shared"));
		application(PACKAGES, "app.datasources.auth.hikari.minimum-idle=1").run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("shared.db");
			assertThat(context).hasBean("default").doesNotHaveBean("auth");
			assertThat(context.getBean(SourceRegistry.class).find("auth")).isNull();
		});
		assertThat(output).containsOnlyOnce("'auth' has settings (")
			.contains("and no address, so it uses 'default' until AUTH_DATABASE_URL is set");
		this.variables.put("AUTH_DATABASE_URL", url("auth"));
		application(PACKAGES, "app.datasources.auth.hikari.minimum-idle=1").run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("auth.db");
			assertThat(definition(context, "auth").hikari()).containsOnly(Map.entry("maximum-pool-size", "2"),
					Map.entry("minimum-idle", "1"));
		});
	}

	@Test
	void aFileMayReferToAProperty() {
		file("url=jdbc:postgresql://db1/auth", "username=auth", "password=${AUTH_PASSWORD}");
		this.variables.put("AUTH_PASSWORD", "topsecret");
		application(PACKAGES)
			.run((context) -> assertThat(definition(context, "auth").password()).isEqualTo("topsecret"));
		this.variables.clear();
		assertThat(mistakes(PACKAGES)).singleElement().asString().contains("${AUTH_PASSWORD}", "which is set nowhere");
	}

	@Test
	void credentialsApartFromTheirAddressAreRefused() {
		file("url=jdbc:postgresql://db1/auth", "username=auth");
		assertThat(mistakes(PACKAGES, "app.datasources.auth.password=topsecret")).singleElement()
			.asString()
			.contains("'app.datasources.auth.password'", "has no URL beside it",
					"class path resource [com/acme/apps/auth/database.properties] - 1:5")
			.doesNotContain("topsecret");
	}

	@Test
	void credentialsWithoutAnAddressAreOfNoOther() {
		file("username=ann", "password=topsecret", "hikari.minimum-idle=1");
		application(PACKAGES, "app.datasources.auth.url=jdbc:postgresql://db1/auth").run((context) -> {
			assertThat(definition(context, "auth").username()).isNull();
			assertThat(definition(context, "auth").password()).isNull();
			assertThat(definition(context, "auth").hikari()).containsEntry("minimum-idle", "1");
		});
	}

	@Test
	void anUnknownKeyIsAMistakeWithASuggestion() {
		file("url=" + url("auth"), "liquibase.changelog-file=x", "usr=y");
		assertThat(mistakes(PACKAGES)).hasSize(2)
			.anyMatch((mistake) -> mistake.contains("[com/acme/apps/auth/database.properties] - 3:5")
					&& mistake.contains("Did you mean 'url'?"))
			.anyMatch((mistake) -> mistake.contains("'liquibase.change-log'"));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			url=                                     | is missing
			url=postgres://ann:topsecret@db1         | names no database
			url=oracle://ann:topsecret@db1/x         | is no database URL that is known
			url=postgres://ann:top@secret@db1/x      | more than one '@'
			url=jdbc:sqlite::memory:                 | is a SQLite database in memory
			url=jdbc:postgresql://db1/${topsecret}   | which is set nowhere
			url=\\u12                                | cannot be read
			""")
	void aMalformedUrlIsRefused(String line, String why) {
		file(line);
		this.variables.put("DATABASE_URL", url("shared"));
		assertThat(mistakes(PACKAGES)).singleElement().asString().contains(why).doesNotContain("ann:", "secret@");
	}

	@Test
	void aFileOfAPackageThatNobodyNamedIsNotRead() {
		file("url=" + url("own"));
		application("app.datasources.auth.hikari.minimum-idle=1", "app.tenancy.discovery.names=auth",
				"app.datasources.default.url=" + url("shared"))
			.run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("shared.db"));
	}

	@Test
	void twoFilesOfOneAppAreRefused() throws IOException {
		file("url=" + url("own"));
		Path jobs = Files.createDirectories(this.directory.resolve("classes/com/acme/jobs/auth"));
		Files.createFile(jobs.resolve("Job.class"));
		Files.writeString(jobs.resolve("database.properties"), "url=" + url("other"));
		assertThat(mistakes(PACKAGES + ",com.acme.jobs.{tenant}"))
			.anyMatch((mistake) -> mistake.contains("com/acme/apps/auth/database.properties")
					&& mistake.contains("com/acme/jobs/auth/database.properties") && mistake.contains("remove one"));
	}

	// Packages

	@Test
	void anAppIsKnownByItsPackageAndMovedByOneVariable() {
		this.variables.put("DATABASE_URL", url("shared"));
		this.variables.put("TEST_DATABASE_URL", url("test"));
		application(PACKAGES).run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("shared.db");
			assertThat(context.getBean(SourceRegistry.class).find("test")).isNull();
		});
		this.variables.put("AUTH_DATABASE_URL", url("auth"));
		application(PACKAGES).run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("auth.db"));
	}

	@Test
	void anAppWithoutAnyDatabaseIsRefused() {
		assertThat(mistakes(PACKAGES)).containsExactly("'app.tenancy.packages' finds 'auth' (package"
				+ " com.acme.apps.auth), for which there is neither AUTH_DATABASE_URL nor 'app.datasources.auth.url', and"
				+ " no source 'default', which DATABASE_URL would be.");
	}

	@ParameterizedTest
	@ValueSource(strings = { "Auth2", "_internal", "my_", "größe", "$x" })
	void aPackageWhoseNameIsNoTenantIsRefused(String name) throws IOException {
		Files.createFile(
				Files.createDirectories(this.directory.resolve("classes/com/acme/apps/" + name)).resolve("A.class"));
		this.variables.put("DATABASE_URL", url("shared"));
		assertThat(mistakes(PACKAGES)).singleElement()
			.asString()
			.contains("'" + name + "' (package com.acme.apps." + name + "), which is no plain source name");
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			com.acme.apps           | which is no package whose name has the part {tenant}
			com.acme.nowhere.{tenant} | no such package with a class in it is on the class path
			""")
	void patternsThatFindNothingAreRefused(String pattern, String why) {
		this.variables.put("DATABASE_URL", url("shared"));
		assertThat(mistakes("app.tenancy.packages=" + pattern)).singleElement().asString().contains(why);
	}

}
