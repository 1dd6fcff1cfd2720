package io.multidb.test;

import java.util.ArrayList;
import java.util.List;

import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.transaction.annotation.Transactional;

import io.multidb.TenantContext;
import io.multidb.source.SourceRegistry;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A database per test on PostgreSQL, of a role that may not make databases.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.NONE,
		properties = { "app.datasources.election.maintenance=server", "app.datasources.server.internal=true" })
@TemporaryDatabases
@WithTenant("election-*")
@DirtiesContext
class WithTenantIntegrationTests {

	@AutoClose
	private static final TestPostgres server = TestPostgres.start();

	private static final List<String> tenants = new ArrayList<>();

	@Autowired
	private JdbcClient jdbc;

	@DynamicPropertySource
	static void useServer(DynamicPropertyRegistry registry) {
		open().sql("create role elections login password 'elections'").update();
		String election = server.url().replaceFirst("/[^/?]*(\\?|$)", "/election_{id}$1");
		registry.add("app.datasources.election.url", () -> election);
		registry.add("app.datasources.election.username", () -> "elections");
		registry.add("app.datasources.election.password", () -> "elections");
		registry.add("app.datasources.server.url", server::url);
		registry.add("app.datasources.server.username", server::username);
		registry.add("app.datasources.server.password", server::password);
	}

	@AfterAll
	static void theirDatabasesAreGone(@Autowired SourceRegistry registry) {
		assertThat(tenants).hasSize(6).doesNotHaveDuplicates();
		assertThat(databases()).singleElement(InstanceOfAssertFactories.STRING)
			.as("what they are copies of")
			.startsWith("multidb_image_");
		registry.close();
		assertThat(databases()).isEmpty();
	}

	@RepeatedTest(5)
	void everyTestHasADatabaseOfItsOwn() {
		tenants.add(TenantContext.require());
		assertThat(notes()).isZero();
		this.jdbc.sql("insert into note (text) values ('mine')").update();
		assertThat(notes()).isOne();
		assertThat(this.jdbc.sql("select current_database()").query(String.class).single())
			.isEqualTo(TenantContext.require().replace('-', '_'));
	}

	@Test
	@Transactional
	void alsoWhereTheTestIsOneTransaction() {
		tenants.add(TenantContext.require());
		assertThat(notes()).isZero();
		this.jdbc.sql("insert into note (text) values ('mine')").update();
	}

	private long notes() {
		return this.jdbc.sql("select count(*) from note").query(Long.class).single();
	}

	private static List<String> databases() {
		return open().sql("select datname from pg_database where datname like 'election%' or datname like 'multidb%'")
			.query(String.class)
			.list();
	}

	private static JdbcClient open() {
		return JdbcClient.create(new DriverManagerDataSource(server.url(), server.username(), server.password()));
	}

}
