/**
 * An application with many databases: each of its packages is a system of its own.
 */
@NullMarked
package io.multidb.sample;

import org.jspecify.annotations.NullMarked;
