package io.multidb.transaction.apps.auth;

import jakarta.persistence.Entity;
import jakarta.persistence.Id;

/** A row. */
@Entity(name = "Login")
public class Login {

	@Id
	private String name = "";

	protected Login() {
	}

	public Login(String name) {
		this.name = name;
	}

	public String getName() {
		return this.name;
	}

}
