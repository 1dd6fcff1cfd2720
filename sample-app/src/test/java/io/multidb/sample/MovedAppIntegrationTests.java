package io.multidb.sample;

import java.net.URI;
import java.nio.file.Path;
import java.util.Map;

import io.multidb.source.TestPostgres;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The sample as its users start it, where one app has moved to PostgreSQL by an
 * environment variable and nothing else.
 */
class MovedAppIntegrationTests {

	@AutoClose
	private static final TestPostgres server = TestPostgres.start();

	@TempDir
	private Path folder;

	@Test
	void oneAppIsOnTheServerAndTheOthersStayInFiles() throws Exception {
		TestSampleApplication.open(server, "postgres").sql("CREATE DATABASE auth").update();
		URI address = URI.create(server.url().substring("jdbc:".length()));
		RunningSample process = RunningSample.start("moved", this.folder, Map.of("AUTH_DATABASE_URL",
				"postgresql://" + server.username() + ":" + server.password() + "@" + address.getAuthority() + "/auth",
				"TEST_DATABASE_URL", "postgresql://nobody@nowhere/test"));
		try {
			SampleClient sample = process.connect();
			sample.add("auth", "Ada").expectStatus().isCreated();
			sample.add("driver", "to Sintra").expectStatus().isCreated();
			sample.add("user", "Grace").expectStatus().isCreated();
			sample.records("auth").expectBody(String.class).isEqualTo("[{\"text\":\"Ada\"}]");
			sample.vote("mayor", "Ada").expectStatus().isCreated();
			SampleFiles files = new SampleFiles(this.folder.resolve("data"));
			assertThat(files.list()).containsAll(SampleFiles.COURTS)
				.contains("apps.db", "archive.db", "elections/mayor.db", "main.db", "user.db")
				.hasSize(SampleFiles.COURTS.size() + 5);
			assertThat(files.open("apps.db").sql("SELECT text FROM login").query(String.class).list()).isEmpty();
			assertThat(files.open("apps.db").sql("SELECT text FROM trip").query(String.class).list())
				.containsExactly("to Sintra");
			assertThat(files.open("user.db").sql("SELECT text FROM profile").query(String.class).list())
				.containsExactly("Grace");
			assertThat(
					TestSampleApplication.open(server, "auth").sql("SELECT text FROM login").query(String.class).list())
				.containsExactly("Ada");
			assertThat(process.log()).doesNotContain("nowhere");
		}
		finally {
			process.kill();
		}
	}

}
