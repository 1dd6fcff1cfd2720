package io.multidb.source;

/**
 * The kind of database behind a JDBC URL, as far as this library treats kinds
 * differently.
 */
public enum DatabaseProduct {

	/** A SQLite file; databases can be created from a template. */
	SQLITE,

	/** A PostgreSQL server; databases can be created from a template. */
	POSTGRESQL,

	/** Any other product with a JDBC driver: used, but never created. */
	OTHER;

	static DatabaseProduct of(String url) {
		if (url.startsWith("jdbc:sqlite:")) {
			return SQLITE;
		}
		return url.startsWith("jdbc:postgresql:") ? POSTGRESQL : OTHER;
	}

}
