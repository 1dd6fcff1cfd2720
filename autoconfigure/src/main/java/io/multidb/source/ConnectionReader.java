package io.multidb.source;

import java.sql.Connection;

/**
 * Reads something from one connection of a source.
 *
 * @param <T> what it finds
 * @see SourceRegistry#look
 */
@FunctionalInterface
public interface ConnectionReader<T> {

	/**
	 * Reads.
	 * @param definition the source
	 * @param connection a connection of it that refuses writes; the caller closes it
	 * @return what was found
	 * @throws Exception if it cannot be read
	 */
	T read(SourceDefinition definition, Connection connection) throws Exception;

}
