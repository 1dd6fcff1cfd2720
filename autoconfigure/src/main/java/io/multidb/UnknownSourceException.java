package io.multidb;

import java.io.Serial;

/**
 * A source was asked for by a name that none bears. Over HTTP: 404.
 */
public final class UnknownSourceException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String source;

	/**
	 * Creates the exception.
	 * @param source the name
	 * @param reason what is missing and what to do, whole sentences
	 */
	public UnknownSourceException(String source, String reason) {
		super("Unknown source '" + printable(source) + "'. " + reason);
		this.source = source;
	}

	/**
	 * The name that no source bears.
	 * @return the name
	 */
	public String source() {
		return this.source;
	}

}
