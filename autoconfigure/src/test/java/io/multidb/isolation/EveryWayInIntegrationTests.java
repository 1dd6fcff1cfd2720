package io.multidb.isolation;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

/**
 * As {@link EveryWayInTests}, on SQLite and PostgreSQL at the same time, behind the same
 * repositories.
 */
class EveryWayInIntegrationTests {

	private static final long SEED = Long.getLong("everyway.seed", System.nanoTime());

	@TempDir
	private Path directory;

	private TestPostgres postgres;

	@BeforeEach
	void start() {
		this.postgres = TestPostgres.start();
	}

	@AfterEach
	void stop() throws IOException {
		this.postgres.close();
	}

	@Test
	void everyRowIsInItsTenantsDatabaseOnBothProducts() throws SQLException {
		onBothProducts(3, 3).run(4, 6_000);
	}

	@Test
	void everyWayAsksWhoMayOnBothProducts() throws SQLException {
		onBothProducts(1, 1).askWhoMay();
	}

	@Test
	@Tag("stress")
	void everyRowOfAMillionOperationsIsInItsTenantsDatabaseOnBothProducts() throws SQLException {
		onBothProducts(16, 3).run(8, 1_000_000);
	}

	private EveryWayIn onBothProducts(int sqlite, int postgresql) throws SQLException {
		EveryWayIn everyWayIn = new EveryWayIn(SEED).sqlite(this.directory, sqlite);
		for (int i = 0; i < postgresql; i++) {
			String name = "p" + i;
			try (Connection connection = DriverManager.getConnection(this.postgres.url(), this.postgres.username(),
					this.postgres.password())) {
				Sources.execute(connection, "CREATE DATABASE " + name);
			}
			everyWayIn.add(name, this.postgres.url().replaceFirst("/[^/]*$", "/" + name) + "?user="
					+ this.postgres.username() + "&password=" + this.postgres.password()
					// One transaction inside another could wait for it for ever.
					+ "&options=-c%20lock_timeout=300ms");
		}
		return everyWayIn;
	}

}
