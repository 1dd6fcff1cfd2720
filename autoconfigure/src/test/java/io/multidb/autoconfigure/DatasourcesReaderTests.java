package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.env.YamlPropertySourceLoader;
import org.springframework.boot.support.SystemEnvironmentPropertySourceEnvironmentPostProcessor;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.PropertySource;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.env.SystemEnvironmentPropertySource;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.core.io.FileSystemResource;
import org.springframework.core.io.Resource;

import io.multidb.InvalidDatasourcesException;
import io.multidb.routing.Route;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.FallbackSettings;
import io.multidb.source.ReplicaSettings;
import io.multidb.source.ServerSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.TestDriver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

class DatasourcesReaderTests {

	private static final String TWO_SOURCES = """
			app:
			  datasources:
			    main: { url: "jdbc:sqlite:main.db" }
			    archive: { url: "jdbc:sqlite:archive.db" }
			""";

	@TempDir
	private Path classPath;

	private Map<String, Object> variables = Map.of();

	private Map<String, Object> arguments = Map.of();

	private Map<String, SourceDefinition> beans = Map.of();

	/** Whether variables come with their origin, as a SpringApplication has it. */
	private boolean originAware;

	// Sources

	@Test
	void readsSourcesSortedByName() {
		assertThat(read(TWO_SOURCES).sources()).extracting(SourceDefinition::name).containsExactly("archive", "main");
	}

	@Test
	void readsEverySettingOfASource() {
		SourceDefinition source = read("""
				app.datasources:
				  archive:
				    url: jdbc:postgresql://db1/archive
				    username: reader
				    password: s3cret
				    driver-class-name: org.postgresql.Driver
				    hikari: { maximum-pool-size: 5, data-source-properties: { socketTimeout: 7 } }
				    liquibase: { enabled: false }
				    essential: false
				    internal: true
				    attributes: { region: north }
				""").sources().get(0);
		assertThat(source.url().text()).isEqualTo("jdbc:postgresql://db1/archive");
		assertThat(source.username()).isEqualTo("reader");
		assertThat(source.password()).isEqualTo("s3cret");
		assertThat(source.driverClassName()).isEqualTo("org.postgresql.Driver");
		assertThat(source.hikari()).containsOnly(Map.entry("maximum-pool-size", "5"),
				Map.entry("data-source-properties.socketTimeout", "7"));
		assertThat(source.essential()).isFalse();
		assertThat(source.internal()).isTrue();
		assertThat(source.attributes()).containsOnly(Map.entry("region", "north"));
	}

	@Test
	void readsServersByNameAndByHostAndPort() {
		Datasources datasources = read("""
				app:
				  datasources:
				    a: { url: "jdbc:postgresql://db1/a", server: big }
				    b: { url: "jdbc:postgresql://db2:6432/b" }
				  tenancy.servers:
				    big: { nodes: 3 }
				    "[db2:6432]": { max-connections: 40, reserve: 4, nodes: 2 }
				""");
		assertThat(datasources.sources()).extracting(SourceDefinition::server).containsExactly("big", null);
		assertThat(datasources.tenancy().limits().servers()).containsOnly(
				Map.entry("big", new ServerSettings(null, null, 3)),
				Map.entry("db2:6432", new ServerSettings(40, 4, 2)));
	}

	@Test
	void readsHowManySourcesOfAServerMayBeOpen() {
		Datasources datasources = read("""
				app:
				  datasources:
				    a: { url: "jdbc:postgresql://db1/a", server: big }
				    b: { url: "jdbc:mysql://db2/b", server: reports, driver-class-name: com.mysql.cj.jdbc.Driver }
				  tenancy.servers:
				    big: { nodes: 3, max-open: 50 }
				    reports: { max-open: 5 }
				""");
		assertThat(datasources.tenancy().limits().servers()).containsOnly(
				Map.entry("big", new ServerSettings(null, null, 3, 50)),
				Map.entry("reports", new ServerSettings(null, null, 1, 5)));
	}

	@Test
	void refusesServersThatCannotBe() {
		assertThat(mistakes("""
				app:
				  datasources:
				    a: { url: "jdbc:postgresql://db1/a", server: smal }
				    b: { url: "jdbc:mysql://db2/b", server: unknown, driver-class-name: com.mysql.cj.jdbc.Driver }
				    c: { url: "jdbc:sqlite:c.db", server: small }
				  tenancy.servers:
				    small: { max-connections: 5, reserve: 5 }
				    unknown: { nodes: 0 }
				    none: { max-open: -1 }
				""")).hasSize(6)
			.anySatisfy((mistake) -> assertThat(mistake)
				.isEqualTo("In 'app.tenancy.servers.none': 'max-open' must be 0, for any number, or more."))
			.anySatisfy((mistake) -> assertThat(mistake).contains("names 'smal'").endsWith("Did you mean 'small'?"))
			.anySatisfy((mistake) -> assertThat(mistake).contains("servers.unknown.max-connections' is missing"))
			.anySatisfy((mistake) -> assertThat(mistake).contains("SQLite has no server"))
			.anySatisfy((mistake) -> assertThat(mistake).contains("servers.small").contains("at least 1"))
			.anySatisfy((mistake) -> assertThat(mistake).contains("servers.unknown").contains("'nodes'"));
	}

	@Test
	void aSourceIsEssentialUnlessToldOtherwise() {
		assertThat(read(TWO_SOURCES).sources()).allMatch(SourceDefinition::essential);
	}

	@Test
	void aTemplateIsNotEssentialUnlessToldOtherwise() {
		Datasources datasources = read("""
				app:
				  datasources:
				    a: { url: "jdbc:sqlite:a/{id}.db" }
				    b: { url: "jdbc:sqlite:b/{id}.db", essential: true }
				  tenancy.routes: [ { tenants: "a-{id}", source: a }, { tenants: "b-{id}", source: b } ]
				""");
		assertThat(datasources.templates()).extracting((template) -> template.definition().essential())
			.containsExactly(false, true);
	}

	@Test
	void aDefinitionKnowsFileAndLine() {
		assertThat(read(TWO_SOURCES).sources().get(1).origin()).contains("application.yaml").contains("3:");
	}

	@Test
	void aDefinitionKnowsTheVariableThatItsUrlCameFrom() {
		this.variables = Map.of("APP_DATASOURCES_MAIN_URL", "jdbc:sqlite:other.db");
		SourceDefinition main = read(TWO_SOURCES).sources().get(1);
		assertThat(main.url().text()).isEqualTo("jdbc:sqlite:other.db");
		assertThat(main.origin()).contains("APP_DATASOURCES_MAIN_URL");
	}

