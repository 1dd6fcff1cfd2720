package io.multidb.catalog;

import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

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

	/** Sources that go before rows of the same name. */
	private final Set<String> declared;

	CatalogGrants(CatalogReader reader, SourceRegistry registry) {
		this.reader = reader;
		this.registry = registry;
		this.declared = registry.sources().stream().map(Source::name).collect(Collectors.toUnmodifiableSet());
	}

	@Override
	public @Nullable Permission find(String user, String source) {
		Map<String, Permission> ofUser = this.reader.permissions().get(user);
		return (ofUser != null) ? ofUser.get(source) : null;
	}

	/**
	 * As long as the catalog could not be read, nobody knows.
	 * @throws io.multidb.SourceUnavailableException if it could not be read yet, and the
	 * source is not declared
	 */
	@Override
	public boolean isGoverned(String source) {
		if (this.declared.contains(source)) {
			return false;
		}
		if (this.reader.sources().containsKey(source)) {
			return true;
		}
		return !this.registry.isServedByTemplate(source) && this.registry.findOrWait(source) == null;
	}

}
