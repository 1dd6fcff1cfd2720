package io.multidb.fanout;

import java.util.Locale;

import com.fasterxml.jackson.annotation.JsonValue;
import org.jspecify.annotations.Nullable;

/**
 * What became of a question to one of many sources. Immutable.
 *
 * @param source the source's name
 * @param status what became of it
 * @param count how many rows it gave; 0 unless it is completed
 * @param milliseconds how long it took, or was waited for; 0 if its turn did not come
 * @param failure what happened, in one sentence; {@code null} if it is completed
 */
public record SourceOutcome(String source, Status status, long count, long milliseconds, @Nullable String failure) {

	/** What may become of a question. */
	public enum Status {

		/** It was answered, and its rows are part of the result. */
		COMPLETED,

		/** The work threw, or the calling thread was interrupted. */
		FAILED,

		/** It had not ended at the deadline; its statement was cancelled. */
		TIMED_OUT,

		/** The caller may not use the source. */
		REFUSED,

		/** The source cannot be used now. */
		UNAVAILABLE;

		/** In lower case with dashes, as in JSON: {@code timed-out}. */
		@Override
		@JsonValue
		public String toString() {
			return name().toLowerCase(Locale.ROOT).replace('_', '-');
		}

	}

	/**
	 * Whether the source's rows are part of the result.
	 * @return whether it is completed
	 */
	public boolean completed() {
		return this.status == Status.COMPLETED;
	}

}
