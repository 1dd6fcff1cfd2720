package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import io.multidb.Scope;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

/**
 * Tests for a fallback on PostgreSQL, while the server of its source is killed and comes
 * back.
 */
class FallbackIntegrationTests {

	private static final String WHO = "select name from who";

	private static final String WRITE = "insert into t values (1)";

	private static PostgresProcess mortal;

	private static PostgresProcess other;

	private final Sources sources = new Sources();

	private Source main;

	private Source archive;

	@BeforeAll
	static void start() throws Exception {
		mortal = PostgresProcess.start();
		other = PostgresProcess.start();
		for (PostgresProcess server : List.of(mortal, other)) {
			server.run("create table who (name varchar(9))");
			server.run("create table t (x int)");
			server.run("insert into who values ('" + ((server == mortal) ? "main" : "archive") + "')");
			// It does not wait for its log, and is killed.
			server.run("checkpoint");
		}
		other.run("create role reader login superuser");
		other.run("alter role reader set default_transaction_read_only = on");
	}

	@AfterAll
	static void stop() throws IOException {
		mortal.close();
		other.close();
	}

	@BeforeEach
	void empty() throws SQLException {
		mortal.run("truncate t");
		mortal.run("checkpoint");
		other.run("truncate t");
	}

	@AfterEach
	void close() {
		try {
			this.sources.registry().sources().forEach(Sources::assertIdle);
		}
		finally {
			this.sources.close();
		}
	}

	private void open(FallbackSettings fallback, Map<String, String> hikari) throws SQLException {
		open(fallback, hikari, "postgres");
	}

	private void open(FallbackSettings fallback, Map<String, String> hikari, String user) throws SQLException {
		SourceRegistry registry = this.sources
			.with(SourceDefinition.named("main")
				.url(mortal.url("postgres"))
				.username("postgres")
				.hikari(Map.of("maximum-pool-size", "4", "connection-timeout", "20000", "connection-init-sql",
						"set synchronous_commit = on"))
				.fallback(fallback))
			.with(SourceDefinition.named("archive").url(other.url("postgres")).username(user).hikari(hikari))
			.registry();
		this.main = registry.get("main");
		this.archive = registry.get("archive");
		assertThat(Sources.query(this.main, WHO)).isEqualTo("main");
	}

	private static Map<String, String> one() {
		return Map.of("maximum-pool-size", "1", "connection-timeout", "5000");
	}

	private void kill() throws IOException {
		mortal.kill();
		await().until(() -> catchThrowable(() -> this.main.take().close()) instanceof SourceUnavailableException);
	}

	private void restart() throws IOException {
		mortal.restart();
		await().ignoreExceptions().until(() -> {
			this.sources.registry().retry("main");
			return true;
		});
	}

	private String rows(Source source) throws SQLException {
		return Sources.query(source, "select count(*) from t");
	}

	private static void assertRefused(SQLException refused) {
		assertThat(refused.getSQLState()).isEqualTo("25006");
		assertThat(refused.getCause()).isInstanceOf(SourceUnavailableException.class)
			.hasMessageContaining("'archive' takes no writes");
	}

