package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for replicas on a PostgreSQL primary with a streaming standby.
 */
class ReplicasIntegrationTests {

	private static final String ON_STANDBY = "select pg_is_in_recovery()";

	private static PostgresPair pair;

	/** Whose primary may be killed. */
	private static PostgresPair doomed;

	@AutoClose
	private final Sources sources = new Sources();

	private RoutingDataSource router;

	private JdbcClient jdbc;

	@BeforeAll
	static void start() throws SQLException {
		pair = PostgresPair.start();
		doomed = PostgresPair.start();
		pair.onPrimary("create table t (x int)");
	}

	@AfterAll
	static void stop() throws IOException {
		pair.close();
		doomed.close();
	}

	@BeforeEach
	void empty() throws SQLException {
		pair.onPrimary("delete from t");
	}

	private static SourceDefinition.Builder source(String name, String url) {
		return SourceDefinition.named(name).url(url).username("postgres").hikari(Map.of("connection-timeout", "3000"));
	}

	private void open(Duration maxLag, Duration sticky) {
		open(new ReplicaSettings(List.of("copy"), maxLag, sticky));
	}

	private void open(ReplicaSettings settings) {
		this.sources.with(source("main", pair.url()).replicas(settings)).with(source("copy", pair.standbyUrl()));
		route();
	}

	private void route() {
		this.router = new RoutingDataSource(new Routes(List.of(Route.EACH_ITS_OWN), null, this.sources.registry()));
		this.jdbc = JdbcClient.create(this.router);
	}

