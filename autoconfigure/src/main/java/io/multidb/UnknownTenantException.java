package io.multidb;

import java.io.Serial;

/**
 * A well-formed tenant has no route, or its database does not exist. Over HTTP: 404.
 */
public final class UnknownTenantException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String tenant;

	/**
	 * Creates the exception.
	 * @param tenant the tenant
	 * @param reason what is missing and what to do, whole sentences
	 */
	public UnknownTenantException(String tenant, String reason) {
		super("Unknown tenant '" + printable(tenant) + "'. " + reason);
		this.tenant = tenant;
	}

	/**
	 * The tenant that is unknown.
	 * @return the tenant's id
	 */
	public String tenant() {
		return this.tenant;
	}

}
