package io.multidb.catalog;

import java.util.Map;

import org.jspecify.annotations.Nullable;

import io.multidb.access.Grants;
import io.multidb.access.Permission;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * The catalog's permissions, from memory. They bind the catalog's sources alone, whether
 * or not their rows are right; what is declared is open. Thread-safe.
 */
final class CatalogGrants implements Grants {

	private final CatalogReader reader;

	private final SourceRegistry registry;

	CatalogGrants(CatalogReader reader, SourceRegistry registry) {
		this.reader = reader;
		this.registry = registry;
	}

	@Override
	public @Nullable Permission find(String user, String source) {
		Map<String, Permission> ofUser = this.reader.known().permissions().get(user);
		return (ofUser != null) ? ofUser.get(source) : null;
	}

	/**
	 * As long as the catalog could not be read, nobody knows.
	 * @throws io.multidb.SourceUnavailableException if it could not be read yet, and the
	 * source is not declared
	 */
	@Override
	public boolean isGoverned(String source) {
		Source used = this.registry.find(source);
		if (used != null && !used.isGone()) {
			// What would be used decides, whatever became of its row by now.
			return this.reader.rows().isOrigin(source, used.definition());
		}
		if (this.reader.known().sources().containsKey(source)) {
			return true;
		}
		return !this.registry.isServedByTemplate(source) && this.registry.findOrWait(source) == null;
	}

}
