package io.multidb.sample.apps.auth;

import jakarta.persistence.Entity;

import io.multidb.sample.apps.TextRecord;

/**
 * Somebody has logged in.
 */
@Entity
class Login extends TextRecord {

	/** For Hibernate. */
	protected Login() {
	}

	Login(String text) {
		super(text);
	}

}
