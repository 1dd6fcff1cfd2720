package io.multidb;

import java.util.Arrays;
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

	/** {@code null} when the scope has ended. */
	private @Nullable Target target;

	private Scope(Target target) {
		this.target = target;
	}

	static Scope open(Target target) {
		Holder holder = HOLDER.get();
		Target outer = holder.target();
		SwitchGuards.check(outer, target, false);
		Object work = outer.work();
		Scope scope = new Scope((work == null || target.work() != null) ? target : target.within(work));
		String formerLogged = MDC.get(MDC_KEY);
		holder.begin(scope, formerLogged);
		if (!Objects.equals(formerLogged, target.tenant())) {
			log(target.tenant());
		}
		return scope;
	}

	/** The target of the calling thread's innermost scope. */
	static Target current() {
		return HOLDER.get().target();
	}

	/** See {@link Target#kept()}. */
	static @Nullable Object kept() {
		return HOLDER.get().kept;
	}

	/** See {@link Target#keep(Object)}. */
	static boolean keep(Object value) {
		Holder holder = HOLDER.get();
		if (holder.depth == 0) {
			return false;
		}
		holder.kept = value;
		return true;
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
		Target mine = this.target;
		if (mine == null) {
			return;
		}
		Holder holder = HOLDER.get();
		String stillOpen = (holder.innermost() != this) ? endInside(holder, mine) : null;
		log(holder.end());
		if (stillOpen != null) {
			throw new IllegalStateException("The scope of " + mine + " was closed while the scope of " + stillOpen
					+ ", entered inside it, was still open. All of them have ended; the thread is back at "
					+ Target.current() + ". Close scopes in the reverse order, best with try-with-resources.");
		}
		SwitchGuards.check(mine, holder.target(), true);
	}

	/**
	 * Ends all scopes of the calling thread, for whoever begins something new on a thread
	 * on which something else may have left one open. Nothing is asked whether a
	 * transaction is still open.
	 * @return the target that was current, {@link Target#none()} if there was no scope
	 */
	public static Target endAll() {
		Holder holder = HOLDER.get();
		Target left = holder.target();
		if (holder.depth > 0) {
			String logged = null;
			while (holder.depth > 0) {
				logged = holder.end();
			}
			log(logged);
		}
		return left;
	}

	/** Ends the scopes inside this one. */
	private String endInside(Holder holder, Target mine) {
		if (!holder.contains(this)) {
			throw new IllegalStateException("The scope of " + mine
					+ " was closed on another thread than the one that opened it. Close a scope where it was entered,"
					+ " best with try-with-resources; to take the target to another thread, enter Target.current() there.");
		}
		StringBuilder ended = new StringBuilder();
		while (holder.innermost() != this) {
			ended.append(ended.isEmpty() ? "" : ", ").append(holder.target());
			holder.end();
		}
		return ended.toString();
	}

	private static void log(@Nullable String tenant) {
		if (tenant != null) {
			MDC.put(MDC_KEY, tenant);
		}
		else {
			MDC.remove(MDC_KEY);
		}
	}

	/**
	 * The scopes of one thread; touched by that thread alone. What is kept of a scope is
	 * here and not in it, so that a scope is as small as can be; and is in arrays,
	 * because a reference that is written costs a collector's barrier and a depth does
	 * not.
	 */
	private static final class Holder {

		private @Nullable Scope[] scopes = new Scope[4];

		private @Nullable String[] formerLogged = new String[4];

		private int depth;

		/** Until the outermost scope ends. */
		private @Nullable Object kept;

		private @Nullable Scope innermost() {
			return (this.depth > 0) ? this.scopes[this.depth - 1] : null;
		}

		private Target target() {
			Scope innermost = innermost();
			Target target = (innermost != null) ? innermost.target : null;
			return (target != null) ? target : Target.NONE;
		}

		private boolean contains(Scope scope) {
			return Arrays.asList(this.scopes).contains(scope);
		}

		private void begin(Scope scope, @Nullable String logged) {
			if (this.depth == this.scopes.length) {
				this.scopes = Arrays.copyOf(this.scopes, 2 * this.depth);
				this.formerLogged = Arrays.copyOf(this.formerLogged, 2 * this.depth);
			}
			this.scopes[this.depth] = scope;
			this.formerLogged[this.depth] = logged;
			this.depth++;
		}

		/** Ends the innermost scope and says what was logged before it. */
		private @Nullable String end() {
			this.depth--;
			if (this.kept != null && this.depth == 0) {
				this.kept = null;
			}
			Objects.requireNonNull(this.scopes[this.depth]).target = null;
			this.scopes[this.depth] = null;
			String logged = this.formerLogged[this.depth];
			this.formerLogged[this.depth] = null;
			return logged;
		}

	}

}
