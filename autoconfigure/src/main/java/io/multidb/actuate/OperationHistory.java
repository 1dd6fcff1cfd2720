package io.multidb.actuate;

import java.time.Clock;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import io.multidb.actuate.SourceDetailsDescriptor.OperationStateDescriptor;

/**
 * Remembers what operators had done to sources on this node, and what became of it: the
 * last {@value #OPERATIONS} operations of the {@value #SOURCES} sources that were
 * operated on last, which is a megabyte or two.
 * <p>
 * Thread-safe; the lock is held for a look-up only.
 */
public final class OperationHistory {

	static final int SOURCES = 1000;

	static final int OPERATIONS = 5;

	private final Clock clock;

	/** The one of which there was news last comes last; guarded by this. */
	private final Map<String, Deque<Noted>> operations = new LinkedHashMap<>();

	/**
	 * Creates a history, empty.
	 * @param clock tells when things happened; only to be shown
	 */
	public OperationHistory(Clock clock) {
		this.clock = clock;
	}

	/** An operation that is remembered. */
	final class Noted {

		private volatile OperationStateDescriptor state;

		private Noted(OperationStateDescriptor state) {
			this.state = state;
		}

		/** Its turn has come. */
		void run() {
			set("running", null, null, null);
		}

		void end(OperationDescriptor done) {
			set("done", OperationHistory.this.clock.instant(), done.outcome(), done.message());
		}

		/** It failed; the reason has no secrets. */
		void fail(String reason) {
			set("failed", OperationHistory.this.clock.instant(), null, reason);
		}

		private void set(String status, @Nullable Instant ended, @Nullable String outcome, @Nullable String message) {
			OperationStateDescriptor before = this.state;
			this.state = new OperationStateDescriptor(before.id(), before.operation(), before.by(), before.via(),
					status, before.since(), ended, outcome, message);
		}

	}

	/**
	 * Notes that an operation was asked for.
	 * @param id no other one has it, on whatever node
	 * @param source the source's name
	 */
	synchronized Noted note(String id, Operator by, String operation, String source) {
		Deque<Noted> known = this.operations.remove(source);
		if (known == null) {
			known = new ArrayDeque<>(2);
			if (this.operations.size() >= SOURCES) {
				Iterator<String> names = this.operations.keySet().iterator();
				names.next();
				names.remove();
			}
		}
		this.operations.put(source, known);
		if (known.size() >= OPERATIONS) {
			known.removeLast();
		}
		Noted noted = new Noted(new OperationStateDescriptor(id, operation, by.name(), by.via(), "queued",
				this.clock.instant(), null, null, null));
		known.addFirst(noted);
		return noted;
	}

	/**
	 * What was done to a source.
	 * @return the latest first; empty if nothing was, or it is forgotten
	 */
	synchronized List<OperationStateDescriptor> of(String source) {
		List<OperationStateDescriptor> states = new ArrayList<>();
		this.operations.getOrDefault(source, new ArrayDeque<>(0)).forEach((each) -> states.add(each.state));
		return states;
	}

}
