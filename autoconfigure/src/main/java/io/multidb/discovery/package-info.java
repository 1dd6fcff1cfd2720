/**
 * Where definitions of sources come from.
 */
@NullMarked
package io.multidb.discovery;

import org.jspecify.annotations.NullMarked;
