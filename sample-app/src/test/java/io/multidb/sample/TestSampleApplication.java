package io.multidb.sample;

import java.net.URI;
import java.util.Map;
import java.util.stream.Stream;

import io.multidb.source.TestPostgres;

import org.springframework.boot.SpringApplication;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * Runs the sample on a PostgreSQL that comes and goes with it:
 * {@code ./mvnw spring-boot:test-run -pl sample-app -am}.
 */
public final class TestSampleApplication {

	private TestSampleApplication() {
	}

	public static void main(String[] args) {
		Stream<String> server = properties(TestPostgres.start()).entrySet().stream().map((entry) -> "--" + entry);
		SpringApplication.from(SampleApplication::main)
			.withAdditionalProfiles("postgres")
			.run(Stream.concat(server, Stream.of(args)).toArray(String[]::new));
	}

	/**
	 * Makes the databases that compose.yaml makes otherwise.
	 * @param server a new server
	 * @return what application-postgres.yaml wants to know
	 */
	static Map<String, String> properties(TestPostgres server) {
		JdbcClient jdbc = open(server, "postgres");
		jdbc.sql("CREATE DATABASE main").update();
		jdbc.sql("CREATE DATABASE archive").update();
		jdbc.sql("CREATE DATABASE courts").update();
		jdbc.sql("CREATE DATABASE apps").update();
		URI address = address(server);
		return Map.of("POSTGRES_HOST", address.getHost(), "POSTGRES_PORT", Integer.toString(address.getPort()),
				"POSTGRES_USER", server.username(), "POSTGRES_PASSWORD", server.password());
	}

	/**
	 * Opens a database without the library.
	 * @param server the server
	 * @param database the database's name
	 */
	static JdbcClient open(TestPostgres server, String database) {
		return JdbcClient
			.create(new DriverManagerDataSource("jdbc:postgresql://" + address(server).getAuthority() + "/" + database,
					server.username(), server.password()));
	}

	private static URI address(TestPostgres server) {
		return URI.create(server.url().substring("jdbc:".length()));
	}

}
