package io.multidb.source;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

import org.awaitility.Awaitility;

/**
 * A PgBouncer in front of a PostgreSQL for tests, where it is installed.
 *
 * @param url of the same database, through it
 * @param process the running PgBouncer
 */
public record TestPgBouncer(String url, Process process) implements Closeable {

	/** Whether it is installed. */
	public static boolean isThere() {
		try {
			return new ProcessBuilder("pgbouncer", "--version").redirectErrorStream(true).start().waitFor() == 0;
		}
		catch (IOException ex) {
			return false;
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			return false;
		}
	}

	/**
	 * Starts one.
	 * @param postgres what it stands in front of
	 * @param poolMode {@code transaction} or {@code session}
	 * @param settings further lines
	 * @return the running PgBouncer
	 */
	public static TestPgBouncer start(TestPostgres postgres, String poolMode, String... settings) throws IOException {
		URI server = URI.create(postgres.url().substring("jdbc:".length()));
		int port;
		try (ServerSocket free = new ServerSocket(0)) {
			port = free.getLocalPort();
		}
		Path directory = Files.createTempDirectory("pgbouncer");
		Path users = Files.writeString(directory.resolve("users.txt"),
				"\"%s\" \"%s\"\n\"app\" \"app\"\n".formatted(postgres.username(), postgres.password()));
		Path file = Files.writeString(directory.resolve("pgbouncer.ini"), """
				[databases]
				* = host=%s port=%d
				[pgbouncer]
				listen_addr = 127.0.0.1
				listen_port = %d
				unix_socket_dir =
				auth_type = trust
				auth_file = %s
				pool_mode = %s
				%s
				""".formatted(server.getHost(), server.getPort(), port, users, poolMode, String.join("\n", settings)));
		// It refuses to run as root.
		for (Path readable : List.of(directory, users, file)) {
			readable.toFile().setReadable(true, false);
			readable.toFile().setExecutable(true, false);
		}
		List<String> command = new ArrayList<>(List.of("pgbouncer"));
		if ("root".equals(System.getProperty("user.name"))) {
			command.addAll(List.of("-u", "nobody"));
		}
		command.add(file.toString());
		Process process = new ProcessBuilder(command).redirectErrorStream(true)
			.redirectOutput(directory.resolve("pgbouncer.log").toFile())
			.start();
		Awaitility.await().atMost(Duration.ofMinutes(1)).ignoreExceptions().until(() -> {
			try (Socket socket = new Socket(InetAddress.getByAddress(new byte[] { 127, 0, 0, 1 }), port)) {
				return socket.isConnected();
			}
		});
		return new TestPgBouncer("jdbc:postgresql://127.0.0.1:" + port + server.getPath(), process);
	}

	/** The JDBC URL of one of the server's databases, or of a template of them. */
	public String url(String database) {
		return new JdbcUrl(this.url).withDatabaseName(database).text();
	}

	@Override
	public void close() throws IOException {
		this.process.destroy();
		try {
			if (!this.process.waitFor(30, TimeUnit.SECONDS)) {
				this.process.destroyForcibly();
			}
		}
		catch (InterruptedException ex) {
			this.process.destroyForcibly();
			Thread.currentThread().interrupt();
		}
	}

}
