package io.multidb.test;

import org.springframework.data.annotation.Id;
import org.springframework.data.relational.core.mapping.Table;

/**
 * The same table as {@link Note}'s, for Spring Data JDBC.
 *
 * @param id the key, {@code null} for a new one
 * @param text the text
 */
@Table("NOTE")
record Memo(@Id Long id, String text) {

}
