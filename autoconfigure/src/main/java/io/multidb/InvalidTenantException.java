package io.multidb;

import java.io.Serial;

/**
 * A tenant id is malformed. It is refused before anything is looked up for it. Over HTTP:
 * 400.
 */
public final class InvalidTenantException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String tenant;

	/**
	 * Creates the exception with the rule for tenant ids as the reason.
	 * @param tenant the malformed id
	 */
	public InvalidTenantException(String tenant) {
		this(tenant, "A tenant id has 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-', and no leading dot.");
	}

	/**
	 * Creates the exception with a reason of its own.
	 * @param tenant the malformed id
	 * @param reason why it is refused, a sentence
	 */
	public InvalidTenantException(String tenant, String reason) {
		super("Invalid tenant id \"" + printable(tenant) + "\" (length " + tenant.length() + "). " + reason);
		this.tenant = tenant;
	}

	/**
	 * The refused id, exactly as it came in: escape it before showing it to anyone.
	 * @return the malformed id
	 */
	public String tenant() {
		return this.tenant;
	}

}
