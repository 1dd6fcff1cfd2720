package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;

/**
 * What is used in place of one source while that is unavailable. Which of both a thread
 * uses is decided once, until its outermost scope ends: half of a piece of work must not
 * be done on one and half on the other. Thread-safe without locks.
 */
final class Fallback {

	/** Where a piece of work is done. */
	enum Side {

		/** On the source itself, or a replica of it. */
		SOURCE,

		/** On its fallback. */
		FALLBACK

	}

	/**
	 * What was decided for the rest of a thread's outermost scope.
	 *
	 * @param source the source that has a fallback
	 * @param side where its work is done
	 * @param before what was decided before, for other sources
	 */
	private record Decision(Source source, Side side, @Nullable Decision before) {
	}

	private final Source primary;

	private final FallbackSettings settings;

	private final SourceRegistry registry;

	/**
	 * Since it was used first while the source is unavailable; changed under its lock.
	 */
	private volatile boolean inUse;

	Fallback(Source primary, FallbackSettings settings, SourceRegistry registry) {
		this.primary = primary;
		this.settings = settings;
		this.registry = registry;
	}

	String name() {
		return this.settings.source();
	}

	boolean isInUse() {
		return this.inUse;
	}

	void inUse(boolean used) {
		this.inUse = used;
	}

	/** Whether the tenants of the source may not write to it. */
	boolean refusesWrites() {
		return this.settings.readOnly() || this.primary.definition().readOnly();
	}

	private static @Nullable Decision decisions() {
		return (Target.kept() instanceof Decision decision) ? decision : null;
	}

	/** What was decided for this thread; {@code null} if nothing was. */
	@Nullable Side side() {
		for (Decision each = decisions(); each != null; each = each.before()) {
			if (each.source() == this.primary) {
				return each.side();
			}
		}
		return null;
	}

	/** Decides for this thread's outermost scope, if there is one. */
	void decide(Side side) {
		if (side() == null) {
			boolean unused = Target.keep(new Decision(this.primary, side, decisions()));
		}
	}

	/**
	 * Lends a connection because the source is unavailable.
	 * @return {@code null} if it has just come back
	 */
	Lenders.@Nullable Lent lendFor(SourceUnavailableException failure) throws SQLException {
		Lenders.Lent lent;
		try {
			lent = lendOrFail();
		}
		catch (SQLException | MultiDbException ex) {
			throw new SourceUnavailableException(this.primary.name(),
					failure.getMessage() + " Its fallback cannot be used either: " + reason(ex), failure.retryAfter(),
					failure);
		}
		if (!this.primary.life().fellBack(this)) {
			giveBack(lent);
			return null;
		}
		decide(Side.FALLBACK);
		return lent;
	}

	/** Lends a connection to work that was begun here. */
	Lenders.Lent lend() {
		try {
			Lenders.Lent lent = lendOrFail();
			boolean unused = this.primary.life().fellBack(this);
			return lent;
		}
		catch (SQLException | MultiDbException ex) {
			throw new SourceUnavailableException(this.primary.name(),
					"Source '" + this.primary.name()
							+ "' was unavailable when this work began, which keeps to its fallback, and that cannot be"
							+ " used: " + reason(ex),
					Failures.FIRST_RETRY, (ex instanceof MultiDbException) ? ex : null);
		}
	}

	private Lenders.Lent lendOrFail() throws SQLException {
		Source source = this.registry.find(name());
		if (source == null || source.isGone()) {
			throw new SQLException("Source '" + name() + "' was removed.");
		}
		Connection connection = source.take();
		boolean ready = false;
		try {
			boolean refusing = refusesWrites() && source.refuseWritesThroughout(connection);
			ready = true;
			return new Lenders.Lent(source, connection, this, refusing);
		}
		finally {
			if (!ready) {
				source.discard(connection);
				source.giveBack(connection, false);
			}
		}
	}

	private String reason(Exception failure) {
		Source source = this.registry.find(name());
		String message = String.valueOf(failure.getMessage());
		return (source != null) ? ConnectFailure.withoutSecrets(source.definition(), message) : message;
	}

	static void giveBack(Lenders.Lent lent) throws SQLException {
		giveBack(lent, false);
	}

	/**
	 * Ends a lease, whoever lent the connection.
	 * @param readOnly whether it was asked to refuse writes for a while
	 */
	static void giveBack(Lenders.Lent lent, boolean readOnly) throws SQLException {
		try {
			if (lent.refusing()) {
				lent.source().acceptWritesAgain(lent.connection());
			}
		}
		finally {
			lent.source().giveBack(lent.connection(), readOnly);
		}
	}

	/** For work that was begun on the source. */
	SourceUnavailableException notInTheMiddle(SourceUnavailableException failure) {
		return new SourceUnavailableException(this.primary.name(), failure.getMessage()
				+ " This work was begun on it, so its fallback '" + name() + "' is not used in the middle of it.",
				failure.retryAfter(), failure);
	}

	/** Says why a write was refused. */
	SourceUnavailableException writeRefused(SQLException failure) {
		String name = this.primary.name();
		String why = "was unavailable when this work began";
		Duration retryIn = Failures.FIRST_RETRY;
		if (this.primary.state() instanceof SourceState.Unavailable unavailable) {
			why = "is unavailable since " + unavailable.since() + " (" + unavailable.reason() + ")";
			retryIn = this.primary.life().retryIn();
		}
		return new SourceUnavailableException(name, "Source '" + name + "' " + why + ", and its fallback '" + name()
				+ "' takes no writes. Try again later.", retryIn, failure);
	}

}
