package io.multidb.autoconfigure;

import java.util.Optional;
import java.util.function.Supplier;

import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.cache.CacheManager;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Role;
import org.springframework.util.ClassUtils;
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

	private static final boolean HIBERNATE = ClassUtils.isPresent(
			"org.hibernate.context.spi.CurrentTenantIdentifierResolver",
			MultiDbCacheAutoConfiguration.class.getClassLoader());

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	static SourceCachePostProcessor multiDbSourceCachePostProcessor(ObjectProvider<Routes> routes,
			ObjectProvider<TargetAccess> access, ObjectProvider<Datasources> datasources, BeanFactory beans) {
		// A supplier of null takes a lock each time.
		Supplier<Optional<TargetAccess>> rules = SingletonSupplier
			.of(() -> Optional.ofNullable(access.getIfAvailable()));
		return new SourceCachePostProcessor(SingletonSupplier.of(routes::getObject), () -> rules.get().orElse(null),
				SingletonSupplier.of(() -> datasources.getObject().tenancy().cache().shared()),
				SingletonSupplier.of(() -> HIBERNATE ? Identifiers.of(beans) : () -> null));
	}

	/** Its classes are loaded only where they are there. */
	private static final class Identifiers {

		static Supplier<@Nullable Object> of(BeanFactory beans) {
			CurrentTenantIdentifierResolver<?> own = beans.getBeanProvider(CurrentTenantIdentifierResolver.class)
				.getIfUnique();
			return (own != null) ? own::resolveCurrentTenantIdentifier : () -> null;
		}

	}

}
