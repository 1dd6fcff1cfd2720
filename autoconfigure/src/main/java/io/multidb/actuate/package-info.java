/**
 * What an operator sees: health.
 */
@NullMarked
package io.multidb.actuate;

import org.jspecify.annotations.NullMarked;
