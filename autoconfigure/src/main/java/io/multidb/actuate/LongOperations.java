package io.multidb.actuate;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import io.multidb.SourceUnavailableException;
import io.multidb.source.DaemonThreads;

/**
 * Does what may outlast the request for it, on threads of its own, a few at a time. No
 * thread is started before one is needed, and none stays long afterwards. Thread-safe.
 */
final class LongOperations implements AutoCloseable {

	private static final int THREADS = 4;

	private static final Duration KEEP_ALIVE = Duration.ofSeconds(2);

	private final ThreadPoolExecutor executor;

	private final OperationTrail trail;

	private final Duration patience;

	/** What may be joined, by its name and source. */
	private final Map<String, Begun> begun = new ConcurrentHashMap<>();

	/**
	 * Creates it; nothing is started.
	 * @param threads how its threads' names begin
	 * @param trail follows what is done
	 * @param patience how long an operation is waited for
	 */
	LongOperations(String threads, OperationTrail trail, Duration patience) {
		this.executor = new ThreadPoolExecutor(THREADS, THREADS, KEEP_ALIVE.toMillis(), TimeUnit.MILLISECONDS,
				new LinkedBlockingQueue<>(), DaemonThreads.numbered(threads));
		this.executor.allowCoreThreadTimeOut(true);
		this.trail = trail;
		this.patience = patience;
	}

	/** An operation that may outlast the request for it. */
	private static final class Begun {

		private final CompletableFuture<OperationDescriptor> end = new CompletableFuture<>();

		/** Who is audited already. */
		private final Set<Operator> operators = ConcurrentHashMap.newKeySet();

		private final String id = UUID.randomUUID().toString();

		private volatile boolean started;

	}

	/**
	 * Does something with a source on another thread, and waits for it a while. Whoever
	 * asks for the same meanwhile waits for it, too.
	 */
	OperationDescriptor join(Operator by, String operation, String source, Supplier<OperationDescriptor> work) {
		return begin(by, operation, source, operation + " " + source, work);
	}

	/** Does something with a source on another thread, and waits for it a while. */
	OperationDescriptor begin(Operator by, String operation, String source, Supplier<OperationDescriptor> work) {
		return begin(by, operation, source, null, work);
	}

	private OperationDescriptor begin(Operator by, String operation, String source, @Nullable String shared,
			Supplier<OperationDescriptor> work) {
		Begun mine = new Begun();
		mine.operators.add(by);
		Begun others = (shared != null) ? this.begun.putIfAbsent(shared, mine) : null;
		if (others != null) {
			if (others.operators.add(by)) {
				this.trail.join(by, operation, source);
			}
			return await(others, operation, source);
		}
		OperationHistory.@Nullable Noted noted = this.trail.note(mine.id, by, operation, source);
		try {
			this.executor.execute(() -> run(mine, shared,
					() -> this.trail.withSource(by, operation, source, noted, work).withId(mine.id)));
		}
		catch (RejectedExecutionException ex) {
			ended(mine, shared);
			if (noted != null) {
				noted.fail("The application has ended.");
			}
			throw new SourceUnavailableException(source, "The application has ended.", Duration.ofSeconds(1), ex);
		}
		return await(mine, operation, source);
	}

	private void run(Begun mine, @Nullable String shared, Supplier<OperationDescriptor> work) {
		mine.started = true;
		OperationDescriptor done = null;
		Throwable failure = null;
		try {
			done = work.get();
		}
		catch (Throwable ex) {
			failure = ex;
		}
		// Whoever asks from here on begins anew.
		ended(mine, shared);
		if (failure != null) {
			mine.end.completeExceptionally(failure);
		}
		else {
			mine.end.complete(done);
		}
	}

	private void ended(Begun mine, @Nullable String shared) {
		if (shared != null) {
			this.begun.remove(shared, mine);
		}
	}

	private OperationDescriptor await(Begun operation, String what, String source) {
		try {
			return operation.end.get(this.patience.toMillis(), TimeUnit.MILLISECONDS);
		}
		catch (TimeoutException ex) {
			return operation.started
					? OperationDescriptor.of(what, source, "running", OperationDescriptor.THIS_NODE,
							"It takes longer, and goes on in the background. The source's operations and the log tell"
									+ " what has become of it.")
						.withId(operation.id)
					: OperationDescriptor
						.of(what, source, "queued", OperationDescriptor.THIS_NODE,
								"It has not begun: " + THREADS
										+ " others are under way on this node. It follows in the background.")
						.withId(operation.id);
		}
		catch (ExecutionException ex) {
			if (ex.getCause() instanceof RuntimeException failure) {
				throw failure;
			}
			throw new IllegalStateException("The operation failed: " + what, ex.getCause());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(
					source, "Interrupted while waiting for '" + what + "' of source '"
							+ OperationTrail.printable(source) + "', which goes on in the background.",
					Duration.ofSeconds(1), ex);
		}
	}

	/** Ends its threads. */
	@Override
	public void close() {
		this.executor.shutdownNow();
	}

}
