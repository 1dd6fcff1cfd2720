package io.multidb.source;

import java.io.IOException;
import java.sql.SQLException;

/**
 * Makes databases of one product. A database appears under its name only when it is
 * complete; until then it has a temporary name that nothing else uses.
 */
interface DatabaseCreator {

	/**
	 * Fills a database that was made under a temporary name.
	 */
	@FunctionalInterface
	interface Filling {

		void fill(SourceDefinition temporary) throws Exception;

	}

	/**
	 * Whether the database is there, without making anything.
	 */
	boolean exists(SourceDefinition definition) throws SQLException, IOException;

	/**
	 * Makes the database unless it is there.
	 * @return {@code true} if this call made it, {@code false} if it was there or another
	 * thread or process was first
	 * @throws Exception if it could not be made; nothing of it is left
	 */
	boolean create(SourceDefinition definition, Filling filling) throws Exception;

}
