package io.multidb;

import java.io.Serial;
import java.time.Duration;

import org.jspecify.annotations.Nullable;

/**
 * A source exists but cannot be used now: its server does not answer, its migration
 * failed, its pool is exhausted. Trying again later may help. Over HTTP: 503 with
 * {@code Retry-After}.
 */
public final class SourceUnavailableException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String source;

	private final Duration retryAfter;

	/**
	 * Creates the exception.
	 * @param source the source's name
	 * @param message what happened, why, and what to do
	 * @param retryAfter when trying again may help, never negative
	 * @param cause what the driver or the migration said, or {@code null}
	 */
	public SourceUnavailableException(String source, String message, Duration retryAfter, @Nullable Throwable cause) {
		super(message, cause);
		this.source = source;
		this.retryAfter = retryAfter;
	}

	/**
	 * The source that is unavailable.
	 * @return the source's name
	 */
	public String source() {
		return this.source;
	}

	/**
	 * When trying again may help.
	 * @return the time from now, never negative
	 */
	public Duration retryAfter() {
		return this.retryAfter;
	}

}
