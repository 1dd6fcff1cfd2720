package io.multidb.fanout;

import java.util.Map;

/**
 * What many sources answered, summed up by group; and one outcome for each source.
 * Immutable.
 *
 * @param <K> what a group is
 * @param <V> what is summed up
 */
public final class FanOutGroups<K, V> extends FanOutAnswer {

	private final Map<K, V> sums;

	FanOutGroups(Outcomes outcomes, Map<K, V> sums) {
		super(outcomes);
		this.sums = sums;
	}

	/**
	 * The sum of each group over all sources that completed.
	 * @return the sums, in no particular order
	 */
	public Map<K, V> sums() {
		return this.sums;
	}

	@Override
	public String toString() {
		return this.sums.size() + " groups of " + super.toString();
	}

}
