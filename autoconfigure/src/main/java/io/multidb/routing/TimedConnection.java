package io.multidb.routing;

import java.sql.SQLException;

import org.jspecify.annotations.Nullable;

import io.multidb.source.Deadline;
import io.multidb.source.TimedLease;

/**
 * A connection whose work may have to be over by a deadline. A class of its own, so that
 * those without, which are most, have no field for it.
 */
class TimedConnection extends GuardedConnection {

	private final @Nullable TimedLease timed;

	/**
	 * Takes a connection.
	 * @param reading whether it refuses writes throughout
	 * @param deadline when its work must be over, or {@code null} for no such time
	 */
	TimedConnection(Routes.Resolution taken, boolean reading, @Nullable Deadline deadline) throws SQLException {
		super(taken, reading);
		this.timed = (deadline != null) ? limit(deadline) : null;
	}

	@Override
	protected final @Nullable TimedLease timed() {
		return this.timed;
	}

}
