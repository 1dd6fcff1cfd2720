package io.multidb.autoconfigure;

import io.micrometer.observation.ObservationRegistry;
import jakarta.servlet.http.HttpServletRequest;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.util.function.SingletonSupplier;
import org.springframework.web.filter.ServerHttpObservationFilter;

import io.multidb.actuate.ObservedWork;
import io.multidb.actuate.RequestTenant;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;

/**
 * Auto-configuration of observations of work on sources.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class, before = MultiDbWebAutoConfiguration.class)
@ConditionalOnClass(ObservationRegistry.class)
@ConditionalOnBean(SourceRegistry.class)
public final class MultiDbObservationAutoConfiguration {

	/** The registry may need meters to be made, and these the sources. */
	@Bean
	@ConditionalOnMissingBean(Watch.class)
	ObservedWork multiDbObservedWork(ObjectProvider<ObservationRegistry> registry) {
		SingletonSupplier<ObservationRegistry> observations = SingletonSupplier
			.of(() -> registry.getIfAvailable(() -> ObservationRegistry.NOOP));
		return new ObservedWork(observations::obtain);
	}

	@Configuration(proxyBeanMethods = false)
	@ConditionalOnClass({ ServerHttpObservationFilter.class, HttpServletRequest.class })
	static class Web {

		@Bean
		@ConditionalOnMissingBean
		RequestTenant multiDbRequestTenant() {
			return new RequestTenant();
		}

	}

}
