package io.multidb.actuate;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthContributor;
import org.springframework.boot.health.contributor.HealthContributors.Entry;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;

import io.multidb.SourceUnavailableException;
import io.multidb.source.PoolState;
import io.multidb.source.Race;
import io.multidb.source.ReplicaSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

class SourcesHealthContributorTests {

	@TempDir
	private Path directory;

	private final SourceRegistry registry = new SourceRegistry(List.of(), List.of(), SourceMigrator.NONE, (event) -> {
	});

	private final SourcesHealthContributor health = new SourcesHealthContributor(this.registry, Duration.ofSeconds(5));

	@AfterEach
	void close() {
		this.health.destroy();
		this.registry.close();
		await().until(() -> Sources.threads("multidb-health").isEmpty());
	}

	@Test
	void aColdSourceIsUnknownAndStaysCold() throws IOException {
		this.registry.add(sqlite("lisbon").build());
		for (int i = 0; i < 20; i++) {
			assertThat(ask("lisbon").getStatus()).isEqualTo(Status.UNKNOWN);
			this.health.stream().forEach((entry) -> ask(entry));
		}
		assertThat(ask("lisbon").getDetails()).containsEntry("state", "cold");
		assertThat(this.registry.get("lisbon").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(files()).isEmpty();
		assertThat(Sources.threads("multidb-health")).isEmpty();
	}

	@Test
	void anOpenSourceIsUp() throws SQLException {
		open("lisbon");
		assertThat(ask("lisbon").getStatus()).isEqualTo(Status.UP);
		assertThat(ask("lisbon").getDetails()).containsEntry("state", "open")
			.containsEntry("essential", true)
			.containsEntry("url", "jdbc:sqlite:" + this.directory.resolve("lisbon.db"));
	}

	@Test
	void anEssentialSourceThatIsUnavailableIsDownAndSaysWhy() {
		fail(dead("dead").essential(true).build());
		Health health = ask("dead");
		assertThat(health.getStatus()).isEqualTo(Status.DOWN);
		assertThat(health.getDetails()).containsEntry("state", "unavailable").containsKeys("since", "nextTry");
		assertThat((String) health.getDetails().get("error")).contains("cannot be connected",
				"Check that the server runs");
	}

	@Test
	void anotherSourceThatIsUnavailableIsUnknownAndSaysWhy() {
		fail(dead("dead").essential(false).build());
		Health health = ask("dead");
		assertThat(health.getStatus()).isEqualTo(Status.UNKNOWN);
		assertThat(health.getDetails()).containsKeys("error", "since", "nextTry");
	}

	@Test
	void replicasAreShownWithTheirSource() throws SQLException {
		this.registry.add(sqlite("copy").readOnly(true).internal(true).build());
		this.registry.add(sqlite("lisbon").replicas(ReplicaSettings.of("copy")).build());
		assertThat(ask("lisbon").getDetails()).containsEntry("replicas", Map.of("copy", "in use"));
		assertThat(ask("copy").getDetails()).doesNotContainKey("replicas");
		this.registry.remove("copy");
		assertThat(ask("lisbon").getDetails()).containsEntry("replicas", Map.of("copy", "left out: it was removed"));
	}

	@Test
	void noSecretIsShown() {
		fail(dead("dead").build());
		assertThat(ask("dead").toString()).contains("password=***").doesNotContain("s3cret");
	}

	@Test
	void anOpenSourceWhoseConnectionsAreAllInUseIsDownAfterTheTimeout() throws SQLException {
		SourcesHealthContributor impatient = new SourcesHealthContributor(this.registry, Duration.ofMillis(200));
		this.registry.add(sqlite("busy").hikari(Map.of("maximum-pool-size", "1")).build());
		try (Connection inUse = this.registry.get("busy").getConnection()) {
			Health health = ((HealthIndicator) impatient.getContributor("busy")).health();
			assertThat(health.getStatus()).isEqualTo(Status.DOWN);
			assertThat(health.getDetails()).containsEntry("error", "No answer within 200 ms");
		}
		finally {
			impatient.destroy();
		}
	}

	@Test
	void sourcesThatHangAreWaitedForTogetherAndSpoilNoOther() throws SQLException {
		SourcesHealthContributor impatient = new SourcesHealthContributor(this.registry, Duration.ofSeconds(1));
		List<Connection> inUse = new ArrayList<>();
		try {
			for (int i = 0; i < 10; i++) {
				this.registry.add(sqlite("busy" + i).hikari(Map.of("maximum-pool-size", "1")).build());
				inUse.add(this.registry.get("busy" + i).getConnection());
			}
			open("lisbon");
			long start = System.nanoTime();
			List<Status> statuses = impatient.stream().map((entry) -> ask(entry).getStatus()).toList();
			assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(9));
			assertThat(statuses).containsOnlyOnce(Status.UP).hasSize(11);
			// A second report finds the same tests still under way.
			impatient.stream().forEach((entry) -> ask(entry));
			assertThat(Sources.threads("multidb-health")).hasSizeLessThan(20);
		}
		finally {
			for (Connection connection : inUse) {
				connection.close();
			}
			impatient.destroy();
		}
	}

