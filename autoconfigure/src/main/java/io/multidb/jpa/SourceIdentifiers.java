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
	 * Whether the tenants of a source share an identifier, and so may share a session.
	 * @return {@code false} if a session may be of one tenant only
	 */
	boolean areOfSources();

}
