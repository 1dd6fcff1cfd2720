package io.multidb;

import java.io.Serial;

import org.jspecify.annotations.Nullable;

/**
 * The root of all exceptions of this library. From JDBC methods they come as the cause of
 * an {@link java.sql.SQLTransientConnectionException} when trying again may help, and of
 * an {@link java.sql.SQLNonTransientConnectionException} when it cannot.
 */
public abstract class MultiDbException extends RuntimeException {

	@Serial
	private static final long serialVersionUID = 1L;

	/** As long as a valid name can be. */
	private static final int SHOWN = 64;

	protected MultiDbException(String message) {
		super(message);
	}

	protected MultiDbException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

	/** Names may come from outside: a log must not be split or flooded by one. */
	static String printable(String name) {
		StringBuilder text = new StringBuilder();
		for (int i = 0; i < Math.min(name.length(), SHOWN); i++) {
			char c = name.charAt(i);
			if (c >= ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\') {
				text.append(c);
			}
			else {
				text.append(String.format("\\u%04x", (int) c));
			}
		}
		return (name.length() > SHOWN) ? text + "…" : text.toString();
	}

}
