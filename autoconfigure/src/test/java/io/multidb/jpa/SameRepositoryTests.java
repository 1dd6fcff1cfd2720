package io.multidb.jpa;

import java.nio.file.Path;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.TenantContext;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The repository on SQLite, while the PostgreSQL beside it is down.
 */
class SameRepositoryTests extends SameRepositoryContract {

	@TempDir
	static Path directory;

	private static JpaApplication application;

	@BeforeAll
	static void start() {
		application = JpaApplication.start(Shop.class,
				"app.datasources.lisbon.url=jdbc:sqlite:" + directory.resolve("lisbon.db"),
				"app.datasources.porto.url=jdbc:postgresql://localhost:1/porto");
		TenantContext.run("lisbon", () -> application.sessions().getSchemaManager().exportMappedObjects(false));
	}

	@AfterAll
	static void stop() {
		application.close();
	}

	@Override
	JpaApplication application() {
		return application;
	}

	@Override
	String source() {
		return "lisbon";
	}

	/** As the guide says; a change log must declare what Hibernate reads. */
	@Test
	void keepsIdentifiersAsTheGuideSays() {
		application.in("lisbon", (entities) -> {
			entities.persist(new Crate.OfUuid());
			entities.persist(new Crate("typed"));
			return null;
		});
		assertThat(application.column("lisbon", "select distinct typeof(id) from of_uuid")).containsExactly("blob");
		assertThat(application.column("lisbon", "select distinct typeof(id) from crate")).containsExactly("integer");
		assertThat(application.column("lisbon", "select name from sqlite_master where name like '%_seq'"))
			.contains("of_auto_seq");
	}

}
