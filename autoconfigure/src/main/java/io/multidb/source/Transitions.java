package io.multidb.source;

import java.nio.channels.ClosedByInterruptException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownTenantException;
import io.multidb.source.Transition.Outcome;

/**
 * The I/O of one source that changes its life: opening, migrating, making its database,
 * replacing, trying again. One thread at a time does it, announced to the life, and the
 * others wait for how it ends. Thread-safe.
 */
final class Transitions {

	private final Source source;

	private final SourceLife life;

	private final SourceRegistry registry;

	private final OpenPools openPools;

	private final SourceOpener opener;

	/** Why it was not replaced, as was told last; changed by who has the transition. */
	private @Nullable String notReplaced;

	Transitions(Source source, SourceLife life, SourceRegistry registry) {
		this.source = source;
		this.life = life;
		this.registry = registry;
		this.openPools = registry.openPools();
		this.opener = registry.opener();
	}

	/**
	 * Opens it, unless it is open.
	 * @param first gets a connection, if this call opened it: taken before anybody else
	 * can see the pool, and hence close it as idle
	 * @param deadline of the one for whom it is opened: nothing but the database itself
	 * is waited for any longer; {@code null} for as long as for a connection
	 */
	Outcome open(AtomicReference<@Nullable Connection> first, @Nullable Deadline deadline) {
		return change(() -> open(first, patience(deadline)), false, deadline);
	}

	private Outcome open(AtomicReference<@Nullable Connection> first, Duration patience) throws Exception {
		boolean hurried = patience.compareTo(connectionTimeout()) < 0;
		try {
			if (!this.openPools.enter(this.source, this.source.definition(), patience)) {
				return Outcome.GONE;
			}
			boolean entered = false;
			try {
				long start = System.nanoTime();
				Pool opened;
				try {
					opened = openPool(this.source.definition(), patience);
				}
				catch (SourceOpener.MissingDatabaseException ex) {
					if (this.source.definition().create() != CreatePolicy.ON_FIRST_USE) {
						throw ex;
					}
					this.opener.create(this.source.definition(), this.life::announce);
					opened = openPool(this.source.definition(), patience);
				}
				Duration took = Duration.ofNanos(System.nanoTime() - start);
				Connection taken = takeFirst(opened);
				entered = this.life.publish(opened, took);
				if (entered) {
					first.set(taken);
					this.openPools.entered(this.source);
					this.registry.opened(this.source, opened);
				}
				else {
					taken.close();
				}
				return Outcome.DONE;
			}
			finally {
				if (!entered) {
					this.openPools.abandoned(this.source);
				}
			}
		}
		catch (OpenPools.NoPlaceException | NoPermitException ex) {
			if (!hurried) {
				throw ex;
			}
			InterruptedException over = new InterruptedException(ex.getMessage());
			over.initCause(ex);
			throw over;
		}
	}

	private Duration patience(@Nullable Deadline deadline) {
		Duration patience = connectionTimeout();
		if (deadline == null) {
			return patience;
		}
		// Who waits for it is to give up first.
		Duration left = Duration.ofNanos(Math.max(0, deadline.left())).plusMillis(50);
		return (left.compareTo(patience) < 0) ? left : patience;
	}

	/** Opens the pool, in the place of one that is obsolete too. */
	private Pool openPool(SourceDefinition wanted, Duration patience) throws Exception {
		refuseWhileHindered();
		Pool opened = this.opener.open(wanted, mayMakeFile(wanted), patience, this.life::announce);
		this.registry.measure(opened);
		return opened;
	}

	private void prepareDatabase() throws Exception {
		refuseWhileHindered();
		this.opener.prepare(this.source.definition(), mayMakeFile(this.source.definition()), this.life::announce);
		this.life.prepared(this.source.definition().url());
	}

	private void refuseWhileHindered() throws SourceOpener.CannotConnectException {
		String hindrance = this.life.hindrance();
		if (hindrance != null) {
			throw new SourceOpener.CannotConnectException(this.source.definition(), hindrance);
		}
	}

	private Connection takeFirst(Pool opened) throws SQLException {
		Connection taken = null;
		try {
			LeaseCounts counts = opened.counts();
			long asked = (counts != null) ? counts.asked() : LeaseCounts.UNTIMED;
			taken = opened.borrow();
			if (taken == null) {
				throw new SQLException("The database went away while it was being opened", "08001");
			}
			opened.lent(taken, this.openPools.now(), asked);
			return taken;
		}
		finally {
			if (taken == null) {
				opened.close();
			}
		}
	}

