package io.multidb.transaction;

import org.jspecify.annotations.Nullable;

import io.multidb.source.Source;

/**
 * Something of the router that Spring has bound to the thread.
 *
 * @param what what it is, for people, such as "an open Hibernate session"
 * @param source the source it belongs to, or {@code null} if it was opened without any
 */
public record BoundResource(String what, @Nullable Source source) {

}
