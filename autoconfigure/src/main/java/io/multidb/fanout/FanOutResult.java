package io.multidb.fanout;

import java.util.List;
import java.util.stream.Collectors;

/**
 * What many sources answered: the rows of those that completed, and one outcome for each.
 * Immutable.
 *
 * @param <T> what a row is
 */
public final class FanOutResult<T> extends FanOutAnswer {

	/**
	 * A row, and whose it is.
	 *
	 * @param source the name of the source that gave it
	 * @param value the row
	 * @param <T> what it is
	 */
	public record Row<T>(String source, T value) {
	}

	private final List<Row<T>> rows;

	FanOutResult(Outcomes outcomes, List<Row<T>> rows) {
		super(outcomes);
		this.rows = rows;
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

	@Override
	public String toString() {
		return this.rows.size() + " rows of " + super.toString();
	}

}
