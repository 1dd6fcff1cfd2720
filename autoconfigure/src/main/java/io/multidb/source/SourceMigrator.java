package io.multidb.source;

import java.sql.Connection;

/**
 * Brings one database up to date before it is handed out. Called by one thread per
 * source, by several threads for several sources.
 */
@FunctionalInterface
public interface SourceMigrator {

	/**
	 * What was done to a database that is up to date now.
	 */
	enum Outcome {

		/** Nothing; the connection is as it was. */
		UNTOUCHED,

		/** It was looked at closely, and nothing had to be run. */
		CHECKED,

		/** Changes were run. */
		MIGRATED

	}

	/** Migrates nothing. */
	SourceMigrator NONE = (definition, connection) -> Outcome.UNTOUCHED;

	/**
	 * Brings the database behind a connection up to date. A definition without a change
	 * log is up to date.
	 * @param definition the source
	 * @param connection a connection of it, which the caller closes
	 * @return what was done
	 * @throws Exception if the database is not up to date afterwards
	 */
	Outcome migrate(SourceDefinition definition, Connection connection) throws Exception;

}
