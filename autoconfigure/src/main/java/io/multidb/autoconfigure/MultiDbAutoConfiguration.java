package io.multidb.autoconfigure;

import java.util.List;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.aop.config.AopConfigUtils;
import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.beans.factory.config.BeanFactoryPostProcessor;
import org.springframework.beans.factory.config.ConfigurableBeanFactory;
import org.springframework.beans.factory.support.AbstractBeanFactory;
import org.springframework.beans.factory.support.BeanDefinitionRegistry;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Conditional;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.ImportBeanDefinitionRegistrar;
import org.springframework.context.annotation.Lazy;
import org.springframework.context.annotation.Primary;
import org.springframework.context.annotation.ProxyType;
import org.springframework.context.annotation.Proxyable;
import org.springframework.context.annotation.Role;
import org.springframework.core.env.Environment;
import org.springframework.core.io.ResourceLoader;
import org.springframework.core.type.AnnotationMetadata;
import org.springframework.util.function.SingletonSupplier;

import io.multidb.routing.MappingStore;
import io.multidb.routing.RouteCounts;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.ShardMap;
import io.multidb.routing.ShardTables;
import io.multidb.routing.TargetAccess;
import io.multidb.routing.TenantMappings;
import io.multidb.source.CallerSession;
import io.multidb.source.PoolListener;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;
import io.multidb.transaction.BoundResourceReader;
import io.multidb.transaction.SwitchCheck;
import io.multidb.transaction.EarlyBeans;
import io.multidb.transaction.TargetAdvisor;

/**
 * Auto-configuration of the sources, the routes, the routing DataSource, and
 * {@link io.multidb.Tenant @Tenant}.
 */
@AutoConfiguration(before = DataSourceAutoConfiguration.class)
@Conditional(OnDatasourcesCondition.class)
@Import(MultiDbAutoConfiguration.ProxyRegistrar.class)
public final class MultiDbAutoConfiguration {

	private static final Logger logger = LoggerFactory.getLogger(MultiDbAutoConfiguration.class);

	@Bean
	Datasources multiDbDatasources(Environment environment, ResourceLoader resourceLoader,
			ListableBeanFactory beanFactory, ObjectProvider<JdbcConnectionDetails> connectionDetails) {
		Datasources datasources = new DatasourcesReader(environment, resourceLoader, connectionDetails.getIfAvailable(),
				beanFactory.getBeansOfType(SourceDefinition.class, true, false), beanFactory::containsBean)
			.read();
		logger.info("{}", datasources.summary());
		datasources.notes().forEach(logger::info);
		return datasources;
	}

	@Bean
	SourceEventPublisher multiDbSourceEventPublisher(ApplicationEventPublisher publisher) {
		return new SourceEventPublisher(publisher);
	}

	@Bean(destroyMethod = "close")
	@ConditionalOnMissingBean
	SourceRegistry multiDbSourceRegistry(Datasources datasources, ObjectProvider<SourceMigrator> migrator,
			SourceEventPublisher events, ObjectProvider<CallerSession> callerSession,
			ObjectProvider<PoolListener> meters, ObjectProvider<Watch> watch) {
		SourceRegistry registry = new SourceRegistry(datasources.sources(), datasources.templates(),
				migrator.getIfAvailable(() -> SourceMigrator.NONE), events::accept,
				callerSession.getIfAvailable(() -> CallerSession.NONE), datasources.tenancy().limits());
		List<PoolListener> listeners = meters.orderedStream().toList();
		if (!listeners.isEmpty()) {
			registry.measure(new PoolListeners(listeners), datasources.tenancy().metrics().timedLeases());
		}
		watch.ifAvailable(registry::watch);
		return registry;
	}

	@Bean
	@ConditionalOnMissingBean
	TenantMappings multiDbTenantMappings(SourceRegistry registry, ObjectProvider<MappingStore> store,
			SourceEventPublisher events) {
		return new TenantMappings(registry, store.getIfAvailable(() -> MappingStore.NONE), events::accept);
	}

	@Bean
	@ConditionalOnMissingBean
	Routes multiDbRoutes(Datasources datasources, SourceRegistry registry, TenantMappings mappings,
			ObjectProvider<ShardMap> shardMap) {
		return new Routes(datasources.routes(), datasources.noTenant(), registry, mappings,
				shardMap.getIfAvailable(() -> new ShardTables(registry)));
	}

	/** Of a final class, so that advice must do with its interfaces. */
	@Bean
	@Primary
	@Proxyable(ProxyType.INTERFACES)
	@ConditionalOnMissingBean
	RoutingDataSource multiDbRoutingDataSource(Routes routes, ObjectProvider<TargetAccess> access,
			ObjectProvider<RouteCounts> counts) {
		RoutingDataSource router = new RoutingDataSource(routes, access.getIfAvailable());
		counts.ifAvailable(router::count);
		return router;
	}

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	static RouterBean multiDbRouterBean(ObjectProvider<TargetAccess> access) {
		return new RouterBean(access);
	}

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	static SourceDataSourceRegistrar multiDbSourceDataSourceRegistrar(Environment environment,
			ResourceLoader resourceLoader) {
		return new SourceDataSourceRegistrar(environment, resourceLoader);
	}

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	@ConditionalOnMissingBean
	static TargetAdvisor multiDbTargetAdvisor(ObjectProvider<Routes> routes, ObjectProvider<SwitchCheck> switches,
			Environment environment, ObjectProvider<TargetAccess> access, ConfigurableBeanFactory beanFactory) {
		return new TargetAdvisor(routes::getObject, switches::getObject, KnownNames.packages(environment),
				beanFactory::resolveEmbeddedValue, access::getIfAvailable);
	}

	@Bean
	static BeanFactoryPostProcessor multiDbEarlyBeans(ObjectProvider<TargetAdvisor> advisor) {
		return (beans) -> beans.addBeanPostProcessor(
				new EarlyBeans((AbstractBeanFactory) beans, SingletonSupplier.of(advisor::getObject)));
	}

	/** In force from the start, also where beans are made lazily. */
	@Bean(destroyMethod = "close")
	@Lazy(false)
	@ConditionalOnMissingBean
	SwitchCheck multiDbSwitchCheck(Routes routes, ObjectProvider<TargetAccess> access,
			ObjectProvider<BoundResourceReader> readers) {
		return new SwitchCheck(routes, access.getIfAvailable(),
				SingletonSupplier.of(() -> readers.orderedStream().toList()));
	}

	/** {@code @Tenant} must be heeded even where spring.aop.auto is off. */
	static class ProxyRegistrar implements ImportBeanDefinitionRegistrar {

		@Override
		public void registerBeanDefinitions(AnnotationMetadata metadata, BeanDefinitionRegistry registry) {
			AopConfigUtils.registerAutoProxyCreatorIfNecessary(registry);
		}

	}

}
