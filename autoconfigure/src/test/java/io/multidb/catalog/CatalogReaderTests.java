package io.multidb.catalog;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.migration.LiquibaseMigrator;
import io.multidb.routing.NumberedMappingStore.Revision;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link CatalogReader}, and for what {@link CatalogMappings} is told by it.
 */
class CatalogReaderTests {

	private static final CatalogMappings.Writer NOTHING = (removedFrom, change, committed) -> {
		throw new IllegalStateException("Nothing is written");
	};

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private CatalogReader reader;

	@BeforeEach
	void create() {
		this.sources.with(Sources.sqlite("main", this.directory));
		CatalogSettings settings = new CatalogSettings("main", "courts_", Duration.ofMillis(100), true,
				new UrlRules(List.of("sqlite"), Map.of(), null),
				new CatalogCredentials(List.of(), (name) -> null, Map.of(), null, true));
		this.reader = new CatalogReader(settings, this.sources.registry(),
				new LiquibaseMigrator(new DefaultResourceLoader()), (event) -> {
				});
	}

	@AfterEach
	void close() {
		this.reader.close();
		this.sources.close();
	}

	private void start() {
		this.reader.start(CatalogNode.LONG);
	}

	/** In one transaction, as somebody else who knows nothing of this library. */
	private void foreign(String... statements) throws SQLException {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=30000")) {
			Sources.execute(connection, "begin immediate");
			for (String sql : statements) {
				Sources.execute(connection, sql);
			}
			Sources.execute(connection, "commit");
		}
	}

	private long restored() {
		return Objects.requireNonNull(Objects.requireNonNull(this.reader.known().mappings()).revision()).restored();
	}

	private void noticePutBack(long restored) {
		this.reader.found(new Revision(restored, Long.MAX_VALUE), 1);
	}

	private void change() throws SQLException {
		long before = this.reader.figures().revision();
		foreign("insert into courts_mapping (tenant, source) values ('tenant-" + before + "', 'a')");
		await().until(() -> this.reader.figures().revision() > before);
	}

	@Test
	void thatAnOlderStateWasPutBackIsCountedOnceHoweverManyHaveNoticed() throws Exception {
		start();
		change();
		assertThat(restored()).isZero();
		noticePutBack(0);
		noticePutBack(0);
		await().until(() -> restored() == 1);
		// Who noticed it at the same moment, and comes late to tell.
		noticePutBack(0);
		change();
		change();
		assertThat(restored()).isEqualTo(1);
		noticePutBack(1);
		await().until(() -> restored() == 2);
	}

	@Test
	void whoWaitsForAChangeWaitsUntilThoseWhoFollowItWereTold() throws Exception {
		start();
		CountDownLatch beingTold = new CountDownLatch(1);
		CountDownLatch told = new CountDownLatch(1);
		this.reader.onChange((names) -> {
			beingTold.countDown();
			await().until(() -> told.getCount() == 0);
		});
		foreign("insert into courts_source (name, url) values ('ny', 'jdbc:sqlite:" + this.directory + "/ny.db')");
		assertThat(beingTold.await(30, TimeUnit.SECONDS)).isTrue();
		Revision revision = this.reader.revision();
		assertThat(this.reader.awaitRevision(revision, Duration.ofMillis(100))).isFalse();
		told.countDown();
		assertThat(this.reader.awaitRevision(revision, CatalogNode.LONG)).isTrue();
	}

	/**
	 * Another server took over, at a number that was read from the former one, and has
	 * lost what that was for.
	 */
	@Test
	void permissionsAndMappingsThatAreLostWithAServerAreLetGoOfBeforeAllSourcesWereReadAgain() throws Exception {
		start();
		foreign("insert into courts_source (name, url) with recursive n(i) as (select 1 union all select i + 1 from n"
				+ " where i < 3500) select printf('s%05d', i), 'jdbc:sqlite:" + this.directory
				+ "/' || i || '.db' from n",
				"insert into courts_permission (source, user_name, permission) values ('s00001', 'bob', 'admin')",
				"insert into courts_mapping (tenant, source) values ('chat-1', 's00001')");
		await().until(() -> this.reader.known().permissions().containsKey("bob")
				&& this.reader.known().sources().size() == 3500);
		foreign("alter table courts_revision rename to gone");
		await().until(() -> this.reader.status().error() != null);
		List<String> seen = new CopyOnWriteArrayList<>();
		this.reader.watch((activity, source, product) -> (outcome, failure) -> {
			if (failure == null) {
				boolean permitted = this.reader.known().permissions().containsKey("bob");
				boolean mapped = !Objects.requireNonNull(this.reader.known().mappings()).mappings().isEmpty();
				boolean scanned = !this.reader.known().sources().containsKey("s03500");
				seen.add((permitted ? "permitted, " : "") + (mapped ? "mapped, " : "") + (scanned ? "all" : "some"));
			}
		});
		foreign("alter table gone rename to courts_revision", "create table kept as select * from courts_revision",
				"delete from courts_permission", "delete from courts_mapping",
				"delete from courts_source where name = 's03500'", "delete from courts_revision",
				"insert into courts_revision select * from kept");
		await().atMost(CatalogNode.LONG).until(() -> seen.contains("all"));
		// From the first pages on, of which there are several before the last.
		assertThat(seen).contains("some").noneMatch((state) -> state.contains("permitted") || state.contains("mapped"));
	}

	@Test
	void thatNoThreadCouldBeMadeToTellListenersOnceKeepsNobodyFromBeingTold() throws Exception {
		AtomicInteger threads = new AtomicInteger();
		AtomicInteger told = new AtomicInteger();
		try (CatalogMappings mappings = new CatalogMappings(NOTHING, this.reader, "main", (task) -> {
			if (threads.incrementAndGet() == 1) {
				throw new OutOfMemoryError("unable to create native thread");
			}
			return new Thread(task);
		})) {
			mappings.whenChanged(told::incrementAndGet);
			start();
			await().until(() -> told.get() > 0);
			int before = told.get();
			change();
			await().until(() -> told.get() > before);
		}
	}

	@Test
	void ofManyChangesListenersAreToldOfTheLast() throws Exception {
		AtomicInteger seen = new AtomicInteger();
		try (CatalogMappings mappings = new CatalogMappings(NOTHING, this.reader, "main", Thread::new)) {
			mappings.whenChanged(() -> seen.set(mappings.load().size()));
			start();
			for (int i = 1; i <= 20; i++) {
				change();
				int count = i;
				await().until(() -> seen.get() == count);
			}
		}
	}

}
