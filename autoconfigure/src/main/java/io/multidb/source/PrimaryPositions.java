package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.atomic.AtomicBoolean;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;

/**
 * How far a PostgreSQL primary had written its log at which time, for as long as a
 * replica may be behind. Thread-safe.
 */
final class PrimaryPositions {

	/** The position as a number, which only ever grows. */
	private static final String POSITION = "SELECT (SELECT system_identifier FROM pg_control_system()), "
			+ "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')";

	/** So many positions are remembered over the time that a replica may be behind. */
	private static final int REMEMBERED = 32;

	/**
	 * A position.
	 *
	 * @param at the value of System.nanoTime() before it was asked for
	 * @param written up to where the log was written then, or further
	 */
	private record Position(long at, long written) {
	}

	private final Source primary;

	private final long maxLag;

	/** The oldest first; guarded by this. */
	private final Deque<Position> positions = new ArrayDeque<>();

	/** Guarded by this. */
	private @Nullable Position latest;

	/** Which server it is; 0 as long as that is not known. */
	private volatile long server;

	private volatile boolean unreachable;

	private volatile @Nullable String failure;

	private final AtomicBoolean asking = new AtomicBoolean();

	private volatile long askedAt;

	PrimaryPositions(Source primary, long maxLag) {
		this.primary = primary;
		this.maxLag = maxLag;
	}

	/** Asks the primary, unless another thread does. */
	void examine() {
		if (!this.asking.compareAndSet(false, true)) {
			return;
		}
		try {
			this.askedAt = System.nanoTime();
			ask();
			this.unreachable = false;
			this.failure = null;
		}
		catch (SQLException ex) {
			String state = String.valueOf(ex.getSQLState());
			// Connection exceptions, and a server that goes down
			this.unreachable = state.startsWith("08") || state.startsWith("57P");
			this.failure = ConnectFailure.withoutSecrets(this.primary.definition(), String.valueOf(ex.getMessage()));
		}
		catch (MultiDbException ex) {
			this.unreachable = true;
		}
		finally {
			this.asking.set(false);
		}
	}

	private void ask() throws SQLException {
		Connection connection = this.primary.take();
		try {
			connection.setNetworkTimeout(Runnable::run, (int) Replica.ANSWER_TIMEOUT.toMillis());
			long at = System.nanoTime();
			try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(POSITION)) {
				row.next();
				this.server = row.getLong(1);
				add(new Position(at, row.getLong(2)));
			}
		}
		finally {
			this.primary.giveBack(connection, false);
		}
	}

	private synchronized void add(Position position) {
		if (this.latest != null && position.written() < this.latest.written()) {
			// Another server took over, or a backup was restored.
			this.positions.clear();
		}
		this.latest = position;
		Position before = this.positions.peekLast();
		if (before == null || position.at() - before.at() >= this.maxLag / REMEMBERED) {
			this.positions.add(position);
		}
		while (this.positions.size() > 1 && position.at() - this.positions.getFirst().at() > 2 * this.maxLag) {
			this.positions.removeFirst();
		}
	}

	/**
	 * When everything had been written that lies before a position.
	 * @return a value of System.nanoTime(), or {@code null} if that is too long ago
	 */
	synchronized @Nullable Long reachedAt(long position) {
		if (this.latest != null && this.latest.written() <= position) {
			return this.latest.at();
		}
		for (Iterator<Position> newestFirst = this.positions.descendingIterator(); newestFirst.hasNext();) {
			Position known = newestFirst.next();
			if (known.written() <= position) {
				return known.at();
			}
		}
		return null;
	}

	/** Whether the primary does not answer. */
	boolean isUnreachable() {
		return this.unreachable
				|| (this.asking.get() && System.nanoTime() - this.askedAt > Replica.ANSWER_TIMEOUT.toNanos());
	}

	/**
	 * Why a replica cannot be compared with the primary.
	 * @param replicasServer the identifier of the replica's server
	 * @return the reason, or {@code null} if it can
	 */
	@Nullable String incomparable(long replicasServer) {
		if (this.server != 0 && this.server != replicasServer) {
			return "its server is no standby of the server of source '" + this.primary.name()
					+ "': their system identifiers differ";
		}
		String failed = this.failure;
		return (failed != null && !isUnreachable())
				? "source '" + this.primary.name() + "' does not tell its position: " + failed : null;
	}

}
