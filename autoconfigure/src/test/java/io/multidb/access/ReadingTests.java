package io.multidb.access;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteConnection;
import org.sqlite.jdbc4.JDBC4Statement;

import io.multidb.SourceContext;
import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Users and their rights on SQLite.
 */
class ReadingTests extends ReadingContract {

	@TempDir
	private Path directory;

	@Override
	SourceDefinition.Builder main(int connections) {
		return Sources.sqlite("main", this.directory).hikari(Map.of("maximum-pool-size", String.valueOf(connections)));
	}

	@Override
	List<String> tricks() {
		return List.of("pragma query_only = 0", "PRAGMA query_only(0)", "/* x */ pragma\tmain.query_only=off",
				"-- x\n;pragma query_only=0", "\uFEFFpragma query_only=0", "explain pragma query_only = 0",
				"explain query plan pragma query_only = 0", "select 1; pragma query_only = 0",
				"select $x('); pragma query_only = 0; select $x(')", "select * from pragma_query_only(0)",
				"begin immediate", "savepoint s", "pragma writable_schema = 1",
				"attach '" + this.directory.resolve("main.db") + "' as other");
	}

	@Override
	List<Class<?>> driversOwn() {
		return List.of(SQLiteConnection.class);
	}

	@Override
	Class<?> driversStatement() {
		return JDBC4Statement.class;
	}

	@Test
	void theDriversOwnCommandsDoNotReplaceTheFile() throws Exception {
		Path other = this.directory.resolve("other.db");
		try (Connection connection = java.sql.DriverManager.getConnection("jdbc:sqlite:" + other)) {
			Sources.execute(connection, "create table other (x int)");
		}
		this.users.set("grace");
		for (String text : new String[] { "restore from '" + other + "'", "RESTORE main FROM '" + other + "'",
				" restore from '" + other + "'" }) {
			SourceContext.call("main", () -> {
				try (Connection connection = this.router.getConnection()) {
					Sources.execute(connection, text);
				}
				catch (SQLException ex) {
					// As it should be
				}
				return null;
			});
		}
		write("ada");
		Path copy = this.directory.resolve("copy.db");
		SourceContext.call("main", () -> {
			try (Connection connection = this.router.getConnection()) {
				Sources.execute(connection, "backup to '" + copy + "'");
			}
			catch (SQLException ex) {
				// As it should be
			}
			return null;
		});
		assertThat(Files.exists(copy)).isFalse();
	}

}
