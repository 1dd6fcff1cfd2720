package io.multidb.access;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;

/**
 * The rule that a user needs a permission. It binds those sources only that its
 * {@link Grants} govern; all others are open. A permission for a source that does not
 * exist allows nothing. Thread-safe.
 */
public final class GrantedAccess implements SourceAccess {

	private final Grants grants;

	/**
	 * Creates the rule.
	 * @param grants the permissions
	 */
	public GrantedAccess(Grants grants) {
		this.grants = grants;
	}

	@Override
	public AccessDecision decide(@Nullable String user, @Nullable String tenant, String source, Operation operation) {
		if (!this.grants.isGoverned(source)) {
			return AccessDecision.allow();
		}
		if (user == null) {
			return AccessDecision.deny("It needs a permission, and no user is known.");
		}
		Permission permission = (tenant != null) ? this.grants.find(user, source, tenant)
				: this.grants.find(user, source);
		if (permission == null) {
			return AccessDecision.deny("The user has no permission there.");
		}
		return permission.allows(operation) ? AccessDecision.allow()
				: AccessDecision.deny("The user's permission is to read only.");
	}

}
