package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;

import io.multidb.SourceUnavailableException;

/**
 * Where a source is in its life, and the pools that it has and had. Begins when the
 * source is used for the first time.
 * <p>
 * Thread-safe: everything is changed under {@code lock}, which is never held during I/O
 * nor while listeners are told.
 */
final class SourceLife {

	static final SourceState COLD = new SourceState.Cold();

	/** Of a stack that is shown: enough to find the application's own line. */
	private static final int MOST_FRAMES = 12;

	/** What stands above the application's own in the stack of a borrower. */
	private static final Pattern OWN_FRAMES = Pattern.compile(
			"java\\.lang\\.Thread|io\\.multidb\\.(routing|source)\\.[A-Za-z]*(Source|Pool|Connection|Replicas)(\\$.*)?");

	private final Source source;

	private final SourceRegistry registry;

	private final OpenPools openPools;

	private final Transitions transitions;

	private final ReentrantLock lock = new ReentrantLock();

	/** The I/O under way; guarded by lock. */
	private @Nullable Transition transition;

	private volatile SourceState state = COLD;

	/** Lend no more, and are closed when their last lease ends; guarded by lock. */
	private List<Pool> draining = List.of();

	/** What was opened or made ready last; changed by who has the transition. */
	private volatile @Nullable JdbcUrl opened;

	/** Only to be shown; changed with it. */
	private volatile @Nullable Instant upToDateAt;

	/** Why it was not migrated while it was open; changed with it. */
	private volatile @Nullable String migrationFailure;

	/** The last pool whose database was no longer there, until there is another. */
	private volatile @Nullable Pool obsolete;

	/** Changed under lock. */
	private final Failures failures = new Failures();

	/** What happened, told when no lock is held and no transition runs. */
	private final EventQueue events;

	SourceLife(Source source, SourceRegistry registry) {
		this.source = source;
		this.registry = registry;
		this.openPools = registry.openPools();
		this.events = new EventQueue(registry.publisher());
		this.transitions = new Transitions(source, this, registry);
	}

	Transitions transitions() {
		return this.transitions;
	}

	SourceState state() {
		return this.state;
	}

	boolean isGone() {
		if (this.source.pool() != null) {
			return false;
		}
		SourceState current = this.state;
		return current instanceof SourceState.Removed || current instanceof SourceState.Draining;
	}

	/** Has something told to listeners next time. */
	void announce(SourceEvent event) {
		this.events.add(event);
	}

	/** Tells listeners what has not been told yet. */
	void tell() {
		this.events.publish();
	}

	/**
	 * The fallback is used because this source is unavailable.
	 * @return whether it still is
	 */
	boolean fellBack(Fallback fallback) {
		if (fallback.isInUse()) {
			return this.state instanceof SourceState.Unavailable;
		}
		boolean first;
		this.lock.lock();
		try {
			if (!(this.state instanceof SourceState.Unavailable unavailable)) {
				return false;
			}
			first = !fallback.isInUse();
			if (first) {
				fallback.inUse(true);
				this.events.add(new SourceEvent.FellBack(this.source.name(), fallback.name(), unavailable.reason()));
			}
		}
		finally {
			this.lock.unlock();
		}
		if (first) {
			this.events.publish();
		}
		return true;
	}

	/** Whoever comes next opens what is there now. */
	void retireObsolete(Pool former) {
		this.lock.lock();
		try {
			if (!former.equals(this.source.pool())) {
				return;
			}
			this.obsolete = former;
			startDraining(former, PoolEnd.LOST);
			becomeCold();
		}
		finally {
			this.lock.unlock();
		}
		if (isGone()) {
			this.registry.forget(this.source);
		}
		this.openPools.left(this.source);
		this.registry.drains(this.source, former.grace());
	}

