package io.multidb.source;

import java.time.Duration;
import java.util.List;

/**
 * Something happened in a source's life. Published as a Spring application event, on the
 * thread on which it happened; each is also one line in the log.
 */
public sealed interface SourceEvent {

	/**
	 * Which source.
	 * @return the source's name
	 */
	String source();

	/**
	 * What happened, for the log.
	 * @return a few words, without secrets
	 */
	String message();

	/**
	 * A definition was added at run time.
	 *
	 * @param source the source's name
	 * @param url its URL, masked
	 */
	record Added(String source, String url) implements SourceEvent {
		@Override
		public String message() {
			return "added, " + this.url;
		}
	}

	/**
	 * A database was created from a template by this process.
	 *
	 * @param source the source's name
	 * @param template the template
	 * @param copied whether it is a copy of another one; otherwise it was migrated
	 * @param took how long it took
	 */
	record Created(String source, String template, boolean copied, Duration took) implements SourceEvent {
		@Override
		public String message() {
			return "database created from template '" + this.template + "' in " + this.took.toMillis() + " ms"
					+ (this.copied ? ", as a copy" : "");
		}
	}

	/**
	 * Change sets were run; not published when the database was found up to date.
	 *
	 * @param source the source's name
	 * @param changeLog the change log
	 * @param took how long it took
	 */
	record Migrated(String source, String changeLog, Duration took) implements SourceEvent {
		@Override
		public String message() {
			return "migrated with " + this.changeLog + " in " + this.took.toMillis() + " ms";
		}
	}

	/**
	 * An open source was to be migrated and could not be; it goes on as it was.
	 *
	 * @param source the source's name
	 * @param changeLog the change log
	 * @param reason what happened, without secrets
	 */
	record MigrationFailed(String source, String changeLog, String reason) implements SourceEvent {
		@Override
		public String message() {
			return "not migrated with " + this.changeLog + ", and goes on as it was: "
					+ this.reason.replaceFirst("^Source '[^']*' ", "");
		}
	}

	/**
	 * A source could not be opened with another definition, and goes on with the one that
	 * it has. Published once, and again when the reason changes.
	 *
	 * @param source the source's name
	 * @param url the URL of the other one, masked
	 * @param reason what happened, without secrets
	 */
	record NotReplaced(String source, String url, String reason) implements SourceEvent {
		@Override
		public String message() {
			return "not replaced by " + this.url + ", and goes on as it was: "
					+ this.reason.replaceFirst("^Source '[^']*' ", "");
		}
	}

	/**
	 * A pool was opened.
	 *
	 * @param source the source's name
	 * @param took how long it took
	 */
	record Opened(String source, Duration took) implements SourceEvent {
		@Override
		public String message() {
			return "pool opened in " + this.took.toMillis() + " ms";
		}
	}

	/**
	 * A pool was closed.
	 *
	 * @param source the source's name
	 */
	record Closed(String source) implements SourceEvent {
		@Override
		public String message() {
			return "pool closed";
		}
	}

	/**
	 * Connections were still in use when the time that a removed, replaced or drained
	 * source gives them was over, and were closed under their users.
	 *
	 * @param source the source's name
	 * @param connections how many
	 * @param after how long they had been given
	 * @param users who used them, with the stack that took each; known only where
	 * {@code hikari.leak-detection-threshold} is set, and empty otherwise
	 */
	record Cut(String source, int connections, Duration after, List<String> users) implements SourceEvent {
		public Cut {
			users = List.copyOf(users);
		}

		@Override
		public String message() {
			return this.connections + " connections were still in use after " + this.after.toSeconds()
					+ " s and were cut" + (this.users.isEmpty() ? "" : ": " + String.join("; ", this.users));
		}
	}

	/**
	 * A source was given another definition at run time, such as a new password or
	 * address; connections still in use finish their work with the old one.
	 *
	 * @param source the source's name
	 * @param url its URL, masked
	 * @param connectionsInUse how many connections were in use
	 */
	record Replaced(String source, String url, int connectionsInUse) implements SourceEvent {
		@Override
		public String message() {
			return "replaced by " + this.url + ", " + this.connectionsInUse + " connections still in use";
		}
	}

	/**
	 * A source failed and is retried in the background. Published once, and again when
	 * the reason changes, not at every retry.
	 *
	 * @param source the source's name
	 * @param reason what happened and what to do, without secrets
	 * @param retryIn when it is tried again
	 */
	record Unavailable(String source, String reason, Duration retryIn) implements SourceEvent {
		@Override
		public String message() {
			return "unavailable, next try in " + this.retryIn.toSeconds() + " s: "
					+ this.reason.replaceFirst("^Source '[^']*' ", "");
		}
	}

	/**
	 * A source that was unavailable can be used again.
	 *
	 * @param source the source's name
	 * @param after how long it was unavailable
	 */
	record Recovered(String source, Duration after) implements SourceEvent {
		@Override
		public String message() {
			return "available again after " + this.after.toSeconds() + " s";
		}
	}

	/**
	 * The fallback of an unavailable source is used in its place. Published once, when it
	 * is used for the first time since the source is unavailable.
	 *
	 * @param source the name of the source that is unavailable
	 * @param fallback the name of its fallback
	 * @param reason why the source is unavailable, without secrets
	 */
	record FellBack(String source, String fallback, String reason) implements SourceEvent {
		@Override
		public String message() {
			return "its fallback '" + this.fallback + "' is used: " + this.reason.replaceFirst("^Source '[^']*' ", "");
		}
	}

	/**
	 * A source whose fallback was used is used itself again. Scopes that began on the
	 * fallback end there.
	 *
	 * @param source the source's name
	 * @param fallback the name of its fallback
	 */
	record Returned(String source, String fallback) implements SourceEvent {
		@Override
		public String message() {
			return "used itself again, and no more its fallback '" + this.fallback + "'";
		}
	}

	/**
	 * A source was removed at run time; connections still in use finish their work.
	 *
	 * @param source the source's name
	 * @param connectionsInUse how many connections were in use
	 */
	record Removed(String source, int connectionsInUse) implements SourceEvent {
		@Override
		public String message() {
			return "removed, " + this.connectionsInUse + " connections still in use";
		}
	}

	/**
	 * A replica takes read-only work of a source, for the first time or again.
	 *
	 * @param source the name of the source that has replicas
	 * @param replica the replica's name
	 */
	record ReplicaUsed(String source, String replica) implements SourceEvent {
		@Override
		public String message() {
			return "replica '" + this.replica + "' takes read-only work";
		}
	}

	/**
	 * A replica takes no work of a source for now; another one or the primary does.
	 *
	 * @param source the name of the source that has replicas
	 * @param replica the replica's name
	 * @param reason why, without secrets
	 * @param left how many replicas are still in use; with none, read-only work goes to
	 * the primary
	 */
	record ReplicaLeftOut(String source, String replica, String reason, int left) implements SourceEvent {
		@Override
		public String message() {
			return "replica '" + this.replica + "' is left out, "
					+ ((this.left == 0) ? "read-only work goes to the primary" : this.left + " still in use") + ": "
					+ this.reason;
		}
	}

}
