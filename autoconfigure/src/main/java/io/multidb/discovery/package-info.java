/**
 * Where definitions of sources come from, and how their changes become changes of the
 * registry.
 */
@NullMarked
package io.multidb.discovery;

import org.jspecify.annotations.NullMarked;
