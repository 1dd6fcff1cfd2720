package io.multidb.autoconfigure;

import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import jakarta.persistence.EntityManagerFactory;
import org.hibernate.SessionFactory;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.jspecify.annotations.Nullable;

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
import io.multidb.source.SourceDefinition;
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
	RoutedHibernate routedHibernate(Routes routes, ObjectProvider<CurrentTenantIdentifierResolver<?>> resolvers,
			ObjectProvider<MultiTenantConnectionProvider<?>> providers) {
		return new RoutedHibernate(routes, resolvers, providers);
	}

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	static RoutedEntityManagerFactoryPostProcessor routedEntityManagerFactoryPostProcessor(
			ObjectProvider<RoutedHibernate> hibernate, ObjectProvider<Datasources> datasources) {
		return new RoutedEntityManagerFactoryPostProcessor(hibernate::getObject,
				() -> onlyProduct(datasources.getObject()));
	}

	@Bean
	BoundSessionReader boundSessionReader(SourceRegistry registry, Routes routes, RoutingDataSource router) {
		return new BoundSessionReader(registry, routes, router);
	}

	/** What a session factory can know beforehand; several need one factory each. */
	private static @Nullable String onlyProduct(Datasources datasources) {
		Set<String> products = Stream
			.concat(datasources.sources().stream(), datasources.templates().stream().map(SourceTemplate::definition))
			.filter((source) -> !source.internal())
			.map(SourceDefinition::url)
			.map(HibernateProduct::nameOf)
			.filter(Objects::nonNull)
			.collect(Collectors.toSet());
		return (products.size() == 1) ? products.iterator().next() : null;
	}

}
