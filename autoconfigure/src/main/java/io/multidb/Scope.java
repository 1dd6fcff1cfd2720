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

	private Scope(Holder holder) {
		this.holder = holder;
	}

	static Scope open(Target target) {
		Holder holder = HOLDER.get();
		SwitchGuards.check(holder.innermost.target, target, false);
		Scope scope = new Scope(holder);
		String formerLogged = MDC.get(MDC_KEY);
		holder.begin(scope, target, formerLogged);
		if (!Objects.equals(formerLogged, target.tenant())) {
			log(target.tenant());
		}
		return scope;
	}

	/** The target of the calling thread's innermost scope. */
	static Target current() {
		return HOLDER.get().innermost.target;
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
		if (Thread.currentThread() != this.holder.thread) {
			throw closedElsewhere();
		}
		Frame frame = this.holder.innermost;
		if (frame.scope != this) {
			closeOutOfOrder();
			return;
		}
		Target target = frame.target;
		log(this.holder.end(frame));
		SwitchGuards.check(target, this.holder.innermost.target, true);
	}

	private void closeOutOfOrder() {
		Frame mine = this.holder.find(this);
		if (mine == null) {
			return;
		}
		StringBuilder stillOpen = new StringBuilder();
		while (this.holder.innermost != mine) {
			stillOpen.append(stillOpen.isEmpty() ? "" : ", ").append(this.holder.innermost.target);
			this.holder.end(this.holder.innermost);
		}
		Target target = mine.target;
		log(this.holder.end(mine));
		throw new IllegalStateException("The scope of " + target + " was closed while the scope of " + stillOpen
				+ ", entered inside it, was still open. All of them have ended; the thread is back at "
				+ Target.current() + ". Close scopes in the reverse order, best with try-with-resources.");
	}

	private IllegalStateException closedElsewhere() {
		// Read without the other thread's leave, as it is for the message only.
		Frame its = this.holder.find(this);
		return new IllegalStateException(((its != null) ? "The scope of " + its.target : "A scope that has ended")
				+ " was closed on another thread than the one that opened it. Close a scope where it was entered,"
				+ " best with try-with-resources; to take the target to another thread, enter Target.current() there.");
	}

	private static void log(@Nullable String tenant) {
		if (tenant != null) {
			MDC.put(MDC_KEY, tenant);
		}
		else {
			MDC.remove(MDC_KEY);
		}
	}

	/** The scopes of one thread; changed by that thread alone. */
	private static final class Holder {

		private final Thread thread = Thread.currentThread();

		private Frame innermost = new Frame(null);

		private void begin(Scope scope, Target target, @Nullable String formerLogged) {
			Frame frame = this.innermost.inner();
			frame.scope = scope;
			frame.target = target;
			frame.formerLogged = formerLogged;
			this.innermost = frame;
		}

		private @Nullable String end(Frame frame) {
			String formerLogged = frame.formerLogged;
			this.innermost = Objects.requireNonNull(frame.outer);
			frame.scope = null;
			frame.target = Target.NONE;
			frame.formerLogged = null;
			return formerLogged;
		}

		private @Nullable Frame find(Scope scope) {
			for (Frame frame = this.innermost; frame != null; frame = frame.outer) {
				if (frame.scope == scope) {
					return frame;
				}
			}
			return null;
		}

	}

	/**
	 * What an open scope keeps on its thread. One per depth, used again and again, so
	 * that a scope is the smallest object there can be.
	 */
	private static final class Frame {

		private final @Nullable Frame outer;

		private @Nullable Frame inner;

		private @Nullable Scope scope;

		private Target target = Target.NONE;

		private @Nullable String formerLogged;

		private Frame(@Nullable Frame outer) {
			this.outer = outer;
		}

		private Frame inner() {
			Frame known = this.inner;
			if (known == null) {
				known = new Frame(this);
				this.inner = known;
			}
			return known;
		}

	}

}
