package io.multidb.routing;

import java.util.HashSet;
import java.util.List;

/**
 * The sources over which a route spreads its tenants. Immutable.
 *
 * @param sources their names, at least one, each once; kept sorted
 * @param generation counts how often their list was changed, from 1; a process whose
 * number is lower than the recorded one has an old list
 */
public record Shards(List<String> sources, int generation) {

	public Shards {
		if (sources.isEmpty() || new HashSet<>(sources).size() < sources.size() || generation < 1) {
			throw new IllegalArgumentException(
					"Shards are one or more sources, each named once, and a generation from 1, not " + sources + " and "
							+ generation);
		}
		sources = sources.stream().sorted().toList();
	}

	/**
	 * The order in which a tenant prefers these sources. It does not depend on the order
	 * in which they are listed, and a further source changes it only for those tenants
	 * that prefer it.
	 * @param tenant the tenant's id
	 * @return the sources, the one where a new tenant is placed first
	 */
	public List<String> preferredBy(String tenant) {
		return Rendezvous.order(tenant, this.sources);
	}

	@Override
	public String toString() {
		return this.sources.toString();
	}

}
