package io.multidb.access;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.SourceDataSource;
import io.multidb.routing.TargetAccess;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * What is the same on every product: ada may write to main, grace may read it, and bob
 * nothing.
 */
abstract class ReadingContract {

	static final String WRITE = "insert into t values (1)";

	@AutoClose
	private final Sources sources = new Sources();

	private final TestGrants grants = new TestGrants().admin("ada", "main").read("grace", "main");

	final Users users = new Users();

	private final List<AccessEvent> told = new CopyOnWriteArrayList<>();

	@AutoClose
	private final Access access = new Access(() -> List.of(new GrantedAccess(this.grants)), this.users, this.told::add);

	RoutingDataSource router;

	JdbcClient jdbc;

	private Source main;

	/** The database main, with as many connections as are wanted. */
	abstract SourceDefinition.Builder main(int connections) throws SQLException;

	/** What an application might do to a connection for it to write again. */
	abstract List<String> tricks();

	@BeforeEach
	void open() throws SQLException {
		open(1);
	}

	private void open(int connections) throws SQLException {
		this.main = this.sources.with(main(connections)).registry().get("main");
		Routes routes = new Routes(List.of(new Route(List.of(NamePattern.of("shared-*")), "main"), Route.EACH_ITS_OWN),
				null, this.sources.registry());
		this.router = new RoutingDataSource(routes, new TargetAccess(this.access, routes));
		this.jdbc = JdbcClient.create(this.router);
		UserContext.run("ada", () -> SourceContext.run("main", () -> {
			this.jdbc.sql("drop table if exists t").update();
			this.jdbc.sql("create table t (x int)").update();
		}));
		this.told.clear();
	}

	private int rows() {
		return UserContext.call("ada", () -> SourceContext.call("main",
				() -> this.jdbc.sql("select count(*) from t").query(Integer.class).single()));
	}

	void write(String user) throws Exception {
		this.users.call(user, () -> SourceContext.call("main", () -> this.jdbc.sql(WRITE).update()));
	}

	@Test
	void whoMayWriteWrites() throws Exception {
		write("ada");
		assertThat(rows()).isEqualTo(1);
	}

	@Test
	void whoMayReadReadsAndIsRefusedWrites() throws Exception {
		write("ada");
		this.users.set("grace");
		SourceContext.run("main", () -> {
			assertThat(this.jdbc.sql("select count(*) from t").query(Integer.class).single()).isEqualTo(1);
			assertThatExceptionOfType(DataAccessException.class).isThrownBy(() -> this.jdbc.sql(WRITE).update())
				.satisfies(ReadingContract::isWriteDenied);
			assertThatExceptionOfType(DataAccessException.class)
				.isThrownBy(() -> this.jdbc.sql("drop table t").update())
				.satisfies(ReadingContract::isWriteDenied);
		});
		assertThat(rows()).isEqualTo(1);
		assertThat(this.told).anySatisfy((event) -> {
			assertThat(event.user()).isEqualTo("grace");
			assertThat(event.operation()).isEqualTo(Operation.WRITE);
			assertThat(event.allowed()).isFalse();
		});
	}

	private static void isWriteDenied(Throwable failure) {
		assertThat(failure).hasCauseInstanceOf(SQLNonTransientConnectionException.class);
		assertThat(failure).hasRootCauseInstanceOf(SourceAccessDeniedException.class);
		SourceAccessDeniedException denied = (SourceAccessDeniedException) failure.getCause().getCause();
		assertThat(denied.user()).isEqualTo("grace");
		assertThat(denied.source()).isEqualTo("main");
		assertThat(denied.tenant()).isNull();
		assertThat(denied.operation()).isEqualTo(Operation.WRITE);
		assertThat(denied).hasMessage("User 'grace' may not write to source 'main': The user's permission is to read"
				+ " only. Grant write access there, or do the work as a user who has it.");
	}

	@Test
	void whoMayNothingGetsNoConnectionAndNothingIsOpened() throws Exception {
		this.sources.registry().drain("main");
		for (String user : new String[] { "bob", null }) {
			this.users.set(user);
			assertThatExceptionOfType(SQLNonTransientConnectionException.class)
				.isThrownBy(() -> SourceContext.call("main", this.router::getConnection))
				.withCauseInstanceOf(SourceAccessDeniedException.class);
		}
		assertThat(this.main.state()).isNotInstanceOf(SourceState.Open.class);
	}

