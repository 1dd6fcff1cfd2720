/**
 * Court search: sources in a catalog, permissions, and one question to many of them.
 */
@NullMarked
package io.multidb.sample.courts;

import org.jspecify.annotations.NullMarked;
