package io.multidb.source;

/**
 * The figures of a source's open pool. Immutable snapshots, of
 * {@link Source#poolState()}.
 *
 * @param active how many connections are lent
 * @param idle how many could be lent at once
 * @param waiting how many threads wait for one
 * @param max how many there may be
 */
public record PoolState(int active, int idle, int waiting, int max) {

}
