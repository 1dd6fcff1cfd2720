/**
 * Properties and auto-configurations; nothing depends on this package.
 */
@NullMarked
package io.multidb.autoconfigure;

import org.jspecify.annotations.NullMarked;
