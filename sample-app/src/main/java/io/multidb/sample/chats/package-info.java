/**
 * Chats that share databases: some are mapped to one, by configuration or as they were
 * moved there, all others use the default.
 */
@NullMarked
package io.multidb.sample.chats;

import org.jspecify.annotations.NullMarked;
