package io.multidb.autoconfigure;

import java.util.List;

import jakarta.servlet.ServletContext;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.actuate.autoconfigure.web.ManagementContextConfiguration;
import org.springframework.boot.actuate.autoconfigure.web.server.ManagementPortType;
import org.springframework.boot.actuate.endpoint.Access;
import org.springframework.boot.actuate.endpoint.EndpointAccessResolver;
import org.springframework.boot.actuate.endpoint.EndpointId;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.boot.webmvc.autoconfigure.DispatcherServletPath;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import org.springframework.security.web.access.WebInvocationPrivilegeEvaluator;
import org.springframework.util.StringUtils;
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
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
public final class MultiDbPageAutoConfiguration {

	private static final String PAGE = "datasourcesPage";

	/** Somebody who wants the page is told why there is none. */
	@Bean
	static SmartInitializingSingleton datasourcesPageComplete(ListableBeanFactory beans) {
		return () -> {
			if (!beans.containsBean(PAGE)) {
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

	@Configuration(proxyBeanMethods = false)
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

		@Bean
		SmartInitializingSingleton datasourcesPageProtected(DatasourcesPage page, Datasources datasources,
				Environment environment, ObjectProvider<ServletContext> servletContext,
				ObjectProvider<DispatcherServletPath> dispatcherServlet) {
			return () -> {
				ManagementPortType port = ManagementPortType.get(environment);
				if (port == ManagementPortType.DISABLED || datasources.tenancy().page().unprotected()) {
					return;
				}
				String open = (port == ManagementPortType.DIFFERENT)
						? page.findOpen(trimmed(environment.getProperty("management.server.base-path")), "")
						: page.findOpen(
								servletContext.stream().findFirst().map(ServletContext::getContextPath).orElse(""),
								trimmed(dispatcherServlet.stream()
									.findFirst()
									.map(DispatcherServletPath::getPrefix)
									.orElse("")));
				if (open != null) {
					throw unprotected(page.path(), open);
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
