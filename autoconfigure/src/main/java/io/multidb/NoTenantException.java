package io.multidb;

import java.io.Serial;

/**
 * Database work was asked for, but no tenant is known to do it for. Over HTTP: 400.
 */
public final class NoTenantException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	public NoTenantException(String message) {
		super(message);
	}

}
