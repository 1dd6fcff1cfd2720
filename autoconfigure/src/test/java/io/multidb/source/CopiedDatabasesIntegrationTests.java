package io.multidb.source;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for databases of templates that are copies of the first one, on a real
 * PostgreSQL.
 */
class CopiedDatabasesIntegrationTests {

	private static TestPostgres postgres;

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	@BeforeAll
	static void start() {
		postgres = TestPostgres.start();
	}

	@AfterAll
	static void stop() throws IOException {
		postgres.close();
	}

	@AfterEach
	void close() throws SQLException {
		this.sources.close();
		postgres.dropDatabases("t\\_%", "multidb%");
	}

	private SourceRegistry registry(SourceDefinition.Builder template) {
		return this.sources.with(postgres.source("server", "postgres").internal(true))
			.with(Sources.template(template.build(), "t-{id}", CreatePolicy.EXPLICIT, "server"))
			.registry();
	}

	private SourceRegistry registry(LiquibaseSettings liquibase) {
		return registry(postgres.source("t", "t_{id}").liquibase(liquibase));
	}

	@Test
	void theFirstIsMigratedAndTheOthersAreCopiesOfAnImageThatGoesWithTheRegistry() throws Exception {
		SourceRegistry registry = registry(Sources.NOTES);
		registry.create("t-1");
		Sources.execute(registry.get("t-1"), "insert into note (text) values ('mine')");
		registry.create("t-2");
		assertThat(this.sources.copied()).containsExactly(false, true);
		assertThat(Sources.query(registry.get("t-2"), "select count(*) from note")).isEqualTo("0");
		assertThat(Sources.query(registry.get("t-2"), "select count(*) from databasechangelog")).isEqualTo("1");
		assertThat(this.sources.events).noneMatch(SourceEvent.Migrated.class::isInstance);
		assertThat(postgres.databases("multidb%")).singleElement().asString().startsWith("multidb_image_");
		assertThatExceptionOfType(SQLException.class).as("connecting to the image")
			.isThrownBy(() -> postgres.connect(postgres.databases("multidb%").get(0)))
			.withMessageContaining("not currently accepting connections");
		registry.close();
		assertThat(postgres.databases("multidb%")).isEmpty();
	}

	@Test
	void imagesAreDroppedEvenWhereTheServersPoolIsClosed() throws Exception {
		SourceRegistry registry = registry(Sources.NOTES);
		registry.create("t-1");
		registry.drain("server");
		Awaitility.await().until(() -> registry.get("server").state() instanceof SourceState.Cold);
		registry.close();
		assertThat(postgres.databases("multidb%")).isEmpty();
	}

	@Test
	void aCopyBelongsToTheTemplatesUser() throws Exception {
		postgres.run("DROP ROLE IF EXISTS voter");
		postgres.run("CREATE ROLE voter LOGIN PASSWORD 'v0te'");
		SourceRegistry registry = registry(
				postgres.source("t", "t_{id}").username("voter").password("v0te").liquibase(Sources.NOTES));
		registry.create("t-1");
		registry.create("t-2");
		assertThat(this.sources.copied()).containsExactly(false, true);
		assertThat(Sources.query(registry.get("t-2"),
				"select pg_get_userbyid(datdba) from pg_database where datname = current_database()"))
			.isEqualTo("voter");
		Sources.execute(registry.get("t-2"), "insert into note (text) values ('x')");
	}

	@Test
	void aRoleThatMayOnlyCreateDatabasesMayCopyThem() throws Exception {
		postgres.run("DROP ROLE IF EXISTS maker");
		postgres.run("CREATE ROLE maker LOGIN CREATEDB PASSWORD 'm4ke'");
		SourceRegistry registry = this.sources
			.with(postgres.source("server", "postgres").username("maker").password("m4ke"))
			.with(Sources.template(
					postgres.source("t", "t_{id}").username("maker").password("m4ke").liquibase(Sources.NOTES).build(),
					"t-{id}", CreatePolicy.EXPLICIT, "server"))
			.registry();
		registry.create("t-1");
		registry.create("t-2");
		assertThat(this.sources.copied()).containsExactly(false, true);
	}

