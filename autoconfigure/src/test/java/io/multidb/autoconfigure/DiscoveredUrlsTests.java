package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import javax.sql.DataSource;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for databases whose address is found in the environment.
 */
@ExtendWith(OutputCaptureExtension.class)
class DiscoveredUrlsTests {

	private static final String TWO_APPS = "app.tenancy.discovery.names=auth,driver";

	@TempDir
	private Path directory;

	private final Map<String, Object> variables = new HashMap<>();

	private ApplicationContextRunner application(String... properties) {
		return new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class))
			.withInitializer(this::setVariables)
			.withPropertyValues(properties);
	}

	private void setVariables(ConfigurableApplicationContext context) {
		String name = StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME;
		context.getEnvironment()
			.getPropertySources()
			.replace(name, new SystemEnvironmentPropertySource(name, this.variables));
	}

	private String file(String name) {
		return "sqlite:" + this.directory.resolve(name + ".db");
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

	@Test
	void anAppIsMovedToADatabaseOfItsOwnByOneVariable() {
		this.variables.put("DATABASE_URL", file("shared"));
		application(TWO_APPS).run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("shared.db");
			assertThat(fileOf(context, "driver")).isEqualTo("shared.db");
			assertThat(context).hasBean("default").doesNotHaveBean("auth");
		});
		this.variables.put("AUTH_DATABASE_URL", file("auth"));
		application(TWO_APPS).run((context) -> {
			assertThat(fileOf(context, "auth")).isEqualTo("auth.db");
			assertThat(fileOf(context, "driver")).isEqualTo("shared.db");
			assertThat(context).hasBean("default").hasBean("auth");
			assertThat(definition(context, "auth").origin()).isEqualTo("environment variable AUTH_DATABASE_URL");
		});
	}

	@Test
	void userAndPasswordComeFromTheUrlAndEverythingElseFromProperties(CapturedOutput output) {
		this.variables.put("AUTH_DATABASE_URL", "postgres://ann:p%40ss@db1:5433/auth?sslmode=require");
		application("app.datasources.auth.url=jdbc:postgresql://localhost/auth", "app.datasources.auth.username=me",
				"app.datasources.auth.hikari.maximum-pool-size=3")
			.run((context) -> {
				SourceDefinition auth = definition(context, "auth");
				assertThat(auth.url().text()).isEqualTo("jdbc:postgresql://db1:5433/auth?sslmode=require");
				assertThat(auth.username()).isEqualTo("ann");
				assertThat(auth.password()).isEqualTo("p@ss");
				assertThat(auth.hikari()).containsEntry("maximum-pool-size", "3");
			});
		assertThat(output)
			.containsOnlyOnce("'auth' is at AUTH_DATABASE_URL, which goes before 'app.datasources.auth.url'")
			.doesNotContain("p@ss", "p%40ss");
	}

	@Test
	void aUserOfPropertiesIsNotUsedForAnAddressOfTheEnvironment() {
		this.variables.put("AUTH_DATABASE_URL", "postgres://db1/auth");
		application("app.datasources.auth.url=jdbc:postgresql://localhost/auth", "app.datasources.auth.username=me",
				"app.datasources.auth.password=secret")
			.run((context) -> {
				assertThat(definition(context, "auth").username()).isNull();
				assertThat(definition(context, "auth").password()).isNull();
			});
	}

	@Test
	void aSourceMayBeDeclaredWithoutAnAddress() {
		this.variables.put("NY_APPEALS_DATABASE_URL", file("ny"));
		application("app.datasources.ny-appeals.hikari.maximum-pool-size=2")
			.run((context) -> assertThat(fileOf(context, "ny-appeals")).isEqualTo("ny.db"));
	}

	@Test
	void aVariableOfNobodyKnownIsNobodys() {
		this.variables.put("TEST_DATABASE_URL", file("test"));
		this.variables.put("DATABASE_URL", file("shared"));
		application("app.datasources.auth.url=jdbc:" + file("auth")).run((context) -> {
			assertThat(context.getBean(SourceRegistry.class).find("test")).isNull();
			assertThat(context.getBean(SourceRegistry.class).find("default")).as("of no known app").isNull();
		});
		application("spring.datasource.url=jdbc:" + file("own"))
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(SourceRegistry.class));
	}

	@Test
	void aPropertyIsNoVariable() {
		application("AUTH_DATABASE_URL=" + file("other"), "app.datasources.auth.url=jdbc:" + file("auth"))
			.run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("auth.db"));
	}

	@Test
	void theApplicationsOwnDatabaseIsTheDefaultUnlessAVariableSaysOtherwise(CapturedOutput output) {
		String own = "spring.datasource.url=jdbc:" + file("own");
		application(TWO_APPS, own).run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("own.db"));
		assertThat(output).doesNotContain("goes before");
		this.variables.put("DATABASE_URL", file("shared"));
		application(TWO_APPS, own).run((context) -> assertThat(fileOf(context, "auth")).isEqualTo("shared.db"));
		assertThat(output).containsOnlyOnce("'default' is at DATABASE_URL, which goes before 'spring.datasource'");
	}

	@Test
	void aKnownNameGoesBeforeAPatternAndARouteOfItsOwnBeforeThat() {
		this.variables.put("DATABASE_URL", file("shared"));
		this.variables.put("AUTH_DATABASE_URL", file("auth"));
		String main = "app.datasources.main.url=jdbc:" + file("main");
		application(TWO_APPS, main, "app.tenancy.routes[0].tenants=*", "app.tenancy.routes[0].source=main")
			.run((context) -> {
				assertThat(fileOf(context, "auth")).isEqualTo("auth.db");
				assertThat(fileOf(context, "driver")).isEqualTo("shared.db");
				assertThat(fileOf(context, "anybody")).isEqualTo("main.db");
			});
		application(TWO_APPS, main, "app.tenancy.routes[0].tenants=driver", "app.tenancy.routes[0].source=main")
			.run((context) -> {
				assertThat(fileOf(context, "auth")).isEqualTo("auth.db");
				assertThat(fileOf(context, "driver")).isEqualTo("main.db");
			});
	}

	@Test
	void otherTenantsStillHaveTheSourceOfTheirName() {
		this.variables.put("DATABASE_URL", file("shared"));
		application(TWO_APPS, "app.datasources.acme.url=jdbc:" + file("acme"))
			.run((context) -> assertThat(fileOf(context, "acme")).isEqualTo("acme.db"));
	}

	@Test
	void aTemplateMayBeFoundToo() {
		this.variables.put("SHOP_DATABASE_URL", "sqlite:" + this.directory + "/shop-{id}.db");
		application("app.datasources.shop.create=on-first-use", "app.tenancy.routes[0].tenants=shop-{id}",
				"app.tenancy.routes[0].source=shop")
			.run((context) -> assertThat(fileOf(context, "shop-7")).isEqualTo("shop-7.db"));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|',
			textBlock = """
					''                                | The environment variable AUTH_DATABASE_URL is empty
					postgres://ann:topsecret@db1      | The environment variable AUTH_DATABASE_URL names no database
					oracle://ann:topsecret@db1/x      | The environment variable AUTH_DATABASE_URL is no database URL that is known
					""")
	void aVariableThatSaysNothingUsefulIsRefused(String value, String why) {
		this.variables.put("DATABASE_URL", file("shared"));
		this.variables.put("AUTH_DATABASE_URL", value);
		assertThat(mistakes(TWO_APPS)).singleElement().asString().contains(why).doesNotContain("topsecret");
	}

	@Test
	void anEmptyDefaultIsRefused() {
		this.variables.put("DATABASE_URL", " ");
		assertThat(mistakes(TWO_APPS)).singleElement()
			.asString()
			.isEqualTo("The environment variable DATABASE_URL is empty: remove it, or set the address of a database.");
	}

	@Test
	void aKnownNameWithoutAnyDatabaseIsRefused() {
		this.variables.put("AUTH_DATABASE_URL", file("auth"));
		assertThat(mistakes(TWO_APPS)).containsExactly("'app.tenancy.discovery.names' has 'driver', for which there is"
				+ " neither DRIVER_DATABASE_URL nor 'app.datasources.driver.url', and no source 'default', which"
				+ " DATABASE_URL would be.");
	}

	@Test
	void aVariableOfTwoNamesIsRefused() {
		this.variables.put("A_B_DATABASE_URL", file("ab"));
		assertThat(mistakes("app.datasources.a-b.url=jdbc:" + file("1"), "app.datasources[a.b].url=jdbc:" + file("2")))
			.anyMatch((mistake) -> mistake.startsWith("The environment variable A_B_DATABASE_URL could be that of"));
	}

	@Test
	void aNameThatIsNoneIsRefused() {
		this.variables.put("DATABASE_URL", file("shared"));
		assertThat(mistakes("app.tenancy.discovery.names=Auth")).anyMatch((mistake) -> mistake.contains("'Auth'"));
	}

	@Test
	void aUrlOfPropertiesMayBeAPlatformsToo() {
		application("app.datasources.auth.url=postgresql://ann:p%40ss@db1/auth").run((context) -> {
			assertThat(definition(context, "auth").url().text()).isEqualTo("jdbc:postgresql://db1/auth");
			assertThat(definition(context, "auth").username()).isEqualTo("ann");
			assertThat(definition(context, "auth").password()).isEqualTo("p@ss");
		});
		assertThat(mistakes("app.datasources.auth.url=postgresql://ann:topsecret@db1/auth",
				"app.datasources.auth.username=bob"))
			.singleElement()
			.asString()
			.contains("'app.datasources.auth.url'", "remove one of both")
			.doesNotContain("topsecret");
	}

}
