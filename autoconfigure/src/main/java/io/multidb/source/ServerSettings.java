package io.multidb.source;

import org.jspecify.annotations.Nullable;

/**
 * How many connections one database server may have from this process, and how many of
 * its sources may be open. Immutable.
 *
 * @param maxConnections how many the server has for all, or {@code null} to ask it, which
 * works on PostgreSQL
 * @param reserve how many of those are left to others, or {@code null} for 5 if the
 * server is asked and none otherwise
 * @param nodes how many processes share the rest evenly
 * @param maxOpen how many sources of the server may have an open pool at the same time,
 * all of which count among {@link PoolLimits#maxOpen()}; 0 for as many as that allows
 * @param sessionPooling whether a proxy in front of the server leaves each connection its
 * session until it is closed; without effect where there is no proxy
 */
public record ServerSettings(@Nullable Integer maxConnections, @Nullable Integer reserve, int nodes, int maxOpen,
		boolean sessionPooling) {

	/** The server is asked, and this process has it for itself. */
	public static final ServerSettings DEFAULTS = new ServerSettings(null, null, 1, 0, false);

	/** For an operator's psql, monitoring, backups, and for backends that are ending. */
	private static final int DEFAULT_RESERVE = 5;

	public ServerSettings {
		if (maxConnections != null && maxConnections < 1) {
			throw new IllegalArgumentException("'max-connections' must be at least 1");
		}
		if (reserve != null && reserve < 0) {
			throw new IllegalArgumentException("'reserve' must not be negative");
		}
		if (maxOpen < 0) {
			throw new IllegalArgumentException("'max-open' must be 0, for any number, or more");
		}
		if (nodes < 1) {
			throw new IllegalArgumentException("'nodes' must be at least 1");
		}
		if (maxConnections != null && (maxConnections - ((reserve != null) ? reserve : 0)) / nodes < 1) {
			throw new IllegalArgumentException(
					"'max-connections' less 'reserve', shared among 'nodes', must be at least 1");
		}
	}

	/**
	 * Creates settings that do not limit how many sources may be open.
	 * @param maxConnections how many connections the server has, or {@code null} to ask
	 * @param reserve how many of those are left to others, or {@code null}
	 * @param nodes how many processes share the rest evenly
	 */
	public ServerSettings(@Nullable Integer maxConnections, @Nullable Integer reserve, int nodes) {
		this(maxConnections, reserve, nodes, 0, false);
	}

	/**
	 * Creates settings of a server without a proxy in front of it that pools sessions.
	 * @param maxConnections how many connections the server has, or {@code null} to ask
	 * @param reserve how many of those are left to others, or {@code null}
	 * @param nodes how many processes share the rest evenly
	 * @param maxOpen how many of its sources may be open; 0 for any number
	 */
	public ServerSettings(@Nullable Integer maxConnections, @Nullable Integer reserve, int nodes, int maxOpen) {
		this(maxConnections, reserve, nodes, maxOpen, false);
	}

	/**
	 * This process's share, at least 1.
	 * @param serverHas how many connections the server says that it has
	 */
	int permits(int serverHas) {
		int less = (this.reserve != null) ? this.reserve : (this.maxConnections != null) ? 0 : DEFAULT_RESERVE;
		return Math.max(1, (serverHas - less) / this.nodes);
	}

}
