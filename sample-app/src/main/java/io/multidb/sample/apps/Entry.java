package io.multidb.sample.apps;

import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;

/**
 * What an app keeps, as it comes in and goes out.
 *
 * @param text what it says; without NUL, which PostgreSQL does not store, or halves of a
 * character
 */
public record Entry(@NotBlank @Size(max = 1000) @Pattern(regexp = "[^\\x00\\p{Cs}]*") String text) {

}
