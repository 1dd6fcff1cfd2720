package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteConnection;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.InvalidDatasourcesException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.WrongSourceException;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link Replicas} and {@link DeferredConnection}: who gets which connection.
 * SQLite files that know their names stand in for a primary and its replicas.
 */
class ReplicasTests {

	private static final String WHO = "select name from who";

	private static final String WRITE = "insert into t values (1)";

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private Duration patience = Duration.ofSeconds(20);

	private final ThreadLocal<String> session = new ThreadLocal<>();

	private RoutingDataSource router;

	private JdbcClient jdbc;

	private TransactionTemplate readOnly;

	private TransactionTemplate readWrite;

	@BeforeEach
	void makeFiles() throws SQLException {
		for (String name : List.of("main", "copy-1", "copy-2", "other", "archive")) {
			makeFile(name);
		}
	}

	private void makeFile(String name) throws SQLException {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve(name + ".db"))) {
			Sources.execute(connection, "pragma journal_mode = wal");
			Sources.execute(connection, "create table who (name varchar(9))");
			Sources.execute(connection, "create table t (x int)");
			Sources.execute(connection, "insert into who values ('" + name + "')");
		}
	}

	private SourceDefinition.Builder sqlite(String name) {
		return Sources.sqlite(name, this.directory)
			.hikari(Map.of("maximum-pool-size", "2", "connection-timeout", Long.toString(this.patience.toMillis())));
	}

	private void open(Duration sticky, String... replicas) {
		this.sources
			.with(sqlite("main")
				.replicas(new ReplicaSettings(List.of(replicas), ReplicaSettings.DEFAULT_MAX_LAG, sticky)))
			.with(sqlite("other"))
			.with(sqlite("archive").readOnly(true))
			.with(this.session::get);
		for (String replica : replicas) {
			this.sources.with(sqlite(replica));
		}
		this.router = new RoutingDataSource(
				new Routes(List.of(new Route(List.of(NamePattern.of("main-*")), "main"), Route.EACH_ITS_OWN), null,
						this.sources.registry()));
		this.jdbc = JdbcClient.create(this.router);
		JdbcTransactionManager transactions = new JdbcTransactionManager(this.router);
		this.readOnly = new TransactionTemplate(transactions);
		this.readOnly.setReadOnly(true);
		this.readWrite = new TransactionTemplate(transactions);
	}

	private String who() {
		return this.jdbc.sql(WHO).query(String.class).single();
	}

	private String who(TransactionTemplate transaction) {
		return String.valueOf(transaction.<String>execute((status) -> who()));
	}

	private void awaitReplica() {
		await().until(() -> TenantContext.<String, RuntimeException>call("main", () -> who(this.readOnly)),
				"copy-1"::equals);
	}

	private void write() {
		this.readWrite.executeWithoutResult((status) -> this.jdbc.sql(WRITE).update());
	}

	private Source source(String name) {
		return this.sources.registry().get(name);
	}

	private void assertNothingIsOut() {
		this.sources.registry().sources().forEach(Sources::assertIdle);
	}

	@Test
	void readOnlyTransactionsGoToAReplicaAndEverythingElseToThePrimary() {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
			assertThat(who(this.readWrite)).isEqualTo("main");
			assertThat(who()).isEqualTo("main");
			write();
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
		}
		assertNothingIsOut();
	}

	@Test
	void readOnlyWorkInsideOfATransactionTakesPartInIt() {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			this.readWrite.executeWithoutResult((status) -> assertThat(who(this.readOnly)).isEqualTo("main"));
		}
	}

	@Test
	void aNewReadOnlyTransactionInsideOfAnotherGoesToAReplica() {
		open(Duration.ZERO, "copy-1");
		this.readOnly.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
		try (Scope scope = TenantContext.enter("main")) {
			this.readWrite.executeWithoutResult((status) -> {
				this.jdbc.sql(WRITE).update();
				assertThat(who(this.readOnly)).isEqualTo("copy-1");
				assertThat(who()).isEqualTo("main");
			});
		}
		assertNothingIsOut();
	}

	@Test
	void aTransactionWithoutAStatementTakesNothing() {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			for (TransactionTemplate transaction : List.of(this.readOnly, this.readWrite)) {
				transaction.executeWithoutResult((status) -> assertNothingIsOut());
				transaction.executeWithoutResult((status) -> status.setRollbackOnly());
			}
		}
		assertThat(source("main").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(source("copy-1").state()).isInstanceOf(SourceState.Cold.class);
	}

	@Test
	void aLeaseBelongsToWhatIsTakenPhysically() {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			this.readOnly.executeWithoutResult((status) -> {
				who();
				assertThat(source("copy-1").leases()).isOne();
				assertThat(source("main").leases()).isZero();
			});
		}
		assertNothingIsOut();
	}

	@Test
	void replicasTakeTurns() {
		open(Duration.ZERO, "copy-1", "copy-2");
		List<String> seen = new ArrayList<>();
		try (Scope scope = TenantContext.enter("main")) {
			for (int i = 0; i < 10; i++) {
				seen.add(who(this.readOnly));
			}
		}
		assertThat(Collections.frequency(seen, "copy-1")).isEqualTo(5);
		assertThat(Collections.frequency(seen, "copy-2")).isEqualTo(5);
	}

	@Test
	void aWriteInAReadOnlyTransactionIsRefusedLoudly() {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			assertThatExceptionOfType(Exception.class)
				.isThrownBy(() -> this.readOnly.executeWithoutResult((status) -> this.jdbc.sql(WRITE).update()))
				.withStackTraceContaining("Source 'main' was asked to read only");
		}
		assertNothingIsOut();
	}

	@Test
	void aConnectionOfAReplicaBelongsToThePrimarysTenantsOnly() {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			this.readOnly.executeWithoutResult((status) -> {
				assertThat(who()).isEqualTo("copy-1");
				TenantContext.run("main-2", () -> assertThat(who()).isEqualTo("copy-1"));
				for (String other : List.of("other", "copy-1")) {
					SourceContext.run(other, () -> assertThatExceptionOfType(Exception.class).isThrownBy(this::who)
						.withStackTraceContaining(WrongSourceException.class.getName()));
				}
			});
		}
	}

	@Test
	void noTenantReachesAReplicaByItsName() throws SQLException {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("copy-1")) {
			assertThatExceptionOfType(SQLException.class).isThrownBy(this.router::getConnection)
				.withCauseInstanceOf(UnknownTenantException.class);
		}
		try (Scope scope = SourceContext.enter("copy-1"); Connection connection = this.router.getConnection()) {
			assertThat(Sources.query(connection, WHO)).isEqualTo("copy-1");
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, WRITE))
				.withMessageContaining("Source 'copy-1' is read-only");
		}
	}

	@Test
	void aReplicaThatCannotBeOpenedIsLeftOutUntilItCan() throws Exception {
		Files.delete(this.directory.resolve("copy-1.db"));
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			for (int i = 0; i < 3; i++) {
				assertThat(who(this.readOnly)).isEqualTo("main");
			}
			assertThat(this.directory.resolve("copy-1.db")).doesNotExist();
			assertThat(source("main").replicas()).singleElement().satisfies((replica) -> {
				assertThat(replica.inUse()).isFalse();
				assertThat(replica.lag()).isNull();
				assertThat(replica.reason()).contains("copy-1");
			});
			await().untilAsserted(
					() -> assertThat(this.sources.events).filteredOn(SourceEvent.ReplicaLeftOut.class::isInstance)
						.hasSize(1));
			makeFile("copy-1");
			awaitReplica();
		}
		await()
			.untilAsserted(() -> assertThat(this.sources.events).anyMatch(SourceEvent.ReplicaUsed.class::isInstance));
		assertNothingIsOut();
	}

	@Test
	void theOtherReplicasGoOn() throws Exception {
		Files.delete(this.directory.resolve("copy-1.db"));
		open(Duration.ZERO, "copy-1", "copy-2");
		try (Scope scope = TenantContext.enter("main")) {
			for (int i = 0; i < 4; i++) {
				assertThat(who(this.readOnly)).isEqualTo("copy-2");
			}
		}
	}

	@Test
	void aBusyReplicaIsSparedForAWhile() throws Exception {
		this.patience = Duration.ofMillis(300);
		open(Duration.ZERO, "copy-1");
		try (Connection one = source("copy-1").getConnection(); Connection two = source("copy-1").getConnection()) {
			TenantContext.run("main", () -> assertThat(who(this.readOnly)).isEqualTo("main"));
		}
		awaitReplica();
	}

	@Test
	void aReplicaThatIsRemovedIsNotMissed() {
		open(Duration.ZERO, "copy-1");
		this.sources.registry().remove("copy-1");
		TenantContext.run("main", () -> assertThat(who(this.readOnly)).isEqualTo("main"));
		assertThat(source("main").replicas().get(0).reason()).contains("removed");
	}

	@Test
	void whoHasWrittenReadsFromThePrimary() {
		open(Duration.ofMinutes(1), "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
			this.session.set("a");
			write();
			assertThat(who(this.readOnly)).isEqualTo("main");
			this.session.set("b");
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
			this.session.remove();
			assertThat(who(this.readOnly)).isEqualTo("main");
		}
		this.session.set("a");
		TenantContext.run("main-2", () -> assertThat(who(this.readOnly)).isEqualTo("copy-1"));
	}

	@Test
	void aWriteWithoutASessionCountsForAllOfTheTenant() {
		open(Duration.ofMinutes(1), "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			write();
			this.session.set("a");
			assertThat(who(this.readOnly)).isEqualTo("main");
		}
	}

	@Test
	void aWriteOutsideOfATransactionCountsAndAQueryDoesNot() {
		open(Duration.ofMinutes(1), "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			who();
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
			assertThat(this.jdbc.sql("insert into t values (7) returning x").query(Integer.class).single())
				.isEqualTo(7);
			assertThat(who(this.readOnly)).isEqualTo("main");
		}
	}

	@Test
	void plainStatementsCountToo() throws SQLException {
		open(Duration.ofMinutes(1), "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			try (Connection connection = this.router.getConnection()) {
				Sources.query(connection, WHO);
			}
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
			try (Connection connection = this.router.getConnection()) {
				Sources.execute(connection, " \n delete from t");
			}
			assertThat(who(this.readOnly)).isEqualTo("main");
		}
	}

	@Test
	void theTimeAfterAWriteEnds() {
		open(Duration.ofMillis(500), "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			write();
			awaitReplica();
		}
	}

	@Test
	void readingFromThePrimaryIsReadOnlyToo() {
		open(Duration.ofMinutes(1), "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			write();
			assertThatExceptionOfType(Exception.class)
				.isThrownBy(() -> this.readOnly.executeWithoutResult((status) -> this.jdbc.sql(WRITE).update()))
				.withStackTraceContaining("was asked to read only");
			write();
			write();
		}
		assertNothingIsOut();
	}

	@Test
	void settingsThatComeFirstReachTheConnection() throws SQLException {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main"); Connection connection = this.router.getConnection()) {
			connection.setTransactionIsolation(Connection.TRANSACTION_READ_UNCOMMITTED);
			connection.setReadOnly(true);
			connection.setAutoCommit(false);
			assertNothingIsOut();
			SQLiteConnection driver = connection.unwrap(SQLiteConnection.class);
			assertThat(Sources.query(connection, WHO)).isEqualTo("copy-1");
			assertThat(driver.getTransactionIsolation()).isEqualTo(Connection.TRANSACTION_READ_UNCOMMITTED);
			assertThat(driver.getAutoCommit()).isFalse();
		}
		try (Connection connection = source("copy-1").getConnection()) {
			assertThat(connection.getAutoCommit()).isTrue();
			assertThat(connection.getTransactionIsolation()).isEqualTo(Connection.TRANSACTION_SERIALIZABLE);
		}
	}

	@Test
	void aConnectionChangesSidesBetweenTransactionsAndNotWithinOne() throws SQLException {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main"); Connection connection = this.router.getConnection()) {
			connection.setReadOnly(true);
			connection.setAutoCommit(false);
			assertThat(Sources.query(connection, WHO)).isEqualTo("copy-1");
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setReadOnly(false))
				.withMessageContaining("once it has begun");
			connection.commit();
			connection.setReadOnly(false);
			assertNothingIsOut();
			Sources.execute(connection, WRITE);
			assertThat(Sources.query(connection, WHO)).isEqualTo("main");
			assertThat(connection.getAutoCommit()).isFalse();
			connection.commit();
			connection.setAutoCommit(true);
			connection.setReadOnly(true);
			assertThat(Sources.query(connection, WHO)).isEqualTo("copy-1");
		}
		assertThat(Sources.query(source("main"), "select count(*) from t")).isEqualTo("1");
		assertNothingIsOut();
	}

	@Test
	void aClosedConnectionTakesNothing() throws Exception {
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main")) {
			Connection connection = this.router.getConnection();
			assertThat(connection.isClosed()).isFalse();
			assertThat(connection.isValid(1)).isTrue();
			Thread closer = new Thread(() -> {
				try {
					connection.close();
				}
				catch (SQLException ex) {
					throw new IllegalStateException(ex);
				}
			});
			closer.start();
			closer.join();
			assertThat(connection.isClosed()).isTrue();
			assertThat(connection.isValid(1)).isFalse();
			assertThatExceptionOfType(SQLException.class).isThrownBy(connection::createStatement);
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setAutoCommit(false));
		}
		assertNothingIsOut();
	}

	@Test
	void aFailureToConnectIsWhatItIsElsewhere() throws Exception {
		Files.delete(this.directory.resolve("main.db"));
		Files.createDirectory(this.directory.resolve("main.db"));
		open(Duration.ZERO, "copy-1");
		try (Scope scope = TenantContext.enter("main"); Connection connection = this.router.getConnection()) {
			assertThatExceptionOfType(java.sql.SQLTransientConnectionException.class)
				.isThrownBy(connection::createStatement)
				.withCauseInstanceOf(io.multidb.SourceUnavailableException.class);
			assertThat(who(this.readOnly)).isEqualTo("copy-1");
		}
	}

	@Test
	void aSourceThatIsAlwaysReadOnlyDoesNotSpoilTheTransactionManagerForOthers() {
		open(Duration.ZERO, "copy-1");
		TenantContext.run("archive", () -> assertThat(who(this.readOnly)).isEqualTo("archive"));
		TenantContext.run("main", () -> assertThat(who(this.readOnly)).isEqualTo("copy-1"));
	}

	@Test
	void nothingLeaksWhateverHappens() throws Exception {
		open(Duration.ofMillis(1), "copy-1", "copy-2");
		CountDownLatch seeds = new CountDownLatch(4);
		List<Object> outcomes = Race.run(4, () -> {
			seeds.countDown();
			Random random = new Random(seeds.getCount());
			for (int i = 0; i < 300; i++) {
				int kind = random.nextInt(6);
				try (Scope scope = TenantContext.enter((kind == 5) ? "other" : "main")) {
					TransactionTemplate transaction = random.nextBoolean() ? this.readOnly : this.readWrite;
					transaction.executeWithoutResult((status) -> {
						if (kind > 0) {
							who();
						}
						if (kind == 1) {
							status.setRollbackOnly();
						}
						if (kind == 2) {
							throw new IllegalStateException("on purpose");
						}
						if (kind == 3) {
							this.jdbc.sql("no sql at all").update();
						}
					});
				}
				catch (IllegalStateException | org.springframework.dao.DataAccessException ex) {
					// As it was meant
				}
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		assertNothingIsOut();
		// All connections of the pools are still there to be had, and take writes.
		for (String name : List.of("main", "other", "copy-1", "copy-2")) {
			try (Connection one = source(name).take(); Connection two = source(name).take()) {
				assertThat(Sources.query(one, "pragma query_only")).isEqualTo("0");
				assertThat(Sources.query(two, "pragma query_only")).isEqualTo("0");
			}
		}
	}

	@Test
	void replicasEndWithTheRegistry() {
		open(Duration.ZERO, "copy-1");
		TenantContext.run("main", () -> who(this.readOnly));
		this.sources.close();
		await().untilAsserted(() -> assertThat(Sources.threads("multidb-replicas", "multidb-prober")).isEmpty());
	}

	@Test
	void whatSpeaksAgainstReplicasIsSaidAtOnce() {
		this.sources.with(sqlite("a").replicas(ReplicaSettings.of("a", "nobody")))
			.with(sqlite("b").replicas(ReplicaSettings.of("c", "c", "d", "pg")))
			.with(sqlite("c").replicas(ReplicaSettings.of("e")))
			.with(sqlite("d"))
			.with(sqlite("e"))
			.with(sqlite("f").replicas(ReplicaSettings.of("d")))
			.with(SourceDefinition.named("pg").url("jdbc:postgresql://db/a"))
			.with(SourceDefinition.named("pg1")
				.url("jdbc:postgresql://db/x")
				.replicas(ReplicaSettings.of("pg2", "pg3")))
			.with(SourceDefinition.named("pg2").url("jdbc:postgresql://copy/y"))
			.with(SourceDefinition.named("pg3").url("jdbc:postgresql://copy/x?currentSchema=s"))
			.with(sqlite("migrated").readOnly(true).liquibase(Sources.NOTES));
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(this.sources::registry)
			.satisfies((ex) -> assertThat(ex.mistakes()).anyMatch((mistake) -> mistake.contains("names 'a', itself"))
				.anyMatch((mistake) -> mistake.contains("names 'nobody', which is no source"))
				.anyMatch((mistake) -> mistake.contains("names 'c', which has replicas of its own"))
				.anyMatch((mistake) -> mistake.contains("names 'pg', which is of another product"))
				.anyMatch((mistake) -> mistake.contains("names 'd', which is a replica of 'b' already"))
				.anyMatch((mistake) -> mistake.contains("names 'pg2', which is another database or schema"))
				.anyMatch((mistake) -> mistake.contains("names 'pg3', which is another database or schema"))
				.anyMatch((mistake) -> mistake.contains("'migrated' is read-only, so it cannot be migrated")));
	}

	@Test
	void aSourceCanBeAddedWithReplicas() {
		SourceRegistry registry = this.sources.with(sqlite("copy-1").readOnly(true).internal(true))
			.with(sqlite("other"))
			.registry();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry.add(sqlite("main").replicas(ReplicaSettings.of("other")).build()))
			.withMessageContaining("not read-only and internal");
		registry.add(sqlite("main").replicas(ReplicaSettings.of("copy-1")).build());
		assertThat(registry.get("main").replicas()).extracting(ReplicaState::name).containsExactly("copy-1");
	}

}
