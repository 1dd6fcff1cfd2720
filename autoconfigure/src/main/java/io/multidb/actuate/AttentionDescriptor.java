package io.multidb.actuate;

import java.time.Instant;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import io.multidb.actuate.SourcesDescriptor.ServerDescriptor;

/**
 * What somebody should look at, of all sources. What is {@code null} does not appear.
 *
 * @param states how many sources there are in each state
 * @param unavailable sources that are unavailable, essential ones first, then those that
 * have been it for longest
 * @param waiting open sources for whose connections threads wait, most of them first
 * @param fallbacks sources whose fallback is used
 * @param replicasLeftOut sources of which a replica is left out
 * @param migrationsFailed sources that serve as before, as they could not be migrated
 * @param draining sources with connections in use that are to be closed, removed ones
 * among them, the longest first
 * @param servers database servers out of connections, for which somebody waits
 * @param catalog how the catalog and other providers are; {@code null} if there is no
 * catalog, and every definition of other providers is in use
 */
public record AttentionDescriptor(Map<String, Integer> states, Some<SourceDescriptor> unavailable,
		Some<SourceDescriptor> waiting, Some<SourceDescriptor> fallbacks, Some<SourceDescriptor> replicasLeftOut,
		Some<SourceDescriptor> migrationsFailed, Some<SourceDescriptor> draining, Some<ServerDescriptor> servers,
		@Nullable CatalogDescriptor catalog) {

	/**
	 * The first few of something.
	 *
	 * @param <T> what
	 * @param total how many there are
	 * @param first the first 8
	 */
	public record Some<T>(int total, List<T> first) {

	}

	/**
	 * How the catalog and other providers are.
	 *
	 * @param sources how many rows the catalog has; {@code null} if there is none, like
	 * what follows
	 * @param revision its revision that was read last, or -1 if none was
	 * @param readAt when it was read last; {@code null} if never
	 * @param listening whether its database tells of changes
	 * @param error why it cannot be read now; {@code null} if it can
	 * @param refused how many definitions are not used, as something is wrong with them
	 * @param reasons what is wrong, by the names of the first 8
	 */
	public record CatalogDescriptor(@Nullable Integer sources, @Nullable Long revision, @Nullable Instant readAt,
			@Nullable Boolean listening, @Nullable String error, int refused, Map<String, String> reasons) {

	}

}
