package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

import com.zaxxer.hikari.pool.HikariPool;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.test.util.ReflectionTestUtils;

import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for what keeps a leased connection from being closed: borrow first, look second.
 */
class LeaseTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceRegistry registry(String connectionTimeout) {
		return this.sources
			.with(Sources.sqlite("a", this.directory)
				.hikari(Map.of("maximum-pool-size", "1", "connection-timeout", connectionTimeout)))
			.registry();
	}

	private static Pool opened(Source source) throws SQLException {
		Sources.query(source, "select 1");
		return source.pool();
	}

	@Test
	void aPoolIsNotClosedWhileAConnectionOfItIsOut() throws Exception {
		SourceRegistry registry = registry("1000");
		Source a = registry.get("a");
		Pool pool = opened(a);
		try (Connection connection = a.getConnection()) {
			registry.remove("a");
			a.life().closeDrained(false);
			assertThat(Sources.isClosed(pool)).isFalse();
			assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
		}
		Awaitility.await().until(() -> Sources.isClosed(pool));
	}

	/** HikariCP itself would let him wait until he times out. */
	@Test
	void whoWaitsForAConnectionThatBreaksGetsAnother() throws Exception {
		SourceRegistry registry = this.sources
			.with(SourceDefinition.named("a")
				.url("jdbc:sqlite:file:" + this.directory.resolve("a.db"))
				.hikari(Map.of("maximum-pool-size", "1", "connection-timeout", "60000")))
			.registry();
		Source a = registry.get("a");
		assertThat(opened(a)).isInstanceOf(HikariConnections.class);
		CompletableFuture<String> waiting;
		try (Connection only = a.getConnection()) {
			waiting = CompletableFuture.supplyAsync(() -> {
				try {
					return Sources.query(a, "select 1");
				}
				catch (SQLException ex) {
					return ex.toString();
				}
			});
			Awaitility.await().until(() -> a.pool().waiting() == 1);
			// As it does itself with one that is broken, or too old.
			((HikariPool) Objects.requireNonNull(ReflectionTestUtils.getField(a.pool(), "pool")))
				.softEvictConnections();
		}
		assertThat(waiting).succeedsWithin(Duration.ofSeconds(30)).isEqualTo("1");
	}

	@Test
	void whoWaitsForAConnectionWhenItsSourceIsRemovedIsServed() throws Exception {
		SourceRegistry registry = registry("20000");
		Source a = registry.get("a");
		Pool pool = opened(a);
		CompletableFuture<String> waiting;
		try (Connection only = a.getConnection()) {
			waiting = CompletableFuture.supplyAsync(() -> {
				try {
					return Sources.query(a, "select 1");
				}
				catch (SQLException ex) {
					return ex.toString();
				}
			});
			Awaitility.await().until(() -> a.leases() == 2);
			registry.remove("a");
			assertThat(this.sources.events).contains(new SourceEvent.Removed("a", 2));
			assertThat(only.isClosed()).isFalse();
		}
		assertThat(waiting.join()).isEqualTo("1");
		Awaitility.await().until(() -> Sources.isClosed(pool));
	}

	@Test
	void whoReadThePoolBeforeItsRemovalIsServedWhileItDrains() throws Exception {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory)).registry();
		Source a = registry.get("a");
		Pool pool = opened(a);
		Connection inUse = a.getConnection();
		registry.remove("a");
		try (Connection late = a.lease(pool)) {
			assertThat(late).isNotNull();
			inUse.close();
			a.life().closeDrained(false);
			assertThat(Sources.query(late, "select 1")).isEqualTo("1");
		}
		a.life().closeDrained(false);
		Awaitility.await().until(() -> Sources.isClosed(pool));
	}

	@Test
	void whoReadThePoolBeforeItsClosingGetsNothingOfIt() throws Exception {
		SourceRegistry registry = registry("1000");
		Source a = registry.get("a");
		Pool pool = opened(a);
		registry.remove("a");
		a.life().closeDrained(false);
		assertThat(a.lease(pool)).isNull();
		Awaitility.await().until(() -> Sources.isClosed(pool));
	}

	@Test
	void nothingLeasedIsCutInAFewReplacementsUnderLoad() throws Exception {
		replaceUnderLoad(20, Duration.ofSeconds(20));
	}

	@Test
	@Tag("stress")
	void nothingLeasedIsCutInManyReplacementsUnderLoad() throws Exception {
		replaceUnderLoad(Integer.MAX_VALUE, Duration.ofSeconds(40));
	}

	/**
	 * Without the grace that a drained pool has, so that threads are caught on their way
	 * into it as often as can be.
	 */
	private void replaceUnderLoad(int times, Duration atMost) throws Exception {
		SourceRegistry registry = this.sources.registry();
		SourceDefinition definition = Sources.sqlite("a", this.directory)
			.hikari(Map.of("maximum-pool-size", "4", "connection-timeout", "250"))
			.build();
		registry.add(definition);
		AtomicBoolean ended = new AtomicBoolean();
		AtomicLong served = new AtomicLong();
		CompletableFuture<List<Object>> users = CompletableFuture.supplyAsync(() -> {
			try {
				return Race.run(8, () -> {
					while (!ended.get()) {
						use(registry, served);
					}
					return "fine";
				});
			}
			catch (Exception ex) {
				throw new IllegalStateException(ex);
			}
		});
		long end = System.nanoTime() + atMost.toNanos();
		for (int i = 0; i < times && System.nanoTime() < end && !users.isDone(); i++) {
			long before = served.get();
			Awaitility.await().until(() -> served.get() > before + 8 || users.isDone());
			Source replaced = registry.get("a");
			registry.remove("a");
			registry.add(definition);
			while (replaced.isOpen()) {
				replaced.life().closeDrained(false);
				Thread.onSpinWait();
			}
		}
		ended.set(true);
		assertThat(users.join()).containsOnly("fine");
	}

	/** Whatever was handed out must work until it is given back. */
	private static void use(SourceRegistry registry, AtomicLong served) throws Exception {
		Source source = registry.find("a");
		if (source == null) {
			return;
		}
		Pool before = source.pool();
		Connection leased;
		try {
			leased = source.getConnection();
		}
		catch (UnknownSourceException | SourceUnavailableException ex) {
			// Removed meanwhile; or more users than connections, and out of luck.
			return;
		}
		// Of this pool, then; SQLite's driver does not show that its pool was closed.
		Pool pool = Objects.equals(source.pool(), before) ? before : null;
		try (Connection connection = leased) {
			for (int i = ThreadLocalRandom.current().nextInt(3); i >= 0; i--) {
				assertThat(Sources.query(connection, "select 1")).isEqualTo("1");
			}
			assertThat(pool != null && pool.phase() == Pool.Phase.CLOSED).isFalse();
		}
		served.incrementAndGet();
	}

}
