/**
 * The way from a tenant to a source: routes, the routing DataSource, and the connections
 * it hands out.
 */
@NullMarked
package io.multidb.routing;

import org.jspecify.annotations.NullMarked;
