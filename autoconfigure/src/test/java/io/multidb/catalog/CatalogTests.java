package io.multidb.catalog;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceContext;
import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.access.Grants;
import io.multidb.access.Permission;
import io.multidb.discovery.ProvidedSources;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TenantMappings;
import io.multidb.source.Race;
import io.multidb.source.Source;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.awaitility.Awaitility.await;

class CatalogTests {

	private static final Duration LONG = Duration.ofSeconds(60);

	private static final String KEY = Base64.getEncoder().encodeToString(new byte[32]);

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private final List<CatalogEvent> events = new CopyOnWriteArrayList<>();

	private Duration pollInterval = Duration.ofMillis(100);

	private UnaryOperator<String> environment = Map.of("COURTS_NY", "from-env")::get;

	private Consumer<CatalogEvent> listener = (event) -> {
	};

	private RoutingDataSource router;

	private ProvidedSources provided;

	private Catalog catalog;

	@AfterEach
	void close() {
		if (this.catalog != null) {
			this.catalog.close();
			this.provided.close();
		}
		this.sources.close();
	}

	private CatalogSettings settings() {
		return new CatalogSettings("main", "multidb_", this.pollInterval, true,
				new UrlRules(List.of("sqlite"), Map.of(), null), new CatalogCredentials(List.of("COURTS_"),
						(name) -> this.environment.apply(name), Map.of("k1", KEY), "k1", false));
	}

	private SourceRegistry start() {
		return start(null);
	}

	private SourceRegistry start(SourceMigrator migrator) {
		this.sources.with(Sources.sqlite("main", this.directory)).with(Sources.sqlite("other", this.directory));
		SourceRegistry registry = this.sources.registry();
		this.router = new RoutingDataSource(new Routes(List.of(), null, registry));
		this.catalog = new Catalog(settings(), registry, () -> this.router, (migrator != null) ? migrator
				: new io.multidb.migration.LiquibaseMigrator(new org.springframework.core.io.DefaultResourceLoader()),
				(event) -> {
					this.events.add(event);
					this.listener.accept(event);
				}, () -> this.provided);
		this.provided = new ProvidedSources(registry, List.of(this.catalog.provider()));
		this.catalog.start(LONG);
		this.provided.start(LONG);
		return registry;
	}

	private CatalogSource.Builder court(String name) {
		return CatalogSource.named(name).url("jdbc:sqlite:" + this.directory.resolve(name + ".db"));
	}

