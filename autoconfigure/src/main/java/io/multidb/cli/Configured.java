package io.multidb.cli;

import java.util.List;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import io.multidb.catalog.CatalogSettings;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceTemplate;

/**
 * What an application has configured, as far as commands need it. Immutable.
 *
 * @param sources the declared sources
 * @param templates the templates, in the order in which their routes are asked
 * @param ofDefault known names that have no source of their own, and use {@code default}
 * @param notes what was found twice, and which of both is used
 * @param catalog where there are more sources, or {@code null} for none
 * @param limits how many sources and connections may be open
 * @param parallelism how many sources are worked on at a time, at least 1
 */
public record Configured(List<SourceDefinition> sources, List<SourceTemplate> templates, Set<String> ofDefault,
		List<String> notes, @Nullable CatalogSettings catalog, PoolLimits limits, int parallelism) {

	public Configured {
		sources = List.copyOf(sources);
		templates = List.copyOf(templates);
		ofDefault = Set.copyOf(ofDefault);
		notes = List.copyOf(notes);
	}

}
