package io.multidb.source;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link SourceRegistry} and {@link Source} on SQLite files.
 */
class SourceRegistryTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	@Test
	void opensAPoolOnFirstUseAndNotBefore() throws SQLException {
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).registry().get("lisbon");
		assertThat(lisbon.state()).isInstanceOf(SourceState.Cold.class);
		assertThat(this.directory).isEmptyDirectory();
		Sources.execute(lisbon, "create table t (x)");
		assertThat(lisbon.state()).isInstanceOf(SourceState.Open.class);
		assertThat(this.directory.resolve("lisbon.db")).exists();
	}

	@Test
	void sourcesOfOneNameAreToldApart() {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory))
			.with(Sources.sqlite("b", this.directory))
			.registry();
		assertThat(registry.get("a").identity()).isEqualTo("a");
		for (String identity : List.of("a#2", "a#3")) {
			registry.remove("a");
			registry.add(Sources.sqlite("a", this.directory).build());
			assertThat(registry.get("a").identity()).isEqualTo(identity);
		}
		assertThat(registry.get("b").identity()).isEqualTo("b");
	}

	@Test
	void aTemplatesSourceComesBackAsTheSame() throws SQLException {
		SourceRegistry registry = this.sources.with(numbered()).registry();
		registry.create("t-1");
		Source before = registry.get("t-1");
		Sources.execute(before, "create table t (x)");
		assertThat(registry.drain("t-1")).isTrue();
		assertThat(before.isGone()).isTrue();
		assertThat(Sources.query(registry.get("t-1"), "select count(*) from t")).isEqualTo("0");
		assertThat(registry.get("t-1").identity()).isEqualTo(before.identity()).isEqualTo("t-1");
	}

	@Test
	void aTemplatesSourceIsNotTakenForADeclaredOneOfItsName() {
		SourceRegistry registry = this.sources.with(Sources.sqlite("t-1", this.directory)).with(numbered()).registry();
		assertThat(registry.get("t-1").identity()).isEqualTo("t-1");
		registry.remove("t-1");
		assertThat(registry.get("t-1").definition().template()).isEqualTo("t");
		assertThat(registry.get("t-1").identity()).isEqualTo("t-1#2");
		registry.drain("t-1");
		assertThat(registry.get("t-1").identity()).isEqualTo("t-1#2");
		registry.drain("t-1");
		registry.add(Sources.sqlite("t-1", this.directory).build());
		assertThat(registry.get("t-1").definition().template()).isNull();
		assertThat(registry.get("t-1").identity()).isEqualTo("t-1#3");
	}

	@Test
	void whoIsRefusedTheNameOfATemplatesSourceLeavesItAsItIs() {
		SourceRegistry registry = this.sources.with(Sources.sqlite("main", this.directory)).with(numbered()).registry();
		assertThat(registry.get("t-1").identity()).isEqualTo("t-1");
		SourceDefinition mains = SourceDefinition.named("t-1")
			.url("jdbc:sqlite:" + this.directory.resolve("main.db"))
			.build();
		for (SourceDefinition refused : List.of(mains, Sources.sqlite("t-1", this.directory).build())) {
			assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(() -> registry.add(refused));
			registry.drain("t-1");
			assertThat(registry.find("t-1")).isNull();
			assertThat(registry.get("t-1").identity()).isEqualTo("t-1");
		}
	}

	private SourceTemplate numbered() {
		return Sources.template(
				SourceDefinition.named("t").url("jdbc:sqlite:" + this.directory.resolve("{id}.db")).build(), "t-{id}",
				CreatePolicy.EXPLICIT, null);
	}

	@Test
	void threadsThatRaceOpenOnePool() throws Exception {
		AtomicInteger migrations = new AtomicInteger();
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).with((definition, connection) -> {
			migrations.incrementAndGet();
			LockSupport.parkNanos(50_000_000);
			return SourceMigrator.Outcome.UNTOUCHED;
		}).registry().get("lisbon");
		List<Object> outcomes = Race.run(16, () -> Sources.query(lisbon, "select 1"));
		assertThat(outcomes).containsOnly("1");
		assertThat(migrations).hasValue(1);
		assertThat(this.sources.events).filteredOn(SourceEvent.Opened.class::isInstance).hasSize(1);
	}

	@Test
	void sqliteConnectionsHaveSanePragmas() throws SQLException {
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).registry().get("lisbon");
		assertThat(Sources.query(lisbon, "pragma journal_mode")).isEqualTo("wal");
		assertThat(Sources.query(lisbon, "pragma busy_timeout")).isEqualTo("5000");
		assertThat(Sources.query(lisbon, "pragma foreign_keys")).isEqualTo("1");
	}

	@Test
	void dataSourcePropertiesGoBeforeOurDefaults() throws SQLException {
		Source lisbon = this.sources
			.with(Sources.sqlite("lisbon", this.directory).hikari(Map.of("data-source-properties.busy_timeout", "77")))
			.registry()
			.get("lisbon");
		assertThat(Sources.query(lisbon, "pragma busy_timeout")).isEqualTo("77");
	}

	@Test
	void whatTheUrlSaysGoesBeforeOurDefaults() throws SQLException {
		Source lisbon = this.sources
			.with(SourceDefinition.named("lisbon")
				.url("jdbc:sqlite:" + this.directory.resolve("lisbon.db")
						+ "?busy_timeout=77&foreign_keys=false&journal_mode=delete"))
			.registry()
			.get("lisbon");
		assertThat(Sources.query(lisbon, "pragma busy_timeout")).isEqualTo("77");
		assertThat(Sources.query(lisbon, "pragma foreign_keys")).isEqualTo("0");
		assertThat(Sources.query(lisbon, "pragma journal_mode")).isEqualTo("delete");
	}

	@Test
	void theFirstConnectionOfAPoolIsTheOneThatOpenedTheSource() throws SQLException {
		AtomicInteger opened = new AtomicInteger();
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).with((definition, connection) -> {
			Sources.execute(connection, "create temp table mine (x)");
			opened.incrementAndGet();
			return SourceMigrator.Outcome.UNTOUCHED;
		}).registry().get("lisbon");
		assertThat(Sources.query(lisbon, "select count(*) from mine")).isEqualTo("0");
		assertThat(opened).hasValue(1);
	}

	@Test
	void addedSourcesAreUsableAndRemovedOnesAreGone() throws SQLException {
		SourceRegistry registry = this.sources.registry();
		registry.add(Sources.sqlite("porto", this.directory).build());
		Source porto = registry.get("porto");
		Sources.execute(porto, "create table t (x)");
		assertThat(registry.remove("porto")).isTrue();
		assertThat(registry.remove("porto")).isFalse();
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("porto"))
			.withMessageContaining("porto");
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(porto::getConnection);
		assertThat(this.directory.resolve("porto.db")).as("the database is left alone").exists();
	}

	@Test
	void aRemovedSourceMayBeAddedAgain() throws SQLException {
		SourceRegistry registry = this.sources.registry();
		registry.add(Sources.sqlite("porto", this.directory).build());
		registry.remove("porto");
		registry.add(Sources.sqlite("porto", this.directory).build());
		assertThat(Sources.query(registry.get("porto"), "select 1")).isEqualTo("1");
	}

	@Test
	void removingCutsNothingThatIsInUse() throws SQLException {
		SourceRegistry registry = this.sources.with(Sources.sqlite("porto", this.directory)).registry();
		Source porto = registry.get("porto");
		try (Connection connection = porto.getConnection()) {
			Sources.execute(connection, "create table t (x)");
			registry.remove("porto");
			assertThat(porto.state()).isInstanceOf(SourceState.Draining.class);
			Sources.execute(connection, "insert into t values (1)");
			assertThat(Sources.query(connection, "select count(*) from t")).isEqualTo("1");
			assertThat(this.sources.events).contains(new SourceEvent.Removed("porto", 1));
		}
		Awaitility.await()
			.untilAsserted(() -> assertThat(this.sources.events).contains(new SourceEvent.Closed("porto")));
		assertThat(porto.state()).isInstanceOf(SourceState.Removed.class);
	}

	@Test
	void aConnectionClosedTwiceEndsOneLease() throws SQLException {
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).registry().get("lisbon");
		Connection first = lisbon.getConnection();
		try (Connection second = lisbon.getConnection()) {
			first.close();
			first.close();
			assertThat(lisbon.leases()).isEqualTo(1);
			assertThat(second.isClosed()).isFalse();
		}
		assertThat(lisbon.leases()).isZero();
	}

	@Test
	void refusesNamesThatBindingWouldMerge() {
		SourceRegistry registry = this.sources.with(Sources.sqlite("ny_appeals", this.directory)).registry();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry.add(Sources.sqlite("NyAppeals", this.directory).build()))
			.withMessageContaining("ny_appeals")
			.withMessageContaining("NyAppeals");
	}

	@Test
	void saysThatThereIsASourceOfTheNameAlready() {
		SourceRegistry registry = this.sources.with(Sources.sqlite("porto", this.directory)).registry();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry
				.add(SourceDefinition.named("porto").url("jdbc:sqlite:" + this.directory.resolve("new.db")).build()))
			.withMessage("There is a source 'porto' already: replace it, or take another name.");
	}

	@Test
	void refusesTwoSourcesOfOneDatabase() {
		SourceRegistry registry = this.sources.with(Sources.sqlite("lisbon", this.directory)).registry();
		String url = "jdbc:sqlite:" + this.directory + "/sub/../lisbon.db";
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry.add(SourceDefinition.named("porto").url(url).build()))
			.withMessageContaining("same database");
		assertThat(registry.find("porto")).isNull();
	}

	@Test
	void refusesHikariSettingsThatTheSourceDecides() {
		SourceRegistry registry = this.sources.registry();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry
				.add(Sources.sqlite("lisbon", this.directory).hikari(Map.of("jdbc-url", "jdbc:x")).build()))
			.withMessageContaining("jdbc-url");
	}

	@Test
	void aMissingDirectoryIsNamed() {
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory.resolve("missing")))
			.registry()
			.get("lisbon");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(lisbon::getConnection)
			.withMessageContaining("missing' does not exist")
			.withMessageContaining("'app.datasources.lisbon.url'");
		assertThat(this.directory).isEmptyDirectory();
	}

	@Test
	void aDirectoryThatIsNotWritableIsNamed() throws IOException {
		Path locked = Sources.notWritable(this.directory);
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", locked)).registry().get("lisbon");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(lisbon::getConnection)
			.withMessageContaining("No file can be made in the directory '" + locked + "'");
	}

	@Test
	void aFileThatIsNoDatabaseIsNamedAndLeftAlone() throws IOException {
		Path file = this.directory.resolve("lisbon.db");
		Files.writeString(file, "this is not a database, it is a letter to my aunt. ".repeat(100));
		byte[] before = Files.readAllBytes(file);
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).registry().get("lisbon");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(lisbon::getConnection)
			.withMessageContaining("file is not a database");
		assertThat(file).hasBinaryContent(before);
	}

	@Test
	void aMissingDriverIsNamed() {
		Source source = this.sources.with(SourceDefinition.named("x").url("jdbc:nosuch://h/db")).registry().get("x");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("Add the JDBC driver");
	}

	@Test
	void aMissingDriverClassIsNamed() {
		Source source = this.sources.with(Sources.sqlite("x", this.directory).driverClassName("com.example.Nope"))
			.registry()
			.get("x");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("com.example.Nope");
	}

	@Test
	void usersOfAnUnavailableSourceFailAtOnceAndItComesBackByItself() throws IOException, SQLException {
		Path later = this.directory.resolve("later");
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", later)).registry().get("lisbon");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(lisbon::getConnection);
		assertThat(lisbon.state()).isInstanceOf(SourceState.Unavailable.class);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(lisbon::getConnection)
			.satisfies((ex) -> assertThat(ex.retryAfter()).isPositive())
			.withMessageContaining("does not exist");
		Files.createDirectory(later);
		Awaitility.await().untilAsserted(() -> assertThat(lisbon.state()).isInstanceOf(SourceState.Cold.class));
		Awaitility.await()
			.untilAsserted(() -> assertThat(this.sources.events).anyMatch(SourceEvent.Recovered.class::isInstance));
		assertThat(Sources.query(lisbon, "select 1")).isEqualTo("1");
	}

	@Test
	void aFailingSourceChangesNothingForTheOthers() throws SQLException {
		SourceRegistry registry = this.sources.with(Sources.sqlite("bad", this.directory.resolve("missing")))
			.with(Sources.sqlite("good", this.directory))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(registry.get("bad")::getConnection);
		assertThat(Sources.query(registry.get("good"), "select 1")).isEqualTo("1");
	}

	@Test
	void waitersShareAFailure() throws Exception {
		Set<Thread> users = ConcurrentHashMap.newKeySet();
		AtomicInteger attempts = new AtomicInteger();
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).with((definition, connection) -> {
			if (users.contains(Thread.currentThread())) {
				attempts.incrementAndGet();
				Awaitility.await()
					.pollInSameThread()
					.until(() -> users.stream()
						.map(Thread::getState)
						.filter(Thread.State.TIMED_WAITING::equals)
						.count(), (waiting) -> waiting == 7);
			}
			throw new IllegalStateException("broken");
		}).registry().get("lisbon");
		List<Object> outcomes = Race.run(8, () -> {
			users.add(Thread.currentThread());
			return lisbon.getConnection();
		});
		assertThat(outcomes).hasOnlyElementsOfType(SourceUnavailableException.class);
		assertThat(attempts).hasValue(1);
	}

	@Test
	void anErrorWhileOpeningIsNotSwallowedAndDoesNotWedgeTheSource() throws SQLException {
		AtomicInteger attempts = new AtomicInteger();
		Source lisbon = this.sources.with(Sources.sqlite("lisbon", this.directory)).with((definition, connection) -> {
			if (attempts.incrementAndGet() == 1) {
				throw new StackOverflowError("once");
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		}).registry().get("lisbon");
		assertThatExceptionOfType(StackOverflowError.class).isThrownBy(lisbon::getConnection);
		Awaitility.await().untilAsserted(() -> assertThat(lisbon.state()).isInstanceOf(SourceState.Cold.class));
		assertThat(Sources.query(lisbon, "select 1")).isEqualTo("1");
	}

	@Test
	void anExhaustedPoolSaysSoWithNumbers() throws SQLException {
		Source lisbon = this.sources
			.with(Sources.sqlite("lisbon", this.directory)
				.hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "250")))
			.registry()
			.get("lisbon");
		try (Connection only = lisbon.getConnection()) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(lisbon::getConnection)
				.withMessage("Source 'lisbon' gave no connection within 250 ms (active 1, idle 0, waiting 0). Raise"
						+ " 'app.datasources.lisbon.hikari.maximum-pool-size' or look for slow statements.");
			assertThat(lisbon.leases()).isEqualTo(1);
			assertThat(only.isClosed()).isFalse();
		}
	}

	@Test
	void aThreadThatIsInterruptedWhileItWaitsKeepsItsInterruptAndItsLeaseIsEnded() throws SQLException {
		Source lisbon = this.sources
			.with(Sources.sqlite("lisbon", this.directory).hikari(Map.of("maximum-pool-size", "1")))
			.registry()
			.get("lisbon");
		try (Connection only = lisbon.getConnection()) {
			Thread.currentThread().interrupt();
			assertThatExceptionOfType(SQLException.class).isThrownBy(lisbon::getConnection);
			assertThat(Thread.interrupted()).isTrue();
			assertThat(lisbon.leases()).isEqualTo(1);
			assertThat(only.isClosed()).isFalse();
		}
	}

	@Test
	void afterClosingNothingIsRunningAndNothingOpensAgain() throws Exception {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory))
			.with(Sources.sqlite("b", this.directory))
			.with(Sources.sqlite("down", this.directory.resolve("missing")))
			.registry();
		Source a = registry.get("a");
		Sources.query(a, "select 1");
		Sources.query(registry.get("b"), "select 1");
		registry.remove("b");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(registry.get("down")::getConnection);
		registry.close();
		registry.close();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(a::getConnection);
		Awaitility.await().untilAsserted(() -> assertThat(Sources.threads("multidb-", "a:", "b:")).isEmpty());
	}

	@Test
	void tenThousandColdSourcesHoldNothing() {
		Set<Thread> before = Thread.getAllStackTraces().keySet();
		for (int i = 0; i < 10_000; i++) {
			this.sources.with(Sources.sqlite("s" + i, this.directory));
		}
		SourceRegistry registry = this.sources.registry();
		assertThat(registry.sources()).hasSize(10_000);
		assertThat(this.directory).isEmptyDirectory();
		assertThat(Thread.getAllStackTraces().keySet()).filteredOn((thread) -> !before.contains(thread))
			.extracting(Thread::getName)
			.noneMatch((name) -> name.startsWith("multidb-"));
	}

	@Test
	void aServerThatNeverAnswersIsGivenUp() throws IOException {
		try (ServerSocket silent = new ServerSocket(0)) {
			String url = "jdbc:postgresql://localhost:" + silent.getLocalPort() + "/x?password=s3cret";
			Source source = this.sources
				.with(SourceDefinition.named("silent")
					.url(url)
					.hikari(Map.of("data-source-properties.socketTimeout", "1")))
				.registry()
				.get("silent");
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
				.withMessageContaining("Check that the server runs")
				.withMessageNotContaining("s3cret");
		}
	}

	@Test
	void aServerThatRefusesIsNamed() throws IOException {
		int port;
		try (ServerSocket free = new ServerSocket(0)) {
			port = free.getLocalPort();
		}
		Source source = this.sources
			.with(SourceDefinition.named("down").url("jdbc:postgresql://localhost:" + port + "/x").password("s3cret"))
			.registry()
			.get("down");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("localhost:" + port)
			.withMessageContaining("Check that the server runs")
			.withMessageNotContaining("s3cret");
	}

	@Test
	void definitionsNeverPrintTheirPassword() {
		SourceDefinition definition = SourceDefinition.named("x")
			.url("jdbc:postgresql://h/x?password=s3cret")
			.username("u")
			.password("s3cret")
			.build();
		assertThat(definition.toString()).doesNotContain("s3cret").contains("jdbc:postgresql://h/x?password=***");
	}

}
