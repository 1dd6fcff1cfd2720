package io.multidb.cli;

import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.migration.LiquibaseMigrator;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceTemplate;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for the command line on PostgreSQL.
 */
class CommandLineIntegrationTests {

	@AutoClose
	private static final TestPostgres server = TestPostgres.start();

	private static final String PASSWORD = "open-sesame";

	@TempDir
	private Path directory;

	private final List<SourceDefinition> definitions = new ArrayList<>();

	private final List<SourceTemplate> templates = new ArrayList<>();

	@BeforeAll
	static void makeUser() throws Exception {
		server.run("CREATE ROLE shop LOGIN CREATEDB PASSWORD '" + PASSWORD + "'");
	}

	@BeforeEach
	void makeDatabases() throws Exception {
		for (String name : List.of("lisbon", "porto")) {
			server.run("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
			server.run("CREATE DATABASE " + name + " OWNER shop");
			this.definitions.add(source(name, PASSWORD).liquibase(Sources.NOTES).build());
		}
	}

	private SourceDefinition.Builder source(String name, String password) {
		return SourceDefinition.named(name).url(server.url(name)).username("shop").password(password);
	}

	private CommandRun run(String... arguments) {
		CommandRun run = CommandRun.of(() -> new Configured(this.definitions, this.templates, Set.of(), List.of(), null,
				PoolLimits.DEFAULT, 4), new LiquibaseMigrator(new DefaultResourceLoader()), false, arguments);
		assertThat(run.out() + run.err()).doesNotContain(PASSWORD, "secretpassword");
		return run;
	}

	private static String query(String database, String sql) throws Exception {
		try (Connection connection = server.connect(database)) {
			return Sources.query(connection, sql);
		}
	}

	@Test
	void listChangesNothing() throws Exception {
		assertThat(run("migrate", "porto").outcomes().get("porto")).startsWith("migrated in");
		CommandRun list = run("list");
		assertThat(list.exitCode()).isZero();
		assertThat(list.out())
			.containsPattern("lisbon +jdbc:postgresql:\\S+ +postgresql +the API +up +0 run, 1 pending")
			.containsPattern("porto +jdbc:postgresql:\\S+ +postgresql +the API +up +1 run\n");
		assertThat(query("lisbon", "select count(*) from pg_tables where schemaname = 'public'")).isEqualTo("0");
	}

	@Test
	void listShowsMigrationsInTheSchemaOfTheUrl() throws Exception {
		try (Connection connection = server.connect("lisbon")) {
			Sources.execute(connection, "CREATE SCHEMA north AUTHORIZATION shop");
		}
		this.definitions.clear();
		this.definitions.add(source("lisbon", PASSWORD).liquibase(Sources.NOTES).build());
		this.definitions.add(SourceDefinition.named("north")
			.url(server.url("lisbon") + "?currentSchema=north")
			.username("shop")
			.password(PASSWORD)
			.liquibase(Sources.NOTES)
			.build());
		assertThat(run("migrate", "north").exitCode()).isZero();
		assertThat(run("list").out()).containsPattern("lisbon .* up +0 run, 1 pending")
			.containsPattern("north .* up +1 run\n");
	}

	@Test
	void aServerThatIsDownAndAWrongPasswordLeaveTheOthersAlone() throws Exception {
		try (ServerSocket free = new ServerSocket(0)) {
			this.definitions.add(SourceDefinition.named("gone")
				.url("jdbc:postgresql://shop:secretpassword@localhost:" + free.getLocalPort()
						+ "/gone?password=secretpassword")
				.liquibase(Sources.NOTES)
				.build());
		}
		this.definitions.add(source("locked", "secretpassword").liquibase(Sources.NOTES).build());
		CommandRun run = run("migrate", "--all");
		assertThat(run.exitCode()).isOne();
		assertThat(run.outcomes()).containsOnlyKeys("lisbon", "porto", "gone", "locked");
		assertThat(run.outcomes().get("lisbon")).startsWith("migrated in");
		assertThat(run.outcomes().get("porto")).startsWith("migrated in");
		assertThat(run.outcomes().get("gone")).startsWith("FAILED: ");
		assertThat(run.outcomes().get("locked")).startsWith("FAILED: ");
		CommandRun check = run("check");
		assertThat(check.exitCode()).isOne();
		assertThat(check.outcomes()).containsEntry("lisbon", "ok").containsEntry("porto", "ok");
		assertThat(check.outcomes().get("locked")).startsWith("FAILED: ").contains("password");
		assertThat(run("list").exitCode()).isZero();
	}

	@Test
	void aMigrationThatFailsIsSaidAndLeavesNoLock() throws Exception {
		Path changeLog = this.directory.resolve("broken.sql");
		Files.writeString(changeLog,
				"--liquibase formatted sql\n--changeset me:1\ncreate table a (b int);\n--changeset me:2\nnonsense;\n");
		this.definitions
			.add(source("broken", PASSWORD).liquibase(LiquibaseSettings.of(changeLog.toUri().toString())).build());
		server.run("DROP DATABASE IF EXISTS broken WITH (FORCE)");
		server.run("CREATE DATABASE broken OWNER shop");
		CommandRun run = run("migrate", "--all");
		assertThat(run.exitCode()).isOne();
		assertThat(run.outcomes()).hasSize(3);
		assertThat(run.outcomes().get("broken")).startsWith("FAILED: Source 'broken' could not be migrated")
			.contains("nonsense");
		assertThat(query("broken", "select locked from databasechangeloglock")).isEqualTo("f");
		assertThat(run("list").out()).containsPattern("broken .* up +1 run, 1 pending");
	}

	@Test
	void aDatabaseThatDoesNotAnswerIsGivenUp() throws Exception {
		assertThat(run("migrate", "--all").exitCode()).isZero();
		try (Connection other = server.connect("lisbon")) {
			other.setAutoCommit(false);
			Sources.execute(other, "LOCK TABLE databasechangelog IN ACCESS EXCLUSIVE MODE");
			CommandRun list = run("list");
			assertThat(list.exitCode()).isZero();
			assertThat(list.out()).containsPattern("lisbon .* up +unknown")
				.contains("lisbon: How far it has been migrated cannot be told: ")
				.containsPattern("porto .* up +1 run\n");
		}
	}

	@Test
	void createMakesDatabasesOfATemplate() throws Exception {
		this.definitions.add(SourceDefinition.named("server")
			.url(server.url("postgres"))
			.username(server.username())
			.password(server.password())
			.internal(true)
			.build());
		this.templates.add(Sources.template(SourceDefinition.named("election")
			.url(server.url("election_{id}"))
			.username(server.username())
			.password(server.password())
			.liquibase(Sources.NOTES)
			.build(), "election-{id}", CreatePolicy.EXPLICIT, "server"));
		CommandRun check = run("check", "election-1");
		assertThat(check.exitCode()).isOne();
		assertThat(check.outcomes()).containsEntry("election-1", "FAILED: It has no database.");
		CommandRun run = run("create", "election-1", "election-2", "lisbon");
		assertThat(run.exitCode()).as(run.out()).isZero();
		assertThat(run.outcomes()).containsEntry("lisbon", "exists").hasSize(3);
		assertThat(server.databases("election%")).containsExactly("election_1", "election_2");
		assertThat(server.databases("multidb%")).as("left behind").isEmpty();
		assertThat(query("election_2", "select count(*) from note")).isEqualTo("0");
		assertThat(run("create", "election-1").outcomes()).containsEntry("election-1", "exists");
		assertThat(run("migrate", "election-1").outcomes()).containsEntry("election-1", "up to date");
	}

	@Test
	void aDatabaseThatIsMissingOnTheServerIsNotMade() throws Exception {
		this.definitions.add(source("nowhere", PASSWORD).liquibase(Sources.NOTES).build());
		CommandRun run = run("create", "--all");
		assertThat(run.exitCode()).isOne();
		assertThat(run.outcomes()).containsEntry("lisbon", "exists").containsEntry("porto", "exists");
		assertThat(run.outcomes().get("nowhere")).startsWith("FAILED: ").contains("nowhere");
		assertThat(server.databases("nowhere")).isEmpty();
	}

}
