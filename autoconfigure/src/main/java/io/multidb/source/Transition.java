package io.multidb.source;

import java.util.concurrent.CompletableFuture;

import org.jspecify.annotations.Nullable;

/**
 * A piece of a source's I/O under way: one thread does it, others wait for how it ends.
 */
final class Transition {

	/** What it may end with. */
	enum Outcome {

		/** Done by this call. */
		DONE,

		/** It had been done before. */
		ALREADY,

		/**
		 * The source is gone; the registry knows whether there is another of its name.
		 */
		GONE

	}

	private final Thread owner = Thread.currentThread();

	private final CompletableFuture<@Nullable Outcome> end = new CompletableFuture<>();

	boolean isOwnedByThisThread() {
		return this.owner.equals(Thread.currentThread());
	}

	/** Waits until it is over; a failure is the cause of an ExecutionException. */
	CompletableFuture<@Nullable Outcome> end() {
		return this.end;
	}

}
