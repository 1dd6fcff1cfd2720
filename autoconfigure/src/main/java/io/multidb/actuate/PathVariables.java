package io.multidb.actuate;

import java.util.Map;

import org.springframework.boot.actuate.endpoint.EndpointId;
import org.springframework.boot.actuate.endpoint.OperationType;
import org.springframework.boot.actuate.endpoint.invoke.OperationInvoker;
import org.springframework.boot.actuate.endpoint.invoke.OperationInvokerAdvisor;
import org.springframework.boot.actuate.endpoint.invoke.OperationParameters;
import org.springframework.boot.actuate.endpoint.web.WebEndpointResponse;
import org.springframework.util.MimeType;
import org.springframework.web.context.request.RequestAttributes;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.servlet.HandlerMapping;

/**
 * Refuses requests to the endpoint {@code datasources} whose query or body says something
 * else than their path. Spring Boot puts all three together, the path first: a request
 * that is let through, and logged, for one source would change another. Of requests by
 * Spring MVC only, as nothing tells of others. Thread-safe.
 */
public final class PathVariables implements OperationInvokerAdvisor {

	private static final EndpointId DATASOURCES = EndpointId.of("datasources");

	private static final MimeType PROBLEM = MimeType.valueOf(Problem.MEDIA_TYPE);

	@Override
	public OperationInvoker apply(EndpointId endpointId, OperationType operationType, OperationParameters parameters,
			OperationInvoker invoker) {
		return endpointId.equals(DATASOURCES)
				? (context) -> isAsThePathSays(context.getArguments()) ? invoker.invoke(context) : refusal() : invoker;
	}

	private static boolean isAsThePathSays(Map<String, Object> arguments) {
		RequestAttributes request = RequestContextHolder.getRequestAttributes();
		return request == null
				|| !(request.getAttribute(HandlerMapping.URI_TEMPLATE_VARIABLES_ATTRIBUTE,
						RequestAttributes.SCOPE_REQUEST) instanceof Map<?, ?> path)
				|| arguments.entrySet().containsAll(path.entrySet());
	}

	private static WebEndpointResponse<Object> refusal() {
		Problem problem = new Problem(400, "Bad Request", "The query or the body says something else than the path.",
				null);
		return new WebEndpointResponse<>(problem.body(), problem.status(), PROBLEM);
	}

}
