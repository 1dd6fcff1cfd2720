package io.multidb.page;

import jakarta.servlet.http.HttpServletRequest;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.security.authentication.AnonymousAuthenticationToken;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.web.access.WebInvocationPrivilegeEvaluator;

/**
 * Asks the application's filter chains of Spring Security.
 */
public final class SpringSecurityProtection implements PageProtection {

	private static final Logger logger = LoggerFactory.getLogger(SpringSecurityProtection.class);

	private static final Authentication NOBODY = new AnonymousAuthenticationToken("page", "anonymousUser",
			AuthorityUtils.createAuthorityList("ROLE_ANONYMOUS"));

	private static final Authentication SOMEBODY = UsernamePasswordAuthenticationToken.authenticated("user", "",
			AuthorityUtils.NO_AUTHORITIES);

	private final WebInvocationPrivilegeEvaluator evaluator;

	/**
	 * Creates the protection.
	 * @param evaluator knows all filter chains
	 */
	public SpringSecurityProtection(WebInvocationPrivilegeEvaluator evaluator) {
		this.evaluator = evaluator;
	}

	@Override
	public boolean isOpen(String contextPath, String path, String method) {
		try {
			return this.evaluator.isAllowed(contextPath, path, method, NOBODY);
		}
		catch (RuntimeException ex) {
			// Rules that want more of a request than its path and method.
			logger.debug("Whether anybody may {} '{}' cannot be told", method, path, ex);
			return true;
		}
	}

	@Override
	public boolean isOpenToUsers(String contextPath, String path, String method) {
		try {
			return this.evaluator.isAllowed(contextPath, path, method, SOMEBODY);
		}
		catch (RuntimeException ex) {
			logger.debug("Whether every user may {} '{}' cannot be told", method, path, ex);
			return false;
		}
	}

	@Override
	public boolean mayUser(HttpServletRequest request, String path, String method) {
		Authentication user = SecurityContextHolder.getContext().getAuthentication();
		try {
			return this.evaluator.isAllowed(request.getContextPath(), path, method, (user != null) ? user : NOBODY);
		}
		catch (RuntimeException ex) {
			logger.debug("Whether the user may {} '{}' cannot be told", method, path, ex);
			return true;
		}
	}

	@Override
	public @Nullable CsrfToken csrfToken(HttpServletRequest request) {
		Object token = request.getAttribute(org.springframework.security.web.csrf.CsrfToken.class.getName());
		return (token instanceof org.springframework.security.web.csrf.CsrfToken known)
				? new CsrfToken(known.getHeaderName(), known.getToken()) : null;
	}

}
