package io.multidb.fanout;

import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.BinaryOperator;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * What to ask many sources, and what to make of their answers. Immutable and thread-safe.
 * <p>
 * Nothing of a source that does not complete becomes part of the result, even if some of
 * its rows were read. A failure of any kind is an outcome and is not thrown.
 *
 * @param <T> what rows have to be so that they can be sorted
 */
public final class FanOutQuery<T> {

	/**
	 * How to ask.
	 *
	 * @param sources whom, each once
	 * @param timeout how long in all
	 * @param limit how many rows the result has at most
	 * @param perSource how many rows of one source at most
	 * @param listener is told of outcomes
	 */
	record Settings(List<String> sources, Duration timeout, int limit, int perSource,
			Consumer<SourceOutcome> listener) {
	}

	private final FanOut fanOut;

	private final Settings settings;

	private final @Nullable Comparator<? super T> order;

	FanOutQuery(FanOut fanOut, Settings settings, @Nullable Comparator<? super T> order) {
		this.fanOut = fanOut;
		this.settings = settings;
		this.order = order;
	}

	private FanOutQuery<T> with(Duration timeout, int limit, int perSource, Consumer<SourceOutcome> listener) {
		return new FanOutQuery<>(this.fanOut,
				new Settings(this.settings.sources(), timeout, limit, perSource, listener), this.order);
	}

	/**
	 * The same, with another deadline; {@code app.tenancy.fan-out.timeout} otherwise.
	 * @param timeout how long it may take in all, from the question on
	 * @return what to ask
	 * @throws IllegalArgumentException if it is not positive
	 */
	public FanOutQuery<T> timeout(Duration timeout) {
		return with(positive(timeout), this.settings.limit(), this.settings.perSource(), this.settings.listener());
	}

	/**
	 * The same, with the first rows only; not more than these are kept at any time.
	 * @param rows how many, at least 1
	 * @return what to ask
	 * @throws IllegalArgumentException if it is less than 1
	 */
	public FanOutQuery<T> limit(int rows) {
		return with(this.settings.timeout(), atLeastOne(rows), this.settings.perSource(), this.settings.listener());
	}

	/**
	 * The same, with the first rows of each source only.
	 * @param rows how many, at least 1
	 * @return what to ask
	 * @throws IllegalArgumentException if it is less than 1
	 */
	public FanOutQuery<T> limitPerSource(int rows) {
		return with(this.settings.timeout(), this.settings.limit(), atLeastOne(rows), this.settings.listener());
	}

	/**
	 * The same, and tells of each outcome as soon as it is known: on the thread that
	 * asks, one after another, so that one that takes long delays the result. What it
	 * throws is logged and changes nothing.
	 * @param listener is told
	 * @return what to ask
	 */
	public FanOutQuery<T> onOutcome(Consumer<SourceOutcome> listener) {
		return with(this.settings.timeout(), this.settings.limit(), this.settings.perSource(),
				Objects.requireNonNull(listener, "listener"));
	}

	/**
	 * The same, with its rows in an order. Where it says nothing, that of the sources
	 * decides, and then that of their rows. A row that it throws for fails its source;
	 * two that it throws for fail the one that came later, or, without a limit, the call.
	 * @param order the order, which is used by several threads
	 * @param <S> what a row must be
	 * @return what to ask
	 */
	public <S extends T> FanOutQuery<S> sortedBy(Comparator<? super S> order) {
		return new FanOutQuery<>(this.fanOut, this.settings, Objects.requireNonNull(order, "order"));
	}

	/**
	 * The same, summed up by group; neither sorted nor limited but per source.
	 * @param group the group of a row
	 * @param value what is summed up
	 * @param plus sums up two, such as {@code Long::sum}
	 * @param <S> what a row must be
	 * @param <K> what a group is
	 * @param <V> what a sum is
	 * @return what to ask
	 */
	public <S extends T, K, V> Grouped<S, K, V> groupedBy(Function<? super S, ? extends K> group,
			Function<? super S, ? extends V> value, BinaryOperator<V> plus) {
		return new Grouped<>(this.fanOut, this.settings, group, value, plus);
	}

	/**
	 * Asks by SQL, and waits for the answers.
	 * @param query is given the current source's client, and returns rows
	 * @param <R> what a row is
	 * @return the rows, and one outcome for each source
	 */
	public <R extends T> FanOutResult<R> query(Function<JdbcClient, ? extends Collection<? extends R>> query) {
		return ask(this.fanOut.query(Objects.requireNonNull(query, "query")));
	}

