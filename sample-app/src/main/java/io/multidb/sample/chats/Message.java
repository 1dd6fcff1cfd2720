package io.multidb.sample.chats;

import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;

/**
 * A message as it comes in and goes out.
 *
 * @param text what it says; without NUL, which PostgreSQL does not store, or halves of a
 * character
 */
record Message(@NotBlank @Size(max = 4000) @Pattern(regexp = "[^\\x00\\p{Cs}]*") String text) {

}
