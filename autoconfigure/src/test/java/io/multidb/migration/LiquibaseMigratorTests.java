package io.multidb.migration;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

import liquibase.Scope;
import liquibase.changelog.FastCheckService;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.AnnotatedElementContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.io.TempDirFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.SourceUnavailableException;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.ProcessIdentity;
import io.multidb.source.Race;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link LiquibaseMigrator} on SQLite files.
 */
class LiquibaseMigratorTests {

	@TempDir
	private Path directory;

	private final LiquibaseMigrator migrator = new LiquibaseMigrator(new DefaultResourceLoader());

	private final Sources sources = new Sources().with(this.migrator);

	@AfterEach
	void close() {
		this.sources.close();
	}

	private boolean migrate(String database, LiquibaseSettings settings) throws Exception {
		return migrate(this.migrator, database, settings);
	}

	private boolean migrate(LiquibaseMigrator migrator, String database, LiquibaseSettings settings) throws Exception {
		try (Connection connection = connect(database)) {
			return migrator.migrate(definition(database, settings), connection) != SourceMigrator.Outcome.UNTOUCHED;
		}
	}

	private SourceDefinition definition(String database, LiquibaseSettings settings) {
		return Sources.sqlite(database, this.directory).liquibase(settings).build();
	}

	private Connection connect(String database) throws Exception {
		return DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve(database + ".db"));
	}

	private String query(String database, String sql) throws Exception {
		try (Connection connection = connect(database)) {
			return Sources.query(connection, sql);
		}
	}

	private LiquibaseSettings changeLog(String... changeSets) throws IOException {
		StringBuilder changeLog = new StringBuilder("--liquibase formatted sql\n");
		for (String changeSet : changeSets) {
			changeLog.append("--changeset ").append(changeSet).append('\n');
		}
		Path file = this.directory.resolve("changes.sql");
		Files.writeString(file, changeLog);
		return LiquibaseSettings.of(file.toUri().toString());
	}

	@Test
	void withoutAChangeLogNothingHappens() throws Exception {
		assertThat(migrate("a", LiquibaseSettings.NONE)).isFalse();
		assertThat(query("a", "select count(*) from sqlite_schema")).isEqualTo("0");
	}

	@Test
	void whatIsUpToDateIsRecognisedByOneQuery() throws Exception {
		LiquibaseSettings settings = Sources.NOTES;
		assertThat(migrate("a", settings)).isTrue();
		assertThat(migrate("a", settings)).isFalse();
		assertThat(migrate("b", settings)).as("another database of the same change log").isTrue();
		assertThat(migrate("b", settings)).isFalse();
		assertThat(query("b", "select count(*) from note")).isEqualTo("0");
	}

	@Test
	void aLongerChangeLogIsNeverSkipped() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table a (x int);");
		migrate("a", settings);
		assertThat(migrate("a", settings)).isFalse();
		changeLog("t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		assertThat(migrate("a", settings)).isTrue();
		assertThat(query("a", "select count(*) from b")).isEqualTo("0");
	}

	@Test
	void aLongerChangeLogIsNeverSkippedByTheNextApplicationInTheSameProcess() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table a (x int);");
		migrate("a", settings);
		changeLog("t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		assertThat(migrate(new LiquibaseMigrator(new DefaultResourceLoader()), "a", settings)).isTrue();
		assertThat(query("a", "select count(*) from b")).isEqualTo("0");
	}

	@Test
	void aFileAddedToAnIncludedDirectoryIsNeverSkipped() throws Exception {
		Path included = Files.createDirectory(this.directory.resolve("included"));
		Files.writeString(included.resolve("1.sql"),
				"--liquibase formatted sql\n--changeset t:1\ncreate table a (x int);");
		Files.writeString(this.directory.resolve("root.yaml"),
				"databaseChangeLog:\n- includeAll: { path: included }\n");
		LiquibaseSettings settings = LiquibaseSettings.of("classpath:root.yaml");
		try (URLClassLoader classes = new URLClassLoader(new URL[] { this.directory.toUri().toURL() })) {
			LiquibaseMigrator migrator = new LiquibaseMigrator(new DefaultResourceLoader(classes));
			migrate(migrator, "a", settings);
			assertThat(migrate(migrator, "a", settings)).isFalse();
			Files.writeString(included.resolve("2.sql"),
					"--liquibase formatted sql\n--changeset t:2\ncreate table b (x int);");
			assertThat(migrate(migrator, "a", settings)).isTrue();
		}
		assertThat(query("a", "select count(*) from b")).isEqualTo("0");
	}

	/** Below the working directory. */
	static final class Working implements TempDirFactory {

		@Override
		public Path createTempDirectory(AnnotatedElementContext element, ExtensionContext context) throws IOException {
			return Files.createTempDirectory(Files.createDirectories(Path.of("target")), "working");
		}

	}

	@ParameterizedTest
	@ValueSource(strings = { "file:", "file:./" })
	void filesMayBeNamedRelativelyToTheWorkingDirectoryAndToEachOther(String prefix,
			@TempDir(factory = Working.class) Path working) throws Exception {
		Files.createDirectory(working.resolve("parts"));
		Files.writeString(working.resolve("changes.yaml"), """
				databaseChangeLog:
				  - include: { file: parts/notes.sql, relativeToChangelogFile: true }
				""");
		Path notes = working.resolve("parts/notes.sql");
		String first = "--liquibase formatted sql\n--changeset me:1\ncreate table note (x);\n";
		Files.writeString(notes, first);
		String relative = Path.of("").toAbsolutePath().relativize(working.toAbsolutePath()).toString();
		LiquibaseSettings settings = LiquibaseSettings.of(prefix + relative.replace('\\', '/') + "/changes.yaml");
		assertThat(migrate("a", settings)).isTrue();
		assertThat(migrate("a", settings)).as("up to date").isFalse();
		assertThat(query("a", "select filename from databasechangelog")).startsWith("file:target/")
			.endsWith("/parts/notes.sql");
		Files.writeString(notes, first + "--changeset me:2\ncreate table tag (x);\n");
		assertThat(migrate("a", settings)).isTrue();
		assertThat(query("a", "select count(*) from tag")).isEqualTo("0");
	}

	@Test
	void aChangeSetThatWasAlteredIsRefused() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table a (x int);");
		migrate("a", settings);
		changeLog("t:1\ncreate table a (x int, y int);");
		assertThatExceptionOfType(MigrationFailedException.class).isThrownBy(() -> migrate("a", settings))
			.withMessageContaining("changes.sql")
			.withMessageContaining("check sum");
	}

	@Test
	void aDatabaseThatWasReplacedIsMigratedAgain() throws Exception {
		migrate("a", Sources.NOTES);
		Files.delete(this.directory.resolve("a.db"));
		assertThat(migrate("a", Sources.NOTES)).isTrue();
		assertThat(query("a", "select count(*) from note")).isEqualTo("0");
	}

	@Test
	void aForgottenChangeSetIsRunAgain() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table if not exists a (x int);");
		migrate("a", settings);
		try (Connection connection = connect("a")) {
			Sources.execute(connection, "delete from DATABASECHANGELOG");
		}
		assertThat(migrate("a", settings)).isTrue();
		assertThat(query("a", "select count(*) from DATABASECHANGELOG")).isEqualTo("1");
	}

	@Test
	void runAlwaysRunsAlways() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table a (x int);",
				"t:2 runAlways:true\ninsert into a values (1);");
		migrate("a", settings);
		assertThat(migrate("a", settings)).isTrue();
		assertThat(query("a", "select count(*) from a")).isEqualTo("2");
	}

	@Test
	void contextsLabelsAndParametersAreRespectedAndTellSourcesApart() throws Exception {
		String url = changeLog("t:1\ncreate table ${name} (x int);", "t:2 context:test\ncreate table c (x int);",
				"t:3 labels:big\ncreate table l (x int);")
			.changeLog();
		LiquibaseSettings one = new LiquibaseSettings(url, List.of("test"), List.of("!big"), Map.of("name", "one"));
		LiquibaseSettings two = new LiquibaseSettings(url, List.of("prod"), List.of("big"), Map.of("name", "two"));
		assertThat(migrate("a", one)).isTrue();
		assertThat(migrate("b", two)).isTrue();
		String tables = "select group_concat(name) from (select name from sqlite_schema where name in"
				+ " ('one', 'two', 'c', 'l') order by name)";
		assertThat(query("a", tables)).isEqualTo("c,one");
		assertThat(query("b", tables)).isEqualTo("l,two");
	}

	@Test
	void aMissingChangeLogMakesItsSourceUnavailableAndIsNamed() {
		Source source = this.sources
			.with(Sources.sqlite("a", this.directory).liquibase(LiquibaseSettings.of("classpath:db/nope.yaml")))
			.registry()
			.get("a");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("'a'")
			.withMessageContaining("db/nope.yaml");
	}

	@Test
	void aChangeLogThatFailsHalfWayIsNotHandedOutAndGoesOnOnceItIsMended() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table a (x int);", "t:2\nthis is no sql;");
		Source source = this.sources.with(Sources.sqlite("a", this.directory).liquibase(settings)).registry().get("a");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("could not be migrated");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection);
		changeLog("t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		Awaitility.await().untilAsserted(() -> assertThat(source.state()).isInstanceOf(SourceState.Cold.class));
		assertThat(Sources.query(source, "select count(*) from b")).isEqualTo("0");
	}

	@Test
	void aChangeSetIsCommittedTogetherWithTheRowThatSaysSo() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate table a (x int);",
				"t:2 splitStatements:false\ncreate trigger dies before insert on databasechangelog when new.id = '3'"
						+ " begin select raise(abort, 'killed'); end;",
				"t:3\ncreate table b (x int);");
		assertThatExceptionOfType(MigrationFailedException.class).isThrownBy(() -> migrate("a", settings))
			.withMessageContaining("killed");
		assertThat(query("a", "select group_concat(name) from sqlite_schema where name in ('a', 'b')")).isEqualTo("a");
		try (Connection connection = connect("a")) {
			Sources.execute(connection, "drop trigger dies");
		}
		assertThat(migrate("a", settings)).isTrue();
		assertThat(query("a", "select count(*) from b")).isEqualTo("0");
		assertThat(query("a", "select count(*) from databasechangelog")).isEqualTo("3");
	}

	@Test
	void aChangeSetThatThrowsAnErrorLeavesNothingHalfAndNoLock() throws Exception {
		LiquibaseSettings settings = LiquibaseSettings.of("classpath:db/failing.yaml");
		FailingChange.fails = true;
		try {
			assertThatThrownBy(() -> migrate("a", settings)).hasStackTraceContaining("gone");
		}
		finally {
			FailingChange.fails = false;
		}
		assertThat(query("a", "select count(*) from sqlite_schema where name in ('a', 'b')")).isEqualTo("0");
		assertThat(query("a", "select locked from databasechangeloglock")).isEqualTo("0");
		assertThat(migrate("a", settings)).isTrue();
		assertThat(query("a", "select count(*) from databasechangelog")).isEqualTo("2");
	}

	@Test
	void aChangeSetThatIsSkippedOrMayFailLeavesWhatFollowsWhole() throws Exception {
		LiquibaseSettings settings = changeLog(
				"t:1\n--preconditions onFail:CONTINUE\n"
						+ "--precondition-sql-check expectedResult:1 select 0\ncreate table a (x int);",
				"t:2 failOnError:false\nthis is no sql;",
				"t:3\n--preconditions onFail:MARK_RAN\n--precondition-sql-check expectedResult:1 select 0\n"
						+ "create table c (x int);",
				"t:4 runInTransaction:false\ncreate table d (x int);\npragma foreign_keys = on;",
				"t:5\ncreate table e (x int);");
		migrate("a", settings);
		assertThat(query("a", "select group_concat(name) from sqlite_schema where name in ('a', 'c', 'd', 'e')"))
			.isEqualTo("d,e");
		assertThat(query("a", "select group_concat(id || exectype) from databasechangelog"))
			.isEqualTo("3MARK_RAN,4EXECUTED,5EXECUTED");
		assertThat(query("a", "select locked from databasechangeloglock")).isEqualTo("0");
	}

	@ParameterizedTest
	@ValueSource(strings = {
			"t:2\n--preconditions onFail:CONTINUE\n--precondition-sql-check expectedResult:1 select 0\ncreate table b (x int);",
			"t:2\n--preconditions onFail:MARK_RAN\n--precondition-sql-check expectedResult:1 select 0\ncreate table b (x int);",
			"t:2 failOnError:false\nthis is no sql;", "t:2 runInTransaction:false\ncreate table c (x int);" })
	void whateverComesOfTheLastChangeSetTheLockIsGivenBack(String last) throws Exception {
		migrate("a", changeLog("t:1\ncreate table a (x int);", last));
		assertThat(query("a", "select locked from databasechangeloglock")).isEqualTo("0");
		assertThat(query("a", "select count(*) from sqlite_schema where name in ('a', 'b')")).isEqualTo("1");
	}

	@Test
	void whatAMigrationSetsOnItsConnectionNeverReachesTheApplication() throws Exception {
		LiquibaseSettings settings = changeLog("t:1\ncreate temp table left_over (x int);\npragma busy_timeout = 7;");
		Source source = this.sources.with(Sources.sqlite("a", this.directory).liquibase(settings)).registry().get("a");
		assertThat(Sources.query(source, "pragma busy_timeout")).isEqualTo("5000");
		assertThat(Sources.query(source, "select count(*) from sqlite_temp_schema")).isEqualTo("0");
	}

	@Test
	void manyThreadsLeaveNoDatabaseLocked() throws Exception {
		List<String> databases = new ArrayList<>();
		for (int i = 0; i < 24; i++) {
			databases.add("d" + i);
		}
		AtomicInteger next = new AtomicInteger();
		List<Object> outcomes = Race.run(8, () -> {
			for (int i = next.getAndIncrement(); i < databases.size(); i = next.getAndIncrement()) {
				migrate(databases.get(i), Sources.NOTES);
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		for (String database : databases) {
			assertThat(query(database, "select count(*) from DATABASECHANGELOGLOCK where LOCKED <> 0")).as(database)
				.isEqualTo("0");
			assertThat(query(database, "select count(*) from note")).isEqualTo("0");
		}
	}

	/** As every Liquibase of the process does that makes its table. */
	@Test
	void whatLiquibaseRemembersMayBeForgottenAtAnyMoment() throws Exception {
		int databases = 30;
		AtomicInteger migrated = new AtomicInteger();
		AtomicInteger next = new AtomicInteger(-1);
		long end = System.nanoTime() + 1_000_000_000;
		// Threads that begin from now on share it.
		FastCheckService memory = Scope.getCurrentScope().getSingleton(FastCheckService.class);
		List<Object> outcomes = Race.run(3, () -> {
			for (int i = next.getAndIncrement(); i < databases; i = next.getAndIncrement()) {
				while (i < 0 && migrated.get() < databases && System.nanoTime() < end) {
					memory.clearCache();
				}
				if (i >= 0) {
					migrate("d" + i, Sources.NOTES);
					migrated.incrementAndGet();
				}
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		assertThat(migrated).hasValue(databases);
	}

	@ParameterizedTest
	@ValueSource(strings = { "elsewhere (10.0.0.1)", "multidb this", "multidb fade-1-1" })
	void aLockWhoseOwnerMayBeAliveIsWaitedFor(String owner) throws Exception {
		String signature = owner.replace("this", ProcessIdentity.CURRENT.toString());
		migrate("a", changeLog("t:1\ncreate table a (x int);"));
		LiquibaseSettings longer = changeLog("t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		String lock = "update DATABASECHANGELOGLOCK set LOCKED = 1, LOCKGRANTED = 1, LOCKEDBY = '" + signature + "'";
		try (Connection connection = connect("a")) {
			Sources.execute(connection, lock);
			CompletableFuture<Boolean> migration = new CompletableFuture<>();
			Thread migrating = new Thread(() -> {
				try {
					migration.complete(migrate("a", longer));
				}
				catch (Exception ex) {
					migration.completeExceptionally(ex);
				}
			});
			migrating.start();
			await().atMost(Duration.ofMinutes(1))
				.until(() -> migration.isDone() || Stream.of(migrating.getStackTrace())
					.anyMatch((frame) -> frame.getMethodName().equals("waitForLock")));
			await().atMost(Duration.ofMinutes(1))
				.until(() -> migration.isDone() || migrating.getState() == Thread.State.TIMED_WAITING);
			assertThat(Sources.query(connection, "select LOCKEDBY from DATABASECHANGELOGLOCK")).isEqualTo(signature);
			assertThat(migration).isNotDone();
			await().atMost(Duration.ofMinutes(1)).until(() -> isGivenBack(connection));
			assertThat(migration.get(1, TimeUnit.MINUTES)).isTrue();
		}
		assertThat(query("a", "select LOCKED from DATABASECHANGELOGLOCK")).isEqualTo("0");
	}

	/** Who waits looks now and then, in a transaction. */
	private static boolean isGivenBack(Connection connection) {
		try {
			Sources.execute(connection, "update DATABASECHANGELOGLOCK set LOCKED = 0, LOCKEDBY = null");
			return true;
		}
		catch (SQLException ex) {
			return false;
		}
	}

	@Test
	void sourcesAreMigratedBeforeTheyAreHandedOut() throws Exception {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory).liquibase(Sources.NOTES))
			.registry();
		assertThat(Sources.query(registry.get("a"), "select count(*) from note")).isEqualTo("0");
	}

}
