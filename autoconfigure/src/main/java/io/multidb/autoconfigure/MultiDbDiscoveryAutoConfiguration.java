package io.multidb.autoconfigure;

import java.time.Duration;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.ApplicationListener;
import org.springframework.context.PayloadApplicationEvent;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Lazy;

import io.multidb.discovery.ProvidedSources;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.Routes;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of what {@link SourceProvider} beans define while the application
 * runs.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class)
@ConditionalOnBean(SourceRegistry.class)
public final class MultiDbDiscoveryAutoConfiguration {

	/** How long the start waits for what providers have; the rest comes behind it. */
	private static final Duration STARTUP_TIMEOUT = Duration.ofSeconds(30);

	@Bean(destroyMethod = "close")
	@Lazy(false)
	@ConditionalOnMissingBean
	ProvidedSources multiDbProvidedSources(SourceRegistry registry, ObjectProvider<SourceProvider> providers) {
		return new ProvidedSources(registry, providers.orderedStream().toList());
	}

	/** Before anything serves requests, which begins when all singletons are there. */
	@Bean
	@Lazy(false)
	SmartInitializingSingleton multiDbProvidedSourcesStarter(ProvidedSources sources) {
		return () -> sources.start(STARTUP_TIMEOUT);
	}

	/**
	 * After declared sources were migrated, as it opens those of sharded routes, and
	 * after the catalog was read, which may know where tenants are.
	 */
	@Bean
	@Lazy(false)
	static SmartInitializingSingleton multiDbShardCheck(ObjectProvider<Routes> routes) {
		return () -> routes.ifAvailable(Routes::checkShards);
	}

	/** Removed by others, it may have stood in the way of a provider's. */
	@Bean
	ApplicationListener<PayloadApplicationEvent<SourceEvent.Removed>> multiDbRefusedSourcesRetry(
			ObjectProvider<ProvidedSources> sources) {
		return new RefusedSourcesRetry(sources);
	}

	/** A class, as a lambda does not tell its event's type. */
	private record RefusedSourcesRetry(ObjectProvider<ProvidedSources> sources)
			implements
				ApplicationListener<PayloadApplicationEvent<SourceEvent.Removed>> {

		@Override
		public void onApplicationEvent(PayloadApplicationEvent<SourceEvent.Removed> event) {
			this.sources.ifAvailable(ProvidedSources::retryRefused);
		}

	}

}
