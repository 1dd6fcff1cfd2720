package io.multidb.benchmarks;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;

import org.springframework.util.FileSystemUtils;

/**
 * A PostgreSQL server that may be killed, frozen and started again on its port.
 */
final class MortalPostgres implements Closeable {

	static final String USER = "postgres";

	private final Path directory = Files.createTempDirectory("postgres");

	private EmbeddedPostgres server;

	private MortalPostgres() throws IOException {
		this.server = builder().start();
	}

	static MortalPostgres start() throws IOException {
		return new MortalPostgres();
	}

	private EmbeddedPostgres.Builder builder() {
		return EmbeddedPostgres.builder()
			.setDataDirectory(this.directory)
			.setCleanDataDirectory(false)
			.setServerConfig("max_connections", "50");
	}

	int port() {
		return this.server.getPort();
	}

	String url(String database) {
		return "jdbc:postgresql://localhost:" + this.server.getPort() + "/" + database;
	}

	/** Runs something outside of any pool. */
	void run(String sql) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url("postgres"), USER, "");
				Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

	/** How many connections it has, apart from the one that asks. */
	int backends() throws SQLException {
		try (Connection connection = DriverManager.getConnection(url("postgres"), USER, "");
				Statement statement = connection.createStatement();
				ResultSet row = statement.executeQuery("SELECT count(*) FROM pg_stat_activity"
						+ " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")) {
			row.next();
			return row.getInt(1);
		}
	}

	/** Ends it by SIGKILL. */
	void kill() throws IOException {
		ProcessHandle process = process();
		CompletableFuture<ProcessHandle> end = process.onExit();
		process.destroyForcibly();
		try {
			end.get();
		}
		catch (ExecutionException | InterruptedException ex) {
			throw new IOException(ex);
		}
	}

	/** Starts it again, on the same port. */
	void restart() throws IOException {
		int port = this.server.getPort();
		this.server.close();
		this.server = builder().setPort(port).start();
	}

	/** Lets none of its processes run, or all of them again. */
	void freeze(boolean frozen) throws IOException {
		ProcessHandle process = process();
		StringBuilder command = new StringBuilder("kill -" + (frozen ? "STOP " : "CONT ") + process.pid());
		process.descendants().forEach((each) -> command.append(' ').append(each.pid()));
		try {
			new ProcessBuilder("sh", "-c", command.toString()).inheritIO().start().waitFor();
		}
		catch (InterruptedException ex) {
			throw new IOException(ex);
		}
	}

	private ProcessHandle process() throws IOException {
		long pid = Long.parseLong(Files.readAllLines(this.directory.resolve("postmaster.pid")).get(0));
		return ProcessHandle.of(pid).orElseThrow();
	}

	@Override
	public void close() throws IOException {
		this.server.close();
		FileSystemUtils.deleteRecursively(this.directory);
	}

}
