package io.multidb.transaction.apps.auth;

/** Final, and without anything that a proxy would have to intercept. */
public final class AuthMarker {

	@Override
	public String toString() {
		return "marker";
	}

}
