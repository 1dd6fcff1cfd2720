package io.multidb.catalog;

import java.time.Duration;
import java.util.regex.Pattern;

/**
 * Where a catalog is, and how closely it is watched.
 *
 * @param source the declared source that has the catalog's tables
 * @param tablePrefix how the tables' names begin
 * @param pollInterval how often the catalog is looked at when nobody tells of a change
 * @param permissions whether the catalog's permissions bind its sources
 * @param urls which URLs rows may have
 * @param credentials which passwords rows may have
 */
public record CatalogSettings(String source, String tablePrefix, Duration pollInterval, boolean permissions,
		UrlRules urls, CatalogCredentials credentials) {

	private static final Pattern PREFIX = Pattern.compile("[a-z][a-z0-9_]{0,30}");

	/**
	 * Checks the settings.
	 * @throws IllegalArgumentException if one is wrong; the message is a sentence
	 */
	public CatalogSettings {
		if (!PREFIX.matcher(tablePrefix).matches()) {
			throw new IllegalArgumentException(
					"'table-prefix' must be 1 to 31 of a-z, 0-9 and '_', beginning with a letter.");
		}
		if (pollInterval.isNegative() || pollInterval.isZero()) {
			throw new IllegalArgumentException("'poll-interval' must be longer than nothing.");
		}
	}

	String table(String name) {
		return this.tablePrefix + name;
	}

}
