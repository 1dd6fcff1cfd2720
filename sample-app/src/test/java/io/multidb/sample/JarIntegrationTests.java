package io.multidb.sample;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The sample's jar, in which classes and files of packages lie in jars within a jar.
 */
class JarIntegrationTests {

	@TempDir
	private Path folder;

	@Test
	void appsAreFoundInTheJar() throws Exception {
		RunningSample process = RunningSample.startJar("jar", this.folder,
				Map.of("AUTH_DATABASE_URL", "sqlite:data/auth.db"));
		try {
			SampleClient sample = process.connect();
			for (String app : List.of("auth", "driver", "user")) {
				sample.add(app, app).expectStatus().isCreated();
				sample.records(app).expectBody(String.class).isEqualTo("[{\"text\":\"" + app + "\"}]");
			}
			SampleFiles files = new SampleFiles(this.folder.resolve("data"));
			assertThat(files.list()).containsAll(SampleFiles.COURTS)
				.contains("apps.db", "archive.db", "auth.db", "main.db", "user.db")
				.hasSize(SampleFiles.COURTS.size() + 5);
			assertThat(files.open("auth.db").sql("SELECT text FROM login").query(String.class).list())
				.containsExactly("auth");
			assertThat(files.open("user.db").sql("SELECT text FROM profile").query(String.class).list())
				.containsExactly("user");
		}
		finally {
			process.kill();
		}
	}

}
