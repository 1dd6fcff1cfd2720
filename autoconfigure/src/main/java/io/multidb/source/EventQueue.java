package io.multidb.source;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * Tells what happens to one source in the order in which it happened, whichever threads
 * tell it. Adding costs nothing and may be done under a lock; publishing calls listeners,
 * one event at a time. Thread-safe.
 */
final class EventQueue {

	private final Consumer<SourceEvent> listeners;

	private final Queue<SourceEvent> events = new ConcurrentLinkedQueue<>();

	/** How often publishing was asked for while somebody was at it. */
	private final AtomicInteger asked = new AtomicInteger();

	EventQueue(Consumer<SourceEvent> listeners) {
		this.listeners = listeners;
	}

	void add(SourceEvent event) {
		this.events.add(event);
	}

	/** Returns at once if another thread, or a caller of this one, is at it. */
	void publish() {
		if (this.asked.getAndIncrement() > 0) {
			return;
		}
		int seen = 1;
		try {
			while (seen > 0) {
				for (SourceEvent event = this.events.poll(); event != null; event = this.events.poll()) {
					this.listeners.accept(event);
				}
				seen = this.asked.addAndGet(-seen);
			}
		}
		finally {
			if (seen > 0) {
				// A listener ended this thread; the next one goes on.
				this.asked.set(0);
			}
		}
	}

}
