package io.multidb.sample.courts;

import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;

/**
 * What is searched for.
 *
 * @param q words, of which an opinion should have as many as can be
 */
record SearchRequest(@NotNull @Size(max = 200) @Pattern(regexp = "(?s).*[\\p{L}\\p{N}].*",
		message = "must have a letter or digit") String q) {
}
