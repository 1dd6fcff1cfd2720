package io.multidb.actuate;

import org.jspecify.annotations.Nullable;

/**
 * Who asks for a change, for the log and the audit. Immutable.
 *
 * @param name the user's name, or {@code null} if nobody is known
 * @param via by which way, such as {@code http}
 */
public record Operator(@Nullable String name, String via) {

}
