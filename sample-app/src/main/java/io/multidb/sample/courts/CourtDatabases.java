package io.multidb.sample.courts;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.core.io.ClassPathResource;
import org.springframework.jdbc.datasource.init.ScriptUtils;
import org.springframework.stereotype.Component;

/**
 * The databases of three courts, filled as if the courts had done so themselves: without
 * the library, which only reads them.
 */
@Component
class CourtDatabases {

	private final Path directory;

	CourtDatabases(@Value("${sample.courts.directory}") Path directory) {
		this.directory = directory;
	}

	/**
	 * Fills a court's database, unless that has been done.
	 * @param name the court's name
	 * @return its JDBC URL
	 */
	String fill(String name) {
		String url = "jdbc:sqlite:" + this.directory.resolve(name + ".db");
		try {
			Files.createDirectories(this.directory);
			try (Connection connection = DriverManager.getConnection(url);
					Statement statement = connection.createStatement()) {
				// Another process may be about to do the same: one writes, and the other
				// waits.
				statement.execute("BEGIN IMMEDIATE");
				if (!isFilled(connection)) {
					for (String script : new String[] { "schema", name }) {
						ScriptUtils.executeSqlScript(connection, new ClassPathResource("db/courts/" + script + ".sql"));
					}
				}
				statement.execute("COMMIT");
			}
		}
		catch (IOException | SQLException ex) {
			throw new IllegalStateException("The sample's court '" + name + "' could not be filled at " + url, ex);
		}
		return url;
	}

	private static boolean isFilled(Connection connection) throws SQLException {
		try (ResultSet tables = connection.getMetaData().getTables(null, null, "opinion", null)) {
			return tables.next();
		}
	}

}
