package io.multidb.catalog;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import javax.sql.DataSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteDataSource;

import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionException;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.routing.MappingEvent;
import io.multidb.routing.Route;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Mappings that are kept in a catalog, on SQLite; on PostgreSQL in
 * {@link CatalogMappingsIntegrationTests}.
 */
class CatalogMappingsTests {

	private static final List<Route> ROUTES = List.of(new Route(List.of(NamePattern.of("chat-*")), "a"));

	@TempDir
	Path directory;

	final List<CatalogNode> nodes = new ArrayList<>();

	@AfterEach
	void close() throws Exception {
		this.nodes.forEach(CatalogNode::close);
	}

	/** The source that has the catalog. */
	SourceDefinition.Builder main() {
		return Sources.sqlite("main", this.directory);
	}

	/** Connects to the catalog as a program that knows nothing of this library. */
	Connection connect() throws SQLException {
		return DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=30000");
	}

	final void foreign(String... statements) throws SQLException {
		try (Connection connection = connect()) {
			connection.setAutoCommit(false);
			for (String sql : statements) {
				Sources.execute(connection, sql);
			}
			connection.commit();
		}
	}

	final CatalogNode node(Duration pollInterval) {
		Sources sources = new Sources().with(main());
		for (String name : List.of("a", "b", "c")) {
			sources.with(Sources.sqlite(name, this.directory));
		}
		CatalogNode node = new CatalogNode(sources, pollInterval, ROUTES);
		this.nodes.add(node);
		return node;
	}

	/** Another node that changes the catalog, so that all read it, until it is closed. */
	private static final class Noise implements AutoCloseable {

		private final AtomicBoolean over = new AtomicBoolean();

		private final AtomicInteger changes = new AtomicInteger();

		private final Thread thread;

		Noise(CatalogNode node) {
			this.thread = new Thread(() -> {
				while (!this.over.get()) {
					try {
						node.mappings.map("noise-" + this.changes.get() % 3, (this.changes.get() % 2 == 0) ? "b" : "c");
						this.changes.incrementAndGet();
					}
					catch (SourceUnavailableException ex) {
						// The database is busy.
					}
				}
			});
			this.thread.start();
		}

		@Override
		public void close() throws InterruptedException {
			this.over.set(true);
			this.thread.join();
			assertThat(this.changes).as("changes of another node").hasPositiveValue();
		}

	}

	private static List<MappingEvent> eventsOf(CatalogNode node, String tenant) {
		return node.events.stream().filter((event) -> event.tenant().equals(tenant)).toList();
	}

	@Test
	void aMappingMadeInATransactionIsInForceWhenItsCommitReturns() throws Exception {
		CatalogNode node = node(Duration.ofMillis(1));
		List<MappingEvent> expected = new ArrayList<>();
		try (Noise noise = new Noise(node(Duration.ofMillis(1)))) {
			String former = null;
			for (int i = 0; i < 50; i++) {
				String source = (i % 2 == 0) ? "b" : "c";
				String before = former;
				node.inTransaction((status) -> {
					node.mappings.map("chat-1", source);
					assertThat(node.mappings.find("chat-1")).as("before the commit").isEqualTo(before);
				});
				assertThat(node.mappings.find("chat-1")).as("after commit %d", i).isEqualTo(source);
				assertThat(node.sourceOf("chat-1")).isEqualTo(source);
				expected.add(new MappingEvent.Mapped("chat-1", source, former));
				former = source;
			}
		}
		await().untilAsserted(() -> assertThat(eventsOf(node, "chat-1")).containsExactlyInAnyOrderElementsOf(expected));
	}

	@Test
	void oneThatIsRemovedInATransactionIsGoneWhenItsCommitReturns() throws Exception {
		CatalogNode node = node(Duration.ofMillis(1));
		List<MappingEvent> expected = new ArrayList<>();
		try (Noise noise = new Noise(node(Duration.ofMillis(1)))) {
			for (int i = 0; i < 25; i++) {
				node.inTransaction((status) -> node.mappings.map("chat-1", "b"));
				assertThat(node.sourceOf("chat-1")).as("after mapping it %d", i).isEqualTo("b");
				node.inTransaction((status) -> {
					assertThat(node.mappings.unmap("chat-1")).isTrue();
					assertThat(node.mappings.find("chat-1")).as("before the commit").isEqualTo("b");
				});
				assertThat(node.mappings.find("chat-1")).as("after commit %d", i).isNull();
				assertThat(node.sourceOf("chat-1")).isEqualTo("a");
				expected.add(new MappingEvent.Mapped("chat-1", "b", null));
				expected.add(new MappingEvent.Unmapped("chat-1", "b"));
			}
		}
		await().untilAsserted(() -> assertThat(eventsOf(node, "chat-1")).containsExactlyInAnyOrderElementsOf(expected));
	}

