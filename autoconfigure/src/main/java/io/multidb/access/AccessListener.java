package io.multidb.access;

/**
 * Told of every connection that a user was given, and of every refusal. Called on the
 * thread that asked, by many; must be quick. Connections that it takes itself are apart
 * from that thread's transaction.
 */
@FunctionalInterface
public interface AccessListener {

	/** Listens to nothing. */
	AccessListener NONE = (event) -> {
	};

	/**
	 * Something was decided.
	 * @param event what
	 */
	void decided(AccessEvent event);

}
