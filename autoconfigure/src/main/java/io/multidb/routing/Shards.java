package io.multidb.routing;

import java.util.HashSet;
import java.util.List;

import org.jspecify.annotations.Nullable;

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

	/**
	 * What is wrong with going on with this list where another one may be recorded.
	 * @param place where that is, for people: {@code in 'chats-1'}
	 * @param generation the recorded generation
	 * @param recorded the recorded sources, sorted
	 * @return a sentence that says how to go on, or {@code null} if this list is the
	 * recorded one or comes after it
	 */
	public @Nullable String mistake(String place, int generation, List<String> recorded) {
		if (generation > this.generation) {
			return "The sources " + this + ", generation " + this.generation + ", are an old list: " + place + ", "
					+ recorded + ", generation " + generation
					+ ", is recorded. Configure that, or go on to another list with 'generation: " + (generation + 1)
					+ "' in its route.";
		}
		if (generation == this.generation && !recorded.equals(this.sources)) {
			return "The sources " + this + " are not those that are recorded " + place + ", " + recorded
					+ ". If they were changed on purpose, set 'generation: " + (generation + 1)
					+ "' in their route, in all processes; nobody is moved by that. Otherwise put the list back.";
		}
		return null;
	}

	@Override
	public String toString() {
		return this.sources.toString();
	}

}
