/**
 * Who may use which source: the rules, the user they are asked about, and the audit of
 * what they say.
 */
@NullMarked
package io.multidb.access;

import org.jspecify.annotations.NullMarked;