	@Test
	void afterAChangeOfTheChangeLogNothingIsCopiedThatWasMadeBefore() throws Exception {
		SourceRegistry registry = registry(Sources.changeLog(this.directory, "t:1\ncreate table a (x int);"));
		registry.create("t-1");
		registry.create("t-2");
		Sources.changeLog(this.directory, "t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		registry.create("t-3");
		registry.create("t-4");
		assertThat(this.sources.copied()).containsExactly(false, true, false, true);
		try (Connection connection = postgres.connect("t_4")) {
			assertThat(Sources.query(connection, "select count(*) from b")).isEqualTo("0");
		}
		assertThat(postgres.databases("multidb%")).as("the former image is dropped").hasSize(1);
	}

	@Test
	void anImageThatWasDroppedIsMadeAnew() throws Exception {
		SourceRegistry registry = registry(Sources.NOTES);
		registry.create("t-1");
		postgres.run("DROP DATABASE \"" + postgres.databases("multidb%").get(0) + "\"");
		assertThat(registry.create("t-2")).isTrue();
		assertThat(registry.create("t-3")).isTrue();
		assertThat(this.sources.copied()).containsExactly(false, false, true);
	}

	@Test
	void whatACopyWouldLackKeepsADatabaseFromBeingCopied() throws Exception {
		SourceRegistry registry = registry(Sources.changeLog(this.directory,
				"""
						t:1 splitStatements:false
						do $$ begin execute format('alter database %I set work_mem = ''77MB''', current_database()); end $$;"""));
		registry.create("t-1");
		registry.create("t-2");
		assertThat(this.sources.copied()).containsExactly(false, false);
		assertThat(postgres.databases("multidb%")).isEmpty();
		assertThat(Sources.query(registry.get("t-2"), "show work_mem")).isEqualTo("77MB");
	}

	@Test
	void whatExistsIsNeitherCopiedNorTouched() throws Exception {
		SourceRegistry registry = registry(Sources.NOTES);
		registry.create("t-1");
		postgres.run("CREATE DATABASE t_2");
		assertThat(registry.create("t-2")).isFalse();
		assertThat(postgres.databases("t\\_%")).containsExactly("t_1", "t_2");
	}

	@Test
	void applicationsThatCopyAtTheSameMomentAgreeOnOneWinner() throws Exception {
		try (Sources others = new Sources()) {
			SourceRegistry mine = registry(Sources.NOTES);
			SourceRegistry theirs = others.with(postgres.source("server", "postgres"))
				.with(Sources.template(postgres.source("t", "t_{id}").liquibase(Sources.NOTES).build(), "t-{id}",
						CreatePolicy.EXPLICIT, "server"))
				.registry();
			mine.create("t-mine");
			theirs.create("t-theirs");
			for (int round = 0; round < 5; round++) {
				String tenant = "t-" + round;
				AtomicInteger turn = new AtomicInteger();
				List<Object> outcomes = Race.run(2,
						() -> (turn.getAndIncrement() == 0) ? mine.create(tenant) : theirs.create(tenant));
				assertThat(outcomes).containsExactlyInAnyOrder(true, false);
			}
		}
		assertThat(postgres.databases("multidb%")).as("of the one that is still open").hasSize(1);
	}

	@Test
	void imagesOfDeadProcessesAreDroppedOnceTheyAreOld() throws Exception {
		String old = "multidb_image_" + Instant.now().minus(Duration.ofHours(13)).getEpochSecond() + "_00aa";
		String young = "multidb_image_" + Instant.now().minus(Duration.ofHours(11)).getEpochSecond() + "_00bb";
		String strangers = "multidb_image_notes";
		for (String database : List.of(old, young, strangers)) {
			postgres.run("CREATE DATABASE " + database + " ALLOW_CONNECTIONS false");
		}
		registry(Sources.NOTES).create("t-1");
		assertThat(postgres.databases("multidb%")).contains(young, strangers).doesNotContain(old);
	}

	@Test
	void whateverTheMomentAProcessIsKilledOnlyCompleteDatabasesAreThere() throws Exception {
		String[] tenants = IntStream.range(0, 200).mapToObj((i) -> "t-" + i).toArray(String[]::new);
		try (CreatorProcess victim = CreatorProcess.start(postgres.url("t_{id}"), postgres.url("postgres"),
				postgres.username(), "many", tenants)) {
			victim.begin();
			assertThat(victim.read()).isEqualTo("created");
			assertThat(victim.read()).isEqualTo("copied");
			LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(300_000_000));
			victim.kill();
		}
		// What the server was doing for it, it does to the end.
		Awaitility.await().until(() -> {
			try (Connection connection = postgres.connect("postgres")) {
				return Sources
					.query(connection,
							"select count(*) from pg_stat_activity where backend_type = 'client backend'"
									+ " and pid <> pg_backend_pid()")
					.equals("0");
			}
		});
		List<String> made = postgres.databases("t\\_%");
		assertThat(made).hasSizeGreaterThanOrEqualTo(2);
		for (String database : made) {
			try (Connection connection = postgres.connect(database)) {
				assertThat(Sources.query(connection, "select count(*) from note")).as(database).isEqualTo("0");
				assertThat(Sources.query(connection, "select count(*) from databasechangelog")).isEqualTo("1");
			}
		}
		assertThat(postgres.databases("multidb%")).singleElement().asString().startsWith("multidb_image_");
	}

}