	@Test
	void whatDoesNotExistIsRefusedAlike() {
		this.users.set("bob");
		for (String name : new String[] { "main", "invented" }) {
			assertThatThrownBy(() -> SourceContext.call(name, this.router::getConnection)).cause()
				.isInstanceOf(SourceAccessDeniedException.class)
				.hasMessage("User 'bob' may not use source '" + name + "': The user has no permission there. Grant read"
						+ " access there, or do the work as a user who has it.");
			assertThatThrownBy(() -> TenantContext.call(name, this.router::getConnection)).cause()
				.isInstanceOf(SourceAccessDeniedException.class);
		}
		// Who may know is told.
		this.grants.read("bob", "invented");
		assertThatThrownBy(() -> SourceContext.call("invented", this.router::getConnection)).cause()
			.isInstanceOf(UnknownSourceException.class);
		assertThatThrownBy(() -> TenantContext.call("invented", this.router::getConnection)).cause()
			.isInstanceOf(UnknownTenantException.class);
	}

	@Test
	void aPermissionOnASourceIsNoneOnEachTenantInIt() throws Exception {
		this.users.set("ada");
		TenantContext.call("main", () -> this.jdbc.sql(WRITE).update());
		assertThatThrownBy(() -> TenantContext.call("shared-1", this.router::getConnection)).cause()
			.isInstanceOfSatisfying(SourceAccessDeniedException.class, (denied) -> {
				assertThat(denied.tenant()).isEqualTo("shared-1");
				assertThat(denied.source()).isEqualTo("main");
			});
		// Named directly it is used as a whole, whatever tenant is along.
		TenantContext.run("shared-1",
				() -> SourceContext.run("main", () -> assertThat(this.jdbc.sql(WRITE).update()).isEqualTo(1)));
	}

	private TransactionTemplate transaction() {
		return new TransactionTemplate(new JdbcTransactionManager(this.router));
	}

	private int count() {
		return this.jdbc.sql("select count(*) from t").query(Integer.class).single();
	}

	private static void isDenied(Throwable failure, String tenant, Operation operation) {
		assertThat(failure).rootCause().isInstanceOfSatisfying(SourceAccessDeniedException.class, (denied) -> {
			assertThat(denied.tenant()).isEqualTo(tenant);
			assertThat(denied.source()).isEqualTo("main");
			assertThat(denied.operation()).isEqualTo(operation);
		});
	}

	@Test
	void aTransactionsConnectionIsNotSharedWithATenantTheUserMayNotUse() {
		this.users.set("ada");
		TenantContext.run("main", () -> transaction().executeWithoutResult((status) -> {
			this.jdbc.sql(WRITE).update();
			TenantContext.run("shared-1", () -> {
				assertThatThrownBy(() -> this.jdbc.sql(WRITE).update())
					.satisfies((failure) -> isDenied(failure, "shared-1", Operation.WRITE));
				assertThatThrownBy(this::count).satisfies((failure) -> isDenied(failure, "shared-1", Operation.WRITE));
			});
			assertThat(count()).isEqualTo(1);
			this.jdbc.sql(WRITE).update();
		}));
		assertThat(rows()).isEqualTo(2);
		assertThat(this.told).filteredOn((event) -> !event.allowed())
			.isNotEmpty()
			.allSatisfy((event) -> assertThat(event.tenant()).isEqualTo("shared-1"));
	}

	@Test
	void whatWasPreparedOrOpenedBeforeIsNotSharedEither() throws Exception {
		this.users.set("ada");
		TenantContext.call("main", () -> {
			try (Connection connection = this.router.getConnection()) {
				connection.setAutoCommit(false);
				try (PreparedStatement write = connection.prepareStatement(WRITE);
						Statement statement = connection.createStatement();
						ResultSet rows = statement.executeQuery("select 1")) {
					TenantContext.call("shared-1", () -> {
						List<SqlTask> tasks = List.of(write::execute, () -> statement.executeQuery("select 1"),
								rows::next, connection::commit, () -> connection.setAutoCommit(true),
								connection::getMetaData);
						for (SqlTask task : tasks) {
							assertThatThrownBy(task::run).isInstanceOf(SQLNonTransientConnectionException.class)
								.hasCauseInstanceOf(SourceAccessDeniedException.class);
						}
						connection.rollback();
						return null;
					});
				}
			}
			return null;
		});
		assertThat(rows()).isZero();
	}

