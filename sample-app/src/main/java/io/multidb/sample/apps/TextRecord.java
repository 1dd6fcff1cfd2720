package io.multidb.sample.apps;

import jakarta.persistence.Column;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.MappedSuperclass;
import org.jspecify.annotations.Nullable;

/**
 * What the records of all apps have in common. Each app has a table of its own, as some
 * apps share a database.
 */
@MappedSuperclass
public abstract class TextRecord {

	@Id
	@GeneratedValue(strategy = GenerationType.IDENTITY)
	private @Nullable Long id;

	@Column(nullable = false, length = 1000)
	private String text = "";

	/** For Hibernate. */
	protected TextRecord() {
	}

	/**
	 * Creates a record.
	 * @param text what it says
	 */
	protected TextRecord(String text) {
		this.text = text;
	}

	/**
	 * The record as it goes out.
	 * @return what it says
	 */
	public Entry toEntry() {
		return new Entry(this.text);
	}

	@Nullable Long getId() {
		return this.id;
	}

}
