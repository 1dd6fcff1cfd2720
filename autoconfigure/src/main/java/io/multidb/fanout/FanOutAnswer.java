package io.multidb.fanout;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What every fan-out answers, whatever becomes of the rows: one outcome for each source.
 * Immutable.
 */
public abstract sealed class FanOutAnswer permits FanOutResult, FanOutGroups {

	private final Outcomes outcomes;

	FanOutAnswer(Outcomes outcomes) {
		this.outcomes = outcomes;
	}

	/**
	 * By which the journal has this execution.
	 * @return the id, which no other execution has
	 */
	public String id() {
		return this.outcomes.id();
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
	 * @return the failures; sources that completed are not among them, nor those at which
	 * nothing was thrown in time
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
		return this.outcomes.toString();
	}

	/** All of it. */
	record Outcomes(String id, List<SourceOutcome> list, Map<String, Throwable> failures, Duration took) {

		Outcomes {
			list = List.copyOf(list);
			failures = Collections.unmodifiableMap(failures);
		}

		int count(SourceOutcome.Status status) {
			return (int) this.list.stream().filter((each) -> each.status() == status).count();
		}

		@Override
		public String toString() {
			Map<SourceOutcome.Status, Long> counts = this.list.stream()
				.collect(Collectors.groupingBy(SourceOutcome::status, Collectors.counting()));
			return this.list.size() + " sources in " + this.took.toMillis() + " ms " + counts;
		}

	}

}
