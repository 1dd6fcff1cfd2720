package io.multidb.routing;

import java.sql.SQLException;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.Target;
import io.multidb.access.Permit;
import io.multidb.source.Deadline;

/**
 * A connection of a user who may read only, or wants to.
 */
final class ReadingConnection extends PermittedConnection {

	private final Permit permit;

	ReadingConnection(Routes.Resolution taken, TargetAccess access, Permit permit, @Nullable Deadline deadline)
			throws SQLException {
		super(taken, access, Operation.READ, deadline);
		this.permit = permit;
	}

	@Override
	protected SQLException writeRefused(SQLException failure) {
		// For another tenant he might write, elsewhere.
		SourceAccessDeniedException denied = Target.current().isSameAs(target()) ? this.permit.writeDenied() : null;
		return (denied != null) ? RoutingDataSource.asSqlException(denied) : super.writeRefused(failure);
	}

}
