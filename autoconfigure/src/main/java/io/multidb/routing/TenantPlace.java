package io.multidb.routing;

import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * Where a tenant goes, and by which rule. Immutable, of {@link Routes#explain}.
 *
 * @param tenant the tenant's id
 * @param rule what decides
 * @param source the name of the source, be there one or not; {@code null} if there is no
 * rule, or this process does not know yet where the tenant was placed
 * @param route the route that matches, for people; {@code null} if none was asked
 * @param candidates where the tenant may have been placed, the one where a new tenant is
 * placed first; empty if the source is known
 * @param problem why the tenant does not get there, or {@code null} if it does
 */
public record TenantPlace(String tenant, Rule rule, @Nullable String source, @Nullable String route,
		List<String> candidates, @Nullable String problem) {

	/** What decides. */
	public enum Rule {

		/** It is mapped, whatever the routes say. */
		MAPPING,

		/** Its route names one source. */
		ROUTE,

		/** Its route leads to a template, which makes a source of its name. */
		TEMPLATE,

		/** Its route spreads tenants over several sources. */
		SHARDS,

		/** Nothing matches. */
		NONE

	}

}
