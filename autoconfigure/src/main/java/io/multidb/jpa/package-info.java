/**
 * Hibernate and Spring's caches, kept apart by source.
 */
@NullMarked
package io.multidb.jpa;

import org.jspecify.annotations.NullMarked;
