package io.multidb.fanout;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What many sources answered: the rows of those that completed, and one outcome for each.
 * Immutable.
 *
 * @param <T> what a row is
 */
public final class FanOutResult<T> {

	/**
	 * A row, and whose it is.
	 *
	 * @param source the name of the source that gave it
	 * @param value the row
	 * @param <T> what it is
	 */
	public record Row<T>(String source, T value) {
	}

	private final Outcomes outcomes;

	private final List<Row<T>> rows;

	FanOutResult(Outcomes outcomes, List<Row<T>> rows) {
		this.outcomes = outcomes;
		this.rows = rows;
	}

	/**
	 * By which the journal has this execution.
	 * @return the id, which no other execution has
	 */
	public String id() {
		return this.outcomes.id();
	}

	/**
	 * The rows, each with its source.
	 * @return the rows: in the order asked for, and otherwise, as where it says nothing,
	 * in the order of the sources and of their rows; not more than the limit
	 */
	public List<Row<T>> rows() {
		return this.rows;
	}

	/**
	 * The rows without their sources.
	 * @return the rows, in the same order
	 */
	public List<T> values() {
		return this.rows.stream().map(Row::value).collect(Collectors.toUnmodifiableList());
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
		return this.rows.size() + " rows of " + this.outcomes;
	}

	/** What every kind of result has. */
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
