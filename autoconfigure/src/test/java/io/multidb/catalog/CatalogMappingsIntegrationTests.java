package io.multidb.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.JdbcTemplate;

import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Mappings that are kept in a catalog on PostgreSQL.
 */
class CatalogMappingsIntegrationTests extends CatalogMappingsTests {

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
		server.run("CREATE DATABASE mappings");
	}

	@Override
	@AfterEach
	void close() throws Exception {
		super.close();
		server.run("DROP DATABASE mappings WITH (FORCE)");
	}

	@Override
	SourceDefinition.Builder main() {
		return SourceDefinition.named("main")
			.url(server.url("mappings"))
			.username(server.username())
			.password(server.password())
			.hikari(Map.of("maximum-pool-size", "5"));
	}

	@Override
	SourceDefinition.Builder withoutAutoCommit() {
		return main().hikari(Map.of("maximum-pool-size", "5", "auto-commit", "false"));
	}

	@Override
	SourceDefinition.Builder impatient() {
		return main().hikari(Map.of("maximum-pool-size", "5", "connection-timeout", "2000"));
	}

	@Override
	String lockTimeout(CatalogNode node) {
		return new JdbcTemplate(node.router).queryForObject("SHOW lock_timeout", String.class);
	}

	@Override
	Connection connect() throws SQLException {
		return server.connect("mappings");
	}

	/** The other one waits for the row of the revision, and is waited for by nobody. */
	@Test
	void whoHasMappedInATransactionMapsOnWhileAnotherWaitsForIt() throws Exception {
		CatalogNode node = node(Duration.ofHours(1));
		Thread other = new Thread(() -> node.mappings.map("chat-2", "b"));
		node.inTransaction((status) -> {
			node.mappings.map("chat-1", "b");
			other.start();
			await().until(this::somebodyWaits);
			node.mappings.map("chat-3", "b");
			assertThat(other.isAlive()).isTrue();
		});
		other.join();
		assertThat(node.mappings.all()).containsOnlyKeys("chat-1", "chat-2", "chat-3");
	}

	private boolean somebodyWaits() throws SQLException {
		try (Connection connection = server.connect("postgres")) {
			return !"0".equals(Sources.query(connection,
					"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'mappings'"));
		}
	}

}