	/** A file that was there and is gone is never made anew. */
	private boolean mayMakeFile(SourceDefinition wanted) {
		return !this.life.wasOpenedAt(wanted.url());
	}

	private Duration connectionTimeout() {
		return Duration.ofMillis(PoolSettings.read(this.source.definition().hikari()).getConnectionTimeout());
	}

	/** Connects and migrates, and stays cold. */
	Outcome prepare() {
		return change(() -> {
			prepareDatabase();
			return Outcome.DONE;
		}, false, null);
	}

	/**
	 * Looks whether the database is there.
	 * @throws UnknownTenantException if it is not
	 */
	void requireDatabase() throws SQLException {
		try {
			if (!this.opener.exists(this.source.definition())) {
				throw missing();
			}
		}
		catch (UnknownTenantException | SQLException ex) {
			throw ex;
		}
		catch (Exception ex) {
			throw new SQLException(this.source.definition().masked(ex.toString()), "08001",
					this.source.definition().masked(ex));
		}
	}

	/** Makes the database of a template's source; {@code ALREADY} if it was there. */
	Outcome create() {
		return change(() -> this.opener.create(this.source.definition(), this.life::announce) ? Outcome.DONE
				: Outcome.ALREADY, true, null);
	}

	/**
	 * Gives the source another definition, once a pool could be opened with it: whoever
	 * comes next uses that, and what is in use goes on with the old one.
	 * @param change makes it of the one that the source has when this has begun; what it
	 * throws is thrown here
	 * @param opened whether one that is cold is opened, too
	 * @return the old one; {@code null} if the source is gone
	 * @throws SourceUnavailableException if it could not be opened; nothing has changed
	 */
	@Nullable SourceDefinition replace(UnaryOperator<SourceDefinition> change, boolean opened) {
		Transition mine = begin();
		if (mine == null) {
			return null;
		}
		try {
			SourceDefinition replacement = change.apply(this.source.definition());
			SourceDefinition former = opened ? null : this.life.redefine(replacement);
			if (former == null) {
				return openAndExchange(replacement);
			}
			this.notReplaced = null;
			return former;
		}
		finally {
			end(mine, Outcome.ALREADY, null);
		}
	}

	private @Nullable SourceDefinition openAndExchange(SourceDefinition replacement) {
		try {
			if (!this.openPools.enter(this.source, replacement, connectionTimeout())) {
				return null;
			}
			long start = System.nanoTime();
			Pool opened = openPool(replacement, connectionTimeout());
			this.notReplaced = null;
			return this.life.exchange(replacement, opened, Duration.ofNanos(System.nanoTime() - start));
		}
		catch (Exception ex) {
			if (ex instanceof InterruptedException) {
				Thread.currentThread().interrupt();
			}
			String reason = notReplaced(replacement, ex);
			if (!isOfThisThread(ex)) {
				announceNotReplaced(replacement, reason);
			}
			throw new SourceUnavailableException(this.source.name(),
					"Source '" + this.source.name() + "' was not replaced, and is as it was: " + reason,
					Failures.FIRST_RETRY, ConnectFailure.withoutSecrets(replacement, ex));
		}
		finally {
			this.openPools.abandoned(this.source);
		}
	}

	private static String notReplaced(SourceDefinition replacement, Exception failure) {
		String reason = (failure instanceof MultiDbException || failure instanceof SourceOpener.CannotConnectException
				|| failure instanceof OpenPools.NoPlaceException || failure instanceof NoPermitException)
						? String.valueOf(failure.getMessage()) : failure.toString();
		return ConnectFailure.withoutSecrets(replacement, reason);
	}

	/** A provider's definition is tried again and again, which is no news. */
	private void announceNotReplaced(SourceDefinition replacement, String reason) {
		String changeLog = replacement.liquibase().changeLog();
		if (changeLog != null && replacement.equals(this.source.definition())) {
			this.life.notMigrated(reason);
			this.life.announce(new SourceEvent.MigrationFailed(this.source.name(), changeLog, reason));
		}
		else if (!reason.equals(this.notReplaced)) {
			this.notReplaced = reason;
			this.life.announce(new SourceEvent.NotReplaced(this.source.name(), replacement.url().masked(), reason));
		}
	}

