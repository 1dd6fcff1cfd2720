package io.multidb.browser;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A source named stock, beside those of the sample, whose change log fails until it is
 * mended.
 */
final class BrokenSource {

	private static final String CHANGE_LOG = """
			databaseChangeLog:
			  - changeSet:
			      id: 1
			      author: stock
			      changes:
			        - sql: { sql: "create table item (name varchar(50))" }
			  - changeSet:
			      id: 2
			      author: stock
			      changes:
			        - sql: { sql: "insert into %s (name) values ('tea')" }
			""";

	private BrokenSource() {
	}

	static String[] options(Path changeLog) {
		return new String[] { "--app.datasources.stock.url=jdbc:sqlite:data/stock.db",
				"--app.datasources.stock.liquibase.change-log=file:" + changeLog,
				"--app.datasources.stock.essential=false" };
	}

	static void breakUp(Path changeLog) throws IOException {
		Files.writeString(changeLog, CHANGE_LOG.formatted("shelf"));
	}

	static void mend(Path changeLog) throws IOException {
		Files.writeString(changeLog, CHANGE_LOG.formatted("item"));
	}

}
