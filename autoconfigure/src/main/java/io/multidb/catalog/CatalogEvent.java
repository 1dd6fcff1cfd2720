package io.multidb.catalog;

import java.util.Set;

/**
 * Something happened to the catalog, as this node sees it. Published as a Spring
 * application event, in order, on the thread that reads the catalog; what becomes of the
 * sources is told by {@link io.multidb.source.SourceEvent}s.
 */
public sealed interface CatalogEvent {

	/**
	 * It was read as a whole for the first time.
	 *
	 * @param sources how many rows it has, those too that are not active
	 */
	record Loaded(int sources) implements CatalogEvent {
	}

	/**
	 * Rows of sources are others than before.
	 *
	 * @param saved the names of those that are new or have changed
	 * @param removed the names of those that are gone
	 */
	record Changed(Set<String> saved, Set<String> removed) implements CatalogEvent {
		public Changed {
			saved = Set.copyOf(saved);
			removed = Set.copyOf(removed);
		}
	}

	/**
	 * It cannot be read; the last known state serves on. Published once, and again when
	 * the reason changes.
	 *
	 * @param reason what happened, without secrets
	 */
	record Unavailable(String reason) implements CatalogEvent {
	}

	/** It can be read again. */
	record Recovered() implements CatalogEvent {
	}

}
