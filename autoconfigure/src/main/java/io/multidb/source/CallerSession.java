package io.multidb.source;

import org.jspecify.annotations.Nullable;

/**
 * Tells whose work a thread does, finer than by tenant: who has just written reads from
 * the primary for a while, others from replicas. A bean of this type replaces the one
 * that takes the id of the HTTP session. Must be thread-safe, quick, and create nothing.
 */
@FunctionalInterface
public interface CallerSession {

	/** Knows no sessions: what anybody of a tenant writes counts for all of it. */
	CallerSession NONE = () -> null;

	/**
	 * The session of the calling thread.
	 * @return an id that no other session of the tenant has, or {@code null} for none
	 */
	@Nullable String id();

}
