package io.multidb.page;

import jakarta.servlet.http.HttpServletRequest;
import org.jspecify.annotations.Nullable;

/**
 * What the application's own security says of requests to the page. Thread-safe.
 */
public interface PageProtection {

	/** Of an application that has no security. */
	PageProtection NONE = new PageProtection() {

		@Override
		public boolean isOpen(String contextPath, String path, String method) {
			return true;
		}

		@Override
		public boolean isOpenToUsers(String contextPath, String path, String method) {
			return true;
		}

		@Override
		public boolean mayUser(HttpServletRequest request, String path, String method) {
			return true;
		}

		@Override
		public @Nullable CsrfToken csrfToken(HttpServletRequest request) {
			return null;
		}

	};

	/**
	 * Whether somebody who is not logged in may send a request.
	 * @param contextPath the context path
	 * @param path the path behind it
	 * @param method the method
	 * @return whether he may, or that is not known
	 */
	boolean isOpen(String contextPath, String path, String method);

	/**
	 * Whether somebody may send a request of whom nothing is known but that he is logged
	 * in.
	 * @param contextPath the context path
	 * @param path the path behind it
	 * @param method the method
	 * @return whether he may; {@code false} if that is not known
	 */
	boolean isOpenToUsers(String contextPath, String path, String method);

	/**
	 * Whether the user who sent a request may send another one.
	 * @param request the request
	 * @param path the other one's path, behind the context path
	 * @param method the other one's method
	 * @return whether he may, or that is not known
	 */
	boolean mayUser(HttpServletRequest request, String path, String method);

	/**
	 * What has to come along with changes.
	 * @param request the request of a user who may ask for changes later
	 * @return {@code null} for nothing
	 */
	@Nullable CsrfToken csrfToken(HttpServletRequest request);

	/**
	 * What has to come along with changes.
	 *
	 * @param header the header's name
	 * @param token the header's value
	 */
	record CsrfToken(String header, String token) {

	}

}
