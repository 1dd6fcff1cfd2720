package io.multidb.actuate;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;

import io.multidb.catalog.CatalogStatus;

/**
 * The health of the catalog: UP while it can be read, and UNKNOWN with the reason while
 * the last known state serves on. It is never DOWN: its own source is, if that is
 * essential. Thread-safe.
 */
public final class CatalogHealthIndicator implements HealthIndicator {

	/** Beside the sources; none of them can have this name. */
	public static final String NAME = "*catalog";

	/** Rows that are named. */
	private static final int NAMED = 10;

	private final Supplier<CatalogStatus> catalog;

	private final Supplier<Map<String, String>> problems;

	/**
	 * Creates the indicator.
	 * @param catalog how the catalog is
	 * @param problems why definitions of providers are not in use, by the sources' names
	 */
	public CatalogHealthIndicator(Supplier<CatalogStatus> catalog, Supplier<Map<String, String>> problems) {
		this.catalog = catalog;
		this.problems = problems;
	}

	@Override
	public Health health() {
		CatalogStatus status = this.catalog.get();
		Health.Builder health = (status.error() == null && status.readAt() != null) ? Health.up() : Health.unknown();
		health.withDetail("sources", status.sources()).withDetail("revision", status.revision());
		if (status.readAt() != null) {
			health.withDetail("readAt", status.readAt());
		}
		health.withDetail("listening", status.listening());
		if (status.error() != null) {
			health.withDetail("error", SourcesView.hidden(status.error()));
		}
		Map<String, String> refused = new TreeMap<>(this.problems.get());
		refused.putAll(status.refused());
		if (!refused.isEmpty()) {
			Map<String, String> named = new TreeMap<>();
			refused.entrySet()
				.stream()
				.limit(NAMED)
				.forEach((each) -> named.put(each.getKey(), SourcesView.hidden(each.getValue())));
			health.withDetail("refused", named).withDetail("refusedCount", refused.size());
		}
		return health.build();
	}

}
