/**
 * A source: its definition, pool and state; the registry that owns them all.
 */
@NullMarked
package io.multidb.source;

import org.jspecify.annotations.NullMarked;
