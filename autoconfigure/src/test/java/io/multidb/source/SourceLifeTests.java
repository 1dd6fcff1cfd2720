package io.multidb.source;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.logging.LogLevel;
import org.springframework.boot.logging.LoggingSystem;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

import io.multidb.InvalidDatasourcesException;
import io.multidb.InvalidTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * Tests for the corners of a source's life: failures while failing, races with closing,
 * listeners, hostile tenants, and what must not be left behind.
 */
class SourceLifeTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceDefinition.Builder template(String name, String file) {
		return SourceDefinition.named(name).url("jdbc:sqlite:" + this.directory + "/" + file);
	}

	@Test
	void aDrainingPoolIsClosedWithTheRegistry() throws Exception {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).registry();
		Source a = registry.get("a");
		try (Connection connection = a.getConnection()) {
			Pool pool = a.pool();
			registry.remove("a");
			assertThat(connection.isClosed()).isFalse();
			registry.close();
			assertThat(Sources.isClosed(pool)).isTrue();
		}
	}

	@Test
	void aSourceThatWasRemovedMeanwhileIsNotBroughtBackByDraining() throws SQLException {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).registry();
		Source a = registry.get("a");
		Sources.query(a, "select 1");
		registry.remove("a");
		a.life().drain();
		assertThat(a.isGone()).isTrue();
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(a::getConnection);
	}

	@Test
	void poolsThatWaitToBeClosedAreClosedWithTheRegistry() throws Exception {
		SourceRegistry registry = this.sources.registry();
		List<Pool> pools = new ArrayList<>();
		for (int i = 0; i < 20; i++) {
			registry.add(Sources.sqlite("s" + i, this.directory).build());
			Sources.query(registry.get("s" + i), "select 1");
			pools.add(registry.get("s" + i).pool());
		}
		for (int i = 0; i < 20; i++) {
			registry.remove("s" + i);
		}
		registry.close();
		Awaitility.await().untilAsserted(() -> assertThat(pools).allMatch(Sources::isClosed));
	}

	@Test
	void aFailureWhileFailingWedgesNothing() throws SQLException {
		AtomicInteger attempts = new AtomicInteger();
		Source a = this.sources.with(Sources.sqlite("a", this.directory)).with((definition, connection) -> {
			if (attempts.incrementAndGet() == 1) {
				throw new IllegalStateException() {
					@Override
					public String getMessage() {
						throw new IllegalArgumentException("not even this");
					}
				};
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		}).registry().get("a");
		assertThatThrownBy(a::getConnection).hasMessage("not even this");
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
	}

	@Test
	void anInterruptedThreadMakesASourceUnavailableForNobody() throws Exception {
		CountDownLatch opening = new CountDownLatch(1);
		AtomicInteger attempts = new AtomicInteger();
		Source a = this.sources.with(Sources.sqlite("a", this.directory)).with((definition, connection) -> {
			if (attempts.incrementAndGet() == 1) {
				opening.countDown();
				new CountDownLatch(1).await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		}).registry().get("a");
		AtomicReference<Throwable> failure = new AtomicReference<>();
		Thread first = new Thread(() -> failure.set(catchThrowable(a::getConnection)));
		first.start();
		assertThat(opening.await(60, TimeUnit.SECONDS)).isTrue();
		AtomicReference<String> answer = new AtomicReference<>();
		Thread second = new Thread(() -> {
			try {
				answer.set(Sources.query(a, "select 1"));
			}
			catch (SQLException ex) {
				answer.set(ex.toString());
			}
		});
		second.start();
		Awaitility.await().until(() -> second.getState() == Thread.State.TIMED_WAITING);
		first.interrupt();
		first.join();
		second.join();
		assertThat(failure.get()).isInstanceOf(SourceUnavailableException.class).hasMessageContaining("Interrupted");
		assertThat(answer).hasValue("1");
		assertThat(this.sources.events).noneMatch(SourceEvent.Unavailable.class::isInstance);
	}

	@Test
	void anInterruptedCreatorLeavesNothingAndTheNextOneSucceeds() throws Exception {
		SourceRegistry registry = this.sources
			.with(Sources.template(template("t", "{id}.db").build(), "t-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		Thread.currentThread().interrupt();
		Throwable failure = catchThrowable(() -> registry.create("t-1"));
		boolean interrupted = Thread.interrupted();
		assertThat(failure == null || interrupted).as("a failure keeps the interrupt").isTrue();
		registry.create("t-1");
		assertThat(this.directory.resolve("1.db")).exists();
		try (var files = Files.list(this.directory)) {
			assertThat(files).noneMatch((file) -> file.getFileName().toString().endsWith(".tmp"));
		}
	}

	@Test
	void aListenerMayUseTheSourceItIsToldOf() {
		AtomicReference<SourceRegistry> registry = new AtomicReference<>();
		List<String> seen = new CopyOnWriteArrayList<>();
		SourceDefinition definition = template("t", "{id}.db").hikari(Map.of("connection-timeout", "2000")).build();
		registry.set(new SourceRegistry(List.of(),
				List.of(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, null)), SourceMigrator.NONE,
				(event) -> {
					if (event instanceof SourceEvent.Created) {
						try {
							Sources.execute(registry.get().get(event.source()), "create table seed (x)");
							seen.add("seeded");
						}
						catch (SQLException ex) {
							seen.add(ex.toString());
						}
					}
				}));
		try (SourceRegistry opened = registry.get()) {
			opened.create("t-1");
			assertThat(seen).containsExactly("seeded");
		}
	}

	@Test
	void aListenerThatFailsChangesNothing() throws SQLException {
		SourceRegistry registry = new SourceRegistry(List.of(Sources.sqlite("a", this.directory).build()), List.of(),
				SourceMigrator.NONE, (event) -> {
					throw new IllegalStateException("listener");
				});
		try (registry) {
			assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
		}
	}

	@Test
	void whoMeasuresAndFailsChangesNothing() throws SQLException {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory))
			.with(Sources.sqlite("b", this.directory))
			.registry();
		registry.measure(new PoolListener() {

			@Override
			public void opened(Source source, LeaseCounts counts) {
				throw new IllegalStateException("opened");
			}

			@Override
			public void removed(Source source) {
				throw new AssertionError("removed");
			}

		}, 1);
		assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
		registry.removeAll(List.of("a", "b"));
		assertThat(registry.sources()).isEmpty();
		assertThat(this.sources.events).filteredOn(SourceEvent.Removed.class::isInstance).hasSize(2);
	}

	@Test
	void whoIsToldByAThreadThatIsInterruptedIsNotStoppedByThat() throws SQLException {
		List<Boolean> interrupted = new CopyOnWriteArrayList<>();
		SourceMigrator migrator = (definition, connection) -> {
			Thread.currentThread().interrupt();
			return SourceMigrator.Outcome.MIGRATED;
		};
		SourceRegistry registry = new SourceRegistry(List.of(Sources.sqlite("a", this.directory).build()), List.of(),
				migrator, (event) -> interrupted.add(Thread.currentThread().isInterrupted()));
		registry.measure(new PoolListener() {

			@Override
			public void opened(Source source, LeaseCounts counts) {
				interrupted.add(Thread.currentThread().isInterrupted());
			}

			@Override
			public void removed(Source source) {
				interrupted.add(Thread.currentThread().isInterrupted());
			}

		}, 1);
		try (registry) {
			Throwable failure = catchThrowable(() -> registry.prepare("a"));
			assertThat(failure).isNull();
			assertThat(Thread.interrupted()).as("left to whoever it is meant for").isTrue();
			Sources.query(registry.get("a"), "select 1");
			assertThat(Thread.interrupted()).isTrue();
			Thread.currentThread().interrupt();
			registry.remove("a");
			assertThat(Thread.interrupted()).isTrue();
			assertThat(interrupted).hasSizeGreaterThanOrEqualTo(5).containsOnly(false);
		}
		finally {
			boolean unused = Thread.interrupted();
		}
	}

	@Test
	void eventsAreToldInTheOrderInWhichThingsHappened() throws SQLException {
		AtomicReference<SourceRegistry> registry = new AtomicReference<>();
		List<String> seen = new CopyOnWriteArrayList<>();
		SourceMigrator migrator = (definition, connection) -> SourceMigrator.Outcome.MIGRATED;
		registry.set(new SourceRegistry(List.of(Sources.sqlite("a", this.directory).build()), List.of(), migrator,
				(event) -> {
					seen.add(event.getClass().getSimpleName());
					if (event instanceof SourceEvent.Migrated) {
						registry.get().remove("a");
					}
				}));
		try (SourceRegistry opened = registry.get()) {
			Source removed = opened.get("a");
			// Whoever opened it had his connection before anybody could take it away.
			try (Connection first = removed.getConnection()) {
				assertThat(Sources.query(first, "select 1")).isEqualTo("1");
			}
			assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(removed::getConnection);
			Awaitility.await().untilAsserted(() -> assertThat(seen).hasSize(4));
			assertThat(seen).containsExactly("Migrated", "Opened", "Removed", "Closed");
		}
	}

	@Test
	void whatMigratesASourceCannotWaitForItself() {
		AtomicReference<Source> itself = new AtomicReference<>();
		itself.set(this.sources.with(Sources.sqlite("a", this.directory)).with((definition, connection) -> {
			Sources.query(itself.get(), "select 1");
			return SourceMigrator.Outcome.UNTOUCHED;
		}).registry().get("a"));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> itself.get().getConnection())
			.withMessageContaining("by this very thread");
	}

	@Test
	void templatesThatCouldShareADatabaseAreRefused() {
		this.sources.with(Sources.template(template("a", "{id}.db").build(), "a-{id}", CreatePolicy.EXPLICIT, null))
			.with(Sources.template(template("b", "x{id}.db").build(), "b-{id}", CreatePolicy.EXPLICIT, null));
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(this.sources::registry)
			.withMessageContaining("'a'")
			.withMessageContaining("'b'")
			.withMessageContaining("same database");
	}

	@Test
	void templatesInTwoDirectoriesAreFine() {
		this.sources.with(Sources.template(template("a", "a/{id}.db").build(), "a-{id}", CreatePolicy.EXPLICIT, null))
			.with(Sources.template(template("b", "b/{id}.db").build(), "b-{id}", CreatePolicy.EXPLICIT, null));
		assertThat(this.sources.registry().isTemplate("b")).isTrue();
	}

	@Test
	void noSourceIsAddedOnTheDatabaseOfATemplatesTenant() {
		SourceRegistry registry = this.sources
			.with(Sources.template(template("a", "{id}.db").build(), "a-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		registry.create("a-1");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry.add(template("x", "1.db").build()))
			.withMessageContaining("'a-1'");
	}

	@Test
	void templatesThatOverlapAreAskedInOrder() {
		this.directory.resolve("a").toFile().mkdir();
		this.directory.resolve("b").toFile().mkdir();
		SourceRegistry registry = this.sources
			.with(Sources.template(template("a", "a/{id}.db").build(), "a-{id}", CreatePolicy.EXPLICIT, null))
			.with(Sources.template(template("b", "b/{tenant}.db").build(), "{tenant}", CreatePolicy.EXPLICIT, null))
			.registry();
		registry.create("a-1");
		assertThat(this.directory.resolve("a/1.db")).exists();
		assertThat(registry.get("a-1").definition().template()).isEqualTo("a");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> registry.get("a", "z"))
			.withMessageContaining("serves 'a-{id}'");
	}

	@Test
	void tenantsThatDifferInCaseAreRefusedWhereTheDatabaseCannotTellThem() {
		SourceRegistry registry = this.sources.with(Sources.template(
				SourceDefinition.named("t").url("jdbc:postgresql://localhost/db?currentSchema={tenant}").build(),
				"{tenant}", CreatePolicy.NEVER, null))
			.registry();
		assertThat(registry.get("acme").definition().url().text()).endsWith("currentSchema=acme");
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> registry.get("Acme"))
			.withMessageContaining("'acme'");
	}

	@Test
	void inventedTenantsOfATemplateThatIsDownAreNotAllRemembered() {
		SourceRegistry registry = this.sources.with(Sources.template(
				SourceDefinition.named("t").url("jdbc:postgresql://localhost:1/{id}").username("u").build(), "t-{id}",
				CreatePolicy.NEVER, null))
			.registry();
		for (int i = 0; i < 150; i++) {
			Source source = registry.get("t-" + i);
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection);
		}
		assertThat(registry.sources()).hasSizeLessThanOrEqualTo(100);
	}

	@Test
	void retriesThatNeverEndDoNotHoldUpTheRecoveryOfOthers() throws Exception {
		CountDownLatch hanging = new CountDownLatch(3);
		Set<String> failed = ConcurrentHashMap.newKeySet();
		this.sources.with((definition, connection) -> {
			if (failed.add(definition.name())) {
				throw new SQLException("down");
			}
			if (definition.name().startsWith("silent")) {
				hanging.countDown();
				new CountDownLatch(1).await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		List<String> names = List.of("silent0", "silent1", "silent2", "good");
		names.forEach((name) -> this.sources.with(Sources.sqlite(name, this.directory)));
		SourceRegistry registry = this.sources.registry();
		for (String name : names) {
			if (name.equals("good")) {
				hanging.await();
			}
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> registry.get(name).getConnection());
		}
		Awaitility.await().until(() -> registry.get("good").state() instanceof SourceState.Cold);
	}

	@Test
	void aClosedPoolIsNotKeptAliveByTheThreadsThatUsedIt() throws Exception {
		SourceRegistry registry = this.sources.registry();
		List<WeakReference<Object>> pools = new ArrayList<>();
		for (int i = 0; i < 30; i++) {
			registry.add(Sources.sqlite("s" + i, this.directory).build());
			Sources.query(registry.get("s" + i), "select 1");
			pools.add(new WeakReference<>(registry.get("s" + i).pool()));
			registry.remove("s" + i);
		}
		Awaitility.await().pollInterval(Duration.ofMillis(100)).untilAsserted(() -> {
			System.gc();
			assertThat(pools).filteredOn((pool) -> pool.get() != null).hasSizeLessThan(3);
		});
	}

	@Test
	void aConnectionThatArrivesAfterItsPoolWasClosedIsClosed() throws Exception {
		SlowDriver driver = new SlowDriver();
		DriverManager.registerDriver(driver);
		try {
			Source slow = this.sources
				.with(SourceDefinition.named("slow")
					.url("jdbc:slow:" + this.directory + "/slow.db")
					.hikari(Map.of("connection-timeout", "300")))
				.registry()
				.get("slow");
			try (Connection first = slow.getConnection()) {
				driver.hold = new CountDownLatch(1);
				assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(slow::getConnection);
				assertThat(first.isClosed()).isFalse();
			}
			Thread closing = new Thread(this.sources::close);
			closing.start();
			Awaitility.await().until(() -> slow.state() instanceof SourceState.Removed);
			driver.hold.countDown();
			closing.join();
			Awaitility.await().untilAsserted(() -> assertThat(driver.open()).isZero());
		}
		finally {
			DriverManager.deregisterDriver(driver);
		}
	}

	@Test
	void aSecretIsInNoCauseEither() {
		Source source = this.sources
			.with(SourceDefinition.named("p")
				.url("jdbc:postgresql://localhost:notaport/db?user=x&password=s3cretive")
				.driverClassName("org.postgresql.Driver"))
			.registry()
			.get("p");
		StringWriter trace = new StringWriter();
		catchThrowable(source::getConnection).printStackTrace(new PrintWriter(trace));
		assertThat(trace.toString()).contains("SourceUnavailableException").doesNotContain("s3cretive");
	}

	@Test
	@ExtendWith(OutputCaptureExtension.class)
	void aSecretIsNotInWhatHikariLogsEither(CapturedOutput output) throws SQLException {
		LoggingSystem logging = LoggingSystem.get(getClass().getClassLoader());
		logging.setLogLevel("com.zaxxer.hikari", LogLevel.DEBUG);
		try {
			Source source = this.sources
				.with(SourceDefinition.named("m")
					.url("jdbc:sqlite::memory:")
					.hikari(Map.of("data-source-properties.sslpassword", "s3cretive")))
				.registry()
				.get("m");
			assertThat(Sources.query(source, "select 1")).isEqualTo("1");
			assertThat(source.pool()).isInstanceOf(HikariConnections.class);
		}
		finally {
			logging.setLogLevel("com.zaxxer.hikari", null);
		}
		assertThat(output.toString()).contains("maximumPoolSize").doesNotContain("s3cretive");
	}

	@Test
	void aFormerPasswordIsNotToldToThoseWhoWaitedWhileItWasReplaced() throws Exception {
		SlowDriver driver = new SlowDriver();
		DriverManager.registerDriver(driver);
		try {
			SourceDefinition.Builder definition = SourceDefinition.named("slow")
				.url("jdbc:slow:" + this.directory + "/slow.db")
				.hikari(Map.of("connection-timeout", "1500", "maximum-pool-size", "2"));
			SourceRegistry registry = this.sources.with(definition.password("s3cretive")).registry();
			Source slow = registry.get("slow");
			Connection first = slow.getConnection();
			driver.refusedPassword = "s3cretive";
			CompletableFuture<Throwable> waiting = CompletableFuture
				.supplyAsync(() -> catchThrowable(slow::getConnection));
			Awaitility.await().until(() -> driver.refused.get() > 0);
			registry.replace(definition.password("another").build());
			StringWriter trace = new StringWriter();
			waiting.join().printStackTrace(new PrintWriter(trace));
			assertThat(trace.toString()).contains("gave no connection", "is refused").doesNotContain("s3cretive");
			first.close();
		}
		finally {
			this.sources.close();
			DriverManager.deregisterDriver(driver);
		}
	}

	@Test
	void aSecretInALongMessageOrASuppressedExceptionIsInNoCauseEither() {
		Source source = this.sources.with(Sources.sqlite("a", this.directory).password("s3cretive"))
			.with((definition, connection) -> {
				SQLException failure = new SQLException("insert ".repeat(1000),
						new SQLException("x".repeat(5000) + "s3cretive"));
				failure.addSuppressed(new SQLException("password s3cretive"));
				throw failure;
			})
			.registry()
			.get("a");
		StringWriter trace = new StringWriter();
		catchThrowable(source::getConnection).printStackTrace(new PrintWriter(trace));
		assertThat(trace.toString()).doesNotContain("s3cretive");
	}

	@Test
	void aLongMessageIsCutBeforeItIsSearchedForSecrets() {
		SourceDefinition definition = SourceDefinition.named("p").url("jdbc:sqlite:x.db").build();
		String row = "{\"key\":\"value\",".repeat(100_000);
		assertThat(ConnectFailure.withoutSecrets(definition, row)).hasSizeLessThan(2_100);
	}

	@Test
	void aTemplateOfFileUrisIsUsedAsItIs() throws SQLException {
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.directory + "/1.db")) {
			Sources.execute(connection, "create table t (x)");
		}
		SourceRegistry registry = this.sources.with(Sources.template(
				SourceDefinition.named("t").url("jdbc:sqlite:file:" + this.directory + "/{id}.db").build(), "t-{id}",
				CreatePolicy.NEVER, null))
			.registry();
		assertThat(Sources.query(registry.get("t-1"), "select count(*) from t")).isEqualTo("0");
	}

	@Test
	void initSqlRunsOnceOnEveryConnectionAndBeforeAnyMigration() throws SQLException {
		List<String> seen = new CopyOnWriteArrayList<>();
		Source a = this.sources
			.with(Sources.sqlite("a", this.directory)
				.hikari(Map.of("connection-init-sql", "create temp table once (x)")))
			.with((definition, connection) -> {
				seen.add(Sources.query(connection, "select count(*) from once"));
				return SourceMigrator.Outcome.CHECKED;
			})
			.registry()
			.get("a");
		assertThat(Sources.query(a, "select count(*) from once")).isEqualTo("0");
		assertThat(seen).containsExactly("0");
	}

	@Test
	void initSqlAndDriverPropertiesHoldForADatabaseThatIsBeingMadeToo() throws SQLException {
		List<String> seen = new CopyOnWriteArrayList<>();
		SourceDefinition definition = template("t", "{id}.db")
			.hikari(Map.of("connection-init-sql", "create temp table once (x)", "data-source-properties.page_size",
					"8192"))
			.build();
		SourceRegistry registry = this.sources.with(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, null))
			.with((made, connection) -> {
				seen.add(Sources.query(connection, "select count(*) from once"));
				Sources.execute(connection, "create table if not exists t (x)");
				return SourceMigrator.Outcome.MIGRATED;
			})
			.registry();
		registry.create("t-1");
		assertThat(seen).containsExactly("0");
		assertThat(Sources.query(registry.get("t-1"), "pragma page_size")).isEqualTo("8192");
	}

	@Test
	void aRetryThatDiesOfItsThreadIsFollowedByAnother() throws Exception {
		AtomicInteger attempts = new AtomicInteger();
		Source a = this.sources.with(Sources.sqlite("a", this.directory)).with((definition, connection) -> {
			switch (attempts.incrementAndGet()) {
				case 1 -> throw new SQLException("down");
				case 2 -> throw new StackOverflowError("test");
				default -> {
					return SourceMigrator.Outcome.UNTOUCHED;
				}
			}
		}).registry().get("a");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(a::getConnection);
		Awaitility.await().untilAsserted(() -> assertThat(a.state()).isInstanceOf(SourceState.Cold.class));
		assertThat(attempts).hasValue(3);
		// Told afterwards.
		Awaitility.await()
			.untilAsserted(() -> assertThat(this.sources.events).filteredOn(SourceEvent.Recovered.class::isInstance)
				.hasSize(1));
	}

	@Test
	void causesThatGoRoundInACircleEndSomewhere() {
		Source a = this.sources.with(Sources.sqlite("a", this.directory)).with((definition, connection) -> {
			SQLException one = new SQLException("one");
			SQLException two = new SQLException("two", one);
			one.initCause(two);
			throw one;
		}).registry().get("a");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(a::getConnection);
	}

	@Test
	void aTenantThatIsForgottenInTheMiddleOfACreationRaceIsNeverUnknown() throws Exception {
		AtomicInteger attempts = new AtomicInteger();
		SourceRegistry registry = this.sources
			.with(Sources.template(template("t", "{id}.db").build(), "t-{id}", CreatePolicy.ON_FIRST_USE, null))
			.with((made, connection) -> {
				if (attempts.incrementAndGet() % 2 == 1) {
					throw new SQLException("every other time");
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			})
			.registry();
		RoutingDataSource router = new RoutingDataSource(
				new Routes(List.of(new Route(List.of(NamePattern.of("t-{id}")), "t")), null, registry));
		for (int round = 0; round < 50; round++) {
			String tenant = "t-" + round;
			List<Object> outcomes = Race.run(4, () -> TenantContext.<String, SQLException>call(tenant, () -> {
				try (Connection connection = router.getConnection()) {
					return "open";
				}
			}));
			assertThat(outcomes).allSatisfy((outcome) -> {
				if (outcome instanceof SQLException failure) {
					assertThat(failure.getCause()).isInstanceOf(SourceUnavailableException.class);
				}
			});
		}
	}

	/** A driver in front of SQLite that connects when it is let. */
	private static final class SlowDriver extends TestDriver {

		private final List<Connection> made = new CopyOnWriteArrayList<>();

		private volatile CountDownLatch hold = new CountDownLatch(0);

		private volatile String refusedPassword;

		private final AtomicInteger refused = new AtomicInteger();

		SlowDriver() {
			super("jdbc:slow:");
		}

		long open() throws SQLException {
			long open = 0;
			for (Connection connection : this.made) {
				open += connection.isClosed() ? 0 : 1;
			}
			return open;
		}

		@Override
		public Connection connect(String url, Properties properties) throws SQLException {
			if (!acceptsURL(url)) {
				return null;
			}
			boolean interrupted = false;
			while (this.hold.getCount() > 0) {
				try {
					this.hold.await();
				}
				catch (InterruptedException ex) {
					interrupted = true;
				}
			}
			if (interrupted) {
				Thread.currentThread().interrupt();
			}
			String password = properties.getProperty("password");
			if (password != null && password.equals(this.refusedPassword)) {
				this.refused.incrementAndGet();
				throw new SQLException(password + " is refused", "28000");
			}
			Connection connection = DriverManager.getConnection(url.replace("jdbc:slow:", "jdbc:sqlite:"));
			this.made.add(connection);
			return connection;
		}

	}

}
