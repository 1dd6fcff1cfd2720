package io.multidb;

import java.io.Serial;

import org.jspecify.annotations.Nullable;

/**
 * A thread was to work for another source while a transaction or session of its own was
 * still open on it. Nothing was switched, except where a scope ended and left something
 * open.
 */
public final class SourceSwitchException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final @Nullable String source;

	/**
	 * Creates the exception.
	 * @param source the source of what is open, or {@code null} if it was opened for none
	 * @param message what happened, why, and what to do
	 * @param cause why the new target leads nowhere, or {@code null} if it leads
	 * somewhere
	 */
	public SourceSwitchException(@Nullable String source, String message, @Nullable Throwable cause) {
		super(message, cause);
		this.source = source;
	}

	/**
	 * The source of the transaction or session that is open.
	 * @return the source's name, or {@code null} if it was opened for none
	 */
	public @Nullable String source() {
		return this.source;
	}

}
