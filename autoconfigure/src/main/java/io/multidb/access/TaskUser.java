package io.multidb.access;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

import org.jspecify.annotations.Nullable;

/**
 * Whose work a task is: taken on the thread that submits it, and in force on the thread
 * that runs it, whatever else that thread may have left of others. For what takes targets
 * to other threads; applications use {@link UserContext}. Immutable and thread-safe.
 * <p>
 * In force means: a user whom the task itself makes known, such as by setting Spring
 * Security's context, counts; one whom the thread had before the task began does not.
 */
public final class TaskUser {

	/** Nobody, taken where no {@link Access} is in force. */
	private static final TaskUser NOBODY = new TaskUser(null, List.of());

	private static final ThreadLocal<@Nullable Span> CURRENT = new ThreadLocal<>();

	/**
	 * Those of all application contexts of this JVM that have rules. Replaced under the
	 * class's lock, read without.
	 */
	private static volatile CurrentUser[] known = {};

	private final @Nullable String named;

	private final List<Taken> taken;

	/** What one context took for the user, or nobody. */
	private record Taken(CurrentUser by, @Nullable String user) {
	}

	private TaskUser(@Nullable String named, List<Taken> taken) {
		this.named = named;
		this.taken = taken;
	}

	/**
	 * The user of the calling thread.
	 * @return the user, who may be nobody
	 */
	public static TaskUser current() {
		Span span = CURRENT.get();
		if (span != null && span.user().named != null) {
			return span.user();
		}
		CurrentUser[] all = known;
		if (all.length == 0) {
			return NOBODY;
		}
		List<Taken> taken = new ArrayList<>(all.length);
		for (CurrentUser each : all) {
			taken.add(new Taken(each, name(each)));
		}
		return new TaskUser(null, taken);
	}

	/**
	 * Nobody, for work that is not its submitter's.
	 * @return nobody
	 */
	public static TaskUser none() {
		return NOBODY;
	}

	/**
	 * Ends all spans of the calling thread, for whoever begins something new on a thread
	 * on which something else may have left one open.
	 */
	public static void endAll() {
		CURRENT.remove();
	}

	static TaskUser named(String user) {
		return new TaskUser(user, List.of());
	}

	/** Whether the calling thread works for this user because somebody has said so. */
	static boolean isNamed(String user) {
		Span span = CURRENT.get();
		return span != null && user.equals(span.user().named);
	}

	/**
	 * Works for this user on the calling thread, until the span is closed there.
	 * @return the span
	 */
	public Span enter() {
		CurrentUser[] all = known;
		Span former = CURRENT.get();
		if (all.length == 0 && this.named == null && former == null) {
			return Span.NOTHING;
		}
		List<Taken> left = new ArrayList<>(all.length);
		for (CurrentUser each : all) {
			left.add(new Taken(each, each.name()));
		}
		Span span = new Span(this, left, former);
		CURRENT.set(span);
		return span;
	}

	/** The user of the calling thread, as one context knows users. */
	static @Nullable String name(CurrentUser by) {
		Span span = CURRENT.get();
		if (span == null) {
			return by.name();
		}
		if (span.user().named != null) {
			return span.user().named;
		}
		String live = by.name();
		return (live != null && !live.equals(find(span.left, by))) ? live : find(span.user().taken, by);
	}

	@SuppressWarnings("ReferenceEquality") // two contexts may have equal ones
	private static @Nullable String find(List<Taken> users, CurrentUser by) {
		for (Taken each : users) {
			if (each.by() == by) {
				return each.user();
			}
		}
		return null;
	}

	static synchronized void register(CurrentUser user) {
		CurrentUser[] more = Arrays.copyOf(known, known.length + 1);
		more[known.length] = user;
		known = more;
	}

	static synchronized void unregister(CurrentUser user) {
		List<CurrentUser> fewer = new ArrayList<>(List.of(known));
		fewer.remove(user);
		known = fewer.toArray(new CurrentUser[0]);
	}

	@Override
	public boolean equals(@Nullable Object other) {
		return other instanceof TaskUser user && Objects.equals(this.named, user.named)
				&& this.taken.equals(user.taken);
	}

	@Override
	public int hashCode() {
		return Objects.hash(this.named, this.taken);
	}

	@Override
	public String toString() {
		return (this.named != null) ? this.named : this.taken.toString();
	}

	/**
	 * The span in which a thread works for a user. Belongs to that thread.
	 */
	public static final class Span implements AutoCloseable {

		private static final Span NOTHING = new Span(NOBODY, List.of(), null);

		private final TaskUser user;

		/** Whom the thread had when this began, of whoever it was then. */
		private final List<Taken> left;

		private final @Nullable Span former;

		private Span(TaskUser user, List<Taken> left, @Nullable Span former) {
			this.user = user;
			this.left = left;
			this.former = former;
		}

		private TaskUser user() {
			return this.user;
		}

		/** Puts back what was there before, on the same thread. */
		@Override
		public void close() {
			if (this == NOTHING) {
				return;
			}
			if (this.former != null) {
				CURRENT.set(this.former);
			}
			else {
				CURRENT.remove();
			}
		}

	}

}
