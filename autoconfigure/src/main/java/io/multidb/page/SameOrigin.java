package io.multidb.page;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.Locale;

import jakarta.servlet.http.HttpServletRequest;
import org.jspecify.annotations.Nullable;

import org.springframework.http.HttpHeaders;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;

/**
 * Whether a change was asked for by the page itself, and not by another site in the same
 * browser, whether or not the application checks that: a header and a content type that
 * no other site may send without being asked first, and what the browser says of where
 * the request comes from.
 */
final class SameOrigin {

	/** The page sends it with every change; its value means nothing. */
	static final String HEADER = "X-Datasources-Page";

	private SameOrigin() {
	}

	/**
	 * Checks a request.
	 * @param request a request for a change
	 * @return why it is refused; {@code null} if it is not
	 */
	static @Nullable String refusal(HttpServletRequest request) {
		if (request.getHeader(HEADER) == null) {
			return "Changes need the header '" + HEADER + "', which the page sends.";
		}
		if (!isJson(request.getContentType())) {
			return "Changes are sent as application/json.";
		}
		String site = request.getHeader("Sec-Fetch-Site");
		if (site != null) {
			return site.equals("same-origin") ? null : "The browser says that another site asks for this.";
		}
		String origin = request.getHeader(HttpHeaders.ORIGIN);
		if (origin != null && !isOwn(origin, request)) {
			return "The browser says that another site asks for this, or a proxy does not pass on the host's name:"
					+ " see 'server.forward-headers-strategy'.";
		}
		return null;
	}

	private static boolean isJson(@Nullable String contentType) {
		try {
			return contentType != null && MediaType.APPLICATION_JSON.includes(MediaType.parseMediaType(contentType));
		}
		catch (InvalidMediaTypeException ex) {
			return false;
		}
	}

	/**
	 * Host and port decide: a proxy that ends TLS may leave the scheme as it is on its
	 * other side.
	 */
	private static boolean isOwn(String origin, HttpServletRequest request) {
		try {
			URI uri = new URI(origin);
			String authority = uri.getRawAuthority();
			if (authority == null || uri.getScheme() == null) {
				return false;
			}
			if (authority.equalsIgnoreCase(request.getHeader(HttpHeaders.HOST))) {
				return true;
			}
			// Of a name with an underscore, as containers have them, no host is found.
			String host = uri.getHost();
			return host != null && host.equalsIgnoreCase(request.getServerName())
					&& port(uri) == request.getServerPort();
		}
		catch (URISyntaxException ex) {
			return false;
		}
	}

	private static int port(URI uri) {
		if (uri.getPort() != -1) {
			return uri.getPort();
		}
		return uri.getScheme().toLowerCase(Locale.ROOT).equals("https") ? 443 : 80;
	}

}
