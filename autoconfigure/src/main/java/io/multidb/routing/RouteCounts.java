package io.multidb.routing;

import java.sql.SQLException;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

import org.jspecify.annotations.Nullable;

import io.multidb.InvalidTenantException;
import io.multidb.NoTenantException;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;

/**
 * How often a {@link RoutingDataSource} was asked for a connection, by what became of
 * that. Thread-safe.
 */
public final class RouteCounts {

	/** What may become of asking for a connection. */
	public enum Outcome {

		/** There was one. */
		ROUTED,

		/** No tenant or source is current. */
		NO_TENANT,

		/** The tenant's id cannot be one. */
		INVALID_TENANT,

		/** No route leads from the tenant to a source that is there. */
		UNKNOWN_TENANT,

		/** The source that was named is not there. */
		UNKNOWN_SOURCE,

		/** The user may not use the source. */
		REFUSED,

		/** The source cannot be used now, or has no connection left. */
		UNAVAILABLE,

		/** Anything else. */
		FAILED;

		/** In lower case with dashes, as in a tag: {@code no-tenant}. */
		@Override
		public String toString() {
			return name().toLowerCase(Locale.ROOT).replace('_', '-');
		}

		static Outcome of(Throwable failure) {
			Throwable cause = (failure instanceof SQLException && failure.getCause() != null) ? failure.getCause()
					: failure;
			return of(cause, FAILED);
		}

		private static Outcome of(@Nullable Throwable cause, Outcome otherwise) {
			if (cause instanceof SourceUnavailableException) {
				return UNAVAILABLE;
			}
			if (cause instanceof SourceAccessDeniedException) {
				return REFUSED;
			}
			if (cause instanceof UnknownTenantException) {
				return UNKNOWN_TENANT;
			}
			if (cause instanceof UnknownSourceException) {
				return UNKNOWN_SOURCE;
			}
			if (cause instanceof NoTenantException) {
				return NO_TENANT;
			}
			return (cause instanceof InvalidTenantException) ? INVALID_TENANT : otherwise;
		}

	}

	/** Of all of them by far the most. */
	private final LongAdder routed = new LongAdder();

	private final Map<Outcome, LongAdder> others = new ConcurrentHashMap<>();

	void routed() {
		this.routed.increment();
	}

	void failed(Throwable failure) {
		this.others.computeIfAbsent(Outcome.of(failure), (outcome) -> new LongAdder()).increment();
	}

	/**
	 * How often it came to that.
	 * @param outcome what became of asking
	 * @return how often since the start
	 */
	public long count(Outcome outcome) {
		LongAdder count = (outcome == Outcome.ROUTED) ? this.routed : this.others.get(outcome);
		return (count != null) ? count.sum() : 0;
	}

}
