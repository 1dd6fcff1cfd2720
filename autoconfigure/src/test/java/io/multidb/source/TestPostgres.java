package io.multidb.source;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

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
			EmbeddedPostgres process = builder()
				.setServerConfig("hba_file", passwordsForAllButTheSuperuser().toString())
				.start();
			return new TestPostgres("jdbc:postgresql://localhost:" + process.getPort() + "/postgres", "postgres", "",
					process);
		}
		catch (IOException ex) {
			throw new IllegalStateException("No PostgreSQL for tests", ex);
		}
	}

	/**
	 * Starts processes, which may take their time on a busy machine.
	 * @return the builder
	 */
	public static EmbeddedPostgres.Builder builder() {
		return EmbeddedPostgres.builder().setPGStartupWait(Duration.ofMinutes(2));
	}

	private static Path passwordsForAllButTheSuperuser() throws IOException {
		Path file = Files.createTempFile("pg_hba", ".conf");
		Files.writeString(file, """
				local all all trust
				host all postgres all trust
				host all all all scram-sha-256
				local replication all trust
				host replication all all trust
				""");
		// The server may run as another user.
		file.toFile().setReadable(true, false);
		file.toFile().deleteOnExit();
		return file;
	}

	/** The JDBC URL of one of its databases, or of a template of them. */
	public String url(String database) {
		return new JdbcUrl(this.url).withDatabaseName(database).text();
	}

	/** Connects the superuser. */
	public Connection connect(String database) throws SQLException {
		return DriverManager.getConnection(url(database), this.username, this.password);
	}

	/** Has the superuser run something. */
	public void run(String sql) throws SQLException {
		try (Connection connection = connect("postgres")) {
			Sources.execute(connection, sql);
		}
	}

	/** The names of its databases that are like this, sorted. */
	public List<String> databases(String like) throws SQLException {
		try (Connection connection = connect("postgres");
				ResultSet rows = connection.createStatement()
					.executeQuery("SELECT datname FROM pg_database WHERE datname LIKE '" + like + "' ORDER BY 1")) {
			List<String> names = new ArrayList<>();
			while (rows.next()) {
				names.add(rows.getString(1));
			}
			return names;
		}
	}

	/** Drops the databases that are like one of these. */
	void dropDatabases(String... likes) throws SQLException {
		for (String like : likes) {
			for (String database : databases(like)) {
				run("DROP DATABASE \"" + database + "\" WITH (FORCE)");
			}
		}
	}

	/** A source for the superuser. */
	public SourceDefinition.Builder source(String name, String database) {
		return SourceDefinition.named(name).url(url(database)).username(this.username).password(this.password);
	}

	@Override
	public void close() throws IOException {
		this.stop.close();
	}

}
