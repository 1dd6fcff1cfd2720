package io.multidb.autoconfigure;

import javax.sql.DataSource;

import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.context.annotation.Bean;

import io.multidb.access.Access;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.SearchableSources;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.FanOutJournal;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;

/**
 * Auto-configuration of {@link FanOut} and its journal.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, MultiDbCatalogAutoConfiguration.class,
		MultiDbAccessAutoConfiguration.class })
@ConditionalOnBean({ SourceRegistry.class, RoutingDataSource.class, Datasources.class })
public final class MultiDbFanOutAutoConfiguration {

	@Bean(destroyMethod = "close")
	@ConditionalOnMissingBean
	FanOut multiDbFanOut(SourceRegistry registry, ObjectProvider<DataSource> dataSources, Datasources datasources,
			ObjectProvider<FanOutJournal> journal, ObjectProvider<Watch> watch) {
		TenancyProperties.FanOut settings = datasources.tenancy().fanOut();
		FanOut fanOut = new FanOut(registry, RouterBean.of(dataSources), settings.timeout(), settings.threads(),
				journal.getIfAvailable());
		watch.ifAvailable(fanOut::watch);
		return fanOut;
	}

	@Bean(destroyMethod = "close")
	@ConditionalOnMissingBean
	@ConditionalOnProperty("app.tenancy.fan-out.journal.source")
	FanOutJournal multiDbFanOutJournal(SourceRegistry registry, Datasources datasources) {
		TenancyProperties.FanOut.Journal settings = datasources.tenancy().fanOut().journal();
		return new FanOutJournal(registry, String.valueOf(settings.source()), settings.keep());
	}

	@Bean
	@ConditionalOnBean(Catalog.class)
	@ConditionalOnMissingBean
	SearchableSources multiDbSearchableSources(Catalog catalog, ObjectProvider<Access> access) {
		return new SearchableSources(catalog, access.getIfAvailable());
	}

}
