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
 * Who searches has to say who it is, and only operators see the sources and change them;
 * everything else of the sample is open.
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

	/**
	 * The page, and what the actuator tells and does, but for whether the application is
	 * up. The page's own requests bring a token along; those to the actuator cannot be
	 * forged, as no other site may send JSON or DELETE.
	 */
	@Bean
	@Order(2)
	SecurityFilterChain operators(HttpSecurity http) {
		return http.securityMatcher("/datasources/**", "/actuator/**")
			.authorizeHttpRequests((requests) -> requests.requestMatchers("/actuator/health")
				.permitAll()
				.anyRequest()
				.hasRole("OPERATOR"))
			.httpBasic(Customizer.withDefaults())
			.csrf((csrf) -> csrf.ignoringRequestMatchers("/actuator/**"))
			.build();
	}

	@Bean
	@Order(3)
	SecurityFilterChain everythingElse(HttpSecurity http) {
		return http.authorizeHttpRequests((requests) -> requests.anyRequest().permitAll())
			.csrf(AbstractHttpConfigurer::disable)
			.build();
	}

	/**
	 * A password is its user's name: this is a sample. The manager itself would hash it
	 * at the first login, and BCrypt takes 70 ms of each request of HTTP basic; where
	 * passwords are real, let a session remember who has logged in.
	 */
	@Bean
	@SuppressWarnings("UnnecessaryMethodReference")
	UserDetailsService users() {
		return new InMemoryUserDetailsManager(user("ada"), user("grace"),
				user("operator", "OPERATOR"))::loadUserByUsername;
	}

	private static UserDetails user(String name, String... roles) {
		return User.withUsername(name).password("{noop}" + name).roles(roles).build();
	}

}
