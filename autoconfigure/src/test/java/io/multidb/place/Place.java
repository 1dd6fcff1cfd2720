package io.multidb.place;

import jakarta.persistence.Entity;
import jakarta.persistence.Id;

/**
 * An entity by which a database can be told from others; in a package of its own, which
 * has no other entity.
 */
@Entity
public class Place {

	@Id
	private String name = "";

	Place() {
	}

	public Place(String name) {
		this.name = name;
	}

	public String getName() {
		return this.name;
	}

}
