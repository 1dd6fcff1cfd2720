package io.multidb.routing;

import java.util.List;

import org.jspecify.annotations.Nullable;

import io.multidb.source.NamePattern;

/**
 * Which tenants go to which source, or are spread over which sources. Immutable.
 *
 * @param tenants the patterns of the tenants, at least one
 * @param source the name of a source or template; may contain <code>{tenant}</code> and
 * the patterns' variables; {@code null} if there are several
 * @param shards the sources over which the tenants are spread; {@code null} if there is
 * one
 */
public record Route(List<NamePattern> tenants, @Nullable String source, @Nullable Shards shards) {

	/** The only route of an application that has written none. */
	public static final Route EACH_ITS_OWN = new Route(List.of(NamePattern.of("*")), "{tenant}");

	public Route {
		if (tenants.isEmpty()) {
			throw new IllegalArgumentException("A route to " + ((source != null) ? "'" + source + "'" : shards)
					+ " without tenants can never match");
		}
		if ((source == null) == (shards == null)) {
			throw new IllegalArgumentException("A route leads to one source or to several, not to none or both");
		}
		tenants = List.copyOf(tenants);
	}

	/**
	 * Creates a route to one source.
	 * @param tenants the patterns of the tenants, at least one
	 * @param source the name of a source or template
	 */
	public Route(List<NamePattern> tenants, String source) {
		this(tenants, source, null);
	}

	/**
	 * Creates a route that spreads its tenants.
	 * @param tenants the patterns of the tenants, at least one
	 * @param shards the sources
	 */
	public Route(List<NamePattern> tenants, Shards shards) {
		this(tenants, null, shards);
	}

	@Override
	public String toString() {
		return this.tenants + " -> " + ((this.source != null) ? this.source : this.shards);
	}

}
