package io.multidb.task;

import org.springframework.core.task.TaskDecorator;
import org.springframework.core.task.VirtualThreadTaskExecutor;

/**
 * In place of a {@link VirtualThreadTaskExecutor}, which takes no decorator. Thread-safe.
 */
final class TargetVirtualThreadTaskExecutor extends VirtualThreadTaskExecutor {

	private final TaskDecorator decorator = new TargetTaskDecorator();

	private final VirtualThreadTaskExecutor original;

	TargetVirtualThreadTaskExecutor(VirtualThreadTaskExecutor original) {
		this.original = original;
	}

	@Override
	public void execute(Runnable task) {
		this.original.execute(this.decorator.decorate(task));
	}

}
