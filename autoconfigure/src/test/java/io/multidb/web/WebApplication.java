package io.multidb.web;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.filter.OncePerRequestFilter;

import io.multidb.TenantContext;

/**
 * An ordinary Spring Boot application on a real Tomcat, without JPA and Spring Security,
 * with the SQLite files lisbon and porto, for tests.
 */
public final class WebApplication implements AutoCloseable {

	private final ServletWebServerApplicationContext context;

	private WebApplication(ServletWebServerApplicationContext context) {
		this.context = context;
	}

	/**
	 * Starts an application.
	 * @param directory of the files
	 * @param configurations what it has besides
	 * @param properties further properties, which go before those given here
	 */
	public static WebApplication start(Path directory, List<Class<?>> configurations, String... properties) {
		List<Class<?>> all = new ArrayList<>(configurations);
		all.add(0, Base.class);
		return new WebApplication(
				(ServletWebServerApplicationContext) new SpringApplicationBuilder(all.toArray(Class<?>[]::new))
					.web(WebApplicationType.SERVLET)
					.properties("server.port=0", "spring.main.banner-mode=off",
							"app.datasources.lisbon.url=jdbc:sqlite:" + directory.resolve("lisbon.db"),
							"app.datasources.porto.url=jdbc:sqlite:" + directory.resolve("porto.db"))
					.properties(properties)
					.run());
	}

	public RawHttp get(String target, String... headers) throws IOException {
		return RawHttp.get(this.context.getWebServer().getPort(), target, headers);
	}

	public int port() {
		return this.context.getWebServer().getPort();
	}

	public <T> T bean(Class<T> type) {
		return this.context.getBean(type);
	}

	@Override
	public void close() {
		this.context.close();
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(excludeName = {
			"org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
			"org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.SecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.UserDetailsServiceAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.actuate.web.servlet.ManagementWebSecurityAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.SecurityFilterAutoConfiguration",
			"org.springframework.boot.security.autoconfigure.web.servlet.ServletWebSecurityAutoConfiguration" })
	static class Base {

	}

	/**
	 * Tells the tenant at the moment an asynchronous answer is written, in the header
	 * X-Tenant-When-Written.
	 */
	@Configuration(proxyBeanMethods = false)
	static class LateTenant {

		@Bean
		FilterRegistrationBean<OncePerRequestFilter> lateTenant() {
			FilterRegistrationBean<OncePerRequestFilter> registration = new FilterRegistrationBean<>(
					new OncePerRequestFilter() {
						@Override
						protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response,
								FilterChain chain) throws ServletException, IOException {
							if (request.getDispatcherType() == DispatcherType.ASYNC && !response.isCommitted()) {
								response.setHeader("X-Tenant-When-Written", String.valueOf(TenantContext.current()));
							}
							chain.doFilter(request, response);
						}

						@Override
						protected boolean shouldNotFilterAsyncDispatch() {
							return false;
						}
					});
			registration.setOrder(0);
			registration.setDispatcherTypes(DispatcherType.REQUEST, DispatcherType.ASYNC);
			return registration;
		}

	}

}
