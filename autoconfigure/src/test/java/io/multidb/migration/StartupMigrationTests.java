package io.multidb.migration;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

import liquibase.exception.LiquibaseException;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CreatePolicy;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link StartupMigration}.
 */
@ExtendWith(OutputCaptureExtension.class)
class StartupMigrationTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private StartupMigration migration;

	@AfterEach
	void close() {
		if (this.migration != null) {
			this.migration.destroy();
		}
		this.sources.close();
	}

	private void start(int parallelism, Duration timeout, boolean failFast) throws LiquibaseException {
		SourceRegistry registry = this.sources.registry();
		RoutingDataSource router = new RoutingDataSource(new Routes(java.util.List.of(), null, registry));
		this.migration = new StartupMigration(registry, router, parallelism, timeout, failFast);
		this.migration.afterPropertiesSet();
	}

	private Sources with(String name, Path directory) {
		return this.sources.with(Sources.sqlite(name, directory).liquibase(Sources.NOTES));
	}

	@Test
	void migratesDeclaredSourcesAndLeavesThemCold(CapturedOutput output) throws Exception {
		with("a", this.directory).with(Sources.sqlite("plain", this.directory));
		start(4, Duration.ofSeconds(30), false);
		assertThat(this.sources.registry().get("a").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(this.directory.resolve("a.db")).exists();
		assertThat(this.directory.resolve("plain.db")).doesNotExist();
		assertThat(output).contains("migrated 1 of 1, 0 failed");
	}

	@Test
	void templatesWaitForTheirFirstUse() throws Exception {
		this.sources.with(Sources.template(SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory + "/{id}.db")
			.liquibase(Sources.NOTES)
			.build(), "election-{id}", CreatePolicy.ON_FIRST_USE, null));
		start(4, Duration.ofSeconds(30), false);
		assertThat(this.directory).isEmptyDirectory();
	}

	@Test
	void oneBadSourceStopsNeitherTheOthersNorTheStart(CapturedOutput output) throws Exception {
		with("bad", this.directory.resolve("missing"));
		with("good", this.directory);
		start(1, Duration.ofSeconds(30), false);
		assertThat(this.sources.registry().get("bad").state()).isInstanceOf(SourceState.Unavailable.class);
		assertThat(Sources.query(this.sources.registry().get("good"), "select count(*) from note")).isEqualTo("0");
		assertThat(output).contains("migrated 1 of 2, 1 failed; the start goes on without bad");
	}

	@Test
	void failFastStopsTheStartAndNamesEveryFailure() {
		with("bad1", this.directory.resolve("missing"));
		with("bad2", this.directory.resolve("missing2"));
		with("good", this.directory);
		assertThatExceptionOfType(LiquibaseException.class).isThrownBy(() -> start(4, Duration.ofSeconds(30), true))
			.withMessageContaining("bad1")
			.withMessageContaining("bad2")
			.withMessageContaining("fail-fast")
			.havingCause()
			.isInstanceOfSatisfying(FailureAnalyzedException.class, (printed) -> {
				assertThat(printed.analysis().getDescription())
					.startsWith("Sources migrated 1 of 3, 2 failed, and 'app.tenancy.liquibase.fail-fast' is set.")
					.containsPattern("- bad1: .*\\n  - bad2: .*missing2' does not exist: create it");
				assertThat(printed.analysis().getAction()).contains("'app.tenancy.liquibase.fail-fast=false'");
			});
	}

	@Test
	void failFastLeavesNothingRunning() {
		CountDownLatch never = new CountDownLatch(1);
		this.sources.with((definition, connection) -> {
			never.await();
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		with("stuck1", this.directory);
		with("stuck2", this.directory);
		assertThatExceptionOfType(LiquibaseException.class).isThrownBy(() -> start(1, Duration.ofMillis(200), true));
		this.sources.close();
		Awaitility.await().untilAsserted(() -> assertThat(Sources.threads("multidb-")).isEmpty());
	}

	@Test
	void whatHeedsNoInterruptMigratesNothingAfterTheEnd() throws Exception {
		CountDownLatch begun = new CountDownLatch(1);
		AtomicReference<Connection> used = new AtomicReference<>();
		this.sources.with((definition, connection) -> {
			used.set(connection);
			begun.countDown();
			Awaitility.await().pollInSameThread().ignoreExceptions().until(() -> {
				boolean unused = Thread.interrupted();
				return connection.isClosed();
			});
			try (Statement statement = connection.createStatement()) {
				statement.execute("create table late (id int)");
			}
			return SourceMigrator.Outcome.MIGRATED;
		});
		with("slow", this.directory);
		start(1, Duration.ofMillis(1), false);
		begun.await();
		this.migration.destroy();
		this.sources.close();
		assertThat(used.get().isClosed()).isTrue();
		Awaitility.await().untilAsserted(() -> assertThat(Sources.threads("multidb-")).isEmpty());
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("slow.db"));
				Statement statement = connection.createStatement();
				ResultSet tables = statement.executeQuery("select name from sqlite_master where name = 'late'")) {
			assertThat(tables.next()).isFalse();
		}
	}

	@Test
	void anErrorInAMigrationIsAFailureLikeAnyOther() {
		this.sources.with((definition, connection) -> {
			throw new NoClassDefFoundError("com/example/Change");
		});
		with("bad", this.directory);
		assertThatExceptionOfType(LiquibaseException.class).isThrownBy(() -> start(1, Duration.ofSeconds(30), true))
			.withMessageContaining("bad")
			.withMessageContaining("com/example/Change");
	}

	@Test
	void aServerThatNeverAnswersHoldsTheStartNoLongerThanTheTimeout(CapturedOutput output) throws Exception {
		this.sources.with((definition, connection) -> SourceMigrator.Outcome.MIGRATED);
		try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
			this.sources.with(SourceDefinition.named("silent")
				.url("jdbc:postgresql://127.0.0.1:" + silent.getLocalPort() + "/x?socketTimeout=600")
				.liquibase(Sources.NOTES));
			with("good", this.directory);
			start(2, Duration.ofSeconds(1), false);
			assertThat(output).contains("migrated 1 of 2, 0 failed, waiting for silent for longer than 1000 ms");
			assertThat(Sources.query(this.sources.registry().get("good"), "select 1")).isEqualTo("1");
		}
	}

	@Test
	void failFastDoesNotWaitForEverEither() throws IOException {
		try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
			this.sources.with(SourceDefinition.named("silent")
				.url("jdbc:postgresql://127.0.0.1:" + silent.getLocalPort() + "/x")
				.liquibase(Sources.NOTES));
			assertThatExceptionOfType(LiquibaseException.class).isThrownBy(() -> start(2, Duration.ofMillis(300), true))
				.withMessageContaining("silent");
		}
	}

	@Test
	void noMoreThanTheConfiguredNumberRunAtATime() throws Exception {
		AtomicInteger running = new AtomicInteger();
		AtomicInteger most = new AtomicInteger();
		CyclicBarrier together = new CyclicBarrier(3);
		this.sources.with((definition, connection) -> {
			most.accumulateAndGet(running.incrementAndGet(), Math::max);
			together.await();
			running.decrementAndGet();
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		for (int i = 0; i < 12; i++) {
			with("s" + i, this.directory);
		}
		start(3, Duration.ofSeconds(30), false);
		assertThat(most).hasValue(3);
	}

	@Test
	void whatTheStartDidNotWaitForGoesOnBehindIt() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		this.sources.with((definition, connection) -> {
			release.await();
			Sources.execute(connection, "create table if not exists done (x)");
			return SourceMigrator.Outcome.MIGRATED;
		});
		with("slow", this.directory);
		start(1, Duration.ofMillis(100), false);
		Awaitility.await().until(() -> this.sources.registry().get("slow").state() instanceof SourceState.Opening);
		release.countDown();
		assertThat(Sources.query(this.sources.registry().get("slow"), "select count(*) from done")).isEqualTo("0");
	}

	@Test
	void nothingGoesOnAfterTheApplicationHasEnded() throws Exception {
		this.sources.with((definition, connection) -> {
			new CountDownLatch(1).await();
			return SourceMigrator.Outcome.MIGRATED;
		});
		with("stuck", this.directory);
		start(1, Duration.ofMillis(100), false);
		this.migration.destroy();
		this.sources.close();
		Awaitility.await().untilAsserted(() -> assertThat(Sources.threads("multidb-")).isEmpty());
	}

	@Test
	void aChangeLogThatIsMissingIsNamedInTheLog(CapturedOutput output) throws Exception {
		this.sources.with(new LiquibaseMigrator(new org.springframework.core.io.DefaultResourceLoader()))
			.with(Sources.sqlite("a", this.directory).liquibase(LiquibaseSettings.of("classpath:db/nope.yaml")));
		start(1, Duration.ofSeconds(30), false);
		assertThat(output).contains("a: unavailable").contains("db/nope.yaml");
	}

}
