package io.multidb.source;

/**
 * When a template makes a database that does not exist yet.
 */
public enum CreatePolicy {

	/** Never: a tenant without a database is unknown. */
	NEVER,

	/**
	 * When asked for: {@code @Tenant(create = true)} or {@link SourceRegistry#create}.
	 */
	EXPLICIT,

	/** Whenever a tenant without a database is used. */
	ON_FIRST_USE

}
