package io.multidb.source;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * When each database server was connected last, as long as no source that asked for a
 * connection after that found it out of reach. A source that could not reach its server
 * sees by this that another one could since, so that its next use need not be refused.
 * <p>
 * Nobody goes through the sources of a server for that: each compares when it asked with
 * when its server was reached, and only when it is used. So no source is opened that
 * nobody wants. And when a server is lost again, the first source that notices takes the
 * mark away, and the others are refused as before.
 * <p>
 * Thread-safe: there is one entry for each server, the owner of all that is said of it,
 * and it is changed atomically by the map. Nothing is called meanwhile, so that a
 * source's lock may be held. Times are {@link System#nanoTime()}'s.
 */
final class ReachedServers {

	/** By server. */
	private final Map<String, Long> reachedAt = new ConcurrentHashMap<>();

	/** A connection was made. A file has no server. */
	void reached(SourceDefinition definition) {
		String server = ServerBudgets.server(definition);
		if (server != null) {
			this.reachedAt.merge(server, System.nanoTime(), (one, other) -> (other - one > 0) ? other : one);
		}
	}

	/**
	 * A server could not be reached. If it was reached while that was being tried, that
	 * is the newer of both.
	 * @param askedAt when it was begun to be tried
	 */
	void unreached(SourceDefinition definition, long askedAt) {
		String server = ServerBudgets.server(definition);
		if (server != null) {
			this.reachedAt.computeIfPresent(server, (name, at) -> (askedAt - at > 0) ? null : at);
		}
	}

	/** Whether the server of a source was reached after that, and is not lost again. */
	boolean isReachedSince(SourceDefinition definition, long askedAt) {
		String server = ServerBudgets.server(definition);
		Long at = (server != null) ? this.reachedAt.get(server) : null;
		return at != null && at - askedAt > 0;
	}

}
