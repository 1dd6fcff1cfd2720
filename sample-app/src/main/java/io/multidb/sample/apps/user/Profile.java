package io.multidb.sample.apps.user;

import jakarta.persistence.Entity;

import io.multidb.sample.apps.TextRecord;

/**
 * What is known of a user.
 */
@Entity
class Profile extends TextRecord {

	/** For Hibernate. */
	protected Profile() {
	}

	Profile(String text) {
		super(text);
	}

}
