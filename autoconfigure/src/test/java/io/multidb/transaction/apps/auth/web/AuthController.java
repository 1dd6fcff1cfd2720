package io.multidb.transaction.apps.auth.web;

import org.springframework.stereotype.Controller;

import io.multidb.Target;

/** Of {@code auth}, as it lies below its package. */
@Controller
public class AuthController {

	public String target() {
		return Target.current().toString();
	}

}
