package io.multidb.actuate;

import java.time.Clock;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import org.springframework.context.event.EventListener;

import io.multidb.actuate.SourceDescriptor.ErrorDescriptor;
import io.multidb.actuate.SourceDetailsDescriptor.EventDescriptor;
import io.multidb.source.SourceEvent;

/**
 * Remembers what happened to sources lately: the last {@value #EVENTS} events of the
 * {@value #SOURCES} sources of which there was news last, and the last error of as many.
 * That is some ten megabytes at most, if all of them fail again and again, and nothing
 * for sources that were never used.
 * <p>
 * Thread-safe; the lock is held for a look-up only.
 */
public final class SourceHistory {

	static final int SOURCES = 1000;

	static final int EVENTS = 20;

	private final Clock clock;

	/** In the order of their last news, the oldest first; guarded by this. */
	private final Map<String, Deque<Happening>> events = new LinkedHashMap<>(16, 0.75f, true);

	/** The oldest first; guarded by this. */
	private final Map<String, ErrorDescriptor> errors = new LinkedHashMap<>();

	/** Sources that could not be migrated while open, at some time; guarded by this. */
	private final Map<String, Boolean> failedMigrations = new LinkedHashMap<>();

	private record Happening(Instant at, SourceEvent event) {
	}

	/**
	 * Creates a history, empty.
	 * @param clock tells when things happened; only to be shown
	 */
	public SourceHistory(Clock clock) {
		this.clock = clock;
	}

	/**
	 * Notes what happened.
	 * @param event what
	 */
	@EventListener
	public void on(SourceEvent event) {
		Instant now = this.clock.instant();
		synchronized (this) {
			Deque<Happening> known = this.events.get(event.source());
			if (known == null) {
				if (this.events.size() >= SOURCES) {
					// A catalog adds a hundred thousand at once.
					if (event instanceof SourceEvent.Added) {
						noteError(now, event);
						return;
					}
					removeFirst(this.events);
				}
				known = new ArrayDeque<>(4);
				this.events.put(event.source(), known);
			}
			if (known.size() >= EVENTS) {
				known.removeLast();
			}
			known.addFirst(new Happening(now, event));
			noteError(now, event);
		}
	}

	private void noteError(Instant now, SourceEvent event) {
		String message = null;
		if (event instanceof SourceEvent.Unavailable unavailable) {
			message = unavailable.reason();
		}
		else if (event instanceof SourceEvent.Cut || event instanceof SourceEvent.ReplicaLeftOut
				|| event instanceof SourceEvent.MigrationFailed || event instanceof SourceEvent.NotReplaced) {
			message = event.message();
		}
		if (message != null) {
			put(this.errors, event.source(), new ErrorDescriptor(now, message));
		}
		if (event instanceof SourceEvent.MigrationFailed) {
			put(this.failedMigrations, event.source(), true);
		}
		else if (event instanceof SourceEvent.Added) {
			// Another source of that name.
			this.errors.remove(event.source());
			this.failedMigrations.remove(event.source());
		}
	}

	private static <T> void put(Map<String, T> errors, String source, T error) {
		errors.remove(source);
		if (errors.size() >= SOURCES) {
			removeFirst(errors);
		}
		errors.put(source, error);
	}

	private static void removeFirst(Map<String, ?> map) {
		Iterator<String> names = map.keySet().iterator();
		names.next();
		names.remove();
	}

	/**
	 * What happened to a source.
	 * @param source its name
	 * @return the latest first; empty if nothing did, or it is forgotten
	 */
	List<EventDescriptor> events(String source) {
		List<Happening> copy;
		synchronized (this) {
			copy = new ArrayList<>(this.events.getOrDefault(source, new ArrayDeque<>(0)));
		}
		List<EventDescriptor> described = new ArrayList<>(copy.size());
		copy.forEach(
				(each) -> described.add(new EventDescriptor(each.at(), type(each.event()), each.event().message())));
		return Collections.unmodifiableList(described);
	}

	/** In lower case with dashes, as in {@code replica-left-out}. */
	private static String type(SourceEvent event) {
		return event.getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])", "-").toLowerCase(Locale.ROOT);
	}

	/** What went wrong with a source last; {@code null} for nothing that is known. */
	synchronized @Nullable ErrorDescriptor lastError(String source) {
		return this.errors.get(source);
	}

	/** The names of sources that could not be migrated at some time; the last 1,000. */
	synchronized List<String> failedMigrations() {
		return List.copyOf(this.failedMigrations.keySet());
	}

}
