package io.multidb.task;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * Does one task for each of many tenants or sources. A failure of one changes nothing for
 * the others; each has one {@link Outcome}. Immutable and thread-safe. <pre>
 * List&lt;Outcome&lt;Integer&gt;&gt; outcomes = forEach.tenants(tenants).atOnce(4).call(orders::expire);
 * </pre>
 */
public final class ForEach {

	private final SourceRegistry registry;

	/**
	 * Creates one.
	 * @param registry the sources there are
	 */
	public ForEach(SourceRegistry registry) {
		this.registry = registry;
	}

	/**
	 * For tenants. One that is malformed, has no route or leads to an internal source has
	 * a failure as its outcome.
	 * @param tenants their ids; each counts once
	 * @return what to do for them
	 */
	public Work tenants(Collection<String> tenants) {
		return new Work(tenants, TenantContext::enter, 1);
	}

	/**
	 * For sources named directly, internal ones too. The calling thread's tenant stays
	 * along.
	 * @param names their names; each counts once
	 * @return what to do on them
	 */
	public Work sources(Collection<String> names) {
		return new Work(names, SourceContext::enter, 1);
	}

	/**
	 * For all sources that are declared or were added at run time, as of now: neither
	 * internal ones, nor those a template has made.
	 * @return what to do on them, in the order of their names
	 */
	public Work sources() {
		return sources(this.registry.sources()
			.stream()
			.filter((source) -> !source.definition().internal() && source.definition().template() == null)
			.map(Source::name)
			.toList());
	}

	/**
	 * Tenants or sources for which a task can be done. Immutable and thread-safe.
	 */
	public static final class Work {

		private final List<String> names;

		private final Function<String, Scope> enter;

		private final int atOnce;

		private Work(Collection<String> names, Function<String, Scope> enter, int atOnce) {
			this.names = List.copyOf(new LinkedHashSet<>(names));
			this.enter = enter;
			this.atOnce = atOnce;
		}

		/**
		 * The same, in parallel: on threads of its own, which have the caller's target
		 * and logging context, and its tracing where context propagation is present, but
		 * not its transaction.
		 * @param threads how many at most, at least 1; 1 means in the calling thread, one
		 * after another, which is the default
		 * @return what to do in parallel
		 * @throws IllegalArgumentException if it is less than 1
		 */
		public Work atOnce(int threads) {
			if (threads < 1) {
				throw new IllegalArgumentException("'threads' must be at least 1, not " + threads);
			}
			return new Work(this.names, this.enter, threads);
		}

		/**
		 * Does a task for each, and returns when all have ended. In the calling thread an
		 * open transaction makes those fail that have another source.
		 * <p>
		 * When the calling thread is interrupted, it stays so, and what has not begun
		 * does not begin; what has begun in parallel is interrupted, and waited for.
		 * @param task what to do; {@link TenantContext#current()} or
		 * {@link SourceContext#current()} says for whom
		 * @param <T> what it returns
		 * @return one outcome for each, in their order
		 */
		public <T extends @Nullable Object> List<Outcome<T>> call(Callable<T> task) {
			Objects.requireNonNull(task, "task");
			Run<T> run = new Run<>(this.names, this.enter, task);
			if (this.atOnce == 1 || this.names.size() < 2) {
				return run.inThisThread();
			}
			return run.inParallel(Math.min(this.atOnce, this.names.size()));
		}

		/**
		 * Does a task that returns nothing; {@link Outcome.Completed#value()} is
		 * {@code null}.
		 * @param task what to do
		 * @return one outcome for each, in their order
		 * @see #call(Callable)
		 */
		public List<Outcome<@Nullable Void>> run(Runnable task) {
			Objects.requireNonNull(task, "task");
			return this.<@Nullable Void>call(() -> {
				task.run();
				return null;
			});
		}

	}

}
