package io.multidb;

import java.util.Objects;

import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/**
 * The span in which a thread works for a {@link Target}; closing it puts the former
 * target back.
 * <p>
 * A scope belongs to the thread that opened it and is closed there, innermost first,
 * which {@code try}-with-resources does by itself. Closing twice does nothing. Closing an
 * outer scope while inner ones are still open ends them all, puts back what was there
 * before the outer one, and then throws: whoever forgot a scope must not leave the next
 * piece of work on the wrong database. Closing on another thread changes nothing and
 * throws.
 * <p>
 * While a scope is open, the logging context (MDC) holds the current tenant under
 * {@code tenant}, or nothing when the target has none; closing it puts back what was
 * there before, even a value of the application's own.
 */
public final class Scope implements AutoCloseable {

	/** The logging context's key under which the current tenant is found. */
	static final String MDC_KEY = "tenant";

	/**
	 * One mutable holder per thread: setting a ThreadLocal costs several times as much as
	 * reading one.
	 */
	private static final ThreadLocal<Holder> HOLDER = ThreadLocal.withInitial(Holder::new);

	private final Holder holder;

	private final Target target;

	private final @Nullable Scope outer;

	private final @Nullable String formerLogged;

	private boolean closed;

	private Scope(Holder holder, Target target) {
		this.holder = holder;
		this.target = target;
		this.outer = holder.innermost;
		this.formerLogged = MDC.get(MDC_KEY);
	}

	static Scope open(Target target) {
		Holder holder = HOLDER.get();
		SwitchGuards.check(holder.target(), target, false);
		Scope scope = new Scope(holder, target);
		scope.holder.innermost = scope;
		if (!Objects.equals(scope.formerLogged, target.tenant())) {
			log(target.tenant());
		}
		return scope;
	}

	static @Nullable Scope current() {
		return HOLDER.get().innermost;
	}

	Target target() {
		return this.target;
	}

	/**
	 * Ends this scope and puts the former target back.
	 * @throws IllegalStateException if inner scopes were still open (they are ended too),
	 * or if called on another thread (nothing is changed)
	 * @throws SourceSwitchException if a transaction or session of this scope's source is
	 * still open; the scope has ended all the same
	 */
	@Override
	public void close() {
		if (HOLDER.get() != this.holder) {
			throw new IllegalStateException("The scope of " + this.target
					+ " was closed on another thread than the one that opened it. Close a scope where it was entered,"
					+ " best with try-with-resources; to take the target to another thread, enter Target.current() there.");
		}
		if (this.closed) {
			return;
		}
		StringBuilder stillOpen = new StringBuilder();
		for (Scope inner = this.holder.innermost; inner != null && inner != this; inner = inner.outer) {
			inner.closed = true;
			stillOpen.append(stillOpen.isEmpty() ? "" : ", ").append(inner.target);
		}
		this.closed = true;
		this.holder.innermost = this.outer;
		log(this.formerLogged);
		if (!stillOpen.isEmpty()) {
			throw new IllegalStateException("The scope of " + this.target + " was closed while the scope of "
					+ stillOpen + ", entered inside it, was still open. All of them have ended; the thread is back at "
					+ Target.current() + ". Close scopes in the reverse order, best with try-with-resources.");
		}
		SwitchGuards.check(this.target, this.holder.target(), true);
	}

	private static void log(@Nullable String tenant) {
		if (tenant != null) {
			MDC.put(MDC_KEY, tenant);
		}
		else {
			MDC.remove(MDC_KEY);
		}
	}

	/** The innermost scope of one thread; touched by that thread alone. */
	private static final class Holder {

		private @Nullable Scope innermost;

		private Target target() {
			return (this.innermost != null) ? this.innermost.target : Target.NONE;
		}

	}

}