	/** As somebody else does who knows nothing of this library. */
	private void foreign(String... statements) throws SQLException {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=30000")) {
			for (String sql : statements) {
				Sources.execute(connection, sql);
			}
		}
	}

	private String stored(String name) throws SQLException {
		return Sources.query(this.sources.registry().get("main"),
				"select password from multidb_source where name = '" + name + "'");
	}

	@Test
	void aSourceThatIsSavedCanBeUsedWhenTheMethodReturns() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("ny_appeals").displayName("New York Court of Appeals")
			.type("appeals")
			.jurisdiction("NY")
			.attributes(Map.of("since", "1847", "quote", "\"'{"))
			.build());
		Source source = registry.get("ny_appeals");
		assertThat(Sources.query(source, "select 1")).isEqualTo("1");
		assertThat(source.definition().origin()).isEqualTo("catalog 'main', row ny_appeals");
		assertThat(source.definition().essential()).isFalse();
		assertThat(source.definition().liquibase().changeLog()).isNull();
		assertThat(source.definition().attributes()).containsOnly(Map.entry("since", "1847"),
				Map.entry("quote", "\"'{"), Map.entry("display-name", "New York Court of Appeals"),
				Map.entry("type", "appeals"), Map.entry("jurisdiction", "NY"), Map.entry("searchable", "true"));
		assertThat(this.catalog.find("ny_appeals").attributes()).containsEntry("since", "1847");
		assertThat(this.events).contains(new CatalogEvent.Loaded(0),
				new CatalogEvent.Changed(java.util.Set.of("ny_appeals"), java.util.Set.of()));
	}

	@Test
	void aSourceThatIsOpenIsAtItsNewAddressWhenTheMethodReturns() throws Exception {
		this.sources.with((definition, connection) -> {
			if (definition.name().equals("ny_appeals")) {
				Thread.sleep(200);
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		SourceRegistry registry = start();
		this.catalog.save(court("ny_appeals").build());
		Source source = registry.get("ny_appeals");
		assertThat(file(source)).isEqualTo("ny_appeals.db");
		this.catalog.save(CatalogSource.named("ny_appeals").url(court("second").build().url()).build());
		assertThat(file(source)).isEqualTo("second.db");
		assertThat(this.catalog.replace("ny_appeals", court("third").build().url(), null, null).followed()).isTrue();
		assertThat(file(source)).isEqualTo("third.db");
		assertThat(this.catalog
			.replace("ny_appeals", "jdbc:sqlite:" + this.directory.resolve("nowhere/fourth.db"), null, null)
			.followed()).isFalse();
		assertThat(file(source)).as("it serves as before").isEqualTo("third.db");
		assertThat(this.provided.problems()).containsOnlyKeys("ny_appeals");
	}

	@Test
	void aSourceThatIsDeactivatedIsRefusedAtOnceInScopesThatWereEnteredBefore() throws Exception {
		CountDownLatch release = new CountDownLatch(1);
		this.sources.with((definition, connection) -> {
			if (definition.url().text().contains("slow")) {
				release.await();
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		SourceRegistry registry = start();
		this.catalog.save(court("ny_appeals").build());
		assertThat(file(registry.get("ny_appeals"))).isEqualTo("ny_appeals.db");
		try (var scope = SourceContext.enter("ny_appeals")) {
			try (Connection connection = this.router.getConnection()) {
				assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
			}
			assertThat(CompletableFuture
				.supplyAsync(() -> this.catalog.replace("ny_appeals", court("slow").build().url(), null, null))
				.get(1, TimeUnit.MINUTES)
				.followed()).as("it takes longer than 5 s").isFalse();
			assertThat(
					CompletableFuture.supplyAsync(() -> this.catalog.deactivate("ny_appeals")).get(1, TimeUnit.MINUTES))
				.isTrue();
			assertThatExceptionOfType(SQLException.class).isThrownBy(this.router::getConnection)
				.withCauseInstanceOf(UnknownSourceException.class);
		}
		finally {
			release.countDown();
		}
	}

	private static String file(Source source) throws Exception {
		return Path.of(Sources.query(source, "select file from pragma_database_list where name = 'main'"))
			.getFileName()
			.toString();
	}

	@Test
	void whatWasReadIsKnownWhenListenersHaveHeardOfIt() throws Exception {
		start();
		List<String> written = new CopyOnWriteArrayList<>();
		AtomicBoolean begun = new AtomicBoolean();
		Thread second = new Thread(() -> this.catalog.add(court("second").build()));
		this.catalog.provider().onChange((names) -> {
			if (begun.compareAndSet(false, true)) {
				second.start();
				await().atMost(LONG).until(() -> waitsForTheRevision(second));
				written.add(count());
			}
		});
		foreign("insert into multidb_source (name, url) values ('first', 'jdbc:sqlite:"
				+ this.directory.resolve("first.db") + "')");
		await().atMost(LONG).until(begun::get);
		second.join();
		assertThat(written).containsExactly("1");
		assertThat(count()).isEqualTo("2");
	}

	private String count() {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=30000")) {
			return Sources.query(connection, "select count(*) from multidb_source");
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private static boolean waitsForTheRevision(Thread thread) {
		return thread.getState() == Thread.State.TIMED_WAITING
				&& List.of(thread.getStackTrace()).toString().contains("awaitRevision");
	}

	@Test
	void anErrorWhileTheTablesAreMadeIsToldAndTriedAgain() throws Exception {
		AtomicInteger attempts = new AtomicInteger();
		SourceMigrator migrator = new io.multidb.migration.LiquibaseMigrator(
				new org.springframework.core.io.DefaultResourceLoader());
		AtomicBoolean gone = new AtomicBoolean(true);
		start((definition, connection) -> {
			attempts.incrementAndGet();
			if (gone.get()) {
				throw new NoClassDefFoundError("org/example/Gone");
			}
			return migrator.migrate(definition, connection);
		});
		await().atMost(LONG).until(() -> attempts.get() > 1);
		assertThat(this.catalog.status().error()).contains("NoClassDefFoundError", "org/example/Gone");
		gone.set(false);
		await().atMost(LONG).until(() -> this.catalog.status().error() == null);
		this.catalog.save(court("ny").build());
		assertThat(this.events).hasAtLeastOneElementOfType(CatalogEvent.Unavailable.class)
			.hasAtLeastOneElementOfType(CatalogEvent.Recovered.class);
	}

	@Test
	void whatAnErrorLeftHalfTakenInIsTakenInAgain() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("va").build());
		AtomicInteger asked = new AtomicInteger();
		UnaryOperator<String> working = this.environment;
		this.environment = (name) -> {
			if (asked.incrementAndGet() <= 2) {
				throw new OutOfMemoryError("none left");
			}
			return working.apply(name);
		};
		foreign("insert into multidb_source (name, url, username, password) values ('ny', 'jdbc:sqlite:"
				+ this.directory.resolve("ny.db") + "', 'me', '${COURTS_NY}'), ('tx', 'jdbc:sqlite:"
				+ this.directory.resolve("tx.db") + "', null, null)");
		await().atMost(LONG).until(() -> registry.find("ny") != null && registry.find("tx") != null);
		assertThat(asked).hasValueGreaterThan(2);
		assertThat(registry.get("ny").definition().password()).isEqualTo("from-env");
		await().atMost(LONG).until(() -> this.catalog.status().error() == null);
		assertThat(this.events).anyMatch((event) -> event.toString().contains("none left"));
		assertThat(registry.find("va")).isNotNull();
	}

	@ParameterizedTest
	@ValueSource(classes = { AssertionError.class, NoClassDefFoundError.class, IllegalStateException.class,
			StackOverflowError.class })
	void whateverAListenerThrowsTheCatalogIsFollowed(Class<? extends Throwable> type) throws Exception {
		SourceRegistry registry = start();
		this.listener = (event) -> {
			try {
				throw type.getDeclaredConstructor().newInstance();
			}
			catch (RuntimeException | Error ex) {
				throw ex;
			}
			catch (Throwable ex) {
				throw new IllegalArgumentException(ex);
			}
		};
		foreign("insert into multidb_source (name, url) values ('ny', 'jdbc:sqlite:" + this.directory.resolve("ny.db")
				+ "')");
		await().atMost(LONG).until(() -> registry.find("ny") != null);
		foreign("insert into multidb_source (name, url) values ('tx', 'jdbc:sqlite:" + this.directory.resolve("tx.db")
				+ "')");
		await().atMost(LONG).until(() -> registry.find("tx") != null);
	}

	@Test
	void changingDeactivatingActivatingAndRemovingFollowAndDrain() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("ny").build());
		Source ny = registry.get("ny");
		try (Connection inUse = ny.getConnection()) {
			this.catalog.save(court("ny").url("jdbc:sqlite:" + this.directory.resolve("moved.db")).build());
			await().until(() -> ny.definition().url().text().endsWith("moved.db"));
			assertThat(this.catalog.deactivate("ny")).isTrue();
			assertThat(registry.find("ny")).isNull();
			assertThat(this.catalog.find("ny").active()).isFalse();
			assertThat(Sources.query(inUse, "select 1")).isEqualTo("1");
		}
		await().until(() -> ny.state() instanceof SourceState.Removed);
		assertThat(this.catalog.activate("ny")).isTrue();
		assertThat(registry.get("ny").definition().url().text()).endsWith("moved.db");
		assertThat(this.catalog.remove("ny")).isTrue();
		assertThat(registry.find("ny")).isNull();
		assertThat(this.catalog.find("ny")).isNull();
		assertThat(this.catalog.remove("ny")).isFalse();
		assertThat(this.catalog.deactivate("ny")).isFalse();
	}

	@Test
	void searchableAreThoseThatAreActiveAndWantToBeAsked() throws Exception {
		start();
		this.catalog.save(court("b").build());
		this.catalog.save(court("a").build());
		this.catalog.save(court("quiet").searchable(false).build());
		this.catalog.save(court("closed").active(false).build());
		foreign("insert into multidb_source (name, url) values ('bad', 'jdbc:h2:mem:x')");
		await().until(() -> this.catalog.find("bad") != null);
		assertThat(this.catalog.all()).extracting(CatalogSource::name)
			.containsExactly("a", "b", "bad", "closed", "quiet");
		assertThat(this.catalog.searchable()).extracting(CatalogSource::name).containsExactly("a", "b");
	}

	@Test
	void whatOthersDoToTheTablesIsNoticedByTheRevision() throws Exception {
		SourceRegistry registry = start();
		String url = "'jdbc:sqlite:" + this.directory + "/x.db'";
		foreign("insert into multidb_source (name, url) values ('a', " + url + "), ('b', " + url + ")");
		await().until(() -> registry.find("a") != null);
		foreign("update multidb_source set name = 'c' where name = 'a'");
		await().until(() -> registry.find("a") == null && this.catalog.find("c") != null);
		foreign("delete from multidb_source");
		await().until(() -> this.catalog.all().isEmpty() && registry.sources().size() == 2);
	}

	@Test
	void aBadRowSpoilsOnlyItselfAndIsNamedWithoutItsSecrets() throws Exception {
		SourceRegistry registry = start();
		foreign("insert into multidb_source (name, url, password, attributes) values" + " ('good', 'jdbc:sqlite:"
				+ this.directory + "/good.db', '${COURTS_NY}', '{\"n\": 1}'),"
				+ " ('product', 'jdbc:h2:mem:hunter2', null, null),"
				+ " ('malformed', 'postgresql://user:hunter2@@/db', null, null),"
				+ " ('parameter', 'jdbc:sqlite:x.db?enable_load_extension=true', null, null),"
				+ " ('plain', 'jdbc:sqlite:y.db', 'hunter2', null),"
				+ " ('reference', 'jdbc:sqlite:z.db', '${HOME}', null),"
				+ " ('attributes', 'jdbc:sqlite:w.db', null, 'hunter2'),"
				+ " ('x''; drop table multidb_source; --', 'jdbc:sqlite:v.db', null, null)",
				"update multidb_source set active = 'perhaps' where name = 'attributes'");
		await().until(() -> registry.find("good") != null);
		assertThat(registry.get("good").definition().password()).isEqualTo("from-env");
		assertThat(registry.get("good").definition().attributes()).containsEntry("n", "1");
		Map<String, String> refused = this.catalog.status().refused();
		assertThat(refused).containsOnlyKeys("product", "malformed", "parameter", "plain", "reference", "attributes",
				"x'; drop table multidb_source; --");
		assertThat(refused.values())
			.allSatisfy((problem) -> assertThat(problem).doesNotContain("hunter2").endsWith("."));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("plain"))
			.withMessageContaining("its password is neither a reference nor encrypted");
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("nobody"));
		assertThat(this.catalog.status().toString() + this.catalog.all() + this.events).doesNotContain("hunter2@");
		foreign("update multidb_source set url = 'jdbc:sqlite:" + this.directory + "/p.db' where name = 'product'");
		await().until(() -> registry.find("product") != null);
		assertThat(this.catalog.status().refused()).doesNotContainKey("product");
	}

	@Test
	void whatIsSavedIsCheckedFirst() throws Exception {
		start();
		for (CatalogSource wrong : List.of(court("bad name").build(), court("ny").url("jdbc:h2:mem:x").build(),
				court("ny").password("${HOME}").build(), court("ny").password("{aes-gcm:k9}AAAA").build())) {
			assertThatIllegalArgumentException().isThrownBy(() -> this.catalog.save(wrong))
				.withMessageContaining("cannot be saved: its ");
		}
		assertThat(this.catalog.all()).isEmpty();
	}

	@Test
	void aPasswordIsEncryptedForItsRowAndUsedAsItIs() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("ny").password("hunter2").build());
		this.catalog.save(court("ca").password("${COURTS_NY}").build());
		assertThat(stored("ny")).startsWith("{aes-gcm:k1}").doesNotContain("hunter2");
		assertThat(stored("ca")).isEqualTo("${COURTS_NY}");
		assertThat(registry.get("ny").definition().password()).isEqualTo("hunter2");
		assertThat(this.catalog.find("ny").toString()).doesNotContain("aes-gcm", "hunter2");
		assertThat(registry.get("ny").definition().toString()).doesNotContain("hunter2");
		this.catalog.save(this.catalog.find("ny").change().displayName("NY").build());
		assertThat(registry.get("ny").definition().password()).as("saved again as it was read").isEqualTo("hunter2");
		foreign("update multidb_source set password = (select password from multidb_source where name = 'ny')"
				+ " where name = 'ca'");
		await().until(() -> this.catalog.status().refused().containsKey("ca"));
		assertThat(this.catalog.status().refused().get("ca")).contains("for a source of another name");
	}

	@Test
	void aTransactionOfTheCallersTakesTheChangeAlong() throws Exception {
		SourceRegistry registry = start();
		TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(this.router));
		JdbcClient jdbc = JdbcClient.create(this.router);
		try (var scope = SourceContext.enter("main")) {
			jdbc.sql("create table court (name text)").update();
			transaction.executeWithoutResult((status) -> {
				jdbc.sql("insert into court values ('rolled back')").update();
				this.catalog.save(court("no").build());
				status.setRollbackOnly();
			});
			transaction.executeWithoutResult((status) -> {
				jdbc.sql("insert into court values ('kept')").update();
				this.catalog.save(court("yes").build());
				assertThat(this.catalog.find("yes")).as("not seen before it is committed").isNull();
			});
			await().until(() -> registry.find("yes") != null);
			assertThat(jdbc.sql("select name from court").query(String.class).list()).containsExactly("kept");
			assertThat(registry.find("no")).isNull();
		}
	}

	@Test
	void whileTheCatalogIsDownTheLastKnownStateServesOn() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("ny").build());
		foreign("alter table multidb_revision rename to gone");
		await().until(() -> this.catalog.status().error() != null);
		assertThat(Sources.query(registry.get("ny"), "select 1")).isEqualTo("1");
		assertThat(this.catalog.find("ny")).isNotNull();
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("nobody"));
		assertThatExceptionOfType(DataAccessException.class).isThrownBy(() -> this.catalog.remove("ny"));
		foreign("drop table if exists multidb_revision", "alter table gone rename to multidb_revision");
		await().until(() -> this.catalog.status().error() == null);
		await().untilAsserted(() -> assertThat(this.events).contains(new CatalogEvent.Recovered()));
		this.catalog.save(court("ca").build());
		assertThat(Sources.query(registry.get("ca"), "select 1")).isEqualTo("1");
	}

	@Test
	void aCatalogThatIsDownAtTheStartMakesUnknownNamesUnavailable() throws Exception {
		this.sources.with(io.multidb.source.SourceDefinition.named("main")
			.url("jdbc:sqlite:" + this.directory.resolve("none/main.db")));
		SourceRegistry registry = this.sources.registry();
		this.catalog = new Catalog(settings(), registry,
				() -> new RoutingDataSource(new Routes(List.of(), null, registry)),
				new io.multidb.migration.LiquibaseMigrator(new org.springframework.core.io.DefaultResourceLoader()),
				(event) -> {
					this.events.add(event);
					this.listener.accept(event);
				}, () -> this.provided);
		this.provided = new ProvidedSources(registry, List.of(this.catalog.provider()));
		this.catalog.start(LONG);
		this.provided.start(LONG);
		assertThat(this.catalog.status().readAt()).isNull();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("ny"))
			.withMessageContaining("catalog 'main' could not be read yet");
		Files.createDirectory(this.directory.resolve("none"));
		await().atMost(LONG).until(() -> this.catalog.status().readAt() != null);
		await().untilAsserted(
				() -> assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.get("ny")));
	}

	@Test
	void tablesOfAnotherShapeAreNamedAndLeftAlone() throws Exception {
		foreign("create table multidb_source (id integer, label text)");
		start();
		assertThat(this.catalog.status().error())
			.contains("'multidb_source' in the source 'main' is no table of a catalog", "active", "table-prefix");
		try (Connection connection = this.sources.registry().get("main").getConnection()) {
			assertThat(Sources.query(connection, "select count(*) from sqlite_master where type = 'trigger'"))
				.isEqualTo("0");
		}
	}

	@Test
	void withoutLiquibaseTheTablesMustBeThere() throws Exception {
		start(SourceMigrator.NONE);
		assertThat(this.catalog.status().error()).contains("has no tables of a catalog",
				"spring-boot-starter-liquibase");
	}

	@Test
	void tablesMadeByHandWithoutTriggersWorkWhereTheRevisionIsRaised() throws Exception {
		foreign("create table multidb_revision (id integer, revision bigint, source_removed bigint,"
				+ " permission_removed bigint, mapping_removed bigint)",
				"insert into multidb_revision values (1, 0, 0, 0, 0)",
				"create table multidb_source (name text primary key, display_name text, url text, username text, password text,"
						+ " type text, jurisdiction text, attributes text, active text, searchable text, read_only text, revision bigint)",
				"create table multidb_permission (source text, user_name text, permission text, granted_by text,"
						+ " granted_at text, revision bigint, primary key (source, user_name))",
				"create table multidb_mapping (tenant text primary key, source text, revision bigint)");
		SourceRegistry registry = start(SourceMigrator.NONE);
		this.catalog.save(court("ny").build());
		assertThat(registry.find("ny")).isNotNull();
		foreign("begin immediate", "insert into multidb_source (name, url, active) values ('ca', 'jdbc:sqlite:"
				+ this.directory + "/ca.db', 'yes')", "update multidb_revision set revision = revision + 1", "commit");
		await().until(() -> registry.find("ca") != null);
		assertThat(this.catalog.remove("ny")).isTrue();
		assertThat(registry.find("ny")).isNull();
	}

	@Test
	void anOlderStateThatIsPutBackIsReadAsAWhole() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("kept").build());
		foreign("create table backup as select * from multidb_source");
		for (int i = 0; i < 5; i++) {
			this.catalog.save(court("later" + i).build());
		}
		foreign("begin immediate", "delete from multidb_source", "insert into multidb_source select * from backup",
				"update multidb_source set revision = 1",
				"update multidb_revision set revision = 1, source_removed = 0", "commit");
		await().until(() -> registry.sources().size() == 3);
		assertThat(registry.find("kept")).isNotNull();
	}

	/** Whoever does it has to look anew before he can tell what is there. */
	private void putAnOlderStateBackUnnoticed() throws SQLException {
		this.pollInterval = Duration.ofHours(1);
		start();
		this.catalog.save(court("kept").url("jdbc:sqlite:" + this.directory.resolve("wanted.db")).build());
		foreign("create table backup as select * from multidb_source");
		this.catalog.remove("kept");
		for (int i = 0; i < 5; i++) {
			this.catalog.save(court("later" + i).build());
		}
		foreign("begin immediate", "delete from multidb_source", "insert into multidb_source select * from backup",
				"update multidb_source set revision = 1",
				"update multidb_revision set revision = 1, source_removed = 0", "commit");
	}

	@Test
	void whatIsAddedIsThereThoughNobodyHadNoticedThatAnOlderStateWasPutBack() throws Exception {
		putAnOlderStateBackUnnoticed();
		assertThat(this.catalog.add(court("added").build()).followed()).isTrue();
		assertThat(this.sources.registry().find("added")).isNotNull();
		assertThat(this.catalog.all()).extracting(CatalogSource::name).containsExactly("added", "kept");
	}

	@Test
	void whatIsSavedIsThereThoughNobodyHadNoticedThatAnOlderStateWasPutBack() throws Exception {
		putAnOlderStateBackUnnoticed();
		this.catalog.save(court("saved").build());
		assertThat(this.sources.registry().find("saved")).isNotNull();
	}

	@Test
	void nobodyTakesTheDatabaseOfARowThatCameBackWithAnOlderState() throws Exception {
		putAnOlderStateBackUnnoticed();
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> this.catalog
				.add(court("thief").url("jdbc:sqlite:" + this.directory.resolve("wanted.db")).build()))
			.withMessageContaining("kept");
	}

	@Test
	void manyWhoSaveAtTheSameTimeLoseNothing() throws Exception {
		this.pollInterval = Duration.ofSeconds(30);
		SourceRegistry registry = start();
		List<Object> outcomes = Race.run(6, () -> {
			String thread = "t" + Thread.currentThread().getId();
			for (int i = 0; i < 15; i++) {
				this.catalog.save(court(thread + "-" + i).build());
				if (i % 3 == 0) {
					this.catalog.remove(thread + "-" + i);
				}
			}
			return null;
		});
		assertThat(outcomes).containsOnlyNulls();
		await().untilAsserted(() -> assertThat(registry.sources()).hasSize(2 + 6 * 10));
		assertThat(this.catalog.all()).hasSize(60);
		assertThat(this.catalog.status().refused()).isEmpty();
		Sources.assertIdle(registry.get("main"));
	}

	@Test
	void permissionsAreGrantedChangedAndTakenBack() throws Exception {
		start();
		this.catalog.save(court("ny").build());
		this.catalog.save(court("ca").build());
		this.catalog.grant("ny", "ada", Permission.Level.ADMIN, "root");
		this.catalog.grant("ca", "ada", Permission.Level.READ, null);
		this.catalog.grant("ny", "grace", Permission.Level.READ, "ada");
		Grants grants = this.catalog.grants();
		assertThat(grants.find("ada", "ny").level()).isEqualTo(Permission.Level.ADMIN);
		assertThat(grants.find("ada", "ny").grantedBy()).isEqualTo("root");
		assertThat(grants.find("ada", "ny").grantedAt()).isNotNull();
		assertThat(grants.find("grace", "ca")).isNull();
		assertThat(this.catalog.permissions("ny")).containsOnlyKeys("ada", "grace");
		assertThat(this.catalog.revoke("ny", "ada")).isTrue();
		assertThat(this.catalog.revoke("ny", "ada")).isFalse();
		assertThat(grants.find("ada", "ny")).isNull();
		this.catalog.grant("ca", "ada", Permission.Level.ADMIN, null);
		assertThat(grants.find("ada", "ca").level()).isEqualTo(Permission.Level.ADMIN);
		foreign("update multidb_permission set permission = 'owner' where user_name = 'ada'");
		await().untilAsserted(() -> assertThat(grants.find("ada", "ca")).as("it is no permission").isNull());
		foreign("delete from multidb_permission");
		await().untilAsserted(() -> assertThat(grants.find("grace", "ny")).isNull());
	}

	@Test
	void aPermissionIsForASourceOfTheCatalogAndBindsNoOther() throws Exception {
		start();
		assertThatIllegalArgumentException()
			.isThrownBy(() -> this.catalog.grant("nobody", "ada", Permission.Level.READ, null))
			.withMessageContaining("There is no source 'nobody' in the catalog");
		assertThat(this.catalog.permissions("nobody")).isEmpty();
		foreign("insert into multidb_source (name, url) values ('bad', 'jdbc:h2:mem:x'), ('other', 'jdbc:sqlite:x.db')");
		await().until(() -> this.catalog.find("bad") != null);
		Grants grants = this.catalog.grants();
		assertThat(grants.isGoverned("main")).isFalse();
		assertThat(grants.isGoverned("other")).as("declared, and goes before the row").isFalse();
		assertThat(grants.isGoverned("bad")).isTrue();
		assertThat(grants.isGoverned("nobody")).as("nobody is to find out which exist").isTrue();
	}

	@Test
	void aSourceWhoseRowIsGoneIsNotOpenToAllUntilItIsRemoved() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("ny").build());
		this.catalog.grant("ny", "ada", Permission.Level.READ, null);
		Grants grants = this.catalog.grants();
		// What is read from now on does not reach the registry.
		this.provided.close();
		foreign("delete from multidb_source where name = 'ny'");
		await().until(() -> this.catalog.find("ny") == null);
		assertThat(Sources.query(registry.get("ny"), "select 1")).as("still served").isEqualTo("1");
		assertThat(grants.isGoverned("ny")).isTrue();
		assertThat(registry.remove("ny")).isTrue();
		registry.add(Sources.sqlite("ny", this.directory).build());
		assertThat(grants.isGoverned("ny")).as("another of its name").isFalse();
	}

	@Test
	void mappingsAreKeptForTheNextStartAndForOtherNodes() throws Exception {
		SourceRegistry registry = start();
		this.catalog.save(court("ny").build());
		TenantMappings mappings = new TenantMappings(registry, this.catalog.mappings(), (event) -> {
		});
		mappings.map("chat-1", "ny");
		mappings.map("chat-2", "other");
		await().untilAsserted(
				() -> assertThat(this.catalog.mappings().load()).isEqualTo(Map.of("chat-1", "ny", "chat-2", "other")));
		assertThat(new TenantMappings(registry, this.catalog.mappings(), (event) -> {
		}).all()).isEqualTo(Map.of("chat-1", "ny", "chat-2", "other"));
		foreign("update multidb_mapping set source = 'main' where tenant = 'chat-1'");
		await().until(() -> "main".equals(mappings.find("chat-1")));
		assertThat(mappings.unmap("chat-1")).isTrue();
		await().untilAsserted(() -> assertThat(this.catalog.mappings().load()).containsOnlyKeys("chat-2"));
	}

	@Test
	void manyWhoMapAtTheSameTimeFindTheirOwn() throws Exception {
		this.pollInterval = Duration.ofMillis(1);
		SourceRegistry registry = start();
		TenantMappings mappings = new TenantMappings(registry, this.catalog.mappings(), (event) -> {
		});
		List<Object> outcomes = Race.run(4, () -> {
			String tenant = "chat-" + Thread.currentThread().getId();
			for (int i = 0; i < 25; i++) {
				String source = (i % 2 == 0) ? "other" : "main";
				mappings.map(tenant, source);
				assertThat(mappings.find(tenant)).isEqualTo(source);
			}
			return null;
		});
		assertThat(outcomes).containsOnlyNulls();
		assertThat(mappings.all()).hasSize(4);
		await().untilAsserted(() -> assertThat(this.catalog.mappings().load()).isEqualTo(mappings.all()));
	}

	@Test
	void afterwardsNothingOfItRuns() {
		start();
		this.catalog.close();
		assertThat(Sources.threads("multidb-catalog", "multidb-mappings")).isEmpty();
	}

}
