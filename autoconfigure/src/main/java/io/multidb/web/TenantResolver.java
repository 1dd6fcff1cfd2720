package io.multidb.web;

import jakarta.servlet.http.HttpServletRequest;
import org.jspecify.annotations.Nullable;

/**
 * Finds the tenant of a request. A bean of this type is asked before the configured
 * resolvers, or at the place where {@code app.tenancy.web.resolvers} names it. Called by
 * many threads.
 */
@FunctionalInterface
public interface TenantResolver {

	/**
	 * Finds the tenant.
	 * @param request the request
	 * @return the tenant's id, not yet checked, or {@code null} if this resolver knows
	 * none and the next is to be asked
	 * @throws io.multidb.InvalidTenantException if the request names one in a way that
	 * cannot be trusted; it is answered with 400
	 */
	@Nullable String resolve(HttpServletRequest request);

	/**
	 * The request's headers that may decide which tenant this resolver finds. They are
	 * named in the answer's {@code Vary}, also where the request has none, so that a
	 * cache on the way keeps the answers of tenants apart.
	 * @return the headers' names, separated by commas, or {@code null} if none does, such
	 * as where the address alone decides
	 */
	default @Nullable String vary() {
		return null;
	}

}
