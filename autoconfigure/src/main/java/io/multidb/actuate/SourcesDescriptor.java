package io.multidb.actuate;

import java.util.List;
import java.util.Map;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.OperationResponseBody;

/**
 * One page of the sources, and what stands around them.
 *
 * @param sources those of this page
 * @param total how many sources match what was asked for
 * @param page which page this is, from 0 on
 * @param size how many sources a page has at most
 * @param known how many sources there are, whatever was asked for
 * @param states how many sources there are in each state, of those that match all that
 * was asked for but the state
 * @param servers the budgets of database servers, the first 200
 * @param templates the templates, the first 200
 * @param routes the routes in order, the first 200
 * @param totals how many there are of these
 * @param products what stands behind {@code jdbc:} in the URLs of all sources, sorted
 * @param attention what somebody should look at, whatever was asked for
 */
public record SourcesDescriptor(List<SourceDescriptor> sources, int total, int page, int size, int known,
		Map<String, Integer> states, List<ServerDescriptor> servers, List<TemplateDescriptor> templates,
		List<RouteDescriptor> routes, Totals totals, Set<String> products,
		AttentionDescriptor attention) implements OperationResponseBody {

	/**
	 * How many there are of what is listed in part.
	 *
	 * @param servers how many database servers
	 * @param templates how many templates
	 * @param routes how many routes
	 */
	public record Totals(int servers, int templates, int routes) {

	}

	/**
	 * The budget of a database server.
	 *
	 * @param server its name, or host and port
	 * @param limit how many connections this process may have there; {@code null} if that
	 * is not limited
	 * @param inUse how many are lent or being made
	 * @param idle how many could be lent at once
	 * @param waiting how many wait for one to be made
	 * @param stolen how many idle ones were closed, since the start, for others
	 */
	public record ServerDescriptor(String server, @Nullable Integer limit, int inUse, int idle, int waiting,
			long stolen) {

	}

	/**
	 * A template.
	 *
	 * @param name its name
	 * @param tenants the pattern of the tenants that it serves
	 * @param url its JDBC URL with a placeholder; values of parameters are sanitized
	 * @param product what stands behind {@code jdbc:}
	 * @param origin where its definition was found
	 * @param create {@code never}, {@code explicit} or {@code on-first-use}
	 */
	public record TemplateDescriptor(String name, String tenants, String url, String product, String origin,
			String create) {

	}

	/**
	 * A route.
	 *
	 * @param tenants the patterns of its tenants
	 * @param source the source or template to which it leads; {@code null} if there are
	 * several
	 * @param sources the sources over which it spreads tenants; {@code null} if there is
	 * one
	 */
	public record RouteDescriptor(List<String> tenants, @Nullable String source, @Nullable List<String> sources) {

	}

}
