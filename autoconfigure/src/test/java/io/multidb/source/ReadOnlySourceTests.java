package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConnection;
import org.sqlite.core.DB;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownTenantException;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Tests for read-only sources, and read-only work on others, with SQLite.
 */
class ReadOnlySourceTests {

	private static final String WRITE = "insert into t values (1)";

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final List<Thread> threads = new ArrayList<>();

	@BeforeEach
	void makeFile() throws SQLException {
		makeFile("main");
	}

	private void makeFile(String name) throws SQLException {
		try (Connection connection = DriverManager
			.getConnection("jdbc:sqlite:" + this.directory.resolve(name + ".db"))) {
			Sources.execute(connection, "create table t (x int)");
		}
	}

	private SourceDefinition.Builder main() {
		return Sources.sqlite("main", this.directory).hikari(Map.of("maximum-pool-size", "1"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "mariadb:" })
	void whatItsDriverOnlyTakesForAHintIsRefused(String kind) throws SQLException {
		makeFile("copy");
		SourceRegistry registry = this.sources
			.with(HintDriver.source("reader", kind + this.directory.resolve("copy.db")).readOnly(true))
			.with(HintDriver.source("writer", kind + this.directory.resolve("main.db")))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry.get("reader").getConnection())
			.withMessageContaining("cannot be read-only")
			.withMessageContaining("Connect as a user that may only read")
			.withMessageContaining("'app.datasources.reader.read-only'");
		Source writer = registry.get("writer");
		Sources.execute(writer, WRITE);
		Connection connection = writer.take();
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> writer.refuseWritesThroughout(connection));
		writer.giveBack(connection, false);
	}

	/** Only work that is to read only goes there. */
	@Test
	void replicasAreUsedWhateverTheirDriverMakesOfIt() throws SQLException {
		makeFile("copy");
		SourceRegistry registry = this.sources
			.with(HintDriver.source("writer", this.directory.resolve("main.db").toString())
				.replicas(ReplicaSettings.of("copy")))
			.with(HintDriver.source("copy", this.directory.resolve("copy.db").toString()))
			.registry();
		assertThat(Sources.query(registry.get("copy"), "select count(*) from t")).isEqualTo("0");
	}

	@Test
	void writesAreRefusedWithTheReason() throws SQLException {
		Source source = this.sources.with(main().readOnly(true)).registry().get("main");
		try (Connection connection = source.getConnection();
				PreparedStatement insert = connection.prepareStatement(WRITE);
				Statement batch = connection.createStatement()) {
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, WRITE))
				.withMessageContaining("Source 'main' is read-only ('app.datasources.main.read-only')")
				.satisfies((ex) -> assertThat(ex.getSQLState()).isEqualTo("25006"));
			assertThatExceptionOfType(SQLException.class).isThrownBy(insert::executeUpdate)
				.withMessageContaining("is read-only");
			batch.addBatch(WRITE);
			assertThatExceptionOfType(SQLException.class).isThrownBy(batch::executeBatch)
				.withMessageContaining("is read-only");
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, "drop table t"))
				.withMessageContaining("is read-only");
			// Not even so, as the file itself is opened to be read.
			Sources.execute(connection, "pragma query_only = 0");
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, WRITE));
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setReadOnly(false))
				.withMessageContaining("cannot be switched");
			assertThat(Sources.query(connection, "select count(*) from t")).isEqualTo("0");
		}
	}

	@Test
	void anyOtherFailureIsTheDrivers() throws SQLException {
		Source source = this.sources.with(main().readOnly(true)).registry().get("main");
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(source, "select y from t"))
			.withMessageNotContaining("read-only");
	}

	@Test
	void whatOthersWriteIsSeen() throws SQLException {
		SourceRegistry registry = this.sources.with(
				SourceDefinition.named("reader").url("jdbc:sqlite:" + this.directory.resolve("link.db")).readOnly(true))
			.with(main())
			.registry();
		Sources.execute(registry.get("main"), WRITE);
		try {
			Files.createSymbolicLink(this.directory.resolve("link.db"), this.directory.resolve("main.db"));
		}
		catch (java.io.IOException ex) {
			throw new IllegalStateException(ex);
		}
		assertThat(Sources.query(registry.get("reader"), "select count(*) from t")).isEqualTo("1");
		Sources.execute(registry.get("main"), WRITE);
		assertThat(Sources.query(registry.get("reader"), "select count(*) from t")).isEqualTo("2");
	}

	@Test
	void aFileThatNobodyWritesCanBeImmutable() throws SQLException {
		Source source = this.sources
			.with(SourceDefinition.named("main")
				.url("jdbc:sqlite:file:" + this.directory.resolve("main.db") + "?immutable=1")
				.readOnly(true))
			.registry()
			.get("main");
		assertThat(Sources.query(source, "select count(*) from t")).isEqualTo("0");
		assertThat(this.directory.resolve("main.db-wal")).doesNotExist();
		assertThat(this.directory.resolve("main.db-shm")).doesNotExist();
	}

	@Test
	void aMissingFileIsNotMade() {
		Source source = this.sources.with(Sources.sqlite("none", this.directory).readOnly(true)).registry().get("none");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(source::getConnection)
			.withMessageContaining("a read-only source makes none");
		assertThat(this.directory.resolve("none.db")).doesNotExist();
	}

	@Test
	void aTemplateCanBeReadOnlyAndThenMakesNothing() throws SQLException {
		makeFile("e-1");
		SourceDefinition definition = SourceDefinition.named("e")
			.url("jdbc:sqlite:" + this.directory.resolve("{tenant}.db"))
			.readOnly(true)
			.build();
		assertThatIllegalArgumentException()
			.isThrownBy(() -> Sources.template(definition, "e-{id}", CreatePolicy.EXPLICIT, null))
			.withMessageContaining("read-only");
		SourceRegistry registry = this.sources.with(Sources.template(definition, "e-{id}", CreatePolicy.NEVER, null))
			.registry();
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(registry.get("e-1"), WRITE))
			.withMessageContaining("Source 'e-1' is read-only ('app.datasources.e.read-only')");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> registry.get("e-2").getConnection());
	}

	@Test
	void readOnlyTransactionsOfAnySourceRefuseWritesAndLeaveNoMark() throws SQLException {
		this.sources.with(main());
		RoutingDataSource router = new RoutingDataSource(new Routes(List.of(), null, this.sources.registry()));
		JdbcClient jdbc = JdbcClient.create(router);
		TransactionTemplate readOnly = new TransactionTemplate(new JdbcTransactionManager(router));
		readOnly.setReadOnly(true);
		SourceContext.run("main", () -> {
			for (int i = 0; i < 3; i++) {
				Integer unused = readOnly
					.execute((status) -> jdbc.sql("select count(*) from t").query(Integer.class).single());
				assertThatExceptionOfType(Exception.class)
					.isThrownBy(() -> readOnly.executeWithoutResult((status) -> jdbc.sql(WRITE).update()))
					.withStackTraceContaining(
							"Source 'main' was asked to read only, as by @Transactional(readOnly = true)");
				// The pool has one connection, so it is the same.
				jdbc.sql(WRITE).update();
			}
			assertThat(jdbc.sql("select count(*) from t").query(Integer.class).single()).isEqualTo(3);
		});
		assertThat(this.sources.registry().get("main").leases()).isZero();
	}

	@Test
	void aReadOnlyMarkEndsWithTheLeaseEvenInsideOfATransaction() throws SQLException {
		Source source = this.sources.with(main()).registry().get("main");
		try (Connection connection = source.getConnection()) {
			connection.setReadOnly(true);
			assertThat(connection.isReadOnly()).isTrue();
			connection.setAutoCommit(false);
			Sources.query(connection, "select count(*) from t");
		}
		try (Connection connection = source.getConnection()) {
			assertThat(connection.isReadOnly()).isFalse();
			Sources.execute(connection, WRITE);
		}
	}

	@Test
	void aSecondCloseDoesNotOvertakeTheFirst() throws Exception {
		Source source = this.sources.with(main()).registry().get("main");
		Connection connection = source.getConnection();
		connection.setReadOnly(true);
		synchronized (database(connection)) {
			this.threads.add(blocked(connection::close));
			connection.close();
			assertThat(source.leases()).as("The first has not made it writable yet").isOne();
		}
		joinAll();
		Sources.assertIdle(source);
		Sources.execute(source, WRITE);
	}

	@Test
	void closingWhileReadOnlyIsBeingAskedForLeavesNoMark() throws Exception {
		Source source = this.sources.with(main()).registry().get("main");
		Connection connection = source.getConnection();
		synchronized (database(connection)) {
			this.threads.add(blocked(() -> connection.setReadOnly(true)));
			connection.close();
			assertThat(source.leases()).as("Whoever uses it gives it back").isOne();
		}
		joinAll();
		Sources.assertIdle(source);
		Sources.execute(source, WRITE);
	}

	@Test
	void askingForReadOnlyWhileItIsBeingClosedLeavesNoMark() throws Exception {
		Source source = this.sources.with(main()).registry().get("main");
		Connection connection = source.getConnection();
		connection.setAutoCommit(false);
		Sources.execute(connection, WRITE);
		synchronized (database(connection)) {
			// It rolls back.
			this.threads.add(blocked(connection::close));
			assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setReadOnly(true))
				.withMessageContaining("closed");
		}
		joinAll();
		Sources.assertIdle(source);
		Sources.execute(source, WRITE);
	}

	@Test
	void closingTwiceAtTheSameMomentLiftsNobodyElsesMark() throws Exception {
		Source source = this.sources.with(main()).registry().get("main");
		for (int round = 0; round < 300; round++) {
			Connection closed = source.getConnection();
			closed.setReadOnly(true);
			AtomicBoolean borrowing = new AtomicBoolean();
			assertThat(Race.run(3, () -> {
				if (!borrowing.compareAndSet(false, true)) {
					closed.close();
					return "1";
				}
				try (Connection connection = source.getConnection()) {
					connection.setReadOnly(true);
					String marks = "";
					for (int i = 0; i < 50; i++) {
						marks += Sources.query(connection, "pragma query_only");
					}
					return marks.replaceAll("1+", "1");
				}
			})).containsOnly("1");
		}
	}

	private interface Use {

		void use() throws SQLException;

	}

	private static DB database(Connection connection) throws SQLException {
		return connection.unwrap(SQLiteConnection.class).getDatabase();
	}

	/** Uses a connection up to where it needs its database, which the caller holds. */
	private static Thread blocked(Use use) {
		Thread thread = new Thread(() -> {
			try {
				use.use();
			}
			catch (SQLException ex) {
				throw new IllegalStateException(ex);
			}
		});
		thread.start();
		Awaitility.await()
			.until(() -> thread.getState() == Thread.State.BLOCKED || thread.getState() == Thread.State.TERMINATED);
		return thread;
	}

	private void joinAll() throws InterruptedException {
		for (Thread thread : this.threads) {
			thread.join();
		}
	}

}
