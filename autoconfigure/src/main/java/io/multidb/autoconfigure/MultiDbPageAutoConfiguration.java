package io.multidb.autoconfigure;

import java.util.List;

import jakarta.servlet.ServletContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.actuate.autoconfigure.web.ManagementContextConfiguration;
import org.springframework.boot.actuate.autoconfigure.web.server.ManagementPortType;
import org.springframework.boot.actuate.endpoint.Access;
import org.springframework.boot.actuate.endpoint.EndpointAccessResolver;
import org.springframework.boot.actuate.endpoint.EndpointId;
import org.springframework.boot.actuate.endpoint.web.PathMappedEndpoints;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.web.context.reactive.ReactiveWebApplicationContext;
import org.springframework.boot.webmvc.autoconfigure.DispatcherServletPath;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import org.springframework.security.web.access.WebInvocationPrivilegeEvaluator;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringUtils;
import org.springframework.web.context.WebApplicationContext;
import org.springframework.web.servlet.DispatcherServlet;

import io.multidb.actuate.SourceOperations;
import io.multidb.actuate.SourcesView;
import io.multidb.page.DatasourcesPage;
import io.multidb.page.PageFiles;
import io.multidb.page.PageProtection;
import io.multidb.page.SpringSecurityProtection;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of the operator's page. Where it is enabled and cannot be served, or
 * everybody could see it, the application does not start.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, MultiDbEndpointAutoConfiguration.class },
		afterName = "org.springframework.boot.security.autoconfigure.web.servlet.ServletWebSecurityAutoConfiguration")
@ConditionalOnBooleanProperty("app.tenancy.page.enabled")
@ConditionalOnBooleanProperty(name = "app.tenancy.enabled", matchIfMissing = true)
public final class MultiDbPageAutoConfiguration {

	private static final Logger logger = LoggerFactory.getLogger(MultiDbPageAutoConfiguration.class);

	private static final String PAGE = "datasourcesPage";

	/** Somebody who wants the page is told why there is none. */
	@Bean
	static SmartInitializingSingleton datasourcesPageComplete(ApplicationContext context) {
		return () -> {
			if (context instanceof ReactiveWebApplicationContext) {
				throw new FailureAnalyzedException(
						"'app.tenancy.page.enabled' is true, but this is an application with Spring WebFlux, and the page is"
								+ " served by Spring MVC only.",
						"Set 'app.tenancy.page.enabled' to false: '/actuator/datasources' shows and does the same. With"
								+ " 'org.springframework.boot:spring-boot-starter-webmvc' the application has a page.");
			}
			if (!context.containsBean(PAGE) && !isWorker(context)) {
				throw new FailureAnalyzedException(
						"'app.tenancy.page.enabled' is true, but the page cannot be made: it shows what Spring Boot's Actuator"
								+ " would, by Spring MVC, as JSON of Jackson's, and one of them is missing, or there is no"
								+ " source under 'app.datasources'.",
						"Add 'org.springframework.boot:spring-boot-starter-actuator' and"
								+ " 'org.springframework.boot:spring-boot-starter-webmvc', or set 'app.tenancy.page.enabled' to"
								+ " false.");
			}
		};
	}

	/** It could serve a page, but serves nothing: somebody has said so. */
	private static boolean isWorker(ApplicationContext context) {
		return ClassUtils.isPresent("org.springframework.web.servlet.DispatcherServlet", context.getClassLoader())
				&& !(context instanceof WebApplicationContext);
	}

	@Configuration(proxyBeanMethods = false)
	@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
	@ConditionalOnClass({ EndpointAccessResolver.class, ManagementContextConfiguration.class, DispatcherServlet.class,
			DispatcherServletPath.class, JsonMapper.class })
	@ConditionalOnBean({ Datasources.class, SourcesView.class })
	static class PageConfiguration {

		@Bean(PAGE)
		@ConditionalOnMissingBean
		DatasourcesPage datasourcesPage(Datasources datasources, SourceRegistry registry, SourcesView view,
				ObjectProvider<SourceOperations> operations, ObjectProvider<EndpointAccessResolver> access,
				ObjectProvider<PageProtection> protection, ApplicationContext context) {
			ClassLoader classLoader = (context.getClassLoader() != null) ? context.getClassLoader()
					: PageFiles.class.getClassLoader();
			List<String> missing = PageFiles.missing(classLoader);
			if (!missing.isEmpty()) {
				throw new FailureAnalyzedException(
						"'app.tenancy.page.enabled' is true, but the page needs files of "
								+ String.join(" and ", missing) + ", which are not on the class path.",
						"Add " + String.join(" and ",
								missing.stream().map((name) -> "'org.webjars.npm:" + name + "'").toList())
								+ ", which 'multidb-spring-boot-starter' brings along, or set 'app.tenancy.page.enabled' to"
								+ " false.");
			}
			return new DatasourcesPage(datasources.tenancy().page().path(),
					context.getEnvironment().getProperty("spring.application.name", "application"),
					PageFiles.load(classLoader), registry, view,
					isWritable(access) ? operations.getIfAvailable() : null,
					protection.getIfAvailable(() -> PageProtection.NONE));
		}

