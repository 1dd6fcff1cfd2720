package io.multidb.web;

import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import org.jspecify.annotations.Nullable;

import org.springframework.http.HttpHeaders;
import org.springframework.http.ProblemDetail;
import org.springframework.http.server.PathContainer;
import org.springframework.web.context.request.async.WebAsyncUtils;
import org.springframework.web.filter.OncePerRequestFilter;
import org.springframework.web.servlet.HandlerExceptionResolver;
import org.springframework.web.servlet.ModelAndView;
import org.springframework.web.util.pattern.PathPattern;

import io.multidb.MultiDbException;
import io.multidb.Operation;
import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.routing.TargetAccess;

/**
 * Makes a request's tenant current while it is handled. The first resolver that knows one
 * decides; a request without a tenant goes on without, and fails only where it needs a
 * database. The second half of an asynchronous request is for the tenant of the first,
 * and so are the container's error page and what a controller returns to be run in
 * between.
 * <p>
 * What escapes the controllers because of a tenant or source is answered as the
 * application's exception handlers answer it, by default with a problem detail.
 */
public final class TenantFilter extends OncePerRequestFilter {

	/** What was found, for all that follows: resolvers may by then say otherwise. */
	private static final String TARGET = TenantFilter.class.getName() + ".TARGET";

	private final List<TenantResolver> resolvers;

	/** {@code null} where no header decides. */
	private final @Nullable String vary;

	private final List<PathPattern> excluded;

	private final @Nullable HandlerExceptionResolver exceptionResolver;

	/** {@code null} where there are no rules. */
	private final @Nullable TargetAccess access;

	/** {@code null} where nobody wants to know. */
	private volatile @Nullable BiConsumer<HttpServletRequest, String> listener;

	/**
	 * Creates the filter.
	 * @param resolvers who knows the tenant, in order
	 * @param excluded path patterns for which nobody is asked
	 * @param exceptionResolver answers exceptions, or {@code null} where the container's
	 * error page is to do so
	 * @throws IllegalArgumentException if a pattern cannot be parsed
	 */
	public TenantFilter(List<TenantResolver> resolvers, List<String> excluded,
			@Nullable HandlerExceptionResolver exceptionResolver) {
		this(resolvers, excluded, exceptionResolver, null);
	}

	/**
	 * Creates the filter.
	 * @param resolvers who knows the tenant, in order
	 * @param excluded path patterns for which nobody is asked
	 * @param exceptionResolver answers exceptions, or {@code null} where the container's
	 * error page is to do so
	 * @param access asked whether the user may work for the tenant, or {@code null} if
	 * everybody may
	 * @throws IllegalArgumentException if a pattern cannot be parsed
	 */
	public TenantFilter(List<TenantResolver> resolvers, List<String> excluded,
			@Nullable HandlerExceptionResolver exceptionResolver, @Nullable TargetAccess access) {
		this.access = access;
		this.resolvers = List.copyOf(resolvers);
		String vary = resolvers.stream()
			.map(TenantResolver::vary)
			.filter(Objects::nonNull)
			.distinct()
			.collect(Collectors.joining(", "));
		this.vary = vary.isEmpty() ? null : vary;
		this.excluded = excluded.stream().map(TenantResolvers::pattern).toList();
		this.exceptionResolver = exceptionResolver;
	}

	@Override
	protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
			throws ServletException, IOException {
		try (Scope scope = enter(request, response)) {
			if (!isAsyncDispatch(request)) {
				// Before others register theirs, such as open-in-view's session: first to
				// begin is last to end.
				WebAsyncUtils.getAsyncManager(request)
					.registerCallableInterceptor(CallableTarget.class, new CallableTarget());
			}
			chain.doFilter(request, response);
		}
		catch (ServletException | IOException | RuntimeException ex) {
			MultiDbException failure = find(ex);
			if (failure == null || response.isCommitted() || !answer(failure, request, response)) {
				throw ex;
			}
		}
	}

	/** Without a tenant too: closing it ends what the request may have left open. */
	private Scope enter(HttpServletRequest request, HttpServletResponse response) {
		boolean failed = request.getDispatcherType() == DispatcherType.ERROR;
		if ((failed || isAsyncDispatch(request)) && request.getAttribute(TARGET) instanceof Target begun) {
			// The thread may be another, and have something left on it.
			return (begun.tenant() != null && begun.source() == null) ? TenantContext.enter(begun.tenant())
					: begun.enter();
		}
		if (failed) {
			// The tenant itself may be what is wrong, or who asks for it.
			return Target.none().enter();
		}
		String tenant = resolve(request, response);
		Target target = (tenant != null) ? Target.ofTenant(tenant) : Target.current();
		if (tenant != null && this.access != null) {
			this.access.check(target, Operation.READ);
		}
		request.setAttribute(TARGET, target);
		BiConsumer<HttpServletRequest, String> told = this.listener;
		if (tenant != null && told != null) {
			told.accept(request, tenant);
		}
		return target.enter();
	}

	/**
	 * Has somebody told of each request's tenant, before the request is handled.
	 * @param listener is told, on the request's thread
	 */
	public void onTenant(BiConsumer<HttpServletRequest, String> listener) {
		this.listener = listener;
	}

	private @Nullable String resolve(HttpServletRequest request, HttpServletResponse response) {
		if (!this.excluded.isEmpty()) {
			PathContainer path = TenantResolvers.pathOf(request);
			for (PathPattern pattern : this.excluded) {
				if (pattern.matches(path)) {
					return null;
				}
			}
		}
		if (this.vary != null) {
			response.addHeader(HttpHeaders.VARY, this.vary);
		}
		for (TenantResolver resolver : this.resolvers) {
			String tenant = resolver.resolve(request);
			if (tenant != null) {
				return tenant;
			}
		}
		return null;
	}

	private static @Nullable MultiDbException find(Throwable failure) {
		Throwable cause = failure;
		for (int depth = 0; cause != null && depth < 50; depth++, cause = cause.getCause()) {
			if (cause instanceof MultiDbException found) {
				return found;
			}
		}
		return null;
	}

	private boolean answer(MultiDbException failure, HttpServletRequest request, HttpServletResponse response)
			throws IOException {
		ModelAndView answered = (this.exceptionResolver != null)
				? this.exceptionResolver.resolveException(request, response, null, failure) : null;
		if (answered != null && answered.isEmpty()) {
			return true;
		}
		// Nobody answered, or with a view, which cannot be rendered out here.
		ProblemDetail problem = TenantExceptionHandler.problem(failure);
		if (problem == null) {
			return false;
		}
		TenantExceptionHandler.headers(failure).toSingleValueMap().forEach(response::setHeader);
		response.sendError(problem.getStatus(), problem.getDetail());
		return true;
	}

	@Override
	protected boolean shouldNotFilterAsyncDispatch() {
		return false;
	}

	@Override
	protected boolean shouldNotFilterErrorDispatch() {
		return false;
	}

}
