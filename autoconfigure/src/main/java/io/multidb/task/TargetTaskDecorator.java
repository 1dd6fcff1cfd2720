package io.multidb.task;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.core.task.TaskDecorator;

import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.access.TaskUser;

/**
 * Runs a task for the target and the user of the thread that submits it: without one for
 * a thread that has none, whatever the worker may have been used for before. Nothing a
 * task enters outlives it; what it forgot to close is closed and logged as an error.
 * Thread-safe.
 * <p>
 * Executors that are Spring beans, and those made by Spring Boot's builders, have it by
 * themselves. For any other: <pre>
 * executor.setTaskDecorator(new TargetTaskDecorator());
 * </pre>
 */
public final class TargetTaskDecorator implements TaskDecorator {

	private static final Logger logger = LoggerFactory.getLogger(TargetTaskDecorator.class);

	private final @Nullable TaskDecorator own;

	/** Creates a decorator. */
	public TargetTaskDecorator() {
		this(null);
	}

	/**
	 * Around the application's own, so that it is within the target, may choose another,
	 * and leaves nothing behind either.
	 */
	TargetTaskDecorator(@Nullable TaskDecorator own) {
		this.own = own;
	}

	@Override
	public Runnable decorate(Runnable task) {
		Target target = Target.current();
		TaskUser user = TaskUser.current();
		Runnable decorated = (this.own != null) ? this.own.decorate(task) : task;
		return () -> run(target, user, decorated);
	}

	static void run(Target target, TaskUser user, Runnable task) {
		try (TaskUser.Span span = user.enter()) {
			Scope scope = target.enter();
			try {
				task.run();
			}
			finally {
				end(scope);
			}
		}
	}

	/**
	 * The task's own outcome is known by now, and nobody waits for another. Where this
	 * happens says nothing about the task: no stack trace.
	 */
	private static void end(Scope scope) {
		try {
			scope.close();
		}
		catch (RuntimeException ex) {
			logger.error("A task on thread '{}' left something open: {}", Thread.currentThread().getName(),
					ex.getMessage());
		}
	}

}
