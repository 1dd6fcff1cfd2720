package io.multidb.source;

import java.sql.SQLException;
import java.util.Set;

import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * Why PostgreSQL refuses a connection with "too many connections", which it says of the
 * server, of a role and of a database alike.
 */
final class PostgresRefusal {

	private static final String DRIVERS_EXCEPTION = "org.postgresql.util.PSQLException";

	/**
	 * Which functions of PostgreSQL find the limit of a role and of a database reached.
	 */
	private static final Set<String> OF_ROLE_OR_DATABASE = Set.of("InitializeSessionUserId", "CheckMyDatabase");

	private PostgresRefusal() {
	}

	/** Whether the server has no connection left for anybody. */
	static boolean isOfServer(SQLException failure) {
		return ConnectFailure.isOfTooManyConnections(failure)
				&& (!failure.getClass().getName().equals(DRIVERS_EXCEPTION) || !Driver.isOfRoleOrDatabase(failure));
	}

	/** Loaded where the driver is there. */
	private static final class Driver {

		static boolean isOfRoleOrDatabase(SQLException failure) {
			ServerErrorMessage message = ((PSQLException) failure).getServerErrorMessage();
			String routine = (message != null) ? message.getRoutine() : null;
			return routine != null && OF_ROLE_OR_DATABASE.contains(routine);
		}

	}

}
