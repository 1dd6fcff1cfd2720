package io.multidb.routing;

import java.sql.SQLException;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Operation;
import io.multidb.Target;
import io.multidb.source.Deadline;
import io.multidb.source.Source;

/**
 * A connection that was taken under rules. They are asked again about each other target
 * of its source under which it is used: two tenants that share a source share the
 * connection of a transaction, and not what their users may.
 */
class PermittedConnection extends TimedConnection {

	private final TargetAccess access;

	private final Operation operation;

	/** The last one that was asked about; what it was taken for is allowed as well. */
	private @Nullable Target allowed;

	PermittedConnection(Routes.Resolution taken, TargetAccess access, Operation operation, @Nullable Deadline deadline)
			throws SQLException {
		super(taken, operation == Operation.READ, deadline);
		this.access = access;
		this.operation = operation;
	}

	@Override
	final Source resolve(Target target) {
		return this.access.resolve(target);
	}

	@Override
	final void checkOther(Target current) throws SQLException {
		super.checkOther(current);
		Target former = this.allowed;
		if (current == former || current.isSameAs(target()) || (former != null && current.isSameAs(former))) {
			return;
		}
		try {
			if (this.access.share(current, target(), source().name(), this.operation)) {
				this.allowed = current;
			}
		}
		catch (MultiDbException ex) {
			throw RoutingDataSource.asSqlException(ex);
		}
	}

}
