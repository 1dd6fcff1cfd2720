package io.multidb.autoconfigure;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.cache.CacheManager;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Role;
import org.springframework.util.function.SingletonSupplier;

import io.multidb.cache.SourceCachePostProcessor;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Auto-configuration of Spring's caches: each source has its own entries.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class)
@ConditionalOnClass(CacheManager.class)
@ConditionalOnBean(Routes.class)
public final class MultiDbCacheAutoConfiguration {

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	static SourceCachePostProcessor sourceCachePostProcessor(ObjectProvider<Routes> routes,
			ObjectProvider<TargetAccess> access, ObjectProvider<Datasources> datasources) {
		return new SourceCachePostProcessor(SingletonSupplier.of(routes::getObject),
				SingletonSupplier.ofNullable(access::getIfAvailable),
				SingletonSupplier.of(() -> datasources.getObject().tenancy().cache().shared()));
	}

}
