package io.multidb.fanout;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

import org.jspecify.annotations.Nullable;

import io.multidb.source.DaemonThreads;

/**
 * The threads of all fan-outs: platform threads for SQLite, whose driver pins virtual
 * ones, and virtual ones for the rest where there are any. So many of each kind work at
 * the same time; one that its deadline has not ended does not count any more. Each is
 * started when it is needed, and ends when it is not for a while. Thread-safe.
 */
final class Workers implements AutoCloseable {

	private static final String NAME = "multidb-fan-out-";

	private static final int IDLE_SECONDS = 10;

	/** Those that may work at the same time. */
	static final class Kind {

		private final Semaphore permits;

		/** How many one fan-out begins with. */
		private final int first;

		private Kind(int most, int first) {
			this.permits = new Semaphore(most);
			this.first = Math.min(most, first);
		}

		int first() {
			return this.first;
		}

	}

	private final Kind sqlite;

	private final Kind others;

	private final ReentrantLock lock = new ReentrantLock();

	/** Guarded by lock; {@code null} until it is needed. */
	private @Nullable ExecutorService platform;

	/** Likewise. */
	private @Nullable ExecutorService virtual;

	private volatile boolean closed;

	private final AtomicInteger late = new AtomicInteger();

	Workers(int most) {
		int processors = Runtime.getRuntime().availableProcessors();
		this.sqlite = new Kind(most, Math.max(4, 2 * processors));
		this.others = new Kind(most, Math.max(32, 2 * processors));
	}

	Kind sqlite() {
		return this.sqlite;
	}

	Kind others() {
		return this.others;
	}

	/** How many were ended by their deadline, and have not let go yet. */
	AtomicInteger late() {
		return this.late;
	}

	boolean isClosed() {
		return this.closed;
	}

	/**
	 * Has a thread of a kind work, if there is one to be had now; it must
	 * {@link #release} its place.
	 * @return whether it works
	 */
	boolean start(Kind kind, Runnable work) {
		if (this.closed || !kind.permits.tryAcquire()) {
			return false;
		}
		boolean started = false;
		try {
			executor(kind).execute(work);
			started = true;
		}
		catch (RejectedExecutionException | OutOfMemoryError ex) {
			// Closed meanwhile, or no thread is to be had: the others go on.
		}
		finally {
			if (!started) {
				kind.permits.release();
			}
		}
		return started;
	}

	/** Does something without a place; in this thread, once it is closed. */
	void beside(Runnable work) {
		try {
			executor(this.sqlite).execute(work);
		}
		catch (RejectedExecutionException | OutOfMemoryError ex) {
			work.run();
		}
	}

	void release(Kind kind) {
		kind.permits.release();
	}

	private ExecutorService executor(Kind kind) {
		this.lock.lock();
		try {
			if (this.closed) {
				throw new RejectedExecutionException("closed");
			}
			if (kind == this.others && this.virtual == null) {
				ThreadFactory factory = virtualThreads();
				this.virtual = (factory != null) ? Executors.newCachedThreadPool(factory) : null;
			}
			if (kind == this.others && this.virtual != null) {
				return this.virtual;
			}
			if (this.platform == null) {
				this.platform = new ThreadPoolExecutor(0, Integer.MAX_VALUE, IDLE_SECONDS, TimeUnit.SECONDS,
						new SynchronousQueue<>(), DaemonThreads.numbered(NAME));
			}
			return this.platform;
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * From Java 21 on:
	 * {@code Thread.ofVirtual().name(NAME, 1).inheritInheritableThreadLocals(false)}.
	 */
	private static @Nullable ThreadFactory virtualThreads() {
		try {
			Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
			Class<?> type = Class.forName("java.lang.Thread$Builder");
			builder = type.getMethod("name", String.class, long.class).invoke(builder, NAME + "v", 1L);
			builder = type.getMethod("inheritInheritableThreadLocals", boolean.class).invoke(builder, false);
			ThreadFactory factory = (ThreadFactory) type.getMethod("factory").invoke(builder);
			return (work) -> DaemonThreads.withClassLoader(factory.newThread(work));
		}
		catch (ReflectiveOperationException | UnsupportedOperationException ex) {
			return null;
		}
	}

	/** Begins nothing more, and interrupts what works. */
	@Override
	public void close() {
		this.closed = true;
		this.lock.lock();
		try {
			if (this.platform != null) {
				this.platform.shutdownNow();
			}
			if (this.virtual != null) {
				this.virtual.shutdownNow();
			}
		}
		finally {
			this.lock.unlock();
		}
	}

}
