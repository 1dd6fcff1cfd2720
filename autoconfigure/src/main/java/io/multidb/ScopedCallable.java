package io.multidb;

import org.jspecify.annotations.Nullable;

/**
 * A task that returns a result and may throw one kind of checked exception, so that
 * callers need to catch no more than it throws.
 *
 * @param <T> what it returns
 * @param <X> what it may throw
 */
@FunctionalInterface
public interface ScopedCallable<T extends @Nullable Object, X extends Throwable> {

	/**
	 * Does the work.
	 * @return the result
	 * @throws X if the work fails
	 */
	T call() throws X;

}
