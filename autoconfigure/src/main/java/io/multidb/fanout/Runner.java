package io.multidb.fanout;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * A thread that works for one fan-out, on one source after another, and its place among
 * all that work. Thread-safe.
 */
final class Runner {

	private static final int WORKING = 0;

	private static final int GIVEN_UP = 1;

	private static final int ENDED = 2;

	private final Workers workers;

	private final Workers.Kind kind;

	private final AtomicInteger state = new AtomicInteger(WORKING);

	/** When it began with what it does, in {@link System#nanoTime()}. */
	private volatile long since = System.nanoTime();

	Runner(Workers workers, Workers.Kind kind) {
		this.workers = workers;
		this.kind = kind;
	}

	void next() {
		this.since = System.nanoTime();
	}

	boolean isWorking() {
		return this.state.get() == WORKING;
	}

	/** For how many nanoseconds it has worked on what it does. */
	long busyFor(long now) {
		return now - this.since;
	}

	/** Nobody waits for it any more: its place is another's. */
	void giveUp() {
		if (this.state.compareAndSet(WORKING, GIVEN_UP)) {
			this.workers.late().incrementAndGet();
			this.workers.release(this.kind);
		}
	}

	/** It has ended. */
	void end() {
		if (this.state.getAndSet(ENDED) == GIVEN_UP) {
			this.workers.late().decrementAndGet();
		}
		else {
			this.workers.release(this.kind);
		}
	}

}