	/**
	 * Begins a transition as soon as no other is under way. How that one ends says
	 * nothing of this one: it may have failed on what has been mended since it looked, or
	 * is to be mended by this one.
	 * @return {@code null} if the source is gone
	 */
	private @Nullable Transition begin() {
		Transition mine = new Transition();
		Transition current = this.life.begin(mine);
		while (current != null && !current.equals(mine)) {
			awaitEnd(current, connectionTimeout());
			current = this.life.begin(mine);
		}
		return current;
	}

	/**
	 * Tries again at once what failed, and what would be tried later.
	 * @return {@code ALREADY} if it had not failed
	 * @throws SourceUnavailableException if it fails again
	 */
	Outcome retryNow() {
		if (!(this.life.state() instanceof SourceState.Unavailable)) {
			return this.life.isGone() ? Outcome.GONE : Outcome.ALREADY;
		}
		Transition mine = begin();
		if (mine == null) {
			return Outcome.GONE;
		}
		if (!(this.life.state() instanceof SourceState.Unavailable)) {
			end(mine, Outcome.ALREADY, null);
			return Outcome.ALREADY;
		}
		return run(() -> {
			prepareDatabase();
			return Outcome.DONE;
		}, mine);
	}

	/**
	 * Tries again what failed, on behalf of the registry's prober.
	 * @param failure which of the failures in a row it follows: a try that comes late,
	 * when another has been made, is none
	 */
	void retry(int failure) {
		Transition mine = new Transition();
		if (!this.life.beginRetry(mine, failure)) {
			return;
		}
		try {
			run(() -> {
				prepareDatabase();
				return Outcome.DONE;
			}, mine);
		}
		catch (MultiDbException ex) {
			// It stays unavailable, with the next try scheduled, or is gone.
		}
	}

	@FunctionalInterface
	private interface Work {

		Outcome run() throws Exception;

	}

	/**
	 * Does a piece of the source's I/O unless the pool is open, one thread at a time.
	 * Others wait for the outcome and then look again; they share a failure, so that a
	 * hundred waiters do not try a broken database a hundred times.
	 */
	private Outcome change(Work work, boolean creating, @Nullable Deadline deadline) {
		Transition mine = new Transition();
		while (true) {
			Transition current = this.life.beginClosed(mine);
			if (current == null) {
				return this.life.isGone() ? Outcome.GONE : Outcome.ALREADY;
			}
			if (current.equals(mine)) {
				return run(work, mine);
			}
			if (!await(current, patience(deadline)) && !creating) {
				throw missing();
			}
		}
	}

	/**
	 * Runs a transition and ends it, whatever happens, before anybody is told of it.
	 */
	private Outcome run(Work work, Transition mine) {
		Outcome outcome = null;
		MultiDbException failure = null;
		try {
			outcome = work.run();
			this.life.succeeded();
			return outcome;
		}
		catch (Throwable ex) {
			MultiDbException told = failed(ex);
			failure = isOfThisThread(ex) ? null : told;
			if (ex instanceof InterruptedException) {
				Thread.currentThread().interrupt();
			}
			if (ex instanceof Error error) {
				throw error;
			}
			throw told;
		}
		finally {
			end(mine, outcome, failure);
		}
	}

	private void end(Transition mine, @Nullable Outcome outcome, @Nullable MultiDbException failure) {
		try {
			this.life.end(mine);
		}
		finally {
			if (failure != null) {
				mine.end().completeExceptionally(failure);
			}
			else {
				mine.end().complete(outcome);
			}
		}
		this.life.tell();
	}

	/**
	 * Waits for another thread's transition.
	 * @return {@code false} if it found no database
	 * @throws SourceUnavailableException if it failed, or does not end in time
	 */
	private boolean await(Transition others, Duration patience) {
		Throwable failure = awaitEnd(others, patience);
		if (failure == null) {
			return true;
		}
		if (failure instanceof UnknownTenantException) {
			return false;
		}
		throw new SourceUnavailableException(this.source.name(), String.valueOf(failure.getMessage()),
				Failures.FIRST_RETRY, failure);
	}

