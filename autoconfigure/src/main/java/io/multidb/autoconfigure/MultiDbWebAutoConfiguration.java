package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.List;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.boot.web.servlet.ServletListenerRegistrationBean;
import org.springframework.boot.webmvc.autoconfigure.WebMvcAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;
import org.springframework.core.env.Environment;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringUtils;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.servlet.HandlerExceptionResolver;

import io.multidb.InvalidDatasourcesException;
import io.multidb.actuate.RequestTenant;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;
import io.multidb.source.CallerSession;
import io.multidb.web.ClaimTenantResolver;
import io.multidb.web.ForgottenTarget;
import io.multidb.web.HttpCallerSession;
import io.multidb.web.TenantExceptionHandler;
import io.multidb.web.TenantFilter;
import io.multidb.web.TenantResolver;
import io.multidb.web.TenantResolvers;

/**
 * Auto-configuration of the servlet filter, its resolvers, and the answers to errors.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, WebMvcAutoConfiguration.class })
@ConditionalOnClass({ Filter.class, DispatcherServlet.class, WebMvcAutoConfiguration.class })
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
@ConditionalOnBean(Routes.class)
public final class MultiDbWebAutoConfiguration {

	/** Spring Boot's default for Spring Security's filter chain. */
	private static final int SECURITY_FILTER_ORDER = -100;

	@Bean
	@ConditionalOnMissingBean
	TenantExceptionHandler multiDbTenantExceptionHandler() {
		return new TenantExceptionHandler();
	}

	@Bean
	@ConditionalOnMissingBean(CallerSession.class)
	HttpCallerSession multiDbCallerSession() {
		return new HttpCallerSession();
	}

	/**
	 * Just after Spring Security's filter chain, so that the user is known, and requests
	 * that security refuses never name a tenant.
	 */
	@Bean
	@ConditionalOnMissingBean(value = TenantFilter.class, parameterizedContainer = FilterRegistrationBean.class)
	FilterRegistrationBean<TenantFilter> multiDbTenantFilter(Datasources datasources, Environment environment,
			BeanFactory beans, ObjectProvider<TenantResolver> resolvers, ObjectProvider<TargetAccess> access,
			ObjectProvider<RequestTenant> observed,
			@Qualifier("handlerExceptionResolver") ObjectProvider<HandlerExceptionResolver> exceptionResolver) {
		TenancyProperties.Web web = datasources.tenancy().web();
		TenantFilter filter;
		try {
			filter = new TenantFilter(resolvers(web, beans, resolvers), excluded(datasources.tenancy(), environment),
					exceptionResolver.getIfAvailable(), access.getIfAvailable());
		}
		catch (IllegalArgumentException ex) {
			throw new InvalidDatasourcesException(List.of("Under 'app.tenancy.web': " + ex.getMessage() + "."));
		}
		observed.ifAvailable(filter::onTenant);
		FilterRegistrationBean<TenantFilter> registration = new FilterRegistrationBean<>(filter);
		registration.setOrder(
				environment.getProperty("spring.security.filter.order", Integer.class, SECURITY_FILTER_ORDER) + 10);
		registration.setDispatcherTypes(DispatcherType.REQUEST, DispatcherType.ASYNC, DispatcherType.ERROR);
		return registration;
	}

	/** Before the application's own listeners, which may enter a tenant. */
	@Bean
	ServletListenerRegistrationBean<ForgottenTarget> multiDbForgottenTarget() {
		ServletListenerRegistrationBean<ForgottenTarget> registration = new ServletListenerRegistrationBean<>(
				new ForgottenTarget());
		registration.setOrder(Ordered.HIGHEST_PRECEDENCE);
		return registration;
	}

	private static List<String> excluded(TenancyProperties tenancy, Environment environment) {
		if (tenancy.web().exclude() != null) {
			return tenancy.web().exclude();
		}
		List<String> excluded = new ArrayList<>();
		if (!isManagedHere(environment)) {
			// What has these paths here is the application's own.
			return excluded;
		}
		String actuator = StringUtils
			.trimTrailingCharacter(environment.getProperty("management.endpoints.web.base-path", "/actuator"), '/');
		String servlet = StringUtils.trimTrailingCharacter(environment.getProperty("spring.mvc.servlet.path", ""), '/');
		// At the root, the actuator's paths cannot be told from the application's.
		if (!actuator.isEmpty()) {
			excluded.add(servlet + actuator + "/**");
		}
		if (tenancy.page().enabled()) {
			excluded.add(servlet + tenancy.page().path() + "/**");
		}
		return excluded;
	}

	/** As Spring Boot decides whether its endpoints have a server of their own. */
	private static boolean isManagedHere(Environment environment) {
		Integer management = environment.getProperty("management.server.port", Integer.class);
		return management == null
				|| (management != 0 && management.equals(environment.getProperty("server.port", Integer.class, 8080)));
	}

	/** A bean that is not named in the configuration is asked first. */
	private static List<TenantResolver> resolvers(TenancyProperties.Web web, BeanFactory beans,
			ObjectProvider<TenantResolver> own) {
		List<TenantResolver> named = new ArrayList<>();
		for (String name : web.resolvers()) {
			boolean bean = beans.containsBean(name) && beans.isTypeMatch(name, TenantResolver.class);
			named.add(bean ? beans.getBean(name, TenantResolver.class) : builtIn(name, web));
		}
		List<TenantResolver> all = new ArrayList<>(
				own.orderedStream().filter((resolver) -> !named.contains(resolver)).toList());
		all.addAll(named);
		return all;
	}

	private static TenantResolver builtIn(String name, TenancyProperties.Web web) {
		return switch (name) {
			case "header" -> TenantResolvers.header(web.header().name());
			case "cookie" -> TenantResolvers.cookie(web.cookie().name());
			case "session" -> TenantResolvers.session(web.session().attribute());
			case "subdomain" -> TenantResolvers.subdomain(String.valueOf(web.subdomain().domain()));
			case "path" -> TenantResolvers.path(String.valueOf(web.path().pattern()));
			case "principal" -> principal(web.principal().claim());
			default -> throw new IllegalArgumentException("the bean '" + name + "' is no TenantResolver");
		};
	}

	private static TenantResolver principal(@Nullable String claim) {
		if (claim == null) {
			return TenantResolvers.principal();
		}
		if (!ClassUtils.isPresent("org.springframework.security.oauth2.core.ClaimAccessor", null)) {
			throw new IllegalArgumentException(
					"'app.tenancy.web.principal.claim' needs spring-security-oauth2-core on the class path");
		}
		return new ClaimTenantResolver(claim);
	}

}
