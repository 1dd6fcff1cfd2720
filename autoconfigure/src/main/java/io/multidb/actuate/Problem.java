package io.multidb.actuate;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import org.springframework.dao.DataAccessException;

import io.multidb.InvalidDatasourcesException;
import io.multidb.InvalidTenantException;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceSwitchException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.source.JdbcUrl;

/**
 * Why an operation failed, as {@code application/problem+json} (RFC 9457) says it.
 * Without secrets. Immutable.
 *
 * @param status the HTTP status
 * @param title what kind of problem it is
 * @param detail a sentence
 * @param retryAfter when to try again, or {@code null} if that does not help
 */
public record Problem(int status, String title, String detail, @Nullable Duration retryAfter) {

	/** Its media type. */
	public static final String MEDIA_TYPE = "application/problem+json";

	private static final Duration SOON = Duration.ofSeconds(1);

	/**
	 * The problem that a failure is.
	 * @param failure what an operation threw
	 * @return {@code null} if it is a mistake of the program
	 */
	public static @Nullable Problem of(RuntimeException failure) {
		if (failure instanceof IllegalArgumentException || failure instanceof InvalidTenantException) {
			return of(400, "Bad Request", failure);
		}
		if (failure instanceof SourceAccessDeniedException) {
			return of(403, "Forbidden", failure);
		}
		if (failure instanceof UnknownSourceException || failure instanceof UnknownTenantException) {
			return of(404, "Not Found", failure);
		}
		if (failure instanceof OperationConflictException || failure instanceof InvalidDatasourcesException
				|| failure instanceof SourceSwitchException) {
			return of(409, "Conflict", failure);
		}
		if (failure instanceof SourceUnavailableException unavailable) {
			return new Problem(503, "Service Unavailable", text(failure), unavailable.retryAfter());
		}
		if (failure instanceof DataAccessException) {
			return ofDatabase(failure);
		}
		return null;
	}

	/** The catalog's database failed, or the rules did not let the user change it. */
	private static Problem ofDatabase(RuntimeException failure) {
		Throwable cause = failure.getCause();
		for (int depth = 0; cause != null && depth < 10; depth++, cause = cause.getCause()) {
			if (cause instanceof SourceUnavailableException || cause instanceof SourceAccessDeniedException) {
				Problem problem = of((RuntimeException) cause);
				if (problem != null) {
					return problem;
				}
			}
		}
		return new Problem(503, "Service Unavailable", text(failure), SOON);
	}

	private static Problem of(int status, String title, RuntimeException failure) {
		return new Problem(status, title, text(failure), null);
	}

	static Problem notFound(String detail) {
		return new Problem(404, "Not Found", detail, null);
	}

	private static String text(RuntimeException failure) {
		return JdbcUrl.mask(String.valueOf(failure.getMessage()));
	}

	/**
	 * When to try again.
	 * @return whole seconds, at least one; {@code null} if that does not help
	 */
	public @Nullable Long retryAfterSeconds() {
		return (this.retryAfter != null) ? Math.max(1, this.retryAfter.plusMillis(999).toSeconds()) : null;
	}

	/**
	 * The body of the answer.
	 * @return what is to become JSON; {@code retryAfter} in whole seconds
	 */
	public Map<String, Object> body() {
		Map<String, Object> body = new LinkedHashMap<>();
		body.put("title", this.title);
		body.put("status", this.status);
		body.put("detail", this.detail);
		Long seconds = retryAfterSeconds();
		if (seconds != null) {
			body.put("retryAfter", seconds);
		}
		return body;
	}

}
