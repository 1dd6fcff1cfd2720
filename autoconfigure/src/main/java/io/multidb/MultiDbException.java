package io.multidb;

import java.io.Serial;

import org.jspecify.annotations.Nullable;

/**
 * The root of all exceptions of this library. From JDBC methods they come as the cause of
 * an {@link java.sql.SQLTransientConnectionException} when trying again may help, and of
 * an {@link java.sql.SQLNonTransientConnectionException} when it cannot.
 */
public abstract class MultiDbException extends RuntimeException {

	@Serial
	private static final long serialVersionUID = 1L;

	protected MultiDbException(String message) {
		super(message);
	}

	protected MultiDbException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
