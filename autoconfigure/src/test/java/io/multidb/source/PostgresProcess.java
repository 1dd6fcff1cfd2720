package io.multidb.source;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;

import org.springframework.util.FileSystemUtils;

/**
 * A PostgreSQL server for tests that may be killed, frozen and started again on its port.
 */
final class PostgresProcess implements Closeable {

	private final Path directory;

	private EmbeddedPostgres server;

	private PostgresProcess(Path directory) throws IOException {
		this.directory = directory;
		this.server = builder().start();
	}

	static PostgresProcess start() {
		try {
			return new PostgresProcess(Files.createTempDirectory("postgres"));
		}
		catch (IOException ex) {
			throw new IllegalStateException("No PostgreSQL for tests", ex);
		}
	}

	/** The JDBC URL of a database. */
	String url(String database) {
		return "jdbc:postgresql://localhost:" + this.server.getPort() + "/" + database;
	}

	/** Runs something outside of any pool. */
	void run(String sql) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url("postgres"), "postgres", "")) {
			Sources.execute(connection, sql);
		}
	}

	/** Ends the server by SIGKILL. */
	void kill() throws IOException {
		kill(this.directory);
	}

	/** Starts it again, on the same port. */
	void restart() throws IOException {
		int port = this.server.getPort();
		this.server.close();
		this.server = builder().setPort(port).start();
	}

	private EmbeddedPostgres.Builder builder() {
		return TestPostgres.builder().setDataDirectory(this.directory).setCleanDataDirectory(false);
	}

	/** Lets no process of the server run, or all of them again. */
	void freeze(boolean frozen) throws IOException {
		freeze(this.directory, frozen);
	}

	static void freeze(Path data, boolean frozen) throws IOException {
		ProcessHandle server = process(data);
		StringBuilder command = new StringBuilder("kill -" + (frozen ? "STOP " : "CONT ") + server.pid());
		server.descendants().forEach((process) -> command.append(' ').append(process.pid()));
		try {
			new ProcessBuilder("sh", "-c", command.toString()).inheritIO().start().waitFor();
		}
		catch (InterruptedException ex) {
			throw new IOException(ex);
		}
	}

	/** What it leaves behind would keep it from being started again for a while. */
	static void kill(Path data) throws IOException {
		ProcessHandle server = process(data);
		List<ProcessHandle> all = Stream.concat(Stream.of(server), server.descendants()).toList();
		CompletableFuture<?> end = CompletableFuture
			.allOf(all.stream().map(ProcessHandle::onExit).toArray(CompletableFuture<?>[]::new));
		all.forEach(ProcessHandle::destroyForcibly);
		try {
			end.get();
		}
		catch (ExecutionException | InterruptedException ex) {
			throw new IOException(ex);
		}
	}

	private static ProcessHandle process(Path data) throws IOException {
		long server = Long.parseLong(Files.readAllLines(data.resolve("postmaster.pid")).get(0));
		return ProcessHandle.of(server).orElseThrow();
	}

	@Override
	public void close() throws IOException {
		this.server.close();
		FileSystemUtils.deleteRecursively(this.directory);
	}

}
