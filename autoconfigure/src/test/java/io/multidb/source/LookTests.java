package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.List;
import java.util.stream.Stream;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link SourceRegistry#look}.
 */
class LookTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final ConnectionReader<String> mode = (definition, connection) -> Sources.query(connection,
			"pragma journal_mode");

	private SourceRegistry registry(SourceDefinition.Builder definition) {
		return this.sources.with(definition.liquibase(Sources.NOTES)).registry();
	}

	private void make(String file, String mode) throws Exception {
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve(file))) {
			Sources.execute(connection, "pragma journal_mode = " + mode);
			Sources.execute(connection, "create table t (a int)");
		}
	}

	private List<String> files() throws Exception {
		try (Stream<Path> files = Files.list(this.directory)) {
			return files.map((file) -> file.getFileName().toString()).toList();
		}
	}

	@Test
	void makesNoFile() throws Exception {
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory));
		assertThat(registry.look("main", this.mode)).isNull();
		assertThat(files()).isEmpty();
		assertThat(this.sources.events).isEmpty();
	}

	@Test
	void makesNoFileOfAnUri() throws Exception {
		SourceRegistry registry = registry(
				SourceDefinition.named("main").url("jdbc:sqlite:file:" + this.directory.resolve("main.db")));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.look("main", this.mode));
		assertThat(files()).isEmpty();
	}

	@Test
	void leavesTheFileAsItIsAndTheSourceCold() throws Exception {
		make("main.db", "delete");
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory));
		byte[] before = Files.readAllBytes(this.directory.resolve("main.db"));
		assertThat(registry.look("main", this.mode)).isEqualTo("delete");
		assertThat(Files.readAllBytes(this.directory.resolve("main.db"))).isEqualTo(before);
		assertThat(files()).containsExactly("main.db");
		assertThat(registry.get("main").state()).isInstanceOf(SourceState.Cold.class);
		assertThat(this.sources.events).isEmpty();
	}

	@Test
	void leavesTheFileAsItIsWhateverItsUrlSays() throws Exception {
		make("main.db", "delete");
		SourceRegistry registry = registry(SourceDefinition.named("main")
			.url("jdbc:sqlite:" + this.directory.resolve("main.db") + "?journal_mode=wal&busy_timeout=77"));
		assertThat(registry.look("main", this.mode)).isEqualTo("delete");
		String timeout = registry.look("main",
				(definition, connection) -> Sources.query(connection, "pragma busy_timeout"));
		assertThat(timeout).isEqualTo("77");
		assertThat(files()).containsExactly("main.db");
	}

	@Test
	void leavesNothingBesideADatabaseWithALogOfWrites() throws Exception {
		make("main.db", "wal");
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory));
		assertThat(registry.look("main", this.mode)).isEqualTo("wal");
		assertThat(files()).containsExactly("main.db");
	}

	@Test
	void refusesWrites() throws Exception {
		make("main.db", "wal");
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory));
		assertThatExceptionOfType(SourceUnavailableException.class)
			.isThrownBy(() -> registry.look("main", (definition, connection) -> {
				Sources.execute(connection, "insert into t values (1)");
				return "written";
			}))
			.withMessageContaining("READONLY");
	}

	@Test
	void saysWhyThereIsNoConnection() {
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory.resolve("missing")));
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(() -> registry.look("main", this.mode))
			.withMessageContaining("does not exist: create it, or correct 'app.datasources.main.url'");
		assertThat(this.directory).isEmptyDirectory();
		assertThat(registry.get("main").state()).as("nobody retries it").isInstanceOf(SourceState.Cold.class);
	}

	@Test
	void whatIsReadWhileItIsOpenIsNotThePools() throws Exception {
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory));
		try (Connection used = registry.get("main").getConnection()) {
			Sources.execute(used, "insert into note (text) values ('one')");
			assertThat(registry.<String>look("main",
					(definition, connection) -> Sources.query(connection, "select count(*) from note")))
				.isEqualTo("1");
			Sources.execute(used, "insert into note (text) values ('two')");
		}
	}

	@Test
	void aTenantWithoutADatabaseLeavesNothingBehind() throws Exception {
		this.sources.with(Sources.template(
				SourceDefinition.named("election").url("jdbc:sqlite:" + this.directory + "/{id}.db").build(),
				"election-{id}", CreatePolicy.ON_FIRST_USE, null));
		SourceRegistry registry = this.sources.registry();
		assertThat(registry.look("election-1", this.mode)).isNull();
		assertThat(registry.find("election-1")).isNull();
		assertThat(files()).isEmpty();
		registry.create("election-1");
		assertThat(registry.look("election-1", this.mode)).isEqualTo("wal");
	}

	@Test
	void aNameThatIsNoneIsRefused() {
		SourceRegistry registry = registry(Sources.sqlite("main", this.directory));
		assertThatExceptionOfType(UnknownSourceException.class).isThrownBy(() -> registry.look("mani", this.mode));
	}

}
