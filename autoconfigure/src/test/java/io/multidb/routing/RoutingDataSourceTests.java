package io.multidb.routing;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLTransientConnectionException;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

import com.zaxxer.hikari.HikariDataSource;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteConnection;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.lookup.AbstractRoutingDataSource;

import io.multidb.NoTenantException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.WrongSourceException;
import io.multidb.source.LeasedConnection;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link RoutingDataSource} and {@link GuardedConnection} on SQLite files.
 */
class RoutingDataSourceTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private RoutingDataSource router;

	@BeforeEach
	void declare() throws SQLException {
		for (String name : new String[] { "lisbon", "porto" }) {
			this.sources.with(Sources.sqlite(name, this.directory));
		}
		this.sources.with(Sources.sqlite("down", this.directory.resolve("missing")));
		Route shared = new Route(List.of(NamePattern.of("lisbon-*")), "lisbon");
		this.router = new RoutingDataSource(
				new Routes(List.of(shared, Route.EACH_ITS_OWN), null, this.sources.registry()));
		for (String name : new String[] { "lisbon", "porto" }) {
			Sources.execute(this.sources.registry().get(name), "create table t (x)");
		}
	}

	@Test
	void everyTenantHasItsOwnRows() {
		JdbcClient jdbc = JdbcClient.create(this.router);
		TenantContext.run("lisbon", () -> jdbc.sql("insert into t values ('l')").update());
		TenantContext.run("porto", () -> jdbc.sql("insert into t values ('p')").update());
		assertThat(TenantContext.call("lisbon", () -> jdbc.sql("select x from t").query(String.class).list()))
			.containsExactly("l");
		assertThat(SourceContext.call("porto", () -> jdbc.sql("select x from t").query(String.class).list()))
			.containsExactly("p");
	}

	@Test
	void twoThreadsNeverSeeEachOthersRows() throws Exception {
		JdbcClient jdbc = JdbcClient.create(this.router);
		List<Object> outcomes = Race.run(2, () -> {
			String mine = Thread.currentThread().getName().endsWith("1") ? "lisbon" : "porto";
			for (int i = 0; i < 200; i++) {
				TenantContext.run(mine, () -> jdbc.sql("insert into t values (?)").param(mine).update());
			}
			return "done";
		});
		assertThat(outcomes).containsOnly("done");
		for (String name : new String[] { "lisbon", "porto" }) {
			assertThat(Sources.query(this.sources.registry().get(name),
					"select group_concat(distinct x) || count(*) from t"))
				.isEqualTo(name + "200");
		}
	}

	@Test
	void withoutATargetThereIsNoConnection() {
		assertThatExceptionOfType(SQLNonTransientConnectionException.class).isThrownBy(this.router::getConnection)
			.withCauseInstanceOf(NoTenantException.class);
	}

	@Test
	void aTenantDoesNotBecomeUnknownWhenTheApplicationEnds() throws SQLException {
		SourceRegistry registry = this.sources.registry();
		Source known = registry.get("lisbon");
		try (Scope scope = TenantContext.enter("lisbon")) {
			this.router.getConnection().close();
			registry.close();
			assertThatExceptionOfType(SQLTransientConnectionException.class).isThrownBy(this.router::getConnection)
				.withCauseInstanceOf(SourceUnavailableException.class)
				.withMessageContaining("the application has ended");
		}
		try (Scope scope = TenantContext.enter("porto")) {
			assertThatExceptionOfType(SQLTransientConnectionException.class).isThrownBy(this.router::getConnection)
				.withCauseInstanceOf(SourceUnavailableException.class);
		}
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(known::getConnection);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.get("lisbon"));
	}

	@Test
	void anUnknownTenantGetsNoConnection() {
		try (Scope scope = TenantContext.enter("nobody")) {
			assertThatExceptionOfType(SQLNonTransientConnectionException.class).isThrownBy(this.router::getConnection)
				.withCauseInstanceOf(UnknownTenantException.class);
		}
	}

	@Test
	void anUnavailableSourceIsATransientFailure() {
		try (Scope scope = TenantContext.enter("down")) {
			assertThatExceptionOfType(SQLTransientConnectionException.class).isThrownBy(this.router::getConnection)
				.withCauseInstanceOf(SourceUnavailableException.class);
		}
	}

	@Test
	void aConnectionRefusesWorkUnderAnotherSource() throws SQLException {
		try (Scope lisbon = TenantContext.enter("lisbon"); Connection connection = this.router.getConnection()) {
			try (Scope porto = TenantContext.enter("porto")) {
				assertThatExceptionOfType(SQLNonTransientConnectionException.class)
					.isThrownBy(() -> connection.prepareStatement("select 1"))
					.withCauseInstanceOf(WrongSourceException.class)
					.withMessageContaining("'lisbon'")
					.withMessageContaining("tenant 'porto'");
				assertThatExceptionOfType(SQLNonTransientConnectionException.class).isThrownBy(connection::commit);
				assertThatExceptionOfType(SQLNonTransientConnectionException.class)
					.isThrownBy(() -> connection.setAutoCommit(true));
			}
			assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
		}
	}

	@Test
	void aConnectionRefusesWorkAfterItsScope() throws SQLException {
		Connection connection = TenantContext.<Connection, SQLException>call("lisbon", this.router::getConnection);
		try (connection) {
			assertThatExceptionOfType(SQLNonTransientConnectionException.class).isThrownBy(connection::createStatement)
				.withMessageContaining("no tenant");
		}
	}

	@Test
	void tenantsOfOneSourceShareAConnection() throws SQLException {
		try (Scope one = TenantContext.enter("lisbon-1"); Connection connection = this.router.getConnection()) {
			try (Scope two = TenantContext.enter("lisbon-2")) {
				assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
			}
			try (Scope direct = SourceContext.enter("lisbon")) {
				assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
			}
		}
	}

	@Test
	void whatEndsWorkPassesFromAnyThreadWithoutATarget() throws Exception {
		Connection connection = TenantContext.<Connection, SQLException>call("lisbon", () -> {
			Connection taken = this.router.getConnection();
			taken.setAutoCommit(false);
			Sources.execute(taken, "insert into t values ('x')");
			return taken;
		});
		AtomicReference<Exception> failure = new AtomicReference<>();
		Thread thread = new Thread(() -> {
			try {
				assertThat(connection.isValid(1)).isTrue();
				assertThat(connection.isClosed()).isFalse();
				connection.rollback();
				connection.close();
				connection.close();
			}
			catch (Exception ex) {
				failure.set(ex);
			}
		});
		thread.start();
		thread.join();
		assertThat(failure).hasNullValue();
		assertThat(Sources.query(this.sources.registry().get("lisbon"), "select count(*) from t")).isEqualTo("0");
	}

	@Test
	void workInProgressMayEnterItsTenantAgainWhileItsSourceDrains() throws SQLException {
		try (Scope scope = TenantContext.enter("porto"); Connection connection = this.router.getConnection()) {
			this.sources.registry().remove("porto");
			try (Scope again = TenantContext.enter("porto")) {
				Sources.execute(connection, "insert into t values (1)");
			}
			try (Scope other = TenantContext.enter("lisbon")) {
				assertThatExceptionOfType(SQLNonTransientConnectionException.class)
					.isThrownBy(connection::createStatement);
			}
		}
	}

	@Test
	void twoRoutersOfOneRegistryMayLeadElsewhere() throws SQLException {
		RoutingDataSource other = new RoutingDataSource(
				new Routes(List.of(new Route(List.of(NamePattern.of("*")), "porto")), null, this.sources.registry()));
		try (Scope scope = TenantContext.enter("lisbon");
				Connection mine = this.router.getConnection();
				Connection theirs = other.getConnection()) {
			assertThat(mine.unwrap(LeasedConnection.class).source().name()).isEqualTo("lisbon");
			assertThat(theirs.unwrap(LeasedConnection.class).source().name()).isEqualTo("porto");
		}
	}

	@Test
	void unwrapsToTheDriversConnection() throws SQLException {
		try (Scope scope = TenantContext.enter("lisbon"); Connection connection = this.router.getConnection()) {
			assertThat(connection.isWrapperFor(SQLiteConnection.class)).isTrue();
			assertThat(connection.unwrap(SQLiteConnection.class)).isNotNull();
			assertThat(connection.unwrap(LeasedConnection.class).source().name()).isEqualTo("lisbon");
		}
	}

	@Test
	void isNoWrapperOfAnyPool() throws SQLException {
		assertThat(this.router.isWrapperFor(HikariDataSource.class)).isFalse();
		assertThat(this.router.isWrapperFor(AbstractRoutingDataSource.class)).isTrue();
		assertThat(this.router.unwrap(RoutingDataSource.class)).isSameAs(this.router);
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> this.router.unwrap(HikariDataSource.class));
	}

	@Test
	void refusesWhatItCannotHonour() {
		this.router.afterPropertiesSet();
		assertThat(this.router.getResolvedDataSources()).isEmpty();
		assertThatExceptionOfType(SQLFeatureNotSupportedException.class)
			.isThrownBy(() -> this.router.getConnection("user", "password"));
		assertThatExceptionOfType(SQLFeatureNotSupportedException.class)
			.isThrownBy(this.router::createConnectionBuilder);
		assertThatExceptionOfType(SQLFeatureNotSupportedException.class)
			.isThrownBy(this.router::createShardingKeyBuilder);
		assertThatExceptionOfType(UnsupportedOperationException.class)
			.isThrownBy(() -> this.router.setDefaultTargetDataSource(this.router));
		assertThatExceptionOfType(UnsupportedOperationException.class)
			.isThrownBy(() -> this.router.setLenientFallback(true));
		assertThatExceptionOfType(UnsupportedOperationException.class)
			.isThrownBy(() -> this.router.setTargetDataSources(java.util.Map.of()));
	}

}
