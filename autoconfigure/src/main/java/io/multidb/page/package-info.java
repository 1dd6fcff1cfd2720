/**
 * The operator's page: what the endpoint {@code datasources} shows and does, in a
 * browser.
 */
@NullMarked
package io.multidb.page;

import org.jspecify.annotations.NullMarked;
