package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for a source whose server dies while its pool is open: it is unavailable, its
 * callers fail at once, and it comes back by itself.
 */
class BreakerIntegrationTests {

	private static PostgresProcess server;

	@TempDir
	private java.nio.file.Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private Source mortal;

	private Source other;

	@BeforeAll
	static void start() {
		server = PostgresProcess.start();
	}

	@AfterAll
	static void stop() throws IOException {
		server.close();
	}

	@BeforeEach
	void open() throws SQLException {
		SourceRegistry registry = this.sources
			.with(SourceDefinition.named("mortal")
				.url(server.url("postgres"))
				.username("postgres")
				.hikari(Map.of("maximum-pool-size", "2", "connection-timeout", "30000", "validation-timeout", "1000")))
			.with(Sources.sqlite("other", this.directory))
			.registry();
		this.mortal = registry.get("mortal");
		this.other = registry.get("other");
		Sources.query(this.mortal, "select 1");
		Sources.query(this.other, "select 1");
	}

	private static String ask(Source source) {
		try {
			return Sources.query(source, "select 1");
		}
		catch (SourceUnavailableException ex) {
			return "unavailable";
		}
		catch (SQLException ex) {
			return "broken";
		}
	}

	@Test
	void itsCallersFailAtOnceAndItComesBackByItself() throws Exception {
		server.kill();
		await().until(() -> ask(this.mortal).equals("unavailable"));
		assertThat(this.mortal.state()).isInstanceOf(SourceState.Unavailable.class);
		long start = System.nanoTime();
		for (int i = 0; i < 1000; i++) {
			assertThat(ask(this.mortal)).isEqualTo("unavailable");
		}
		assertThat(Duration.ofNanos(System.nanoTime() - start)).as("nobody waits").isLessThan(Duration.ofSeconds(10));
		assertThat(ask(this.other)).isEqualTo("1");
		assertThat(this.sources.events).filteredOn(SourceEvent.Unavailable.class::isInstance).hasSize(1);
		server.restart();
		await().until(() -> this.mortal.state() instanceof SourceState.Cold);
		assertThat(ask(this.mortal)).isEqualTo("1");
		assertThat(this.sources.events).filteredOn(SourceEvent.Recovered.class::isInstance).hasSize(1);
	}

	@Test
	void asSoonAsOneIsBackSoAreTheOthersOfItsServer() throws Exception {
		List<Source> others = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			SourceRegistry registry = this.sources.registry();
			registry.add(SourceDefinition.named("mortal" + i)
				.url(server.url("postgres") + "?currentSchema=s" + i)
				.username("postgres")
				.build());
			others.add(registry.get("mortal" + i));
			assertThat(ask(others.get(i))).isEqualTo("1");
		}
		server.kill();
		for (Source each : others) {
			await().until(() -> ask(each).equals("unavailable"));
			// So that none of them comes back by itself.
			await().until(() -> waitsLong(each));
		}
		await().until(() -> ask(this.mortal).equals("unavailable"));
		server.restart();
		for (Source each : others) {
			assertThat(ask(each)).isEqualTo("unavailable");
		}
		this.sources.registry().retry("mortal");
		assertThat(ask(this.mortal)).isEqualTo("1");
		for (Source each : others) {
			assertThat(ask(each)).isEqualTo("1");
		}
	}

	private boolean waitsLong(Source source) {
		try {
			this.sources.registry().retry(source.name());
			return true;
		}
		catch (SourceUnavailableException ex) {
			return ex.retryAfter().compareTo(Duration.ofSeconds(30)) >= 0;
		}
	}

	@Test
	void thoseWhoWaitAreSentAwayToo() throws Exception {
		List<CompletableFuture<String>> waiting = new ArrayList<>();
		try (Connection one = this.mortal.getConnection(); Connection two = this.mortal.getConnection()) {
			for (int i = 0; i < 5; i++) {
				waiting.add(CompletableFuture.supplyAsync(() -> ask(this.mortal), (task) -> new Thread(task).start()));
			}
			await().until(() -> this.mortal.leases() == 7);
			server.kill();
			for (Connection connection : List.of(one, two)) {
				assertThatExceptionOfType(SQLException.class).isThrownBy(() -> Sources.query(connection, "select 1"));
			}
		}
		await().until(() -> waiting.stream().allMatch(CompletableFuture::isDone));
		assertThat(waiting).extracting(CompletableFuture::join).containsOnly("unavailable");
		await().until(() -> this.mortal.leases() == 0 && !this.mortal.isOpen());
		server.restart();
		await().until(() -> ask(this.mortal).equals("1"));
	}

	@Test
	void aServerThatSaysNothingIsUnavailableBeforeTheConnectionTimeout() throws Exception {
		server.freeze(true);
		try {
			// A connection that was used a moment ago is not tested before it is lent,
			// and a
			// statement that is sent to such a server returns when the application says
			// so.
			await().pollDelay(Duration.ofMillis(800)).until(() -> true);
			CompletableFuture<String> caller = CompletableFuture.supplyAsync(() -> ask(this.mortal),
					(task) -> new Thread(task).start());
			assertThat(caller.get(25, TimeUnit.SECONDS)).isEqualTo("unavailable");
			assertThat(this.mortal.state()).isInstanceOf(SourceState.Unavailable.class);
			assertThat(ask(this.other)).isEqualTo("1");
		}
		finally {
			server.freeze(false);
		}
		await().until(() -> ask(this.mortal).equals("1"));
	}

	@Test
	void connectionsThatWereTerminatedAreReplacedAndNothingIsUnavailable() throws Exception {
		for (int i = 0; i < 3; i++) {
			server.run("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
					+ " and backend_type = 'client backend'");
			await().until(() -> ask(this.mortal).equals("1"));
		}
		assertThat(this.sources.events).noneMatch(SourceEvent.Unavailable.class::isInstance);
	}

	@Test
	void aServerThatIsFullIsNotLost() throws Exception {
		server.run("create role few login connection limit 1");
		SourceRegistry registry = this.sources.registry();
		registry.add(SourceDefinition.named("few")
			.url(server.url("template1"))
			.username("few")
			.hikari(Map.of("maximum-pool-size", "2", "connection-timeout", "1500"))
			.build());
		Source few = registry.get("few");
		try (Connection only = few.getConnection()) {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> Sources.query(few, "select 1"))
				.withMessageContaining("The server has no connection left");
			assertThat(few.state()).isInstanceOf(SourceState.Open.class);
			assertThat(Sources.query(only, "select 1")).isEqualTo("1");
		}
		assertThat(ask(few)).isEqualTo("1");
	}

}
