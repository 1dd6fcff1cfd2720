package io.multidb.transaction.apps.auth;

import org.springframework.boot.context.properties.ConfigurationProperties;

/** Settings. */
@ConfigurationProperties("auth")
public class AuthProperties {

	public void method() {
	}

}
