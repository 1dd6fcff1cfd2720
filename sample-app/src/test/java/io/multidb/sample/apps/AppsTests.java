package io.multidb.sample.apps;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import io.multidb.InvalidDatasourcesException;
import io.multidb.sample.SampleApplication;
import io.multidb.sample.SampleClient;
import io.multidb.sample.SampleFiles;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.env.SystemEnvironmentPropertySource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * The apps over HTTP, each start with an environment of its own, their files seen with
 * plain JDBC.
 */
@ExtendWith(OutputCaptureExtension.class)
class AppsTests {

	@TempDir
	private Path data;

	private final Map<String, Object> variables = new HashMap<>();

	private ConfigurableApplicationContext application;

	private SampleClient sample;

	@AfterEach
	void stop() {
		if (this.application != null) {
			this.application.close();
		}
	}

	private void start() {
		stop();
		List<String> arguments = new ArrayList<>(List.of("--server.port=0"));
		new SampleFiles(this.data).properties().forEach((name, value) -> arguments.add("--" + name + "=" + value));
		this.application = new SpringApplicationBuilder(SampleApplication.class).initializers(this::setVariables)
			.run(arguments.toArray(String[]::new));
		this.sample = SampleClient.at(((WebServerApplicationContext) this.application).getWebServer().getPort());
	}

	private void setVariables(ConfigurableApplicationContext context) {
		String name = StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME;
		context.getEnvironment()
			.getPropertySources()
			.replace(name, new SystemEnvironmentPropertySource(name, this.variables));
	}

	private String url(String file) {
		return "sqlite:" + this.data.resolve(file);
	}

	private void add(String app, String text) {
		this.sample.add(app, text).expectStatus().isCreated();
	}

	private void shows(String app, String json) {
		this.sample.records(app).expectStatus().isOk().expectBody(String.class).isEqualTo(json);
	}

	private List<String> textsIn(String file, String table) {
		return new SampleFiles(this.data).open(file)
			.sql("SELECT text FROM " + table + " ORDER BY id")
			.query(String.class)
			.list();
	}

	private List<String> tablesIn(String file) {
		return new SampleFiles(this.data).open(file)
			.sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
			.query(String.class)
			.list();
	}

	private SourceDefinition definition(String source) {
		return this.application.getBean(SourceRegistry.class).get(source).definition();
	}

	@Test
	void eachAppKeepsItsRecordsWhereItsPackageSays() {
		start();
		add("auth", "Olá, 世界 🎉");
		add("auth", "two");
		add("driver", "to Sintra");
		add("user", "Grace");
		shows("auth", "[{\"text\":\"Olá, 世界 🎉\"},{\"text\":\"two\"}]");
		shows("driver", "[{\"text\":\"to Sintra\"}]");
		shows("user", "[{\"text\":\"Grace\"}]");
		assertThat(textsIn("apps.db", "login")).containsExactly("Olá, 世界 🎉", "two");
		assertThat(textsIn("apps.db", "trip")).containsExactly("to Sintra");
		assertThat(textsIn("apps.db", "profile")).isEmpty();
		assertThat(textsIn("user.db", "profile")).containsExactly("Grace");
		this.sample.records("test").expectStatus().isNotFound();
	}

	@Test
	void movingAnAppIsOneVariable() {
		start();
		add("auth", "before");
		add("driver", "before");
		this.variables.put("AUTH_DATABASE_URL", url("auth.db"));
		start();
		shows("auth", "[]");
		add("auth", "after");
		add("driver", "after");
		assertThat(textsIn("auth.db", "login")).containsExactly("after");
		assertThat(textsIn("apps.db", "login")).containsExactly("before");
		assertThat(textsIn("apps.db", "trip")).containsExactly("before", "after");
		assertThat(definition("auth").origin()).isEqualTo("environment variable AUTH_DATABASE_URL");
		this.variables.clear();
		start();
		shows("auth", "[{\"text\":\"before\"}]");
	}

	@Test
	void itsRecordsComeAlongInACopy() throws Exception {
		start();
		add("auth", "before");
		stop();
		Files.copy(this.data.resolve("apps.db"), this.data.resolve("auth.db"));
		this.variables.put("AUTH_DATABASE_URL", url("auth.db"));
		start();
		add("auth", "after");
		shows("auth", "[{\"text\":\"before\"},{\"text\":\"after\"}]");
	}

	@Test
	void migrationsAndPoolAreTheAppsOwn() {
		this.variables.put("AUTH_DATABASE_URL", url("auth.db"));
		start();
		assertThat(tablesIn("auth.db")).contains("login").doesNotContain("trip", "profile");
		assertThat(tablesIn("user.db")).contains("profile").doesNotContain("login", "trip");
		assertThat(tablesIn("apps.db")).contains("login", "profile", "trip");
		assertThat(definition("auth").hikari()).containsEntry("maximum-pool-size", "4");
		assertThat(definition("user").hikari()).containsEntry("maximum-pool-size", "2");
		assertThat(definition("default").hikari()).isEmpty();
	}

	@Test
	void theEnvironmentGoesBeforeTheAppsOwnFileAndBeforeTheDefault(CapturedOutput output) {
		this.variables.put("USER_DATABASE_URL", url("users.db"));
		this.variables.put("DATABASE_URL", url("shared.db"));
		start();
		add("user", "Grace");
		add("auth", "Ada");
		add("driver", "to Sintra");
		assertThat(textsIn("users.db", "profile")).containsExactly("Grace");
		assertThat(textsIn("shared.db", "login")).containsExactly("Ada");
		assertThat(textsIn("shared.db", "trip")).containsExactly("to Sintra");
		assertThat(new SampleFiles(this.data).list()).doesNotContain("user.db", "apps.db");
		assertThat(output).containsOnlyOnce("'user' is at USER_DATABASE_URL, which goes before")
			.contains("io/multidb/sample/apps/user/database.properties")
			.containsOnlyOnce("'default' is at DATABASE_URL");
	}

	@Test
	void aVariableOfNobodyIsNobodys() {
		this.variables.put("TEST_DATABASE_URL", url("test.db"));
		this.variables.put("APPS_DATABASE_URL", url("apps-2.db"));
		start();
		add("auth", "Ada");
		assertThat(this.application.getBean(SourceRegistry.class).find("test")).isNull();
		assertThat(new SampleFiles(this.data).list()).doesNotContain("test.db", "apps-2.db");
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			''                           | The environment variable AUTH_DATABASE_URL is empty
			postgresql://ann:secret@db1  | The environment variable AUTH_DATABASE_URL names no database
			""")
	void aVariableThatSaysNothingFailsTheStart(String value, String why) {
		this.variables.put("AUTH_DATABASE_URL", value);
		Throwable failure = catchThrowable(this::start);
		assertThat(failure).rootCause()
			.isInstanceOf(InvalidDatasourcesException.class)
			.hasMessageContaining(why)
			.hasMessageNotContaining("secret");
	}

	@Test
	void badRecordsAreRefused() {
		start();
		for (String body : List.of("{}", "{\"text\":\" \"}", "{\"text\":\"a\\u0000b\"}", "{")) {
			this.sample.post("/apps/auth/records", body).expectStatus().isBadRequest();
		}
		shows("auth", "[]");
	}

	@Test
	void noNameOfAnAppIsInTheConfiguration() throws Exception {
		String yaml = Files.readString(Path.of("src/main/resources/application.yaml"))
			.lines()
			.filter((line) -> !line.strip().startsWith("#"))
			.reduce("", (all, line) -> all + line + "\n");
		assertThat(yaml).doesNotContainPattern("\\b(auth|driver|user)\\b");
	}

}
