package io.multidb.sample.courts;

import java.util.List;

import io.multidb.access.Permission;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;

import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.ApplicationRunner;
import org.springframework.stereotype.Component;

/**
 * Puts three courts into the catalog, and says who may search them, when there are none.
 */
@Component
class CourtCatalog implements ApplicationRunner {

	private final CourtDatabases databases;

	private final Catalog catalog;

	CourtCatalog(CourtDatabases databases, Catalog catalog) {
		this.databases = databases;
		this.catalog = catalog;
	}

	@Override
	public void run(ApplicationArguments arguments) {
		add("ny_appeals", "New York Court of Appeals", "New York", List.of("ada", "grace"));
		add("federal_district", "Federal District Court", "United States", List.of("ada"));
		add("ca_supreme", "Supreme Court of California", "California", List.of("ada"));
	}

	private void add(String name, String displayName, String jurisdiction, List<String> readers) {
		if (this.catalog.find(name) != null) {
			return;
		}
		String url = this.databases.fill(name);
		this.catalog.save(CatalogSource.named(name)
			.displayName(displayName)
			.url(url)
			.type("opinions")
			.jurisdiction(jurisdiction)
			.readOnly(true)
			.build());
		readers.forEach((user) -> this.catalog.grant(name, user, Permission.Level.READ, "sample"));
	}

}