	@Test
	void aSourceWithoutUrlIsRefused() {
		assertThat(mistakes("app.datasources.main.username: sa")).singleElement()
			.asString()
			.contains("'app.datasources.main.url' (", "application.yaml", "is missing", "jdbc:sqlite:main.db");
	}

	@Test
	void aUrlThatIsNotJdbcIsRefusedAndNotQuoted() {
		assertThat(mistakes("app.datasources.main.url: oracle://me:s3cret@db/main")).singleElement()
			.asString()
			.contains("'app.datasources.main.url'", "must begin with 'jdbc:'")
			.doesNotContain("s3cret");
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbc:sqlite:", "jdbc:sqlite::memory:", "jdbc:sqlite:?cache=private",
			"jdbc:sqlite:file::memory:", "jdbc:sqlite:file:x?mode=memory" })
	void aSqliteDatabaseInMemoryIsRefused(String url) {
		assertThat(mistakes("app.datasources.main.url: '" + url + "'")).singleElement()
			.asString()
			.contains("in memory", "Use a file");
	}

	@Test
	void aSharedSqliteDatabaseInMemoryIsFine() {
		assertThat(read("app.datasources.main.url: jdbc:sqlite:file::memory:?cache=shared").sources()).hasSize(1);
	}

	@Test
	void aPlaceholderThatNothingSetsIsNoTemplate() {
		assertThat(mistakes("app.datasources.main.url: jdbc:postgresql://${DB_HOST}/main")).singleElement()
			.asString()
			.contains("'app.datasources.main.url' refers to ${DB_HOST}, which is set nowhere");
	}

	@Test
	void aKeyOfTheCatalogThatNothingSetsIsNoWrongKey() {
		assertThat(mistakes("""
				app:
				  datasources.main.url: jdbc:sqlite:main.db
				  tenancy.catalog: { source: main, credentials: { keys: { k1: "${CATALOG_KEY}" }, active-key: k1 } }
				""")).singleElement()
			.asString()
			.contains("'app.tenancy.catalog.credentials.keys.k1' refers to ${CATALOG_KEY}, which is set nowhere");
	}

	@Test
	void aPasswordThatNothingSetsIsRefused() {
		assertThat(mistakes("""
				app.datasources.main: { url: "jdbc:postgresql://db/main", password: "${MAIN_PASSWORD}" }
				""")).singleElement().asString().contains("'app.datasources.main.password' refers to ${MAIN_PASSWORD}");
	}

	@Test
	void aPasswordMayContainWhatLooksLikeAPlaceholder() {
		assertThat(read("""
				app.datasources.main: { url: "jdbc:postgresql://db/main", password: "a${b}c" }
				""").sources()).hasSize(1);
	}

	@Test
	void aPasswordFromAVariableIsUsed() {
		this.variables = Map.of("APP_DATASOURCES_ARCHIVE_PASSWORD", "s3cret");
		assertThat(read(TWO_SOURCES).sources().get(0).password()).isEqualTo("s3cret");
	}

	// Names

	@Test
	void namesThatBindingTakesForOneAreRefused() {
		assertThat(mistakes("""
				app.datasources:
				  ny_appeals: { url: "jdbc:sqlite:a.db" }
				  nyappeals: { url: "jdbc:sqlite:b.db" }
				""")).singleElement().asString().contains("'ny_appeals' (", "'nyappeals' (", "rename one");
	}

	@Test
	void aTemplatesNameIsComparedToo() {
		assertThat(mistakes("""
				app:
				  datasources:
				    shops: { url: "jdbc:sqlite:a.db" }
				    sh-ops: { url: "jdbc:sqlite:{id}.db" }
				  tenancy.routes: [ { tenants: "shop-{id}", source: sh-ops } ]
				""")).anySatisfy((mistake) -> assertThat(mistake).contains("'sh-ops'", "'shops'", "the same"));
	}

	@Test
	void aVariableThatMakesASecondNameIsRefused() {
		this.variables = Map.of("APP_DATASOURCES_ACME_URL", "jdbc:sqlite:b.db");
		assertThat(mistakes("""
				app.datasources:
				  "[Acme]": { url: "jdbc:sqlite:a.db" }
				""")).singleElement().asString().contains("'Acme'", "'acme'", "APP_DATASOURCES_ACME_URL");
	}

	@ParameterizedTest
	@ValueSource(strings = { "ny_appeals", "ny-appeals" })
	void aVariableReachesANameWithItsUnderscores(String name) {
		this.variables = Map.of("APP_DATASOURCES_NY_APPEALS_PASSWORD", "s3cret");
		assertThat(read("app.datasources." + name + ".url: jdbc:sqlite:a.db").sources()).singleElement()
			.extracting(SourceDefinition::name, SourceDefinition::password)
			.containsExactly(name, "s3cret");
	}

	@Test
	void aVariableThatSetsNothingIsRefused() {
		this.variables = Map.of("APP_DATASOURCES_NY_APPEALS_PASSWORD", "s3cret");
		assertThat(mistakes(TWO_SOURCES)).singleElement()
			.asString()
			.contains("APP_DATASOURCES_NY_APPEALS_PASSWORD sets nothing", "app.datasources.ny.appeals.password")
			.doesNotContain("s3cret");
	}

	@Test
	void aVariableForANameWithoutItsUnderscoreIsRefused() {
		this.variables = Map.of("APP_DATASOURCES_NYAPPEALS_PASSWORD", "s3cret");
		assertThat(mistakes("app.datasources.ny_appeals.url: jdbc:sqlite:a.db")).singleElement()
			.asString()
			.contains("'ny_appeals'", "'nyappeals'", "APP_DATASOURCES_NYAPPEALS_PASSWORD")
			.doesNotContain("s3cret");
	}

	@Test
	void aMisspeltVariableIsRefused() {
		this.variables = Map.of("APP_DATASOURCES_MAIN_PASWORD", "s3cret");
		assertThat(mistakes(TWO_SOURCES)).singleElement()
			.asString()
			.contains("APP_DATASOURCES_MAIN_PASWORD", "Did you mean 'password'?")
			.doesNotContain("s3cret");
	}

	@Test
	void aVariableOfARunningApplicationMaySpellAKeyWithUnderscores() {
		this.variables = Map.of("APP_DATASOURCES_MAIN_DRIVER_CLASS_NAME", "org.sqlite.JDBC");
		this.originAware = true;
		assertThat(read(TWO_SOURCES).sources().get(1).driverClassName()).isEqualTo("org.sqlite.JDBC");
	}

	@Test
	void aVariableMaySpellAKeyWithUnderscores() {
		this.variables = Map.of("APP_DATASOURCES_MAIN_DRIVER_CLASS_NAME", "org.sqlite.JDBC");
		assertThat(read(TWO_SOURCES).sources().get(1).driverClassName()).isEqualTo("org.sqlite.JDBC");
	}

	@Test
	void aVariableThatIsOverriddenIsNotUnknown() {
		this.variables = Map.of("APP_DATASOURCES_MAIN_DRIVER_CLASS_NAME", "org.sqlite.JDBC");
		this.arguments = Map.of("app.datasources.main.driver-class-name", "org.postgresql.Driver");
		assertThat(read(TWO_SOURCES).sources().get(1).driverClassName()).isEqualTo("org.postgresql.Driver");
	}

	@Test
	void aVariableWithAnUnderscoreTooManyIsRefused() {
		this.variables = Map.of("APP_DATASOURCES_AR_CHIVE_PASSWORD", "s3cret");
		assertThat(mistakes(TWO_SOURCES)).singleElement().asString().contains("APP_DATASOURCES_AR_CHIVE_PASSWORD");
	}

	@Test
	void aVariableMaySpellAPoolSettingWithUnderscores() {
		this.variables = Map.of("APP_DATASOURCES_MAIN_HIKARI_MAXIMUM_POOL_SIZE", "3");
		assertThat(read(TWO_SOURCES).sources().get(1).hikari()).containsOnly(Map.entry("maximum-pool-size", "3"));
	}

	@Test
	void aVariableMaySetTenancy() {
		this.variables = Map.of("APP_TENANCY_NO_TENANT", "main", "APP_TENANCY_LIQUIBASE_FAIL_FAST", "true");
		Datasources datasources = read(TWO_SOURCES);
		assertThat(datasources.noTenant()).isEqualTo("main");
		assertThat(datasources.tenancy().liquibase().failFast()).isTrue();
	}

	@Test
	void aNameInBracketsMayHaveDotsAndUpperCase() {
		assertThat(read("""
				app.datasources:
				  "[Acme.Corp]": { url: "jdbc:sqlite:a.db" }
				""").sources()).extracting(SourceDefinition::name).containsExactly("Acme.Corp");
	}

	@ParameterizedTest
	@ValueSource(strings = { "Acme", "nyAppeals", "acme_" })
	void aNameThatBindingWouldChangeIsRefusedWithoutBrackets(String name) {
		assertThat(mistakes("""
				app.datasources:
				  %s: { url: "jdbc:sqlite:a.db" }
				""".formatted(name))).singleElement().asString().contains("'" + name + "'", "\"[" + name + "]\"");
	}

	@Test
	void aNameWithADotIsRefusedWithoutBrackets() {
		assertThat(mistakes("""
				app.datasources:
				  acme.corp: { url: "jdbc:sqlite:a.db" }
				""")).singleElement().asString().contains("'app.datasources.acme.corp.url'", "is no property");
	}

	// Keys and values

	@Test
	void anUnknownKeyOfASourceIsRefused() {
		assertThat(mistakes("""
				app.datasources:
				  main:
				    url: jdbc:sqlite:a.db
				    usrname: s3cret
				""")).singleElement()
			.asString()
			.contains("'app.datasources.main.usrname' (", "application.yaml", "4:", "Did you mean 'username'?")
			.doesNotContain("s3cret");
	}

	@ParameterizedTest
	@CsvSource({ "no-tenent,no-tenant", "web.headr.name,web.header.name", "liquibase.fail-fats,liquibase.fail-fast",
			"liquibase.change-logs,liquibase.change-log" })
	void anUnknownKeyOfTenancyIsRefused(String key, String nearest) {
		assertThat(mistakes(TWO_SOURCES + "  tenancy." + key + ": x")).singleElement()
			.asString()
			.contains("'app.tenancy." + key + "'", "Did you mean '" + nearest + "'?");
	}

	@Test
	void anUnknownKeyOfARouteIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: a, source: main, sorce: x } ]"))
			.singleElement()
			.asString()
			.contains("'app.tenancy.routes[0].sorce'", "Did you mean 'routes[].source'?");
	}

	@ParameterizedTest
	@ValueSource(strings = { "no-tenant", "noTenant", "no_tenant", "NO-TENANT" })
	void aKnownKeyMayBeWrittenInAnyForm(String key) {
		assertThat(read(TWO_SOURCES + "  tenancy." + key + ": main").noTenant()).isEqualTo("main");
	}

	@Test
	void otherKeysUnderAppBelongToTheApplication() {
		assertThat(read(TWO_SOURCES + "  title: Courts\n  datasource: x\n  tenancys.x: y").sources()).hasSize(2);
	}

	@Test
	void aValueOutsideItsListIsRefused() {
		assertThat(mistakes("""
				app:
				  datasources.e: { url: "jdbc:sqlite:{id}.db", create: sometimes }
				  tenancy.routes: [ { tenants: "e-{id}", source: e } ]
				""")).singleElement()
			.asString()
			.contains("'app.datasources.e.create'", "never, explicit, on-first-use", "'sometimes'");
	}

	@ParameterizedTest
	@CsvSource({ "parallelism,many,Integer", "fail-fast,perhaps,Boolean", "startup-timeout,soon,Duration" })
	void aValueOfTheWrongTypeIsRefused(String key, String value, String type) {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.liquibase." + key + ": " + value)).singleElement()
			.asString()
			.contains("'app.tenancy.liquibase." + key + "'", "must be of type " + type, "'" + value + "'");
	}

	@Test
	void aUrlInPlaceOfASourceIsRefusedAndNotQuoted() {
		assertThat(mistakes("app.datasources.main: jdbc:postgresql://me:s3cret@db/main")).singleElement()
			.asString()
			.contains("'app.datasources.main'", "is a value where keys below it belong")
			.doesNotContain("s3cret");
	}

	@Test
	void aParallelismBelowOneIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.liquibase.parallelism: 0")).singleElement()
			.asString()
			.contains("'app.tenancy.liquibase.parallelism' must be at least 1");
	}

	@ParameterizedTest
	@CsvSource({ "timeout,0s,must be positive", "threads,0,must be at least 1", "journal.keep,-1d,must be 0",
			"journal.source,nowhere,which is no source" })
	void fanOutsThatCannotBeAreRefused(String key, String value, String mistake) {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.fan-out." + key + ": " + value)).singleElement()
			.asString()
			.contains("'app.tenancy.fan-out." + key + "'", mistake);
	}

	// Pools

	@ParameterizedTest
	@ValueSource(strings = { "jdbc-url", "password", "poolName", "metric-registry" })
	void aPoolSettingThatTheSourceDecidesIsRefused(String key) {
		assertThat(mistakes("app.datasources.main: { url: 'jdbc:sqlite:a.db', hikari: { " + key + ": s3cret } }"))
			.singleElement()
			.asString()
			.contains("'app.datasources.main'", "'hikari." + key + "' is not allowed")
			.doesNotContain("s3cret");
	}

	@ParameterizedTest
	@ValueSource(strings = { "maximum-pool-sise", "maximumPoolSise" })
	void aMisspeltPoolSettingIsRefused(String key) {
		assertThat(mistakes("app.datasources.main: { url: 'jdbc:sqlite:a.db', hikari: { " + key + ": 3 } }"))
			.singleElement()
			.asString()
			.contains("'app.datasources.main'", "'hikari." + key + "'", "maximum-pool-size");
	}

	@Test
	void aPoolSettingMayBeWrittenInAnyForm() {
		assertThat(read("app.datasources.main: { url: 'jdbc:sqlite:a.db', hikari: { maximumPoolSize: 3 } }").sources()
			.get(0)
			.hikari()).containsOnly(Map.entry("maximum-pool-size", "3"));
	}

	@ParameterizedTest
	@CsvSource({ "maximum-pool-size,0", "maximum-pool-size,many", "connection-timeout,1" })
	void aValueThatThePoolRefusesIsRefused(String key, String value) {
		assertThat(
				mistakes("app.datasources.main: { url: 'jdbc:sqlite:a.db', hikari: { " + key + ": " + value + " } }"))
			.singleElement()
			.asString()
			.contains("'app.datasources.main'", "'hikari." + key + "' has a value that HikariCP refuses");
	}

	// Two sources, one database

	@Test
	void twoSourcesWithTheSameFileAreRefused() {
		String absolute = Path.of("data", "main.db").toAbsolutePath().toString();
		assertThat(mistakes("""
				app.datasources:
				  a: { url: "jdbc:sqlite:data/../data/main.db" }
				  b: { url: "jdbc:sqlite:%s" }
				""".formatted(absolute))).singleElement().asString().contains("'a' and 'b' have the same database");
	}

	@Test
	void twoSourcesWithTheSameServersDatabaseAreRefused() {
		assertThat(mistakes("""
				app.datasources:
				  a: { url: "jdbc:postgresql://db1/main?password=s3cret" }
				  b: { url: "jdbc:postgresql://DB1:5432/main?ssl=true&password=s3cret" }
				""")).singleElement()
			.asString()
			.contains("'a' and 'b' have the same database")
			.doesNotContain("s3cret");
	}

	@Test
	void twoSchemasOfOneDatabaseAreFine() {
		assertThat(read("""
				app.datasources:
				  a: { url: "jdbc:postgresql://db1/main?currentSchema=a" }
				  b: { url: "jdbc:postgresql://db1/main?currentSchema=b" }
				""").sources()).hasSize(2);
	}

	// Routes

	@Test
	void readsRoutesInOrder() {
		assertThat(read(TWO_SOURCES + """
				  tenancy:
				    routes:
				      - { tenants: ["chat-1001", "chat-1002"], source: archive }
				      - { tenants: "*", source: main }
				""").routes()).extracting(Route::toString)
			.containsExactly("[chat-1001, chat-1002] -> archive", "[*] -> main");
	}

	@Test
	void noRoutesStayNoRoutes() {
		assertThat(read(TWO_SOURCES).routes()).isEmpty();
	}

	@Test
	void anUnknownSourceInARouteIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: x, source: archiv } ]")).singleElement()
			.asString()
			.contains("[x] -> archiv", "leads to 'archiv', which is no source", "Did you mean 'archive'?");
	}

	@Test
	void theKnownSourcesAreListedWhereNoneIsNear() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: x, source: warehouse } ]")).singleElement()
			.asString()
			.contains("Known: archive, main.");
	}

	@Test
	void aSourceWithAMistakeOfItsOwnIsNotAlsoUnknown() {
		assertThat(mistakes("""
				app:
				  datasources.main: { username: sa }
				  tenancy: { no-tenant: main, routes: [ { tenants: "*", source: main } ] }
				""")).singleElement().asString().contains("'app.datasources.main.url'");
	}

	@Test
	void aRouteToAnInternalSourceIsRefused() {
		assertThat(mistakes("""
				app:
				  datasources.main: { url: "jdbc:sqlite:a.db", internal: true }
				  tenancy.routes: [ { tenants: "*", source: main } ]
				""")).singleElement().asString().contains("leads to 'main'", "no tenant may reach it");
	}

	@Test
	void aRouteMayUseThePatternsName() {
		assertThat(read(TWO_SOURCES + "  tenancy.routes: [ { tenants: '{n}-chats', source: '{n}' } ]").routes())
			.hasSize(1);
	}

	@Test
	void aRouteThatUsesANameThatItsPatternDoesNotGiveIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: '{n}-chats', source: '{id}' } ]"))
			.singleElement()
			.asString()
			.contains("{id}", "it gives {n}, {tenant}");
	}

	@ParameterizedTest
	@CsvSource({ "*,main,chat-*", "chat-*,main,chat-1-*", "chat-{id},main,chat-7", "a,main,a" })
	void aRouteBehindOneThatTakesAllOfItIsRefused(String first, String source, String second) {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: '" + first + "', source: " + source
				+ " }, { tenants: '" + second + "', source: archive } ]"))
			.singleElement()
			.asString()
			.contains("can never match '" + second + "'", "the earlier pattern '" + first + "'");
	}

	@Test
	void aRouteBeforeAWiderOneIsFine() {
		assertThat(read(TWO_SOURCES + "  tenancy.routes: [ { tenants: 'chat-1-*', source: main },"
				+ " { tenants: 'chat-*', source: archive }, { tenants: '*', source: main } ]")
			.routes()).hasSize(3);
	}

	@ParameterizedTest
	@ValueSource(strings = { "a/b", "a*b*", "ünter", "a b", ".hidden", "{1}", "x-{tenant}" })
	void aPatternThatIsNoneIsRefused(String pattern) {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: '" + pattern + "', source: main } ]"))
			.singleElement()
			.asString()
			.contains("'app.tenancy.routes[0].tenants'", "'" + pattern + "'");
	}

	@Test
	void aRouteWithoutTenantsIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { source: main } ]")).singleElement()
			.asString()
			.contains("'app.tenancy.routes[0].tenants' is missing");
	}

	@Test
	void aRouteWithoutSourceIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.routes: [ { tenants: x } ]")).singleElement()
			.asString()
			.contains("'app.tenancy.routes[0].source' is missing");
	}

	@Test
	void workWithoutATenantIsRefusedByDefault() {
		assertThat(read(TWO_SOURCES).noTenant()).isNull();
	}

	@Test
	void anUnknownSourceForNoTenantIsRefused() {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.no-tenant: mian")).singleElement()
			.asString()
			.contains("'app.tenancy.no-tenant' must be 'refuse' or a source", "Did you mean 'main'?");
	}

	// Templates

	@Test
	void aTemplateTakesItsPatternFromItsRoute() {
		Datasources datasources = read("""
				app:
				  datasources.election: { url: "jdbc:sqlite:data/{id}.db", create: on-first-use }
				  tenancy.routes: [ { tenants: "election-{id}", source: election } ]
				""");
		assertThat(datasources.sources()).isEmpty();
		assertThat(datasources.templates()).singleElement().satisfies((template) -> {
			assertThat(template.names()).hasToString("election-{id}");
			assertThat(template.create()).isEqualTo(CreatePolicy.ON_FIRST_USE);
		});
	}

	@Test
	void aTemplateWithoutRouteIsRefused() {
		assertThat(mistakes("app.datasources.election.url: jdbc:sqlite:data/{id}.db")).singleElement()
			.asString()
			.contains("'election'", "exactly one route", "has 0", "{tenants: \"election-{id}\", source: election}");
	}

	@Test
	void aTemplateWithTwoRoutesIsRefused() {
		assertThat(mistakes("""
				app:
				  datasources.election: { url: "jdbc:sqlite:data/{id}.db" }
				  tenancy.routes: [ { tenants: "a-{id}", source: election }, { tenants: "b-{id}", source: election } ]
				""")).singleElement().asString().contains("exactly one route", "has 2");
	}

	@Test
	void aTemplateWhoseRouteHasAMistakeIsNotAlsoWithoutRoute() {
		assertThat(mistakes("""
				app:
				  datasources.election: { url: "jdbc:sqlite:data/{id}.db" }
				  tenancy.routes: [ { tenants: "election {id}", source: election } ]
				""")).singleElement().asString().contains("'app.tenancy.routes[0].tenants'");
	}

	@Test
	void aPlaceholderThatTheRouteDoesNotGiveIsRefused() {
		assertThat(mistakes("""
				app:
				  datasources.election: { url: "jdbc:sqlite:data/{year}/{id}.db" }
				  tenancy.routes: [ { tenants: "election-{id}", source: election } ]
				""")).singleElement()
			.asString()
			.contains("'app.datasources.election.url'", "{year}", "'election-{id}'", "it gives {id}, {tenant}");
	}

	@ParameterizedTest
	@CsvSource({ "create,explicit", "maintenance,main", "copy,false" })
	void whatIsForTemplatesIsRefusedElsewhere(String key, String value) {
		assertThat(mistakes("app.datasources.main: { url: 'jdbc:sqlite:a.db', " + key + ": " + value + " }"))
			.singleElement()
			.asString()
			.contains("'app.datasources.main." + key + "'", "is for templates");
	}

	@Test
	void creationOnPostgresNeedsAMaintenanceSource() {
		assertThat(mistakes("""
				app:
				  datasources.e: { url: "jdbc:postgresql://db/e_{id}", create: explicit }
				  tenancy.routes: [ { tenants: "e-{id}", source: e } ]
				""")).singleElement()
			.asString()
			.contains("'app.datasources.e.maintenance' is missing", "CREATE DATABASE");
	}

	@Test
	void anUnknownMaintenanceSourceIsRefused() {
		assertThat(mistakes("""
				app:
				  datasources:
				    admin: { url: "jdbc:postgresql://db/postgres", internal: true }
				    e: { url: "jdbc:postgresql://db/e_{id}", create: explicit, maintenance: admn }
				  tenancy.routes: [ { tenants: "e-{id}", source: e } ]
				""")).singleElement()
			.asString()
			.contains("'app.datasources.e.maintenance' names 'admn'", "Did you mean 'admin'?");
	}

	@Test
	void creationOnAnotherProductIsRefused() {
		assertThat(mistakes("""
				app:
				  datasources.e: { url: "jdbc:h2:file:./{id}", create: explicit }
				  tenancy.routes: [ { tenants: "e-{id}", source: e } ]
				""")).singleElement().asString().contains("on SQLite and PostgreSQL only");
	}

	@Test
	void creationNeedsThePlaceholderInTheDatabasesName() {
		assertThat(mistakes("""
				app:
				  datasources:
				    admin: { url: "jdbc:postgresql://db/postgres", internal: true }
				    e: { url: "jdbc:postgresql://db/e?currentSchema={id}", create: explicit, maintenance: admin }
				  tenancy.routes: [ { tenants: "e-{id}", source: e } ]
				""")).singleElement().asString().contains("the placeholder is not in the database's name");
	}

	// Change logs

	@Test
	void withoutAChangeLogNothingIsMigrated() {
		assertThat(read(TWO_SOURCES).sources()).extracting(SourceDefinition::liquibase)
			.containsOnly(LiquibaseSettings.NONE);
	}

	@Test
	void aSourcesOwnChangeLogWins() {
		assertThat(changeLog("tenancy.liquibase.change-log: shared.yaml", "liquibase: { change-log: own.yaml }"))
			.isEqualTo("own.yaml");
	}

	@Test
	void theSharedChangeLogIsTheDefault() {
		assertThat(changeLog("tenancy.liquibase.change-log: shared.yaml", "internal: false")).isEqualTo("shared.yaml");
	}

	@Test
	void springsChangeLogIsTheDefaultOfTheDefault() {
		assertThat(changeLog("x: y\nspring.liquibase.change-log: spring.yaml", "internal: false"))
			.isEqualTo("spring.yaml");
	}

	@Test
	void anInternalSourceIsNotMigratedByDefault() {
		assertThat(changeLog("tenancy.liquibase.change-log: shared.yaml", "internal: true")).isNull();
	}

	@Test
	void anInternalSourceIsMigratedWithAChangeLogOfItsOwn() {
		assertThat(changeLog("x: y", "internal: true, liquibase: { change-log: own.yaml }")).isEqualTo("own.yaml");
	}

	@Test
	void aSourceMayOptOutOfMigration() {
		assertThat(changeLog("tenancy.liquibase.change-log: shared.yaml", "liquibase: { enabled: false }")).isNull();
	}

	@Test
	void nothingIsMigratedWhereSpringsLiquibaseIsOff() {
		assertThat(changeLog("tenancy.liquibase.change-log: shared.yaml\nspring.liquibase.enabled: false",
				"internal: false"))
			.isNull();
	}

	@Test
	void aSourcesParametersAreMergedAndItsContextsReplaceTheSharedOnes() {
		LiquibaseSettings settings = read("""
				app:
				  datasources.main:
				    url: jdbc:sqlite:a.db
				    liquibase: { contexts: [ own ], parameters: { b: own, c: own } }
				  tenancy.liquibase:
				    change-log: shared.yaml
				    contexts: [ shared ]
				    label-filter: [ shared ]
				    parameters: { a: shared, b: shared }
				""").sources().get(0).liquibase();
		assertThat(settings.contexts()).containsExactly("own");
		assertThat(settings.labelFilter()).containsExactly("shared");
		assertThat(settings.parameters()).containsOnly(Map.entry("a", "shared"), Map.entry("b", "own"),
				Map.entry("c", "own"));
	}

	@Test
	void theContextsOfSpringsLiquibaseGoWithItsChangeLog() {
		LiquibaseSettings settings = read(
				"""
						app.datasources.main.url: jdbc:sqlite:a.db
						spring.liquibase: { change-log: spring.yaml, contexts: "prod,eu", label-filter: x, parameters: { a: b } }
						""")
			.sources()
			.get(0)
			.liquibase();
		assertThat(settings.contexts()).containsExactly("prod", "eu");
		assertThat(settings.labelFilter()).containsExactly("x");
		assertThat(settings.parameters()).containsOnly(Map.entry("a", "b"));
	}

	// spring.datasource

	@Test
	void springsDatasourceGoesOnAsTheSourceDefault() {
		SourceDefinition source = read("""
				app.datasources.main.url: jdbc:sqlite:a.db
				spring.datasource:
				  url: jdbc:postgresql://db/app
				  username: app
				  password: s3cret
				  hikari: { maximum-pool-size: 7, pool-name: mine }
				""").sources().get(1);
		assertThat(source.name()).isEqualTo("default");
		assertThat(source.url().text()).isEqualTo("jdbc:postgresql://db/app");
		assertThat(source.username()).isEqualTo("app");
		assertThat(source.password()).isEqualTo("s3cret");
		assertThat(source.hikari()).containsOnly(Map.entry("maximum-pool-size", "7"));
		assertThat(source.origin()).isEqualTo("spring.datasource");
		assertThat(source.essential()).isTrue();
	}

	@Test
	void aPoolSettingOfSpringsDatasourceIsCheckedToo() {
		assertThat(mistakes("""
				app.datasources.main.url: jdbc:sqlite:a.db
				spring.datasource: { url: "jdbc:sqlite:b.db", hikari: { maximum-pool-size: many } }
				""")).singleElement().asString().contains("'spring.datasource'", "'hikari.maximum-pool-size'");
	}

	@Test
	void twoDefinitionsOfDefaultAreRefused() {
		assertThat(mistakes("""
				app.datasources.default.url: jdbc:sqlite:a.db
				spring.datasource.url: jdbc:sqlite:b.db
				""")).singleElement()
			.asString()
			.contains("Both 'spring.datasource' and 'app.datasources.default'", "remove one");
	}

	@Test
	void springsDatasourceIsMigratedAsBefore() throws IOException {
		Path changeLog = this.classPath.resolve("db/changelog/db.changelog-master.yaml");
		Files.createDirectories(changeLog.getParent());
		Files.writeString(changeLog, "databaseChangeLog: []");
		assertThat(read("""
				app.datasources.main.url: jdbc:sqlite:a.db
				spring.datasource.url: jdbc:sqlite:b.db
				""").sources()).extracting((source) -> source.liquibase().changeLog())
			.containsExactly(null, "classpath:/db/changelog/db.changelog-master.yaml");
	}

	// Web

	@ParameterizedTest
	@CsvSource(quoteCharacter = '"',
			value = { "headr,Did you mean 'header'?", "subdomain,'app.tenancy.web.subdomain.domain' is missing",
					"path,'app.tenancy.web.path.pattern' is missing" })
	void aResolverThatCannotWorkIsRefused(String resolver, String mistake) {
		assertThat(mistakes(TWO_SOURCES + "  tenancy.web.resolvers: [ " + resolver + " ]")).singleElement()
			.asString()
			.contains(mistake);
	}

	@Test
	void aResolverMayBeABean() {
		assertThat(read(TWO_SOURCES + "  tenancy.web.resolvers: [ byToken ]").tenancy().web().resolvers())
			.containsExactly("byToken");
	}

	// Together

	@Test
	void allMistakesAreReportedTogether() {
		assertThat(mistakes("""
				app:
				  datasources:
				    main: { username: sa, pasword: s3cret }
				    election: { url: "jdbc:sqlite:{id}.db", create: perhaps }
				    a: { url: "jdbc:sqlite:same.db" }
				    b: { url: "jdbc:sqlite:same.db", hikari: { maximum-pool-size: x } }
				  tenancy:
				    no-tenent: refuse
				    routes: [ { tenants: "*", source: mian }, { tenants: "late", source: a } ]
				""")).hasSize(9).noneMatch((mistake) -> mistake.contains("s3cret"));
	}

	@Test
	void noTextShowsAPassword() {
		Datasources datasources = read("""
				app:
				  datasources:
				    main: { url: "jdbc:postgresql://me:s3cret@db/main?password=s3cret", password: s3cret }
				    e: { url: "jdbc:postgresql://me:s3cret@db/{id}?password=s3cret", password: s3cret }
				  tenancy:
				    liquibase.parameters: { secret: s3cret }
				    routes: [ { tenants: "e-{id}", source: e } ]
				""");
		assertThat(datasources.toString()).contains("main").doesNotContain("s3cret");
		assertThat(new SourceProperties("jdbc:x?password=s3cret", "me", "s3cret", null, Map.of("a", "s3cret"),
				new SourceProperties.Liquibase(true, null, null, null, Map.of("a", "s3cret")), null, false, null, null,
				CreatePolicy.NEVER, null, false, List.of(), null, null, null, null, Map.of("a", "s3cret"))
			.toString()).doesNotContain("s3cret");
	}

	private String changeLog(String tenancy, String source) {
		return read("app:\n  datasources.main: { url: 'jdbc:sqlite:a.db', " + source + " }\n  " + tenancy).sources()
			.get(0)
			.liquibase()
			.changeLog();
	}

	// Read and write

	@Test
	void aReplicaIsReadOnlyInternalNotEssentialAndNotMigrated() {
		Datasources datasources = read("""
				app:
				  datasources:
				    main: { url: "jdbc:postgresql://db/x", replicas: [copy-1, copy-2], max-lag: 5s, sticky: 0s }
				    copy-1: { url: "jdbc:postgresql://copy1/x" }
				    copy-2: { url: "jdbc:postgresql://copy2/x", essential: true }
				  tenancy.liquibase.change-log: "classpath:db/notes.yaml"
				""");
		assertThat(datasources.sources()).filteredOn((source) -> source.name().startsWith("copy"))
			.hasSize(2)
			.allSatisfy((source) -> {
				assertThat(source.readOnly()).isTrue();
				assertThat(source.internal()).isTrue();
				assertThat(source.liquibase().changeLog()).isNull();
				assertThat(source.essential()).isEqualTo(source.name().equals("copy-2"));
			});
		assertThat(datasources.sources()).filteredOn((source) -> source.name().equals("main"))
			.singleElement()
			.satisfies((source) -> {
				assertThat(source.replicas())
					.isEqualTo(new ReplicaSettings(List.of("copy-1", "copy-2"), Duration.ofSeconds(5), Duration.ZERO));
				assertThat(source.liquibase().changeLog()).isNotNull();
				assertThat(source.readOnly()).isFalse();
			});
	}

	@Test
	void whoHasWrittenReadsFromThePrimaryForAsLongAsAReplicaMayBeBehind() {
		Datasources datasources = read("""
				app:
				  datasources:
				    main: { url: "jdbc:postgresql://db/x", replicas: copy, max-lag: 3s }
				    copy: { url: "jdbc:postgresql://copy/x" }
				    other: { url: "jdbc:sqlite:other.db", replicas: other-copy }
				    other-copy: { url: "jdbc:sqlite:other-copy.db" }
				""");
		assertThat(datasources.sources()).filteredOn((source) -> !source.replicas().sources().isEmpty())
			.extracting((source) -> source.replicas().sticky())
			.containsExactly(Duration.ofSeconds(3), Duration.ofSeconds(10));
	}

	@Test
	void aReadOnlySourceIsNotMigratedByDefault() {
		Datasources datasources = read("""
				app:
				  datasources:
				    main: { url: "jdbc:sqlite:main.db", read-only: true }
				    e: { url: "jdbc:sqlite:{id}.db", read-only: true }
				  tenancy:
				    liquibase.change-log: "classpath:db/notes.yaml"
				    routes: [ { tenants: "e-{id}", source: e } ]
				""");
		assertThat(datasources.sources()).singleElement().satisfies((source) -> {
			assertThat(source.readOnly()).isTrue();
			assertThat(source.liquibase().changeLog()).isNull();
		});
		assertThat(datasources.templates()).singleElement()
			.satisfies((template) -> assertThat(template.definition().readOnly()).isTrue());
	}

	@Test
	void mistakesOfReplicasAreCollected() {
		assertThat(mistakes(
				"""
						app:
						  datasources:
						    a: { url: "jdbc:sqlite:a.db", replicas: [copie, t, broken], max-lag: 5s }
						    b: { url: "jdbc:postgresql://db/b", replicas: [c, b], max-lag: 1ms, sticky: -1s }
						    c: { url: "jdbc:sqlite:c.db", liquibase: { change-log: "classpath:db/notes.yaml" } }
						    d: { url: "jdbc:sqlite:d.db", sticky: 5s, read-only: true, liquibase: { change-log: "classpath:db/notes.yaml" } }
						    t: { url: "jdbc:sqlite:{id}.db", replicas: c, read-only: true, create: explicit }
						    broken: { url: "mysql://x" }
						    copy: { url: "jdbc:sqlite:copy.db" }
						  tenancy:
						    routes: [ { tenants: "t-{id}", source: t }, { tenants: "x", source: c } ]
						"""))
			.anyMatch((mistake) -> mistake.contains("'copie', which is no source.") && mistake.contains("'copy'"))
			.anyMatch((mistake) -> mistake.contains("names 't', which is a template"))
			.noneMatch((mistake) -> mistake.contains("names 'broken'"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.a.max-lag'")
					&& mistake.contains("measured on PostgreSQL only"))
			.anyMatch((mistake) -> mistake.contains("names 'c', which is of another product"))
			.anyMatch((mistake) -> mistake.contains("names 'b', itself"))
			.anyMatch(
					(mistake) -> mistake.contains("'app.datasources.b.max-lag'") && mistake.contains("at least 500 ms"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.b.sticky'") && mistake.contains("negative"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.c.liquibase.change-log'")
					&& mistake.contains("a replica"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.d.liquibase.change-log'")
					&& mistake.contains("read-only"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.d.sticky'") && mistake.contains("'replicas'"))
			.anyMatch((mistake) -> mistake.contains("The template 't'") && mistake.contains("'replicas'"))
			.anyMatch((mistake) -> mistake.contains("leads to 'c', which is a replica"));
	}

	@Test
	void aFallbackIsReadOnlyUnlessDeclaredOtherwise() {
		Datasources datasources = read("""
				app:
				  datasources:
				    a: { url: "jdbc:sqlite:a.db", fallback: c }
				    b: { url: "jdbc:sqlite:b.db", fallback: c, fallback-read-only: false }
				    c: { url: "jdbc:sqlite:c.db" }
				    d: { url: "jdbc:sqlite:d.db", fallback: default }
				spring.datasource.url: "jdbc:sqlite:default.db"
				""");
		assertThat(datasources.sources()).filteredOn((source) -> source.fallback() != null)
			.extracting(SourceDefinition::fallback)
			.containsExactlyInAnyOrder(FallbackSettings.readOnly("c"), FallbackSettings.writable("c"),
					FallbackSettings.readOnly("default"));
	}

	@Test
	void mistakesOfFallbacksAreCollected() {
		assertThat(mistakes("""
				app:
				  datasources:
				    a: { url: "jdbc:sqlite:a.db", fallback: copie }
				    b: { url: "jdbc:sqlite:b.db", fallback: t }
				    c: { url: "jdbc:sqlite:c.db", fallback-read-only: true }
				    d: { url: "jdbc:sqlite:d.db", fallback: p }
				    e: { url: "jdbc:sqlite:e.db", fallback: e }
				    f: { url: "jdbc:sqlite:f.db", fallback: d }
				    g: { url: "jdbc:sqlite:g.db", fallback: broken }
				    m: { url: "jdbc:postgresql://db/postgres", fallback: p, internal: true }
				    p: { url: "jdbc:postgresql://db/p" }
				    t: { url: "jdbc:sqlite:{id}.db", fallback: copy }
				    u: { url: "jdbc:postgresql://db/u_{id}", create: explicit, maintenance: m }
				    broken: { url: "mysql://x" }
				    copy: { url: "jdbc:sqlite:copy.db" }
				  tenancy:
				    routes: [ { tenants: "t-{id}", source: t }, { tenants: "u-{id}", source: u } ]
				"""))
			.anyMatch((mistake) -> mistake.contains("'copie', which is no source.") && mistake.contains("'copy'"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.b.fallback'")
					&& mistake.contains("names 't', which is a template"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.c.fallback-read-only'")
					&& mistake.contains("'fallback'"))
			.anyMatch((mistake) -> mistake.contains("names 'p', which is of another product"))
			.anyMatch((mistake) -> mistake.contains("names 'e', itself"))
			.anyMatch((mistake) -> mistake.contains("names 'd', which has a fallback of its own"))
			.noneMatch((mistake) -> mistake.contains("names 'broken'"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.m.fallback'")
					&& mistake.contains("whose 'maintenance' it is"))
			.anyMatch((mistake) -> mistake.contains("'app.datasources.t.fallback'")
					&& mistake.contains("is not for templates"));
	}

	@Test
	void sourcesWithoutADriverAreToldTheDependencyTogetherWithOtherMistakes() {
		assertThat(mistakes("""
				app:
				  datasources:
				    lisbon: { url: "jdbc:mysql://ada:secret@db/lisbon" }
				    porto: { url: "jdbc:mysql://db/porto", driver-class-name: "" }
				    faro: { url: "mariadb://ada:secret@db/faro" }
				    evora: { url: "jdbc:h2:mem:evora", essential: false }
				    braga: { url: "jdbc:oracle:thin:@db:1521/braga" }
				    tomar: { url: "jdbc:sqlserver://db;databaseName=tomar" }
				    sines: { url: "jdbc:sqlite:sines.db" }
				    beja: { url: "jdbc:postgresql://db/beja", unknown: x }
				""")).hasSize(6)
			.anySatisfy((mistake) -> assertThat(mistake)
				.startsWith("'app.datasources.lisbon.url' (Byte array resource [application.yaml] - 3:20)")
				.contains("and 1 more like it have no JDBC driver on the class path")
				.contains("com.mysql:mysql-connector-j"))
			.anySatisfy((mistake) -> assertThat(mistake).startsWith("'app.datasources.faro.url'")
				.contains("org.mariadb.jdbc:mariadb-java-client"))
			.anySatisfy((mistake) -> assertThat(mistake).startsWith("'app.datasources.evora.url'")
				.contains("com.h2database:h2"))
			.anySatisfy((mistake) -> assertThat(mistake).startsWith("'app.datasources.braga.url'")
				.contains("com.oracle.database.jdbc:ojdbc17"))
			.anySatisfy((mistake) -> assertThat(mistake).startsWith("'app.datasources.tomar.url'")
				.contains("com.microsoft.sqlserver:mssql-jdbc"))
			.anySatisfy((mistake) -> assertThat(mistake).contains("'app.datasources.beja.unknown'"))
			.noneSatisfy((mistake) -> assertThat(mistake).contains("secret"));
	}

	@Test
	void addressOfTheEnvironmentWithoutADriverIsToldItsVariable() {
		this.variables = Map.of("LISBON_DATABASE_URL", "mysql://ada:secret@db/lisbon");
		assertThat(mistakes("app.tenancy.discovery.names: [ lisbon ]")).singleElement()
			.asString()
			.contains("environment variable LISBON_DATABASE_URL", "com.mysql:mysql-connector-j")
			.doesNotContain("secret");
	}

	@ParameterizedTest
	@ValueSource(strings = { "{ url: 'jdbc:mysql://db/a', driver-class-name: com.acme.Driver }",
			"{ url: 'jdbc:acme://db/a' }", "{ url: 'jdbc:p6spy:mysql://db/a' }" })
	void driverOfWhichNobodyKnowsIsNotMissed(String source) {
		assertThat(read("app.datasources.a: " + source).sources()).hasSize(1);
	}

	@Test
	void templateMayStillGetItsDriver() {
		assertThat(read("""
				app:
				  datasources.a: { url: "jdbc:mysql://db/{id}" }
				  tenancy.routes: [ { tenants: "a-{id}", source: a } ]
				""").templates()).hasSize(1);
	}

	@Test
	void anotherDriverThatAcceptsTheUrlIsOne() throws SQLException {
		Driver driver = new MySqlCompatible();
		DriverManager.registerDriver(driver);
		try {
			assertThat(read("app.datasources.a: { url: 'jdbc:mysql://db/a' }").sources()).hasSize(1);
		}
		finally {
			DriverManager.deregisterDriver(driver);
		}
	}

	@Test
	void sourceOfABeanMayRegisterItsDriverItself() {
		this.beans = Map.of("archive", SourceDefinition.named("archive").url("jdbc:mysql://db/a").build());
		assertThat(read("app.tenancy.max-open: 5").sources()).hasSize(1);
	}

	private List<String> mistakes(String yaml) {
		InvalidDatasourcesException failure = catchThrowableOfType(InvalidDatasourcesException.class, () -> read(yaml));
		assertThat(failure).as("mistakes").isNotNull();
		return failure.mistakes();
	}

	private Datasources read(String yaml) {
		StandardEnvironment environment = new StandardEnvironment();
		try {
			for (PropertySource<?> source : new YamlPropertySourceLoader().load("application.yaml",
					new ByteArrayResource(yaml.getBytes(StandardCharsets.UTF_8), "application.yaml"))) {
				environment.getPropertySources().addLast(source);
			}
		}
		catch (IOException ex) {
			throw new IllegalStateException(ex);
		}
		environment.getPropertySources()
			.replace(StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME, new SystemEnvironmentPropertySource(
					StandardEnvironment.SYSTEM_ENVIRONMENT_PROPERTY_SOURCE_NAME, this.variables));
		environment.getPropertySources().addFirst(new MapPropertySource("arguments", this.arguments));
		if (this.originAware) {
			new SystemEnvironmentPropertySourceEnvironmentPostProcessor().postProcessEnvironment(environment,
					new SpringApplication());
		}
		ConfigurationPropertySources.attach(environment);
		DefaultResourceLoader resourceLoader = new DefaultResourceLoader() {
			@Override
			protected Resource getResourceByPath(String path) {
				return new FileSystemResource(DatasourcesReaderTests.this.classPath + path);
			}
		};
		resourceLoader.addProtocolResolver((location, loader) -> location.startsWith("classpath:/")
				? loader.getResource(location.substring("classpath:".length())) : null);
		return new DatasourcesReader(environment, resourceLoader, null, this.beans, "byToken"::equals).read();
	}

	/** A driver for another's URLs. */
	private static final class MySqlCompatible extends TestDriver {

		MySqlCompatible() {
			super("jdbc:mysql:");
		}

		@Override
		public @Nullable Connection connect(String url, Properties info) {
			return null;
		}

	}

}
