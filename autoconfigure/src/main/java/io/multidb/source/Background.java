package io.multidb.source;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads of a registry, however many sources it has. Each is started when there is
 * something for it to do; after {@link #close()} there are none. Thread-safe.
 */
final class Background implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(Background.class);

	/**
	 * Keeps the time of retries and of looking for idle pools and at replicas; nothing
	 * that it does itself waits for a server.
	 */
	private static final String PROBER = "multidb-prober";

	private static final String RETRY = "multidb-retry";

	private static final int RETRYING = 4;

	private static final String REPLICAS = "multidb-replicas";

	/** Each may wait for a server that does not answer. */
	private static final int EXAMINING = 8;

	private static final String OPENER = "multidb-opener";

	/**
	 * As many may open sources that others do not want to wait for any more. Each is with
	 * a silent server for as long as its driver tries to connect.
	 */
	static final int OPENING = 256;

	/** Ends and closes what others do not want to wait for any more. */
	private static final String BESIDE = "multidb-beside";

	private static final String CLOSER = "multidb-closer";

	/** A pool that is connecting to a dead server takes seconds to close. */
	private static final int CLOSING = 4;

	private static final int CLOSING_ALL = 16;

	/** Longer than a pool waits for what it is connecting and aborting. */
	private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(30);

	private static final String POOLS = "multidb-pools";

	/** Keep-alive tests run here too, and may wait for a server that does not answer. */
	private static final int HOUSEKEEPING = 2;

	private final Semaphore openers = new Semaphore(OPENING);

	private final ReentrantLock lock = new ReentrantLock();

	/** By the name of their threads; guarded by lock. */
	private final Map<String, ScheduledExecutorService> schedulers = new HashMap<>();

	/** By the name of their threads; guarded by lock. */
	private final Map<String, ExecutorService> executors = new HashMap<>();

	/** Written under lock. */
	private volatile boolean refusing;

	/** Tries a source again that failed, later. */
	void retryLater(Source source, int failure, Duration delay) {
		boolean unused = later(() -> execute(RETRY, RETRYING, () -> retry(source, failure)), delay);
	}

	private static void retry(Source source, int failure) {
		try {
			source.life().transitions().retry(failure);
		}
		catch (RuntimeException | Error ex) {
			logger.error("{}: a retry ended in the middle; another one follows", source.name(),
					source.definition().masked(ex));
		}
	}

	/**
	 * Runs something that waits for nothing, later.
	 * @return whether it will be run
	 */
	boolean later(Runnable task, Duration delay) {
		ScheduledExecutorService prober;
		this.lock.lock();
		try {
			if (this.refusing) {
				return false;
			}
			prober = scheduler(PROBER, 1);
		}
		finally {
			this.lock.unlock();
		}
		try {
			Future<?> unused = prober.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
			return true;
		}
		catch (RejectedExecutionException ex) {
			return false;
		}
	}

	/** Looks at a replica, which may take a while. */
	void examine(Runnable task) {
		execute(REPLICAS, EXAMINING, task);
	}

	/**
	 * Opens something for a thread that waits for it until its deadline only, as soon as
	 * not too many others are at it.
	 * @return whether it is done
	 * @throws SQLException if the time is over, or the thread is interrupted
	 */
	boolean open(Runnable task, Deadline deadline) throws SQLException {
		deadline.await(this.openers);
		boolean begun = false;
		try {
			begun = atOnce(OPENER, () -> {
				try {
					task.run();
				}
				finally {
					this.openers.release();
				}
			});
			return begun;
		}
		finally {
			if (!begun) {
				this.openers.release();
			}
		}
	}

	/**
	 * Does at once what may wait for a server.
	 * @return whether it is done
	 */
	boolean beside(Runnable task) {
		return atOnce(BESIDE, task);
	}

	private boolean atOnce(String name, Runnable task) {
		ExecutorService executor;
		this.lock.lock();
		try {
			if (this.refusing) {
				return false;
			}
			executor = this.executors.computeIfAbsent(name, Background::atOnce);
		}
		finally {
			this.lock.unlock();
		}
		try {
			executor.execute(task);
			return true;
		}
		catch (RejectedExecutionException ex) {
			return false;
		}
	}

	private static ExecutorService atOnce(String name) {
		return new ThreadPoolExecutor(0, Integer.MAX_VALUE, 2, TimeUnit.SECONDS, new SynchronousQueue<>(),
				DaemonThreads.named(name));
	}

	/** Closes something, or tells of it. */
	void run(Runnable task) {
		execute(CLOSER, CLOSING, task);
	}

	/** Likewise, not before a delay is over. */
	void run(Runnable task, Duration delay) {
		this.lock.lock();
		try {
			if (!this.refusing) {
				Future<?> unused = pools().schedule(() -> run(task), delay.toMillis(), TimeUnit.MILLISECONDS);
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * For the housekeeping of all pools.
	 * @throws RejectedExecutionException once nothing more is begun
	 */
	ScheduledExecutorService pools() {
		this.lock.lock();
		try {
			if (this.refusing) {
				throw new RejectedExecutionException("The registry is closed");
			}
			return scheduler(POOLS, HOUSEKEEPING);
		}
		finally {
			this.lock.unlock();
		}
	}

	private void execute(String name, int threads, Runnable task) {
		this.lock.lock();
		try {
			if (!this.refusing) {
				this.executors.computeIfAbsent(name, (each) -> executor(each, threads)).execute(task);
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Under the lock. */
	private ScheduledExecutorService scheduler(String name, int threads) {
		return this.schedulers.computeIfAbsent(name, (each) -> {
			ScheduledThreadPoolExecutor scheduler = new ScheduledThreadPoolExecutor(threads, DaemonThreads.named(each));
			scheduler.setRemoveOnCancelPolicy(true);
			return scheduler;
		});
	}

	private static ExecutorService executor(String name, int threads) {
		ThreadPoolExecutor executor = new ThreadPoolExecutor(threads, threads, 2, TimeUnit.SECONDS,
				new LinkedBlockingQueue<>(), DaemonThreads.named(name));
		executor.allowCoreThreadTimeOut(true);
		return executor;
	}

	/**
	 * Begins nothing more; what is under way goes on.
	 * @return whether it did before
	 */
	boolean refuse() {
		this.lock.lock();
		try {
			boolean first = !this.refusing;
			this.refusing = true;
			return first;
		}
		finally {
			this.lock.unlock();
		}
	}

	boolean isRefusing() {
		return this.refusing;
	}

	/**
	 * Does things side by side, and waits for a while until they are done.
	 */
	static void closeAll(List<Runnable> tasks) {
		ExecutorService closers = executor(CLOSER, CLOSING_ALL);
		tasks.forEach(closers::execute);
		closers.shutdown();
		try {
			if (!closers.awaitTermination(CLOSE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)) {
				logger.warn("Some pools are still being closed after {} s", CLOSE_TIMEOUT.toSeconds());
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	/** Ends all threads, with what they are doing. */
	@Override
	public void close() {
		boolean unused = refuse();
		List<ExecutorService> all;
		this.lock.lock();
		try {
			all = new ArrayList<>(this.schedulers.values());
			all.addAll(this.executors.values());
		}
		finally {
			this.lock.unlock();
		}
		all.forEach(ExecutorService::shutdownNow);
	}

}
