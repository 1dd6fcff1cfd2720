package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.boot.webmvc.autoconfigure.WebMvcAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringUtils;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.servlet.HandlerExceptionResolver;

import io.multidb.InvalidDatasourcesException;
import io.multidb.routing.Routes;
import io.multidb.web.ClaimTenantResolver;
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

	/**
	 * Just after Spring Security's filter chain (-100), so that the user is known and
	 * requests that security refuses never name a tenant.
	 */
	static final int FILTER_ORDER = -90;

	@Bean
	@ConditionalOnMissingBean
	TenantExceptionHandler tenantExceptionHandler() {
		return new TenantExceptionHandler();
	}

	@Bean
	@ConditionalOnMissingBean(value = TenantFilter.class, parameterizedContainer = FilterRegistrationBean.class)
	FilterRegistrationBean<TenantFilter> tenantFilter(Datasources datasources, Environment environment,
			ListableBeanFactory beans,
			@Qualifier("handlerExceptionResolver") ObjectProvider<HandlerExceptionResolver> exceptionResolver) {
		TenancyProperties.Web web = datasources.tenancy().web();
		List<String> excluded = (web.exclude() != null) ? web.exclude()
				: List.of(environment.getProperty("management.endpoints.web.base-path", "/actuator") + "/**");
		TenantFilter filter = new TenantFilter(resolvers(web, beans), excluded, exceptionResolver.getObject());
		FilterRegistrationBean<TenantFilter> registration = new FilterRegistrationBean<>(filter);
		registration.setOrder(FILTER_ORDER);
		registration.setDispatcherTypes(DispatcherType.REQUEST, DispatcherType.ASYNC);
		return registration;
	}

	private static List<TenantResolver> resolvers(TenancyProperties.Web web, ListableBeanFactory beans) {
		Map<String, TenantResolver> own = new LinkedHashMap<>();
		beans.getBeanProvider(TenantResolver.class)
			.stream((type) -> true, true)
			.forEach((resolver) -> own.put(nameOf(resolver, beans), resolver));
		List<TenantResolver> named = new ArrayList<>();
		List<String> mistakes = new ArrayList<>();
		for (String name : web.resolvers()) {
			TenantResolver bean = own.remove(name);
			TenantResolver resolver = (bean != null) ? bean : builtIn(name, web, mistakes);
			if (resolver != null) {
				named.add(resolver);
			}
		}
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
		List<TenantResolver> all = new ArrayList<>(own.values());
		all.addAll(named);
		return all;
	}

	private static String nameOf(TenantResolver resolver, ListableBeanFactory beans) {
		return beans.getBeansOfType(TenantResolver.class)
			.entrySet()
			.stream()
			.filter((entry) -> Objects.equals(entry.getValue(), resolver))
			.map(Map.Entry::getKey)
			.findFirst()
			.orElseThrow();
	}

	private static @Nullable TenantResolver builtIn(String name, TenancyProperties.Web web, List<String> mistakes) {
		try {
			return switch (name) {
				case "header" -> TenantResolvers.header(web.header().name());
				case "cookie" -> TenantResolvers.cookie(web.cookie().name());
				case "session" -> TenantResolvers.session(web.session().attribute());
				case "subdomain" -> TenantResolvers.subdomain(required("subdomain.domain", web.subdomain().domain()));
				case "path" -> TenantResolvers.path(required("path.pattern", web.path().pattern()));
				case "principal" -> principal(web.principal().claim());
				default ->
					throw new IllegalArgumentException("'" + name + "' is neither header, subdomain, path, session,"
							+ " cookie, principal nor the name of a TenantResolver bean");
			};
		}
		catch (IllegalArgumentException ex) {
			mistakes.add("'app.tenancy.web.resolvers': " + ex.getMessage() + ".");
			return null;
		}
	}

	private static String required(String key, @Nullable String value) {
		if (!StringUtils.hasText(value)) {
			throw new IllegalArgumentException("this resolver needs 'app.tenancy.web." + key + "'");
		}
		return value;
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
