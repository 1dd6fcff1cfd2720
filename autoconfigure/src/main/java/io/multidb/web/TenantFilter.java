package io.multidb.web;

import java.io.IOException;
import java.util.List;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import org.jspecify.annotations.Nullable;

import org.springframework.http.server.PathContainer;
import org.springframework.web.filter.OncePerRequestFilter;
import org.springframework.web.servlet.HandlerExceptionResolver;
import org.springframework.web.util.pattern.PathPattern;
import org.springframework.web.util.pattern.PathPatternParser;

import io.multidb.MultiDbException;
import io.multidb.Scope;
import io.multidb.TenantContext;

/**
 * Makes a request's tenant current while it is handled. The first resolver that knows one
 * decides; a request without a tenant goes on without, and fails only where it needs a
 * database.
 * <p>
 * What escapes the controllers because of a tenant or source is answered as the
 * application's exception handlers answer it, by default with a problem detail.
 */
public final class TenantFilter extends OncePerRequestFilter {

	private final List<TenantResolver> resolvers;

	private final List<PathPattern> excluded;

	private final HandlerExceptionResolver exceptionResolver;

	/**
	 * Creates the filter.
	 * @param resolvers who knows the tenant, in order
	 * @param excluded path patterns for which nobody is asked
	 * @param exceptionResolver answers exceptions
	 */
	public TenantFilter(List<TenantResolver> resolvers, List<String> excluded,
			HandlerExceptionResolver exceptionResolver) {
		this.resolvers = List.copyOf(resolvers);
		this.excluded = excluded.stream().map(PathPatternParser.defaultInstance::parse).toList();
		this.exceptionResolver = exceptionResolver;
	}

	@Override
	protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
			throws ServletException, IOException {
		try (Scope scope = enter(request)) {
			chain.doFilter(request, response);
		}
		catch (ServletException | RuntimeException ex) {
			MultiDbException failure = find(ex);
			if (failure == null || response.isCommitted()
					|| this.exceptionResolver.resolveException(request, response, null, failure) == null) {
				throw ex;
			}
		}
	}

	private @Nullable Scope enter(HttpServletRequest request) {
		PathContainer path = TenantResolvers.pathOf(request);
		if (this.excluded.stream().anyMatch((pattern) -> pattern.matches(path))) {
			return null;
		}
		for (TenantResolver resolver : this.resolvers) {
			String tenant = resolver.resolve(request);
			if (tenant != null) {
				return TenantContext.enter(tenant);
			}
		}
		return null;
	}

	private static @Nullable MultiDbException find(Throwable failure) {
		for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
			if (cause instanceof MultiDbException found) {
				return found;
			}
		}
		return null;
	}

	/** The second half of an asynchronous request runs on another thread. */
	@Override
	protected boolean shouldNotFilterAsyncDispatch() {
		return false;
	}

}
