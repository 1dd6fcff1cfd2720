package io.multidb.autoconfigure;

import java.util.List;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import io.multidb.routing.Route;
import io.multidb.source.LiquibaseSettings;
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
 * @param migration how a source is migrated that says nothing of its own
 * @param ofDefault known names that have no source of their own
 * @param notes what was found twice, and which of both is used
 */
record Datasources(List<SourceDefinition> sources, List<SourceTemplate> templates, List<Route> routes,
		@Nullable String noTenant, TenancyProperties tenancy, LiquibaseSettings migration, Set<String> ofDefault,
		List<String> notes) {

	private static final int SHOWN = 10;

	/** Whether the application's own {@code spring.datasource} is among them. */
	boolean hasDefault() {
		return this.sources.stream().anyMatch((source) -> source.name().equals(DatasourcesReader.DEFAULT));
	}

	/**
	 * What was found, in one line for the log.
	 */
	String summary() {
		return names("source", this.sources.stream().map(SourceDefinition::name).toList()) + ", "
				+ names("template", this.templates.stream().map(SourceTemplate::name).toList()) + ", "
				+ (this.routes.isEmpty() ? "no routes: each tenant has the source of its name"
						: this.routes.size() + ((this.routes.size() == 1) ? " route" : " routes"));
	}

	private static String names(String what, List<String> names) {
		String some = String.join(", ", names.subList(0, Math.min(SHOWN, names.size())))
				+ ((names.size() > SHOWN) ? ", …" : "");
		return names.size() + " " + what + ((names.size() == 1) ? "" : "s") + (some.isEmpty() ? "" : " (" + some + ")");
	}

}
