package io.multidb.access;

import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import javax.sql.DataSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteDataSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TargetAccess;
import io.multidb.source.NamePattern;
import io.multidb.source.Sources;
import io.multidb.transaction.SwitchCheck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Rules, those who know users and listeners that work with databases themselves, inside
 * transactions of those they are asked for.
 */
class DecidingTests {

	private static final String WRITE = "insert into t values (1)";

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final Users users = new Users();

	private Routes routes;

	private JdbcClient jdbc;

	private TransactionTemplate unrelated;

	private TransactionTemplate routed;

	@AutoClose
	private Access access;

	private SwitchCheck switches;

	private TargetAccess rules;

	@BeforeEach
	void open() throws SQLException {
		this.sources.with(Sources.sqlite("main", this.directory))
			.with(Sources.sqlite("rules", this.directory).hikari(Map.of("maximum-pool-size", "1")));
		this.routes = new Routes(List.of(new Route(List.of(NamePattern.of("shared-*")), "main"), Route.EACH_ITS_OWN),
				null, this.sources.registry());
		Sources.execute(this.sources.registry().get("main"), "create table t (x int)");
		Sources.execute(this.sources.registry().get("rules"), "create table t (x int)");
		SQLiteDataSource other = new SQLiteDataSource();
		other.setUrl("jdbc:sqlite:" + this.directory.resolve("unrelated.db"));
		this.unrelated = new TransactionTemplate(new JdbcTransactionManager((DataSource) other));
	}

	@AfterEach
	void close() {
		this.switches.close();
	}

	private void begin(SourceAccess rule, CurrentUser user, AccessListener listener) {
		this.access = new Access(() -> List.of(rule), user, listener);
		this.rules = new TargetAccess(this.access, this.routes);
		RoutingDataSource router = new RoutingDataSource(this.routes, this.rules);
		this.switches = new SwitchCheck(this.routes, this.rules, List::of);
		this.jdbc = JdbcClient.create(router);
		this.routed = new TransactionTemplate(new JdbcTransactionManager(router));
	}

	private int count() {
		return this.jdbc.sql("select count(*) from t").query(Integer.class).single();
	}

	/** What is asked of the source that is guarded, and of another. */
	private int look() {
		return count() + SourceContext.call("rules", this::count);
	}

	private static AccessDecision decide(String user, Operation operation) {
		return ("ada".equals(user) || ("grace".equals(user) && operation == Operation.READ)) ? AccessDecision.allow()
				: AccessDecision.deny("No.");
	}

	private void whoMayNotGetsNoConnectionThatNobodyWasAskedAbout() {
		this.users.set("grace");
		this.unrelated.executeWithoutResult((status) -> SourceContext.run("main", () -> {
			this.rules.check(Target.current(), Operation.READ);
			assertThat(count()).isZero();
			assertThatThrownBy(() -> this.jdbc.sql(WRITE).update())
				.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
		}));
		this.users.set("bob");
		this.unrelated.executeWithoutResult((status) -> SourceContext.run("main", () -> {
			assertThatThrownBy(() -> this.rules.check(Target.current(), Operation.READ))
				.isInstanceOf(SourceAccessDeniedException.class);
			assertThatThrownBy(this::count).hasRootCauseInstanceOf(SourceAccessDeniedException.class);
		}));
		this.users.set("ada");
		this.unrelated.executeWithoutResult(
				(status) -> SourceContext.run("main", () -> assertThat(this.jdbc.sql(WRITE).update()).isEqualTo(1)));
		assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
		this.sources.registry().sources().forEach(Sources::assertIdle);
	}

	@Test
	void aRulesConnectionDoesNotStayWithTheTransaction() {
		begin((user, tenant, source, operation) -> {
			look();
			return decide(user, operation);
		}, this.users, AccessListener.NONE);
		whoMayNotGetsNoConnectionThatNobodyWasAskedAbout();
	}

	@Test
	void theConnectionOfWhoKnowsUsersDoesNotStayWithTheTransaction() {
		begin((user, tenant, source, operation) -> decide(user, operation), () -> {
			look();
			return this.users.name();
		}, AccessListener.NONE);
		whoMayNotGetsNoConnectionThatNobodyWasAskedAbout();
	}