	@Test
	void oneThatIsRolledBackNeverIs() throws Exception {
		CatalogNode node = node(Duration.ofMillis(1));
		node.mappings.map("chat-2", "b");
		for (int i = 0; i < 10; i++) {
			node.inTransaction((status) -> {
				node.mappings.map("chat-1", "b");
				node.mappings.unmap("chat-2");
				status.setRollbackOnly();
			});
			assertThat(node.mappings.find("chat-1")).isNull();
			assertThat(node.mappings.find("chat-2")).isEqualTo("b");
		}
		node.mappings.map("chat-3", "c");
		await().until(() -> node.catalog.mappings().load().containsKey("chat-3"));
		assertThat(node.events).containsExactlyInAnyOrder(new MappingEvent.Mapped("chat-2", "b", null),
				new MappingEvent.Mapped("chat-3", "c", null));
		assertThat(node.mappings.all()).containsOnlyKeys("chat-2", "chat-3");
	}

	@Test
	void ofATransactionThatGoesBackToASavepointOnlyWhatWasDoneBeforeIsKept() throws Exception {
		CatalogNode node = node(Duration.ofHours(1));
		TransactionTemplate nested = new TransactionTemplate(node.transaction.getTransactionManager());
		nested.setPropagationBehavior(TransactionDefinition.PROPAGATION_NESTED);
		node.inTransaction((status) -> {
			node.mappings.map("chat-1", "b");
			nested.executeWithoutResult((inner) -> {
				node.mappings.map("chat-2", "b");
				inner.setRollbackOnly();
			});
			nested.executeWithoutResult((inner) -> node.mappings.map("chat-3", "c"));
		});
		assertThat(node.mappings.find("chat-1")).isEqualTo("b");
		assertThat(node.mappings.find("chat-2")).isNull();
		assertThat(node.mappings.find("chat-3")).isEqualTo("c");
		await().until(() -> node.catalog.mappings().load().size() == 2);
		assertThat(node.events).extracting(MappingEvent::tenant).containsExactlyInAnyOrder("chat-1", "chat-3");
		assertThat(node.mappings.all()).containsOnlyKeys("chat-1", "chat-3");
	}

