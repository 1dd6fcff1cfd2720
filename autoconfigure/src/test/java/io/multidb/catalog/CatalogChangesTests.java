package io.multidb.catalog;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.InvalidDatasourcesException;
import io.multidb.UnknownSourceException;
import io.multidb.source.Race;
import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Rows that several nodes add and change at the same time, in a catalog on SQLite; on
 * PostgreSQL in {@link CatalogChangesIntegrationTests}. No node looks at the catalog by
 * itself.
 */
class CatalogChangesTests {

	private static final int ROUNDS = 10;

	@TempDir
	Path directory;

	private final List<CatalogNode> nodes = new ArrayList<>();

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

	private String stored(String columns) throws SQLException {
		try (Connection connection = connect()) {
			return Sources.query(connection, "select " + columns);
		}
	}

	private void foreign(String sql) throws SQLException {
		try (Connection connection = connect()) {
			Sources.execute(connection, sql);
		}
	}

	private CatalogNode node() {
		CatalogNode node = new CatalogNode(new Sources().with(main()).with(Sources.sqlite("lisbon", this.directory)),
				Duration.ofHours(1), List.of());
		this.nodes.add(node);
		return node;
	}

	private CatalogSource.Builder at(String name, String file) {
		return CatalogSource.named(name).url(url(file));
	}

	private String url(String file) {
		return "jdbc:sqlite:" + this.directory.resolve(file);
	}

	/** What each node's turn has come to when all begin at the same moment. */
	private static List<Object> race(List<Callable<Object>> turns) throws Exception {
		AtomicInteger next = new AtomicInteger();
		return Race.run(turns.size(), () -> turns.get(next.getAndIncrement()).call());
	}

	private static void assertOneIsRefused(List<Object> outcomes, String reason) {
		assertThat(outcomes).as(outcomes.toString()).hasAtLeastOneElementOfType(Catalog.Saved.class);
		assertThat(outcomes.stream().filter(InvalidDatasourcesException.class::isInstance).toList())
			.as(outcomes.toString())
			.singleElement()
			.asString()
			.contains(reason);
	}

