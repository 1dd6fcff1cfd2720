package io.multidb.source;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

import org.jspecify.annotations.Nullable;

/**
 * A piece of a source's I/O under way: one thread does it, others wait for how it ends.
 * What happened meanwhile is told when it is over, so that a listener may use the source.
 */
final class Transition {

	private final Thread owner = Thread.currentThread();

	private final CompletableFuture<Source.@Nullable Outcome> end = new CompletableFuture<>();

	/** Touched by the owner alone. */
	private final List<SourceEvent> events = new ArrayList<>();

	boolean isOwnedByThisThread() {
		return this.owner.equals(Thread.currentThread());
	}

	void add(SourceEvent event) {
		this.events.add(event);
	}

	List<SourceEvent> events() {
		return this.events;
	}

	/** Waits until it is over; a failure is the cause of an ExecutionException. */
	CompletableFuture<Source.@Nullable Outcome> end() {
		return this.end;
	}

}
