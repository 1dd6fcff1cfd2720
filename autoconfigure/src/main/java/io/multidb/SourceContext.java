package io.multidb;

import org.jspecify.annotations.Nullable;

/**
 * A source named directly for the calling thread, past the routes: for maintenance and
 * for work on one source of many. The current tenant, if there is one, stays for logs and
 * audit.
 *
 * @see TenantContext
 */
public final class SourceContext {

	private SourceContext() {
	}

	/**
	 * Makes a source the target of this thread until the scope is closed. Whether it
	 * exists is found out when a connection is taken: {@link UnknownSourceException}.
	 * @param source the source's name
	 * @return the scope that puts the former target back
	 * @throws SourceSwitchException if a transaction or session of another source is open
	 * on this thread
	 */
	public static Scope enter(String source) {
		return Target.ofSource(source).enter();
	}

	/**
	 * Calls a task on a source.
	 * @param source the source's name
	 * @param task what to do
	 * @param <T> what the task returns
	 * @param <X> what the task may throw
	 * @return the task's result
	 * @throws X if the task throws it
	 */
	public static <T extends @Nullable Object, X extends Throwable> T call(String source, ScopedCallable<T, X> task)
			throws X {
		try (Scope scope = enter(source)) {
			return task.call();
		}
	}

	/**
	 * Runs a task on a source.
	 * @param source the source's name
	 * @param task what to do
	 */
	public static void run(String source, Runnable task) {
		try (Scope scope = enter(source)) {
			task.run();
		}
	}

	/**
	 * The source that was named directly.
	 * @return the source's name, or {@code null} when the tenant's route decides
	 */
	public static @Nullable String current() {
		return Target.current().source();
	}

	/**
	 * The source that was named directly, which must be there.
	 * @return the source's name
	 * @throws IllegalStateException if none was named
	 */
	public static String require() {
		String source = current();
		if (source == null) {
			throw new IllegalStateException(
					"No source was named on this thread. Enter one with @UseSource or SourceContext.enter(…).");
		}
		return source;
	}

}