	@Test
	void ofTwoNodesThatAddTheSameNameOneDoes() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		for (int i = 0; i < ROUNDS; i++) {
			String name = "faro" + i;
			List<Object> outcomes = race(List.of(() -> a.catalog.add(at(name, name + "-a.db").username("a").build()),
					() -> b.catalog.add(at(name, name + "-b.db").username("b").build())));
			assertOneIsRefused(outcomes, "There is a source '" + name + "' in the catalog already.");
			String user = stored("username from courts_source where name = '" + name + "'");
			assertThat(stored("url from courts_source where name = '" + name + "'"))
				.isEqualTo(url(name + "-" + user + ".db"));
		}
	}

	@Test
	void ofTwoNodesThatAddTheSameDatabaseOneDoes() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		for (int i = 0; i < ROUNDS; i++) {
			String file = "shared" + i + ".db";
			String first = "a" + i;
			String second = "b" + i;
			assertOneIsRefused(race(List.of(() -> a.catalog.add(at(first, file).build()),
					() -> b.catalog.add(at(second, file).build()))), "have the same database");
			assertThat(stored("count(*) from courts_source")).isEqualTo(String.valueOf(i + 1));
		}
	}

	@Test
	void ofTwoNodesThatMoveToTheSameDatabaseOneDoes() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		a.catalog.add(at("a", "a.db").build());
		b.catalog.add(at("b", "b.db").build());
		for (int i = 0; i < ROUNDS; i++) {
			String file = "moved" + i + ".db";
			assertOneIsRefused(race(List.of(() -> a.catalog.replace("a", url(file), null, null),
					() -> b.catalog.replace("b", url(file), null, null))), "have the same database");
			assertThat(stored("count(*) from courts_source where url like '%" + file + "'")).isEqualTo("1");
		}
	}

	@Test
	void whatOthersChangeOfARowIsNotUndone() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		CatalogNode c = node();
		a.catalog.add(at("faro", "faro.db").username("me").password("first").displayName("Faro").build());
		for (int i = 0; i < ROUNDS; i++) {
			String password = "password" + i;
			String user = "user" + i;
			boolean active = i % 2 == 1;
			List<Object> outcomes = race(List.of(() -> a.catalog.replace("faro", null, null, password),
					() -> b.catalog.replace("faro", null, user, null),
					() -> active ? c.catalog.activate("faro") : c.catalog.deactivate("faro")));
			assertThat(outcomes).noneMatch(Throwable.class::isInstance);
			assertThat(stored("password || ' ' || username || ' ' || display_name from courts_source"))
				.isEqualTo(password + " " + user + " Faro");
			assertThat(stored("count(*) from courts_source where active")).isEqualTo(active ? "1" : "0");
		}
	}

	@Test
	void aRowThatIsGoneIsNotWrittenAgain() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		a.catalog.add(at("faro", "faro.db").build());
		assertThatExceptionOfType(UnknownSourceException.class)
			.isThrownBy(() -> b.catalog.replace("nowhere", null, null, "x"));
		foreign("delete from courts_source");
		assertThat(a.catalog.find("faro")).as("not read yet").isNotNull();
		assertThatExceptionOfType(UnknownSourceException.class)
			.isThrownBy(() -> a.catalog.replace("faro", null, null, "x"));
		assertThat(stored("count(*) from courts_source")).isEqualTo("0");
	}

	@Test
	void onlyWhatWasJustWrittenIsTakenBack() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		Catalog.Saved saved = a.catalog.add(at("faro", "faro.db").build());
		assertThat(saved.followed()).isTrue();
		assertThat(a.registry.find("faro")).isNotNull();
		b.catalog.replace("faro", null, null, "x");
		assertThat(a.catalog.remove("faro", saved.revision())).isFalse();
		assertThat(stored("password from courts_source where name = 'faro'")).isEqualTo("x");
		saved = a.catalog.replace("faro", null, null, "y");
		b.mappings.map("ada", "lisbon");
		assertThat(a.catalog.remove("faro", saved.revision())).isTrue();
		assertThat(stored("count(*) from courts_source")).isEqualTo("0");
		assertThat(a.registry.find("faro")).isNull();
	}

	@Test
	void whatIsInConflictWithDeclaredSourcesOrRowsIsRefused() throws Exception {
		CatalogNode a = node();
		a.catalog.add(at("faro", "faro.db").build());
		a.catalog.add(at("closed", "closed.db").active(false).build());
		Catalog.Saved olhao = node().catalog.add(at("olhao", "olhao.db").build());
		assertThat(olhao.followed()).isTrue();
		for (String taken : List.of("lisbon.db", "faro.db", "olhao.db")) {
			assertThatExceptionOfType(InvalidDatasourcesException.class)
				.isThrownBy(() -> a.catalog.add(at("x", taken).build()))
				.withMessageContaining("have the same database");
		}
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> a.catalog.add(at("Olh-ao", "x.db").build()))
			.withMessageContaining("are the same once case");
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> a.catalog.replace("faro", url("lisbon.db"), null, null));
		assertThatIllegalArgumentException().isThrownBy(() -> a.catalog.replace("faro", "jdbc:h2:mem:x", null, null));
		assertThatIllegalArgumentException().isThrownBy(() -> a.catalog.add(at("a b", "x.db").build()));
		// Its own database, and that of one that is not active.
		a.catalog.replace("faro", url("faro.db"), "me", "x");
		a.catalog.replace("faro", url("closed.db"), null, null);
		a.catalog.replace("closed", url("closed.db"), null, null);
		assertThat(stored("count(*) from courts_source")).isEqualTo("3");
		assertThat(a.provided.problems()).isEmpty();
	}

	@Test
	void insideOfATransactionItIsPartOfThat() throws Exception {
		CatalogNode a = node();
		a.inTransaction((status) -> {
			assertThat(a.catalog.add(at("one", "one.db").build()).followed()).isFalse();
			assertThat(a.catalog.add(at("two", "two.db").build()).followed()).isFalse();
			assertThatExceptionOfType(InvalidDatasourcesException.class)
				.isThrownBy(() -> a.catalog.add(at("two", "three.db").build()));
			// The transaction goes on.
			a.catalog.add(at("three", "three.db").build());
			status.setRollbackOnly();
		});
		assertThat(stored("count(*) from courts_source")).isEqualTo("0");
	}

	@Test
	void whoeverWritesMappingsAllTheTimeKeepsNobodyOut() throws Exception {
		CatalogNode a = node();
		CatalogNode b = node();
		AtomicBoolean over = new AtomicBoolean();
		Thread noise = new Thread(() -> {
			for (int i = 0; !over.get(); i++) {
				b.mappings.map("ada" + i % 3, (i % 2 == 0) ? "lisbon" : "main");
			}
		});
		noise.start();
		try {
			for (int i = 0; i < ROUNDS; i++) {
				a.catalog.add(at("faro" + i, i + ".db").build());
				a.catalog.replace("faro" + i, null, null, "x");
			}
		}
		finally {
			over.set(true);
			noise.join();
		}
		assertThat(stored("count(*) from courts_source where password = 'x'")).isEqualTo(String.valueOf(ROUNDS));
	}

}
