package io.multidb.source;

import java.time.Duration;
import java.util.Map;

/**
 * How many sources may be open at a time, and for how long. Immutable.
 *
 * @param maxOpen how many sources may have an open pool at the same time, of all servers
 * and files; 0 for any number
 * @param whenFull what becomes of a source that is to be opened while that many are open
 * and all of them in use
 * @param idleTimeout a pool of which nothing has been used for so long is closed; zero
 * for never
 * @param drainTimeout what is still in use so long after its source was removed, replaced
 * or drained is cut
 * @param servers how many connections database servers may have, and how many of their
 * sources may be open, by the name that their sources give, or by host and port; a
 * PostgreSQL server that is not among them is asked
 */
public record PoolLimits(int maxOpen, WhenFull whenFull, Duration idleTimeout, Duration drainTimeout,
		Map<String, ServerSettings> servers) {

	/**
	 * What becomes of a source that is to be opened while as many as may be are open and
	 * all of them in use.
	 */
	public enum WhenFull {

		/** It waits for one of them as long as for a connection, and is refused then. */
		WAIT,

		/**
		 * It is opened beyond the limit; as many as are too many are closed again when
		 * they are idle.
		 */
		EXCEED

	}

	/** A thousand sources, ten minutes, thirty seconds. */
	public static final PoolLimits DEFAULT = new PoolLimits(1000, WhenFull.WAIT, Duration.ofMinutes(10),
			Duration.ofSeconds(30));

	public PoolLimits {
		if (maxOpen < 0) {
			throw new IllegalArgumentException("max-open is " + maxOpen + ", but cannot be negative");
		}
		if (idleTimeout.isNegative() || drainTimeout.isNegative()) {
			throw new IllegalArgumentException("idle-timeout and drain-timeout cannot be negative");
		}
		servers = Map.copyOf(servers);
	}

	/**
	 * Creates limits that say nothing of servers.
	 * @param maxOpen how many sources may be open at the same time; 0 for any number
	 * @param whenFull what becomes of a further one
	 * @param idleTimeout how long a pool may be unused; zero for ever
	 * @param drainTimeout how long a pool that drains may be used
	 */
	public PoolLimits(int maxOpen, WhenFull whenFull, Duration idleTimeout, Duration drainTimeout) {
		this(maxOpen, whenFull, idleTimeout, drainTimeout, Map.of());
	}

}
