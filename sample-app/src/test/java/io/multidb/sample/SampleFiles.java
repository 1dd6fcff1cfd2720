package io.multidb.sample;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * The SQLite files of a sample, seen without the library.
 *
 * @param data the folder that is {@code data} to the application
 */
public record SampleFiles(Path data) {

	/** The files of court search, which are there as soon as the application is ready. */
	public static final List<String> COURTS = List.of("courts.db", "courts/ca_supreme.db", "courts/federal_district.db",
			"courts/ny_appeals.db");

	/**
	 * What makes an application use this folder, and makes the folder ready for it.
	 * @return properties that go before application.yaml
	 */
	public Map<String, String> properties() {
		try {
			Files.createDirectories(this.data.resolve("elections"));
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
		return Map.of("app.datasources.main.url", url("main.db"), "app.datasources.archive.url", url("archive.db"),
				"app.datasources.election.url", url("elections/{id}.db"), "app.datasources.default.url", url("apps.db"),
				"app.datasources.user.url", url("user.db"), "app.datasources.courts.url", url("courts.db"),
				"sample.courts.directory", this.data.resolve("courts").toString());
	}

	/**
	 * Every file, but for those that SQLite itself keeps beside an open one.
	 * @return the paths below the folder, sorted
	 */
	public TreeSet<String> list() {
		try (Stream<Path> files = Files.walk(this.data)) {
			return files.filter(Files::isRegularFile)
				.map((file) -> this.data.relativize(file).toString())
				.filter((name) -> !name.matches("[^.].*\\.db-(wal|shm)"))
				.collect(Collectors.toCollection(TreeSet::new));
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	/**
	 * Opens a file with the driver alone.
	 * @param name its path below the folder
	 */
	public JdbcClient open(String name) {
		return JdbcClient.create(new DriverManagerDataSource(url(name)));
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.data.resolve(name);
	}

}
