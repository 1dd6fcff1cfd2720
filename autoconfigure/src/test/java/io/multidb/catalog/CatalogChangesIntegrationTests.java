package io.multidb.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

import io.multidb.source.SourceDefinition;
import io.multidb.source.TestPostgres;

/**
 * Rows that several nodes add and change at the same time, in a catalog on PostgreSQL.
 */
class CatalogChangesIntegrationTests extends CatalogChangesTests {

	private static TestPostgres server;

	@BeforeAll
	static void startServer() {
		server = TestPostgres.start();
	}

	@AfterAll
	static void stopServer() throws Exception {
		server.close();
	}

	@BeforeEach
	void createDatabase() throws SQLException {
		server.run("CREATE DATABASE courts");
	}

	@Override
	@AfterEach
	void close() throws Exception {
		super.close();
		server.run("DROP DATABASE courts WITH (FORCE)");
	}

	@Override
	SourceDefinition.Builder main() {
		return SourceDefinition.named("main")
			.url(server.url("courts"))
			.username(server.username())
			.password(server.password())
			.hikari(Map.of("maximum-pool-size", "5"));
	}

	@Override
	Connection connect() throws SQLException {
		return server.connect("courts");
	}

}
