package io.multidb.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import io.multidb.InvalidTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for sources that templates make, on SQLite files.
 */
class TemplateTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceRegistry registry(CreatePolicy create) {
		SourceDefinition definition = SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.liquibase(Sources.NOTES)
			.essential(false)
			.build();
		return this.sources.with(Sources.template(definition, "election-{id}", create, null)).registry();
	}

	private List<String> files() throws IOException {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.map((file) -> file.getFileName().toString())
				.filter((name) -> !name.matches(".*-(wal|shm)"))
				.toList();
		}
	}

	@Test
	void createsAndMigratesWhenAskedTo() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		assertThat(registry.create("election-42")).isTrue();
		assertThat(registry.create("election-42")).isFalse();
		assertThat(files()).containsExactly("42.db");
		Sources.execute(registry.get("election-42"), "insert into note (text) values ('x')");
		assertThat(this.sources.events).filteredOn(SourceEvent.Created.class::isInstance).hasSize(1);
	}

	@ParameterizedTest
	@EnumSource(names = { "NEVER", "EXPLICIT" })
	void usingWhatDoesNotExistMakesNothing(CreatePolicy create) throws Exception {
		SourceRegistry registry = registry(create);
		assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> registry.get("election-42").getConnection())
			.withMessageContaining("election-42")
			.withMessageContaining("template 'election'");
		assertThat(files()).isEmpty();
		assertThat(registry.find("election-42")).as("nothing is kept of it").isNull();
	}

	@Test
	void drainingLetsWorkInProgressFinishAndItsNextUseOpensItAgain() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		registry.create("election-42");
		Source source = registry.get("election-42");
		try (Connection connection = source.getConnection()) {
			assertThat(registry.drain("election-42")).isTrue();
			assertThat(registry.find("election-42")).isNull();
			Sources.execute(connection, "insert into note (text) values ('in progress')");
		}
		await().untilAsserted(() -> assertThat(source.state()).isInstanceOf(SourceState.Removed.class));
		assertThat(Sources.query(registry.get("election-42"), "select count(*) from note")).isEqualTo("1");
		assertThat(registry.drain("election-43")).isFalse();
	}

	@Test
	void neverMeansNever() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.NEVER);
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> registry.create("election-42"))
			.withMessageContaining("'app.datasources.election.create'");
		assertThat(files()).isEmpty();
	}

	@Test
	void onFirstUseCreatesOnFirstUse() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.ON_FIRST_USE);
		assertThat(Sources.query(registry.get("election-42"), "select count(*) from note")).isEqualTo("0");
		assertThat(files()).containsExactly("42.db");
	}

	@ParameterizedTest
	@EnumSource(names = { "EXPLICIT", "ON_FIRST_USE" })
	void manyThreadsThatRaceMakeOneDatabase(CreatePolicy create) throws Exception {
		SourceRegistry registry = registry(create);
		List<Object> outcomes = Race.run(16, () -> {
			if (create == CreatePolicy.EXPLICIT) {
				registry.create("election-42");
			}
			Sources.execute(registry.get("election-42"), "insert into note (text) values ('x')");
			return "voted";
		});
		assertThat(outcomes).containsOnly("voted");
		assertThat(files()).containsExactly("42.db");
		assertThat(Sources.query(registry.get("election-42"), "select count(*) from note")).isEqualTo("16");
		assertThat(this.sources.events).filteredOn(SourceEvent.Created.class::isInstance).hasSize(1);
	}

	@Test
	void readersThatRaceWithTheCreatorSeeAllOrNothing() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		for (int round = 0; round < 10; round++) {
			String tenant = "election-" + round;
			AtomicInteger turn = new AtomicInteger();
			List<Object> outcomes = Race.run(8, () -> {
				if (turn.getAndIncrement() == 0) {
					return registry.create(tenant);
				}
				return Sources.query(registry.get(tenant), "select count(*) from note");
			});
			assertThat(outcomes)
				.allSatisfy((outcome) -> assertThat(outcome).satisfiesAnyOf((it) -> assertThat(it).isEqualTo("0"),
						(it) -> assertThat(it).isEqualTo(true),
						(it) -> assertThat(it).isInstanceOf(UnknownTenantException.class)));
			assertThat(Sources.query(registry.get(tenant), "select count(*) from note")).isEqualTo("0");
		}
	}

	/** As who looked it up before others found out, or closed it. */
	@Test
	void aSourceThatWasForgottenIsAsGoodAsTheNextOne() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		Source early = registry.get("election-1");
		for (int i = 0; i < 2; i++) {
			assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(early::getConnection);
			assertThat(early.isGone()).isTrue();
		}
		registry.create("election-1");
		assertThat(Sources.query(early, "select count(*) from note")).isEqualTo("0");
		Source opened = registry.get("election-1");
		assertThat(registry.drain("election-1")).isTrue();
		assertThat(opened.isGone()).isTrue();
		try (LeasedConnection connection = (LeasedConnection) opened.getConnection()) {
			assertThat(connection.source()).isSameAs(registry.get("election-1")).isNotSameAs(opened);
			assertThat(registry.get("election-1").leases()).isEqualTo(1);
		}
	}

	@Test
	void aSourceOfTheSameNameThatIsNoTemplatesIsAnother() {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		Source early = registry.get("election-1");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(early::getConnection);
		registry.add(Sources.sqlite("election-1", this.directory).build());
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(early::getConnection);
	}

	@Test
	void anotherProcessMayBeFirstAndItsDatabaseIsUsed() throws Exception {
		AtomicInteger fillings = new AtomicInteger();
		SourceDefinition definition = SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources
			.with(Sources.template(definition, "election-{id}", CreatePolicy.EXPLICIT, null))
			.with((made, connection) -> {
				if (fillings.getAndIncrement() == 0) {
					// While ours is being filled, another's is published.
					try (java.sql.Connection other = java.sql.DriverManager
						.getConnection("jdbc:sqlite:" + this.directory.resolve("42.db"))) {
						Sources.execute(other, "create table winner (x)");
					}
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			})
			.registry();
		assertThat(registry.create("election-42")).isFalse();
		assertThat(files()).containsExactly("42.db");
		assertThat(Sources.query(registry.get("election-42"), "select count(*) from winner")).isEqualTo("0");
	}

	@Test
	void aFailedMigrationLeavesNothingAndNothingIsRemembered() throws Exception {
		AtomicInteger attempts = new AtomicInteger();
		SourceDefinition definition = SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources
			.with(Sources.template(definition, "election-{id}", CreatePolicy.EXPLICIT, null))
			.with((made, connection) -> {
				Sources.execute(connection, "create table half (x)");
				if (attempts.getAndIncrement() == 0) {
					throw new SQLException("half-way");
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			})
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("election-42"))
			.withMessageContaining("half-way");
		assertThat(files()).isEmpty();
		assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> registry.get("election-42").getConnection());
		assertThat(registry.create("election-42")).isTrue();
		assertThat(files()).containsExactly("42.db");
	}

	@Test
	void anErrorDuringCreationLeavesNothing() throws Exception {
		SourceDefinition definition = SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources
			.with(Sources.template(definition, "election-{id}", CreatePolicy.ON_FIRST_USE, null))
			.with((made, connection) -> {
				throw new OutOfMemoryError("test");
			})
			.registry();
		assertThatExceptionOfType(OutOfMemoryError.class).isThrownBy(() -> registry.get("election-42").getConnection());
		assertThat(files()).isEmpty();
	}

	@Test
	void aMissingDirectoryIsNamedAndNotMade() {
		SourceDefinition definition = SourceDefinition.named("election")
			.url("jdbc:sqlite:" + this.directory.resolve("missing").resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources
			.with(Sources.template(definition, "election-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("election-42"))
			.withMessageContaining("missing")
			.withMessageContaining("'app.datasources.election.url'");
		assertThat(this.directory).isEmptyDirectory();
	}

	@Test
	void aDirectoryThatIsNotWritableIsNamedAndTheNextTenantIsNotHeldUp() throws Exception {
		Path locked = Sources.notWritable(this.directory);
		SourceDefinition definition = SourceDefinition.named("election")
			.url("jdbc:sqlite:" + locked.resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources.with(Sources.sqlite("main", this.directory))
			.with(Sources.template(definition, "election-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("election-42"))
			.withMessageContaining(locked.toString())
			.withMessageContaining("No file can be made")
			.withMessageContaining("'app.datasources.election.url'");
		assertThat(Sources.query(registry.get("main"), "select 1")).isEqualTo("1");
	}

	@Test
	void leftoversOfDeadProcessesAreRemovedAndThoseOfLivingOnesKept() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		registry.create("election-1");
		String mine = ProcessIdentity.CURRENT.toString();
		String dead = mine.replaceFirst("-\\d+-\\d+$", "-" + deadProcess() + "-1");
		Path leftover = file(".multidb-" + dead + "-7.tmp", Duration.ofMinutes(11));
		Path journal = file(".multidb-" + dead + "-7.tmp-journal", Duration.ofMinutes(11));
		Path young = file(".multidb-" + dead + "-8.tmp", Duration.ofMinutes(9));
		Path living = file(".multidb-" + mine + "-99.tmp", Duration.ofHours(2));
		Path foreign = file(".multidb-0-1-1-1.tmp", Duration.ofMinutes(59));
		Path oldForeign = file(".multidb-0-1-1-2.tmp", Duration.ofMinutes(61));
		Path strangers = file(".multidb-notes.tmp", Duration.ofDays(9));
		try (Sources next = new Sources()) {
			SourceDefinition definition = registry.get("election-2").definition();
			next.with(Sources.template(
					SourceDefinition.named("election").url(definition.url().text().replace("2.db", "{id}.db")).build(),
					"election-{id}", CreatePolicy.EXPLICIT, null))
				.registry()
				.create("election-2");
		}
		assertThat(leftover).doesNotExist();
		assertThat(journal).doesNotExist();
		assertThat(oldForeign).doesNotExist();
		assertThat(young).exists();
		assertThat(living).exists();
		assertThat(foreign).exists();
		assertThat(strangers).exists();
	}

	private Path file(String name, Duration age) throws IOException {
		Path file = Files.createFile(this.directory.resolve(name));
		Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(age)));
		return file;
	}

	private static long deadProcess() throws Exception {
		Process process = new ProcessBuilder("true").start();
		process.waitFor();
		return process.pid();
	}

	@Test
	void namesThatDifferInCaseAreTwoDatabases() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		assertThat(registry.create("election-Lisbon")).isTrue();
		assertThat(registry.create("election-lisbon")).isTrue();
		assertThat(files()).containsExactlyInAnyOrder("=lisbon.db", "lisbon.db");
	}

	@Test
	void aTenantNeverTakesTheNameOfADeclaredSource() {
		SourceDefinition definition = SourceDefinition.named("each")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources.with(Sources.sqlite("main", this.directory.resolve("main")))
			.with(Sources.template(definition, "{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> registry.get("each", "main"))
			.withMessageContaining("bears the name of the source 'main'");
	}

	@Test
	void aTenantNeverGetsTheDatabaseOfADeclaredSource() {
		SourceDefinition definition = SourceDefinition.named("each")
			.url("jdbc:sqlite:" + this.directory.resolve("{id}.db"))
			.build();
		SourceRegistry registry = this.sources.with(Sources.sqlite("main", this.directory))
			.with(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> registry.get("t-main"))
			.withMessageContaining("belongs to the source 'main'");
	}

	@Test
	void aTemplatesSourceCannotBeRemovedAsItWouldComeBack() {
		SourceRegistry registry = registry(CreatePolicy.EXPLICIT);
		registry.create("election-42");
		registry.get("election-42");
		org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
			.isThrownBy(() -> registry.remove("election-42"))
			.withMessageContaining("template 'election'");
	}

	@Test
	void malformedNamesAreRefusedBeforeAnythingIsLookedUp() throws Exception {
		SourceRegistry registry = registry(CreatePolicy.ON_FIRST_USE);
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> registry.create("election-../x"));
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> registry.create("election-a\0b"));
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.create("other"));
		assertThat(files()).isEmpty();
		assertThat(registry.sources()).isEmpty();
	}

}
