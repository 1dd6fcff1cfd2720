package io.multidb.routing;

import java.sql.SQLException;

import io.multidb.MultiDbException;
import io.multidb.Target;
import io.multidb.WrongSourceException;
import io.multidb.source.LeasedConnection;
import io.multidb.source.Source;

/**
 * A connection that knows its source and refuses work once the thread's target is another
 * source, or none. Two tenants of one source share it.
 */
class GuardedConnection extends LeasedConnection {

	private final Routes.Resolution taken;

	GuardedConnection(Routes.Resolution taken) throws SQLException {
		this(taken, false);
	}

	/**
	 * Takes a connection.
	 * @param reading whether it refuses writes throughout
	 */
	GuardedConnection(Routes.Resolution taken, boolean reading) throws SQLException {
		super(taken.source(), reading);
		this.taken = taken;
	}

	@Override
	public final Source source() {
		return this.taken.source();
	}

	@Override
	protected final void check() throws SQLException {
		super.check();
		Target current = Target.current();
		if (current != this.taken.target()) {
			checkOther(current);
		}
	}

	/** What it was taken for. */
	final Target target() {
		return this.taken.target();
	}

	/** Whether it was taken by these, and not by those of another application context. */
	final boolean isOf(Routes routes) {
		return this.taken.routes() == routes;
	}

	/** The thread has entered another target since, or the same in another scope. */
	void checkOther(Target current) throws SQLException {
		boolean same;
		try {
			same = resolve(current) == source();
		}
		catch (MultiDbException ex) {
			// A source that was removed lets the work in progress on it finish.
			same = source().isGone() && current.isSameAs(this.taken.target());
		}
		if (!same) {
			throw RoutingDataSource.asSqlException(new WrongSourceException(source().name(), current));
		}
	}

	Source resolve(Target target) {
		return this.taken.routes().resolve(target);
	}

}
