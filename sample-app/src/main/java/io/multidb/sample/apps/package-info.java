/**
 * Three apps in one application. Each is the tenant that its package is named after; no
 * class and no configuration says so once more.
 */
@NullMarked
package io.multidb.sample.apps;

import org.jspecify.annotations.NullMarked;
