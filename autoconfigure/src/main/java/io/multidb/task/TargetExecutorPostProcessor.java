package io.multidb.task;

import java.lang.reflect.Field;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.function.Consumer;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.aop.interceptor.AsyncExecutionAspectSupport;
import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.BeanFactoryAware;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.task.SimpleAsyncTaskExecutorBuilder;
import org.springframework.boot.task.ThreadPoolTaskExecutorBuilder;
import org.springframework.core.Ordered;
import org.springframework.core.PriorityOrdered;
import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.core.task.TaskDecorator;
import org.springframework.core.task.TaskExecutor;
import org.springframework.core.task.VirtualThreadTaskExecutor;
import org.springframework.core.task.support.TaskExecutorAdapter;
import org.springframework.scheduling.annotation.AsyncConfigurer;
import org.springframework.scheduling.concurrent.ConcurrentTaskExecutor;
import org.springframework.scheduling.concurrent.ConcurrentTaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.scheduling.config.TaskManagementConfigUtils;
import org.springframework.util.ReflectionUtils;

/**
 * Has every executor of Spring's that is a bean, or is made by one of Spring Boot's
 * builders, take the target along, and has schedulers leave it behind. A decorator that
 * is there stays and is combined.
 * <p>
 * Not reached are executors that are neither, and executors of other makes: their tasks
 * have no target. {@link TargetTaskDecorator} is for them. Where {@code @Async} would use
 * such a one without being told to, a warning says so.
 */
public final class TargetExecutorPostProcessor
		implements BeanPostProcessor, BeanFactoryAware, SmartInitializingSingleton, PriorityOrdered {

	private static final Logger logger = LoggerFactory.getLogger(TargetExecutorPostProcessor.class);

	private @Nullable BeanFactory beans;

	@Override
	public void setBeanFactory(BeanFactory beans) {
		this.beans = beans;
	}

	/**
	 * Spring Boot's own executor backs off for any other, such as a scheduler or one of
	 * the JDK, and what {@code @Async} takes then has no targets.
	 */
	@Override
	public void afterSingletonsInstantiated() {
		BeanFactory all = this.beans;
		if (all == null
				|| !(all.containsBean(TaskManagementConfigUtils.ASYNC_ANNOTATION_PROCESSOR_BEAN_NAME)
						|| all.containsBean(TaskManagementConfigUtils.ASYNC_EXECUTION_ASPECT_BEAN_NAME))
				|| all.getBeanProvider(AsyncConfigurer.class).stream().findAny().isPresent()) {
			return;
		}
		// As Spring chooses it.
		Object chosen = all.getBeanProvider(TaskExecutor.class).getIfUnique();
		if (chosen == null && all.containsBean(AsyncExecutionAspectSupport.DEFAULT_TASK_EXECUTOR_BEAN_NAME)) {
			chosen = all.getBean(AsyncExecutionAspectSupport.DEFAULT_TASK_EXECUTOR_BEAN_NAME);
		}
		if (chosen == null || chosen instanceof ThreadPoolTaskScheduler || chosen instanceof ConcurrentTaskScheduler) {
			logger
				.warn("@Async methods that name no executor run on {}, and so without their caller's tenant, as Spring"
						+ " Boot's own executor backs off for any other. Set 'spring.task.execution.mode' to force, or define"
						+ " an executor named 'taskExecutor'",
						(chosen != null) ? "a TaskScheduler" : "an executor of Spring's that is no bean");
		}
	}

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
