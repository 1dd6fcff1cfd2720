package io.multidb.jpa;

import java.util.Map;

import javax.sql.DataSource;

import org.hibernate.cfg.AvailableSettings;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.ObjectProvider;

import io.multidb.routing.Routes;

/**
 * The settings by which Hibernate keeps the sessions, caches and identifiers of sources
 * apart on a routing DataSource, and starts without a database. Settings that an
 * application has made itself stay.
 */
public final class RoutedHibernate {

	private final Routes routes;

	private final ObjectProvider<CurrentTenantIdentifierResolver<?>> resolvers;

	private final ObjectProvider<MultiTenantConnectionProvider<?>> providers;

	/**
	 * Creates the settings.
	 * @param routes the way from a target to a source
	 * @param resolvers an application's own resolver
	 * @param providers an application's own connection provider
	 */
	public RoutedHibernate(Routes routes, ObjectProvider<CurrentTenantIdentifierResolver<?>> resolvers,
			ObjectProvider<MultiTenantConnectionProvider<?>> providers) {
		this.routes = routes;
		this.resolvers = resolvers;
		this.providers = providers;
	}

	/**
	 * Adds what is missing to the settings of a session factory.
	 * @param settings the settings so far
	 * @param dataSource the routing DataSource, or one that wraps it
	 * @param product the product the factory speaks to, or {@code null} if not known
	 */
	public void configure(Map<String, Object> settings, DataSource dataSource, @Nullable String product) {
		if (!settings.containsKey(AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER)) {
			CurrentTenantIdentifierResolver<?> own = this.resolvers.getIfAvailable();
			settings.put(AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER,
					(own != null) ? own : new CurrentSourceResolver(this.routes));
		}
		if (!settings.containsKey(AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER)) {
			MultiTenantConnectionProvider<?> own = this.providers.getIfAvailable();
			settings.put(AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER, (own != null) ? own
					: new SourceConnectionProvider(dataSource, this.routes, resolver(settings), product));
		}
		settings.putIfAbsent(AvailableSettings.ALLOW_METADATA_ON_BOOT, false);
		settings.putIfAbsent("hibernate.query.mutation_strategy.persistent.create_tables", false);
		settings.putIfAbsent("hibernate.query.mutation_strategy.global_temporary.create_tables", false);
		if (product != null) {
			HibernateProduct.settings(product).forEach(settings::putIfAbsent);
		}
	}

	private static CurrentTenantIdentifierResolver<?> resolver(Map<String, Object> settings) {
		if (settings.get(
				AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER) instanceof CurrentTenantIdentifierResolver<?> its) {
			return its;
		}
		throw new IllegalStateException("The setting '" + AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER
				+ "' must be an object, or a bean, as long as MultiDB provides the connections: whether a connection is"
				+ " the session's is checked with it. Set '" + AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER
				+ "', too, or define the resolver as a bean.");
	}

}
