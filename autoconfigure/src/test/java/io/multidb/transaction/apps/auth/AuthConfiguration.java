package io.multidb.transaction.apps.auth;

import java.util.function.Supplier;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

import io.multidb.Target;

/** Makes a bean of no class. */
@Configuration
public class AuthConfiguration {

	@Bean
	Supplier<String> target() {
		return () -> Target.current().toString();
	}

}
