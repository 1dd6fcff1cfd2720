/**
 * The operator's page in a real browser, on the running sample.
 */
@NullMarked
package io.multidb.browser;

import org.jspecify.annotations.NullMarked;
