package io.multidb.autoconfigure;

import java.util.List;

import org.jspecify.annotations.Nullable;

import io.multidb.routing.Route;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceTemplate;

/**
 * The configuration, read and found free of mistakes.
 *
 * @param sources the declared sources
 * @param templates the templates
 * @param routes the routes in order, empty where none was written
 * @param noTenant the source for work without a tenant, or {@code null} to refuse it
 * @param tenancy everything else
 */
record Datasources(List<SourceDefinition> sources, List<SourceTemplate> templates, List<Route> routes,
		@Nullable String noTenant, TenancyProperties tenancy) {

}
