package io.multidb.source;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.MultiDbException;

/**
 * The replicas of one source: which of them takes the next read-only work, if any.
 * Thread-safe; choosing takes no lock and asks no database.
 * <p>
 * As long as there is read-only work, all replicas are looked at every so often, in the
 * background; a while after the last one, that ends.
 */
final class Replicas {

	private static final Logger logger = LoggerFactory.getLogger(Replicas.class);

	private static final Duration SHORTEST_INTERVAL = Duration.ofMillis(50);

	private static final Duration LONGEST_INTERVAL = Duration.ofSeconds(2);

	/** So long after the last read-only work the replicas are still looked at. */
	private static final Duration ATTENTION = Duration.ofMinutes(5);

	/** How often within the time that a replica may be behind it is looked at. */
	private static final int LOOKS = 5;

	private final Source primary;

	private final SourceRegistry registry;

	private final List<Replica> replicas;

	/** {@code null} where lag is not measured. */
	private final @Nullable PrimaryPositions positions;

	private final Duration interval;

	private final RecentWrites writes;

	private final AtomicInteger next = new AtomicInteger();

	private final AtomicBoolean watching = new AtomicBoolean();

	private volatile long wantedAt;

	Replicas(Source primary, SourceRegistry registry) {
		this.primary = primary;
		this.registry = registry;
		SourceDefinition definition = primary.definition();
		ReplicaSettings settings = definition.replicas();
		boolean measured = definition.product() == DatabaseProduct.POSTGRESQL;
		long maxLag = measured ? settings.maxLag().toNanos() : 0;
		this.replicas = settings.sources().stream().map((name) -> new Replica(name, registry, maxLag)).toList();
		this.positions = measured ? new PrimaryPositions(primary, maxLag) : null;
		this.interval = measured ? interval(settings.maxLag()) : LONGEST_INTERVAL;
		this.writes = new RecentWrites(settings.sticky());
	}

	private static Duration interval(Duration maxLag) {
		Duration interval = maxLag.dividedBy(LOOKS);
		if (interval.compareTo(SHORTEST_INTERVAL) < 0) {
			return SHORTEST_INTERVAL;
		}
		return (interval.compareTo(LONGEST_INTERVAL) > 0) ? LONGEST_INTERVAL : interval;
	}

	List<ReplicaState> states() {
		return this.replicas.stream().map(Replica::state).toList();
	}

	void written(RecentWrites.Caller caller) {
		this.writes.add(caller);
	}

	/**
	 * A connection for read-only work.
	 * @return {@code null} if no replica is to be used
	 */
	Lenders.@Nullable Lent take(RecentWrites.Caller caller) {
		wanted();
		return this.writes.has(caller) ? null : takeFromReplica();
	}

	private Lenders.@Nullable Lent takeFromReplica() {
		int start = this.next.getAndIncrement();
		for (int i = 0; i < this.replicas.size(); i++) {
			Replica replica = this.replicas.get(Math.floorMod(start + i, this.replicas.size()));
			if (!replica.isUsable()) {
				if (replica.isToldToBeUsed()) {
					// It fell behind since it was looked at.
					tell();
				}
				continue;
			}
			try {
				Source source = replica.source();
				return new Lenders.Lent(source, source.take());
			}
			catch (SQLException | MultiDbException ex) {
				replica.failed(ex);
				tell();
			}
		}
		return null;
	}

	private void wanted() {
		this.wantedAt = System.nanoTime();
		if (!this.watching.get() && this.watching.compareAndSet(false, true)) {
			watchIn(Duration.ZERO);
		}
	}

	private void watchIn(Duration delay) {
		if (!this.registry.background().later(this::watch, delay)) {
			this.watching.set(false);
		}
	}

	/** On the scheduler, which must not wait for any database. */
	private void watch() {
		if (this.primary.isGone() || System.nanoTime() - this.wantedAt > ATTENTION.toNanos()) {
			this.watching.set(false);
			return;
		}
		this.registry.background().examine(this::examine);
		watchIn(this.interval);
	}

	/**
	 * The primary first, as replicas are compared with it. While one thread waits for its
	 * answer, the next one goes on to the replicas.
	 */
	private void examine() {
		PrimaryPositions known = this.positions;
		if (known != null) {
			known.examine();
		}
		for (Replica replica : this.replicas) {
			this.registry.background().examine(() -> examine(replica));
		}
	}

	private void examine(Replica replica) {
		try {
			replica.examine(this.positions);
			tell();
		}
		catch (RuntimeException ex) {
			logger.error("{}: looking at replica '{}' failed", this.primary.name(), replica.name(),
					this.primary.definition().masked(ex));
		}
	}

	/** Tells listeners what has changed, in order. */
	private void tell() {
		collectNews();
		this.primary.life().tell();
	}

	private synchronized void collectNews() {
		int used = (int) this.replicas.stream().filter(Replica::isUsable).count();
		for (Replica replica : this.replicas) {
			ReplicaState state = replica.state();
			if (replica.isNews(state.inUse())) {
				this.primary.life()
					.announce(state.inUse() ? new SourceEvent.ReplicaUsed(this.primary.name(), state.name())
							: new SourceEvent.ReplicaLeftOut(this.primary.name(), state.name(),
									String.valueOf(state.reason()), used));
			}
		}
	}

}
