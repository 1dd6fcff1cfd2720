package io.multidb.task;

import java.lang.reflect.Field;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.function.Consumer;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.task.SimpleAsyncTaskExecutorBuilder;
import org.springframework.boot.task.ThreadPoolTaskExecutorBuilder;
import org.springframework.core.Ordered;
import org.springframework.core.PriorityOrdered;
import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.core.task.TaskDecorator;
import org.springframework.core.task.VirtualThreadTaskExecutor;
import org.springframework.core.task.support.TaskExecutorAdapter;
import org.springframework.scheduling.concurrent.ConcurrentTaskExecutor;
import org.springframework.scheduling.concurrent.ConcurrentTaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.util.ReflectionUtils;

/**
 * Has every executor of Spring's that is a bean, or is made by one of Spring Boot's
 * builders, take the target along, and has schedulers leave it behind. A decorator that
 * is there stays and is combined.
 * <p>
 * Not reached are executors that are neither, and executors of other makes: their tasks
 * have no target. {@link TargetTaskDecorator} is for them.
 */
public final class TargetExecutorPostProcessor implements BeanPostProcessor, PriorityOrdered {

	private static final Logger logger = LoggerFactory.getLogger(TargetExecutorPostProcessor.class);

	@Override
	public Object postProcessAfterInitialization(Object bean, String beanName) {
		if (bean instanceof ThreadPoolTaskExecutorBuilder builder) {
			return builder.additionalCustomizers(TargetExecutorPostProcessor::decorate);
		}
		if (bean instanceof SimpleAsyncTaskExecutorBuilder builder) {
			return builder.additionalCustomizers(TargetExecutorPostProcessor::decorate);
		}
		if (bean.getClass() == VirtualThreadTaskExecutor.class) {
			return new TargetVirtualThreadTaskExecutor((VirtualThreadTaskExecutor) bean);
		}
		decorate(bean);
		return bean;
	}

	/** Its first, so that proxies and whoever else handles executors find them done. */
	@Override
	public int getOrder() {
		return Ordered.HIGHEST_PRECEDENCE;
	}

	private static void decorate(Object bean) {
		if (bean instanceof ThreadPoolTaskScheduler scheduler) {
			combine(scheduler, scheduler::setTaskDecorator, (own) -> ofScheduler(scheduler, own));
		}
		else if (bean instanceof ConcurrentTaskScheduler scheduler) {
			combine(scheduler, scheduler::setTaskDecorator, NoTargetTaskDecorator::new);
		}
		else if (bean instanceof ThreadPoolTaskExecutor executor) {
			combine(executor, executor::setTaskDecorator, TargetTaskDecorator::new);
		}
		else if (bean instanceof SimpleAsyncTaskExecutor executor) {
			// SimpleAsyncTaskScheduler too: it submits a job to itself when its time has
			// come, from a thread of its own, which has no target.
			combine(executor, executor::setTaskDecorator, TargetTaskDecorator::new);
		}
		else if (bean instanceof ConcurrentTaskExecutor executor) {
			combine(executor, executor::setTaskDecorator, TargetTaskDecorator::new);
		}
		else if (bean instanceof TaskExecutorAdapter executor) {
			combine(executor, executor::setTaskDecorator, TargetTaskDecorator::new);
		}
	}

	/**
	 * A decorated job is not found in the scheduler's queue any more, so that one that is
	 * cancelled would stay there where the application wants it removed.
	 */
	private static @Nullable TaskDecorator ofScheduler(ThreadPoolTaskScheduler scheduler, @Nullable TaskDecorator own) {
		boolean removesCancelled = scheduler.getScheduledExecutor() instanceof ScheduledThreadPoolExecutor executor
				&& executor.getRemoveOnCancelPolicy();
		return (own == null && removesCancelled) ? null : new NoTargetTaskDecorator(own);
	}

	/** Each reads its decorator when it runs a task, so that it may be set this late. */
	private static void combine(Object executor, Consumer<TaskDecorator> setter,
			Function<@Nullable TaskDecorator, @Nullable TaskDecorator> combination) {
		Field field = ReflectionUtils.findField(executor.getClass(), "taskDecorator", TaskDecorator.class);
		if (field == null) {
			logger.warn("{} keeps its TaskDecorator where it is not found, in this version of Spring: it does not take"
					+ " tenants along", executor.getClass().getName());
			return;
		}
		// There is no getter, and what the application has set must not get lost.
		ReflectionUtils.makeAccessible(field);
		TaskDecorator own = (TaskDecorator) ReflectionUtils.getField(field, executor);
		TaskDecorator combined = combination.apply(own);
		// One executor may be two beans.
		if (combined != null && (own == null || own.getClass() != combined.getClass())) {
			setter.accept(combined);
		}
	}

}
