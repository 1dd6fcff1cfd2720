package io.multidb.autoconfigure;

import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

import jakarta.persistence.EntityManagerFactory;
import org.hibernate.SessionFactory;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Role;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

import io.multidb.jpa.BoundSessionReader;
import io.multidb.jpa.HibernateProduct;
import io.multidb.jpa.RoutedEntityManagerFactoryPostProcessor;
import io.multidb.jpa.RoutedHibernate;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

/**
 * Auto-configuration of Hibernate on the routing DataSource.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class, before = HibernateJpaAutoConfiguration.class)
@ConditionalOnClass({ LocalContainerEntityManagerFactoryBean.class, EntityManagerFactory.class, SessionFactory.class,
		HibernateJpaAutoConfiguration.class })
@ConditionalOnBean(RoutingDataSource.class)
public final class MultiDbJpaAutoConfiguration {

	@Bean
	@ConditionalOnMissingBean
	RoutedHibernate multiDbRoutedHibernate(Routes routes, Datasources datasources,
			ObjectProvider<CurrentTenantIdentifierResolver<?>> resolvers,
			ObjectProvider<MultiTenantConnectionProvider<?>> providers) {
		return new RoutedHibernate(routes, products(datasources), datasources.tenancy().jpa().properties(), resolvers,
				providers);
	}

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	static RoutedEntityManagerFactoryPostProcessor multiDbRoutedEntityManagerFactoryPostProcessor(
			ObjectProvider<RoutedHibernate> hibernate) {
		return new RoutedEntityManagerFactoryPostProcessor(hibernate::getObject);
	}

	@Bean
	BoundSessionReader multiDbBoundSessionReader(SourceRegistry registry, Routes routes) {
		return new BoundSessionReader(registry, routes);
	}

	/** Those that were set, or else those of all that a tenant can reach. */
	private static List<HibernateProduct> products(Datasources datasources) {
		List<HibernateProduct> products = datasources.tenancy().jpa().products();
		Stream<HibernateProduct> declared = Stream
			.concat(datasources.sources().stream(), datasources.templates().stream().map(SourceTemplate::definition))
			.filter((source) -> !source.internal())
			.map((source) -> HibernateProduct.of(source.url()))
			.filter(Objects::nonNull);
		return (products.isEmpty() ? declared : products.stream()).distinct().toList();
	}

}
