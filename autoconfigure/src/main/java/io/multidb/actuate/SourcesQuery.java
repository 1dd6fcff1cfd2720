package io.multidb.actuate;

import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

import org.jspecify.annotations.Nullable;

/**
 * Which sources are asked for, and which page of them. Immutable.
 *
 * @param search what their names, or names for people, contain, whatever its case;
 * {@code null} for any
 * @param state their state, as in {@code unavailable}; {@code null} for any
 * @param product what stands behind {@code jdbc:} in their URLs; {@code null} for any
 * @param origin what their origin contains, whatever its case; {@code null} for any
 * @param server their database server's name, or host and port; {@code null} for any
 * @param sort the order
 * @param descending whether the order is turned around
 * @param page which page, from 0 on
 * @param size how many sources a page has, from 1 to {@value #MAX_SIZE}
 */
public record SourcesQuery(@Nullable String search, @Nullable String state, @Nullable String product,
		@Nullable String origin, @Nullable String server, Sort sort, boolean descending, int page, int size) {

	/** So many sources a page has unless it is said. */
	public static final int DEFAULT_SIZE = 50;

	/** So many it has at most. */
	public static final int MAX_SIZE = 1000;

	/** The first page of all sources. */
	public static final SourcesQuery ALL = new SourcesQuery(null, null, null, null, null, Sort.NAME, false, 0,
			DEFAULT_SIZE);

	/** What sources are sorted by; those that are alike, by name. */
	public enum Sort {

		/** By name. */
		NAME,

		/** By state: first what is unavailable, last what is cold. */
		STATE,

		/** By product. */
		PRODUCT,

		/** By where they were found. */
		ORIGIN,

		/** By how many connections are lent, most first. */
		ACTIVE

	}

	/** What {@link #state} may be. */
	static final Set<String> STATES = Set.of("cold", "opening", "open", "unavailable", "draining", "removed");

	public SourcesQuery {
		search = lower(search);
		state = lower(state);
		product = lower(product);
		origin = lower(origin);
		server = lower(server);
		if (state != null && !STATES.contains(state)) {
			throw new IllegalArgumentException("'" + state + "' is no state: use one of " + new TreeSet<>(STATES));
		}
		if (page < 0 || size < 1 || size > MAX_SIZE) {
			throw new IllegalArgumentException("There is no page " + page + " of " + size
					+ " sources: pages count from 0, and have 1 to " + MAX_SIZE + " sources");
		}
	}

	private static @Nullable String lower(@Nullable String text) {
		return (text == null || text.isBlank()) ? null : text.strip().toLowerCase(Locale.ROOT);
	}

}