	@Test
	void whatIsDoneAfterTheCommitFindsItInForce() throws Exception {
		CatalogNode node = node(Duration.ofHours(1));
		List<String> found = new ArrayList<>();
		node.inTransaction((status) -> {
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void afterCommit() {
					found.add(node.mappings.find("chat-1"));
				}

			});
			node.mappings.map("chat-1", "b");
			node.mappings.map("chat-1", "c");
		});
		assertThat(found).containsExactly("c");
		// Never in force, not even for a moment: b, which nobody has committed.
		assertThat(node.events).containsExactly(new MappingEvent.Mapped("chat-1", "c", null));
	}

	/**
	 * The connection is bound to the thread, and nobody will commit what is done with it.
	 */
	@ParameterizedTest
	@ValueSource(strings = { "unrelated", "unrelated, no autocommit", "none", "none, no autocommit" })
	void whereOnlyAnotherDataSourceHasATransactionTheMappingIsKeptAtOnce(String transaction) throws Exception {
		Sources sources = new Sources().with(transaction.endsWith("no autocommit") ? withoutAutoCommit() : main());
		for (String name : List.of("a", "b", "c")) {
			sources.with(Sources.sqlite(name, this.directory));
		}
		CatalogNode node = new CatalogNode(sources, Duration.ofHours(1), ROUTES);
		this.nodes.add(node);
		SQLiteDataSource other = new SQLiteDataSource();
		other.setUrl("jdbc:sqlite:" + this.directory.resolve("other.db"));
		TransactionTemplate outer = new TransactionTemplate(new JdbcTransactionManager((DataSource) other));
		if (transaction.startsWith("none")) {
			outer.setPropagationBehavior(TransactionDefinition.PROPAGATION_SUPPORTS);
		}
		outer.executeWithoutResult((status) -> SourceContext.run("main", () -> {
			new JdbcTemplate(node.router).queryForList("SELECT tenant FROM courts_mapping");
			node.mappings.map("chat-1", "b");
			assertThat(node.mappings.find("chat-1")).isEqualTo("b");
			assertThat(kept("chat-1")).isEqualTo("b");
			status.setRollbackOnly();
		}));
		assertThat(node.mappings.find("chat-1")).isEqualTo("b");
		assertThat(kept("chat-1")).isEqualTo("b");
	}

	/** The same, whose connections begin a transaction with their first statement. */
	SourceDefinition.Builder withoutAutoCommit() {
		return main().hikari(Map.of("auto-commit", "false"));
	}

	private String kept(String tenant) {
		try (Connection connection = connect()) {
			return Sources.query(connection, "SELECT source FROM courts_mapping WHERE tenant = '" + tenant + "'");
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	/** Somebody has the revision's row, and does not go on. */
	@Test
	@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
	void whatAnotherOneHasLockedIsWaitedForNoLongerThanAConnection() throws Exception {
		Sources sources = new Sources().with(impatient()).with(Sources.sqlite("b", this.directory));
		CatalogNode node = new CatalogNode(sources, Duration.ofHours(1), ROUTES);
		this.nodes.add(node);
		try (Connection other = connect()) {
			other.setAutoCommit(false);
			Sources.execute(other, "UPDATE courts_revision SET revision = revision + 1");
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> node.mappings.map("chat-1", "b"));
			// In a transaction of his own, and what is his own in it goes on as it was.
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> node.inTransaction((status) -> node.mappings.map("chat-1", "b")));
			other.rollback();
		}
		node.inTransaction((status) -> {
			String before = lockTimeout(node);
			node.mappings.map("chat-1", "b");
			assertThat(lockTimeout(node)).isEqualTo(before);
		});
		assertThat(node.mappings.find("chat-1")).isEqualTo("b");
	}

	/** The same, which waits for others for a short time. */
	SourceDefinition.Builder impatient() {
		return main().url("jdbc:sqlite:" + this.directory.resolve("main.db") + "?busy_timeout=500");
	}

	String lockTimeout(CatalogNode node) {
		return "its own";
	}

	@Test
	void theOneThatIsCommittedLastCountsOnAllNodes() throws Exception {
		List<CatalogNode> both = List.of(node(Duration.ofMillis(1)), node(Duration.ofMillis(1)));
		AtomicInteger next = new AtomicInteger();
		List<Object> outcomes = Race.run(4, () -> {
			int mine = next.getAndIncrement();
			CatalogNode node = both.get(mine % 2);
			for (int i = 0; i < 12; i++) {
				String source = List.of("a", "b", "c").get((mine + i) % 3);
				try {
					if (i % 3 == 0) {
						node.mappings.map("chat-1", source);
					}
					else {
						node.inTransaction((status) -> node.mappings.map("chat-1", source));
					}
				}
				catch (SourceUnavailableException | DataAccessException | TransactionException ex) {
					// The database is busy.
				}
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		for (CatalogNode node : both) {
			try (Connection connection = connect()) {
				String kept = Sources.query(connection, "SELECT source FROM courts_mapping WHERE tenant = 'chat-1'");
				await().untilAsserted(() -> assertThat(node.mappings.find("chat-1")).isEqualTo(kept));
			}
		}
	}

	@Test
	void whereAnOlderStateIsPutBackItIsInForceAndSoIsWhatIsChangedSince() throws Exception {
		CatalogNode node = node(Duration.ofMillis(100));
		node.mappings.map("chat-1", "b");
		foreign("CREATE TABLE backup AS SELECT * FROM courts_mapping");
		for (int i = 0; i < 5; i++) {
			node.mappings.map("chat-1", (i % 2 == 0) ? "c" : "a");
			node.mappings.map("chat-2", (i % 2 == 0) ? "c" : "a");
		}
		putBack(1);
		await().until(() -> "b".equals(node.mappings.find("chat-1")));
		assertThat(node.mappings.find("chat-2")).isNull();
		node.mappings.map("chat-1", "c");
		assertThat(node.mappings.find("chat-1")).isEqualTo("c");
		foreign("UPDATE courts_mapping SET source = 'a'");
		await().until(() -> "a".equals(node.mappings.find("chat-1")));
		node.inTransaction((status) -> node.mappings.map("chat-1", "b"));
		assertThat(node.mappings.find("chat-1")).isEqualTo("b");
	}

	@Test
	void aMappingIsInForceThoughNobodyHasNoticedYetThatAnOlderStateWasPutBack() throws Exception {
		CatalogNode node = node(Duration.ofHours(1));
		node.mappings.map("chat-1", "b");
		foreign("CREATE TABLE backup AS SELECT * FROM courts_mapping");
		for (int i = 0; i < 5; i++) {
			node.mappings.map("chat-2", (i % 2 == 0) ? "c" : "a");
		}
		await().until(() -> node.catalog.mappings().load().equals(node.mappings.all()));
		long before = node.catalog.status().revision();
		node.mappings.map("chat-2", "b");
		await().until(() -> node.catalog.status().revision() > before);
		// The next one makes the very revision that was read last.
		putBack(before);
		node.mappings.map("chat-1", "c");
		assertThat(node.mappings.find("chat-1")).isEqualTo("c");
		await().until(() -> node.mappings.find("chat-2") == null);
		assertThat(node.mappings.find("chat-1")).isEqualTo("c");
		assertThat(node.catalog.mappings().load()).containsOnlyKeys("chat-1");
	}

	/** As whoever restores a backup does; whatever triggers there are. */
	private void putBack(long revision) throws SQLException {
		foreign("DELETE FROM courts_mapping", "INSERT INTO courts_mapping SELECT * FROM backup",
				"UPDATE courts_revision SET mapping_removed = 0, revision = " + revision);
	}

}
