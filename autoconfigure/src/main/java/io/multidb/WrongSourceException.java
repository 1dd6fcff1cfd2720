package io.multidb;

import java.io.Serial;

/**
 * A connection, session or entity of one source was used while the thread's target is
 * another source, or none; or a rule used the tenant that it was asked about. No
 * statement ran.
 */
public final class WrongSourceException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String source;

	/**
	 * Creates the exception.
	 * @param source the connection's source
	 * @param target the thread's current target
	 */
	public WrongSourceException(String source, Target target) {
		super("A connection of source '" + source + "' was used while the thread's target is " + target
				+ "; the statement did not run. Take a connection inside the scope that uses it, and finish with it"
				+ " (transaction, stream, cursor) before the scope ends.");
		this.source = source;
	}

	/**
	 * Creates the exception for something other than a connection.
	 * @param message what was used where, why that is refused, and what to do
	 * @param source its source
	 */
	public WrongSourceException(String message, String source) {
		super(message);
		this.source = source;
	}

	/**
	 * The source whose connection, session or entity was misused.
	 * @return the source's name
	 */
	public String source() {
		return this.source;
	}

}
