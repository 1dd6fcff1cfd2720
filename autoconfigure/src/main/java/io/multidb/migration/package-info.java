/**
 * Liquibase per source: what is run, when, and how it is found that nothing need be.
 */
@NullMarked
package io.multidb.migration;

import org.jspecify.annotations.NullMarked;
