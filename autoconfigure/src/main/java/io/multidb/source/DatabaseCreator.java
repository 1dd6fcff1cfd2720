package io.multidb.source;

import java.io.IOException;
import java.sql.SQLException;
import java.util.function.BooleanSupplier;

import org.jspecify.annotations.Nullable;

/**
 * Makes databases of one product. A database appears under its name only when it is
 * complete; until then it has a temporary name that nothing else uses.
 */
interface DatabaseCreator extends AutoCloseable {

	/** What became of a request to make a database. */
	enum Outcome {

		/** It was there, or another thread or process was first. */
		EXISTED,

		/** It was made and filled. */
		FILLED,

		/** It was made as a copy of an image. */
		COPIED

	}

	/**
	 * Fills a database that was made under a temporary name.
	 */
	@FunctionalInterface
	interface Filling {

		/**
		 * Fills it.
		 * @return tells, whenever it is asked, whether a copy of this database is what
		 * would be made of a new one; {@code null} if it must not be copied
		 */
		@Nullable BooleanSupplier fill(SourceDefinition temporary) throws Exception;

	}

	/**
	 * Whether the database is there, without making anything.
	 */
	boolean exists(SourceDefinition definition) throws SQLException, IOException;

	/**
	 * Makes the database unless it is there: filled, or as a copy of one that was.
	 * @throws Exception if it could not be made; nothing of it is left
	 */
	Outcome create(SourceDefinition definition, Filling filling) throws Exception;

	/** Deletes the images; no more are made. */
	@Override
	void close();

}
