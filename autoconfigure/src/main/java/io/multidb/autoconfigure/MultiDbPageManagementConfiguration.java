package io.multidb.autoconfigure;

import java.util.List;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.actuate.autoconfigure.web.ManagementContextConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.http.converter.ByteArrayHttpMessageConverter;
import org.springframework.http.converter.json.JacksonJsonHttpMessageConverter;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.function.support.RouterFunctionMapping;

import com.fasterxml.jackson.annotation.JsonInclude;

import io.multidb.page.DatasourcesPage;

/**
 * Puts the page on the server that has Spring Boot's endpoints, be it the application's
 * or one of its own.
 */
@ManagementContextConfiguration(proxyBeanMethods = false)
@ConditionalOnClass({ DispatcherServlet.class, JsonMapper.class })
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
@ConditionalOnBean(DatasourcesPage.class)
class MultiDbPageManagementConfiguration {

	/** As the endpoints': before the application's own handlers. */
	private static final int ORDER = -100;

	/**
	 * A mapping of its own, with converters of its own: however the application has its
	 * JSON, the page understands this one.
	 */
	@Bean(defaultCandidate = false)
	RouterFunctionMapping datasourcesPageMapping(DatasourcesPage page) {
		RouterFunctionMapping mapping = new RouterFunctionMapping(page.routes());
		JsonMapper json = JsonMapper.builder()
			.changeDefaultPropertyInclusion((all) -> all.withValueInclusion(JsonInclude.Include.NON_NULL))
			.build();
		mapping.setMessageConverters(
				List.of(new ByteArrayHttpMessageConverter(), new JacksonJsonHttpMessageConverter(json)));
		mapping.setInterceptors(new Headers());
		mapping.setOrder(ORDER);
		return mapping;
	}

	/** Before anything is written, so that refusals have them, too. */
	private static final class Headers implements HandlerInterceptor {

		@Override
		public boolean preHandle(HttpServletRequest request, HttpServletResponse response, Object handler) {
			DatasourcesPage.headers().forEach(response::setHeader);
			return true;
		}

	}

}
