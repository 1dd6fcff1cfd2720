package io.multidb.actuate;

import java.util.Locale;

import org.jspecify.annotations.Nullable;

import org.springframework.aot.hint.annotation.RegisterReflectionForBinding;
import org.springframework.boot.actuate.endpoint.Access;
import org.springframework.boot.actuate.endpoint.Show;
import org.springframework.boot.actuate.endpoint.annotation.Endpoint;
import org.springframework.boot.actuate.endpoint.annotation.ReadOperation;
import org.springframework.boot.actuate.endpoint.annotation.Selector;

/**
 * The endpoint {@code datasources}: what can be seen of sources. What can be done to them
 * is in its extensions, and needs
 * {@code management.endpoint.datasources.access=unrestricted}. Thread-safe.
 */
@Endpoint(id = "datasources", defaultAccess = Access.READ_ONLY)
@RegisterReflectionForBinding({ SourcesDescriptor.class, SourceDetailsDescriptor.class, TenantDescriptor.class,
		OperationDescriptor.class })
public final class DatasourcesEndpoint {

	private final SourcesView view;

	private final Show showValues;

	/**
	 * Creates the endpoint.
	 * @param view the sources
	 * @param showValues when values may be shown that could be a secret
	 */
	public DatasourcesEndpoint(SourcesView view, Show showValues) {
		this.view = view;
		this.showValues = showValues;
	}

	/**
	 * One page of the sources.
	 * @param search what their names contain
	 * @param state their state
	 * @param product their product
	 * @param origin what their origin contains
	 * @param sort {@code name}, {@code state}, {@code product}, {@code origin} or
	 * {@code active}; behind a '-', turned around
	 * @param page which page, from 0 on
	 * @param size how many sources a page has, 50 unless it is said, 1000 at most
	 * @param server their database server
	 * @return the page
	 * @throws IllegalArgumentException if there is no such state, order or page
	 */
	@ReadOperation
	public SourcesDescriptor datasources(@Nullable String search, @Nullable String state, @Nullable String product,
			@Nullable String origin, @Nullable String sort, @Nullable Integer page, @Nullable Integer size,
			@Nullable String server) {
		return this.view.sources(query(search, state, product, origin, server, sort, page, size),
				this.showValues.isShown(true));
	}

	/**
	 * One source.
	 * @param source its name
	 * @return what there is of it; {@code null} if there is none
	 */
	@ReadOperation
	public @Nullable SourceDetailsDescriptor datasource(@Selector String source) {
		return this.view.find(source, this.showValues.isShown(true));
	}

	static SourcesQuery query(@Nullable String search, @Nullable String state, @Nullable String product,
			@Nullable String origin, @Nullable String server, @Nullable String sort, @Nullable Integer page,
			@Nullable Integer size) {
		boolean descending = sort != null && sort.startsWith("-");
		return new SourcesQuery(search, state, product, origin, server,
				(sort != null) ? sort(descending ? sort.substring(1) : sort) : SourcesQuery.Sort.NAME, descending,
				(page != null) ? page : 0, (size != null) ? size : SourcesQuery.DEFAULT_SIZE);
	}

	private static SourcesQuery.Sort sort(String text) {
		try {
			return SourcesQuery.Sort.valueOf(text.toUpperCase(Locale.ROOT));
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException(
					"There is no such order: sort by name, state, product, origin or active, behind a '-' turned around");
		}
	}

}
