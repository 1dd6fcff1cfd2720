/**
 * A table of sources, permissions and mappings in one of the declared sources.
 */
@NullMarked
package io.multidb.catalog;

import org.jspecify.annotations.NullMarked;
