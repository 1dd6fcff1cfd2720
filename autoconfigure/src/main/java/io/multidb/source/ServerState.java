package io.multidb.source;

import org.jspecify.annotations.Nullable;

/**
 * How the budget of a database server is. Immutable snapshots, of
 * {@link SourceRegistry#servers()}.
 *
 * @param server the server's name, or its host and port
 * @param limit how many connections this process may have there, or {@code null} if the
 * server does not tell how many it has
 * @param inUse how many are lent, or are being made
 * @param idle how many are open and could be lent at once
 * @param waiting how many pools and threads wait for one to be made
 * @param stolen how many idle ones were closed, since the start, so that others could be
 * made
 */
public record ServerState(String server, @Nullable Integer limit, int inUse, int idle, int waiting, long stolen) {

}
