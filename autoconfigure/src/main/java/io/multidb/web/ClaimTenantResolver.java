package io.multidb.web;

import java.security.Principal;
import java.util.Objects;

import jakarta.servlet.http.HttpServletRequest;
import org.jspecify.annotations.Nullable;

import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.core.ClaimAccessor;
import org.springframework.security.oauth2.core.OAuth2AuthenticatedPrincipal;

/**
 * The tenant is a claim of the authenticated user's token, or an attribute of an OAuth2
 * user. Needs Spring Security's OAuth2 support. Thread-safe.
 */
public final class ClaimTenantResolver implements TenantResolver {

	private final String claim;

	/**
	 * Creates the resolver.
	 * @param claim the claim's name
	 */
	public ClaimTenantResolver(String claim) {
		this.claim = claim;
	}

	@Override
	public @Nullable String resolve(HttpServletRequest request) {
		Principal user = request.getUserPrincipal();
		Object principal = (user instanceof Authentication authentication) ? authentication.getPrincipal() : user;
		Object value = null;
		if (principal instanceof ClaimAccessor claims) {
			value = claims.getClaims().get(this.claim);
		}
		else if (principal instanceof OAuth2AuthenticatedPrincipal attributes) {
			value = attributes.getAttributes().get(this.claim);
		}
		return Objects.toString(value, null);
	}

}
