package io.multidb.source;

import java.sql.Connection;
import java.util.function.BooleanSupplier;

import org.jspecify.annotations.Nullable;

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

	/**
	 * Whether a database that was just made and brought up to date may be copied, for
	 * further databases of the same template. By default none may.
	 * @param definition the source
	 * @param connection a connection of it, which the caller closes
	 * @return tells, whenever it is asked, whether a copy is still what this migrator
	 * would make of an empty database; {@code null} if this one must not be copied
	 * @throws Exception if the database cannot be read
	 */
	default @Nullable BooleanSupplier copyable(SourceDefinition definition, Connection connection) throws Exception {
		return null;
	}

	/**
	 * How far a database has been migrated; nothing is changed. By default nobody knows.
	 * @param definition the source
	 * @param connection a connection of it, which may refuse writes, and which the caller
	 * closes
	 * @return the state; {@code null} if the source is not migrated, or it cannot be told
	 * @throws Exception if the database or the change log cannot be read
	 */
	default @Nullable MigrationState state(SourceDefinition definition, Connection connection) throws Exception {
		return null;
	}

}
