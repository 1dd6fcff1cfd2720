package io.multidb.source;

import java.time.Instant;

/**
 * What is left of a source's former pools, which lend no more and are not closed yet.
 * Immutable snapshots, of {@link Source#drainState()}.
 *
 * @param connections how many connections are still in use
 * @param since when the first of the pools was given up; only to be shown
 * @param deadline when what is in use of the last one is closed under its users; only to
 * be shown
 */
public record DrainState(int connections, Instant since, Instant deadline) {

}
