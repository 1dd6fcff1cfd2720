package io.multidb.task;

import java.util.ArrayDeque;
import java.util.Deque;

import io.micrometer.context.ThreadLocalAccessor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.access.TaskUser;

/**
 * Lets Micrometer's context propagation carry the target and the user: with it Reactor,
 * and whatever else takes a {@code ContextSnapshot}. Found by its service file.
 * Thread-safe.
 * <p>
 * "No target" is carried like any other, so that work captured without one runs without
 * one, also where something was left. A Reactor context may be given a {@link Target}
 * under {@link #KEY}.
 */
public final class TargetThreadLocalAccessor implements ThreadLocalAccessor<Object> {

	/** The key under which a snapshot or a Reactor context has the target. */
	public static final String KEY = "io.multidb.target";

	private static final Logger logger = LoggerFactory.getLogger(TargetThreadLocalAccessor.class);

	private static final ThreadLocal<Carrying> CARRYING = ThreadLocal.withInitial(Carrying::new);

	@Override
	public Object key() {
		return KEY;
	}

	@Override
	public Object getValue() {
		Carrying carrying = CARRYING.get();
		return new Captured(Target.current(), TaskUser.current(), carrying, carrying.entered);
	}

	/**
	 * Enters a target.
	 * @param value the target, as captured or as {@link Target}
	 * @throws io.multidb.MultiDbException if work in progress on this thread does not
	 * allow it
	 */
	@Override
	public void setValue(Object value) {
		if (value instanceof Captured captured) {
			CARRYING.get().enter(captured.target, captured.user);
		}
		else if (value instanceof Target target) {
			CARRYING.get().enter(target, null);
		}
		else {
			throw new IllegalArgumentException("Under '" + KEY + "' a context must have a " + Target.class.getName()
					+ ", but it has a " + value.getClass().getName());
		}
	}

	@Override
	public void setValue() {
		CARRYING.get().enter(Target.none(), TaskUser.none());
	}

	/**
	 * Ends what was set right after the value was taken, and what was entered inside. If
	 * that has ended already, by a second call, on another thread, or with the scope it
	 * was set in, nothing is put back: the target of then may be long gone. Does not
	 * throw, as others' values are put back after ours.
	 */
	@Override
	public void restore(Object former) {
		Carrying carrying = CARRYING.get();
		if (former instanceof Captured captured && captured.thread == carrying) {
			carrying.end(captured.entered);
		}
	}

	@Override
	public void restore() {
		throw new IllegalStateException("There is always a former value to be restored");
	}

	/** What of one thread's scopes was set here; touched by that thread alone. */
	private static final class Carrying {

		/** Innermost first. */
		private final Deque<Carried> carried = new ArrayDeque<>(4);

		/** How many have ever been entered; numbers them. */
		private long entered;

		/** With a target alone, the thread's user stays. */
		private void enter(Target target, @Nullable TaskUser user) {
			// Either may fail, and what was begun by then nobody else would end.
			TaskUser.Span span = (user != null) ? user.enter() : null;
			try {
				Scope scope = target.enter();
				this.carried.push(new Carried(this.entered++, scope, span));
			}
			catch (RuntimeException ex) {
				if (span != null) {
					span.close();
				}
				throw ex;
			}
		}

		private void end(long number) {
			if (!has(number)) {
				return;
			}
			Carried ended;
			do {
				ended = this.carried.pop();
				if (ended.span != null) {
					ended.span.close();
				}
				try {
					ended.scope.close();
				}
				catch (RuntimeException ex) {
					logger.error("Something was left open on thread '{}': {}", Thread.currentThread().getName(),
							ex.getMessage(), ex);
				}
			}
			while (ended.number != number);
		}

		private boolean has(long number) {
			for (Carried each : this.carried) {
				if (each.number == number) {
					return true;
				}
			}
			return false;
		}

	}

	private record Carried(long number, Scope scope, TaskUser.@Nullable Span span) {
	}

	/**
	 * A target, and which number would be next on its thread: that of what is set before
	 * this is restored. Equal to all captures of the same target and user, which Reactor
	 * asks.
	 */
	private static final class Captured {

		private final Target target;

		private final TaskUser user;

		private final Carrying thread;

		private final long entered;

		private Captured(Target target, TaskUser user, Carrying thread, long entered) {
			this.target = target;
			this.user = user;
			this.thread = thread;
			this.entered = entered;
		}

		@Override
		public boolean equals(@Nullable Object other) {
			return other instanceof Captured captured && this.target == captured.target
					&& this.user.equals(captured.user);
		}

		@Override
		public int hashCode() {
			return System.identityHashCode(this.target);
		}

		@Override
		public String toString() {
			return this.target.toString();
		}

	}

}
