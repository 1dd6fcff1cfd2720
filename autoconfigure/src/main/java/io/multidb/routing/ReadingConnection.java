package io.multidb.routing;

import java.sql.SQLException;

import io.multidb.SourceAccessDeniedException;
import io.multidb.access.Permit;

/**
 * A connection of a user who may read only, or wants to.
 */
final class ReadingConnection extends GuardedConnection {

	private final Permit permit;

	ReadingConnection(Routes.Resolution taken, Permit permit) throws SQLException {
		super(taken, true);
		this.permit = permit;
	}

	@Override
	protected SQLException writeRefused(SQLException failure) {
		SourceAccessDeniedException denied = this.permit.writeDenied();
		return (denied != null) ? RoutingDataSource.asSqlException(denied) : super.writeRefused(failure);
	}

}
