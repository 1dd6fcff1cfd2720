/**
 * The command line: {@code datasources list}, {@code discover}, {@code create},
 * {@code migrate} and {@code check}, without the application's beans.
 */
@NullMarked
package io.multidb.cli;

import org.jspecify.annotations.NullMarked;
