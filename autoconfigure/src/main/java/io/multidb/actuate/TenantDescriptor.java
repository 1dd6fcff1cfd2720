package io.multidb.actuate;

import java.util.List;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.OperationResponseBody;

/**
 * Where a tenant goes. What is {@code null} does not appear.
 *
 * @param tenant its id
 * @param source the name of its source; {@code null} if there is none, or this process
 * does not know yet where it was placed
 * @param rule what decides: {@code mapping}, {@code route}, {@code template},
 * {@code shards} or {@code none}
 * @param route the route that matches; {@code null} if none was asked
 * @param candidates where it may have been placed, the one where a new tenant is placed
 * first; {@code null} if the source is known
 * @param problem why it does not get there; {@code null} if it does
 */
public record TenantDescriptor(String tenant, @Nullable String source, String rule, @Nullable String route,
		@Nullable List<String> candidates, @Nullable String problem) implements OperationResponseBody {

}
