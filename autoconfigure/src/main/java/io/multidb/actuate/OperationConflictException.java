package io.multidb.actuate;

import java.io.Serial;

import io.multidb.MultiDbException;

/**
 * An operation cannot be done as things stand: a name is taken, or the source is not of
 * the kind that can be changed so.
 */
final class OperationConflictException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	OperationConflictException(String message) {
		super(message);
	}

}