		/** Whoever lets nobody change anything by the endpoint means the page as well. */
		private static boolean isWritable(ObjectProvider<EndpointAccessResolver> access) {
			EndpointAccessResolver resolver = access.getIfAvailable();
			return resolver != null
					&& resolver.accessFor(EndpointId.of("datasources"), Access.READ_ONLY) == Access.UNRESTRICTED;
		}

		/** Both are on the same server: one would take the other's requests. */
		@Bean
		SmartInitializingSingleton datasourcesPageApartFromEndpoints(DatasourcesPage page,
				ObjectProvider<PathMappedEndpoints> endpoints) {
			return () -> endpoints.stream().flatMap((all) -> all.getAllPaths().stream()).forEach((path) -> {
				if (isWithin(path, page.path()) || isWithin(page.path(), path)) {
					throw new FailureAnalyzedException(
							"The page of sources is to be at '" + page.path() + "', where the endpoint '" + path
									+ "' is: one would take the other's requests.",
							"Set 'app.tenancy.page.path' to a path of its own.");
				}
			});
		}

		private static boolean isWithin(String path, String other) {
			return (path + "/").startsWith(other + "/");
		}

		@Bean
		SmartInitializingSingleton datasourcesPageProtected(DatasourcesPage page, Datasources datasources,
				Environment environment, ObjectProvider<ServletContext> servletContext,
				ObjectProvider<DispatcherServletPath> dispatcherServlet) {
			return () -> {
				ManagementPortType port = ManagementPortType.get(environment);
				if (port == ManagementPortType.DISABLED || datasources.tenancy().page().unprotected()) {
					return;
				}
				boolean apart = port == ManagementPortType.DIFFERENT;
				String contextPath = apart ? trimmed(environment.getProperty("management.server.base-path"))
						: servletContext.stream().findFirst().map(ServletContext::getContextPath).orElse("");
				String prefix = apart ? "" : trimmed(
						dispatcherServlet.stream().findFirst().map(DispatcherServletPath::getPrefix).orElse(""));
				String open = page.findOpen(contextPath, prefix);
				if (open != null) {
					throw unprotected(page.path(), open);
				}
				String openToUsers = page.findOpenToUsers(contextPath, prefix);
				if (openToUsers != null) {
					logger.warn(
							"Every user who is logged in may change sources by the page '{}': '{}' needs no role. Let the"
									+ " application's security ask for one, unless all of its users are operators.",
							page.path(), openToUsers);
				}
			};
		}

		private static String trimmed(@Nullable String path) {
			return (path != null) ? StringUtils.trimTrailingCharacter(path, '/') : "";
		}

		private static FailureAnalyzedException unprotected(String path, String open) {
			return new FailureAnalyzedException(
					"The page of sources would be open to everybody: as far as can be told, '" + open
							+ "' needs no login. It shows where the databases are, and what is wrong with them.",
					"Let the application's security ask for a login, as with Spring Security:\n\n"
							+ "    http.securityMatcher(\"" + path + "/**\")\n"
							+ "        .authorizeHttpRequests((requests) -> requests.anyRequest().hasRole(\"OPERATOR\"))\n"
							+ "        .httpBasic(Customizer.withDefaults())\n\n"
							+ "Where something else protects it, such as a proxy or the network, set"
							+ " 'app.tenancy.page.unprotected' to true.");
		}

	}

	@Configuration(proxyBeanMethods = false)
	@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
	@ConditionalOnClass({ WebInvocationPrivilegeEvaluator.class, DispatcherServlet.class })
	static class SecurityConfiguration {

		@Bean
		@ConditionalOnMissingBean(PageProtection.class)
		@ConditionalOnBean(WebInvocationPrivilegeEvaluator.class)
		SpringSecurityProtection datasourcesPageProtection(WebInvocationPrivilegeEvaluator evaluator) {
			return new SpringSecurityProtection(evaluator);
		}

	}

}
