package io.multidb.access;

import org.jspecify.annotations.Nullable;

/**
 * Knows the user for whom the calling thread works. A bean of this type takes the place
 * of Spring Security's user. Called by many threads, for every connection; must not
 * throw. The rules are not asked about connections that it takes itself, which are apart
 * from the calling thread's transaction.
 */
@FunctionalInterface
public interface CurrentUser {

	/** Nobody is ever known but those whom {@link UserContext} names. */
	CurrentUser NONE = () -> null;

	/**
	 * The user of the calling thread.
	 * @return the user's name, or {@code null} if nobody is known
	 */
	@Nullable String name();

}
