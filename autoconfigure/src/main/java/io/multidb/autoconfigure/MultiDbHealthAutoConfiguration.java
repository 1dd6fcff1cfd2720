package io.multidb.autoconfigure;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

import javax.sql.DataSource;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.beans.factory.support.SimpleAutowireCandidateResolver;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.CompositeHealthContributor;
import org.springframework.boot.health.contributor.HealthContributor;
import org.springframework.boot.jdbc.autoconfigure.health.DataSourceHealthContributorAutoConfiguration;
import org.springframework.boot.jdbc.health.DataSourceHealthIndicator;
import org.springframework.context.annotation.Bean;
import org.springframework.jdbc.core.JdbcTemplate;

import io.multidb.actuate.CatalogHealthIndicator;
import io.multidb.actuate.SourcesHealthContributor;
import io.multidb.catalog.Catalog;
import io.multidb.discovery.ProvidedSources;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.SourceDataSource;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of the health of every source, in place of Spring Boot's {@code db},
 * which looks at a DataSource once and without a tenant.
 */
@AutoConfiguration(after = { MultiDbAutoConfiguration.class, MultiDbCatalogAutoConfiguration.class },
		before = DataSourceHealthContributorAutoConfiguration.class)
@ConditionalOnClass({ HealthContributor.class, JdbcTemplate.class, ConditionalOnEnabledHealthIndicator.class })
@ConditionalOnBean(SourceRegistry.class)
public final class MultiDbHealthAutoConfiguration {

	/** HikariCP's own default for how long a connection may take to answer. */
	private static final Duration TIMEOUT = Duration.ofSeconds(5);

	@Bean
	@ConditionalOnMissingBean(name = "datasourcesHealthContributor")
	@ConditionalOnEnabledHealthIndicator("datasources")
	SourcesHealthContributor datasourcesHealthContributor(SourceRegistry registry,
			ObjectProvider<Datasources> datasources, ObjectProvider<Catalog> catalog,
			ObjectProvider<ProvidedSources> provided) {
		Datasources configured = datasources.getIfAvailable();
		Duration cache = (configured != null) ? configured.tenancy().health().cache() : Duration.ZERO;
		Catalog found = catalog.getIfAvailable();
		if (found == null) {
			return new SourcesHealthContributor(registry, TIMEOUT, cache, Map.of());
		}
		CatalogHealthIndicator indicator = new CatalogHealthIndicator(found::status,
				() -> provided.stream().findFirst().map(ProvidedSources::problems).orElseGet(Map::of));
		return new SourcesHealthContributor(registry, TIMEOUT, cache, Map.of(CatalogHealthIndicator.NAME, indicator));
	}

	/**
	 * Spring Boot's {@code db} stays away when a bean has this name; what it would have
	 * said of other DataSources is said here. Empty, it does not appear.
	 */
	@Bean
	@ConditionalOnMissingBean(name = { "dbHealthIndicator", "dbHealthContributor" })
	@ConditionalOnEnabledHealthIndicator("db")
	CompositeHealthContributor dbHealthContributor(ConfigurableListableBeanFactory beanFactory) {
		Map<String, DataSource> unrelated = new LinkedHashMap<>(
				SimpleAutowireCandidateResolver.resolveAutowireCandidates(beanFactory, DataSource.class, false, true));
		unrelated.values()
			.removeIf((dataSource) -> RoutingDataSource.behind(dataSource) != null
					|| SourceDataSource.isBehind(dataSource));
		return CompositeHealthContributor.fromMap(unrelated, DataSourceHealthIndicator::new);
	}

}
