package io.multidb.access;

import java.sql.SQLException;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.postgresql.PGConnection;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.BaseStatement;

import io.multidb.source.SourceDefinition;
import io.multidb.source.TestPostgres;

/**
 * Users and their rights on PostgreSQL.
 */
class ReadingIntegrationTests extends ReadingContract {

	private static TestPostgres postgres;

	@BeforeAll
	static void start() {
		postgres = TestPostgres.start();
	}

	@AfterAll
	static void stop() throws java.io.IOException {
		postgres.close();
	}

	@Override
	SourceDefinition.Builder main(int connections) throws SQLException {
		return SourceDefinition.named("main")
			.url(postgres.url("postgres"))
			.username(postgres.username())
			.password(postgres.password())
			.hikari(Map.of("maximum-pool-size", String.valueOf(connections)));
	}

	@Override
	List<String> tricks() {
		return List.of("set default_transaction_read_only = off", "SET SESSION default_transaction_read_only TO off",
				"set transaction read write", "/* x */ SET/**/TRANSACTION/**/READ/**/WRITE",
				"set transaction_read_only = off", "set session characteristics as transaction read write",
				"begin read write", "start transaction read write", "commit; begin read write", "reset all",
				"discard all", "reset default_transaction_read_only", "set \"default_transaction_read_only\" = off",
				"select set_config('default_transaction_read_only', 'off', false)",
				"select set_config('transaction_read_only', 'off', false)",
				"select set_config('default_transaction_read_only', 'off', false); commit",
				"do $$ begin perform set_config('default_transaction_' || 'read_only', 'off', false); end $$",
				"do 'begin perform set_config(''default_transaction_'' || ''read_only'', ''off'', false); end'",
				"rollback; set transaction read write", "-- x\nset transaction read write");
	}

	@Override
	List<Class<?>> driversOwn() {
		return List.of(PGConnection.class, BaseConnection.class);
	}

	@Override
	Class<?> driversStatement() {
		return BaseStatement.class;
	}

}
