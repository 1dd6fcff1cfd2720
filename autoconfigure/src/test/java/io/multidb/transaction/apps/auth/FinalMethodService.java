package io.multidb.transaction.apps.auth;

/** A proxy would be called past its advice. */
public class FinalMethodService {

	public final void method() {
	}

}
