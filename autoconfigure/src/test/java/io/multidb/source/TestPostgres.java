package io.multidb.source;

import java.io.Closeable;
import java.io.IOException;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.postgresql.PostgreSQLContainer;

/**
 * A PostgreSQL for tests: a container where Docker answers, otherwise a process.
 *
 * @param url its JDBC URL
 * @param username its superuser
 * @param password the superuser's password
 * @param stop stops it
 */
public record TestPostgres(String url, String username, String password, Closeable stop) implements Closeable {

	/**
	 * Starts a server.
	 * @return the running server
	 */
	public static TestPostgres start() {
		return DockerClientFactory.instance().isDockerAvailable() ? container() : process();
	}

	private static TestPostgres container() {
		@SuppressWarnings("resource") // closed by stop
		PostgreSQLContainer container = new PostgreSQLContainer("postgres:18");
		container.start();
		return new TestPostgres(container.getJdbcUrl(), container.getUsername(), container.getPassword(),
				container::stop);
	}

	private static TestPostgres process() {
		try {
			EmbeddedPostgres process = EmbeddedPostgres.start();
			return new TestPostgres(process.getJdbcUrl("postgres", "postgres"), "postgres", "", process);
		}
		catch (IOException ex) {
			throw new IllegalStateException("No PostgreSQL for tests", ex);
		}
	}

	@Override
	public void close() throws IOException {
		this.stop.close();
	}

}