	@Test
	void oneSourceThatIsAskedForIsTestedAlone() throws SQLException {
		open("lisbon");
		open("porto");
		HealthContributor lisbon = this.health.getContributor("lisbon");
		assertThat(Sources.threads("multidb-health")).isEmpty();
		assertThat(((HealthIndicator) lisbon).health().getStatus()).isEqualTo(Status.UP);
		assertThat(Sources.threads("multidb-health")).hasSize(1);
	}

	@Test
	void listingTheSourcesTestsNone() throws SQLException {
		open("lisbon");
		assertThat(this.health.stream().map(Entry::name)).containsExactly("lisbon");
		assertThat(Sources.threads("multidb-health")).isEmpty();
	}

	@Test
	void anIndicatorThatIsKeptLooksAgain() throws SQLException {
		open("lisbon");
		HealthIndicator kept = (HealthIndicator) this.health.stream().findFirst().orElseThrow().contributor();
		assertThat(kept.health().getStatus()).isEqualTo(Status.UP);
		SourcesHealthContributor impatient = new SourcesHealthContributor(this.registry, Duration.ofMillis(100));
		this.registry.add(sqlite("busy").hikari(Map.of("maximum-pool-size", "1")).build());
		HealthIndicator busy;
		try (Connection inUse = this.registry.get("busy").getConnection()) {
			busy = (HealthIndicator) impatient.getContributor("busy");
			assertThat(busy.health().getStatus()).isEqualTo(Status.DOWN);
		}
		await().untilAsserted(() -> assertThat(busy.health().getStatus()).isEqualTo(Status.UP));
		impatient.destroy();
	}

	@Test
	void whatWasFoundIsGoodForThoseWhoAskNext() throws Exception {
		SourcesHealthContributor cached = new SourcesHealthContributor(this.registry, Duration.ofSeconds(1),
				Duration.ofHours(1), Map.of());
		this.registry.add(sqlite("busy").hikari(Map.of("maximum-pool-size", "1")).build());
		this.registry.get("busy").getConnection().close();
		assertThat(ask(cached, "busy").getStatus()).isEqualTo(Status.UP);
		try (Connection inUse = this.registry.get("busy").getConnection()) {
			assertThat(inUse.isClosed()).isFalse();
			// A look of one's own would find no connection.
			assertThat(Race.run(10, () -> ask(cached, "busy").getStatus())).containsOnly(Status.UP);
			assertThat(cached.stream().map((entry) -> ask(entry).getStatus())).containsOnly(Status.UP);
		}
		assertThat(cached.remembered()).isEqualTo(1);
		cached.destroy();
	}

	@Test
	void whatWasFoundIsForgotten() throws SQLException {
		SourcesHealthContributor cached = new SourcesHealthContributor(this.registry, Duration.ofSeconds(5),
				Duration.ofNanos(1), Map.of());
		for (int i = 0; i < 5; i++) {
			open("lisbon" + i);
			assertThat(ask(cached, "lisbon" + i).getStatus()).isEqualTo(Status.UP);
			this.registry.remove("lisbon" + i);
		}
		assertThat(cached.remembered()).isLessThan(2);
		cached.destroy();
	}

	@Test
	void aSourceThatIsClosedMeanwhileIsNotSaidToBeUp() throws SQLException {
		SourcesHealthContributor cached = new SourcesHealthContributor(this.registry, Duration.ofSeconds(5),
				Duration.ofHours(1), Map.of());
		open("lisbon");
		assertThat(ask(cached, "lisbon").getStatus()).isEqualTo(Status.UP);
		this.registry.drain("lisbon");
		assertThat(ask(cached, "lisbon").getStatus()).isEqualTo(Status.UNKNOWN);
		cached.destroy();
	}

