package io.multidb.jpa;

import java.nio.file.Path;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.source.TestPostgres;

/**
 * The repository on SQLite and on PostgreSQL, in one application.
 */
@ParameterizedClass
@ValueSource(strings = { "lisbon", "porto" })
class SameRepositoryIntegrationTests extends SameRepositoryContract {

	@AutoClose
	private static final TestPostgres server = TestPostgres.start();

	@TempDir
	static Path directory;

	private static JpaApplication application;

	@Parameter
	private String source;

	@BeforeAll
	static void start() {
		if (application == null) {
			application = JpaApplication.start(Shop.class,
					"app.datasources.lisbon.url=jdbc:sqlite:" + directory.resolve("lisbon.db"),
					"app.datasources.porto.url=" + server.url(), "app.datasources.porto.username=" + server.username(),
					"app.datasources.porto.password=" + server.password());
			application.createSchemas();
		}
	}

	@AfterAll
	static void stop() {
		application.close();
		application = null;
	}

	@Override
	JpaApplication application() {
		return application;
	}

	@Override
	String source() {
		return this.source;
	}

}
