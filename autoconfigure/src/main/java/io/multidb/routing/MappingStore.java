package io.multidb.routing;

import java.util.Map;

/**
 * Where mappings of tenants to sources are kept, beside the memory of this process. An
 * extension point: a bean of this type is used by {@link TenantMappings}, which calls it
 * by one thread at a time and never on the way of a connection to a tenant that is known.
 * Without one, mappings hold for this process until it ends.
 * <p>
 * What a method has kept must be there for good when it returns, not part of a
 * transaction that is still open: that is what {@link NumberedMappingStore} is for.
 */
public interface MappingStore {

	/** Keeps nothing. */
	MappingStore NONE = new MappingStore() {

		@Override
		public Map<String, String> load() {
			return Map.of();
		}

		@Override
		public void save(String tenant, String source) {
			// Memory is all there is.
		}

		@Override
		public void remove(String tenant) {
			// Memory is all there is.
		}

	};

	/**
	 * All mappings.
	 * @return sources' names by tenant
	 * @throws io.multidb.SourceUnavailableException if they cannot be read now
	 */
	Map<String, String> load();

	/**
	 * Keeps a mapping, in place of the tenant's former one.
	 * @param tenant the tenant
	 * @param source the source's name
	 * @throws io.multidb.SourceUnavailableException if it cannot be kept now
	 */
	void save(String tenant, String source);

	/**
	 * Removes a tenant's mapping, if there is one.
	 * @param tenant the tenant
	 * @throws io.multidb.SourceUnavailableException if it cannot be removed now
	 */
	void remove(String tenant);

	/**
	 * Has somebody told after mappings may have been changed by others, such as another
	 * node; all of them are loaded then.
	 * @param changed to be run, on any thread; takes as long as {@link #load()}
	 */
	default void whenChanged(Runnable changed) {
	}

}
