package io.multidb.actuate;

import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

import io.multidb.actuate.AttentionDescriptor.Some;
import io.multidb.source.DrainState;
import io.multidb.source.PoolState;
import io.multidb.source.ReplicaState;
import io.multidb.source.ServerState;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceState;

/**
 * Finds what somebody should look at, while all sources are gone through for other
 * reasons: of those that are cold, nothing is asked. Of one thread.
 */
final class Attention {

	/** So many of each kind are shown. */
	static final int SHOWN = 8;

	private static final Comparator<Case> URGENT = Comparator.comparing((Case each) -> !each.definition().essential())
		.thenComparing(Case::since)
		.thenComparing((each) -> each.definition().name());

	private final Map<String, Integer> states = new HashMap<>();

	private final First<Case> unavailable = new First<>(SHOWN, URGENT);

	private final First<Case> fallbacks = new First<>(SHOWN, URGENT);

	private final First<Case> leftOut = new First<>(SHOWN, URGENT);

	private final First<Case> notMigrated = new First<>(SHOWN, URGENT);

	private final First<Case> draining = new First<>(SHOWN,
			Comparator.comparing(Case::since).thenComparing((each) -> each.definition().name()));

	private final First<Case> waiting = new First<>(SHOWN,
			Comparator.comparingInt(Case::waiting).reversed().thenComparing(URGENT));

	private final First<ServerState> servers = new First<>(SHOWN,
			Comparator.comparingInt(ServerState::waiting).reversed().thenComparing(ServerState::server));

	/**
	 * A source as it was seen, as what is sorted must not change meanwhile.
	 *
	 * @param since when it became unavailable, or began to drain; else always the same
	 */
	record Case(Source source, SourceDefinition definition, SourceState state, Instant since, int waiting) {

	}

	/** A source was passed. */
	void look(Source source, SourceDefinition definition, SourceState state, String status) {
		this.states.merge(status, 1, Integer::sum);
		if (state instanceof SourceState.Unavailable broken) {
			Case found = new Case(source, definition, state, broken.since(), 0);
			this.unavailable.add(found);
			if (source.fallback() != null) {
				this.fallbacks.add(found);
			}
		}
		else if (state instanceof SourceState.Open) {
			PoolState pool = source.poolState();
			if (pool != null && pool.waiting() > 0) {
				this.waiting.add(new Case(source, definition, state, Instant.EPOCH, pool.waiting()));
			}
		}
		if (!definition.replicas().sources().isEmpty() && !source.replicas().stream().allMatch(ReplicaState::inUse)) {
			this.leftOut.add(new Case(source, definition, state, Instant.EPOCH, 0));
		}
	}

	/** A source that could not be migrated was passed. */
	void lookAtMigration(Source source) {
		this.notMigrated.add(new Case(source, source.definition(), source.state(), Instant.EPOCH, 0));
	}

	/** A source with former pools was passed. */
	void lookAtDraining(Source source) {
		DrainState left = source.drainState();
		if (left != null && left.connections() > 0) {
			this.draining.add(new Case(source, source.definition(), source.state(), left.since(), 0));
		}
	}

	/** A server was passed. */
	void look(ServerState server) {
		if (server.limit() != null && server.waiting() > 0 && server.inUse() >= server.limit()) {
			this.servers.add(server);
		}
	}

	Map<String, Integer> states() {
		return new TreeMap<>(this.states);
	}

	Some<SourceDescriptor> unavailable(Function<Case, SourceDescriptor> describe) {
		return some(this.unavailable, describe);
	}

	Some<SourceDescriptor> waiting(Function<Case, SourceDescriptor> describe) {
		return some(this.waiting, describe);
	}

	Some<SourceDescriptor> fallbacks(Function<Case, SourceDescriptor> describe) {
		return some(this.fallbacks, describe);
	}

	Some<SourceDescriptor> leftOut(Function<Case, SourceDescriptor> describe) {
		return some(this.leftOut, describe);
	}

	Some<SourceDescriptor> notMigrated(Function<Case, SourceDescriptor> describe) {
		return some(this.notMigrated, describe);
	}

	Some<SourceDescriptor> draining(Function<Case, SourceDescriptor> describe) {
		return some(this.draining, describe);
	}

	<T> Some<T> servers(Function<ServerState, T> describe) {
		return some(this.servers, describe);
	}

	private static <S, T> Some<T> some(First<S> found, Function<S, T> describe) {
		return new Some<>(found.total(), found.sorted().stream().map(describe).toList());
	}

}
