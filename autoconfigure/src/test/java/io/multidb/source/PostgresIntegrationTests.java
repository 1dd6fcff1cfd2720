package io.multidb.source;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.SourceUnavailableException;
import io.multidb.UnknownTenantException;
import io.multidb.migration.LiquibaseMigrator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for sources and templates on a real PostgreSQL.
 */
class PostgresIntegrationTests {

	private static TestPostgres postgres;

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
		postgres.dropDatabases("election%", "multidb%");
	}

	private SourceRegistry registry(CreatePolicy create) {
		return this.sources.with(postgres.source("server", "postgres").internal(true))
			.with(Sources.template(postgres.source("election", "election_{id}").liquibase(Sources.NOTES).build(),
					"election-{id}", create, "server"))
			.registry();
	}

	@ParameterizedTest
	@ValueSource(strings = { "BEGIN", "/* why */ start transaction", "select 1; begin" })
	void aTransactionBegunByAStatementIsNotTheNextOnes(String begin) throws SQLException {
		Source source = this.sources.with(postgres.source("main", "postgres").hikari(Map.of("maximum-pool-size", "1")))
			.registry()
			.get("main");
		Sources.execute(source, "create table if not exists begun (x int)");
		try {
			try (Connection connection = source.getConnection()) {
				Sources.execute(connection, begin);
				Sources.execute(connection, "insert into begun values (1)");
			}
			Sources.execute(source, "insert into begun values (2)");
			assertThat(Sources.query(source, "select string_agg(x::text, ',') from begun")).isEqualTo("2");
			try (Connection connection = source.getConnection();
					PreparedStatement prepared = connection.prepareStatement(begin)) {
				prepared.execute();
			}
			Sources.execute(source, "insert into begun values (3)");
			this.sources.registry().drain("main");
			try (Connection other = postgres.connect("postgres")) {
				assertThat(Sources.query(other, "select string_agg(x::text, ',') from begun")).isEqualTo("2,3");
			}
		}
		finally {
			this.sources.close();
			postgres.run("drop table begun");
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "readOnlyMode=ignore", "readOnlyMode=transaction&readOnlyMode=ignore", "readOnly=false",
			"readOnly=false&%72eadOnlyMode=ignore&readOnlyMode=%69gnore",
			"options=-cdefault_transaction_read_only=off" })
	void nothingInItsUrlMakesAReadOnlySourceWritable(String parameters) throws SQLException {
		postgres.run("create table if not exists sealed (x int)");
		Source source = this.sources
			.with(SourceDefinition.named("main")
				.url(postgres.url("postgres") + (postgres.url().contains("?") ? "&" : "?") + parameters)
				.username(postgres.username())
				.password(postgres.password())
				.readOnly(true)
				.hikari(Map.of("data-source-properties.readOnlyMode", "ignore")))
			.registry()
			.get("main");
		try (Connection connection = source.getConnection()) {
			for (boolean autoCommit : new boolean[] { true, false }) {
				connection.setAutoCommit(autoCommit);
				assertThatExceptionOfType(SQLException.class)
					.isThrownBy(() -> Sources.execute(connection, "insert into sealed values (1)"))
					.withMessageContaining("is read-only");
			}
			connection.rollback();
		}
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> this.sources.registry()
				.look("main", (definition, connection) -> Sources.query(connection, "insert into sealed values (1)")))
			.withMessageContaining("read-only transaction");
	}

	@Test
	void createsAndMigratesADatabase() throws SQLException {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		assertThat(registry.create("election-42")).isTrue();
		assertThat(registry.create("election-42")).isFalse();
		Sources.execute(registry.get("election-42"), "insert into note (text) values ('x')");
		assertThat(postgres.databases("election%")).containsExactly("election_42");
		assertThat(postgres.databases("multidb_tmp%")).isEmpty();
	}

	@ParameterizedTest
	@EnumSource(names = { "NEVER", "EXPLICIT" })
	void usingWhatDoesNotExistMakesNothing(CreatePolicy create) throws SQLException {
		SourceRegistry registry = registry(create);
		assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> registry.get("election-42").getConnection());
		assertThat(postgres.databases("election%")).isEmpty();
		assertThat(registry.find("election-42")).isNull();
	}

	@Test
	void threadsThatRaceOnFirstUseMakeOneDatabase() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.ON_FIRST_USE);
		List<Object> outcomes = Race.run(8, () -> {
			Sources.execute(registry.get("election-42"), "insert into note (text) values ('x')");
			return "voted";
		});
		assertThat(outcomes).containsOnly("voted");
		assertThat(Sources.query(registry.get("election-42"), "select count(*) from note")).isEqualTo("8");
		assertThat(postgres.databases("election%")).containsExactly("election_42");
	}

	@Test
	void processesThatRaceMakeOneDatabaseEach() throws Exception {
		String[] tenants = { "election-1", "election-2", "election-3" };
		try (CreatorProcess one = process("race", tenants); CreatorProcess other = process("race", tenants)) {
			assertThat(one.read()).isEqualTo("ready");
			assertThat(other.read()).isEqualTo("ready");
			one.go();
			other.go();
			for (String tenant : tenants) {
				assertThat(one.read() + "+" + other.read()).as(tenant)
					.isIn("created+existed", "existed+created", "copied+existed", "existed+copied");
			}
		}
		assertThat(postgres.databases("election%")).containsExactly("election_1", "election_2", "election_3");
		assertThat(postgres.databases("multidb_tmp%")).isEmpty();
	}

	@Test
	void applicationsThatPublishAtTheSameMomentAgreeOnOneWinner() throws Exception {
		try (Sources others = new Sources()) {
			SourceRegistry mine = registry(CreatePolicy.EXPLICIT);
			SourceRegistry theirs = others.with(postgres.source("server", "postgres"))
				.with(Sources.template(postgres.source("election", "election_{id}").build(), "election-{id}",
						CreatePolicy.EXPLICIT, "server"))
				.with(SourceMigrator.NONE)
				.registry();
			for (int round = 0; round < 5; round++) {
				String tenant = "election-" + round;
				AtomicInteger turn = new AtomicInteger();
				List<Object> outcomes = Race.run(2,
						() -> (turn.getAndIncrement() == 0) ? mine.create(tenant) : theirs.create(tenant));
				assertThat(outcomes).containsExactlyInAnyOrder(true, false);
			}
		}
		assertThat(postgres.databases("multidb_tmp%")).isEmpty();
	}

	@Test
	void whatIsUpToDateIsReadInTheSchemaThatIsMigrated() throws SQLException {
		postgres.run("CREATE DATABASE election_schemas");
		try (Connection connection = DriverManager.getConnection(postgres.url("election_schemas"), postgres.username(),
				postgres.password())) {
			Sources.execute(connection, "CREATE SCHEMA a; CREATE SCHEMA b");
		}
		SourceRegistry registry = this.sources
			.with(postgres.source("b", "election_schemas?currentSchema=b").liquibase(Sources.NOTES))
			.with(postgres.source("a", "election_schemas?currentSchema=a,b").liquibase(Sources.NOTES))
			.registry();
		String tables = "select count(*) from pg_tables where tablename = 'note' and schemaname = current_schema()";
		assertThat(Sources.query(registry.get("b"), tables)).isEqualTo("1");
		assertThat(Sources.query(registry.get("a"), tables)).isEqualTo("1");
	}

	@Test
	void processesThatStartTogetherMigrateADeclaredDatabaseOnce() throws Exception {
		postgres.run("CREATE DATABASE election_shared");
		List<CreatorProcess> processes = new ArrayList<>();
		try {
			for (int i = 0; i < 3; i++) {
				processes
					.add(CreatorProcess.start(postgres.url("election_shared"), "", postgres.username(), "declared"));
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
	}

	@Test
	void whatAKilledProcessLeavesIsNeverUsedAndIsDroppedOnceItIsOld() throws Exception {
		try (CreatorProcess victim = process("half", "election-1")) {
			victim.begin();
			assertThat(victim.read()).isEqualTo("half");
			victim.kill();
		}
		assertThat(postgres.databases("election%")).isEmpty();
		List<String> leftovers = postgres.databases("multidb%");
		assertThat(leftovers).hasSize(1);
		String old = "multidb_tmp_" + Instant.now().minus(Duration.ofHours(1)).getEpochSecond() + "_00aa";
		postgres.run("ALTER DATABASE \"" + leftovers.get(0) + "\" RENAME TO " + old);
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		assertThat(registry.create("election-1")).isTrue();
		assertThat(postgres.databases("multidb_tmp%")).isEmpty();
	}

	@Test
	void aMigrationWhoseProcessIsKilledIsFinishedByTheNextOne() throws Exception {
		postgres.run("CREATE DATABASE election_main");
		String url = postgres.url("election_main");
		try (CreatorProcess victim = CreatorProcess.start(url, "", postgres.username(), "halt")) {
			assertThat(victim.read()).isEqualTo("ready");
			victim.go();
			assertThat(victim.read()).isEqualTo("half");
			victim.kill();
		}
		SourceRegistry registry = this.sources.with(postgres.source("main", "election_main").liquibase(Sources.HALTING))
			.registry();
		assertThat(Sources.query(registry.get("main"), "select locked from databasechangeloglock")).isEqualTo("f");
		assertThat(Sources.query(registry.get("main"), "select count(*) from second")).isEqualTo("0");
	}

	@Test
	void aChangeSetIsCommittedTogetherWithTheRowThatSaysSo(@TempDir Path directory) throws Exception {
		postgres.run("CREATE DATABASE election_main");
		SourceRegistry registry = this.sources.with(postgres.source("main", "election_main")
			.liquibase(Sources.changeLog(directory, "t:1\ncreate table a (x int);",
					"t:2 splitStatements:false\ncreate function dies() returns trigger language plpgsql as $$"
							+ " begin if new.id = '3' then raise exception 'killed'; end if; return new; end $$;",
					"t:3\ncreate trigger dies before insert on databasechangelog"
							+ " for each row execute function dies();\ncreate table b (x int);")))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.prepare("main"))
			.withMessageContaining("killed");
		try (Connection connection = postgres.connect("election_main")) {
			assertThat(Sources.query(connection, "select to_regclass('a') is null")).isEqualTo("f");
			assertThat(Sources.query(connection, "select to_regclass('b') is null")).isEqualTo("t");
			Sources.execute(connection,
					"create or replace function dies() returns trigger language plpgsql as $$ begin return new; end $$");
		}
		registry.retry("main");
		assertThat(Sources.query(registry.get("main"), "select count(*) from b")).isEqualTo("0");
	}

	/** As the process was another host's, its session has to tell. */
	@Test
	void aMigrationsLockIsTakenOverWhenTheSessionThatHasItIsOver(@TempDir Path directory) throws Exception {
		postgres.run("CREATE DATABASE election_main");
		SourceRegistry registry = this.sources
			.with(postgres.source("main", "election_main")
				.liquibase(Sources.changeLog(directory, "t:1\ncreate table a (x int);")))
			.registry();
		registry.prepare("main");
		Sources.changeLog(directory, "t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		FutureTask<SourceMigrator.Outcome> migration = new FutureTask<>(() -> {
			try (Connection connection = postgres.connect("election_main")) {
				return new LiquibaseMigrator(new DefaultResourceLoader()).migrate(registry.get("main").definition(),
						connection);
			}
		});
		Thread migrating = new Thread(migration);
		try (Connection reader = postgres.connect("election_main")) {
			try (Connection owner = postgres.connect("election_main")) {
				String session = Sources.query(owner, "select pg_backend_pid()");
				Sources.execute(owner, "update databasechangeloglock set locked = true, lockgranted = now(),"
						+ " lockedby = 'multidb fade-1-1@" + session + "'");
				migrating.start();
				await().atMost(Duration.ofMinutes(1))
					.until(() -> migration.isDone() || Stream.of(migrating.getStackTrace())
						.anyMatch((frame) -> frame.getMethodName().equals("waitForLock")));
				await().atMost(Duration.ofMinutes(1))
					.until(() -> migration.isDone() || migrating.getState() == Thread.State.TIMED_WAITING);
				assertThat(migration).isNotDone();
				assertThat(Sources.query(reader, "select lockedby from databasechangeloglock")).endsWith("@" + session);
			}
			migration.get(1, TimeUnit.MINUTES);
			assertThat(Sources.query(reader, "select locked from databasechangeloglock")).isEqualTo("f");
			assertThat(Sources.query(reader, "select count(*) from b")).isEqualTo("0");
		}
	}

	@Test
	void whatALivingOwnerIsStillFillingIsKept() throws Exception {
		String old = "multidb_tmp_" + Instant.now().minus(Duration.ofHours(1)).getEpochSecond() + "_00bb";
		postgres.run("CREATE DATABASE " + old);
		try (Connection owner = postgres.connect("postgres")) {
			Sources.query(owner, "SELECT pg_advisory_lock(hashtextextended('" + old + "', 0))");
			registry(CreatePolicy.EXPLICIT).create("election-1");
			assertThat(postgres.databases("multidb_tmp%")).containsExactly(old);
		}
	}

	@Test
	void aFailedMigrationLeavesNoDatabase() throws SQLException {
		SourceRegistry registry = this.sources.with(postgres.source("server", "postgres"))
			.with(Sources.template(postgres.source("election", "election_{id}").build(), "election-{id}",
					CreatePolicy.EXPLICIT, "server"))
			.with((definition, connection) -> {
				if (definition.name().startsWith("election")) {
					Sources.execute(connection, "create table half (x int)");
					throw new SQLException("half-way");
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			})
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("election-42"))
			.withMessageContaining("half-way");
		assertThat(postgres.databases("election%")).isEmpty();
		assertThat(postgres.databases("multidb_tmp%")).isEmpty();
	}

	@Test
	void anErrorDuringCreationLeavesNoDatabase() throws SQLException {
		SourceRegistry registry = this.sources.with(postgres.source("server", "postgres"))
			.with(Sources.template(postgres.source("election", "election_{id}").build(), "election-{id}",
					CreatePolicy.EXPLICIT, "server"))
			.with((definition, connection) -> {
				if (definition.name().startsWith("election")) {
					throw new NoClassDefFoundError("com/example/Change");
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			})
			.registry();
		assertThatExceptionOfType(NoClassDefFoundError.class).isThrownBy(() -> registry.create("election-42"));
		assertThat(postgres.databases("election%")).isEmpty();
		assertThat(postgres.databases("multidb_tmp%")).isEmpty();
	}

	@Test
	void theDatabaseBelongsToTheTemplatesUser() throws SQLException {
		postgres.run("DROP ROLE IF EXISTS voter");
		postgres.run("CREATE ROLE voter LOGIN PASSWORD 'v0te'");
		SourceRegistry registry = this.sources.with(postgres.source("server", "postgres"))
			.with(Sources.template(postgres.source("election", "election_{id}")
				.username("voter")
				.password("v0te")
				.liquibase(Sources.NOTES)
				.build(), "election-{id}", CreatePolicy.EXPLICIT, "server"))
			.registry();
		registry.create("election-42");
		assertThat(Sources.query(registry.get("election-42"), "select current_user")).isEqualTo("voter");
		assertThat(Sources.query(registry.get("election-42"), "select count(*) from note")).isEqualTo("0");
	}

	@Test
	void namesAreQuotedAndKeepTheirCase() throws SQLException {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		registry.create("election-Lisbon.1-a");
		registry.create("election-lisbon.1-a");
		assertThat(postgres.databases("election%")).containsExactlyInAnyOrder("election_Lisbon.1-a",
				"election_lisbon.1-a");
		assertThat(Sources.query(registry.get("election-Lisbon.1-a"), "select current_database()"))
			.isEqualTo("election_Lisbon.1-a");
	}

	@Test
	void aWrongPasswordIsNamedAndNotShown() throws SQLException {
		postgres.run("DROP ROLE IF EXISTS guest");
		postgres.run("CREATE ROLE guest LOGIN PASSWORD 'right'");
		Source source = this.sources.with(postgres.source("main", "postgres").username("guest").password("s3cret"))
			.registry()
			.get("main");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("'app.datasources.main.username'")
			.withMessageNotContaining("s3cret");
	}

	@Test
	void aDeclaredDatabaseThatIsMissingIsUnavailableAndNotMade() throws SQLException {
		Source source = this.sources.with(postgres.source("main", "election_nowhere")).registry().get("main");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("Create the database");
		assertThat(postgres.databases("election%")).isEmpty();
	}

	@Test
	void aSilentServerIsGivenUpWithoutLeavingAThread() throws IOException {
		try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
			Source source = this.sources
				.with(SourceDefinition.named("silent")
					.url("jdbc:postgresql://127.0.0.1:" + silent.getLocalPort() + "/x")
					.hikari(Map.of("connection-timeout", "1000")))
				.registry()
				.get("silent");
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection);
			assertThat(Sources.threads("PostgreSQL JDBC driver connection thread")).isEmpty();
		}
	}

	@Test
	void theTimeoutOfConnectingDoesNotLimitStatements() throws SQLException {
		Source source = this.sources.with(postgres.source("main", "postgres")).registry().get("main");
		try (Connection connection = source.getConnection()) {
			assertThat(connection.getNetworkTimeout()).isZero();
		}
	}

	private static CreatorProcess process(String mode, String... tenants) throws IOException {
		return CreatorProcess.start(postgres.url("election_{id}"), postgres.url("postgres"), postgres.username(), mode,
				tenants);
	}

}
