package io.multidb.access;

import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import org.springframework.security.authentication.AuthenticationTrustResolver;
import org.springframework.security.authentication.AuthenticationTrustResolverImpl;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.context.SecurityContextHolderStrategy;

/**
 * The name of Spring Security's authentication; nobody where there is none, or an
 * anonymous one. Thread-safe.
 */
public final class SecurityContextUser implements CurrentUser {

	private final AuthenticationTrustResolver trust = new AuthenticationTrustResolverImpl();

	private final Supplier<SecurityContextHolderStrategy> strategy;

	/**
	 * Creates one.
	 * @param strategy where the context is found; asked each time
	 */
	public SecurityContextUser(Supplier<SecurityContextHolderStrategy> strategy) {
		this.strategy = strategy;
	}

	@Override
	public @Nullable String name() {
		Authentication authentication = this.strategy.get().getContext().getAuthentication();
		if (!this.trust.isAuthenticated(authentication) || authentication == null) {
			return null;
		}
		String name = authentication.getName();
		return (name == null || name.isEmpty()) ? null : name;
	}

}
