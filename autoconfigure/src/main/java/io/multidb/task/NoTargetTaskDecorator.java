package io.multidb.task;

import org.jspecify.annotations.Nullable;

import org.springframework.core.task.TaskDecorator;

import io.multidb.Target;
import io.multidb.access.TaskUser;

/**
 * Runs a task without a target and a user, whoever submits it, and closes what it forgot
 * to. For schedulers: whose request happened to schedule a job must not decide whose data
 * it works on. Thread-safe.
 */
final class NoTargetTaskDecorator implements TaskDecorator {

	private final @Nullable TaskDecorator own;

	/**
	 * Inside the application's own, which may take the target along with everything else:
	 * Spring Boot gives schedulers the decorators it gives executors.
	 */
	NoTargetTaskDecorator(@Nullable TaskDecorator own) {
		this.own = own;
	}

	@Override
	public Runnable decorate(Runnable task) {
		Runnable untargeted = () -> TargetTaskDecorator.run(Target.none(), TaskUser.none(), task);
		return (this.own != null) ? this.own.decorate(untargeted) : untargeted;
	}

}
