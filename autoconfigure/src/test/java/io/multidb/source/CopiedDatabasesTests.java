package io.multidb.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.SourceUnavailableException;
import io.multidb.migration.LiquibaseMigrator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for databases of templates that are copies of the first one, on SQLite files.
 */
class CopiedDatabasesTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceDefinition.Builder definition(String name, LiquibaseSettings liquibase) {
		return SourceDefinition.named(name)
			.url("jdbc:sqlite:" + this.directory.resolve("{tenant}.db"))
			.liquibase(liquibase);
	}

	private SourceRegistry registry(SourceDefinition.Builder definition) {
		return this.sources.with(Sources.template(definition.build(), "t-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
	}

	@ParameterizedTest
	@ValueSource(strings = { "-wal", "-journal" })
	void whatAFormerDatabaseLeftIsNotAppliedToANewOne(String left) throws Exception {
		SourceRegistry registry = registry(
				definition("t", Sources.changeLog(this.directory, "a:1\ncreate table note (text varchar(99));")));
		registry.create("t-1");
		Path file = this.directory.resolve("t-1.db");
		Path log = this.directory.resolve("t-1.db" + left);
		Path stash = this.directory.resolve("stash");
		try (Connection former = DriverManager.getConnection("jdbc:sqlite:" + file)) {
			if (left.equals("-journal")) {
				Sources.query(former, "pragma journal_mode = delete");
				Sources.execute(former, "pragma cache_size = 1");
				Sources.execute(former, "begin");
			}
			else {
				Sources.execute(former, "pragma wal_autocheckpoint = 0");
			}
			for (int i = 0; i < 100; i++) {
				Sources.execute(former, "insert into note values ('" + "of the former one ".repeat(5) + "')");
			}
			Files.copy(log, stash);
		}
		Files.delete(file);
		Files.copy(stash, log);
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("t-1"))
			.withMessageContaining(log.getFileName() + "' is left of another database");
		assertThat(file).doesNotExist();
		Files.delete(log);
		assertThat(registry.create("t-1")).isTrue();
		assertThat(Sources.query(registry.get("t-1"), "select count(*) from note")).isEqualTo("0");
	}

	private List<String> files() throws IOException {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.map((file) -> file.getFileName().toString()).sorted().toList();
		}
	}

	@Test
	void theFirstIsMigratedAndTheOthersAreCopies() throws Exception {
		SourceRegistry registry = registry(definition("t", Sources.NOTES));
		registry.create("t-1");
		Sources.execute(registry.get("t-1"), "insert into note (text) values ('mine')");
		registry.create("t-2");
		registry.create("t-3");
		assertThat(this.sources.copied()).containsExactly(false, true, true);
		assertThat(Sources.query(registry.get("t-1"), "select count(*) from note")).isEqualTo("1");
		assertThat(Sources.query(registry.get("t-2"), "select count(*) from note")).isEqualTo("0");
		assertThat(Sources.query(registry.get("t-3"), "select count(*) from DATABASECHANGELOG")).isEqualTo("1");
		assertThat(this.sources.events).noneMatch(SourceEvent.Migrated.class::isInstance);
		assertThat(this.sources.events).filteredOn(SourceEvent.Created.class::isInstance)
			.last()
			.extracting(SourceEvent::message)
			.asString()
			.endsWith(", as a copy");
	}

	private List<String> openImages() throws IOException {
		return Sources.openFiles(this.directory).stream().filter((file) -> file.contains("/.multidb-")).toList();
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void theImageHasNoNameAndIsGoneWithItsRegistry() throws Exception {
		SourceRegistry registry = registry(definition("t", Sources.NOTES));
		registry.create("t-1");
		registry.create("t-2");
		assertThat(files()).containsExactly("t-1.db", "t-2.db");
		assertThat(openImages()).isNotEmpty();
		registry.close();
		assertThat(openImages()).isEmpty();
	}

	@Test
	void aCopyIsInTheJournalModeInWhichItWillBeOpened() throws Exception {
		SourceRegistry registry = registry(definition("t", Sources.NOTES));
		registry.create("t-1");
		registry.create("t-2");
		for (String file : List.of("t-1.db", "t-2.db")) {
			try (InputStream header = Files.newInputStream(this.directory.resolve(file))) {
				assertThat(header.readNBytes(20)).endsWith(2, 2);
			}
		}
	}

	@Test
	void afterAChangeOfTheChangeLogNothingIsCopiedThatWasMadeBefore() throws Exception {
		SourceRegistry registry = registry(
				definition("t", Sources.changeLog(this.directory, "t:1\ncreate table a (x int);")));
		registry.create("t-1");
		registry.create("t-2");
		Sources.changeLog(this.directory, "t:1\ncreate table a (x int);", "t:2\ncreate table b (x int);");
		registry.create("t-3");
		registry.create("t-4");
		assertThat(this.sources.copied()).containsExactly(false, true, false, true);
		for (String tenant : List.of("3", "4")) {
			try (Connection connection = DriverManager
				.getConnection("jdbc:sqlite:" + this.directory.resolve("t-" + tenant + ".db"))) {
				assertThat(Sources.query(connection, "select count(*) from b")).isEqualTo("0");
			}
		}
		assertThat(Sources.query(registry.get("t-2"), "select count(*) from b")).as("when it is first used")
			.isEqualTo("0");
	}

	@Test
	void otherParametersAndOtherDirectoriesHaveImagesOfTheirOwn() throws Exception {
		LiquibaseSettings settings = Sources.changeLog(this.directory, "t:1\ncreate table ${name} (x int);");
		for (String name : List.of("one", "two")) {
			SourceDefinition definition = SourceDefinition.named(name)
				.url("jdbc:sqlite:" + Files.createDirectory(this.directory.resolve(name)).resolve("{tenant}.db"))
				.liquibase(new LiquibaseSettings(settings.changeLog(), List.of(), List.of(), Map.of("name", name)))
				.build();
			this.sources.with(Sources.template(definition, name + "-{id}", CreatePolicy.EXPLICIT, null));
		}
		SourceRegistry registry = this.sources.registry();
		for (String tenant : List.of("one-1", "two-1", "one-2", "two-2")) {
			registry.create(tenant);
			assertThat(Sources.query(registry.get(tenant),
					"select group_concat(name) from sqlite_schema where name in ('one', 'two')"))
				.isEqualTo(tenant.substring(0, 3));
		}
		assertThat(this.sources.copied()).containsExactly(false, false, true, true);
	}

	@Test
	void whatRunsAlwaysIsNeverCopied() throws Exception {
		SourceRegistry registry = registry(definition("t", Sources.changeLog(this.directory,
				"t:1\ncreate table a (x int);", "t:2 runAlways:true\ninsert into a values (1);")));
		registry.create("t-1");
		registry.create("t-2");
		assertThat(this.sources.copied()).containsExactly(false, false);
	}

	@Test
	void nothingIsCopiedWhereThatIsSwitchedOff() throws Exception {
		LiquibaseSettings settings = Sources.changeLog(this.directory,
				"t:1\ncreate table a (x text);\ninsert into a values (hex(randomblob(16)));");
		SourceRegistry registry = registry(definition("t", settings).copied(false));
		registry.create("t-1");
		registry.create("t-2");
		assertThat(this.sources.copied()).containsExactly(false, false);
		assertThat(Sources.query(registry.get("t-1"), "select x from a"))
			.isNotEqualTo(Sources.query(registry.get("t-2"), "select x from a"));
	}

	@Test
	void tenantsThatDifferInMoreThanTheirFilesAreNotCopied() {
		SourceDefinition definition = SourceDefinition.named("t").url("jdbc:sqlite:{id}.db?x={id}").build();
		assertThat(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, null).define("t-1").copied())
			.isFalse();
		definition = SourceDefinition.named("t").url("jdbc:postgresql://db/a_{id}?currentSchema=s_{id}").build();
		assertThat(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, "m").define("t-1").copied()).isFalse();
		definition = SourceDefinition.named("t").url("jdbc:postgresql://db/a_{id}?currentSchema=s").build();
		assertThat(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, "m").define("t-1").copied()).isTrue();
	}

	@Test
	void ofManyThatStartAtOnceOneMigratesAndTheOthersCopy() throws Exception {
		AtomicInteger fillings = new AtomicInteger();
		LiquibaseMigrator liquibase = new LiquibaseMigrator(new DefaultResourceLoader());
		SourceRegistry registry = this.sources.with(counting(liquibase, fillings))
			.with(Sources.template(definition("t", Sources.NOTES).build(), "t-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		AtomicInteger tenant = new AtomicInteger();
		List<Object> outcomes = Race.run(16, () -> registry.create("t-" + tenant.incrementAndGet()));
		assertThat(outcomes).containsOnly(true);
		assertThat(fillings).hasValue(1);
		assertThat(this.sources.copied()).hasSize(16).containsOnlyOnce(false);
	}

	private static SourceMigrator counting(LiquibaseMigrator liquibase, AtomicInteger fillings) {
		return new SourceMigrator() {

			@Override
			public Outcome migrate(SourceDefinition definition, Connection connection) throws Exception {
				if (definition.temporary()) {
					fillings.incrementAndGet();
				}
				return liquibase.migrate(definition, connection);
			}

			@Override
			public java.util.function.BooleanSupplier copyable(SourceDefinition definition, Connection connection)
					throws Exception {
				return liquibase.copyable(definition, connection);
			}

		};
	}

	@Test
	void aFirstOneThatFailsHoldsNobodyUp() throws Exception {
		CountDownLatch first = new CountDownLatch(1);
		AtomicInteger fillings = new AtomicInteger();
		SourceRegistry registry = this.sources
			.with(Sources.template(definition("t", Sources.NOTES).build(), "t-{id}", CreatePolicy.EXPLICIT, null))
			.with((definition, connection) -> {
				if (definition.temporary() && fillings.getAndIncrement() == 0) {
					first.await();
					throw new IllegalStateException("half-way");
				}
				return SourceMigrator.Outcome.UNTOUCHED;
			})
			.registry();
		AtomicInteger tenant = new AtomicInteger();
		List<Object> outcomes = Race.run(4, () -> {
			int mine = tenant.incrementAndGet();
			if (mine == 4) {
				first.countDown();
			}
			return registry.create("t-" + mine);
		});
		assertThat(outcomes).filteredOn(SourceUnavailableException.class::isInstance).hasSize(1);
		assertThat(outcomes).filteredOn(Boolean.TRUE::equals).hasSize(3);
		assertThat(files()).hasSize(3);
	}

	@Test
	void aThreadThatIsInterruptedWhileItCopiesCostsTheOthersTheImageAndNothingElse() throws Exception {
		Path filled = Files.write(this.directory.resolve("filled"), new byte[100_000]);
		SqliteImage image = SqliteImage.of(filled, this.directory.resolve("image"), () -> true);
		try (FileChannel copy = FileChannel.open(this.directory.resolve("copy"), StandardOpenOption.CREATE,
				StandardOpenOption.WRITE)) {
			image.copyTo(copy);
			assertThat(copy.size()).isEqualTo(100_000);
			Thread.currentThread().interrupt();
			assertThatExceptionOfType(ClosedByInterruptException.class).isThrownBy(() -> image.copyTo(copy));
			assertThat(Thread.interrupted()).isTrue();
		}
		assertThat(image.isCurrent()).isFalse();
		try (FileChannel copy = FileChannel.open(this.directory.resolve("copy"), StandardOpenOption.WRITE)) {
			assertThatExceptionOfType(Images.LostException.class).isThrownBy(() -> image.copyTo(copy));
		}
	}

	@Test
	void aLostImageIsMadeAnew() throws Exception {
		List<String> deleted = new ArrayList<>();
		AtomicInteger made = new AtomicInteger();
		record TestImage(String name, List<String> deleted) implements Images.Image {
			@Override
			public boolean isCurrent() {
				return true;
			}

			@Override
			public void delete() {
				this.deleted.add(this.name);
			}
		}
		Images.Making<TestImage> making = new Images.Making<>() {
			@Override
			public boolean copy(TestImage image) throws Exception {
				if (image.name().equals("1")) {
					throw new Images.LostException(new IOException("gone"));
				}
				return true;
			}

			@Override
			public boolean fill(java.util.function.Consumer<TestImage> keep) {
				if (keep != null) {
					keep.accept(new TestImage(String.valueOf(made.incrementAndGet()), deleted));
				}
				return true;
			}
		};
		SourceDefinition kind = definition("t", Sources.NOTES).build();
		try (Images<TestImage> images = new Images<>(Images.PATIENCE)) {
			assertThat(images.create(kind, making)).isEqualTo(DatabaseCreator.Outcome.FILLED);
			assertThat(images.create(kind, making)).as("the first is lost").isEqualTo(DatabaseCreator.Outcome.FILLED);
			assertThat(images.create(kind, making)).isEqualTo(DatabaseCreator.Outcome.COPIED);
			assertThat(deleted).containsExactly("1");
		}
		assertThat(deleted).containsExactly("1", "2");
	}

	@Test
	void aDirectoryThatIsNotWritableIsNamedByACopyToo() throws Exception {
		Path locked = Sources.notWritable(this.directory);
		Files.createDirectory(this.directory.resolve("good"));
		Files.createDirectory(this.directory.resolve("next"));
		Files.createSymbolicLink(this.directory.resolve("bad"), locked);
		SourceDefinition definition = SourceDefinition.named("t")
			.url("jdbc:sqlite:" + this.directory + "/{id}/main.db")
			.liquibase(Sources.NOTES)
			.build();
		SourceRegistry registry = this.sources.with(Sources.template(definition, "t-{id}", CreatePolicy.EXPLICIT, null))
			.registry();
		registry.create("t-good");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("t-bad"))
			.withMessageContaining("No file can be made")
			.withMessageContaining("'app.datasources.t.url'");
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.create("t-missing"))
			.withMessageContaining("does not exist");
		registry.create("t-next");
		assertThat(this.sources.copied()).containsExactly(false, true);
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void aFullDiskLeavesNothing() throws Exception {
		try (CreatorProcess process = start("step", "t-1", "t-2", "t-3")) {
			process.begin();
			assertThat(process.read()).isEqualTo("created");
			limit(process, "8192");
			process.go();
			assertThat(process.read()).startsWith("failed");
			assertThat(files()).containsExactly("1.db");
			limit(process, "unlimited");
			process.go();
			assertThat(process.read()).isEqualTo("copied");
			assertThat(files()).containsExactly("1.db", "3.db");
		}
	}

	/**
	 * No file of the process may be longer: its writes fail like those on a full disk.
	 */
	private static void limit(CreatorProcess process, String bytes) throws Exception {
		Process prlimit = new ProcessBuilder("prlimit", "--pid", String.valueOf(process.pid()),
				"--fsize=" + bytes + ":unlimited")
			.inheritIO()
			.start();
		assertThat(prlimit.waitFor()).isZero();
	}

	@Test
	void whateverTheMomentAProcessIsKilledOnlyCompleteDatabasesAreThere() throws Exception {
		for (int round = 0; round < 4; round++) {
			String prefix = "t-" + round + "-";
			String[] tenants = IntStream.range(0, 3000).mapToObj((i) -> prefix + i).toArray(String[]::new);
			try (CreatorProcess victim = start("big", tenants)) {
				victim.begin();
				assertThat(victim.read()).isEqualTo("created");
				assertThat(victim.read()).isEqualTo("copied");
				LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(200_000_000));
				victim.kill();
			}
			assertComplete();
		}
		for (String leftover : files().stream().filter((file) -> file.startsWith(".multidb")).toList()) {
			Files.setLastModifiedTime(this.directory.resolve(leftover),
					FileTime.from(Instant.now().minus(Duration.ofMinutes(11))));
		}
		try (CreatorProcess next = start("step", "t-next")) {
			next.begin();
			assertThat(next.read()).isEqualTo("created");
		}
		assertThat(files()).noneMatch((file) -> file.startsWith(".multidb"));
		assertComplete();
	}

	private void assertComplete() throws Exception {
		List<String> databases = files().stream().filter((file) -> file.endsWith(".db")).toList();
		assertThat(databases).hasSizeGreaterThan(1);
		for (String file : databases) {
			try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve(file))) {
				assertThat(Sources.query(connection, "pragma integrity_check")).as(file).isEqualTo("ok");
				assertThat(Sources.query(connection, "select count(*) from DATABASECHANGELOG")).as(file).isEqualTo("1");
				Sources.query(connection, "select count(*) from note");
			}
		}
	}

	/** One that dies between the two has both names. */
	@Test
	void aNameThatIsLeftOfAPublishedFileIsRemovedAndTheFileStays() throws Exception {
		SourceRegistry registry = registry(definition("t", Sources.NOTES));
		registry.create("t-1");
		Path leftover = this.directory.resolve(".multidb-"
				+ ProcessIdentity.CURRENT.toString().replaceFirst("-\\d+-\\d+$", "-999999999-1") + "-7.tmp");
		Files.createLink(leftover, this.directory.resolve("t-1.db"));
		Files.setLastModifiedTime(leftover, FileTime.from(Instant.now().minus(Duration.ofMinutes(11))));
		try (Sources next = new Sources()) {
			next.with(Sources.template(definition("t", Sources.NOTES).build(), "t-{id}", CreatePolicy.EXPLICIT, null))
				.registry()
				.create("t-2");
		}
		assertThat(files()).containsExactly("t-1.db", "t-2.db");
		assertThat(Sources.query(registry.get("t-1"), "select count(*) from note")).isEqualTo("0");
	}

	private CreatorProcess start(String mode, String... tenants) throws Exception {
		return CreatorProcess.start("jdbc:sqlite:" + this.directory.resolve("{id}.db"), "", "", mode, tenants);
	}

}
