/**
 * What routing costs, beside what others cost.
 */
@NullMarked
package io.multidb.benchmarks;

import org.jspecify.annotations.NullMarked;
