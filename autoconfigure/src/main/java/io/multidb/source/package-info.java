/**
 * A source: its definition, pool and state; the registry that owns them all.
 * <p>
 * Locks are taken in this order only, and none is held during I/O or while listeners are
 * told:
 * <ol>
 * <li>the registry's {@code changes} (add, remove)
 * <li>{@code OpenPools}
 * <li>{@code SourceLife}, one per source, never two at a time
 * <li>{@code Background}
 * <li>those under which nothing else is locked: {@code ServerBudget},
 * {@code SqliteConnections}, {@code EventQueue}, the positions of replicas, and the bins
 * of the registry's maps
 * </ol>
 * Apart from these, a SQLite connection has the monitors of its handle, then of a
 * statement, then the driver's own. They are held during its I/O, and nothing of the
 * above is locked under them.
 */
@NullMarked
package io.multidb.source;

import org.jspecify.annotations.NullMarked;
