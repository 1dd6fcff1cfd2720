package io.multidb.access;

import org.jspecify.annotations.Nullable;

/**
 * The permissions that users have on sources, such as those of a catalog. Asked for every
 * connection, by many threads: kept in memory, and changed there when the table changes.
 */
public interface Grants {

	/**
	 * Finds what a user was granted on the whole of a source.
	 * @param user the user's name
	 * @param source the source's name
	 * @return the permission, or {@code null} if there is none
	 */
	@Nullable Permission find(String user, String source);

	/**
	 * Finds what a user was granted for one tenant in a source. By default a permission
	 * on a source is one for the tenant of its own name, and for no other: those that
	 * share a source need permissions of their own, which this method finds.
	 * @param user the user's name
	 * @param source the source's name
	 * @param tenant the tenant whose route leads to the source
	 * @return the permission, or {@code null} if there is none
	 */
	default @Nullable Permission find(String user, String source, String tenant) {
		return tenant.equals(source) ? find(user, source) : null;
	}

	/**
	 * Whether nobody may use a source without a permission. {@code true} also for a name
	 * that no source bears, so that nobody can find out by asking which exist.
	 * @param source the source's name
	 * @return {@code false} for a source that is open to all
	 */
	boolean isGoverned(String source);

}