	@Test
	void whoMayOnlyReadForATenantGetsNoConnectionThatWritesForAnother() throws Exception {
		this.sources.registry().replace(main(2).build());
		this.users.set("ada");
		this.grants.grant("ada", "main", "shared-1", Permission.Level.READ);
		TransactionTemplate requiresNew = transaction();
		requiresNew.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
		TenantContext.run("main", () -> transaction().executeWithoutResult((status) -> {
			TenantContext.run("shared-1", () -> {
				assertThatThrownBy(() -> this.jdbc.sql(WRITE).update())
					.satisfies((failure) -> isDenied(failure, "shared-1", Operation.WRITE));
				assertThatThrownBy(this::count).rootCause()
					.hasMessageContaining("taken for tenant 'main'")
					.hasMessageContaining("REQUIRES_NEW");
				assertThat(requiresNew.<Integer>execute((inner) -> count())).isZero();
				assertThatThrownBy(() -> requiresNew.executeWithoutResult((inner) -> this.jdbc.sql(WRITE).update()))
					.satisfies((failure) -> isDenied(failure, "shared-1", Operation.WRITE));
			});
			this.jdbc.sql(WRITE).update();
		}));
		assertThat(rows()).isEqualTo(1);
	}

	@Test
	void aReadersConnectionIsSharedToReadOnly() {
		this.users.set("grace");
		this.grants.grant("grace", "main", "shared-1", Permission.Level.READ)
			.grant("grace", "main", "shared-2", Permission.Level.ADMIN);
		TenantContext.run("main", () -> transaction().executeWithoutResult((status) -> {
			assertThat(count()).isZero();
			TenantContext.run("shared-1", () -> assertThat(count()).isZero());
			TenantContext.run("shared-3", () -> assertThatThrownBy(this::count)
				.satisfies((failure) -> isDenied(failure, "shared-3", Operation.READ)));
			status.setRollbackOnly();
			TenantContext.run("shared-2",
					() -> assertThatThrownBy(() -> this.jdbc.sql(WRITE).update())
						.hasMessageContaining("was taken to read only")
						.rootCause()
						.isNotInstanceOf(SourceAccessDeniedException.class));
		}));
		assertThat(rows()).isZero();
	}

	@Test
	void aTenantsConnectionIsNotSharedWithTheWholeSourceNorTheOtherWayRound() {
		this.users.set("ada");
		this.grants.grant("ada", "main", "shared-1", Permission.Level.ADMIN);
		this.grants.revoke("ada", "main");
		TenantContext.run("shared-1", () -> transaction().executeWithoutResult((status) -> {
			this.jdbc.sql(WRITE).update();
			SourceContext.run("main",
					() -> assertThatThrownBy(this::count).rootCause()
						.isInstanceOfSatisfying(SourceAccessDeniedException.class,
								(denied) -> assertThat(denied).hasMessageContaining("source 'main'")));
		}));
		this.grants.admin("ada", "main");
		SourceContext.run("main", () -> transaction().executeWithoutResult((status) -> {
			assertThat(count()).isEqualTo(1);
			TenantContext.run("shared-1", () -> assertThat(count()).isEqualTo(1));
			TenantContext.run("shared-2", () -> assertThatThrownBy(this::count)
				.satisfies((failure) -> isDenied(failure, "shared-2", Operation.WRITE)));
		}));
	}

	@Test
	void rulesAreAskedWhenTheTenantChangesAndNotForEachStatement() {
		this.users.set("ada");
		this.grants.grant("ada", "main", "shared-1", Permission.Level.ADMIN)
			.grant("ada", "main", "shared-2", Permission.Level.ADMIN);
		TenantContext.run("main", () -> transaction().executeWithoutResult((status) -> {
			count();
			int before = this.grants.asked();
			for (int i = 0; i < 10; i++) {
				count();
				TenantContext.run("shared-1", () -> {
					count();
					TenantContext.run("main", this::count);
					count();
				});
			}
			assertThat(this.grants.asked() - before).isEqualTo(1);
			TenantContext.run("shared-2", this::count);
			TenantContext.run("shared-1", this::count);
			assertThat(this.grants.asked() - before).isEqualTo(3);
		}));
		assertThat(this.told).filteredOn((event) -> "shared-1".equals(event.tenant()))
			.hasSize(2)
			.allSatisfy((event) -> {
				assertThat(event.allowed()).isTrue();
				assertThat(event.operation()).isEqualTo(Operation.WRITE);
			});
	}

