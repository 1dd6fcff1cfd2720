package io.multidb.task;

import java.time.Duration;

import org.jspecify.annotations.Nullable;

/**
 * What became of a task for one of many tenants or sources. Immutable.
 *
 * @param <T> what the task returns
 */
public sealed interface Outcome<T extends @Nullable Object> {

	/**
	 * Whose it is.
	 * @return the tenant's id or the source's name
	 */
	String name();

	/**
	 * The task returned.
	 *
	 * @param name the tenant's id or the source's name
	 * @param value what it returned
	 * @param duration how long it took
	 * @param <T> what the task returns
	 */
	record Completed<T extends @Nullable Object>(String name, T value, Duration duration) implements Outcome<T> {
	}

	/**
	 * The task threw, or could not be begun for this tenant or source.
	 *
	 * @param name the tenant's id or the source's name
	 * @param failure what was thrown
	 * @param duration how long it took
	 * @param <T> what the task returns
	 */
	record Failed<T extends @Nullable Object>(String name, Throwable failure, Duration duration) implements Outcome<T> {
	}

	/**
	 * The calling thread was interrupted before its turn came.
	 *
	 * @param name the tenant's id or the source's name
	 * @param <T> what the task returns
	 */
	record NotStarted<T extends @Nullable Object>(String name) implements Outcome<T> {
	}

}
