package io.multidb.transaction.apps.auth;

import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;

import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.UseSource;

/** Of the app {@code auth}, by its package alone. */
public class AuthService {

	public String target() {
		return packagePrivate();
	}

	String packagePrivate() {
		return Target.current().toString();
	}

	@Tenant("lisbon")
	public String ofLisbon() {
		return Target.current().toString();
	}

	@UseSource("lisbon")
	public String atLisbon() {
		return Target.current().toString();
	}

	@Transactional
	public void around(Runnable inner) {
		inner.run();
	}

	@Transactional(propagation = Propagation.REQUIRES_NEW)
	public void anew(Runnable inner) {
		inner.run();
	}

}
