package io.multidb.transaction;

import org.jspecify.annotations.Nullable;

/**
 * Tells of a resource that is bound to the thread whether it is the router's, and which
 * source it belongs to.
 */
@FunctionalInterface
public interface BoundResourceReader {

	/**
	 * Looks at a resource of Spring's {@code TransactionSynchronizationManager}.
	 * @param key what it is bound for
	 * @param resource the resource
	 * @return what it is, or {@code null} if it is not the router's
	 */
	@Nullable BoundResource read(Object key, Object resource);

}
