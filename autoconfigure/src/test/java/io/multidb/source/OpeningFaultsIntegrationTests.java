package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import io.multidb.MultiDbException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Whatever fails while a source is opened, no connection, permit, handle, thread or place
 * of it is left, and it can be opened afterwards.
 */
class OpeningFaultsIntegrationTests {

	private static final int TIMES = 5;

	private static TestPostgres server;

	@TempDir
	private Path directory;

	private SourceRegistry registry;

	private Fault fault;

	/** What goes wrong. */
	enum Fault {

		MIGRATION_FAILS, MIGRATION_DIES, MIGRATION_INTERRUPTED, REMOVED_MEANWHILE, CUT_MEANWHILE, METERS_FAIL,
		METERS_DIE, BEGIN_OF_WATCH_FAILS, END_OF_WATCH_FAILS, END_OF_WATCH_DIES, LISTENER_DIES

	}

	@BeforeAll
	static void start() {
		server = TestPostgres.start();
	}

	@AfterAll
	static void stop() throws Exception {
		server.close();
	}

	@AfterEach
	void close() {
		this.fault = null;
		this.registry.close();
		await().until(() -> Sources.threads("multidb-").isEmpty());
	}

	@ParameterizedTest
	@EnumSource
	void nothingIsLeftOnPostgres(Fault fault) throws Exception {
		SourceDefinition definition = server.source("a", "postgres").url(url()).build();
		SourceRegistry registry = registry();
		provoke(registry, definition, fault);
		await("connections").until(() -> connections() == 0);
		await("permits").untilAsserted(() -> assertThat(registry.servers())
			.allSatisfy((state) -> assertThat(state.inUse() + state.idle() + state.waiting()).isZero()));
		assertNothingIsLeft(registry);
		this.fault = null;
		registry.add(definition);
		assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
		assertThat(connections()).isOne();
	}

	@ParameterizedTest
	@EnumSource
	@EnabledOnOs(OS.LINUX)
	void nothingIsLeftOnSqlite(Fault fault) throws Exception {
		SourceDefinition definition = Sources.sqlite("a", this.directory).build();
		SourceRegistry registry = registry();
		provoke(registry, definition, fault);
		await("handles").until(() -> Sources.openFiles(this.directory.toRealPath()).isEmpty());
		assertNothingIsLeft(registry);
		this.fault = null;
		registry.add(definition);
		assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
	}

	private static String url() {
		return server.url("postgres") + "?ApplicationName=faults";
	}

	private static int connections() throws SQLException {
		try (Connection connection = server.connect("postgres")) {
			return Integer.parseInt(Sources.query(connection,
					"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'faults'"));
		}
	}

	private SourceRegistry registry() {
		SourceRegistry registry = new SourceRegistry(List.of(), List.of(), this::migrate, (event) -> {
			if (this.fault == Fault.LISTENER_DIES && event instanceof SourceEvent.Opened) {
				throw new StackOverflowError("on purpose");
			}
		}, CallerSession.NONE, new PoolLimits(3, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(2)));
		registry.measure(new PoolListener() {

			@Override
			public void opened(Source source, LeaseCounts counts) {
				fail(Fault.METERS_FAIL, Fault.METERS_DIE);
			}

			@Override
			public void removed(Source source) {
				// Nothing is kept.
			}

			@Override
			public MetricsTrackerFactory tracker(String source) {
				fail(Fault.METERS_FAIL, Fault.METERS_DIE);
				return null;
			}

		}, 1);
		registry.watch((activity, source, product) -> {
			fail(Fault.BEGIN_OF_WATCH_FAILS, null);
			return (outcome, failure) -> fail(Fault.END_OF_WATCH_FAILS, Fault.END_OF_WATCH_DIES);
		});
		this.registry = registry;
		return registry;
	}

	private void fail(Fault failing, Fault dying) {
		if (this.fault == failing) {
			throw new IllegalStateException("on purpose");
		}
		if (dying != null && this.fault == dying) {
			throw new StackOverflowError("on purpose");
		}
	}

	private SourceMigrator.Outcome migrate(SourceDefinition definition, Connection connection) throws Exception {
		if (this.fault == null || this.fault.compareTo(Fault.CUT_MEANWHILE) > 0) {
			return SourceMigrator.Outcome.UNTOUCHED;
		}
		connection.setAutoCommit(false);
		Sources.execute(connection, "create table half (x int)");
		switch (this.fault) {
			case MIGRATION_FAILS -> throw new SQLException("on purpose");
			case MIGRATION_DIES -> throw new StackOverflowError("on purpose");
			case MIGRATION_INTERRUPTED -> {
				Thread.currentThread().interrupt();
				throw new InterruptedException("on purpose");
			}
			case REMOVED_MEANWHILE -> this.registry.remove("a");
			case CUT_MEANWHILE -> connection.abort(Runnable::run);
			default -> throw new IllegalStateException();
		}
		if (this.fault == Fault.REMOVED_MEANWHILE) {
			connection.rollback();
			connection.setAutoCommit(true);
		}
		return SourceMigrator.Outcome.MIGRATED;
	}

	private void provoke(SourceRegistry registry, SourceDefinition definition, Fault fault) throws Exception {
		this.fault = fault;
		for (int i = 0; i < TIMES; i++) {
			registry.add(definition);
			Source source = registry.get("a");
			try (Connection connection = source.getConnection()) {
				assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
			}
			catch (SQLException | MultiDbException | Error ex) {
				// It may fail, or not.
				assertThat(ex).isNotInstanceOf(AssertionError.class);
			}
			boolean unused = Thread.interrupted();
			assertThat(source.leases()).isZero();
			registry.remove("a");
		}
	}

	private static void assertNothingIsLeft(SourceRegistry registry) {
		await("places").until(() -> registry.openPools().isEmpty());
		await("attention").until(() -> registry.attention().get() == 0);
		assertThat(registry.sources()).isEmpty();
	}

}
