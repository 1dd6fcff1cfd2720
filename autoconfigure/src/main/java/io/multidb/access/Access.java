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

	/** Present on a thread that decides, or finds out for whom. */
	private static final ThreadLocal<@Nullable Boolean> DECIDING = new ThreadLocal<>();

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
		this.currentUser = currentUser;
		this.listener = listener;
		TaskUser.register(currentUser);
	}

	/**
	 * The user of the calling thread.
	 * @return the user's name, or {@code null} if nobody is known
	 */
	public @Nullable String user() {
		if (isDeciding()) {
			return TaskUser.name(this.currentUser);
		}
		// Who has logged in may be in a session, which is in a database.
		DECIDING.set(true);
		try {
			return TaskUser.name(this.currentUser);
		}
		finally {
			DECIDING.remove();
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
		return isDeciding() || decide(user(), target, source, operation).allowed();
	}

	/**
	 * Refuses work that the user of the calling thread may not do.
	 * @param target the tenant it is done for, or the source itself
	 * @param source the source's name
	 * @param operation what is wanted
	 * @throws SourceAccessDeniedException if it is not allowed
	 */
	public void check(Target target, String source, Operation operation) {
		if (isDeciding()) {
			return;
		}
		String user = user();
		AccessDecision decision = decide(user, target, source, operation);
		if (!decision.allowed()) {
			throw denied(user, target, source, operation, decision.reason());
		}
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
		if (isDeciding()) {
			return new Permit(this, target, source, null, readOnly ? Operation.READ : Operation.WRITE, null);
		}
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

	private static boolean isDeciding() {
		return DECIDING.get() != null;
	}

	/**
	 * A source that was named directly is used as a whole, whatever tenant is along.
	 */
	private AccessDecision decide(@Nullable String user, Target target, String source, Operation operation) {
		String tenant = (target.source() != null) ? null : target.tenant();
		DECIDING.set(true);
		try {
			for (SourceAccess rule : this.rules.get()) {
				AccessDecision decision = rule.decide(user, tenant, source, operation);
				if (decision == null || !decision.allowed()) {
					return (decision != null) ? decision : AccessDecision.deny("A rule has decided nothing.");
				}
			}
			return AccessDecision.allow();
		}
		finally {
			DECIDING.remove();
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
		if (isDeciding()) {
			return;
		}
		DECIDING.set(true);
		try {
			this.listener.decided(event);
		}
		finally {
			DECIDING.remove();
		}
	}

	/** Users no longer go along. */
	@Override
	public void close() {
		TaskUser.unregister(this.currentUser);
	}

}
