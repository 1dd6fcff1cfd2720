package io.multidb.autoconfigure;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for the command line as a process, which ends with it.
 */
class CommandLineProcessTests {

	private static final String CLASS_PATH = System.getProperty("java.class.path");

	/** So much is in SQLite's log only while the endless change is being run. */
	private static final int WRITTEN = 4_000_000;

	@TempDir
	private Path directory;

	private ShopProcess start(String changeLog, String... arguments) throws IOException {
		return ShopProcess.start(CLASS_PATH, this.directory, Map.of(),
				Stream
					.concat(Stream.of(arguments),
							Stream.of("--app.datasources.lisbon.url=jdbc:sqlite:" + file("lisbon"),
									"--app.datasources.porto.url=jdbc:sqlite:" + file("porto"),
									"--app.tenancy.liquibase.change-log=" + changeLog,
									"--app.tenancy.liquibase.parallelism=1", "--server.port=0"))
					.toArray(String[]::new));
	}

	private Path file(String name) {
		return this.directory.resolve(name + ".db");
	}

	private String query(String name, String sql) throws SQLException {
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:file:" + file(name) + "?mode=ro")) {
			return Sources.query(connection, sql);
		}
	}

	@Test
	void endsWithTheCommand() throws Exception {
		try (ShopProcess shop = start("classpath:db/notes.yaml", "datasources", "migrate", "--all")) {
			assertThat(shop.exitCode()).as(shop::wrong).isZero();
			assertThat(shop.lines()).hasSize(3)
				.allMatch((line) -> line.matches("(lisbon|porto)  +migrated in \\d+ ms|2 sources, 0 failed"));
		}
		assertThat(query("porto", "select count(*) from note")).isEqualTo("0");
	}

	@Test
	void theExitCodeSaysWhatFailed() throws Exception {
		try (ShopProcess failing = start("classpath:db/notes.yaml", "datasources", "migrate", "--all",
				"--app.datasources.lost.url=jdbc:sqlite:" + this.directory + "/missing/lost.db");
				ShopProcess mistyped = start("classpath:db/notes.yaml", "datasources", "migrate", "lisbno")) {
			assertThat(failing.exitCode()).isOne();
			assertThat(failing.lines()).hasSize(4)
				.anyMatch((line) -> line.startsWith("lost    FAILED: "))
				.anyMatch((line) -> line.startsWith("lisbon  migrated"))
				.anyMatch((line) -> line.startsWith("porto   migrated"));
			assertThat(mistyped.exitCode()).isEqualTo(2);
			assertThat(mistyped.lines()).isEmpty();
			assertThat(mistyped.wrong()).contains("There is no source 'lisbno'. Did you mean 'lisbon'?");
		}
	}

	@Test
	void showsWhatTheEnvironmentHas() throws Exception {
		Map<String, String> variables = Map.of("AUTH_DATABASE_URL", "postgres://auth:secretpassword@db7/auth",
				"DATABASE_URL", "sqlite:" + file("default"), "TEST_DATABASE_URL", "sqlite:" + file("test"));
		try (ShopProcess shop = ShopProcess.start(CLASS_PATH, this.directory, variables, "datasources", "discover",
				"--app.tenancy.discovery.names=auth,driver")) {
			assertThat(shop.exitCode()).as(shop::wrong).isZero();
			assertThat(shop.lines()).hasSize(4)
				.anyMatch((line) -> line
					.matches("auth +jdbc:postgresql://db7/auth +postgresql +environment variable AUTH_DATABASE_URL"))
				.anyMatch((line) -> line.matches("default +jdbc:sqlite:.* +sqlite +environment variable DATABASE_URL"))
				.anyMatch((line) -> line.matches("driver +that of default +nowhere"))
				.noneMatch((line) -> line.contains("secretpassword"));
		}
		assertThat(file("default")).doesNotExist();
	}

	@Test
	void withoutPicocliItSaysWhatIsMissing() throws Exception {
		String without = Pattern.compile(File.pathSeparator)
			.splitAsStream(CLASS_PATH)
			.filter((entry) -> !entry.contains("picocli"))
			.collect(Collectors.joining(File.pathSeparator));
		String url = "--app.datasources.lisbon.url=jdbc:sqlite:" + file("lisbon");
		try (ShopProcess asked = ShopProcess.start(without, this.directory, Map.of(), "datasources", "list", url);
				ShopProcess off = ShopProcess.start(without, this.directory, Map.of(), "datasources", "list", url,
						"--app.tenancy.cli.enabled=false", "--spring.main.web-application-type=none")) {
			assertThat(asked.exitCode()).isEqualTo(2);
			assertThat(asked.wrong()).contains("info.picocli:picocli");
			assertThat(off.exitCode()).as(off::wrong).isZero();
			assertThat(off.lines()).contains("the application runs", "main goes on");
		}
	}

	/** Ctrl-C, or an orchestrator that has waited for long enough. */
	@Test
	void whatIsInterruptedEndsAndCanBeDoneAgain() throws Exception {
		String changeLog = changeLog();
		try (ShopProcess shop = start(changeLog, "datasources", "migrate", "--all",
				"--app.tenancy.liquibase.parameters.rows=1000000000000")) {
			await().atMost(Duration.ofMinutes(1))
				.ignoreExceptions()
				.until(() -> Files.size(this.directory.resolve("lisbon.db-wal")), (size) -> size > WRITTEN);
			shop.process().destroy();
			assertThat(shop.exitCode()).isNotZero();
			assertThat(shop.lines()).hasSize(3)
				.anyMatch((line) -> line.startsWith("lisbon  FAILED: "))
				.contains("porto   FAILED: Not begun, as the command was interrupted.", "2 sources, 2 failed");
		}
		assertThat(query("lisbon", "select count(*) from number")).as("half a change").isEqualTo("0");
		assertThat(file("porto")).doesNotExist();
		try (ShopProcess shop = start(changeLog, "datasources", "migrate", "--all",
				"--app.tenancy.liquibase.parameters.rows=10")) {
			assertThat(shop.exitCode()).as(shop::wrong).isZero();
		}
		assertThat(query("lisbon", "select count(*) from number")).isEqualTo("10");
		assertThat(query("lisbon", "select locked from databasechangeloglock")).isIn("0", "false");
	}

	private String changeLog() throws IOException {
		Path file = this.directory.resolve("numbers.sql");
		Files.write(file,
				List.of("--liquibase formatted sql", "--changeset me:1", "create table number (n int);",
						"--changeset me:2", "insert into number with recursive c(n) as"
								+ " (select 1 union all select n + 1 from c limit ${rows}) select n from c;"));
		return file.toUri().toString();
	}

}
