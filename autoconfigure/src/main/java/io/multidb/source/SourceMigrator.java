package io.multidb.source;

import java.sql.Connection;

/**
 * Brings one database up to date before it is handed out. Called by one thread per
 * source, by several threads for several sources.
 */
@FunctionalInterface
public interface SourceMigrator {

	/** Migrates nothing. */
	SourceMigrator NONE = (definition, connection) -> false;

	/**
	 * Brings the database behind a connection up to date. A definition without a change
	 * log is up to date.
	 * @param definition the source
	 * @param connection a connection of it, which the caller closes
	 * @return whether anything had to be run; {@code false} leaves the connection as it
	 * was
	 * @throws Exception if the database is not up to date afterwards
	 */
	boolean migrate(SourceDefinition definition, Connection connection) throws Exception;

}
