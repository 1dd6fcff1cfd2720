package io.multidb.access;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.Target;

/**
 * The rules in force, asked for the calling thread's user. Only there when an application
 * has a {@link SourceAccess}. Remembers no decision. Thread-safe.
 */
public final class Access implements AutoCloseable {

	private final Supplier<List<SourceAccess>> rules;

	private final CurrentUser currentUser;

	private final AccessListener listener;

	private final Map<Operation, LongAdder> refusals = Map.of(Operation.READ, new LongAdder(), Operation.WRITE,
			new LongAdder());

	/**
	 * Puts rules in force; until it is closed, users go along to other threads.
	 * @param rules the rules, all of which must allow; asked for with each decision, and
	 * first when one is needed, as a rule may itself need a DataSource
	 * @param currentUser knows the user of a thread
	 * @param listener told of uses and refusals
	 */
	public Access(Supplier<List<SourceAccess>> rules, CurrentUser currentUser, AccessListener listener) {
		this.rules = rules;
		this.currentUser = () -> name(currentUser);
		this.listener = listener;
		TaskUser.register(this.currentUser);
	}

	/**
	 * The user of the calling thread.
	 * @return the user's name, or {@code null} if nobody is known
	 */
	public @Nullable String user() {
		return TaskUser.name(this.currentUser);
	}

	/**
	 * Whether the calling thread is asking a rule, for the user, or telling of a
	 * decision. What it takes then nobody is asked about, so nothing new may come of it.
	 * @return whether it is
	 */
	public boolean isDeciding() {
		return Deciding.isOpen();
	}

	/** Who has logged in may be in a session, which is in a database. */
	private static @Nullable String name(CurrentUser user) {
		try (Deciding span = Deciding.begin()) {
			return user.name();
		}
	}

	/**
	 * Whether the user of the calling thread may use a source: for lists of those that
	 * are offered. Nobody is told of it.
	 * @param target the tenant it would be used for, or the source itself
	 * @param source the source's name
	 * @param operation what is wanted
	 * @return whether it is allowed
	 */
	public boolean isAllowed(Target target, String source, Operation operation) {
		if (Deciding.isOpen()) {
			return true;
		}
		try (Deciding span = Deciding.begin()) {
			return decide(user(), target, source, operation).allowed();
		}
	}

	/**
	 * Refuses work that the user of the calling thread may not do.
	 * @param target the tenant it is done for, or the source itself
	 * @param source the source's name
	 * @param operation what is wanted
	 * @throws SourceAccessDeniedException if it is not allowed
	 */
	public void check(Target target, String source, Operation operation) {
		if (Deciding.isOpen()) {
			return;
		}
		try (Deciding span = Deciding.begin()) {
			String user = user();
			AccessDecision decision = decide(user, target, source, operation);
			if (!decision.allowed()) {
				throw denied(user, target, source, operation, decision.reason());
			}
		}
	}

	/**
	 * Asks about a connection that the calling thread has already, for another target
	 * than it was taken for.
	 * @param target the tenant it is to be used for, or the source itself
	 * @param taken what it was taken for
	 * @param source the source's name
	 * @param operation what can be done with the connection
	 * @return whether anybody was asked: rules use what they have taken themselves
	 * @throws SourceAccessDeniedException if not all of that is allowed
	 */
	public boolean share(Target target, Target taken, String source, Operation operation) {
		if (Deciding.isOpen()) {
			return false;
		}
		try (Deciding span = Deciding.begin()) {
			String user = user();
			AccessDecision decision = decide(user, target, source, operation);
			if (!decision.allowed()) {
				throw denied(user, target, source, operation, (operation == Operation.WRITE) ? decision.reason()
						+ " The connection was taken for " + taken
						+ " and can write; to read only, take another one, as a transaction that is REQUIRES_NEW does."
						: decision.reason());
			}
			tell(new AccessEvent(user, target.tenant(), source, operation, true, null));
		}
		return true;
	}

	/**
	 * What a connection may be used for that the calling thread is to get.
	 * @param target the tenant it is for, or the source itself
	 * @param source the source's name
	 * @param readOnly whether it is wanted to read only
	 * @return the widest of what is wanted and allowed
	 * @throws SourceAccessDeniedException if not even reading is allowed
	 */
	public Permit permit(Target target, String source, boolean readOnly) {
		if (Deciding.isOpen()) {
			return new Permit(this, target, source, null, readOnly ? Operation.READ : Operation.WRITE, null);
		}
		try (Deciding span = Deciding.begin()) {
			String user = user();
			AccessDecision write = readOnly ? null : decide(user, target, source, Operation.WRITE);
			if (write != null && write.allowed()) {
				tell(new AccessEvent(user, target.tenant(), source, Operation.WRITE, true, null));
				return new Permit(this, target, source, user, Operation.WRITE, null);
			}
			AccessDecision read = decide(user, target, source, Operation.READ);
			if (!read.allowed()) {
				throw denied(user, target, source, Operation.READ, read.reason());
			}
			tell(new AccessEvent(user, target.tenant(), source, Operation.READ, true, null));
			return new Permit(this, target, source, user, Operation.READ, write);
		}
	}

	/**
	 * A source that was named directly is used as a whole, whatever tenant is along.
	 */
	private AccessDecision decide(@Nullable String user, Target target, String source, Operation operation) {
		String tenant = (target.source() != null) ? null : target.tenant();
		try (Deciding span = Deciding.begin()) {
			for (SourceAccess rule : this.rules.get()) {
				AccessDecision decision = rule.decide(user, tenant, source, operation);
				if (decision == null || !decision.allowed()) {
					return (decision != null) ? decision : AccessDecision.deny("A rule has decided nothing.");
				}
			}
			return AccessDecision.allow();
		}
	}

	SourceAccessDeniedException denied(@Nullable String user, Target target, String source, Operation operation,
			@Nullable String reason) {
		Objects.requireNonNull(this.refusals.get(operation)).increment();
		tell(new AccessEvent(user, target.tenant(), source, operation, false, reason));
		return new SourceAccessDeniedException(user, target.tenant(), source, operation, reason);
	}

	/**
	 * How often somebody was refused.
	 * @param operation what he wanted
	 * @return how often since the start
	 */
	public long refusals(Operation operation) {
		return Objects.requireNonNull(this.refusals.get(operation)).sum();
	}

	/** A listener may keep its events in a database, too. */
	private void tell(AccessEvent event) {
		try (Deciding span = Deciding.begin()) {
			this.listener.decided(event);
		}
	}

	/** Users no longer go along. */
	@Override
	public void close() {
		TaskUser.unregister(this.currentUser);
	}

}
