package io.multidb.discovery;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.source.DaemonThreads;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

/**
 * Sources that get other definitions on threads apart from the worker of
 * {@link ProvidedSources}, as opening one anew may wait for its server; and those for
 * which that failed. One at a time for each source; what has changed about it meanwhile
 * is looked at when that has ended.
 * <p>
 * To be used by the worker alone, which needs no lock for that, save for
 * {@link #isByCaller}.
 */
final class Replacements implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(ProvidedSources.class);

	private static final int THREADS = 4;

	private static final Duration FIRST_RETRY = Duration.ofSeconds(1);

	private static final Duration LAST_RETRY = Duration.ofSeconds(30);

	private final SourceRegistry registry;

	private final ScheduledExecutorService worker;

	private final Consumer<Ended> ended;

	private final Consumer<String> retry;

	private final ExecutorService threads;

	/** Apart, as nothing of these is opened: they wait for nobody's server. */
	private final ExecutorService threadOfCold;

	/** By what definitions sources are being replaced. */
	private final Map<String, SourceDefinition> running = new HashMap<>();

	/** Looked at again when that has ended. */
	private final Set<String> again = new HashSet<>();

	/** What could not be replaced, and serves as before. */
	private final Map<String, Failed> failures = new HashMap<>();

	/** What the calling thread replaces. */
	private final ThreadLocal<@Nullable String> byCaller = new ThreadLocal<>();

	/**
	 * What has become of a replacement.
	 *
	 * @param name the source's name
	 * @param failure why it could not be made, or {@code null} if it was
	 */
	record Ended(String name, SourceDefinition definition, @Nullable RuntimeException failure) {
	}

	/**
	 * A definition that could not be used in place of the former.
	 *
	 * @param times how often in a row
	 * @param retry when it is tried again; {@code null} if it is not
	 */
	private record Failed(SourceDefinition definition, int times, @Nullable Future<?> retry) {
	}

	/**
	 * None yet.
	 * @param registry the sources
	 * @param worker whose thread uses this
	 * @param keepAlive how long threads live for nothing
	 * @param ended is told of each by the thread that has made it
	 * @param retry is told by the worker which source is to be tried again
	 */
	Replacements(SourceRegistry registry, ScheduledExecutorService worker, Duration keepAlive, Consumer<Ended> ended,
			Consumer<String> retry) {
		this.registry = registry;
		this.worker = worker;
		this.ended = ended;
		this.retry = retry;
		this.threads = threads(THREADS, keepAlive);
		this.threadOfCold = threads(1, keepAlive);
	}

	private static ExecutorService threads(int count, Duration keepAlive) {
		ThreadPoolExecutor executor = new ThreadPoolExecutor(count, count, keepAlive.toMillis(), TimeUnit.MILLISECONDS,
				new LinkedBlockingQueue<>(), DaemonThreads.named("multidb-replace"));
		executor.allowCoreThreadTimeOut(true);
		return executor;
	}

	/** Begins one; none of the source is running. */
	void begin(String name, SourceDefinition definition) {
		this.running.put(name, definition);
		cancelRetry(name);
		try {
			(isCold(name) ? this.threadOfCold : this.threads)
				.execute(() -> this.ended.accept(new Ended(name, definition, replace(name, definition))));
		}
		catch (RejectedExecutionException ex) {
			// The application ends.
			this.running.remove(name);
		}
	}

	/** It may be used meanwhile, and then others wait for it for once. */
	private boolean isCold(String name) {
		Source source = this.registry.find(name);
		return source != null && source.state() instanceof SourceState.Cold && source.drainState() == null;
	}

	private @Nullable RuntimeException replace(String name, SourceDefinition definition) {
		this.byCaller.set(name);
		try {
			this.registry.redefine(definition);
			return null;
		}
		catch (RuntimeException ex) {
			return ex;
		}
		catch (Error ex) {
			// It is tried again: whoever follows must not end.
			return new IllegalStateException("It could not be replaced: " + ex, ex);
		}
		finally {
			this.byCaller.remove();
		}
	}

	/**
	 * One has ended.
	 * @return whether the source is to be looked at again
	 */
	boolean end(String name) {
		this.running.remove(name);
		return this.again.remove(name);
	}

	/** By what a source is being replaced; {@code null} if it is not. */
	@Nullable SourceDefinition running(String name) {
		return this.running.get(name);
	}

	/** Has a source looked at again when its replacement has ended. */
	void lookAgain(String name) {
		this.again.add(name);
	}

	/** Whether the thread that asks is replacing the source, and must not wait for it. */
	boolean isByCaller(String name) {
		return name.equals(this.byCaller.get());
	}

	/** Whether the last definition of a source could not be used. */
	boolean hasFailed(String name) {
		return this.failures.containsKey(name);
	}

	/** Whether it was this one. */
	boolean hasFailed(String name, @Nullable SourceDefinition definition) {
		Failed failed = this.failures.get(name);
		return failed != null && failed.definition().equals(definition);
	}

	/**
	 * A definition could not be used.
	 * @param retried whether time may mend that: it is tried again after 1 s, then after
	 * twice as long up to 30 s
	 */
	void failed(String name, SourceDefinition definition, boolean retried) {
		Failed former = this.failures.get(name);
		int times = (former != null && former.definition().equals(definition)) ? former.times() + 1 : 1;
		this.failures.put(name, new Failed(definition, times, retried ? retry(name, times) : null));
	}

	private @Nullable Future<?> retry(String name, int times) {
		Duration delay = FIRST_RETRY.multipliedBy(1L << Math.min(times - 1, 5));
		delay = (delay.compareTo(LAST_RETRY) > 0) ? LAST_RETRY : delay;
		try {
			return this.worker.schedule(() -> this.retry.accept(name), delay.toMillis(), TimeUnit.MILLISECONDS);
		}
		catch (RejectedExecutionException ex) {
			// The application ends.
			logger.debug("{}: not tried again", name);
			return null;
		}
	}

	/**
	 * Its failures are of no meaning any more.
	 * @return whether there were any
	 */
	boolean forgetFailures(String name) {
		cancelRetry(name);
		return this.failures.remove(name) != null;
	}

	/** There is never more than one. */
	private void cancelRetry(String name) {
		Failed failed = this.failures.get(name);
		Future<?> retry = (failed != null) ? failed.retry() : null;
		if (retry != null) {
			retry.cancel(false);
		}
	}

	/** Ends the threads; what they are doing is ended with the registry. */
	@Override
	public void close() {
		this.threads.shutdownNow();
		this.threadOfCold.shutdownNow();
	}

}
