/**
 * Work on other threads: what takes a thread's target along, and one task for many
 * tenants or sources.
 */
@NullMarked
package io.multidb.task;

import org.jspecify.annotations.NullMarked;