	private void refuseEverything() throws SQLException {
		try (Connection connection = this.main.getConnection()) {
			for (boolean autoCommit : new boolean[] { true, false }) {
				connection.setReadOnly(true);
				connection.setReadOnly(false);
				connection.setAutoCommit(autoCommit);
				assertThat(Sources.query(connection, WHO)).isEqualTo("archive");
				assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, WRITE))
					.satisfies(FallbackIntegrationTests::assertRefused);
				if (!autoCommit) {
					connection.rollback();
				}
			}
			try (Statement batch = connection.createStatement()) {
				batch.addBatch(WRITE);
				batch.addBatch(WRITE);
				assertThatExceptionOfType(SQLException.class).isThrownBy(batch::executeBatch)
					.satisfies(FallbackIntegrationTests::assertRefused);
			}
			// Left in a failed transaction
		}
	}

	@Test
	void itsTenantsReadFromTheFallbackUntilTheServerIsBack() throws Exception {
		open(FallbackSettings.readOnly("archive"), one());
		kill();
		for (int i = 0; i < 10; i++) {
			assertThat(Sources.query(this.main, WHO)).isEqualTo("archive");
			refuseEverything();
			Sources.execute(this.archive, WRITE);
		}
		assertThat(rows(this.archive)).isEqualTo("10");
		assertThat(this.main.fallback()).isEqualTo("archive");
		restart();
		assertThat(Sources.query(this.main, WHO)).isEqualTo("main");
		Sources.execute(this.main, WRITE);
		assertThat(rows(this.main)).isEqualTo("1");
	}

	@Test
	void connectionsThatDoNotCommitByThemselvesRefuseWritesToo() throws Exception {
		open(FallbackSettings.readOnly("archive"),
				Map.of("maximum-pool-size", "1", "connection-timeout", "5000", "auto-commit", "false"));
		kill();
		for (int i = 0; i < 5; i++) {
			refuseEverything();
			Sources.execute(this.archive, WRITE);
		}
		assertThat(rows(this.archive)).isEqualTo("5");
		restart();
	}

	@Test
	void theDriversOwnReadOnlyModeDoesNotLiftIt() throws Exception {
		open(FallbackSettings.readOnly("archive"), Map.of("maximum-pool-size", "1", "connection-timeout", "5000",
				"data-source-properties.readOnlyMode", "always"));
		kill();
		refuseEverything();
		Sources.execute(this.archive, WRITE);
		assertThat(rows(this.archive)).isEqualTo("1");
		restart();
	}

	@Test
	void aRoleThatReadsOnlyIsNotLetWriteAfterwards() throws Exception {
		open(FallbackSettings.readOnly("archive"), one(), "reader");
		kill();
		refuseEverything();
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(this.archive, WRITE))
			.withMessageContaining("read-only transaction");
		restart();
	}

	@Test
	void aConnectionThatCannotBePutBackIsReplaced() throws Exception {
		open(FallbackSettings.readOnly("archive"), one());
		kill();
		try (Connection connection = this.main.getConnection()) {
			assertThat(Sources.query(connection, WHO)).isEqualTo("archive");
			other.run("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
					+ " and backend_type = 'client backend'");
		}
		Sources.execute(this.archive, WRITE);
		assertThat(rows(this.archive)).isEqualTo("1");
		restart();
	}

	@Test
	void itTakesWritesWhereThatIsDeclared() throws Exception {
		open(FallbackSettings.writable("archive"), one());
		kill();
		Sources.execute(this.main, WRITE);
		try (Connection connection = this.main.getConnection()) {
			connection.setReadOnly(true);
			connection.setAutoCommit(false);
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, WRITE))
				.withMessageContaining("was asked to read only");
		}
		Sources.execute(this.archive, WRITE);
		assertThat(rows(this.archive)).isEqualTo("2");
		restart();
	}

	/**
	 * Tenants of both, while the one's server is killed and started again: nobody is
	 * anywhere else within a scope, and every row is where it belongs.
	 */
	@Test
	void underLoadWhileTheServerIsKilledAndComesBack() throws Exception {
		open(FallbackSettings.readOnly("archive"), Map.of("maximum-pool-size", "4", "connection-timeout", "20000"));
		AtomicBoolean running = new AtomicBoolean(true);
		AtomicInteger onFallback = new AtomicInteger();
		AtomicInteger attempted = new AtomicInteger();
		AtomicInteger written = new AtomicInteger();
		AtomicInteger writtenToArchive = new AtomicInteger();
		List<CompletableFuture<Void>> workers = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			workers.add(CompletableFuture.runAsync(() -> {
				while (running.get()) {
					work(onFallback, attempted, written);
				}
			}, (task) -> new Thread(task).start()));
		}
		workers.add(CompletableFuture.runAsync(() -> {
			while (running.get()) {
				try {
					Sources.execute(this.archive, WRITE);
					writtenToArchive.incrementAndGet();
				}
				catch (SQLException ex) {
					throw new IllegalStateException("its own tenants are not concerned", ex);
				}
			}
		}, (task) -> new Thread(task).start()));
		try {
			for (int i = 0; i < 2; i++) {
				int before = onFallback.get();
				mortal.kill();
				await().until(() -> onFallback.get() > before + 50);
				int soFar = written.get();
				restart();
				await().until(() -> written.get() > soFar + 20);
			}
		}
		finally {
			running.set(false);
		}
		workers.forEach(CompletableFuture::join);
		assertThat(rows(this.archive)).isEqualTo(writtenToArchive.toString());
		// One whose server dies under it may have been committed.
		assertThat(Integer.parseInt(rows(this.main))).isBetween(written.get(), attempted.get());
		await().untilAsserted(() -> {
			assertThat(this.sources.events).filteredOn(SourceEvent.FellBack.class::isInstance).hasSize(2);
			assertThat(this.sources.events).filteredOn(SourceEvent.Returned.class::isInstance).hasSize(2);
		});
	}

	private void work(AtomicInteger onFallback, AtomicInteger attempted, AtomicInteger written) {
		String first = null;
		try (Scope scope = TenantContext.enter("main")) {
			for (int i = 0; i < 3; i++) {
				String who = Sources.query(this.main, WHO);
				assertThat(who).isEqualTo((first != null) ? first : who);
				first = who;
			}
			if ("main".equals(first)) {
				attempted.incrementAndGet();
			}
			Sources.execute(this.main, WRITE);
			assertThat(first).isEqualTo("main");
			written.incrementAndGet();
		}
		catch (SQLException | SourceUnavailableException ex) {
			if ("archive".equals(first)) {
				assertThat(ex).hasStackTraceContaining("'archive' takes no writes");
				onFallback.incrementAndGet();
			}
		}
	}

}
