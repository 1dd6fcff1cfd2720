package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link Source#sever}: a connection that is cut at a deadline is given back
 * once, to the pool that lent it. In HikariCP's pools, which SQLite has for what is no
 * plain file.
 */
class SeverTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	/** Nothing but the end of its use closes a pool that drains. */
	private SourceRegistry registry(Map<String, String> hikari) {
		return this.sources.with(new PoolLimits(10, PoolLimits.WhenFull.WAIT, Duration.ofHours(1), Duration.ofHours(1)))
			.with(definition("a", hikari))
			.registry();
	}

	private SourceDefinition.Builder definition(String file, Map<String, String> hikari) {
		return SourceDefinition.named("a")
			.url("jdbc:sqlite:file:" + this.directory.resolve(file + ".db"))
			.hikari(hikari);
	}

	private static void cut(Source source, Connection connection) {
		source.sever(connection);
		source.ended(connection);
	}

	@Test
	void aPoolThatDrainsIsClosedWhenItsLastConnectionIsCut() throws SQLException {
		SourceRegistry registry = registry(Map.of());
		Source a = registry.get("a");
		Connection first = a.take();
		Pool former = a.pool();
		registry.replace(definition("b", Map.of()).build());
		Pool next = a.pool();
		assertThat(next).isNotSameAs(former).isInstanceOf(HikariConnections.class);
		Connection other = a.take();
		cut(a, first);
		assertThat(former.leases()).isZero();
		await().until(() -> Sources.isClosed(former));
		await().until(() -> a.life().draining().isEmpty());
		assertThat(a.pool()).as("the new one").isSameAs(next);
		assertThat(next.phase()).isEqualTo(Pool.Phase.OPEN);
		assertThat(next.leases()).isOne();
		assertThat(Sources.query(other, "select 1")).isEqualTo("1");
		// Whoever had it closes it as well.
		first.close();
		a.giveBack(other, false);
		Sources.assertIdle(a);
		assertThat(next.idle()).isOne();
		assertThat(this.sources.events).noneMatch(SourceEvent.Cut.class::isInstance);
	}

	@Test
	void ofSeveralThatDrainItIsTheOneThatLentIt() throws SQLException {
		SourceRegistry registry = registry(Map.of());
		Source a = registry.get("a");
		Connection first = a.take();
		Pool one = a.pool();
		registry.replace(definition("b", Map.of()).build());
		Connection second = a.take();
		Pool two = a.pool();
		registry.drain("a");
		assertThat(a.pool()).isNull();
		cut(a, second);
		await().until(() -> Sources.isClosed(two));
		assertThat(one.leases()).isOne();
		assertThat(Sources.query(first, "select 1")).isEqualTo("1");
		cut(a, first);
		await().until(() -> Sources.isClosed(one));
		await().until(() -> a.life().draining().isEmpty());
	}

	@Test
	void whoHadItIsNotTakenForItsUserAnyMore() throws SQLException {
		Map<String, String> watched = Map.of("leak-detection-threshold", "60000", "maximum-pool-size", "2");
		SourceRegistry registry = registry(watched);
		Source a = registry.get("a");
		Connection first = a.take();
		Connection second = a.take();
		Pool former = a.pool();
		registry.replace(definition("b", watched).build());
		assertThat(former.borrowers()).hasSize(2);
		cut(a, first);
		assertThat(former.borrowers()).hasSize(1);
		a.giveBack(second, false);
		await().until(() -> Sources.isClosed(former));
	}

	@Test
	void withNothingThatDrainsItIsReplaced() throws SQLException {
		Source a = registry(Map.of("maximum-pool-size", "1")).get("a");
		Connection first = a.take();
		Pool open = a.pool();
		cut(a, first);
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
		assertThat(a.pool()).isSameAs(open);
		// HikariCP closes it on a thread of its own.
		await().untilAsserted(
				() -> assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.query(first, "select 1")));
	}

}
