/**
 * What an operator sees: health, meters and observations, and every source with all that
 * is known of it.
 */
@NullMarked
package io.multidb.actuate;

import org.jspecify.annotations.NullMarked;
