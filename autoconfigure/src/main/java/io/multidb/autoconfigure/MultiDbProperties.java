package io.multidb.autoconfigure;

import java.util.Map;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.NestedConfigurationProperty;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * Sources and tenancy. Other keys under {@code app} belong to the application.
 *
 * @param datasources Every database, or template of databases, by name.
 * @param tenancy How tenants find their sources.
 */
@ConfigurationProperties("app")
record MultiDbProperties(@DefaultValue Map<String, SourceProperties> datasources,
		@NestedConfigurationProperty @DefaultValue TenancyProperties tenancy) {

}
