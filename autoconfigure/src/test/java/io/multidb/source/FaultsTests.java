package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for what goes wrong with SQLite files and threads: the others notice nothing, and
 * nothing is left behind.
 */
class FaultsTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceRegistry registry(Map<String, String> hikari) throws SQLException {
		SourceRegistry registry = this.sources.with(Sources.sqlite("a", this.directory).hikari(hikari))
			.with(Sources.sqlite("other", this.directory))
			.registry();
		Sources.execute(registry.get("other"), "create table note (text text)");
		return registry;
	}

	@Test
	void aFileThatIsNoDatabaseIsUnavailableUntilItIsOne() throws Exception {
		Files.writeString(this.directory.resolve("a.db"), "no database at all ".repeat(500));
		SourceRegistry registry = registry(Map.of());
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> Sources.query(registry.get("a"), "select 1"))
			.withMessageContaining("file is not a database");
		assertThat(Sources.query(registry.get("other"), "select count(*) from note")).isEqualTo("0");
		Files.delete(this.directory.resolve("a.db"));
		await().until(() -> registry.get("a").state() instanceof SourceState.Cold);
		assertThat(Sources.query(registry.get("a"), "select 1")).isEqualTo("1");
	}

	@Test
	void aFileThatAnotherProcessKeepsLockedHoldsUpNobodyElse() throws Exception {
		SourceRegistry registry = registry(Map.of("data-source-properties.busy_timeout", "300"));
		Sources.execute(registry.get("a"), "create table note (text text)");
		try (Connection another = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("a.db"))) {
			Sources.execute(another, "begin exclusive");
			Sources.execute(another, "insert into note values ('theirs')");
			assertThatExceptionOfType(SQLException.class)
				.isThrownBy(() -> Sources.execute(registry.get("a"), "insert into note values ('ours')"))
				.withMessageContaining("SQLITE_BUSY");
			Sources.execute(registry.get("other"), "insert into note values ('x')");
			assertThat(registry.get("a").state()).as("it is only busy").isInstanceOf(SourceState.Open.class);
			Sources.execute(another, "commit");
		}
		Sources.execute(registry.get("a"), "insert into note values ('ours')");
		assertThat(Sources.query(registry.get("a"), "select count(*) from note")).isEqualTo("2");
	}

	@Test
	void aDatabaseThatIsFullTakesNoMoreAndLosesNothing() throws Exception {
		SourceRegistry registry = registry(Map.of("connection-init-sql", "pragma max_page_count = 20"));
		Source a = registry.get("a");
		Sources.execute(a, "create table note (text text)");
		int rows = 0;
		SQLException full = null;
		while (full == null) {
			try {
				Sources.execute(a, "insert into note values (hex(randomblob(1000)))");
				rows++;
			}
			catch (SQLException ex) {
				full = ex;
			}
		}
		assertThat(full.getMessage()).contains("SQLITE_FULL");
		assertThat(Sources.query(a, "select count(*) from note")).isEqualTo(Integer.toString(rows));
		Sources.execute(registry.get("other"), "insert into note values ('x')");
		Sources.execute(a, "delete from note");
		Sources.execute(a, "insert into note values ('room again')");
		Sources.assertIdle(a);
	}

	@Test
	void aThreadThatIsInterruptedWhileItWaitsForAConnectionSpoilsNothing() throws Exception {
		SourceRegistry registry = registry(Map.of("maximum-pool-size", "1", "connection-timeout", "20000"));
		Source a = registry.get("a");
		List<Throwable> failures = new ArrayList<>();
		try (Connection only = a.getConnection()) {
			Thread waiting = new Thread(() -> {
				try {
					Sources.query(a, "select 1");
				}
				catch (SQLException | MultiDbException ex) {
					failures.add(ex);
				}
			});
			waiting.start();
			await().until(() -> a.leases() == 2);
			waiting.interrupt();
			waiting.join();
			assertThat(failures).hasSize(1);
			assertThat(a.state()).isInstanceOf(SourceState.Open.class);
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
		Sources.assertIdle(a);
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void nothingIsLeftWhenTheApplicationEndsUnderLoad() throws Exception {
		AtomicBoolean ended = new AtomicBoolean();
		AtomicLong served = new AtomicLong();
		Sources mine = new Sources()
			.with(new PoolLimits(5, PoolLimits.WhenFull.WAIT, Duration.ofMillis(200), Duration.ofSeconds(30)));
		for (int i = 0; i < 12; i++) {
			mine.with(Sources.sqlite("s" + i, this.directory));
		}
		SourceRegistry registry = mine.registry();
		CompletableFuture<List<Object>> users = CompletableFuture.supplyAsync(() -> {
			try {
				return Race.run(6, () -> {
					for (int i = 0; !ended.get(); i++) {
						try {
							Sources.query(registry.get("s" + i % 12), "select 1");
							served.incrementAndGet();
						}
						catch (SQLException | MultiDbException ex) {
							// The application ends.
						}
					}
					return "ended";
				});
			}
			catch (Exception ex) {
				throw new IllegalStateException(ex);
			}
		});
		await().until(() -> served.get() > 50);
		registry.close();
		ended.set(true);
		assertThat(users.join()).containsOnly("ended");
		await().untilAsserted(() -> {
			assertThat(Sources.openFiles(this.directory)).isEmpty();
			assertThat(Sources.threads("multidb-")).isEmpty();
		});
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void handlesAndThreadsReturnToTheirBaseline() throws Exception {
		SourceRegistry registry = this.sources
			.with(new PoolLimits(3, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(30)))
			.registry();
		for (int i = 0; i < 60; i++) {
			registry.add(Sources.sqlite("s" + i, this.directory).build());
			assertThat(Sources.query(registry.get("s" + i), "select 1")).isEqualTo("1");
		}
		await().until(() -> registry.attention().get() == 0);
		assertThat(Sources.openFiles(this.directory)).hasSizeLessThanOrEqualTo(3 * 3);
		for (int i = 0; i < 60; i++) {
			assertThat(registry.remove("s" + i)).isTrue();
		}
		await().untilAsserted(() -> {
			assertThat(Sources.openFiles(this.directory)).isEmpty();
			assertThat(Sources.threads("multidb-")).hasSizeLessThanOrEqualTo(3);
		});
		assertThat(registry.openPools().isEmpty()).isTrue();
	}

}