	@Test
	void aTasksUserIsLookedUpApartFromTheTransactionThatSubmitsIt() {
		begin((user, tenant, source, operation) -> decide(user, operation), () -> {
			count();
			return this.users.name();
		}, AccessListener.NONE);
		this.users.set("grace");
		this.unrelated.executeWithoutResult((status) -> SourceContext.run("main", () -> {
			try (TaskUser.Span span = TaskUser.current().enter()) {
				assertThatThrownBy(() -> this.jdbc.sql(WRITE).update())
					.hasRootCauseInstanceOf(SourceAccessDeniedException.class);
			}
		}));
	}

	@Test
	void aListenersConnectionDoesNotStayWithTheTransaction() {
		begin((user, tenant, source, operation) -> decide(user, operation), this.users, (event) -> look());
		whoMayNotGetsNoConnectionThatNobodyWasAskedAbout();
	}

	@Test
	void aRuleIsAskedApartFromTheTransactionInWhichItIsAsked() {
		List<Integer> seen = new ArrayList<>();
		begin((user, tenant, source, operation) -> {
			assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isFalse();
			assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
			assertThat(TransactionSynchronizationManager.getCurrentTransactionName()).isNull();
			seen.add(SourceContext.call("rules", this::count));
			// In a transaction of its own, of the same manager.
			seen.add(SourceContext.call("rules", () -> this.routed.execute((status) -> count())));
			return decide(user, operation);
		}, this.users, AccessListener.NONE);
		this.users.set("ada");
		this.routed.setName("mine");
		List<String> completed = new ArrayList<>();
		TenantContext.run("shared-1", () -> this.routed.executeWithoutResult((status) -> {
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void suspend() {
					completed.add("suspended");
				}

				@Override
				public void afterCommit() {
					completed.add("committed");
				}

			});
			Map<Object, Object> bound = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
			this.jdbc.sql(WRITE).update();
			seen.clear();
			TenantContext.run("shared-2", () -> this.jdbc.sql(WRITE).update());
			assertThat(seen).containsExactly(0, 0);
			assertThat(TransactionSynchronizationManager.getResourceMap()).isEqualTo(bound);
			assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isTrue();
			assertThat(TransactionSynchronizationManager.getCurrentTransactionName()).isEqualTo("mine");
			assertThat(completed).isEmpty();
		}));
		assertThat(completed).containsExactly("committed");
		assertThat(SourceContext.call("main", this::count)).isEqualTo(2);
	}

	@Test
	void aRuleThatFailsOrLeavesSomethingOpenChangesNothing() {
		begin((user, tenant, source, operation) -> {
			if ("shared-2".equals(tenant)) {
				TransactionSynchronizationManager.initSynchronization();
				TransactionSynchronizationManager.setActualTransactionActive(true);
				TransactionSynchronizationManager.bindResource("its", "own");
				throw new IllegalStateException("The rule failed");
			}
			return AccessDecision.allow();
		}, this.users, AccessListener.NONE);
		assertThatThrownBy(() -> TenantContext.run("shared-2", this::count)).hasStackTraceContaining("The rule failed");
		assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
		assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
		assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isFalse();
		TenantContext.run("shared-1", () -> this.routed.executeWithoutResult((status) -> {
			this.jdbc.sql(WRITE).update();
			List<TransactionSynchronization> before = TransactionSynchronizationManager.getSynchronizations();
			Map<Object, Object> bound = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
			assertThatThrownBy(() -> TenantContext.run("shared-2", this::count))
				.hasStackTraceContaining("The rule failed");
			assertThat(TransactionSynchronizationManager.getSynchronizations()).isEqualTo(before);
			assertThat(TransactionSynchronizationManager.getResourceMap()).isEqualTo(bound);
			this.jdbc.sql(WRITE).update();
		}));
		assertThat(TenantContext.call("shared-1", this::count)).isEqualTo(2);
	}

}
