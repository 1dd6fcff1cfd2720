package io.multidb.fanout;

import org.jspecify.annotations.Nullable;

import io.multidb.source.Deadline;

/**
 * One source of a fan-out, from when its turn has not come to its answer. Who asks and
 * who works agree here on which of the two comes first: the answer or the deadline.
 * Thread-safe, guarded by this.
 */
final class Item<P> {

	/**
	 * What a worker came back with.
	 *
	 * @param part what is kept of the rows; {@code null} if it failed
	 * @param failure what was thrown
	 * @param nanos how long it took
	 */
	record Answer<P>(Merge.@Nullable Part<P> part, @Nullable Throwable failure, long nanos) {
	}

	/**
	 * What is there when nothing is waited for any more.
	 *
	 * @param answer the answer, if it came before
	 * @param working what works on it, if something does
	 * @param nanos how long it has
	 */
	record Closing<P>(@Nullable Answer<P> answer, @Nullable Runner working, long nanos) {
	}

	private final int index;

	private final String source;

	private boolean closed;

	private @Nullable Runner runner;

	private @Nullable Deadline deadline;

	/** In {@link System#nanoTime()}. */
	private long begunAt;

	private @Nullable Answer<P> answer;

	Item(int index, String source) {
		this.index = index;
		this.source = source;
	}

	int index() {
		return this.index;
	}

	String source() {
		return this.source;
	}

	/**
	 * A worker begins.
	 * @return {@code false} if nobody waits for it any more
	 */
	synchronized boolean begin(Runner worker, Deadline until) {
		if (this.closed) {
			return false;
		}
		this.runner = worker;
		this.deadline = until;
		this.begunAt = System.nanoTime();
		until.begin();
		return true;
	}

	/**
	 * A worker has ended.
	 * @return {@code false} if nobody waits for it any more
	 */
	synchronized boolean end(Merge.@Nullable Part<P> part, @Nullable Throwable failure) {
		this.runner = null;
		if (this.closed) {
			return false;
		}
		this.answer = new Answer<>(part, failure, System.nanoTime() - this.begunAt);
		return true;
	}

	/** Waits for no answer any more; what works on it is not ended by that. */
	synchronized Closing<P> close() {
		this.closed = true;
		Answer<P> came = this.answer;
		this.answer = null;
		return new Closing<>(came, this.runner, (this.runner != null) ? System.nanoTime() - this.begunAt : 0);
	}

	/** Ends what works on it. */
	void cut() {
		Deadline until;
		synchronized (this) {
			until = this.deadline;
		}
		if (until != null) {
			until.cut();
		}
	}

}
