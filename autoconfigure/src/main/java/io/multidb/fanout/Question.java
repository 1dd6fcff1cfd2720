package io.multidb.fanout;

import java.util.Collection;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;

/**
 * What is asked of each source, on its worker's thread.
 *
 * @param <T> what a row of the answer is
 */
@FunctionalInterface
interface Question<T> {

	/**
	 * Asks the current target's source.
	 * @return the rows, to be closed
	 * @throws Exception if it cannot be asked
	 */
	Rows<T> ask() throws Exception;

	/** For a task that returns rows. */
	static <T> Question<T> rows(Callable<? extends Collection<? extends T>> task) {
		return () -> Rows.of(Objects.requireNonNull(task.call(), "The task returned null, and no rows"));
	}

	/** For a task that returns one value, or {@code null} for none. */
	static <T> Question<T> value(Callable<? extends @Nullable T> task) {
		return () -> {
			T value = task.call();
			return Rows.of((value != null) ? List.of(value) : Collections.emptyList());
		};
	}

	/**
	 * Rows as they come.
	 *
	 * @param iterator gives them
	 * @param closing ends it
	 */
	record Rows<T>(Iterator<? extends T> iterator, AutoCloseable closing) implements AutoCloseable {

		static <T> Rows<T> of(Collection<? extends T> rows) {
			return new Rows<>(rows.iterator(), () -> {
			});
		}

		@Override
		public void close() throws Exception {
			this.closing.close();
		}

	}

}
