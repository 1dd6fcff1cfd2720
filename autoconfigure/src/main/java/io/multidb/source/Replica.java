package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;

/**
 * One replica of one source, and what is known of it. Thread-safe without locks.
 */
final class Replica {

	/** So long a server may be silent when it is asked how far it is. */
	static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(2);

	/**
	 * Positions in the write-ahead log as numbers: what has been replayed, and what has
	 * been received.
	 */
	private static final String POSITION = "SELECT pg_is_in_recovery(), "
			+ "(SELECT system_identifier FROM pg_control_system()), "
			+ "pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), "
			+ "pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')";

	/**
	 * What was found last.
	 *
	 * @param failure why it cannot be used, or {@code null}
	 * @param asOf the value of System.nanoTime() at which it certainly had everything
	 * @param measured whether that is known
	 */
	private record Finding(@Nullable String failure, long asOf, boolean measured) {
	}

	private final String name;

	private final SourceRegistry registry;

	/** In nanoseconds; 0 if it is not measured. */
	private final long maxLag;

	private volatile Finding finding = new Finding(null, 0, false);

	private final AtomicBoolean examined = new AtomicBoolean();

	/**
	 * What listeners were told last; {@code null} before the first time. Written by one
	 * thread at a time.
	 */
	private volatile @Nullable Boolean told;

	Replica(String name, SourceRegistry registry, long maxLag) {
		this.name = name;
		this.registry = registry;
		this.maxLag = maxLag;
	}

	String name() {
		return this.name;
	}

	Source source() {
		return this.registry.get(this.name);
	}

	/** Whether it answers and is no further behind than it may be. */
	boolean isUsable() {
		Finding found = this.finding;
		if (found.failure() != null) {
			return false;
		}
		if (this.maxLag == 0) {
			return unavailable() == null;
		}
		return found.measured() && System.nanoTime() - found.asOf() <= this.maxLag;
	}

	ReplicaState state() {
		Finding found = this.finding;
		Duration lag = found.measured() ? Duration.ofNanos(System.nanoTime() - found.asOf()) : null;
		boolean usable = isUsable();
		return new ReplicaState(this.name, usable, lag, usable ? null : reason(found, lag));
	}

	private String reason(Finding found, @Nullable Duration lag) {
		String unavailable = unavailable();
		if (unavailable != null) {
			return unavailable;
		}
		if (found.failure() != null) {
			return found.failure();
		}
		return (lag != null)
				? "it may be " + lag.toMillis() + " ms behind; 'max-lag' is " + this.maxLag / 1_000_000 + " ms"
				: "it has not been measured yet, or has never come near enough";
	}

	private @Nullable String unavailable() {
		Source source = this.registry.find(this.name);
		if (source == null || source.isGone()) {
			return "it was removed";
		}
		return (source.state() instanceof SourceState.Unavailable unavailable) ? unavailable.reason() : null;
	}

	/** Leaves it out until it is found well again. */
	void failed(Exception failure) {
		Source source = this.registry.find(this.name);
		String message = String.valueOf(failure.getMessage());
		this.finding = new Finding(
				(source != null) ? ConnectFailure.withoutSecrets(source.definition(), message) : message, 0, false);
	}

	/**
	 * Looks how it is, and waits for it, a while; one thread at a time, others return at
	 * once.
	 */
	void examine(@Nullable PrimaryPositions positions) {
		if (!this.examined.compareAndSet(false, true)) {
			return;
		}
		try {
			if (positions != null) {
				measure(positions);
			}
			else if (this.finding.failure() != null) {
				boolean unused = source().test();
				this.finding = new Finding(null, 0, false);
			}
		}
		catch (SQLException | MultiDbException ex) {
			failed(ex);
		}
		finally {
			this.examined.set(false);
		}
	}

	private void measure(PrimaryPositions positions) throws SQLException {
		long before = System.nanoTime();
		Source source = source();
		Connection connection = source.take();
		try {
			connection.setNetworkTimeout(Runnable::run, (int) ANSWER_TIMEOUT.toMillis());
			try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(POSITION)) {
				row.next();
				this.finding = judge(row, before, positions);
			}
		}
		finally {
			source.giveBack(connection, false);
		}
	}

	/**
	 * A transaction that had been committed when the primary was asked for its position
	 * lies before that position. So a replica that has replayed up to there has all of
	 * it, on whichever clock, however little is written, and whether or not anything
	 * still arrives. (The age of pg_last_xact_replay_timestamp() grows while nobody
	 * writes.)
	 */
	private Finding judge(ResultSet row, long before, PrimaryPositions positions) throws SQLException {
		if (!row.getBoolean(1)) {
			return new Finding("it is no standby, or one no more: pg_is_in_recovery() is false", 0, false);
		}
		String incomparable = positions.incomparable(row.getLong(2));
		if (incomparable != null) {
			return new Finding(incomparable, 0, false);
		}
		long replayed = row.getLong(3);
		long received = row.getLong(4);
		boolean receivedIsKnown = !row.wasNull();
		Long asOf = positions.reachedAt(replayed);
		if (positions.isUnreachable() && receivedIsKnown && replayed >= received) {
			// The primary cannot be asked: what has arrived is all there is to be had.
			return new Finding(null, before, true);
		}
		Finding found = this.finding;
		if (asOf == null) {
			return (found.failure() == null) ? found : new Finding(null, 0, false);
		}
		return new Finding(null, (found.measured() && found.asOf() - asOf > 0) ? found.asOf() : asOf, true);
	}

	/**
	 * Whether listeners are to be told that it is used, or no more; asked by one thread.
	 */
	boolean isNews(boolean usable) {
		if (this.told == null && !usable && this.finding.failure() == null && !this.finding.measured()
				&& unavailable() == null) {
			return false;
		}
		Boolean before = this.told;
		this.told = usable;
		return before == null || before != usable;
	}

	/** Whether listeners still take it for one that is used. */
	boolean isToldToBeUsed() {
		return Boolean.TRUE.equals(this.told);
	}

}
