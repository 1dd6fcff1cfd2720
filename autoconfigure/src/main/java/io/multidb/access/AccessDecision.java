package io.multidb.access;

import org.jspecify.annotations.Nullable;

/**
 * What a rule has decided. Immutable.
 *
 * @param allowed whether it is allowed
 * @param reason why it is not, one sentence for the log, or {@code null}
 */
public record AccessDecision(boolean allowed, @Nullable String reason) {

	private static final AccessDecision ALLOWED = new AccessDecision(true, null);

	/**
	 * It is allowed.
	 * @return the decision
	 */
	public static AccessDecision allow() {
		return ALLOWED;
	}

	/**
	 * It is not allowed.
	 * @param reason why, one sentence for the log
	 * @return the decision
	 */
	public static AccessDecision deny(String reason) {
		return new AccessDecision(false, reason);
	}

}
