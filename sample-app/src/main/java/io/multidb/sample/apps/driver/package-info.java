/**
 * Trips. It uses the database of all apps.
 */
@NullMarked
package io.multidb.sample.apps.driver;

import org.jspecify.annotations.NullMarked;
