package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;

/**
 * Who lends the connections of a source that has replicas, a fallback, or both.
 * Thread-safe.
 */
final class Lenders {

	/**
	 * A connection that was lent.
	 *
	 * @param source whose it is
	 * @param connection the connection
	 * @param fallback by which it was lent, or {@code null} if it is the source's own, or
	 * a replica's
	 * @param refusing whether it was made to refuse writes for its whole lease
	 */
	record Lent(Source source, Connection connection, @Nullable Fallback fallback, boolean refusing) {

		Lent(Source source, Connection connection) {
			this(source, connection, null, false);
		}

		Fallback.Side side() {
			return (this.fallback != null) ? Fallback.Side.FALLBACK : Fallback.Side.SOURCE;
		}

	}

	private final Source primary;

	private final @Nullable Replicas replicas;

	private final @Nullable Fallback fallback;

	private final boolean autoCommit;

	private final CallerSession callerSession;

	private Lenders(Source primary, @Nullable Replicas replicas, @Nullable Fallback fallback,
			CallerSession callerSession) {
		this.primary = primary;
		this.replicas = replicas;
		this.fallback = fallback;
		this.callerSession = callerSession;
		this.autoCommit = PoolSettings.bind(primary.definition().hikari()).isAutoCommit();
	}

	/** Those of a source; {@code null} if it lends all its connections itself. */
	static @Nullable Lenders of(Source primary, SourceRegistry registry) {
		SourceDefinition definition = primary.definition();
		Replicas replicas = definition.replicas().sources().isEmpty() ? null : new Replicas(primary, registry);
		FallbackSettings settings = definition.fallback();
		Fallback fallback = (settings != null) ? new Fallback(primary, settings, registry) : null;
		return (replicas != null || fallback != null)
				? new Lenders(primary, replicas, fallback, registry.callerSession()) : null;
	}

	/** A source that lends all its connections itself. */
	static Lenders only(Source source) {
		return new Lenders(source, null, null, CallerSession.NONE);
	}

	/** Whether connections of the source commit by themselves when they are taken. */
	boolean autoCommit() {
		return this.autoCommit;
	}

	@Nullable Replicas replicas() {
		return this.replicas;
	}

	@Nullable Fallback fallback() {
		return this.fallback;
	}

	/** Whose work this thread does; {@code null} where that does not matter. */
	RecentWrites.@Nullable Caller caller() {
		return (this.replicas != null) ? RecentWrites.Caller.of(Target.current().tenant(), this.callerSession.id())
				: null;
	}

	void written(RecentWrites.@Nullable Caller caller) {
		if (this.replicas != null && caller != null) {
			this.replicas.written(caller);
		}
	}

	/**
	 * Lends a connection.
	 * @param readOnly whether a replica will do
	 * @param caller whose work it is for
	 * @param before what was decided before for the same connection, or {@code null}
	 */
	Lent lend(boolean readOnly, RecentWrites.@Nullable Caller caller, Fallback.@Nullable Side before)
			throws SQLException {
		Fallback declared = this.fallback;
		if (declared == null) {
			return own(readOnly, caller);
		}
		Fallback.Side side = (before != null) ? before : declared.side();
		if (side == Fallback.Side.FALLBACK) {
			return declared.lend();
		}
		while (true) {
			try {
				Lent own = own(readOnly, caller);
				declared.decide(Fallback.Side.SOURCE);
				return own;
			}
			catch (SourceUnavailableException ex) {
				if (!(this.primary.state() instanceof SourceState.Unavailable)) {
					// Busy, full or migrating, but not down.
					throw ex;
				}
				if (side == Fallback.Side.SOURCE) {
					throw declared.notInTheMiddle(ex);
				}
				Lent lent = declared.lendFor(ex);
				if (lent != null) {
					return lent;
				}
				// It has just come back.
			}
		}
	}

	/**
	 * Where this thread's work is done; decided now, by trying, if it was not.
	 */
	Fallback.Side decide(Fallback declared) {
		Fallback.Side side = declared.side();
		if (side != null) {
			return side;
		}
		try {
			// A replica stands for its source, unless more is wanted of the fallback.
			Lent lent = lend(declared.refusesWrites(), caller(), null);
			Fallback.giveBack(lent);
			return lent.side();
		}
		catch (SQLException | MultiDbException ex) {
			// Whoever works fails likewise.
			return Fallback.Side.SOURCE;
		}
	}

	private Lent own(boolean readOnly, RecentWrites.@Nullable Caller caller) throws SQLException {
		Lent replica = (readOnly && this.replicas != null && caller != null) ? this.replicas.take(caller) : null;
		return (replica != null) ? replica : new Lent(this.primary, this.primary.take());
	}

}
