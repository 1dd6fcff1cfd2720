package io.multidb.transaction.apps.auth;

/** No proxy can be made of it. */
public final class FinalService {

	public void method() {
	}

}
