package io.multidb;

import java.io.Serial;
import java.util.ArrayList;
import java.util.List;

/**
 * The configuration of sources and routes has mistakes; all of them are listed. At
 * start-up Spring Boot's failure analysis prints them; at run time it is thrown by the
 * operation that would have made the mistake.
 */
public final class InvalidDatasourcesException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final ArrayList<String> mistakes;

	/**
	 * Creates the exception.
	 * @param mistakes every mistake, each with what to do, at least one
	 */
	public InvalidDatasourcesException(List<String> mistakes) {
		super((mistakes.size() == 1) ? mistakes.get(0)
				: mistakes.size() + " mistakes:\n- " + String.join("\n- ", mistakes));
		this.mistakes = new ArrayList<>(mistakes);
	}

	/**
	 * Every mistake, in the order of the configuration.
	 * @return the mistakes, at least one
	 */
	public List<String> mistakes() {
		return List.copyOf(this.mistakes);
	}

}
