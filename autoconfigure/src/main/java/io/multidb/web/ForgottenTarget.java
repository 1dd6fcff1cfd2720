package io.multidb.web;

import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletRequestEvent;
import jakarta.servlet.ServletRequestListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.access.TaskUser;

/**
 * Takes from a container's thread, as it begins a request, the target and the user that
 * something has left behind there, before any filter can enter one. Thread-safe.
 */
public final class ForgottenTarget implements ServletRequestListener {

	private static final String BEGUN = ForgottenTarget.class.getName() + ".BEGUN";

	private static final Logger logger = LoggerFactory.getLogger(ForgottenTarget.class);

	@Override
	public void requestInitialized(ServletRequestEvent event) {
		ServletRequest request = event.getServletRequest();
		if (request.getAttribute(BEGUN) != null) {
			// Of a forward in the middle of it, of which Tomcat tells if it is told to.
			return;
		}
		request.setAttribute(BEGUN, true);
		TaskUser.endAll();
		Target left = Scope.endAll();
		if (left.tenant() == null && left.source() == null) {
			return;
		}
		logger.error(
				"The scope of {} was left open on thread '{}'; its next request begins without. Close scopes with"
						+ " try-with-resources, in filters, listeners and WebSocket endpoints, too",
				left, Thread.currentThread().getName());
	}

}
