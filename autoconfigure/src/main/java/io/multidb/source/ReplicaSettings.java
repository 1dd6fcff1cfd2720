package io.multidb.source;

import java.time.Duration;
import java.util.List;

/**
 * Which sources are replicas of a source, and when read-only work goes to them.
 * Immutable.
 *
 * @param sources the names of the replicas; empty for none
 * @param maxLag how far behind a replica may be; measured on PostgreSQL only
 * @param sticky how long after a write the same tenant and session read from the primary;
 * zero for not at all
 */
public record ReplicaSettings(List<String> sources, Duration maxLag, Duration sticky) {

	/**
	 * Finite, as a standby that has lost its primary goes on answering, with older and
	 * older data; long enough for the pause of a large vacuum or index on the standby.
	 */
	public static final Duration DEFAULT_MAX_LAG = Duration.ofSeconds(10);

	/** What can be told from the pause between two measurements, with some to spare. */
	public static final Duration SHORTEST_MAX_LAG = Duration.ofMillis(500);

	/** No replicas. */
	public static final ReplicaSettings NONE = new ReplicaSettings(List.of(), DEFAULT_MAX_LAG, DEFAULT_MAX_LAG);

	public ReplicaSettings {
		sources = List.copyOf(sources);
		if (maxLag.compareTo(SHORTEST_MAX_LAG) < 0) {
			throw new IllegalArgumentException(
					"The lag of a replica is not measured more finely than " + SHORTEST_MAX_LAG.toMillis() + " ms");
		}
		if (sticky.isNegative()) {
			throw new IllegalArgumentException("The time after a write must not be negative");
		}
	}

	/**
	 * Replicas with the default times: a replica that is used again has what was written
	 * before.
	 * @param sources the names of the replicas
	 * @return the settings
	 */
	public static ReplicaSettings of(String... sources) {
		return new ReplicaSettings(List.of(sources), DEFAULT_MAX_LAG, DEFAULT_MAX_LAG);
	}

}
