/**
 * Chats that share databases: some are mapped to one, all others use the default.
 */
@NullMarked
package io.multidb.sample.chats;

import org.jspecify.annotations.NullMarked;
