package io.multidb.migration;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.SourceUnavailableException;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.MigrationState;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for what {@link LiquibaseMigrator} says of databases that it leaves alone.
 */
class MigrationStateTests {

	@TempDir
	private Path directory;

	private final LiquibaseMigrator migrator = new LiquibaseMigrator(new DefaultResourceLoader());

	@AutoClose
	private final Sources sources = new Sources().with(this.migrator);

	private SourceRegistry registry(String... changeSets) throws IOException {
		return this.sources.with(Sources.sqlite("main", this.directory).liquibase(changeLog(changeSets))).registry();
	}

	/** Writes a change log, in place of the one that is there. */
	private LiquibaseSettings changeLog(String... changeSets) throws IOException {
		Path file = this.directory.resolve("changes.sql");
		Files.writeString(file,
				"--liquibase formatted sql\n--changeset " + String.join("\n--changeset ", changeSets) + "\n");
		return LiquibaseSettings.of(file.toUri().toString());
	}

	private MigrationState state() {
		return this.sources.registry().look("main", this.migrator::state);
	}

	@Test
	void everythingIsPendingInAnEmptyDatabase() throws Exception {
		registry("me:1\ncreate table a (b int);", "me:2\ncreate table c (d int);");
		Files.createFile(this.directory.resolve("main.db"));
		assertThat(state()).isEqualTo(new MigrationState(0, 2));
		assertThat(Files.size(this.directory.resolve("main.db"))).isZero();
	}

	@Test
	void nothingIsPendingAfterAMigration() throws Exception {
		registry("me:1\ncreate table a (b int);", "me:2\ncreate table c (d int);").prepare("main");
		assertThat(state()).isEqualTo(new MigrationState(2, 0));
	}

	@Test
	void whatTheChangeLogHasMoreIsPending() throws Exception {
		registry("me:1\ncreate table a (b int);").prepare("main");
		changeLog("me:1\ncreate table a (b int);", "me:2\ncreate table c (d int);", "me:3 context:other\nselect 1;");
		assertThat(state()).isEqualTo(new MigrationState(1, 2));
		this.sources.registry().prepare("main");
		assertThat(state()).isEqualTo(new MigrationState(3, 0));
	}

	@Test
	void whatRunsAlwaysOrWhenItChangesIsPendingThen() throws Exception {
		registry("me:1 runOnChange:true\ndrop view if exists v;", "me:2 runAlways:true\nselect 1;").prepare("main");
		assertThat(state()).isEqualTo(new MigrationState(2, 1));
		changeLog("me:1 runOnChange:true\ncreate view v as select 1;", "me:2 runAlways:true\nselect 1;");
		assertThat(state()).isEqualTo(new MigrationState(2, 2));
	}

	@Test
	void whatFailedAndWasPassedOverIsPending() throws Exception {
		registry("me:1 failOnError:false\nnonsense;", "me:2\ncreate table a (b int);").prepare("main");
		assertThat(state()).isEqualTo(new MigrationState(1, 1));
	}

	@Test
	void changesForAnotherProductAreNotPending() throws Exception {
		registry("me:1 dbms:postgresql\nselect 1;", "me:2 dbms:sqlite\nselect 1;");
		Files.createFile(this.directory.resolve("main.db"));
		assertThat(state()).isEqualTo(new MigrationState(0, 1));
	}

	@Test
	void aSourceWithoutAChangeLogHasNoState() throws Exception {
		this.sources.with(Sources.sqlite("main", this.directory)).registry();
		Files.createFile(this.directory.resolve("main.db"));
		assertThat(state()).isNull();
	}

	@Test
	void aChangeLogThatCannotBeReadIsSaid() throws Exception {
		this.sources
			.with(Sources.sqlite("main", this.directory).liquibase(LiquibaseSettings.of("classpath:db/missing.yaml")));
		Files.createFile(this.directory.resolve("main.db"));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(this::state)
			.withMessageContaining("db/missing.yaml");
	}

}