	/**
	 * Waits until another thread's transition is over.
	 * @return its failure, or {@code null} if it did not fail
	 * @throws SourceUnavailableException if it does not end in time
	 */
	private @Nullable Throwable awaitEnd(Transition others, Duration timeout) {
		if (others.isOwnedByThisThread()) {
			throw new SourceUnavailableException(this.source.name(), "Source '" + this.source.name()
					+ "' is being opened by this very thread:" + " what opens or migrates it must not use it.",
					Failures.FIRST_RETRY, null);
		}
		try {
			others.end().get(timeout.toMillis(), TimeUnit.MILLISECONDS);
			return null;
		}
		catch (ExecutionException ex) {
			return Objects.requireNonNull(ex.getCause());
		}
		catch (TimeoutException ex) {
			String shortage = this.registry.budgets().shortage(this.source.definition());
			throw new SourceUnavailableException(this.source.name(),
					"Source '" + this.source.name() + "' is still being opened or migrated after "
							+ Source.seconds(timeout) + ". " + ((shortage != null) ? shortage : "Try again later."),
					Failures.FIRST_RETRY, null);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(this.source.name(),
					"Interrupted while source '" + this.source.name() + "' was being opened by another thread.",
					Failures.FIRST_RETRY, ex);
		}
	}

	/**
	 * Decides what a failure means for the source, and what callers are told.
	 */
	private MultiDbException failed(Throwable failure) {
		if (failure instanceof SourceOpener.MissingDatabaseException) {
			// Nothing is kept for a tenant whose database does not exist.
			this.life.forget();
			return missing();
		}
		if (failure instanceof OpenPools.NoPlaceException full) {
			// Says nothing of the source.
			return new SourceUnavailableException(this.source.name(), String.valueOf(full.getMessage()),
					Failures.FIRST_RETRY, null);
		}
		if (failure instanceof NoPermitException none) {
			// Says nothing of the source either.
			return new SourceUnavailableException(this.source.name(), notOpened(none), Failures.FIRST_RETRY, none);
		}
		if (isOfThisThread(failure)) {
			// Says nothing of the source: whoever comes next, or waits, tries for itself.
			return new SourceUnavailableException(this.source.name(),
					"The thread was stopped while it opened source '" + this.source.name() + "': " + failure,
					Failures.FIRST_RETRY, failure);
		}
		String reason = reason(failure);
		Throwable cause = ConnectFailure.withoutSecrets(this.source.definition(), failure);
		if (!this.registry.keepsUnavailable(this.source) || isNeverMade()) {
			this.life.forget();
			return new SourceUnavailableException(this.source.name(), reason, Failures.FIRST_RETRY, cause);
		}
		Long unreachedAt = (failure instanceof SourceOpener.CannotConnectException ex) ? ex.unreachedAt() : null;
		return new SourceUnavailableException(this.source.name(), reason, this.life.failed(reason, unreachedAt), cause);
	}

	private String notOpened(NoPermitException none) {
		return "Source '" + this.source.name() + "' was not opened: " + none.getMessage();
	}

	/** Interrupted, or out of stack or memory: the next thread may have better luck. */
	private static boolean isOfThisThread(Throwable failure) {
		return failure instanceof InterruptedException || failure instanceof ClosedByInterruptException
				|| failure instanceof VirtualMachineError;
	}

	private UnknownTenantException missing() {
		return new UnknownTenantException(this.source.name(), "The template '" + this.source.definition().template()
				+ "' has no database for it" + switch (this.source.definition().create()) {
					case EXPLICIT -> "; create it with @Tenant(create = true) or SourceRegistry.create.";
					case NEVER -> ", and " + this.source.definition().property("create") + " is 'never'.";
					case ON_FIRST_USE -> ".";
				});
	}

	/** A creation that failed has left nothing behind, so there is nothing to retry. */
	private boolean isNeverMade() {
		if (this.source.definition().template() == null || this.source.definition().create() == CreatePolicy.NEVER) {
			return false;
		}
		try {
			return !this.opener.exists(this.source.definition());
		}
		catch (Exception ex) {
			return false;
		}
	}

	private String reason(Throwable failure) {
		if (failure instanceof SourceOpener.CannotConnectException) {
			return String.valueOf(failure.getMessage());
		}
		return ConnectFailure.withoutSecrets(this.source.definition(),
				(failure instanceof MultiDbException) ? String.valueOf(failure.getMessage())
						: "Source '" + this.source.name() + "' could not be made ready: " + failure);
	}

}
