package io.multidb.routing;

import org.jspecify.annotations.Nullable;

/**
 * A tenant was mapped to a source at run time, or is no more. Published as a Spring
 * application event after it has come into force; each is also one line in the log.
 */
public sealed interface MappingEvent {

	/**
	 * Which tenant.
	 * @return the tenant's id
	 */
	String tenant();

	/**
	 * What happened, for the log.
	 * @return a few words
	 */
	String message();

	/**
	 * The tenant's next scopes go to this source.
	 *
	 * @param tenant the tenant
	 * @param source the source's name
	 * @param former the source it was mapped to before; {@code null} if to none
	 */
	record Mapped(String tenant, String source, @Nullable String former) implements MappingEvent {
		@Override
		public String message() {
			return "mapped to source '" + this.source + "'"
					+ ((this.former != null) ? ", before to '" + this.former + "'" : "");
		}
	}

	/**
	 * The tenant's next scopes go where the routes lead.
	 *
	 * @param tenant the tenant
	 * @param former the source it was mapped to
	 */
	record Unmapped(String tenant, String former) implements MappingEvent {
		@Override
		public String message() {
			return "mapped to source '" + this.former + "' no more";
		}
	}

}
