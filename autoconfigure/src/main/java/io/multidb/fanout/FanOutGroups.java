package io.multidb.fanout;

import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * What many sources answered, summed up by group; and one outcome for each source.
 * Immutable.
 *
 * @param <K> what a group is
 * @param <V> what is summed up
 */
public final class FanOutGroups<K, V> {

	private final FanOutResult.Outcomes outcomes;

	private final Map<K, V> sums;

	FanOutGroups(FanOutResult.Outcomes outcomes, Map<K, V> sums) {
		this.outcomes = outcomes;
		this.sums = sums;
	}

	/**
	 * By which the journal has this execution.
	 * @return the id, which no other execution has
	 */
	public String id() {
		return this.outcomes.id();
	}

	/**
	 * The sum of each group over all sources that completed.
	 * @return the sums, in no particular order
	 */
	public Map<K, V> sums() {
		return this.sums;
	}

	/**
	 * What became of each source.
	 * @return one outcome for each, in the order of the sources
	 */
	public List<SourceOutcome> outcomes() {
		return this.outcomes.list();
	}

	/**
	 * How many sources have a status.
	 * @param status the status
	 * @return how many
	 */
	public int count(SourceOutcome.Status status) {
		return this.outcomes.count(status);
	}

	/**
	 * Whether every source completed.
	 * @return whether nothing is missing
	 */
	public boolean isComplete() {
		return count(SourceOutcome.Status.COMPLETED) == outcomes().size();
	}

	/**
	 * What was thrown, by the names of the sources.
	 * @return the failures
	 */
	public Map<String, Throwable> failures() {
		return this.outcomes.failures();
	}

	/**
	 * How long it took in all.
	 * @return the time from the question to this result
	 */
	public Duration took() {
		return this.outcomes.took();
	}

	@Override
	public String toString() {
		return this.sums.size() + " groups of " + this.outcomes;
	}

}
