package io.multidb.source;

import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * {@link Chaos} with databases of one PostgreSQL server that has too few connections for
 * all of them, and whose backends are killed.
 */
@Timeout(300)
class ChaosIntegrationTests {

	private static final int DATABASES = 8;

	private static final int BUDGET = 6;

	private static EmbeddedPostgres postgres;

	private static Connection superuser;

	private final Sources sources = new Sources().with(SourceMigrator.NONE);

	@BeforeAll
	static void start() throws IOException, SQLException {
		postgres = EmbeddedPostgres.builder().setServerConfig("max_connections", "20").start();
		superuser = DriverManager.getConnection(url("postgres"), "postgres", "");
		Sources.execute(superuser, "CREATE ROLE app LOGIN");
		for (int i = 0; i < DATABASES; i++) {
			Sources.execute(superuser, "CREATE DATABASE s" + i + " OWNER app");
		}
	}

	@AfterAll
	static void stop() throws IOException, SQLException {
		superuser.close();
		postgres.close();
	}

	@AfterEach
	void close() {
		this.sources.close();
		await().untilAsserted(() -> assertThat(backends()).isEqualTo("0"));
	}

	private static String url(String database) {
		return "jdbc:postgresql://localhost:" + postgres.getPort() + "/" + database;
	}

	private static String backends() throws SQLException {
		return Sources.query(superuser, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'");
	}

	@Test
	void everyRowIsWhereItBelongsAndNoPermitIsLost() throws Exception {
		run(Duration.ofSeconds(3));
	}

	@Test
	@Tag("stress")
	void everyRowIsWhereItBelongsAndNoPermitIsLostForAWhile() throws Exception {
		run(Duration.ofSeconds(45));
	}

	private void run(Duration time) throws Exception {
		List<SourceDefinition> definitions = new ArrayList<>();
		for (int i = 0; i < DATABASES; i++) {
			definitions.add(SourceDefinition.named("s" + i)
				.url(url("s" + i))
				.username("app")
				.hikari(Map.of("maximum-pool-size", "3", "connection-timeout", "1000"))
				.build());
		}
		SourceRegistry registry = this.sources
			.with(new PoolLimits(5, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(30),
					Map.of("localhost:" + postgres.getPort(), new ServerSettings(BUDGET, 0, 1))))
			.registry();
		for (SourceDefinition definition : definitions) {
			registry.add(definition);
			Sources.execute(registry.get(definition.name()), "DROP TABLE IF EXISTS chaos");
			Sources.execute(registry.get(definition.name()), "CREATE TABLE chaos (id int, source varchar(9))");
		}
		int committed = new Chaos(registry, definitions, (source, random) -> {
			if (random.nextInt(20) == 0) {
				kill(source);
			}
			assertThat(Integer.parseInt(backends())).isLessThanOrEqualTo(BUDGET);
		}).run(time);
		assertThat(committed).isPositive();
	}

	private static synchronized void kill(String source) throws SQLException {
		Sources.query(superuser,
				"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '" + source + "'");
	}

}
