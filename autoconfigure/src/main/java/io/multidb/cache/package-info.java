/**
 * Spring's caches, kept apart by source.
 */
@NullMarked
package io.multidb.cache;

import org.jspecify.annotations.NullMarked;