	@Test
	void aTestThatHangsIsWaitedForOnce() throws SQLException {
		SourcesHealthContributor impatient = new SourcesHealthContributor(this.registry, Duration.ofSeconds(2));
		this.registry.add(sqlite("busy").hikari(Map.of("maximum-pool-size", "1")).build());
		try (Connection inUse = this.registry.get("busy").getConnection()) {
			assertThat(inUse.isClosed()).isFalse();
			long start = System.nanoTime();
			for (int i = 0; i < 10; i++) {
				assertThat(ask(impatient, "busy").getStatus()).isEqualTo(Status.DOWN);
			}
			assertThat(Duration.ofNanos(System.nanoTime() - start)).isBetween(Duration.ofSeconds(2),
					Duration.ofSeconds(19));
			assertThat(Sources.threads("multidb-health")).hasSize(1);
		}
		finally {
			impatient.destroy();
		}
	}

	@Test
	void anEssentialSourceIsTestedHoweverManyOthersHang() throws SQLException {
		List<Connection> inUse = hang(SourcesHealthContributor.THREADS + 6, false);
		open("zz-main");
		for (int i = 0; i < 3; i++) {
			List<Entry> entries = this.health.stream().toList();
			Health main = null;
			for (Entry entry : entries) {
				Health found = ask(entry);
				main = entry.name().equals("zz-main") ? found : main;
			}
			assertThat(main).isNotNull();
			assertThat(main.getStatus()).isEqualTo(Status.UP);
			assertThat(main.getDetails()).doesNotContainKey(SourcesHealthContributor.NOT_TESTED);
		}
		giveBack(inUse);
	}

	@Test
	void ofMoreThatHangThanThereAreThreadsNoneIsDownThatWasNotTestedAndAllAreTestedInTheEnd() throws SQLException {
		SourcesHealthContributor impatient = new SourcesHealthContributor(this.registry, Duration.ofMillis(100));
		List<Connection> inUse = hang(SourcesHealthContributor.THREADS + 16, true);
		List<Health> all = impatient.stream().map(SourcesHealthContributorTests::ask).toList();
		assertThat(all).filteredOn((each) -> each.getStatus().equals(Status.DOWN))
			.hasSize(SourcesHealthContributor.THREADS);
		assertThat(all).filteredOn((each) -> each.getStatus().equals(Status.UP))
			.hasSize(16)
			.allSatisfy((each) -> assertThat(each.getDetails()).containsEntry("state", "open")
				.containsKey(SourcesHealthContributor.NOT_TESTED));
		giveBack(inUse);
		await().untilAsserted(() -> assertThat(impatient.stream().map(SourcesHealthContributorTests::ask))
			.allSatisfy((each) -> assertThat(each.getStatus()).isEqualTo(Status.UP))
			.noneSatisfy((each) -> assertThat(each.getDetails()).containsKey(SourcesHealthContributor.NOT_TESTED)));
		impatient.destroy();
	}

	private List<Connection> hang(int count, boolean essential) throws SQLException {
		List<Connection> inUse = new ArrayList<>();
		for (int i = 0; i < count; i++) {
			this.registry.add(sqlite("busy" + i).essential(essential).hikari(Map.of("maximum-pool-size", "1")).build());
			inUse.add(this.registry.get("busy" + i).getConnection());
		}
		return inUse;
	}

	private static void giveBack(List<Connection> inUse) throws SQLException {
		for (Connection connection : inUse) {
			connection.close();
		}
	}

	@Test
	void ofVeryManyInUseTheFirstAndAllEssentialOnesAreListed() {
		SourceDefinition main = dead("zzz-main").build();
		fail(main);
		for (int i = 0; i < SourcesHealthContributor.LISTED_IN_USE + 20; i++) {
			fail(dead("dead" + i).url("jdbc:postgresql://localhost:1/dead" + i).essential(false).build());
		}
		addCold(7);
		List<String> names = this.health.stream().map(Entry::name).toList();
		assertThat(names).hasSize(SourcesHealthContributor.LISTED_IN_USE + 1).contains("zzz-main").endsWith("*");
		Health rest = ask(this.health.stream().skip(SourcesHealthContributor.LISTED_IN_USE).findFirst().orElseThrow());
		assertThat(rest.getDetails()).containsEntry("count", 28)
			.containsEntry("states", Map.of("cold", 7, "unavailable", 21));
	}

