package io.multidb.routing;

import java.util.Collection;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;

/**
 * Remembers in which of its route's sources a tenant was placed, for all processes and
 * for ever: a further source moves nobody. An extension point; thread-safe. Each tenant
 * is asked for by one thread of a process at a time, which holds no lock.
 */
public interface ShardMap {

	/**
	 * Is told the lists of all routes before anything else: what one of them has left out
	 * may be in another one.
	 * @param lists the sources of each route that has several
	 */
	default void declare(Collection<Shards> lists) {
	}

	/**
	 * Compares a route's sources with those that were recorded, and records them if they
	 * may be.
	 * @param shards the sources
	 * @throws InvalidDatasourcesException if they may not be; it says how to go on
	 * @throws SourceUnavailableException if that cannot be told now
	 */
	void check(Shards shards);

	/**
	 * The source of a tenant, which is placed in the one it prefers if it was in none.
	 * @param tenant the tenant's id
	 * @param shards the sources of its route
	 * @return the name of one of them; the same for ever, in all processes
	 * @throws SourceUnavailableException if it cannot be told now whether the tenant was
	 * placed, or it cannot be
	 */
	String place(String tenant, Shards shards);

}
