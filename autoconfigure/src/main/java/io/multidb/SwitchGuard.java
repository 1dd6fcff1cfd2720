package io.multidb;

/**
 * Asked before a thread's target changes, and after a scope has put the former one back;
 * may refuse the change. Meant for what ties work in progress, such as an open
 * transaction, to a source.
 * <p>
 * Called on the thread whose target changes, on the hot path: an implementation that has
 * nothing to say must find that out without a lock or a look-up of routes.
 */
@FunctionalInterface
public interface SwitchGuard {

	/**
	 * Checks a change of the calling thread's target.
	 * @param from the target so far
	 * @param to the target that is to be, or, where a scope has ended, already is
	 * @param leaving whether a scope has ended; it has, even if this throws
	 * @throws MultiDbException to refuse the change, or to tell of work that was left
	 * open
	 */
	void check(Target from, Target to, boolean leaving);

	/**
	 * Has a guard asked from now on, for all threads.
	 * @param guard the guard
	 * @return ends that; may be closed more than once
	 */
	static Registration register(SwitchGuard guard) {
		SwitchGuards.add(guard);
		return () -> SwitchGuards.remove(guard);
	}

	/** A guard that is being asked; closing it ends that. */
	@FunctionalInterface
	interface Registration extends AutoCloseable {

		@Override
		void close();

	}

}