	/**
	 * Whether a pool must not be used any more. What was borrowed before this says no is
	 * seen by {@link #closeDrained()}, which decides under the same lock.
	 */
	boolean isClosed(Pool open) {
		if (open.phase() == Pool.Phase.OPEN) {
			return false;
		}
		this.lock.lock();
		try {
			return open.phase() == Pool.Phase.CLOSED;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Whether this is where it was opened or made ready last. */
	boolean wasOpenedAt(JdbcUrl url) {
		return url.equals(this.opened);
	}

	/** It was connected and brought up to date, without a pool. */
	void prepared(JdbcUrl url) {
		this.opened = url;
		this.upToDateAt = now();
		this.migrationFailure = null;
	}

	/** It was to be migrated while it was open; called by who has the transition. */
	void notMigrated(String reason) {
		this.migrationFailure = reason;
	}

	@Nullable String migrationFailure() {
		return this.migrationFailure;
	}

	/**
	 * When it was last connected and found, or brought, up to date.
	 * @return {@code null} if it never was where it is now
	 */
	@Nullable Instant upToDateAt() {
		return wasOpenedAt(this.source.definition().url()) ? this.upToDateAt : null;
	}

	/**
	 * What keeps it from being opened, in the place of a pool whose database is no longer
	 * there.
	 * @return a sentence, or {@code null} for nothing
	 */
	@Nullable String hindrance() {
		Pool former = this.obsolete;
		if (former == null) {
			return null;
		}
		closeDrained();
		String hindrance = former.hindrance();
		this.obsolete = (hindrance != null) ? former : null;
		return hindrance;
	}

	/** The pools that lend no more and are not closed yet. */
	List<Pool> draining() {
		this.lock.lock();
		try {
			return this.draining;
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * How the pools are that lend no more and are not closed yet.
	 * @return {@code null} if there are none
	 */
	@Nullable DrainState drainState() {
		this.lock.lock();
		try {
			if (this.draining.isEmpty()) {
				return null;
			}
			int connections = 0;
			Duration longest = Duration.ZERO;
			Duration left = Duration.ofDays(-1);
			for (Pool each : this.draining) {
				Duration drained = each.drainedFor();
				Duration patience = each.patience().minus(drained);
				connections += each.active();
				longest = (drained.compareTo(longest) > 0) ? drained : longest;
				left = (patience.compareTo(left) > 0) ? patience : left;
			}
			Instant now = now();
			return new DrainState(connections, now.minus(longest), now.plus(left));
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Which of its pools a connection is of.
	 * @return {@code null} if there are several, and it was given back
	 */
	@Nullable Pool poolOf(Connection connection) {
		Pool open = this.source.pool();
		List<Pool> former = draining();
		if (open != null && (former.isEmpty() || open.owns(connection))) {
			return open;
		}
		return former.stream().filter((each) -> each.owns(connection)).findFirst().orElse(null);
	}

	/** Whether it has pools, in use or draining. */
	boolean isOpen() {
		return this.source.pool() != null || !draining().isEmpty();
	}

	/** How many connections are taken, or being waited for. */
	int leases() {
		this.lock.lock();
		try {
			Pool open = this.source.pool();
			return ((open != null) ? open.leases() : 0) + this.draining.stream().mapToInt(Pool::leases).sum();
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Makes a pool the source's; closes it if the source is gone, or has been defined
	 * anew.
	 */
	boolean publish(Pool opened, Duration took) {
		boolean published = false;
		opened.onConnectFailure((failure) -> connectFailed(opened, failure));
		this.lock.lock();
		try {
			if (!isGone() && this.source.definition().equals(opened.definition())) {
				this.source.lend(opened);
				prepared(this.source.definition().url());
				this.state = new SourceState.Open(now());
				this.events.add(new SourceEvent.Opened(this.source.name(), took));
				published = true;
			}
		}
		finally {
			this.lock.unlock();
		}
		if (!published) {
			opened.close();
		}
		return published;
	}

	@Nullable SourceDefinition exchange(SourceDefinition replacement, Pool opened, Duration took) {
		Pool former = null;
		SourceDefinition before = null;
		opened.onConnectFailure((failure) -> connectFailed(opened, failure));
		this.lock.lock();
		try {
			if (!isGone()) {
				int leases = leases();
				former = this.source.pool();
				if (former != null) {
					startDraining(former, PoolEnd.REPLACED);
				}
				before = this.source.definition();
				this.source.define(replacement);
				this.source.lend(opened);
				prepared(replacement.url());
				this.state = new SourceState.Open(now());
				recovered();
				this.events.add(new SourceEvent.Replaced(this.source.name(), replacement.url().masked(), leases));
				this.events.add(new SourceEvent.Opened(this.source.name(), took));
			}
		}
		finally {
			this.lock.unlock();
		}
		if (before == null) {
			opened.close();
			return null;
		}
		this.registry.recovered(this.source);
		this.openPools.entered(this.source);
		this.registry.opened(this.source, opened);
		if (former != null) {
			this.registry.drains(this.source, former.grace());
		}
		return before;
	}

	/**
	 * Is defined otherwise without being opened, if it is cold. Within a transition.
	 * @return the old definition; {@code null} if it is not cold
	 */
	@Nullable SourceDefinition redefine(SourceDefinition replacement) {
		this.lock.lock();
		try {
			if (!this.state.equals(COLD) || !this.draining.isEmpty()) {
				return null;
			}
			SourceDefinition before = this.source.definition();
			this.source.define(replacement);
			this.events.add(new SourceEvent.Replaced(this.source.name(), replacement.url().masked(), 0));
			return before;
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Begins a transition, unless another is under way.
	 * @return the one that is under way now; {@code null} if the source is gone
	 */
	@Nullable Transition begin(Transition mine) {
		this.lock.lock();
		try {
			if (isGone()) {
				return null;
			}
			if (this.transition == null) {
				this.transition = mine;
				this.failures.trying(false);
			}
			return this.transition;
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Begins a transition of a source that is not open, unless another is under way. What
	 * failed because its server could not be reached is tried before its time, if another
	 * source has reached that since.
	 * @return the one that is under way now; {@code null} if the source is open, or gone
	 * @throws SourceUnavailableException if it failed before, and is not tried again yet
	 */
	@Nullable Transition beginClosed(Transition mine) {
		this.lock.lock();
		try {
			if (isGone() || this.source.pool() != null) {
				return null;
			}
			if (this.state instanceof SourceState.Unavailable unavailable && !this.failures.isRetryLost()
					&& !isServerBack()) {
				throw new SourceUnavailableException(this.source.name(), unavailable.reason(), retryIn(), null);
			}
			if (this.transition == null) {
				this.transition = mine;
				this.failures.trying(this.state instanceof SourceState.Unavailable);
				if (!(this.state instanceof SourceState.Unavailable)) {
					this.state = new SourceState.Opening(now());
				}
			}
			return this.transition;
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Begins to try again what failed, unless another transition is under way.
	 * @param failure which of the failures in a row it follows: a try that comes late,
	 * when another has been made, is none
	 * @return whether it is begun
	 */
	boolean beginRetry(Transition mine, int failure) {
		this.lock.lock();
		try {
			if (!(this.state instanceof SourceState.Unavailable) || this.transition != null
					|| this.failures.count() != failure) {
				return false;
			}
			this.transition = mine;
			this.failures.trying(false);
			return true;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Under the lock. */
	private boolean isServerBack() {
		Long unreachedAt = this.failures.unreachedAt();
		return unreachedAt != null
				&& this.registry.reachedServers().isReachedSince(this.source.definition(), unreachedAt);
	}

	/** A transition is over: another one may begin. */
	void end(Transition mine) {
		this.lock.lock();
		try {
			if (mine.equals(this.transition)) {
				this.transition = null;
				this.failures.trying(false);
			}
			if (this.state instanceof SourceState.Opening) {
				this.state = COLD;
			}
			if (this.state instanceof SourceState.Unavailable) {
				this.registry.background().retryLater(this.source, this.failures.count(), this.failures.retryIn());
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * It failed, and is tried again by itself.
	 * @param unreachedAt when its server was asked, in {@link System#nanoTime()};
	 * {@code null} if the failure is its own
	 * @return how long until then
	 */
	Duration failed(String reason, @Nullable Long unreachedAt) {
		this.lock.lock();
		try {
			becomeUnavailable(reason, unreachedAt);
			return this.failures.retryIn();
		}
		finally {
			this.lock.unlock();
		}
	}

	void succeeded() {
		this.lock.lock();
		try {
			recovered();
			if (this.state instanceof SourceState.Unavailable) {
				this.state = COLD;
			}
		}
		finally {
			this.lock.unlock();
		}
		this.registry.recovered(this.source);
	}

	/** Under the lock. */
	private void recovered() {
		Duration after = this.failures.end();
		if (after != null) {
			this.events.add(new SourceEvent.Recovered(this.source.name(), after));
		}
		Fallback declared = this.source.declaredFallback();
		if (declared != null && declared.isInUse()) {
			declared.inUse(false);
			this.events.add(new SourceEvent.Returned(this.source.name(), declared.name()));
		}
	}

	/** Under the lock. */
	private void becomeUnavailable(String reason, @Nullable Long unreachedAt) {
		this.failures.add(now(), unreachedAt);
		if (!isGone()) {
			if (!(this.state instanceof SourceState.Unavailable before && before.reason().equals(reason))) {
				this.events.add(new SourceEvent.Unavailable(this.source.name(), reason, this.failures.retryIn()));
			}
			this.state = this.failures.state(now(), reason);
		}
	}

	/**
	 * An open pool could not make a connection. If it has none that work either, nobody
	 * is to wait for it any more: it drains, and the source is unavailable until the
	 * prober could connect.
	 */
	private void connectFailed(Pool failed, SQLException failure) {
		String reason = ConnectFailure.explain(failed.definition(), failure);
		boolean kept;
		this.lock.lock();
		try {
			if (!failed.equals(this.source.pool()) || !failed.isLost(failure)) {
				return;
			}
			kept = this.registry.keepsUnavailable(this.source);
			startDraining(failed, PoolEnd.LOST);
			if (kept) {
				// Its pool does not say when it began to ask; now is not too early.
				becomeUnavailable(reason, ConnectFailure.isUnreached(failure) ? System.nanoTime() : null);
				if (this.transition == null) {
					this.registry.background().retryLater(this.source, this.failures.count(), this.failures.retryIn());
				}
			}
			else {
				this.state = new SourceState.Draining(now());
			}
		}
		finally {
			this.lock.unlock();
		}
		if (!kept) {
			this.registry.forget(this.source);
		}
		failed.refuse();
		this.openPools.left(this.source);
		this.registry.drains(this.source, failed.grace());
		this.registry.background().run(this.events::publish);
	}

	void forget() {
		this.lock.lock();
		try {
			this.state = new SourceState.Removed();
		}
		finally {
			this.lock.unlock();
		}
		this.registry.forget(this.source);
	}

	/** If it is unavailable, how long until it is tried again. */
	Duration retryIn() {
		return this.failures.left();
	}

	/**
	 * Takes no new work, for good; what is in use may be used for a while.
	 */
	void remove() {
		retire(PoolEnd.REMOVED, (open) -> true, (leases) -> {
			this.state = this.draining.isEmpty() ? new SourceState.Removed() : new SourceState.Draining(now());
			this.events.add(new SourceEvent.Removed(this.source.name(), leases));
		});
	}

	/**
	 * Closes what is open; what is in use may be used for a while. The next use opens it
	 * again.
	 * @return whether anything was open
	 */
	boolean drain() {
		return retire(PoolEnd.DRAINED, (open) -> true, (leases) -> becomeCold());
	}

	/**
	 * Closes what is open, unless something of it is in use. Called by {@link OpenPools}.
	 * @param why what for
	 * @return whether it was closed
	 */
	boolean closeIfIdle(PoolEnd why) {
		// Whoever is on his way into it is served: it drains for a while.
		return retire(why, (open) -> open.leases() == 0, (leases) -> becomeCold());
	}

	/**
	 * Nothing of it is open any more. A template's source is forgotten: its next use
	 * defines it again.
	 */
	private void becomeCold() {
		if (isGone()) {
			// Removed meanwhile, and must not come back to life.
			return;
		}
		if (this.source.definition().template() == null) {
			// What is unavailable stays so, as closing it mends nothing.
			this.state = (this.state instanceof SourceState.Open) ? COLD : this.state;
		}
		else {
			this.state = this.draining.isEmpty() ? new SourceState.Removed() : new SourceState.Draining(now());
		}
	}

	/**
	 * Lets the pool drain.
	 * @param why what for
	 * @param which whether to do so, asked under the lock
	 * @param then changes the state, under the lock; is told how many leases there are
	 * @return whether there was a pool that drains now
	 */
	private boolean retire(PoolEnd why, Predicate<Pool> which, IntConsumer then) {
		Pool open;
		this.lock.lock();
		try {
			open = this.source.pool();
			if (open != null && !which.test(open)) {
				return false;
			}
			int leases = leases();
			if (open != null) {
				startDraining(open, why);
			}
			then.accept(leases);
		}
		finally {
			this.lock.unlock();
		}
		if (isGone()) {
			this.registry.forget(this.source);
		}
		if (open != null) {
			this.openPools.left(this.source);
			this.registry.drains(this.source, open.grace());
		}
		return open != null;
	}

	/** Under the lock. */
	private void startDraining(Pool open, PoolEnd why) {
		this.openPools.ended(why);
		startDraining(open);
	}

	private void startDraining(Pool open) {
		open.drain(this.registry.limits().drainTimeout());
		List<Pool> more = new ArrayList<>(this.draining);
		more.add(open);
		this.draining = List.copyOf(more);
		this.source.lend(null);
	}

	/** Closes the pools that drain and are not in use, or for too long. */
	void closeDrained() {
		closeDrained(true);
	}

	void closeDrained(boolean afterGrace) {
		List<Pool> ended = new ArrayList<>();
		this.lock.lock();
		try {
			for (Pool each : this.draining) {
				int active = each.active();
				if (each.phase() == Pool.Phase.DRAINING && each.end(afterGrace)) {
					ended.add(each);
					if (each.leases() > 0) {
						this.events.add(new SourceEvent.Cut(this.source.name(), active, each.drainedFor(),
								describe(each.borrowers())));
					}
				}
			}
		}
		finally {
			this.lock.unlock();
		}
		ended.forEach(this::close);
	}

	private static List<String> describe(List<Pool.Borrower> borrowers) {
		return borrowers.stream().map((borrower) -> {
			Duration since = Duration.ofNanos(System.nanoTime() - borrower.since());
			return "thread '" + borrower.thread() + "' for " + Source.seconds(Duration.ofMillis(since.toMillis()))
					+ borrower.stack()
						.stream()
						.dropWhile((frame) -> OWN_FRAMES.matcher(frame.getClassName()).matches())
						.limit(MOST_FRAMES)
						.map((frame) -> " at " + frame)
						.collect(Collectors.joining());
		}).toList();
	}

	/** Closes everything at once, whoever uses it: the application ends. */
	void close() {
		List<Pool> all;
		this.lock.lock();
		try {
			if (this.source.pool() != null) {
				startDraining(this.source.pool());
				this.registry.attention().incrementAndGet();
			}
			all = this.draining;
			all.forEach(Pool::endAtOnce);
			this.state = new SourceState.Removed();
		}
		finally {
			this.lock.unlock();
		}
		// What is being closed by others already is waited for.
		all.forEach(this::close);
	}

	private void close(Pool ended) {
		try {
			ended.close();
		}
		finally {
			LeaseCounts counts = ended.counts();
			if (counts != null) {
				counts.end();
			}
			this.openPools.closed(ended);
			closed(ended);
		}
	}

	private void closed(Pool ended) {
		boolean first;
		this.lock.lock();
		try {
			first = this.draining.contains(ended);
			this.draining = this.draining.stream().filter((each) -> !each.equals(ended)).toList();
			if (this.draining.isEmpty() && this.state instanceof SourceState.Draining) {
				this.state = new SourceState.Removed();
			}
			if (first) {
				this.events.add(new SourceEvent.Closed(this.source.name()));
			}
		}
		finally {
			this.lock.unlock();
		}
		this.events.publish();
		if (first) {
			this.registry.drained(this.source);
		}
	}

	/** Only to be shown: it may be set. */
	private Instant now() {
		return this.registry.clock().instant();
	}

}
