package io.multidb.web;

import jakarta.servlet.http.HttpSession;
import org.jspecify.annotations.Nullable;

import org.springframework.web.context.request.RequestAttributes;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;

import io.multidb.source.CallerSession;

/**
 * Takes the id of the current request's HTTP session, if it has one; never makes one.
 * Thread-safe.
 */
public final class HttpCallerSession implements CallerSession {

	@Override
	public @Nullable String id() {
		RequestAttributes attributes = RequestContextHolder.getRequestAttributes();
		if (!(attributes instanceof ServletRequestAttributes request)) {
			return null;
		}
		try {
			HttpSession session = request.getRequest().getSession(false);
			return (session != null) ? session.getId() : null;
		}
		catch (IllegalStateException ex) {
			// The request has ended, and this thread outlives it.
			return null;
		}
	}

}
