package io.multidb.transaction;

import org.jspecify.annotations.Nullable;

/**
 * Recognises a kind of {@link BoundResource} among what Spring's
 * {@link org.springframework.transaction.support.TransactionSynchronizationManager} keeps
 * for the calling thread. Thread-safe.
 */
public interface BoundResourceReader {

	/**
	 * Looks at one resource of the calling thread.
	 * @param key the key it is bound to, such as a DataSource
	 * @param resource the resource, such as a holder of a connection
	 * @return what it is, or {@code null} if it has nothing to do with this reader's
	 * router
	 */
	@Nullable BoundResource read(Object key, Object resource);

	/**
	 * Closes a resource that {@link #read} recognises and that was left open, without
	 * committing anything. By default it is left to the garbage collector.
	 * @param resource the resource, no longer bound
	 */
	default void discard(Object resource) {
	}

}
