package io.multidb.catalog;

import java.time.Instant;
import java.util.Map;

import org.jspecify.annotations.Nullable;

/**
 * How the catalog is, as this node sees it. An immutable snapshot.
 *
 * @param sources how many rows of sources it has, those too that are not active
 * @param revision the revision that was read last, or -1 if none was
 * @param readAt when it was read last, or {@code null} if never
 * @param listening whether the database tells of changes; if not, it is asked
 * @param error why it cannot be read now, without secrets, or {@code null} if it can
 * @param refused what is wrong with rows, by the names of their sources
 */
public record CatalogStatus(int sources, long revision, @Nullable Instant readAt, boolean listening,
		@Nullable String error, Map<String, String> refused) {

	public CatalogStatus {
		refused = Map.copyOf(refused);
	}

}
