package io.multidb.transaction.apps.auth;

/** Lends the hidden repository. */
public class HiddenLoginService {

	private final HiddenLoginRepository logins;

	HiddenLoginService(HiddenLoginRepository logins) {
		this.logins = logins;
	}

	public void save(String name) {
		Login unused = this.logins.save(new Login(name));
	}

}
