package io.multidb.jpa;

import java.sql.SQLException;
import java.util.function.Supplier;

import javax.sql.DataSource;

import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.orm.jpa.JpaVendorAdapter;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

import io.multidb.routing.RoutingDataSource;

/**
 * Applies {@link RoutedHibernate} to every EntityManagerFactory that an application, or
 * Spring Boot, builds on the routing DataSource, and to no other.
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
		if (bean instanceof LocalContainerEntityManagerFactoryBean factory) {
			DataSource dataSource = factory.getDataSource();
			if (dataSource != null && isRouting(dataSource)) {
				this.hibernate.get().configure(factory, dataSource);
				JpaVendorAdapter vendor = factory.getJpaVendorAdapter();
				if (vendor != null) {
					RoutedHibernate.refuseSchemaTools(vendor.getJpaPropertyMap());
				}
			}
		}
		return bean;
	}

	private static boolean isRouting(DataSource dataSource) {
		try {
			return dataSource.isWrapperFor(RoutingDataSource.class);
		}
		catch (SQLException | RuntimeException ex) {
			return false;
		}
	}

}
