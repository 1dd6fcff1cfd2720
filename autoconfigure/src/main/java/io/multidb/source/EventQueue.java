package io.multidb.source;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;

/**
 * Tells what happens to one source in the order in which it happened, whichever threads
 * tell it. Adding costs nothing and may be done under a lock; publishing calls listeners,
 * one event at a time. Thread-safe.
 */
final class EventQueue {

	private final Consumer<SourceEvent> listeners;

	/** Guarded by this; {@code null} when there is none: most sources never have one. */
	private @Nullable Queue<SourceEvent> events;

	/** How often publishing was asked for since somebody is at it; guarded by this. */
	private int asked;

	EventQueue(Consumer<SourceEvent> listeners) {
		this.listeners = listeners;
	}

	synchronized void add(SourceEvent event) {
		if (this.events == null) {
			this.events = new ArrayDeque<>();
		}
		this.events.add(event);
	}

	private synchronized @Nullable SourceEvent poll() {
		SourceEvent first = (this.events != null) ? this.events.poll() : null;
		if (first == null) {
			this.events = null;
		}
		return first;
	}

	/** Returns at once if another thread, or a caller of this one, is at it. */
	void publish() {
		if (ask() > 1) {
			return;
		}
		int seen = 1;
		try {
			while (seen > 0) {
				for (SourceEvent event = poll(); event != null; event = poll()) {
					this.listeners.accept(event);
				}
				seen = answered(seen);
			}
		}
		finally {
			if (seen > 0) {
				// A listener ended this thread; the next one goes on.
				answeredAll();
			}
		}
	}

	private synchronized int ask() {
		return ++this.asked;
	}

	private synchronized int answered(int seen) {
		this.asked -= seen;
		return this.asked;
	}

	private synchronized void answeredAll() {
		this.asked = 0;
	}

}
