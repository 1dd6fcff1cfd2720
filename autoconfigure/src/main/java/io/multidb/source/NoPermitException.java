package io.multidb.source;

import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;

import org.jspecify.annotations.Nullable;

/**
 * The budget of a database server has no room for another connection. Says nothing
 * against the source that wanted it.
 */
final class NoPermitException extends SQLTransientConnectionException {

	private static final long serialVersionUID = 1L;

	/** PostgreSQL's too_many_connections. */
	private static final String TOO_MANY_CONNECTIONS = "53300";

	NoPermitException(String message, @Nullable SQLException cause) {
		super(message, TOO_MANY_CONNECTIONS, cause);
	}

}
