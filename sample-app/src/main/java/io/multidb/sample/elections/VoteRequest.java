package io.multidb.sample.elections;

import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;

/**
 * A vote as it comes in.
 *
 * @param candidate whom it is for; without control characters, which PostgreSQL does not
 * store, or halves of a character
 */
record VoteRequest(@NotBlank @Size(max = 100) @Pattern(regexp = "[^\\p{Cc}\\p{Cs}]*") String candidate) {

}
