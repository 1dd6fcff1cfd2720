package io.multidb.access;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;

/**
 * A user was given a connection, or refused. Immutable.
 *
 * @param user the user's name, or {@code null} if nobody is known
 * @param tenant the tenant the work is for, also where its source was named directly, or
 * {@code null}
 * @param source the source's name
 * @param operation what was given or refused
 * @param allowed whether it was given
 * @param reason why not, or {@code null}
 */
public record AccessEvent(@Nullable String user, @Nullable String tenant, String source, Operation operation,
		boolean allowed, @Nullable String reason) {
}
