/**
 * Tests with tenants: which one a test works for, and databases that are its own.
 */
@NullMarked
package io.multidb.test;

import org.jspecify.annotations.NullMarked;
