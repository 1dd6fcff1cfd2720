package io.multidb.autoconfigure;

import java.util.Set;

import org.springframework.boot.actuate.endpoint.Show;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * What the endpoint {@code datasources} shows.
 *
 * @param showValues When to show values that could be a secret: of parameters in URLs,
 * and of attributes. Passwords are never shown.
 * @param roles Roles of users who are shown them when authorized. When empty, all
 * authenticated users are.
 */
@ConfigurationProperties("management.endpoint.datasources")
record DatasourcesEndpointProperties(@DefaultValue("never") Show showValues, @DefaultValue Set<String> roles) {

}
