package io.multidb.catalog;

import java.util.List;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;
import io.multidb.Target;
import io.multidb.access.Access;
import io.multidb.fanout.SourceSelection;

/**
 * The sources of a catalog that the user of the calling thread may search: those that are
 * active and searchable, and that he may read. Thread-safe. <pre>
 * fanOut.over(searchable).limit(100).query((jdbc) -&gt; …);
 * </pre>
 */
public final class SearchableSources implements SourceSelection {

	private final Catalog catalog;

	private final @Nullable Access access;

	/**
	 * Creates the selection.
	 * @param catalog the catalog
	 * @param access who may use which source, or {@code null} if everybody may use all
	 */
	public SearchableSources(Catalog catalog, @Nullable Access access) {
		this.catalog = catalog;
		this.access = access;
	}

	/**
	 * The sources, as of now. Nothing is opened, and nobody is told that a source was
	 * left out.
	 * @return their names, sorted; none for somebody who may search nothing
	 */
	@Override
	public List<String> names() {
		return this.catalog.searchable().stream().map(CatalogSource::name).filter(this::isReadable).toList();
	}

	private boolean isReadable(String source) {
		return this.access == null || this.access.isAllowed(Target.ofSource(source), source, Operation.READ);
	}

}
