package io.multidb.jpa;

import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.jspecify.annotations.Nullable;

/**
 * Identifiers of sessions, and the source each stands for. Thread-safe.
 */
interface SourceIdentifiers extends CurrentTenantIdentifierResolver<Object> {

	/**
	 * The source of a session.
	 * @param identifier the session's identifier
	 * @return the source's name, or {@code null} for a session that was opened without
	 */
	@Nullable String sourceOf(Object identifier);

	/**
	 * Whether a session may be used under the calling thread's target.
	 * @param identifier the session's identifier
	 * @return whether it is of the same source, wherever that one's work is done now
	 */
	boolean isCurrent(Object identifier);

	/**
	 * Whether a session's work is done on the fallback of its source.
	 * @param identifier the session's identifier
	 * @return whether it is, or {@code null} where the identifier does not say
	 */
	@Nullable Boolean isOnFallback(Object identifier);

	/**
	 * Whether the tenants of a source share an identifier, and so may share a session.
	 * @return {@code false} if a session may be of one tenant only
	 */
	boolean areOfSources();

}