	/**
	 * Asks by SQL whose rows are read as they come, so that no source's are all in memory
	 * at once; in a transaction that reads only.
	 * @param query is given the current source's client, and returns rows
	 * @param <R> what a row is
	 * @return the rows, and one outcome for each source
	 */
	public <R extends T> FanOutResult<R> stream(Function<JdbcClient, ? extends Stream<? extends R>> query) {
		return ask(this.fanOut.stream(Objects.requireNonNull(query, "query")));
	}

	/**
	 * Asks by a task that returns rows, such as a call of a repository.
	 * @param task returns rows; {@link io.multidb.SourceContext#current()} says of which
	 * source
	 * @param <R> what a row is
	 * @return the rows, and one outcome for each source
	 */
	public <R extends T> FanOutResult<R> rows(Callable<? extends Collection<? extends R>> task) {
		return ask(Question.rows(Objects.requireNonNull(task, "task")));
	}

	/**
	 * Asks by a task that returns one value, which is the source's only row.
	 * @param task returns it, or {@code null} for no row
	 * @param <R> what it is
	 * @return the values, and one outcome for each source
	 */
	public <R extends T> FanOutResult<R> call(Callable<? extends @Nullable R> task) {
		return ask(Question.value(Objects.requireNonNull(task, "task")));
	}

	private <R extends T> FanOutResult<R> ask(Question<R> question) {
		RowMerge<R> merge = new RowMerge<>(this.order, this.settings.limit(), this.settings.perSource());
		FanOutAnswer.Outcomes outcomes = this.fanOut.run(this.settings, question, merge);
		return new FanOutResult<>(outcomes, merge.rows());
	}

	static Duration positive(Duration timeout) {
		if (timeout.isNegative() || timeout.isZero()) {
			throw new IllegalArgumentException("'timeout' must be positive, not " + timeout);
		}
		return timeout;
	}

	private static int atLeastOne(int rows) {
		if (rows < 1) {
			throw new IllegalArgumentException("'rows' must be at least 1, not " + rows);
		}
		return rows;
	}

	/**
	 * What to ask many sources, whose answers are summed up. Immutable and thread-safe.
	 *
	 * @param <T> what a row is
	 * @param <K> what a group is
	 * @param <V> what a sum is
	 */
	public static final class Grouped<T, K, V> {

		private final FanOut fanOut;

		private final Settings settings;

		private final Function<? super T, ? extends K> group;

		private final Function<? super T, ? extends V> value;

		private final BinaryOperator<V> plus;

		private Grouped(FanOut fanOut, Settings settings, Function<? super T, ? extends K> group,
				Function<? super T, ? extends V> value, BinaryOperator<V> plus) {
			this.fanOut = fanOut;
			this.settings = settings;
			this.group = group;
			this.value = value;
			this.plus = plus;
		}

		/**
		 * Asks by SQL.
		 * @param query is given the current source's client, and returns rows
		 * @return the sums, and one outcome for each source
		 * @see FanOutQuery#query
		 */
		public FanOutGroups<K, V> query(Function<JdbcClient, ? extends Collection<? extends T>> query) {
			return ask(this.fanOut.query(Objects.requireNonNull(query, "query")));
		}

		/**
		 * Asks by SQL whose rows are read as they come.
		 * @param query is given the current source's client, and returns rows
		 * @return the sums, and one outcome for each source
		 * @see FanOutQuery#stream
		 */
		public FanOutGroups<K, V> stream(Function<JdbcClient, ? extends Stream<? extends T>> query) {
			return ask(this.fanOut.stream(Objects.requireNonNull(query, "query")));
		}

		/**
		 * Asks by a task that returns rows.
		 * @param task returns rows
		 * @return the sums, and one outcome for each source
		 * @see FanOutQuery#rows
		 */
		public FanOutGroups<K, V> rows(Callable<? extends Collection<? extends T>> task) {
			return ask(Question.rows(Objects.requireNonNull(task, "task")));
		}

		private FanOutGroups<K, V> ask(Question<? extends T> question) {
			GroupMerge<T, K, V> merge = new GroupMerge<>(this.group, this.value, this.plus, this.settings.perSource());
			FanOutAnswer.Outcomes outcomes = this.fanOut.run(this.settings, question, merge);
			return new FanOutGroups<>(outcomes, merge.sums());
		}

	}

}
