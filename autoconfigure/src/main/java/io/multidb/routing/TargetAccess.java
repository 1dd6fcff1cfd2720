package io.multidb.routing;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.MultiDbException;
import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.WrongSourceException;
import io.multidb.access.Access;
import io.multidb.access.Permit;
import io.multidb.source.CreatePolicy;
import io.multidb.source.Source;
import io.multidb.source.SourceState;

/**
 * Asks the rules about where a target leads, before anything is opened there. To who may
 * not use them, sources that exist are as those that do not. Thread-safe.
 */
public final class TargetAccess {

	private final Access access;

	private final Routes routes;

	/**
	 * Creates one.
	 * @param access the rules
	 * @param routes the way from a target to a source
	 */
	public TargetAccess(Access access, Routes routes) {
		this.access = access;
		this.routes = routes;
	}

	/**
	 * Refuses work before it begins. A target that leads nowhere is none of this one's
	 * business, if the rules let the user know.
	 * @param target where it is to be done
	 * @param operation what is wanted
	 * @throws SourceAccessDeniedException if the user may not
	 */
	public void check(Target target, Operation operation) {
		this.access.check(target, nameOf(target), operation);
	}

	/**
	 * Whether the user may read from a source. Nobody is told of it.
	 * @param target the target that leads to it
	 * @param source the source's name
	 * @return whether he may
	 */
	public boolean mayRead(Target target, String source) {
		return this.access.isAllowed(target, source, Operation.READ);
	}

	/**
	 * The source of a target, as {@link Routes#resolve(Target)} finds it, for what has no
	 * connection yet, or needs none. For whoever may not even read there, nothing is
	 * remembered, and no tenant is placed.
	 * @param target the target
	 * @return the source; of one that is known, whether or not the user may use it
	 * @throws SourceAccessDeniedException if it would have to be made known, and the user
	 * may not read from it
	 * @throws MultiDbException if the target leads to no source
	 */
	public Source resolve(Target target) {
		checkPlaces(target);
		return this.routes.resolve(target);
	}

	/**
	 * Refuses work on a connection that was taken before, perhaps for another target, if
	 * that connection would. For what needs no statement, or none yet.
	 * @param connection the connection, or one that wraps it
	 * @throws SQLException to refuse it, as the connection does
	 */
	public void check(Connection connection) throws SQLException {
		if (connection.isWrapperFor(GuardedConnection.class)) {
			connection.unwrap(GuardedConnection.class).check();
		}
		else {
			check(Target.current(), Operation.READ);
		}
	}

	private String nameOf(Target target) {
		try {
			checkPlaces(target);
			return this.routes.nameOf(target);
		}
		catch (UnknownTenantException | UnknownSourceException ex) {
			return invented(target, ex);
		}
		catch (SourceUnavailableException ex) {
			// Who may not is not told which sources there are, and what is wrong with
			// one.
			return ex.source();
		}
	}

	/**
	 * Who may not read from any source where a tenant may be has no new one placed or
	 * made known; neither has a rule, of which that would be asked.
	 */
	private void checkPlaces(Target target) {
		List<String> places = this.routes.places(target);
		if (!places.isEmpty() && this.access.isDeciding()) {
			throw new WrongSourceException("A rule about who may, a CurrentUser or an AccessListener used " + target
					+ " before anybody was permitted to have it placed, or its source made known. Let it work on a source"
					+ " of its own: SourceContext.enter(…).", places.get(0));
		}
		if (!places.isEmpty() && places.stream().noneMatch((place) -> mayRead(target, place))) {
			this.access.check(target, places.get(0), Operation.READ);
		}
	}

	private static String invented(Target target, MultiDbException unknown) {
		String name = (target.source() != null) ? target.source() : target.tenant();
		if (name == null) {
			// The source for work without a tenant, which was removed
			throw unknown;
		}
		return name;
	}

	Routes.Resolution resolution(Target target) {
		try {
			checkPlaces(target);
			return this.routes.resolution(target);
		}
		catch (UnknownTenantException | UnknownSourceException ex) {
			this.access.check(target, invented(target, ex), Operation.READ);
			throw ex;
		}
		catch (SourceUnavailableException ex) {
			this.access.check(target, ex.source(), Operation.READ);
			throw ex;
		}
	}

	/** See {@link Access#share}. */
	boolean share(Target target, Target taken, String source, Operation operation) {
		return this.access.share(target, taken, source, operation);
	}

	/** For work without a transaction only is it known here that it is to read. */
	Permit permit(Target target, Source source) {
		boolean reading = TransactionSynchronizationManager.isCurrentTransactionReadOnly()
				|| (this.access.isDeciding() && isMadeByWriting(source));
		return this.access.permit(target, source.name(), reading);
	}

	/** Whether there may be no database yet, which whoever reads does not make. */
	private static boolean isMadeByWriting(Source source) {
		return source.definition().create() == CreatePolicy.ON_FIRST_USE
				&& !(source.state() instanceof SourceState.Open);
	}

}
