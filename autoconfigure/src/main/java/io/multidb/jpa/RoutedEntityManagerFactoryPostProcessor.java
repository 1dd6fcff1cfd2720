package io.multidb.jpa;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.function.Supplier;

import javax.sql.DataSource;

import org.hibernate.cfg.AvailableSettings;

import org.springframework.beans.PropertyAccessor;
import org.springframework.beans.PropertyAccessorFactory;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.orm.jpa.AbstractEntityManagerFactoryBean;
import org.springframework.orm.jpa.JpaVendorAdapter;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.orm.jpa.hibernate.LocalSessionFactoryBean;

import io.multidb.routing.RoutingDataSource;

/**
 * Applies {@link RoutedHibernate} to every EntityManagerFactory or SessionFactory that an
 * application, or Spring Boot, builds on the routing DataSource, and to no other.
 */
public final class RoutedEntityManagerFactoryPostProcessor implements BeanPostProcessor {

	private final Supplier<RoutedHibernate> hibernate;

	/**
	 * Creates the post-processor.
	 * @param hibernate the settings, asked for when the first such factory is built
	 */
	public RoutedEntityManagerFactoryPostProcessor(Supplier<RoutedHibernate> hibernate) {
		this.hibernate = hibernate;
	}

	@Override
	public Object postProcessBeforeInitialization(Object bean, String beanName) {
		if (bean instanceof AbstractEntityManagerFactoryBean factory) {
			DataSource dataSource = factory.getDataSource();
			if (dataSource != null && isRouting(dataSource)) {
				configure(factory, dataSource);
			}
		}
		else if (bean instanceof LocalSessionFactoryBean factory) {
			configure(factory);
		}
		return bean;
	}

	private void configure(AbstractEntityManagerFactoryBean factory, DataSource dataSource) {
		if (factory instanceof LocalContainerEntityManagerFactoryBean container) {
			this.hibernate.get().configure(container, dataSource);
		}
		else {
			this.hibernate.get().configure(factory.getJpaPropertyMap(), dataSource);
		}
		JpaVendorAdapter vendor = factory.getJpaVendorAdapter();
		if (vendor != null) {
			RoutedHibernate.refuseSchemaTools(vendor.getJpaPropertyMap());
		}
	}

	/** A persistence unit may bring a DataSource that its factory was not given. */
	@Override
	public Object postProcessAfterInitialization(Object bean, String beanName) {
		if (bean instanceof LocalContainerEntityManagerFactoryBean factory) {
			DataSource dataSource = factory.getDataSource();
			if (dataSource != null && isRouting(dataSource) && !RoutedHibernate.isConfigured(factory)) {
				throw new FailureAnalyzedException("The persistence unit of the EntityManagerFactory '" + beanName
						+ "' brings the RoutingDataSource itself, and so Hibernate was not set up for it: its sessions"
						+ " and caches would be of all sources at once.",
						"Give the DataSource to the LocalContainerEntityManagerFactoryBean, too: setDataSource(…).");
			}
		}
		return bean;
	}

	/** It has setters for all of this, and no getters. */
	private void configure(LocalSessionFactoryBean factory) {
		PropertyAccessor fields = PropertyAccessorFactory.forDirectFieldAccess(factory);
		if (fields.getPropertyValue("dataSource") instanceof DataSource dataSource && isRouting(dataSource)) {
			Map<String, Object> settings = new LinkedHashMap<>();
			factory.getHibernateProperties().forEach((name, value) -> settings.put(name.toString(), value));
			Object provider = fields.getPropertyValue("multiTenantConnectionProvider");
			if (provider != null) {
				settings.put(AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER, provider);
			}
			Object resolver = fields.getPropertyValue("currentTenantIdentifierResolver");
			if (resolver != null) {
				settings.put(AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER, resolver);
			}
			this.hibernate.get().configure(settings, dataSource);
			Properties properties = new Properties();
			properties.putAll(settings);
			factory.setHibernateProperties(properties);
		}
	}

	static boolean isRouting(DataSource dataSource) {
		return RoutingDataSource.behind(dataSource) != null;
	}

}
