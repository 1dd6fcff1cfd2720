package io.multidb.source;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;

import org.springframework.util.FileSystemUtils;

/**
 * A PostgreSQL primary and a standby that streams from it, as processes. The binaries
 * have no pg_basebackup, so the copy is made by PostgreSQL's functions for that.
 */
public final class PostgresPair implements Closeable {

	private final Path primaryDirectory;

	private final Path standbyDirectory;

	private final EmbeddedPostgres primary;

	private EmbeddedPostgres standby;

	private PostgresPair(Path primaryDirectory, Path standbyDirectory) throws IOException, SQLException {
		this.primaryDirectory = primaryDirectory;
		this.standbyDirectory = standbyDirectory;
		this.primary = TestPostgres.builder().setDataDirectory(primaryDirectory).start();
		boolean started = false;
		try {
			backUp(primaryDirectory);
			this.standby = startStandby(0);
			started = true;
		}
		finally {
			if (!started) {
				this.primary.close();
			}
		}
	}

	/**
	 * Starts both.
	 * @return the running pair
	 */
	public static PostgresPair start() {
		try {
			return new PostgresPair(Files.createTempDirectory("primary"), Files.createTempDirectory("standby"));
		}
		catch (IOException | SQLException ex) {
			throw new IllegalStateException("No PostgreSQL with a standby for tests", ex);
		}
	}

	private void backUp(Path data) throws IOException, SQLException {
		try (Connection connection = DriverManager.getConnection(url(), "postgres", "");
				Statement statement = connection.createStatement()) {
			statement.execute("SELECT pg_backup_start('standby', true)");
			copy(data, this.standbyDirectory);
			try (ResultSet row = statement.executeQuery("SELECT labelfile FROM pg_backup_stop(false)")) {
				row.next();
				Files.writeString(this.standbyDirectory.resolve("backup_label"), row.getString(1));
			}
		}
		Files.createFile(this.standbyDirectory.resolve("standby.signal"));
		Files.writeString(this.standbyDirectory.resolve("postgresql.auto.conf"), "primary_conninfo = '"
				+ primaryConnection(this.primary.getPort()) + "'\nwal_retrieve_retry_interval = '200ms'\n");
	}

	private static void copy(Path from, Path to) throws IOException {
		Files.walkFileTree(from, new SimpleFileVisitor<>() {

			@Override
			public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
					throws IOException {
				Path copy = to.resolve(from.relativize(directory));
				Files.createDirectories(copy);
				Files.setPosixFilePermissions(copy, PosixFilePermissions.fromString("rwx------"));
				return FileVisitResult.CONTINUE;
			}

			@Override
			public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
				String name = file.getFileName().toString();
				if (!name.startsWith("postmaster.") && !name.equals("epg-lock")) {
					try {
						Files.copy(file, to.resolve(from.relativize(file)));
					}
					catch (NoSuchFileException ex) {
						// The server works on while it is copied.
					}
				}
				return FileVisitResult.CONTINUE;
			}

			@Override
			public FileVisitResult visitFileFailed(Path file, IOException failure) {
				return FileVisitResult.CONTINUE;
			}

		});
	}

	private EmbeddedPostgres startStandby(int port) throws IOException {
		EmbeddedPostgres.Builder builder = TestPostgres.builder()
			.setDataDirectory(this.standbyDirectory)
			.setCleanDataDirectory(false);
		return ((port == 0) ? builder : builder.setPort(port)).start();
	}

	/** The primary's JDBC URL. */
	public String url() {
		return "jdbc:postgresql://localhost:" + this.primary.getPort() + "/postgres";
	}

	/** The standby's JDBC URL. */
	public String standbyUrl() {
		return "jdbc:postgresql://localhost:" + this.standby.getPort() + "/postgres";
	}

	/** Runs something on the primary, outside of any pool. */
	public void onPrimary(String sql) throws SQLException {
		run(url(), sql);
	}

	/** Runs something on the standby, outside of any pool. */
	public void onStandby(String sql) throws SQLException {
		run(standbyUrl(), sql);
	}

	private static void run(String url, String sql) throws SQLException {
		try (Connection connection = DriverManager.getConnection(url, "postgres", "")) {
			Sources.execute(connection, sql);
		}
	}

	/** Lets the standby receive nothing any more, or again. */
	public void cutStandbyOff(boolean cutOff) throws SQLException {
		onStandby(
				"alter system set primary_conninfo = '" + primaryConnection(cutOff ? 1 : this.primary.getPort()) + "'");
		onStandby("select pg_reload_conf()");
	}

	private static String primaryConnection(int port) {
		return "host=localhost port=" + port + " user=postgres";
	}

	/** Ends the standby's server process by SIGKILL. */
	public void killStandby() throws IOException {
		PostgresProcess.kill(this.standbyDirectory);
	}

	/** Lets no process of the standby run, or all of them again. */
	public void freezeStandby(boolean frozen) throws IOException {
		PostgresProcess.freeze(this.standbyDirectory, frozen);
	}

	/** Ends the primary's server process by SIGKILL; it does not come back. */
	public void killPrimary() throws IOException {
		PostgresProcess.kill(this.primaryDirectory);
	}

	/** Starts the standby again, on the same port. */
	public void restartStandby() throws IOException {
		int port = this.standby.getPort();
		this.standby.close();
		this.standby = startStandby(port);
	}

	@Override
	public void close() throws IOException {
		this.standby.close();
		FileSystemUtils.deleteRecursively(this.standbyDirectory);
		this.primary.close();
	}

}
