package io.multidb.catalog;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.jspecify.annotations.Nullable;

import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

/**
 * The sources of a catalog at one moment, read once and without following it. Immutable.
 *
 * @param definitions those of active rows without a mistake, sorted by name
 * @param refused why rows are not used, by their names as they may be printed
 */
public record CatalogContents(List<SourceDefinition> definitions, Map<String, String> refused) {

	/** No tables, or nothing in them. */
	private static final CatalogContents EMPTY = new CatalogContents(List.of(), Map.of());

	public CatalogContents {
		definitions = List.copyOf(definitions);
		refused = Map.copyOf(refused);
	}

	/**
	 * Reads a catalog. Nothing is made or changed, neither are its tables.
	 * @param settings where it is
	 * @param registry has the catalog's own source
	 * @return what is in it; nothing if its tables have not been made
	 * @throws io.multidb.SourceUnavailableException if it cannot be read
	 */
	public static CatalogContents read(CatalogSettings settings, SourceRegistry registry) {
		Rows rows = new Rows("catalog '" + settings.source() + "'", settings.urls(), settings.credentials());
		List<SourceDefinition> definitions = new ArrayList<>();
		Map<String, String> refused = new TreeMap<>();
		@Nullable CatalogContents found = registry.look(settings.source(), (definition, connection) -> {
			Tables tables = new Tables(settings, definition.url().product());
			if (!tables.areThere(connection)) {
				return EMPTY;
			}
			tables.read(connection, "source", -1, (row) -> {
				Tables.SourceRow read = Tables.source(row);
				try {
					SourceDefinition defined = rows
						.define(read.source().change().attributes(Rows.attributes(read.attributes())).build());
					if (read.problem() != null) {
						refused.put(CatalogReader.printable(read.source().name()), read.problem());
					}
					else if (read.source().active()) {
						definitions.add(defined);
					}
				}
				catch (IllegalArgumentException ex) {
					if (read.source().active()) {
						refused.put(CatalogReader.printable(read.source().name()), String.valueOf(ex.getMessage()));
					}
				}
			});
			definitions.sort(Comparator.comparing(SourceDefinition::name));
			return new CatalogContents(definitions, refused);
		});
		return (found != null) ? found : EMPTY;
	}

}