	@Test
	void whatIsTakenAwayIsGoneWithTheNextConnection() throws Exception {
		this.users.set("ada");
		SourceContext.call("main", () -> {
			assertThat(this.jdbc.sql(WRITE).update()).isEqualTo(1);
			this.grants.read("ada", "main");
			assertThatThrownBy(() -> this.jdbc.sql(WRITE).update())
				.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
			this.grants.revoke("ada", "main");
			assertThatThrownBy(() -> this.jdbc.sql("select 1").query().singleValue())
				.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
			return null;
		});
	}

	@Test
	void nothingLetsAReaderWrite() throws Exception {
		this.users.set("grace");
		List<String> written = new ArrayList<>();
		for (String trick : tricks()) {
			for (boolean inTransaction : new boolean[] { false, true }) {
				attempt(trick, inTransaction);
				if (rows() != 0) {
					written.add(trick);
					UserContext.run("ada",
							() -> SourceContext.run("main", () -> this.jdbc.sql("delete from t").update()));
				}
			}
		}
		assertThat(written).isEmpty();
		SourceContext.call("main", () -> {
			try (Connection connection = this.router.getConnection()) {
				assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.setReadOnly(false));
				connection.setReadOnly(true);
				connection.setReadOnly(false);
				assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.execute(connection, WRITE));
				for (Class<?> type : driversOwn()) {
					assertThat(connection.isWrapperFor(type)).isFalse();
					assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connection.unwrap(type));
				}
				try (Statement statement = connection.createStatement()) {
					assertThatExceptionOfType(SQLException.class)
						.isThrownBy(() -> statement.unwrap(driversStatement()));
				}
				assertThat(connection.getMetaData().getConnection()).isSameAs(connection);
			}
			return null;
		});
		assertThat(rows()).isZero();
	}

	abstract List<Class<?>> driversOwn();

	abstract Class<?> driversStatement();

	/** By each way in which a text may be run, and then the write. */
	private void attempt(String trick, boolean inTransaction) throws SQLException {
		SourceContext.call("main", () -> {
			List<SqlWork> ways = List.of((connection) -> Sources.execute(connection, trick), (connection) -> {
				try (Statement statement = connection.createStatement()) {
					statement.executeUpdate(trick + "; " + WRITE);
				}
			}, (connection) -> {
				try (Statement statement = connection.createStatement()) {
					statement.addBatch(trick);
					statement.addBatch(WRITE);
					statement.executeBatch();
				}
			}, (connection) -> {
				try (PreparedStatement statement = connection.prepareStatement(trick)) {
					statement.execute();
				}
			}, (connection) -> {
				try (PreparedStatement write = connection.prepareStatement(WRITE)) {
					Sources.execute(connection, trick);
					write.execute();
				}
			});
			for (SqlWork way : ways) {
				try (Connection connection = this.router.getConnection()) {
					connection.setAutoCommit(!inTransaction);
					quietly(() -> way.work(connection));
					quietly(() -> Sources.execute(connection, WRITE));
					quietly(connection::rollback);
					quietly(() -> Sources.execute(connection, WRITE));
					quietly(connection::commit);
				}
			}
			return null;
		});
	}

	private interface SqlWork {

		void work(Connection connection) throws SQLException;

	}

	private interface SqlTask {

		void run() throws SQLException;

	}

	private static void quietly(SqlTask task) {
		try {
			task.run();
		}
		catch (SQLException ex) {
			// As it should be; what counts is what is in the database.
		}
	}

	@Test
	void theNextBorrowerOfTheConnectionMayWrite() throws Exception {
		for (int i = 0; i < 3; i++) {
			for (String trick : tricks()) {
				this.users.set("grace");
				SourceContext.call("main", () -> {
					try (Connection connection = this.router.getConnection()) {
						connection.setAutoCommit(false);
						connection.setReadOnly(true);
						quietly(() -> Sources.query(connection, "select 1"));
						quietly(() -> Sources.execute(connection, trick));
						quietly(() -> Sources.execute(connection, WRITE));
					}
					return null;
				});
				write("ada");
			}
		}
		assertThat(rows()).isEqualTo(3 * tricks().size());
		Sources.assertIdle(this.main);
	}

	@Test
	void aReadersTransactionIsReadOnlyWhateverItWasMarked() {
		this.users.set("grace");
		TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(this.router));
		SourceContext.run("main", () -> {
			assertThatThrownBy(() -> transaction.executeWithoutResult((status) -> this.jdbc.sql(WRITE).update()))
				.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
			transaction.setReadOnly(true);
			assertThat(transaction
				.<Integer>execute((status) -> this.jdbc.sql("select count(*) from t").query(Integer.class).single()))
				.isZero();
			assertThatThrownBy(() -> transaction.executeWithoutResult((status) -> this.jdbc.sql(WRITE).update()))
				.isInstanceOf(DataAccessException.class);
		});
		assertThat(rows()).isZero();
	}

	@Test
	void aSourcesOwnDataSourceAsksToo() throws Exception {
		Routes routes = new Routes(List.of(), null, this.sources.registry());
		TargetAccess rules = new TargetAccess(this.access, routes);
		SourceDataSource own = new SourceDataSource(this.sources.registry(), "main", new ObjectProvider<>() {

			@Override
			public TargetAccess getObject() {
				return rules;
			}

		});
		this.users.set("bob");
		assertThatThrownBy(own::getConnection).hasCauseInstanceOf(SourceAccessDeniedException.class);
		this.users.set("grace");
		try (Connection connection = own.getConnection()) {
			assertThat(Sources.query(connection, "select count(*) from t")).isEqualTo("0");
			assertThatThrownBy(() -> Sources.execute(connection, WRITE))
				.hasCauseInstanceOf(SourceAccessDeniedException.class);
		}
		this.users.set("ada");
		try (Connection connection = own.getConnection()) {
			Sources.execute(connection, WRITE);
		}
		assertThat(rows()).isEqualTo(1);
	}

	@Test
	void aRuleMayUseADatabaseItself() throws Exception {
		Routes routes = new Routes(List.of(), null, this.sources.registry());
		RoutingDataSource[] own = new RoutingDataSource[1];
		SourceAccess rule = (user, tenant, source, operation) -> {
			try (Connection connection = own[0].getConnection()) {
				return "0".equals(Sources.query(connection, "select count(*) from t")) ? AccessDecision.allow()
						: AccessDecision.deny("No.");
			}
			catch (SQLException ex) {
				throw new IllegalStateException(ex);
			}
		};
		try (Access asking = new Access(() -> List.of(rule), this.users, AccessListener.NONE)) {
			own[0] = new RoutingDataSource(routes, new TargetAccess(asking, routes));
			SourceContext.run("main", () -> {
				assertThat(JdbcClient.create(own[0]).sql(WRITE).update()).isEqualTo(1);
				assertThatThrownBy(own[0]::getConnection).hasCauseInstanceOf(SourceAccessDeniedException.class);
			});
		}
	}

	@Test
	void twoUsersOnOneSourceDoNotLendEachOtherTheirRights() throws Exception {
		CyclicBarrier together = new CyclicBarrier(4);
		AtomicInteger number = new AtomicInteger();
		List<Object> outcomes = Race.run(4, () -> {
			int mine = number.getAndIncrement();
			String user = (mine % 2 == 0) ? "ada" : "grace";
			int done = 0;
			for (int i = 0; i < 40; i++) {
				together.await(60, TimeUnit.SECONDS);
				try {
					write(user);
					done++;
				}
				catch (DataAccessException ex) {
					if (!(ex.getCause().getCause() instanceof SourceAccessDeniedException)) {
						throw ex;
					}
				}
			}
			return user + " " + done;
		});
		assertThat(outcomes).containsExactlyInAnyOrder("ada 40", "ada 40", "grace 0", "grace 0");
		assertThat(rows()).isEqualTo(80);
	}

}
