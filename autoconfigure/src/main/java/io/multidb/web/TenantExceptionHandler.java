package io.multidb.web;

import org.jspecify.annotations.Nullable;

import org.springframework.core.Ordered;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.web.ErrorResponse;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestControllerAdvice;

import io.multidb.InvalidTenantException;
import io.multidb.MultiDbException;
import io.multidb.NoTenantException;
import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;

/**
 * Answers what a tenant or a source is to blame for, also where it is the cause of what a
 * controller threw, unless a handler of the application's own does, or what was thrown
 * says itself how it is to be answered. Addresses and other inner details stay inside:
 * they are in the log and in health.
 */
@RestControllerAdvice
@Order(Ordered.LOWEST_PRECEDENCE)
public final class TenantExceptionHandler {

	/**
	 * Answers a failure.
	 * @param failure what a tenant or source is to blame for
	 * @param thrown what the controller threw, the failure itself or because of it
	 * @return the answer
	 * @throws Exception what was thrown, if it is for others to answer
	 */
	@ExceptionHandler({ NoTenantException.class, InvalidTenantException.class, UnknownTenantException.class,
			UnknownSourceException.class, SourceUnavailableException.class, SourceAccessDeniedException.class })
	ResponseEntity<ProblemDetail> handle(MultiDbException failure, Exception thrown) throws Exception {
		ProblemDetail problem = problem(failure);
		if (problem == null || thrown instanceof ErrorResponse
				|| AnnotatedElementUtils.hasAnnotation(thrown.getClass(), ResponseStatus.class)) {
			throw thrown;
		}
		return ResponseEntity.status(problem.getStatus()).headers(headers(failure)).body(problem);
	}

	static @Nullable ProblemDetail problem(MultiDbException failure) {
		if (failure instanceof NoTenantException) {
			return ProblemDetail.forStatusAndDetail(HttpStatus.BAD_REQUEST, "The request names no tenant.");
		}
		if (failure instanceof InvalidTenantException) {
			return ProblemDetail.forStatusAndDetail(HttpStatus.BAD_REQUEST, failure.getMessage());
		}
		if (failure instanceof SourceAccessDeniedException denied) {
			return ProblemDetail.forStatusAndDetail(HttpStatus.FORBIDDEN,
					(denied.operation() == Operation.READ) ? "Access denied." : "Access to write denied.");
		}
		if (failure instanceof UnknownTenantException unknown) {
			return ProblemDetail.forStatusAndDetail(HttpStatus.NOT_FOUND, "Unknown tenant '" + unknown.tenant() + "'.");
		}
		if (failure instanceof UnknownSourceException) {
			return ProblemDetail.forStatusAndDetail(HttpStatus.NOT_FOUND, "Unknown source.");
		}
		if (failure instanceof SourceUnavailableException unavailable) {
			return ProblemDetail.forStatusAndDetail(HttpStatus.SERVICE_UNAVAILABLE,
					"The source '" + unavailable.source() + "' is unavailable. Try again later.");
		}
		return null;
	}

	static HttpHeaders headers(MultiDbException failure) {
		HttpHeaders headers = new HttpHeaders();
		if (failure instanceof SourceUnavailableException unavailable) {
			// Whole seconds, rounded up: too early is too early.
			long seconds = Math.max(1, unavailable.retryAfter().plusMillis(999).toSeconds());
			headers.set(HttpHeaders.RETRY_AFTER, Long.toString(seconds));
		}
		return headers;
	}

}
