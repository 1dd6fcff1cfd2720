package io.multidb.source;

import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;

import org.jspecify.annotations.Nullable;

/**
 * Makes threads that keep no process alive and inherit nothing of who happens to cause
 * them: neither a request's user nor anything else that is in its
 * {@link InheritableThreadLocal}s, but for the class loader. Thread-safe.
 */
public final class DaemonThreads implements ThreadFactory {

	private final String name;

	private final @Nullable AtomicInteger number;

	private DaemonThreads(String name, @Nullable AtomicInteger number) {
		this.name = name;
		this.number = number;
	}

	/**
	 * Threads that all have the same name, for where there is one at a time.
	 * @param name the name
	 * @return the factory
	 */
	public static DaemonThreads named(String name) {
		return new DaemonThreads(name, null);
	}

	/**
	 * Threads whose name ends with a number, from 1 on.
	 * @param prefix what stands before it
	 * @return the factory
	 */
	public static DaemonThreads numbered(String prefix) {
		return new DaemonThreads(prefix, new AtomicInteger());
	}

	@Override
	public Thread newThread(Runnable work) {
		String own = (this.number != null) ? this.name + this.number.incrementAndGet() : this.name;
		Thread thread = new Thread(null, work, own, 0, false);
		thread.setDaemon(true);
		return withClassLoader(thread);
	}

	/**
	 * From Java 19 on, a thread that inherits nothing has the system's class loader,
	 * which does not see the libraries of an executable jar.
	 * @param thread one that was not started
	 * @return the same, with the class loader of who makes it
	 */
	public static Thread withClassLoader(Thread thread) {
		thread.setContextClassLoader(Thread.currentThread().getContextClassLoader());
		return thread;
	}

}