	@Test
	void pollingOpensNothingAndLeavesNothing() throws Exception {
		addCold(200);
		open("lisbon");
		open("porto");
		fail(dead("dead").build());
		SourcesHealthContributor polled = new SourcesHealthContributor(this.registry, Duration.ofSeconds(5),
				Duration.ofMillis(1), Map.of());
		for (int i = 0; i < 500; i++) {
			assertThat(polled.stream().map(SourcesHealthContributorTests::ask)).hasSize(4);
			assertThat(ask(polled, "source" + (i % 200)).getStatus()).isEqualTo(Status.UNKNOWN);
		}
		assertThat(this.registry.stream().filter((source) -> source.state() instanceof SourceState.Open)).hasSize(2);
		assertThat(files()).allSatisfy((file) -> assertThat(file.getFileName().toString()).matches("(lisbon|porto).*"));
		assertThat(this.registry.get("lisbon").poolState()).isEqualTo(new PoolState(0, 1, 0, 10));
		assertThat(this.registry.get("porto").poolState()).isEqualTo(new PoolState(0, 1, 0, 10));
		assertThat(Sources.threads("multidb-health").size()).isLessThan(10);
		assertThat(polled.remembered()).isLessThan(3);
		polled.destroy();
		await().until(() -> Sources.threads("multidb-health").isEmpty());
		this.registry.drain("lisbon");
		await().until(() -> Sources.openFiles(this.directory).stream().noneMatch((file) -> file.contains("lisbon")));
	}

	@Test
	void anUnknownSourceHasNoHealth() {
		assertThat(this.health.getContributor("nowhere")).isNull();
		assertThat(this.health.getContributor(SourcesHealthContributor.REST)).isNull();
	}

	@Test
	void aSourceThatIsAddedAppearsAndOneThatIsRemovedDisappears() {
		this.registry.add(sqlite("lisbon").build());
		assertThat(this.health.stream().map(Entry::name)).containsExactly("lisbon");
		this.registry.remove("lisbon");
		assertThat(this.health.stream()).isEmpty();
		assertThat(this.health.getContributor("lisbon")).isNull();
	}

	@Test
	void aHundredSourcesAreListed() {
		addCold(SourcesHealthContributor.LISTED);
		assertThat(this.health.stream()).hasSize(SourcesHealthContributor.LISTED);
	}

	@Test
	void ofMoreSourcesTheColdOnesAreCounted() throws SQLException {
		addCold(SourcesHealthContributor.LISTED + 50);
		open("lisbon");
		fail(dead("dead").build());
		assertThat(this.health.stream().map(Entry::name)).containsExactly("dead", "lisbon",
				SourcesHealthContributor.REST);
		Health rest = this.health.stream()
			.filter((entry) -> entry.name().equals(SourcesHealthContributor.REST))
			.map(SourcesHealthContributorTests::ask)
			.findFirst()
			.orElseThrow();
		assertThat(rest.getStatus()).isEqualTo(Status.UNKNOWN);
		assertThat(rest.getDetails()).containsEntry("states", Map.of("cold", SourcesHealthContributor.LISTED + 50))
			.containsEntry("count", SourcesHealthContributor.LISTED + 50);
	}

	@Test
	void aColdSourceAmongManyCanStillBeAskedFor() {
		addCold(SourcesHealthContributor.LISTED + 1);
		assertThat(ask("source7").getDetails()).containsEntry("state", "cold");
	}

	private void addCold(int count) {
		IntStream.range(0, count).forEach((i) -> this.registry.add(sqlite("source" + i).build()));
	}

	private void open(String name) throws SQLException {
		this.registry.add(sqlite(name).build());
		this.registry.get(name).getConnection().close();
	}

	private void fail(SourceDefinition definition) {
		this.registry.add(definition);
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> this.registry.get(definition.name()).getConnection());
	}

	private SourceDefinition.Builder sqlite(String name) {
		return SourceDefinition.named(name).url("jdbc:sqlite:" + this.directory.resolve(name + ".db"));
	}

	private static SourceDefinition.Builder dead(String name) {
		return SourceDefinition.named(name)
			.url("jdbc:postgresql://localhost:1/x?password=s3cret")
			.username("me")
			.password("s3cret");
	}

	private Health ask(String name) {
		return ask(this.health, name);
	}

	private static Health ask(SourcesHealthContributor health, String name) {
		return ((HealthIndicator) health.getContributor(name)).health();
	}

	private static Health ask(Entry entry) {
		return ((HealthIndicator) entry.contributor()).health();
	}

	private List<Path> files() throws IOException {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.toList();
		}
	}

}
