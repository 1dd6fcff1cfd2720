package io.multidb.web;

import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.RestControllerAdvice;

import io.multidb.InvalidTenantException;
import io.multidb.NoTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;

/**
 * Answers what a tenant or a source is to blame for, also where it is the cause of what a
 * controller threw, unless a handler of the application's own does. Addresses and other
 * inner details stay inside: they are in the log and in health.
 */
@RestControllerAdvice
@Order(Ordered.LOWEST_PRECEDENCE)
public final class TenantExceptionHandler {

	@ExceptionHandler
	ProblemDetail handle(NoTenantException ex) {
		return ProblemDetail.forStatusAndDetail(HttpStatus.BAD_REQUEST, "The request names no tenant.");
	}

	@ExceptionHandler
	ProblemDetail handle(InvalidTenantException ex) {
		return ProblemDetail.forStatusAndDetail(HttpStatus.BAD_REQUEST, ex.getMessage());
	}

	@ExceptionHandler
	ProblemDetail handle(UnknownTenantException ex) {
		return ProblemDetail.forStatusAndDetail(HttpStatus.NOT_FOUND, "Unknown tenant '" + ex.tenant() + "'.");
	}

	@ExceptionHandler
	ProblemDetail handle(UnknownSourceException ex) {
		return ProblemDetail.forStatusAndDetail(HttpStatus.NOT_FOUND, "Unknown source '" + ex.source() + "'.");
	}

	@ExceptionHandler
	ResponseEntity<ProblemDetail> handle(SourceUnavailableException ex) {
		ProblemDetail problem = ProblemDetail.forStatusAndDetail(HttpStatus.SERVICE_UNAVAILABLE,
				"The source '" + ex.source() + "' is unavailable. Try again later.");
		long seconds = Math.max(1, ex.retryAfter().plusMillis(999).toSeconds());
		return ResponseEntity.status(HttpStatus.SERVICE_UNAVAILABLE)
			.header(HttpHeaders.RETRY_AFTER, Long.toString(seconds))
			.body(problem);
	}

}
