/**
 * What an operator sees: health, meters and observations.
 */
@NullMarked
package io.multidb.actuate;

import org.jspecify.annotations.NullMarked;
