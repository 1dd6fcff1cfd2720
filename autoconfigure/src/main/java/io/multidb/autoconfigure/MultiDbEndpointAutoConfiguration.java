package io.multidb.autoconfigure;

import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;

import jakarta.servlet.Servlet;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.actuate.audit.listener.AuditApplicationEvent;
import org.springframework.boot.actuate.autoconfigure.endpoint.condition.ConditionalOnAvailableEndpoint;
import org.springframework.boot.actuate.autoconfigure.endpoint.expose.EndpointExposure;
import org.springframework.boot.actuate.endpoint.Sanitizer;
import org.springframework.boot.actuate.endpoint.SanitizingFunction;
import org.springframework.boot.actuate.endpoint.annotation.Endpoint;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.web.servlet.HandlerMapping;

import io.multidb.actuate.DatasourcesEndpoint;
import io.multidb.actuate.DatasourcesEndpointJmxExtension;
import io.multidb.actuate.DatasourcesEndpointWebExtension;
import io.multidb.actuate.OperationHistory;
import io.multidb.actuate.PathVariables;
import io.multidb.actuate.SourceHistory;
import io.multidb.actuate.SourceOperations;
import io.multidb.actuate.SourcesView;
import io.multidb.catalog.Catalog;
import io.multidb.discovery.ProvidedSources;
import io.multidb.routing.MappingStore;
import io.multidb.routing.Routes;
import io.multidb.routing.TenantMappings;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of the endpoint {@code datasources}, and of what it shows and does,
 * which others may show and do as well.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class,
		MultiDbCatalogAutoConfiguration.class, MultiDbDiscoveryAutoConfiguration.class })
@ConditionalOnClass({ Endpoint.class, ConditionalOnAvailableEndpoint.class, JdbcTemplate.class })
@ConditionalOnBean({ SourceRegistry.class, Routes.class, TenantMappings.class })
@EnableConfigurationProperties(DatasourcesEndpointProperties.class)
public final class MultiDbEndpointAutoConfiguration {

	/** A request that takes longer is taken for lost by whoever stands in between. */
	private static final Duration PATIENCE = Duration.ofSeconds(10);

	@Bean
	@ConditionalOnMissingBean
	SourceHistory multiDbSourceHistory() {
		return new SourceHistory(Clock.systemUTC());
	}

	@Bean
	@ConditionalOnMissingBean
	OperationHistory multiDbOperationHistory() {
		return new OperationHistory(Clock.systemUTC());
	}

	@Bean
	@ConditionalOnMissingBean
	SourcesView multiDbSourcesView(SourceRegistry registry, Routes routes, TenantMappings mappings,
			SourceHistory history, OperationHistory operations, ObjectProvider<SanitizingFunction> sanitizers,
			ObjectProvider<Catalog> catalog, ObjectProvider<ProvidedSources> provided) {
		return new SourcesView(registry, routes, mappings, history, operations,
				new Sanitizer(sanitizers.orderedStream().toList()),
				() -> catalog.stream().findFirst().map(Catalog::status).orElse(null),
				() -> provided.stream().findFirst().map(ProvidedSources::problems).orElseGet(Map::of));
	}

	@Bean(destroyMethod = "close")
	@ConditionalOnMissingBean
	@ConditionalOnBean(Datasources.class)
	SourceOperations multiDbSourceOperations(SourceRegistry registry, TenantMappings mappings,
			ObjectProvider<Catalog> catalog, Datasources datasources, ObjectProvider<MappingStore> store,
			ObjectProvider<SourceMigrator> migrator, ObjectProvider<ProvidedSources> provided, OperationHistory history,
			ApplicationEventPublisher publisher) {
		SourceOperations.Settings settings = new SourceOperations.Settings(datasources.tenancy().catalog().urls(),
				datasources.migration(), store.getIfAvailable() != null, PATIENCE);
		return new SourceOperations(registry, mappings, catalog.getIfAvailable(), settings,
				migrator.getIfAvailable(() -> SourceMigrator.NONE),
				provided.stream().findFirst().orElseGet(() -> new ProvidedSources(registry, List.of())),
				(event) -> publisher.publishEvent(new AuditApplicationEvent(event)), history);
	}

	@Bean
	@ConditionalOnMissingBean
	@ConditionalOnAvailableEndpoint
	DatasourcesEndpoint datasourcesEndpoint(SourcesView view, DatasourcesEndpointProperties properties) {
		return new DatasourcesEndpoint(view, properties.showValues());
	}

	@Bean
	@ConditionalOnMissingBean
	@ConditionalOnBean({ DatasourcesEndpoint.class, SourceOperations.class })
	@ConditionalOnAvailableEndpoint(exposure = EndpointExposure.WEB)
	DatasourcesEndpointWebExtension datasourcesEndpointWebExtension(SourcesView view, SourceOperations operations,
			DatasourcesEndpointProperties properties) {
		return new DatasourcesEndpointWebExtension(view, operations, properties.showValues(), properties.roles());
	}

	@Bean
	@ConditionalOnMissingBean
	@ConditionalOnBean({ DatasourcesEndpoint.class, SourceOperations.class })
	@ConditionalOnAvailableEndpoint(exposure = EndpointExposure.JMX)
	DatasourcesEndpointJmxExtension datasourcesEndpointJmxExtension(SourcesView view, SourceOperations operations) {
		return new DatasourcesEndpointJmxExtension(view, operations);
	}

	@Configuration(proxyBeanMethods = false)
	@ConditionalOnClass({ HandlerMapping.class, Servlet.class })
	@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
	@ConditionalOnAvailableEndpoint(endpoint = DatasourcesEndpoint.class, exposure = EndpointExposure.WEB)
	static class WebMvcConfiguration {

		@Bean
		PathVariables datasourcesEndpointPathVariables() {
			return new PathVariables();
		}

	}

}
