package io.multidb.web;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;

import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpSession;
import org.jspecify.annotations.Nullable;

import org.springframework.http.HttpHeaders;
import org.springframework.http.server.PathContainer;
import org.springframework.web.util.ServletRequestPathUtils;
import org.springframework.web.util.pattern.PathPattern;
import org.springframework.web.util.pattern.PathPatternParser;
import org.springframework.web.util.pattern.PatternParseException;

import io.multidb.InvalidTenantException;

/**
 * The resolvers that can be configured by name.
 */
public final class TenantResolvers {

	private static final String VARIABLE = "tenant";

	private TenantResolvers() {
	}

	/**
	 * The tenant is a header's value.
	 * @param name the header's name
	 * @return the resolver
	 */
	public static TenantResolver header(String name) {
		return varying(name, (request) -> single("header '" + name + "'", Collections.list(request.getHeaders(name))));
	}

	/**
	 * The tenant is a cookie's value.
	 * @param name the cookie's name
	 * @return the resolver
	 */
	public static TenantResolver cookie(String name) {
		return varying(HttpHeaders.COOKIE, (request) -> {
			Cookie[] cookies = request.getCookies();
			return (cookies == null) ? null
					: single("cookie '" + name + "'",
							Arrays.stream(cookies)
								.filter((cookie) -> cookie.getName().equals(name))
								.map(Cookie::getValue)
								.toList());
		});
	}

	/**
	 * The tenant is what stands before a domain in the host name, in lower case.
	 * @param domain the domain, such as {@code example.com}
	 * @return the resolver
	 * @throws IllegalArgumentException if it is no domain
	 */
	public static TenantResolver subdomain(String domain) {
		if (!domain.matches("[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*")) {
			throw new IllegalArgumentException("'" + domain + "' is no domain; write it as in example.com");
		}
		String suffix = "." + domain.toLowerCase(Locale.ROOT);
		return (request) -> {
			String host = request.getServerName().toLowerCase(Locale.ROOT);
			return host.endsWith(suffix) ? host.substring(0, host.length() - suffix.length()) : null;
		};
	}

	/**
	 * The tenant is the variable <code>{tenant}</code> of a path pattern.
	 * @param pattern the pattern, such as <code>/shops/{tenant}/**</code>
	 * @return the resolver
	 * @throws IllegalArgumentException if it is no pattern or has no such variable
	 */
	public static TenantResolver path(String pattern) {
		if (!pattern.contains("{" + VARIABLE + "}") && !pattern.contains("{" + VARIABLE + ":")) {
			throw new IllegalArgumentException("the path pattern '" + pattern + "' has no variable {tenant}");
		}
		PathPattern parsed = pattern(pattern);
		return (request) -> {
			PathPattern.PathMatchInfo match = parsed.matchAndExtract(pathOf(request));
			return (match != null) ? match.getUriVariables().get(VARIABLE) : null;
		};
	}

	/**
	 * The tenant is an attribute of the HTTP session; a session is never created for
	 * that.
	 * @param attribute the attribute's name
	 * @return the resolver
	 */
	public static TenantResolver session(String attribute) {
		return varying(HttpHeaders.COOKIE, (request) -> {
			HttpSession session = request.getSession(false);
			return (session != null) ? Objects.toString(session.getAttribute(attribute), null) : null;
		});
	}

	/**
	 * The tenant is the name of the authenticated user.
	 * @return the resolver
	 */
	public static TenantResolver principal() {
		return (request) -> (request.getUserPrincipal() != null) ? request.getUserPrincipal().getName() : null;
	}

	private static TenantResolver varying(String header, TenantResolver resolver) {
		return new TenantResolver() {
			@Override
			public @Nullable String resolve(HttpServletRequest request) {
				return resolver.resolve(request);
			}

			@Override
			public String vary() {
				return header;
			}
		};
	}

	static PathPattern pattern(String pattern) {
		try {
			return PathPatternParser.defaultInstance.parse(pattern);
		}
		catch (PatternParseException ex) {
			throw new IllegalArgumentException("'" + pattern + "' is no path pattern: " + ex.getMessage(), ex);
		}
	}

	static PathContainer pathOf(HttpServletRequest request) {
		return (ServletRequestPathUtils.hasParsedRequestPath(request)
				? ServletRequestPathUtils.getParsedRequestPath(request) : ServletRequestPathUtils.parse(request))
			.pathWithinApplication();
	}

	/** Two different answers to one question are no answer. */
	private static @Nullable String single(String what, List<String> values) {
		Set<String> different = new LinkedHashSet<>(values);
		if (different.size() > 1) {
			throw new InvalidTenantException(String.join(", ", different),
					"The request has more than one " + what + ".");
		}
		return different.isEmpty() ? null : different.iterator().next();
	}

}
