package io.multidb.autoconfigure;

import java.time.Duration;

import javax.sql.DataSource;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Lazy;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.core.env.Environment;
import org.springframework.jdbc.core.JdbcTemplate;

import io.multidb.access.Grants;
import io.multidb.catalog.Catalog;
import io.multidb.discovery.ProvidedSources;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.MappingStore;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.ShardMap;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;

/**
 * Auto-configuration of the catalog, a table of sources in one of the declared ones.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class },
		before = { MultiDbDiscoveryAutoConfiguration.class, MultiDbAccessAutoConfiguration.class })
@ConditionalOnClass(JdbcTemplate.class)
@ConditionalOnBean({ SourceRegistry.class, RoutingDataSource.class })
@ConditionalOnProperty("app.tenancy.catalog.source")
public final class MultiDbCatalogAutoConfiguration {

	/** How long the start waits for the catalog; it is read behind it then. */
	private static final Duration STARTUP_TIMEOUT = Duration.ofSeconds(30);

	@Bean(destroyMethod = "close")
	@ConditionalOnMissingBean
	Catalog multiDbCatalog(Datasources datasources, Environment environment, SourceRegistry registry,
			ObjectProvider<DataSource> dataSources, ObjectProvider<SourceMigrator> migrator,
			ApplicationEventPublisher events, ObjectProvider<ProvidedSources> provided, ObjectProvider<Watch> watch) {
		Catalog catalog = new Catalog(datasources.tenancy().catalog().settings(environment::getProperty), registry,
				() -> RouterBean.of(dataSources), migrator.getIfAvailable(() -> SourceMigrator.NONE),
				events::publishEvent, provided::getObject);
		watch.ifAvailable(catalog::watch);
		return catalog;
	}

	/** After what the application itself provides, unless that says otherwise. */
	@Bean
	@Order(Ordered.LOWEST_PRECEDENCE - 100)
	SourceProvider multiDbCatalogSourceProvider(Catalog catalog) {
		return catalog.provider();
	}

	@Bean
	@ConditionalOnMissingBean
	@ConditionalOnBooleanProperty("app.tenancy.catalog.permissions")
	Grants multiDbCatalogGrants(Catalog catalog) {
		return catalog.grants();
	}

	@Bean
	@ConditionalOnMissingBean
	MappingStore multiDbCatalogMappings(Catalog catalog) {
		return catalog.mappings();
	}

	@Bean
	@ConditionalOnMissingBean
	ShardMap multiDbCatalogShards(Catalog catalog) {
		return catalog.shards();
	}

	/** Before the sources of all providers are applied, which waits for them. */
	@Bean
	@Lazy(false)
	SmartInitializingSingleton multiDbCatalogStarter(Catalog catalog) {
		return () -> catalog.start(STARTUP_TIMEOUT);
	}

}
