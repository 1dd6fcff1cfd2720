package io.multidb.sample.courts;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.AbstractHttpConfigurer;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetails;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;

/**
 * Who searches has to say who it is; everything else of the sample is open.
 */
@Configuration(proxyBeanMethods = false)
class CourtsSecurity {

	/** No browser sends these credentials by itself, so nothing can be forged. */
	@Bean
	@Order(1)
	SecurityFilterChain searches(HttpSecurity http) {
		return http.securityMatcher("/searches/**")
			.authorizeHttpRequests((requests) -> requests.anyRequest().authenticated())
			.httpBasic(Customizer.withDefaults())
			.csrf(AbstractHttpConfigurer::disable)
			.sessionManagement((sessions) -> sessions.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
			.build();
	}

	@Bean
	@Order(2)
	SecurityFilterChain everythingElse(HttpSecurity http) {
		return http.authorizeHttpRequests((requests) -> requests.anyRequest().permitAll())
			.csrf(AbstractHttpConfigurer::disable)
			.build();
	}

	/** A password is its user's name: this is a sample. */
	@Bean
	UserDetailsService users() {
		return new InMemoryUserDetailsManager(user("ada"), user("grace"));
	}

	private static UserDetails user(String name) {
		return User.withUsername(name).password("{noop}" + name).build();
	}

}
