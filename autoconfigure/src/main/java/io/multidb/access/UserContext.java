package io.multidb.access;

import java.util.Objects;

import org.jspecify.annotations.Nullable;

import org.springframework.transaction.support.ResourceHolderSupport;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.ScopedCallable;

/**
 * Work for a user who is named by the application: a scheduled job, or a message's
 * sender. <pre>
 * UserContext.run("nightly", orders::expire);
 * </pre> Within it, that user counts and no other; the rules decide what he may do. It
 * goes along to other threads as the target does.
 */
public final class UserContext {

	private UserContext() {
	}

	/**
	 * Calls a task for a user.
	 * @param user the user's name
	 * @param task what to do
	 * @param <T> what the task returns
	 * @param <X> what the task may throw
	 * @return the task's result
	 * @throws X if the task throws it
	 * @throws IllegalStateException if a transaction of another user is open on this
	 * thread, or connections are kept there as for one: they may do what that user may
	 */
	public static <T extends @Nullable Object, X extends Throwable> T call(String user, ScopedCallable<T, X> task)
			throws X {
		try (TaskUser.Span span = enter(user)) {
			return task.call();
		}
	}

	/**
	 * Runs a task for a user.
	 * @param user the user's name
	 * @param task what to do
	 * @throws IllegalStateException if a transaction of another user is open on this
	 * thread
	 */
	public static void run(String user, Runnable task) {
		try (TaskUser.Span span = enter(user)) {
			task.run();
		}
	}

	private static TaskUser.Span enter(String user) {
		if (Objects.requireNonNull(user, "user").isEmpty()) {
			throw new IllegalArgumentException("The user's name is empty");
		}
		if (!TaskUser.isNamed(user) && isAnythingShared()) {
			throw new IllegalStateException("Cannot work for user '" + user
					+ "' while a transaction, or what is kept as for one, is open on thread '"
					+ Thread.currentThread().getName() + "': its connection may do what its own user may. Begin the"
					+ " transaction inside UserContext.call, or suspend it with PROPAGATION_NOT_SUPPORTED first.");
		}
		return TaskUser.named(user).enter();
	}

	/** SUPPORTS without a transaction keeps the connections it has used, too. */
	private static boolean isAnythingShared() {
		return TransactionSynchronizationManager.isActualTransactionActive() || TransactionSynchronizationManager
			.getResourceMap()
			.values()
			.stream()
			.anyMatch((each) -> each instanceof ResourceHolderSupport holder && holder.isSynchronizedWithTransaction());
	}

}
