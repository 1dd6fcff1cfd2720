package io.multidb.actuate;

import java.time.Duration;
import java.time.Instant;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * One source, as an operator sees it in a list. Without secrets. What is {@code null}
 * does not appear.
 *
 * @param name its name
 * @param displayName its name for people, the attribute {@code display-name}
 * @param url its JDBC URL; values of parameters are sanitized
 * @param product what stands behind {@code jdbc:}, such as {@code postgresql}
 * @param server the database server by whose name budgets are kept; {@code null} for a
 * file
 * @param origin where its definition was found
 * @param template the template that made it
 * @param internal whether tenants never reach it
 * @param essential whether the application is down without it
 * @param readOnly whether it refuses writes
 * @param state where it is in its life
 * @param pool the figures of its pool; {@code null} if none is open
 * @param draining what is left of former pools, also of another source of this name that
 * was removed; {@code null} if all are closed
 * @param migrations how it is migrated; {@code null} if it is not
 * @param lastError what went wrong last, as far as that is remembered
 * @param fallback what is used while it is unavailable
 * @param replicas which sources are its replicas; {@code null} if it has none
 */
public record SourceDescriptor(String name, @Nullable String displayName, String url, String product,
		@Nullable String server, String origin, @Nullable String template, boolean internal, boolean essential,
		boolean readOnly, StateDescriptor state, @Nullable PoolDescriptor pool, @Nullable DrainingDescriptor draining,
		@Nullable MigrationsDescriptor migrations, @Nullable ErrorDescriptor lastError,
		@Nullable FallbackDescriptor fallback, @Nullable List<ReplicaDescriptor> replicas) {

	/**
	 * Where a source is in its life.
	 *
	 * @param status {@code cold}, {@code opening}, {@code open}, {@code unavailable},
	 * {@code draining} or {@code removed}
	 * @param since when it came there; {@code null} for a cold one
	 * @param reason why it is unavailable
	 * @param nextTry when an unavailable one is tried again
	 */
	public record StateDescriptor(String status, @Nullable Instant since, @Nullable String reason,
			@Nullable Instant nextTry) {

	}

	/**
	 * The figures of an open pool.
	 *
	 * @param active how many connections are lent
	 * @param idle how many could be lent at once
	 * @param pending how many threads wait for one
	 * @param max how many there may be
	 */
	public record PoolDescriptor(int active, int idle, int pending, int max) {

	}

	/**
	 * What is left of pools that lend no more and are not closed yet.
	 *
	 * @param connections how many connections are still in use
	 * @param since when the first of the pools was given up
	 * @param deadline when what is in use of the last one is closed under its users
	 */
	public record DrainingDescriptor(int connections, Instant since, Instant deadline) {

	}

	/**
	 * How a source is migrated.
	 *
	 * @param changeLog the change log
	 * @param status {@code up-to-date} as this process has seen it, {@code failed}, or
	 * {@code unknown} if it has not looked
	 * @param at when it was seen to be up to date
	 * @param error why it failed
	 */
	public record MigrationsDescriptor(String changeLog, String status, @Nullable Instant at, @Nullable String error) {

	}

	/**
	 * Something that went wrong.
	 *
	 * @param at when
	 * @param message what
	 */
	public record ErrorDescriptor(Instant at, String message) {

	}

	/**
	 * What is used while a source is unavailable.
	 *
	 * @param source the name of another source
	 * @param inUse whether it is used now
	 */
	public record FallbackDescriptor(String source, boolean inUse) {

	}

	/**
	 * A replica.
	 *
	 * @param source its name
	 * @param inUse whether read-only work goes there
	 * @param lag how far it is behind at most; {@code null} where that is not measured
	 * @param reason why it is left out; {@code null} if it is not
	 */
	public record ReplicaDescriptor(String source, boolean inUse, @Nullable Duration lag, @Nullable String reason) {

	}

}
