package io.multidb.source;

import java.time.Duration;

import org.jspecify.annotations.Nullable;

/**
 * How a replica of a source is, now. Immutable snapshots, of {@link Source#replicas()}.
 *
 * @param name the replica's name
 * @param inUse whether read-only work goes there
 * @param lag how far it is behind at most, or {@code null} where that is not measured
 * @param reason why it is left out, without secrets; {@code null} if it is in use
 */
public record ReplicaState(String name, boolean inUse, @Nullable Duration lag, @Nullable String reason) {

}
