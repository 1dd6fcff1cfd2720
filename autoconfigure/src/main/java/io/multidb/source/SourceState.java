package io.multidb.source;

import java.time.Instant;

/**
 * Where a source is in its life. Immutable snapshots; {@link Source#state()} gives the
 * current one.
 */
public sealed interface SourceState {

	/** Known, but nothing of it is open; it costs nothing. */
	record Cold() implements SourceState {
	}

	/**
	 * One thread is creating, migrating or connecting; others wait for it.
	 *
	 * @param since when it began
	 */
	record Opening(Instant since) implements SourceState {
	}

	/**
	 * Its pool is open.
	 *
	 * @param since when it was opened
	 */
	record Open(Instant since) implements SourceState {
	}

	/**
	 * It failed; its users are refused at once until a retry in the background succeeds.
	 * If it could not reach its server, its next use tries as soon as another source of
	 * that server could be connected.
	 *
	 * @param since when it failed first
	 * @param reason what happened and what to do, without secrets
	 * @param nextTry when it is tried again in the background
	 */
	record Unavailable(Instant since, String reason, Instant nextTry) implements SourceState {
	}

	/**
	 * It takes no new work; its pool closes when the last connection comes back.
	 *
	 * @param since when it was removed
	 */
	record Draining(Instant since) implements SourceState {
	}

	/** Gone for good; a source of the same name would be another one. */
	record Removed() implements SourceState {
	}

}
