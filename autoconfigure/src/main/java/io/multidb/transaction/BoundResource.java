package io.multidb.transaction;

import org.jspecify.annotations.Nullable;

import io.multidb.source.Source;

/**
 * Something of a source that Spring keeps for the calling thread: a connection in a
 * transaction, a Hibernate session. Immutable.
 *
 * @param what what it is, for people, such as "a transaction"
 * @param source the source it works on, or {@code null} if it was opened for none
 */
public record BoundResource(String what, @Nullable Source source) {

}
