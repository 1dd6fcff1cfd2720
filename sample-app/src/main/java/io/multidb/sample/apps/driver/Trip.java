package io.multidb.sample.apps.driver;

import jakarta.persistence.Entity;

import io.multidb.sample.apps.TextRecord;

/**
 * A driver has made a trip.
 */
@Entity
class Trip extends TextRecord {

	/** For Hibernate. */
	protected Trip() {
	}

	Trip(String text) {
		super(text);
	}

}
