package io.multidb;

import java.io.Serial;
import java.util.Locale;

import org.jspecify.annotations.Nullable;

/**
 * A user may not use a source, or only read it; nothing was opened or created for it. The
 * same whether or not there is such a source. Over HTTP: 403, without any name; the
 * message is for the log.
 */
public final class SourceAccessDeniedException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final @Nullable String user;

	private final @Nullable String tenant;

	private final String source;

	private final Operation operation;

	/**
	 * Creates the exception.
	 * @param user the user's name, or {@code null} if nobody is known
	 * @param tenant the tenant the work was for, or {@code null} if there is none
	 * @param source the source's name
	 * @param operation what was refused
	 * @param reason why, one sentence, or {@code null} if the rule gave none
	 */
	public SourceAccessDeniedException(@Nullable String user, @Nullable String tenant, String source,
			Operation operation, @Nullable String reason) {
		super(message(user, tenant, source, operation, reason));
		this.user = user;
		this.tenant = tenant;
		this.source = source;
		this.operation = operation;
	}

	private static String message(@Nullable String user, @Nullable String tenant, String source, Operation operation,
			@Nullable String reason) {
		String who = (user != null) ? "User '" + printable(user) + "'" : "Work without a user";
		String where = "source '" + printable(source) + "'"
				+ ((tenant != null) ? " for tenant '" + printable(tenant) + "'" : "");
		String what = (operation == Operation.READ) ? " may not use " : " may not write to ";
		String remedy = (user != null)
				? " Grant " + operation.name().toLowerCase(Locale.ROOT) + " access there, or do the work as a user who"
						+ " has it."
				: " Do the work for a user who is logged in; or, in a scheduled job, as a named one:"
						+ " UserContext.run(\"nightly\", …).";
		return who + what + where + ((reason != null) ? ": " + reason : ".") + remedy;
	}

	/**
	 * Who was refused.
	 * @return the user's name, or {@code null} if nobody is known
	 */
	public @Nullable String user() {
		return this.user;
	}

	/**
	 * The tenant the work was for.
	 * @return the tenant's id, or {@code null} if there is none
	 */
	public @Nullable String tenant() {
		return this.tenant;
	}

	/**
	 * The source that was asked for.
	 * @return its name
	 */
	public String source() {
		return this.source;
	}

	/**
	 * What was refused.
	 * @return {@link Operation#WRITE} where reading may be allowed
	 */
	public Operation operation() {
		return this.operation;
	}

}
