package io.multidb.routing;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;

import io.multidb.InvalidDatasourcesException;
import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.source.Deadline;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

/**
 * Has a route's sources compared with those that were recorded: by one thread at a time,
 * until that has succeeded once. What failed is not tried again for a second, so that
 * whoever waited for a failing attempt does not make the next one.
 * <p>
 * Thread-safe. {@code lock} is held while it is done, and waited for as long as for a
 * connection.
 */
public final class Comparison {

	private static final Duration RETRY = Duration.ofSeconds(1);

	private final SourceRegistry registry;

	private final Shards shards;

	private final String source;

	private final Consumer<Comparison> compare;

	private final ReentrantLock lock = new ReentrantLock();

	private volatile boolean done;

	/** Guarded by lock. */
	private @Nullable MultiDbException failure;

	/** It was refused for what may be over in a moment; guarded by lock. */
	private boolean refused;

	/** In {@link System#nanoTime()}: until when that is a good enough answer. */
	private long failedUntil;

	/**
	 * Creates a comparison that is still to be done.
	 * @param registry where sources are found
	 * @param shards the route's sources
	 * @param source the name of the source that is waited for, and unavailable if they
	 * cannot be compared
	 * @param compare compares them, and throws what is to be remembered
	 */
	public Comparison(SourceRegistry registry, Shards shards, String source, Consumer<Comparison> compare) {
		this.registry = registry;
		this.shards = shards;
		this.source = source;
		this.compare = compare;
	}

	/**
	 * Whether it was done.
	 * @return whether it has succeeded, and nothing has changed since
	 */
	public boolean isDone() {
		return this.done;
	}

	/** It has to be done again. */
	public void begin() {
		this.done = false;
	}

	/**
	 * Does it unless it was done, for a tenant, who can do nothing about what is wrong
	 * with the list, and of whom there may be many.
	 * @throws SourceUnavailableException if it fails, or has failed within the last
	 * second
	 */
	public void ensureDoneNow() {
		try {
			ensureDone(true);
		}
		catch (InvalidDatasourcesException ex) {
			throw unavailable(String.valueOf(ex.getMessage()), ex);
		}
	}

	/**
	 * Does it unless it was done, however it ended before.
	 * @throws InvalidDatasourcesException if the list is not the recorded one or its
	 * successor
	 * @throws SourceUnavailableException if that cannot be told now
	 */
	public void ensureDone() {
		ensureDone(false);
	}

	private void ensureDone(boolean remembering) {
		if (this.done) {
			return;
		}
		lock();
		try {
			if (this.done) {
				return;
			}
			MultiDbException failed = this.failure;
			if (remembering && failed != null && System.nanoTime() - this.failedUntil < 0) {
				throw failed;
			}
			this.failure = null;
			this.refused = false;
			try {
				this.compare.accept(this);
				this.done = true;
			}
			catch (MultiDbException ex) {
				if (!this.refused && !isOverForThisThread()) {
					this.failure = ex;
					this.failedUntil = System.nanoTime() + RETRY.toNanos();
				}
				throw ex;
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	private void lock() {
		if (this.lock.isHeldByCurrentThread()) {
			throw unavailable("The list of sources " + this.shards + " is being compared with the recorded one by this"
					+ " very thread: what runs while a source is opened, such as a listener of SourceEvent.Opened or a"
					+ " migration, must not use a tenant that has no place yet.", null);
		}
		Source waitedFor = this.registry.find(this.source);
		Duration patience = (waitedFor != null) ? waitedFor.patience() : RETRY;
		try {
			if (!this.lock.tryLock(patience.toMillis(), TimeUnit.MILLISECONDS)) {
				throw unavailable("The list of sources " + this.shards
						+ " is still being compared with the recorded one by another thread after "
						+ patience.toMillis() + " ms. Try again later.", null);
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw unavailable("Interrupted while the list of sources " + this.shards + " was being compared.", ex);
		}
	}

	/**
	 * Whether a failure is this thread's alone, and says nothing of what others would
	 * find.
	 */
	static boolean isOverForThisThread() {
		Deadline deadline = Deadline.of(Target.current());
		return Thread.currentThread().isInterrupted() || (deadline != null && deadline.left() <= 0);
	}

	/**
	 * Refuses to wait for sources of the list that are being opened: a migration that
	 * takes its time holds up no start. To be called by what compares, and not
	 * remembered.
	 * @throws SourceUnavailableException if one is
	 */
	public void refuseOpening() {
		for (String name : this.shards.sources()) {
			Source opening = this.registry.find(name);
			if (opening != null && opening.state() instanceof SourceState.Opening) {
				this.refused = true;
				throw new SourceUnavailableException(name, "Source '" + name + "' is being opened or migrated.", RETRY,
						null);
			}
		}
	}

	private SourceUnavailableException unavailable(String why, @Nullable Throwable cause) {
		return new SourceUnavailableException(this.source, why, RETRY, cause);
	}

}
