package io.multidb.task;

import java.util.Map;

import io.micrometer.context.ContextSnapshot;
import io.micrometer.context.ContextSnapshotFactory;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

import org.springframework.util.ClassUtils;

import io.multidb.Target;
import io.multidb.access.TaskUser;

/**
 * What goes along from a thread to those that work for it: its target, user and logging
 * context, and its tracing where Micrometer's context propagation is present; not its
 * transaction. Nothing of it stays behind. Immutable and thread-safe.
 */
public final class CallerContext {

	private static final boolean CONTEXT_PROPAGATION = ClassUtils
		.isPresent("io.micrometer.context.ContextSnapshotFactory", CallerContext.class.getClassLoader());

	private final Target target = Target.current();

	private final TaskUser user = TaskUser.current();

	private final @Nullable Map<String, String> logged = MDC.getCopyOfContextMap();

	/** A ContextSnapshot, where there is such a class. */
	private final @Nullable Object snapshot = CONTEXT_PROPAGATION ? Tracing.capture() : null;

	private CallerContext() {
	}

	/**
	 * Captures the calling thread's.
	 * @return what goes along
	 */
	public static CallerContext capture() {
		return new CallerContext();
	}

	/**
	 * Works with it, in the calling thread.
	 * @param work what to do; what it throws is thrown
	 */
	public void run(Runnable work) {
		if (this.snapshot != null) {
			Tracing.run(this.snapshot, () -> runTargeted(work));
		}
		else {
			runTargeted(work);
		}
	}

	private void runTargeted(Runnable work) {
		Map<String, String> former = MDC.getCopyOfContextMap();
		log(this.logged);
		try {
			TargetTaskDecorator.run(this.target, this.user, work);
		}
		finally {
			log(former);
		}
	}

	private static void log(@Nullable Map<String, String> context) {
		if (context != null) {
			MDC.setContextMap(context);
		}
		else {
			MDC.clear();
		}
	}

	/** Apart, so that it is loaded only where its classes are. */
	private static final class Tracing {

		private static Object capture() {
			return ContextSnapshotFactory.builder().build().captureAll();
		}

		private static void run(Object snapshot, Runnable work) {
			((ContextSnapshot) snapshot).wrap(work).run();
		}

	}

}