	private TransactionTemplate transaction(boolean readOnly) {
		TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(this.router));
		transaction.setReadOnly(readOnly);
		return transaction;
	}

	private boolean readsFromStandby() {
		return TenantContext.<Boolean, RuntimeException>call("main", () -> isOnStandby(true));
	}

	private boolean isOnStandby(boolean readOnly) {
		Boolean answer = transaction(readOnly)
			.execute((status) -> this.jdbc.sql(ON_STANDBY).query(Boolean.class).single());
		return Boolean.TRUE.equals(answer);
	}

	private int count() {
		Integer count = transaction(true)
			.execute((status) -> this.jdbc.sql("select count(*) from t").query(Integer.class).single());
		return (count != null) ? count : -1;
	}

	private void write() {
		TenantContext.run("main", () -> transaction(false)
			.executeWithoutResult((status) -> this.jdbc.sql("insert into t values (1)").update()));
	}

	private Source main() {
		return this.sources.registry().get("main");
	}

	private void awaitStandby() {
		await().until(this::readsFromStandby);
	}

	@Test
	void readOnlyTransactionsGoToTheStandbyAndEverythingElseToThePrimary() throws SQLException {
		open(Duration.ofSeconds(10), Duration.ZERO);
		awaitStandby();
		try (Scope scope = TenantContext.enter("main")) {
			assertThat(isOnStandby(false)).isFalse();
			assertThat(this.jdbc.sql(ON_STANDBY).query(Boolean.class).single()).isFalse();
			assertThatExceptionOfType(Exception.class)
				.isThrownBy(() -> transaction(true)
					.executeWithoutResult((status) -> this.jdbc.sql("insert into t values (1)").update()))
				.withStackTraceContaining("asked to read only")
				.withStackTraceContaining("read-only transaction");
		}
		Sources.assertIdle(this.sources.registry().get("copy"));
		assertThat(main().replicas()).singleElement().satisfies((replica) -> {
			assertThat(replica.inUse()).isTrue();
			assertThat(replica.lag()).isLessThan(Duration.ofSeconds(10));
		});
	}

	@Test
	void anIdlePrimaryMakesNoLag() {
		open(Duration.ofSeconds(1), Duration.ZERO);
		awaitStandby();
		await().during(Duration.ofSeconds(4)).until(this::readsFromStandby);
	}

	@Test
	void aStandbyWhoseReplayIsPausedIsLeftOutUntilItHasCaughtUp() throws SQLException {
		open(Duration.ofSeconds(1), Duration.ZERO);
		awaitStandby();
		pair.onStandby("select pg_wal_replay_pause()");
		try {
			write();
			await().until(() -> !readsFromStandby());
			assertThat(main().replicas().get(0).reason()).contains("behind");
			// What is committed now is read at once.
			write();
			int seen = TenantContext.<Integer, RuntimeException>call("main", this::count);
			assertThat(seen).isEqualTo(2);
		}
		finally {
			pair.onStandby("select pg_wal_replay_resume()");
		}
		awaitStandby();
		await().untilAsserted(() -> assertThat(this.sources.events).filteredOn((event) -> event.source().equals("main"))
			.extracting((event) -> event.getClass().getSimpleName())
			.containsSubsequence("ReplicaUsed", "ReplicaLeftOut", "ReplicaUsed"));
		assertThat(this.sources.events).filteredOn(SourceEvent.ReplicaLeftOut.class::isInstance)
			.allSatisfy((event) -> assertThat(event.message()).contains("goes to the primary", "'copy'"));
	}

	@Test
	void aStandbyThatNoLongerReceivesIsLeftOutThoughItHasReplayedAllItGot() throws SQLException {
		open(Duration.ofSeconds(1), Duration.ZERO);
		awaitStandby();
		pair.cutStandbyOff(true);
		try {
			await().until(() -> {
				write();
				return !readsFromStandby();
			});
		}
		finally {
			pair.cutStandbyOff(false);
		}
	}

	@Test
	void whoHasWrittenReadsFromThePrimaryForAWhile() {
		open(Duration.ofSeconds(10), Duration.ofMinutes(5));
		awaitStandby();
		write();
		assertThat(readsFromStandby()).isFalse();
		assertThat(main().replicas().get(0).inUse()).isTrue();
	}

	@Test
	void aKilledStandbyIsReplacedByThePrimaryAndUsedAgainOnceItIsBack() throws Exception {
		open(Duration.ofSeconds(2), Duration.ZERO);
		awaitStandby();
		pair.killStandby();
		try {
			// A connection that was used a moment ago is not tested by the pool.
			await().ignoreExceptions().until(() -> !readsFromStandby());
			for (int i = 0; i < 20; i++) {
				assertThat(readsFromStandby()).isFalse();
			}
		}
		finally {
			pair.restartStandby();
		}
		awaitStandby();
		this.sources.registry().sources().forEach(Sources::assertIdle);
	}

	@Test
	void aStandbyThatHangsIsLeftOut() throws Exception {
		open(Duration.ofSeconds(2), Duration.ZERO);
		awaitStandby();
		pair.freezeStandby(true);
		try {
			await().until(() -> !main().replicas().get(0).inUse());
			long start = System.nanoTime();
			for (int i = 0; i < 20; i++) {
				assertThat(readsFromStandby()).isFalse();
			}
			assertThat(Duration.ofNanos(System.nanoTime() - start)).as("twenty times without a time-out")
				.isLessThan(Replica.ANSWER_TIMEOUT.multipliedBy(10));
		}
		finally {
			pair.freezeStandby(false);
		}
		awaitStandby();
	}

	@Test
	void aServerThatIsNoStandbyIsNeverRead() {
		this.sources.with(source("main", pair.standbyUrl()).replicas(ReplicaSettings.of("copy")))
			.with(source("copy", pair.url()));
		route();
		assertThat(readsFromStandby()).isTrue();
		await().untilAsserted(() -> assertThat(main().replicas().get(0).reason()).contains("is no standby"));
		assertThat(readsFromStandby()).isTrue();
	}

	@Test
	void readsGoOnWhileThePrimaryIsDown() throws Exception {
		this.sources
			.with(source("main", doomed.url())
				.replicas(new ReplicaSettings(List.of("copy"), Duration.ofSeconds(1), Duration.ZERO)))
			.with(source("copy", doomed.standbyUrl()));
		route();
		awaitStandby();
		doomed.killPrimary();
		await().ignoreExceptions().during(Duration.ofSeconds(4)).until(this::readsFromStandby);
		TenantContext.run("main", () -> assertThatExceptionOfType(Exception.class)
			.isThrownBy(() -> this.jdbc.sql("select 1").query(Integer.class).single()));
	}

	@Test
	void theStandbyOfAnotherPrimaryIsNeverRead() throws Exception {
		this.sources.with(source("main", pair.url()).replicas(ReplicaSettings.of("copy")))
			.with(source("copy", doomed.standbyUrl()));
		route();
		assertThat(readsFromStandby()).isFalse();
		await().untilAsserted(
				() -> assertThat(main().replicas().get(0).reason()).contains("their system identifiers differ"));
		assertThat(readsFromStandby()).isFalse();
	}

	@Test
	void aUserWithoutPrivilegesCanMeasure() throws SQLException {
		pair.onPrimary("drop role if exists reader");
		pair.onPrimary("create role reader login");
		this.sources.with(source("main", pair.url()).username("reader").replicas(ReplicaSettings.of("copy")))
			.with(source("copy", pair.standbyUrl()).username("reader"));
		route();
		awaitStandby();
	}

	@Test
	void aReadOnlySourceRefusesWritesInAndOutsideOfTransactions() throws SQLException {
		Source source = this.sources.with(source("main", pair.url()).readOnly(true)).registry().get("main");
		try (Connection connection = source.getConnection()) {
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into t values (1)"))
				.withMessageContaining("Source 'main' is read-only ('app.datasources.main.read-only')");
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setReadOnly(false))
				.withMessageContaining("is read-only");
			connection.setAutoCommit(false);
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into t values (1)"))
				.withMessageContaining("is read-only");
			connection.rollback();
			connection.setAutoCommit(true);
			connection.setReadOnly(true);
			connection.setReadOnly(false);
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(connection, "insert into t values (1)"));
		}
		assertThat(Sources.query(source, "select count(*) from t")).isEqualTo("0");
	}

}
