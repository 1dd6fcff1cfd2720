package io.multidb.access;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.SourceAccessDeniedException;
import io.multidb.TenantContext;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TargetAccess;
import io.multidb.source.FallbackSettings;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Who may read only, where the work of a source is done on its fallback, which takes
 * writes; and connections that do not commit by themselves.
 */
class ReaderElsewhereTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final Users users = new Users();

	private final TestGrants grants = new TestGrants().read("grace", "main").admin("ada", "main");

	@AutoClose
	private final Access access = new Access(() -> List.of(new GrantedAccess(this.grants)), this.users,
			AccessListener.NONE);

	private RoutingDataSource router() {
		Routes routes = new Routes(List.of(), null, this.sources.registry());
		return new RoutingDataSource(routes, new TargetAccess(this.access, routes));
	}

	@Test
	void aReaderDoesNotWriteToAFallbackThatTakesWrites() throws SQLException {
		SourceRegistry registry = this.sources
			.with(Sources.sqlite("main", this.directory.resolve("missing"))
				.fallback(new FallbackSettings("archive", false)))
			.with(Sources.sqlite("archive", this.directory).hikari(Map.of("maximum-pool-size", "1")))
			.registry();
		Sources.execute(registry.get("archive"), "create table t (x int)");
		JdbcClient jdbc = JdbcClient.create(router());
		for (int i = 0; i < 3; i++) {
			this.users.set("grace");
			TenantContext.run("main", () -> {
				assertThat(jdbc.sql("select count(*) from t").query(Integer.class).single()).isNotNegative();
				assertThatThrownBy(() -> jdbc.sql("insert into t values (1)").update())
					.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
				assertThatThrownBy(() -> jdbc.sql("pragma query_only = 0").update());
			});
			this.users.set("ada");
			TenantContext.run("main", () -> assertThat(jdbc.sql("insert into t values (1)").update()).isEqualTo(1));
		}
		assertThat(Sources.query(registry.get("archive"), "select count(*) from t")).isEqualTo("3");
	}

	@Test
	void aPoolWithoutAutoCommitLendsToReadersToo() throws SQLException {
		SourceRegistry registry = this.sources
			.with(Sources.sqlite("main", this.directory)
				.hikari(Map.of("maximum-pool-size", "1", "auto-commit", "false")))
			.registry();
		Sources.execute(registry.get("main"), "create table t (x int)");
		RoutingDataSource router = router();
		for (int i = 0; i < 3; i++) {
			this.users.set("grace");
			TenantContext.call("main", () -> {
				try (Connection connection = router.getConnection()) {
					assertThat(connection.getAutoCommit()).isFalse();
					assertThat(Sources.query(connection, "select count(*) from t")).isNotNull();
					assertThatExceptionOfType(SQLException.class)
						.isThrownBy(() -> Sources.execute(connection, "insert into t values (1)"));
				}
				return null;
			});
			this.users.set("ada");
			TenantContext.call("main", () -> {
				try (Connection connection = router.getConnection()) {
					Sources.execute(connection, "insert into t values (1)");
					connection.commit();
				}
				return null;
			});
		}
		assertThat(Sources.query(registry.get("main"), "select count(*) from t")).isEqualTo("3");
	}

	@Test
	void aSourceThatIsDownIsSoForAReaderToo() {
		this.sources.with(Sources.sqlite("main", this.directory.resolve("missing"))).registry();
		RoutingDataSource router = router();
		this.users.set("grace");
		assertThatExceptionOfType(java.sql.SQLTransientConnectionException.class)
			.isThrownBy(() -> TenantContext.call("main", router::getConnection));
		assertThat(Files.exists(this.directory.resolve("missing"))).isFalse();
	}

}
