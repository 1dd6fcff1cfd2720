package io.multidb.sample;

import java.nio.file.Path;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The sample as the build has processed it ahead of time, on the JVM.
 */
class ProcessedAheadIntegrationTests {

	@TempDir
	private Path folder;

	@Test
	void worksWithoutReadingItsConfigurationClasses() throws Exception {
		RunningSample process = RunningSample.start("processed", this.folder, "-Dspring.aot.enabled=true");
		try {
			SampleClient sample = process.connect();
			assertThat(process.log()).contains("Starting AOT-processed SampleApplication");
			sample.vote("mayor", "Ada").expectStatus().isCreated();
			sample.results("mayor").expectStatus().isOk().expectBody(String.class).isEqualTo("{\"Ada\":1}");
			sample.results("unknown").expectStatus().isNotFound();
			sample.write("1001", "Kept").expectStatus().isCreated();
			sample.write("77", "Hello").expectStatus().isCreated();
			sample.add("auth", "Ada").expectStatus().isCreated();
			sample.add("user", "Grace").expectStatus().isCreated();
			sample.health().expectStatus().isOk();
			SampleFiles files = new SampleFiles(this.folder.resolve("data"));
			assertThat(files.list()).containsAll(SampleFiles.COURTS)
				.contains("apps.db", "archive.db", "elections/mayor.db", "main.db", "user.db")
				.hasSize(SampleFiles.COURTS.size() + 5);
			assertThat(files.open("archive.db").sql("SELECT text FROM message").query(String.class).list())
				.containsExactly("Kept");
			assertThat(files.open("apps.db").sql("SELECT text FROM login").query(String.class).list())
				.containsExactly("Ada");
			assertThat(files.open("user.db").sql("SELECT text FROM profile").query(String.class).list())
				.containsExactly("Grace");
		}
		finally {
			process.kill();
		}
	}

}
