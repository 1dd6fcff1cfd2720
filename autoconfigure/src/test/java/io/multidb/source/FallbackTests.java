package io.multidb.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.InvalidDatasourcesException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link Fallback}: what is used while a source is unavailable. SQLite files
 * that know their names; one is down while its directory is elsewhere.
 */
class FallbackTests {

	private static final String WHO = "select name from who";

	private static final String WRITE = "insert into t values (1)";

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private JdbcClient jdbc;

	private TransactionTemplate readWrite;

	private TransactionTemplate readOnly;

	@BeforeEach
	void makeFiles() throws Exception {
		for (String name : List.of("main", "archive", "copy")) {
			Files.createDirectory(this.directory.resolve(name));
			try (Connection connection = DriverManager.getConnection(url(name))) {
				Sources.execute(connection, "pragma journal_mode = wal");
				Sources.execute(connection, "create table who (name varchar(9))");
				Sources.execute(connection, "create table t (x int)");
				Sources.execute(connection, "insert into who values ('" + name + "')");
			}
		}
	}

	@AfterEach
	void close() {
		try {
			if (this.jdbc != null) {
				assertThat(this.sources.registry().sources()).allSatisfy(Sources::assertIdle);
			}
		}
		finally {
			this.sources.close();
		}
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name).resolve(name + ".db");
	}

	private SourceDefinition.Builder sqlite(String name) {
		return SourceDefinition.named(name)
			.url(url(name))
			.hikari(Map.of("maximum-pool-size", "4", "connection-timeout", "20000"));
	}

	private void open(FallbackSettings fallback) {
		open(sqlite("main").fallback(fallback), sqlite("archive"), sqlite("copy"));
	}

	private void open(SourceDefinition.Builder... definitions) {
		for (SourceDefinition.Builder definition : definitions) {
			this.sources.with(definition);
		}
		Routes routes = new Routes(List.of(new Route(List.of(NamePattern.of("main-*")), "main"), Route.EACH_ITS_OWN),
				"main", this.sources.registry());
		RoutingDataSource router = new RoutingDataSource(routes);
		this.jdbc = JdbcClient.create(router);
		this.readWrite = new TransactionTemplate(new JdbcTransactionManager(router));
		this.readOnly = new TransactionTemplate(new JdbcTransactionManager(router));
		this.readOnly.setReadOnly(true);
	}

	private void openReadOnly() {
		open(FallbackSettings.readOnly("archive"));
	}

	private SourceRegistry registry() {
		return this.sources.registry();
	}

	private Source main() {
		return registry().get("main");
	}

	/** At once: it would notice within a quarter of a second. */
	private void stop(String name) throws IOException {
		Files.move(this.directory.resolve(name), this.directory.resolve(name + "-elsewhere"));
		registry().drain(name);
	}

	private void restart(String name) throws IOException {
		Files.move(this.directory.resolve(name + "-elsewhere"), this.directory.resolve(name));
		if (registry().get(name).state() instanceof SourceState.Unavailable) {
			registry().retry(name);
		}
	}

	private String who() {
		return this.jdbc.sql(WHO).query(String.class).single();
	}

	private String whoIs(String tenant) {
		return TenantContext.<String, RuntimeException>call(tenant, this::who);
	}

	private String who(TransactionTemplate transaction) {
		return String.valueOf(transaction.<String>execute((status) -> who()));
	}

	private int rows(String name) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url(name))) {
			return Integer.parseInt(Sources.query(connection, "select count(*) from t"));
		}
	}

	private void write() {
		this.jdbc.sql(WRITE).update();
	}

	private <E extends SourceEvent> List<E> events(Class<E> type) {
		return this.sources.events.stream().filter(type::isInstance).map(type::cast).toList();
	}

	private static SourceUnavailableException unavailable(Throwable thrown) {
		for (Throwable each = thrown; each != null; each = each.getCause()) {
			if (each instanceof SourceUnavailableException found) {
				return found;
			}
		}
		throw new AssertionError("Not because a source is unavailable", thrown);
	}

	@Test
	void itsTenantsReadFromTheFallbackWhileTheSourceIsUnavailable() throws Exception {
		openReadOnly();
		assertThat(whoIs("main-1")).isEqualTo("main");
		stop("main");
		assertThat(whoIs("main-1")).isEqualTo("archive");
		assertThat(whoIs("main-2")).isEqualTo("archive");
		restart("main");
		assertThat(whoIs("main-1")).isEqualTo("main");
	}

	@Test
	void thereIsNoneThatIsNotDeclared() throws Exception {
		open(sqlite("main"), sqlite("archive"));
		stop("main");
		assertThat(unavailable(catchThrowable(() -> whoIs("main-1"))).source()).isEqualTo("main");
		assertThat(registry().get("archive").state()).isInstanceOf(SourceState.Cold.class);
	}

	@Test
	void theFallbackIsNotTouchedWhileTheSourceIsThere() {
		openReadOnly();
		TenantContext.run("main-1", () -> {
			who();
			write();
		});
		assertThat(registry().get("archive").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(events(SourceEvent.FellBack.class)).isEmpty();
		assertThat(main().fallback()).isNull();
	}

	@Test
	void aScopeThatBeganOnTheFallbackStaysThere() throws Exception {
		openReadOnly();
		stop("main");
		try (Scope scope = TenantContext.enter("main-1")) {
			assertThat(who(this.readWrite)).isEqualTo("archive");
			restart("main");
			assertThat(main().state()).isInstanceOf(SourceState.Cold.class);
			assertThat(who()).isEqualTo("archive");
			assertThat(who(this.readWrite)).isEqualTo("archive");
			assertThat(whoIs("main-2")).as("a scope inside it").isEqualTo("archive");
			try (Scope inner = SourceContext.enter("copy")) {
				assertThat(who()).isEqualTo("copy");
			}
			assertThat(who()).isEqualTo("archive");
			Throwable refused = catchThrowable(this::write);
			assertThat(unavailable(refused)).hasMessageContaining("was unavailable when this work began")
				.hasMessageContaining("'archive' takes no writes");
			assertThat(CompletableFuture.supplyAsync(() -> whoIs("main-1"), (task) -> new Thread(task).start()).join())
				.as("another thread's scope")
				.isEqualTo("main");
		}
		assertThat(whoIs("main-1")).isEqualTo("main");
	}

	@Test
	void aScopeThatBeganOnTheSourceIsNotSentAwayInItsMiddle() throws Exception {
		openReadOnly();
		try (Scope scope = TenantContext.enter("main-1")) {
			assertThat(who()).isEqualTo("main");
			stop("main");
			assertThat(unavailable(catchThrowable(this::who)))
				.hasMessageContaining("its fallback 'archive' is not used in the middle of it");
			assertThat(unavailable(catchThrowable(() -> whoIs("main-2")))).as("a scope inside it")
				.hasMessageContaining("in the middle");
			restart("main");
			assertThat(who()).isEqualTo("main");
		}
		stop("main");
		assertThat(whoIs("main-1")).isEqualTo("archive");
	}

	@Test
	void outsideOfScopesEachConnectionDecides() throws Exception {
		openReadOnly();
		try (Connection early = main().getConnection()) {
			assertThat(Sources.query(early, WHO)).isEqualTo("main");
			stop("main");
			assertThat(who()).as("no tenant").isEqualTo("archive");
			try (Connection late = main().getConnection()) {
				assertThat(Sources.query(late, WHO)).isEqualTo("archive");
				restart("main");
				late.setReadOnly(true);
				assertThat(Sources.query(late, WHO)).isEqualTo("archive");
				late.setReadOnly(false);
				assertThat(Sources.query(late, WHO)).isEqualTo("archive");
			}
		}
		assertThat(who()).isEqualTo("main");
	}

	@Test
	void aTransactionOfAStatementThatWasPreparedBeforeIsNotDroppedInSilence() throws Exception {
		openReadOnly();
		try (Connection connection = main().getConnection();
				PreparedStatement insert = connection.prepareStatement(WRITE)) {
			connection.setAutoCommit(false);
			insert.executeUpdate();
			connection.commit();
			insert.executeUpdate();
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setReadOnly(true))
				.withMessageContaining("begun");
			connection.commit();
		}
		assertThat(rows("main")).isEqualTo(2);
	}

	@Test
	void twoThreadsThatUseAConnectionFirstTakeOne() throws Exception {
		openReadOnly();
		for (int i = 0; i < 200; i++) {
			try (Connection connection = main().getConnection()) {
				assertThat(Race.run(2, () -> Sources.query(connection, WHO))).containsOnly("main");
				assertThat(main().leases()).isEqualTo(1);
			}
		}
	}

	@Test
	void nothingIsEverWrittenToIt() throws Exception {
		openReadOnly();
		stop("main");
		try (Scope scope = TenantContext.enter("main-1")) {
			assertRefused(this::write);
			assertRefused(() -> this.readWrite.executeWithoutResult((status) -> write()));
			assertRefused(() -> this.jdbc.sql("create table other (x int)").update());
			assertRefused(() -> this.readWrite.executeWithoutResult((status) -> {
				who();
				write();
			}));
		}
		try (Connection connection = main().getConnection()) {
			connection.setReadOnly(true);
			connection.setReadOnly(false);
			assertRefused(() -> Sources.execute(connection, WRITE));
			connection.setAutoCommit(false);
			assertRefused(() -> Sources.execute(connection, WRITE));
			connection.rollback();
			try (PreparedStatement batch = connection.prepareStatement("insert into t values (?)")) {
				for (int i = 0; i < 3; i++) {
					batch.setInt(1, i);
					batch.addBatch();
				}
				assertRefused(batch::executeBatch);
			}
			connection.rollback();
		}
		assertThat(rows("archive")).isZero();
	}

	private static void assertRefused(ThrowingWork work) {
		SourceUnavailableException refused = unavailable(catchThrowable(work::run));
		assertThat(refused.source()).isEqualTo("main");
		assertThat(refused.retryAfter()).isPositive();
		assertThat(refused).hasMessageContaining("Source 'main' is unavailable since")
			.hasMessageContaining("its fallback 'archive' takes no writes");
	}

	@FunctionalInterface
	private interface ThrowingWork {

		void run() throws Exception;

	}

	@Test
	void aWriteInReadOnlyWorkIsAMistakeAndNotTheOutagesFault() throws Exception {
		openReadOnly();
		stop("main");
		Throwable thrown = catchThrowable(
				() -> TenantContext.run("main-1", () -> this.readOnly.executeWithoutResult((status) -> write())));
		assertThat(thrown).hasStackTraceContaining("was asked to read only");
		assertThat(thrown.getCause()).isNotInstanceOf(SourceUnavailableException.class);
		assertThat(rows("archive")).isZero();
	}

	@Test
	void theFallbacksOwnTenantsWriteAsEver() throws Exception {
		open(sqlite("main").fallback(FallbackSettings.readOnly("archive")),
				sqlite("archive").hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "20000")));
		stop("main");
		for (int i = 0; i < 20; i++) {
			assertThat(whoIs("main-1")).isEqualTo("archive");
			assertThat(catchThrowable(() -> TenantContext.run("main-1", this::write))).isNotNull();
			assertThat(catchThrowable(
					() -> TenantContext.run("main-1", () -> this.readWrite.executeWithoutResult((status) -> write()))))
				.isNotNull();
			TenantContext.run("archive", this::write);
		}
		assertThat(rows("archive")).isEqualTo(20);
	}

	@Test
	void itTakesWritesWhereThatIsDeclared() throws Exception {
		open(FallbackSettings.writable("archive"));
		stop("main");
		try (Scope scope = TenantContext.enter("main-1")) {
			write();
			this.readWrite.executeWithoutResult((status) -> write());
			assertThat(catchThrowable(() -> this.readOnly.executeWithoutResult((status) -> write())))
				.hasStackTraceContaining("was asked to read only");
		}
		TenantContext.run("archive", this::write);
		assertThat(rows("archive")).isEqualTo(3);
		restart("main");
		TenantContext.run("main-1", this::write);
		assertThat(rows("main")).isEqualTo(1);
	}

	@Test
	void aSourceThatIsReadOnlyStaysSoOnItsFallback() throws Exception {
		open(sqlite("main").readOnly(true).fallback(FallbackSettings.readOnly("archive")), sqlite("archive"));
		stop("main");
		assertThat(whoIs("main-1")).isEqualTo("archive");
		assertThat(catchThrowable(() -> TenantContext.run("main-1", this::write)))
			.hasStackTraceContaining("Source 'main' is read-only");
		assertThat(rows("archive")).isZero();
	}

	@Test
	void itIsToldOncePerOutage() throws Exception {
		openReadOnly();
		for (int outage = 1; outage <= 2; outage++) {
			stop("main");
			assertThat(main().fallback()).isNull();
			for (int i = 0; i < 5; i++) {
				whoIs("main-1");
			}
			assertThat(main().fallback()).isEqualTo("archive");
			assertTold(outage, outage - 1);
			restart("main");
			assertThat(main().fallback()).isNull();
			assertTold(outage, outage);
			whoIs("main-1");
		}
		SourceEvent.FellBack told = events(SourceEvent.FellBack.class).get(0);
		assertThat(told.fallback()).isEqualTo("archive");
		assertThat(told.message()).startsWith("its fallback 'archive' is used: ");
		assertThat(this.sources.events).extracting((event) -> event.getClass().getSimpleName())
			.containsSubsequence("Unavailable", "FellBack", "Recovered", "Returned");
	}

	/** Another thread may be telling it, as a pool that was closed. */
	private void assertTold(int fellBack, int returned) {
		await().untilAsserted(() -> {
			assertThat(events(SourceEvent.FellBack.class)).hasSize(fellBack);
			assertThat(events(SourceEvent.Returned.class)).hasSize(returned);
		});
	}

	@Test
	void bothAreNamedWhenTheFallbackIsDownToo() throws Exception {
		openReadOnly();
		stop("main");
		stop("archive");
		SourceUnavailableException both = unavailable(catchThrowable(() -> whoIs("main-1")));
		assertThat(both.source()).isEqualTo("main");
		assertThat(both).hasMessageContaining("Source 'main'")
			.hasMessageContaining("Its fallback cannot be used either: Source 'archive'");
		assertThat(events(SourceEvent.FellBack.class)).isEmpty();
		assertThat(main().fallback()).isNull();
		restart("archive");
		assertThat(whoIs("main-1")).isEqualTo("archive");
	}

	@Test
	void nothingIsDecidedByAScopeThatGotNeither() throws Exception {
		openReadOnly();
		stop("main");
		stop("archive");
		try (Scope scope = TenantContext.enter("main-1")) {
			unavailable(catchThrowable(this::who));
			restart("main");
			assertThat(who()).isEqualTo("main");
		}
		restart("archive");
	}

	@Test
	void bothAreNamedWhenTheFallbackWasRemoved() throws Exception {
		openReadOnly();
		stop("main");
		try (Scope scope = TenantContext.enter("main-1")) {
			assertThat(who()).isEqualTo("archive");
			registry().remove("archive");
			SourceUnavailableException pinned = unavailable(catchThrowable(this::who));
			assertThat(pinned.source()).isEqualTo("main");
			assertThat(pinned).hasMessageContaining("Source 'archive' was removed");
		}
		SourceUnavailableException both = unavailable(catchThrowable(() -> whoIs("main-1")));
		assertThat(both).hasMessageContaining("Source 'main'").hasMessageContaining("Source 'archive' was removed");
		registry().add(sqlite("archive").build());
		assertThat(whoIs("main-1")).isEqualTo("archive");
	}

	@Test
	void aSourceThatIsBusyIsNotDown() throws Exception {
		open(sqlite("main").hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "300"))
			.fallback(FallbackSettings.readOnly("archive")), sqlite("archive"));
		try (Connection only = main().getConnection()) {
			assertThat(Sources.query(only, WHO)).isEqualTo("main");
			assertThat(unavailable(catchThrowable(() -> whoIs("main-1"))))
				.hasMessageContaining("gave no connection within");
		}
		assertThat(registry().get("archive").state()).isInstanceOf(SourceState.Cold.class);
	}

	@Test
	void replicasTakeReadOnlyWorkFirst() throws Exception {
		open(sqlite("main").replicas(ReplicaSettings.of("copy")).fallback(FallbackSettings.readOnly("archive")),
				sqlite("copy"), sqlite("archive"));
		TenantContext.run("main-1", () -> assertThat(who(this.readOnly)).isEqualTo("copy"));
		stop("main");
		TenantContext.run("main-1", () -> assertThat(who(this.readOnly)).isEqualTo("copy"));
		try (Scope scope = TenantContext.enter("main-1")) {
			assertThat(who(this.readWrite)).isEqualTo("archive");
			assertThat(who(this.readOnly)).as("decided").isEqualTo("archive");
		}
		try (Scope scope = TenantContext.enter("main-1")) {
			assertThat(who(this.readOnly)).isEqualTo("copy");
			assertThat(unavailable(catchThrowable(() -> who(this.readWrite)))).hasMessageContaining("in the middle");
		}
	}

	@Test
	void whatIsDeclaredWronglyIsAMistake() {
		assertMistake("which is no source", sqlite("main").fallback(FallbackSettings.readOnly("archiv")));
		assertMistake("itself", sqlite("main").fallback(FallbackSettings.readOnly("main")));
		assertMistake("which has a fallback of its own", sqlite("main").fallback(FallbackSettings.readOnly("archive")),
				sqlite("archive").fallback(FallbackSettings.readOnly("copy")), sqlite("copy"));
		assertMistake("which has a fallback of its own", sqlite("main").fallback(FallbackSettings.readOnly("archive")),
				sqlite("archive").fallback(FallbackSettings.readOnly("main")));
		assertMistake("which is of another product", sqlite("main").fallback(FallbackSettings.readOnly("archive")),
				SourceDefinition.named("archive").url("jdbc:postgresql://localhost:1/archive"));
		assertMistake("which is a replica of 'other'", sqlite("main").fallback(FallbackSettings.readOnly("archive")),
				sqlite("other").replicas(ReplicaSettings.of("archive")), sqlite("archive"));
		assertMistake("is not for replicas", sqlite("main").fallback(FallbackSettings.readOnly("archive")),
				sqlite("other").replicas(ReplicaSettings.of("main")), sqlite("archive"));
		assertMistake("which is read-only, while", sqlite("main").fallback(FallbackSettings.writable("archive")),
				sqlite("archive").readOnly(true));
		assertMistake("and the source is read-only",
				sqlite("main").readOnly(true).fallback(FallbackSettings.writable("archive")), sqlite("archive"));
	}

	private static void assertMistake(String mistake, SourceDefinition.Builder... definitions) {
		Sources wrong = new Sources();
		for (SourceDefinition.Builder definition : definitions) {
			wrong.with(definition);
		}
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(wrong::registry)
			.satisfies((ex) -> assertThat(ex.mistakes())
				.anyMatch((each) -> each.contains(mistake) && each.contains("'app.datasources.main.fallback")));
	}

	@Test
	void templatesNeitherHaveNorAreOne() {
		SourceDefinition shop = SourceDefinition.named("shop")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.build();
		Sources wrong = new Sources().with(sqlite("main").fallback(FallbackSettings.readOnly("shop")))
			.with(Sources.template(shop, "shop-{id}", CreatePolicy.NEVER, null));
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(wrong::registry)
			.withMessageContaining("names 'shop', which is a template");
		SourceDefinition withFallback = SourceDefinition.named("shop")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.fallback(FallbackSettings.readOnly("main"))
			.build();
		Sources alsoWrong = new Sources().with(sqlite("main"))
			.with(Sources.template(withFallback, "shop-{id}", CreatePolicy.NEVER, null));
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(alsoWrong::registry)
			.withMessageContaining("is not for templates");
	}

	@Test
	void itIsCheckedAtRunTimeToo() throws Exception {
		openReadOnly();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry().replace(sqlite("main").build()))
			.withMessageContaining("with another 'fallback'");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry().replace(sqlite("archive").fallback(FallbackSettings.readOnly("copy")).build()))
			.withMessageContaining("another 'fallback'");
		registry().remove("archive");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry().add(sqlite("archive").fallback(FallbackSettings.readOnly("copy")).build()))
			.withMessageContaining("which has a fallback of its own");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> registry().add(SourceDefinition.named("other")
				.url("jdbc:sqlite:" + this.directory.resolve("other.db"))
				.fallback(FallbackSettings.readOnly("main"))
				.build()))
			.withMessageContaining("which has a fallback of its own");
		registry().replace(sqlite("main").fallback(FallbackSettings.readOnly("archive")).build());
		assertThat(whoIs("main-1")).isEqualTo("main");
	}

	/**
	 * Readers and writers of the source and of its fallback, while the source goes and
	 * comes: nobody is anywhere else within one scope, what is written is written where
	 * it belongs, and nothing stays out.
	 */
	@Test
	void underLoadWhileTheSourceGoesAndComes() throws Exception {
		openReadOnly();
		AtomicBoolean running = new AtomicBoolean(true);
		AtomicInteger onFallback = new AtomicInteger();
		AtomicInteger written = new AtomicInteger();
		AtomicInteger writtenToArchive = new AtomicInteger();
		List<CompletableFuture<Void>> workers = new ArrayList<>();
		for (int i = 0; i < 6; i++) {
			int number = i;
			workers.add(CompletableFuture.runAsync(() -> {
				while (running.get()) {
					if (number < 4) {
						read("main-" + number, onFallback, written);
					}
					else {
						TenantContext.run("archive", this::write);
						writtenToArchive.incrementAndGet();
					}
				}
			}, (task) -> new Thread(task).start()));
		}
		int outages = 5;
		try {
			for (int i = 0; i < outages; i++) {
				int seen = onFallback.get();
				stop("main");
				await().until(() -> {
					// One may just have been opened.
					registry().drain("main");
					return onFallback.get() > seen + 20;
				});
				restart("main");
				int before = written.get();
				await().until(() -> written.get() > before + 5);
			}
		}
		finally {
			running.set(false);
		}
		workers.forEach(CompletableFuture::join);
		assertThat(rows("archive")).isEqualTo(writtenToArchive.get());
		assertThat(rows("main")).isEqualTo(written.get());
		assertTold(outages, outages);
	}

	private void read(String tenant, AtomicInteger onFallback, AtomicInteger written) {
		try (Scope scope = TenantContext.enter(tenant)) {
			String first = null;
			for (int i = 0; i < 4; i++) {
				String who;
				try {
					who = (i % 2 == 0) ? who() : who(this.readWrite);
				}
				catch (RuntimeException ex) {
					unavailable(ex);
					assertThat(first).as("one that may not go on").isNotEqualTo("archive");
					return;
				}
				assertThat(who).isEqualTo((first != null) ? first : who);
				first = who;
			}
			try {
				write();
				assertThat(first).isEqualTo("main");
				written.incrementAndGet();
			}
			catch (RuntimeException ex) {
				unavailable(ex);
				if ("archive".equals(first)) {
					onFallback.incrementAndGet();
				}
			}
		}
	}

}
