package io.multidb.routing;

import java.util.List;

import io.multidb.source.NamePattern;

/**
 * Which tenants go to which source. Immutable.
 *
 * @param tenants the patterns of the tenants, at least one
 * @param source the name of a source or template; may contain <code>{tenant}</code> and
 * the patterns' variables
 */
public record Route(List<NamePattern> tenants, String source) {

	/** The only route of an application that has written none. */
	public static final Route EACH_ITS_OWN = new Route(List.of(NamePattern.of("*")), "{tenant}");

	public Route {
		if (tenants.isEmpty()) {
			throw new IllegalArgumentException("A route to '" + source + "' without tenants can never match");
		}
		tenants = List.copyOf(tenants);
	}

	@Override
	public String toString() {
		return this.tenants + " -> " + this.source;
	}

}
