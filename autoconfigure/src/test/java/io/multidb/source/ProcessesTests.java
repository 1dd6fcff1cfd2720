package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for what real processes do to each other's SQLite files.
 */
class ProcessesTests {

	@TempDir
	private Path directory;

	@Test
	void processesThatRaceMakeOneDatabaseEach() throws Exception {
		String[] tenants = new String[10];
		for (int i = 0; i < tenants.length; i++) {
			tenants[i] = "election-" + i;
		}
		try (CreatorProcess one = start("race", tenants); CreatorProcess other = start("race", tenants)) {
			assertThat(one.read()).isEqualTo("ready");
			assertThat(other.read()).isEqualTo("ready");
			one.go();
			other.go();
			List<String> outcomes = new ArrayList<>();
			for (int i = 0; i < tenants.length; i++) {
				outcomes.add(one.read() + "+" + other.read());
			}
			assertThat(outcomes).as("one winner each")
				.isSubsetOf("created+existed", "existed+created", "copied+existed", "existed+copied");
		}
		for (int i = 0; i < tenants.length; i++) {
			try (Connection connection = DriverManager
				.getConnection("jdbc:sqlite:" + this.directory.resolve(i + ".db"))) {
				assertThat(Sources.query(connection, "select count(*) from note")).as("votes in " + i).isEqualTo("2");
			}
		}
		assertThat(temporaryFiles()).isEmpty();
	}

	@Test
	void processesThatStartTogetherMigrateADeclaredDatabaseOnce() throws Exception {
		String url = "jdbc:sqlite:" + this.directory.resolve("main.db");
		List<CreatorProcess> processes = new ArrayList<>();
		try {
			for (int i = 0; i < 4; i++) {
				processes.add(CreatorProcess.start(url, "", "", "declared"));
			}
			for (CreatorProcess process : processes) {
				assertThat(process.read()).isEqualTo("ready");
			}
			for (CreatorProcess process : processes) {
				process.go();
			}
			for (CreatorProcess process : processes) {
				assertThat(process.read()).isEqualTo("created");
			}
		}
		finally {
			processes.forEach(CreatorProcess::close);
		}
		try (Connection connection = DriverManager.getConnection(url)) {
			assertThat(Sources.query(connection, "select count(*) from DATABASECHANGELOG")).isEqualTo("1");
			assertThat(Sources.query(connection, "select count(*) from DATABASECHANGELOGLOCK where LOCKED <> 0"))
				.isEqualTo("0");
		}
	}

	@Test
	void whatAKilledProcessLeavesIsNeverUsedAndIsRemoved() throws Exception {
		try (CreatorProcess victim = start("half", "election-1")) {
			victim.begin();
			assertThat(victim.read()).isEqualTo("half");
			victim.kill();
		}
		assertThat(temporaryFiles()).isNotEmpty();
		assertThat(this.directory.resolve("1.db")).doesNotExist();
		for (Path leftover : temporaryFiles()) {
			Files.setLastModifiedTime(leftover, FileTime.from(Instant.now().minus(Duration.ofMinutes(11))));
		}
		try (CreatorProcess next = start("race", "election-1")) {
			next.begin();
			assertThat(next.read()).isEqualTo("created");
		}
		assertThat(temporaryFiles()).isEmpty();
	}

	@Test
	void aMigrationWhoseProcessIsKilledIsFinishedByTheNextOne() throws Exception {
		String url = "jdbc:sqlite:" + this.directory.resolve("main.db");
		try (CreatorProcess victim = CreatorProcess.start(url, "", "", "halt")) {
			assertThat(victim.read()).isEqualTo("ready");
			victim.go();
			assertThat(victim.read()).isEqualTo("half");
			victim.kill();
		}
		try (Sources next = new Sources()) {
			SourceRegistry registry = next.with(SourceDefinition.named("main").url(url).liquibase(Sources.HALTING))
				.registry();
			assertThat(Sources.query(registry.get("main"), "select LOCKED from DATABASECHANGELOGLOCK")).isEqualTo("0");
			assertThat(Sources.query(registry.get("main"), "select count(*) from second")).isEqualTo("0");
		}
	}

	private CreatorProcess start(String mode, String... tenants) throws Exception {
		return CreatorProcess.start("jdbc:sqlite:" + this.directory.resolve("{id}.db"), "", "", mode, tenants);
	}

	private List<Path> temporaryFiles() throws Exception {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.filter((file) -> file.getFileName().toString().startsWith(".multidb")).toList();
		}
	}

}
