/**
 * One question to many sources: asked at the same time, answered by a deadline, with one
 * outcome for each.
 */
@NullMarked
package io.multidb.fanout;

import org.jspecify.annotations.NullMarked;
