package io.multidb.task;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

import io.multidb.Scope;

/**
 * One call of a task for many. Used once.
 */
final class Run<T extends @Nullable Object> {

	private final List<String> names;

	private final Function<String, Scope> enter;

	private final Callable<T> task;

	private final AtomicReferenceArray<@Nullable Outcome<T>> outcomes;

	private final AtomicInteger next = new AtomicInteger();

	private volatile boolean interrupted;

	Run(List<String> names, Function<String, Scope> enter, Callable<T> task) {
		this.names = names;
		this.enter = enter;
		this.task = task;
		this.outcomes = new AtomicReferenceArray<>(names.size());
	}

	List<Outcome<T>> inThisThread() {
		for (int i = 0; i < this.names.size() && !Thread.currentThread().isInterrupted(); i++) {
			Outcome<T> outcome = outcome(this.names.get(i));
			this.outcomes.set(i, outcome);
			if (outcome instanceof Outcome.Failed<T> failed && failed.failure() instanceof InterruptedException) {
				Thread.currentThread().interrupt();
			}
		}
		return outcomes();
	}

	/**
	 * Platform threads: SQLite's driver pins virtual ones. They end with this method, so
	 * that nothing is left to be shut down.
	 */
	List<Outcome<T>> inParallel(int atOnce) {
		CallerContext context = CallerContext.capture();
		Runnable work = () -> context.run(this::work);
		List<Thread> threads = new ArrayList<>(atOnce);
		try {
			while (threads.size() < atOnce) {
				Thread thread = new Thread(work, "multidb-each-" + (threads.size() + 1));
				thread.setDaemon(true);
				thread.start();
				threads.add(thread);
			}
		}
		finally {
			// Also when there was no memory for another thread.
			join(threads);
		}
		return outcomes();
	}

	private void work() {
		while (!this.interrupted) {
			int i = this.next.getAndIncrement();
			if (i >= this.names.size()) {
				return;
			}
			this.outcomes.set(i, outcome(this.names.get(i)));
			// Between two tasks only the caller's word counts.
			Thread.interrupted();
		}
	}

	private void join(List<Thread> threads) {
		boolean stop = false;
		for (Thread thread : threads) {
			while (thread.isAlive()) {
				try {
					thread.join();
				}
				catch (InterruptedException ex) {
					stop = true;
					this.interrupted = true;
					threads.forEach(Thread::interrupt);
				}
			}
		}
		if (stop) {
			Thread.currentThread().interrupt();
		}
	}

	private Outcome<T> outcome(String name) {
		long start = System.nanoTime();
		try {
			T value;
			try (Scope scope = this.enter.apply(name)) {
				value = this.task.call();
			}
			return new Outcome.Completed<>(name, value, since(start));
		}
		catch (Throwable ex) {
			return new Outcome.Failed<>(name, ex, since(start));
		}
	}

	private static Duration since(long start) {
		return Duration.ofNanos(System.nanoTime() - start);
	}

	private List<Outcome<T>> outcomes() {
		List<Outcome<T>> all = new ArrayList<>(this.names.size());
		for (int i = 0; i < this.names.size(); i++) {
			Outcome<T> outcome = this.outcomes.get(i);
			all.add((outcome != null) ? outcome : new Outcome.NotStarted<>(this.names.get(i)));
		}
		return List.copyOf(all);
	}

}
