package io.multidb.source;

import java.util.concurrent.CompletableFuture;

import org.jspecify.annotations.Nullable;

/**
 * A piece of a source's I/O under way: one thread does it, others wait for how it ends.
 */
final class Transition {

	private final Thread owner = Thread.currentThread();

	private final CompletableFuture<Source.@Nullable Outcome> end = new CompletableFuture<>();

	boolean isOwnedByThisThread() {
		return this.owner.equals(Thread.currentThread());
	}

	/** Waits until it is over; a failure is the cause of an ExecutionException. */
	CompletableFuture<Source.@Nullable Outcome> end() {
		return this.end;
	}

}
