/**
 * A database per election, made by its first vote.
 */
@NullMarked
package io.multidb.sample.elections;

import org.jspecify.annotations.NullMarked;
