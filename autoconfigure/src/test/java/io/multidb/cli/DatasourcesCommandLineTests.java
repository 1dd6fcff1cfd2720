package io.multidb.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.json.JsonParserFactory;
import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.InvalidDatasourcesException;
import io.multidb.catalog.CatalogCredentials;
import io.multidb.catalog.CatalogSettings;
import io.multidb.catalog.UrlRules;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceTemplate;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link DatasourcesCommandLine} on SQLite files.
 */
class DatasourcesCommandLineTests {

	@TempDir
	private Path directory;

	private final List<SourceDefinition> definitions = new ArrayList<>();

	private final List<SourceTemplate> templates = new ArrayList<>();

	private SourceMigrator migrator = new LiquibaseMigrator(new DefaultResourceLoader());

	private boolean terminal;

	private CatalogSettings catalog;

	private CommandRun last;

	private void define(SourceDefinition.Builder definition) {
		this.definitions.add(definition.build());
	}

	/** Three files that are not there yet, with a change log each. */
	private void defineThree() {
		for (String name : List.of("lisbon", "madrid", "porto")) {
			define(Sources.sqlite(name, this.directory).liquibase(Sources.NOTES).origin("cities.yaml"));
		}
	}

	private void defineElections(CreatePolicy create) {
		this.templates.add(Sources.template(SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory + "/{id}.db")
			.liquibase(Sources.NOTES)
			.build(), "election-{id}", create, null));
	}

	private int run(String... arguments) {
		this.last = CommandRun.of(
				() -> new Configured(this.definitions, this.templates, Set.of("driver"),
						List.of("'lisbon' is at two places"), this.catalog, PoolLimits.DEFAULT, 2),
				this.migrator, this.terminal, arguments);
		return this.last.exitCode();
	}

	private String out() {
		return this.last.out();
	}

	private String err() {
		return this.last.err();
	}

	private Map<String, String> outcomes() {
		return this.last.outcomes();
	}

	private List<String> files() throws IOException {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.map((file) -> file.getFileName().toString()).sorted().toList();
		}
	}

	private String query(String name, String sql) throws Exception {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve(name + ".db"))) {
			return Sources.query(connection, sql);
		}
	}

	@Test
	void discoverShowsWhatIsFoundAndOpensNothing() throws Exception {
		defineThree();
		define(SourceDefinition.named("far")
			.url("jdbc:mysql://far:secretpassword@far.example/db?password=hidden")
			.password("hidden")
			.origin("environment variable FAR_DATABASE_URL"));
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run("discover")).isZero();
		assertThat(out().lines().toList()).hasSize(8)
			.anyMatch((line) -> line.matches("far +jdbc:mysql://far:\\*{3}@far.example/db\\?password=\\*{3} +mysql +"
					+ "environment variable FAR_DATABASE_URL"))
			.anyMatch((line) -> line.matches("lisbon +jdbc:sqlite:\\S+lisbon.db +sqlite +cities.yaml"))
			.anyMatch((line) -> line.matches("election +jdbc:sqlite:\\S+/\\{id}.db +sqlite +.*"))
			.anyMatch((line) -> line.matches("driver +that of default +nowhere"))
			.contains("Note: 'lisbon' is at two places");
		assertThat(files()).isEmpty();
	}

	@Test
	void listShowsStatesAndMigrationsAndChangesNothing() throws Exception {
		defineThree();
		define(Sources.sqlite("plain", this.directory));
		define(Sources.sqlite("lost", this.directory.resolve("missing")).liquibase(Sources.NOTES));
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run("migrate", "lisbon")).isZero();
		Files.createFile(this.directory.resolve("porto.db"));
		Files.createFile(this.directory.resolve("plain.db"));
		assertThat(run("list")).isZero();
		assertThat(out().lines().toList()).hasSize(8)
			.anyMatch((line) -> line.matches("NAME +URL +PRODUCT +FOUND IN +STATE +MIGRATIONS"))
			.anyMatch((line) -> line.matches("lisbon +\\S+ +sqlite +cities.yaml +up +1 run"))
			.anyMatch((line) -> line.matches("madrid +\\S+ +sqlite +cities.yaml +absent +none run"))
			.anyMatch((line) -> line.matches("porto +\\S+ +sqlite +cities.yaml +up +0 run, 1 pending"))
			.anyMatch((line) -> line.matches("plain +\\S+ +sqlite +the API +up +none"))
			.anyMatch((line) -> line.matches("lost +\\S+ +sqlite +the API +down +unknown"))
			.anyMatch((line) -> line.matches("lost: Source 'lost' cannot be connected.*does not exist: create it.*"))
			.anyMatch((line) -> line.matches("election +\\S+ +sqlite +the API +template"));
		assertThat(files()).containsExactly("lisbon.db", "plain.db", "porto.db");
		assertThat(this.directory.resolve("porto.db")).isEmptyFile();
	}

	@Test
	void listShowsTheTenantsThatAreNamed() {
		defineThree();
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run("create", "election-1")).isZero();
		assertThat(run("list", "election-1", "election-2", "lisbon")).isZero();
		assertThat(out().lines().map((line) -> line.replaceAll(" +\\S+.db +sqlite.*  (?=up|absent)", " ")))
			.contains("election-1 up      1 run", "election-2 absent  none run", "lisbon absent  none run")
			.hasSize(4);
	}

	@Test
	void listAsJsonIsJson() {
		defineThree();
		define(Sources.sqlite("lost", this.directory.resolve("missing"))
			.liquibase(Sources.NOTES)
			.origin("a \"place\""));
		assertThat(run("migrate", "lisbon")).isZero();
		assertThat(run("list", "--json")).isZero();
		List<Map<String, Object>> rows = JsonParserFactory.getJsonParser()
			.parseList(out())
			.stream()
			.map(DatasourcesCommandLineTests::map)
			.toList();
		assertThat(rows).extracting((row) -> row.get("name")).containsExactly("lisbon", "lost", "madrid", "porto");
		assertThat(rows.get(0)).containsEntry("state", "up")
			.containsEntry("product", "sqlite")
			.containsEntry("url", "jdbc:sqlite:" + this.directory.resolve("lisbon.db"))
			.containsEntry("origin", "cities.yaml")
			.doesNotContainKey("problem");
		assertThat(map(rows.get(0).get("migrations"))).containsEntry("run", 1).containsEntry("pending", 0);
		assertThat(rows.get(1)).containsEntry("state", "down").containsEntry("origin", "a \"place\"");
		assertThat(rows.get(1).get("problem")).asString().contains("does not exist");
	}

	@SuppressWarnings("unchecked")
	private static Map<String, Object> map(Object json) {
		return (Map<String, Object>) json;
	}

	@Test
	void listSaysWhichChangeLogCannotBeRead() throws Exception {
		define(Sources.sqlite("lisbon", this.directory).liquibase(LiquibaseSettings.of("classpath:db/nowhere.yaml")));
		Files.createFile(this.directory.resolve("lisbon.db"));
		assertThat(run("list")).isZero();
		assertThat(out()).containsPattern("lisbon +.* up +unknown")
			.contains("lisbon: How far it has been migrated cannot be told: ")
			.contains("db/nowhere.yaml");
		assertThat(run("check")).isOne();
	}

	/** A catalog in the source {@code lisbon}, with rows of these names and URLs. */
	private void makeCatalog(String... rows) throws Exception {
		this.catalog = new CatalogSettings("lisbon", "multidb_", Duration.ofSeconds(10), false,
				new UrlRules(List.of("sqlite"), Map.of(), null),
				new CatalogCredentials(List.of(), (property) -> null, Map.of(), null, false));
		SourceDefinition lisbon = Sources.sqlite("lisbon", this.directory)
			.liquibase(new LiquibaseSettings("classpath:io/multidb/catalog/tables.sql", List.of(), List.of(),
					Map.of("prefix", "multidb_")))
			.build();
		try (Connection connection = DriverManager.getConnection(lisbon.url().text())) {
			this.migrator.migrate(lisbon, connection);
			for (int i = 0; i < rows.length; i += 2) {
				Sources.execute(connection,
						"insert into multidb_source (name, url) values ('" + rows[i] + "', '" + rows[i + 1] + "')");
			}
		}
	}

	@Test
	void theCatalogsSourcesAreListedAndChecked() throws Exception {
		defineThree();
		String appeals = "jdbc:sqlite:" + this.directory.resolve("appeals.db");
		makeCatalog("ny_appeals", appeals, "porto", "jdbc:sqlite:" + this.directory.resolve("other.db"));
		assertThat(run("list")).isZero();
		assertThat(out())
			.containsPattern("ny_appeals +jdbc:sqlite:\\S+ +sqlite +catalog 'lisbon', row ny_appeals +absent +none")
			.as("what is declared goes before")
			.containsPattern("porto +\\S+porto.db +sqlite +cities.yaml");
		assertThat(run("check")).isZero();
		assertThat(outcomes()).containsOnlyKeys("lisbon", "madrid", "porto", "ny_appeals");
		assertThat(run("migrate", "ny_appeals")).isZero();
		assertThat(outcomes()).containsEntry("ny_appeals", "has no change log");
		assertThat(run("discover")).isZero();
		assertThat(out()).contains("the catalog in 'lisbon' is not read").doesNotContain("ny_appeals");
	}

	@Test
	void aSourceThatGoesBeforeARowOfTheCatalogIsSaidAndNoFailure() throws Exception {
		defineThree();
		makeCatalog("ny_appeals", "jdbc:sqlite:" + this.directory.resolve("appeals.db"), "porto",
				"jdbc:sqlite:" + this.directory.resolve("other.db"));
		String said = "catalog, porto: the source of this name from cities.yaml goes before it.";
		assertThat(run("check")).isZero();
		assertThat(err().lines()).containsExactly(said);
		assertThat(outcomes()).containsOnlyKeys("lisbon", "madrid", "porto", "ny_appeals");
		assertThat(run("check", "porto", "madrid")).isZero();
		assertThat(err().lines()).containsExactly(said);
		assertThat(run("check", "ny_appeals", "madrid")).isZero();
		assertThat(err()).isEmpty();
		assertThat(run("list", "--json")).isZero();
		assertThat(err().lines()).containsExactly(said);
		assertThat(out()).startsWith("[{");
	}

	@Test
	void aRowWithAMistakeIsSaidAndSpoilsOnlyItself() throws Exception {
		defineThree();
		makeCatalog("ny_appeals", "jdbc:sqlite:" + this.directory.resolve("appeals.db"), "evil",
				"jdbc:h2:mem:x;INIT=RUNSCRIPT");
		assertThat(run("check")).isOne();
		assertThat(err()).contains("catalog, evil: its URL");
		assertThat(outcomes()).containsOnlyKeys("lisbon", "madrid", "porto", "ny_appeals");
		assertThat(run("check", "ny_appeals")).isZero();
		assertThat(run("check", "evil")).isEqualTo(2);
		assertThat(err()).contains("its URL");
		assertThat(run("list")).isZero();
	}

	@Test
	void aCatalogThatIsNotThereYetHasNothing() throws Exception {
		defineThree();
		makeCatalog();
		Files.delete(this.directory.resolve("lisbon.db"));
		assertThat(run("check")).isZero();
		assertThat(files()).as("its tables were made").isEmpty();
		assertThat(run("migrate", "--all")).isZero();
		assertThat(run("check")).isZero();
		assertThat(outcomes()).containsOnlyKeys("lisbon", "madrid", "porto");
	}

	@Test
	void aCatalogThatCannotBeReadIsAFailure() throws Exception {
		defineThree();
		makeCatalog("ny_appeals", "jdbc:sqlite:" + this.directory.resolve("appeals.db"));
		Files.writeString(this.directory.resolve("lisbon.db"), "no database at all, but some text".repeat(100));
		assertThat(run("migrate", "--all")).isOne();
		assertThat(err()).contains("catalog, lisbon: The catalog cannot be read: Source 'lisbon'");
		assertThat(outcomes().get("porto")).startsWith("migrated");
		assertThat(run("list")).isZero();
		assertThat(err()).contains("cannot be read");
	}

	@Test
	void migrateAllBringsAllUpToDate() throws Exception {
		defineThree();
		define(Sources.sqlite("plain", this.directory));
		assertThat(run("migrate", "--all")).isZero();
		assertThat(outcomes()).containsOnlyKeys("lisbon", "madrid", "porto", "plain")
			.containsEntry("plain", "has no change log");
		assertThat(outcomes().get("porto")).matches("migrated in \\d+ ms");
		assertThat(out()).endsWith("4 sources, 0 failed" + System.lineSeparator());
		assertThat(query("porto", "select count(*) from note")).isEqualTo("0");
		assertThat(files()).containsExactly("lisbon.db", "madrid.db", "porto.db");
		assertThat(run("migrate", "--all")).isZero();
		assertThat(outcomes()).containsEntry("porto", "up to date");
	}

	@Test
	void migrateDoesWhatIsNamedAndNothingElse() throws Exception {
		defineThree();
		assertThat(run("migrate", "lisbon", "porto", "lisbon")).isZero();
		assertThat(outcomes()).containsOnlyKeys("lisbon", "porto");
		assertThat(files()).containsExactly("lisbon.db", "porto.db");
	}

	@Test
	void oneThatFailsLeavesTheOthersAlone() throws Exception {
		defineThree();
		define(Sources.sqlite("lost", this.directory.resolve("missing")).liquibase(Sources.NOTES));
		assertThat(run("migrate", "--all")).isOne();
		assertThat(outcomes()).containsOnlyKeys("lisbon", "lost", "madrid", "porto");
		assertThat(outcomes().get("lost")).startsWith("FAILED: Source 'lost' cannot be connected at")
			.contains("create it");
		assertThat(outcomes().get("madrid")).startsWith("migrated");
		assertThat(out()).endsWith("4 sources, 1 failed" + System.lineSeparator());
		assertThat(files()).containsExactly("lisbon.db", "madrid.db", "porto.db");
	}

	@Test
	void anErrorIsOneOutcomeToo() {
		defineThree();
		this.migrator = (definition, connection) -> {
			if (definition.name().equals("madrid")) {
				throw new StackOverflowError("jdbc:x://user:secretpassword@host");
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		};
		assertThat(run("migrate", "--all")).isOne();
		assertThat(outcomes()).containsEntry("lisbon", "up to date")
			.containsEntry("porto", "up to date")
			.hasEntrySatisfying("madrid",
					(text) -> assertThat(text).startsWith("FAILED: ").contains("StackOverflowError"));
		assertThat(out()).doesNotContain("secretpassword");
	}

	@Test
	void migrateOfATenantWithoutADatabaseFailsAndMakesNone() throws Exception {
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run("migrate", "election-1")).isOne();
		assertThat(outcomes().get("election-1")).startsWith("FAILED: ").contains("has no database for it");
		assertThat(files()).isEmpty();
	}

	@Test
	void createMakesWhatIsMissing() throws Exception {
		defineThree();
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run("create", "election-1", "election-2", "lisbon")).isZero();
		assertThat(outcomes().values()).allMatch((text) -> text.startsWith("created"));
		assertThat(files()).containsExactly("1.db", "2.db", "lisbon.db");
		assertThat(query("2", "select count(*) from note")).isEqualTo("0");
		assertThat(run("create", "election-1", "election-3", "lisbon")).isZero();
		assertThat(outcomes()).containsEntry("election-1", "exists").containsEntry("lisbon", "exists");
		assertThat(outcomes().get("election-3")).startsWith("created in ");
	}

	@Test
	void createAllMakesTheDeclaredOnes() throws Exception {
		defineThree();
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run("create", "--all")).isZero();
		assertThat(outcomes()).containsOnlyKeys("lisbon", "madrid", "porto")
			.containsEntry("lisbon", "created and migrated");
		assertThat(files()).containsExactly("lisbon.db", "madrid.db", "porto.db");
	}

	@Test
	void createOfATemplateThatMakesNoneFails() throws Exception {
		defineElections(CreatePolicy.NEVER);
		assertThat(run("create", "election-1")).isOne();
		assertThat(outcomes().get("election-1")).contains("'app.datasources.election.create' to 'explicit'");
		assertThat(files()).isEmpty();
	}

	@Test
	void checkConnectsEachAndChangesNothing() throws Exception {
		defineThree();
		assertThat(run("migrate", "lisbon")).isZero();
		Files.createFile(this.directory.resolve("porto.db"));
		assertThat(run("check")).isZero();
		assertThat(outcomes()).isEqualTo(Map.of("lisbon", "ok", "madrid", "ok: no file yet, made at its first use",
				"porto", "ok: 0 run, 1 pending"));
		assertThat(files()).containsExactly("lisbon.db", "porto.db");
		define(Sources.sqlite("lost", this.directory.resolve("missing")));
		Files.writeString(this.directory.resolve("broken.db"), "no database at all, but some text".repeat(100));
		define(Sources.sqlite("broken", this.directory));
		assertThat(run("check", "--all")).isOne();
		assertThat(outcomes()).containsEntry("lisbon", "ok").hasSize(5);
		assertThat(outcomes().get("lost")).startsWith("FAILED: ").contains("create it");
		assertThat(outcomes().get("broken")).startsWith("FAILED: ").contains("NOTADB");
	}

	@Test
	void checkOfATenantWithoutADatabaseFails() {
		defineElections(CreatePolicy.ON_FIRST_USE);
		assertThat(run("check", "election-1")).isOne();
		assertThat(outcomes()).containsEntry("election-1", "FAILED: It has no database.");
	}

	@ParameterizedTest
	@ValueSource(strings = { "discover", "list", "check", "migrate --all", "create --all" })
	void mistakesAreReportedTogether(String command) {
		this.last = CommandRun.of(() -> {
			throw new InvalidDatasourcesException(List.of("One thing is wrong.", "And another."));
		}, this.migrator, false, command.split(" "));
		assertThat(this.last.exitCode()).isOne();
		assertThat(err().lines()).containsExactly("The configuration of datasources and tenancy has 2 mistakes:",
				"  - One thing is wrong.", "  - And another.",
				"A command has none of the application's beans: what only they define is missing here.");
		assertThat(out()).isEmpty();
	}

	@Test
	void whatIsNotExpectedShowsNoSecret() {
		this.last = CommandRun.of(() -> {
			throw new IllegalStateException("jdbc:postgresql://user:secretpassword@host/db");
		}, this.migrator, false, "list");
		assertThat(this.last.exitCode()).isOne();
		assertThat(err()).contains("IllegalStateException").contains("jdbc:postgresql://user:***@host/db");
		assertThat(err()).doesNotContain("secretpassword");
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "lits", "migrate", "create", "migrate --all lisbon", "migrate --al", "migrate lisbno",
			"check lisbon lisbno", "list --jsno", "create election", "discover lisbon", "migrate --all=false=x" })
	void whatIsNotUnderstoodIsUsage(String command) throws Exception {
		defineThree();
		defineElections(CreatePolicy.EXPLICIT);
		assertThat(run(command.isEmpty() ? new String[0] : command.split(" "))).isEqualTo(2);
		assertThat(err()).contains("Usage: datasources");
		assertThat(out()).isEmpty();
		assertThat(files()).isEmpty();
	}

	@Test
	void aTypoIsAnsweredByWhatWasProbablyMeant() {
		defineThree();
		assertThat(run("lits")).isEqualTo(2);
		assertThat(err()).contains("Did you mean: datasources list?");
		assertThat(run("migrate", "lisbno")).isEqualTo(2);
		assertThat(err()).contains("There is no source 'lisbno'. Known: lisbon, madrid, porto");
	}

	@ParameterizedTest
	@ValueSource(strings = { "--help", "-h", "list --help", "migrate -h", "check --help", "create -h", "discover -h" })
	void helpIsNoMistake(String command) {
		assertThat(run(command.split(" "))).isZero();
		assertThat(out()).contains("Usage: datasources");
		assertThat(err()).isEmpty();
	}

	@Test
	void optionsOfSpringMayStandAnywhere() {
		defineThree();
		assertThat(run("--spring.profiles.active=prod", "check", "--debug", "lisbon", "--app.x.y")).isZero();
		assertThat(outcomes()).containsOnlyKeys("lisbon");
	}

	@Test
	void onATerminalABarIsBelowTheLines() {
		defineThree();
		this.terminal = true;
		assertThat(run("migrate", "--all")).isZero();
		assertThat(out()).startsWith("[------------------------------] 0/3\r").contains("] 2/3\r");
		assertThat(seen(out()).map((line) -> line.replaceFirst(" {2,}.*", ""))).containsExactlyInAnyOrder("lisbon",
				"madrid", "porto", "3 sources, 0 failed");
	}

	/** What a terminal shows in the end: a carriage return is written over. */
	private static Stream<String> seen(String text) {
		return Pattern.compile("\n").splitAsStream(text).map((line) -> {
			StringBuilder seen = new StringBuilder();
			int column = 0;
			for (int i = 0; i < line.length(); i++) {
				if (line.charAt(i) == '\r') {
					column = 0;
				}
				else {
					seen.replace(column, Math.min(column + 1, seen.length()), line.substring(i, i + 1));
					column++;
				}
			}
			return seen.toString().stripTrailing();
		});
	}

	@Test
	void elsewhereThereAreLinesOnly() {
		defineThree();
		assertThat(run("migrate", "--all")).isZero();
		assertThat(out()).doesNotContain("\r", "\u001b").doesNotContain("[");
	}

	@Test
	void nothingOfACommandGoesOn() {
		defineThree();
		assertThat(run("migrate", "--all")).isZero();
		assertThat(Sources.threads("multidb-command-interrupted")).isEmpty();
		await().atMost(Duration.ofMinutes(1)).untilAsserted(() -> assertThat(Sources.threads("multidb-")).isEmpty());
	}

}
