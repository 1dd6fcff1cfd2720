package io.multidb.autoconfigure;

import java.util.Map;

import io.micrometer.core.instrument.MeterRegistry;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration;
import org.springframework.context.annotation.Bean;

import io.multidb.access.Access;
import io.multidb.actuate.DatasourcesMeters;
import io.multidb.actuate.SourceMeters;
import io.multidb.catalog.Catalog;
import io.multidb.discovery.ProvidedSources;
import io.multidb.fanout.FanOut;
import io.multidb.routing.RouteCounts;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of the meters {@code datasources.*}. Without it, nothing is counted.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, MultiDbCatalogAutoConfiguration.class,
		MultiDbAccessAutoConfiguration.class, MultiDbFanOutAutoConfiguration.class,
		CompositeMeterRegistryAutoConfiguration.class })
@ConditionalOnClass({ MeterRegistry.class, CompositeMeterRegistryAutoConfiguration.class })
@ConditionalOnBean({ SourceRegistry.class, Datasources.class, MeterRegistry.class })
@ConditionalOnBooleanProperty(name = "app.tenancy.metrics.enabled", matchIfMissing = true)
public final class MultiDbMetricsAutoConfiguration {

	@Bean
	@ConditionalOnMissingBean
	RouteCounts multiDbRouteCounts() {
		return new RouteCounts();
	}

	/** Needed to make the registry that it measures. */
	@Bean
	@ConditionalOnMissingBean
	SourceMeters multiDbSourceMeters(Datasources datasources, ObjectProvider<SourceRegistry> registry) {
		TenancyProperties.Metrics metrics = datasources.tenancy().metrics();
		return new SourceMeters(registry::getObject, metrics.sources(), metrics.hikari());
	}

	@Bean
	@ConditionalOnMissingBean
	DatasourcesMeters multiDbDatasourcesMeters(SourceRegistry registry, RouteCounts routes,
			ObjectProvider<Access> access, ObjectProvider<FanOut> fanOut, ObjectProvider<Catalog> catalog,
			ObjectProvider<ProvidedSources> provided) {
		return new DatasourcesMeters(registry, routes, access.getIfAvailable(), fanOut.getIfAvailable(),
				catalog.getIfAvailable(),
				() -> provided.stream().findFirst().map(ProvidedSources::problems).orElseGet(Map::of));
	}

}
