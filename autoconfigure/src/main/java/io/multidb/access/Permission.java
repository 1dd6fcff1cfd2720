package io.multidb.access;

import java.time.Instant;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;

/**
 * What a user was granted on a source. Immutable.
 *
 * @param level how much
 * @param grantedBy who has granted it, or {@code null} if that is not known
 * @param grantedAt when, or {@code null} if that is not known
 */
public record Permission(Level level, @Nullable String grantedBy, @Nullable Instant grantedAt) {

	/** How much a permission allows. */
	public enum Level {

		/** To read. */
		READ,

		/** To read and to write. */
		ADMIN

	}

	/**
	 * Whether it allows an operation.
	 * @param operation what is wanted
	 * @return whether it does
	 */
	public boolean allows(Operation operation) {
		return operation == Operation.READ || this.level == Level.ADMIN;
	}

}
