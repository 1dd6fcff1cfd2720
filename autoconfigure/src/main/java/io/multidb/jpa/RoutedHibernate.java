package io.multidb.jpa;

import java.util.List;
import java.util.Map;

import javax.sql.DataSource;

import jakarta.persistence.spi.PersistenceProvider;
import org.hibernate.cfg.AvailableSettings;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.jpa.HibernatePersistenceProvider;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.diagnostics.FailureAnalyzedException;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TargetAccess;

/**
 * The settings by which Hibernate keeps the sessions, caches and identifiers of sources
 * apart on a routing DataSource, and starts without a database. Settings that an
 * application has made itself stay.
 */
public final class RoutedHibernate {

	private final Routes routes;

	private final List<HibernateProduct> products;

	private final Map<HibernateProduct, Map<String, String>> properties;

	private final ObjectProvider<CurrentTenantIdentifierResolver<?>> resolvers;

	private final ObjectProvider<MultiTenantConnectionProvider<?>> providers;

	/** Shared, as an instance may be handed from one session factory to another. */
	private final LoadedEntities loaded = new LoadedEntities();

	/**
	 * Creates the settings.
	 * @param routes the way from a target to a source
	 * @param products the products of the sources; none if not known
	 * @param properties an application's settings for one product each
	 * @param resolvers an application's own resolver
	 * @param providers an application's own connection provider
	 */
	public RoutedHibernate(Routes routes, List<HibernateProduct> products,
			Map<HibernateProduct, Map<String, String>> properties,
			ObjectProvider<CurrentTenantIdentifierResolver<?>> resolvers,
			ObjectProvider<MultiTenantConnectionProvider<?>> providers) {
		this.routes = routes;
		this.products = List.copyOf(products);
		this.properties = Map.copyOf(properties);
		this.resolvers = resolvers;
		this.providers = providers;
	}

	/**
	 * Prepares a factory of one session factory, or of one per product if there are
	 * several.
	 * @param factory the factory, not yet initialized
	 * @param dataSource the routing DataSource, or one that wraps it
	 */
	void configure(LocalContainerEntityManagerFactoryBean factory, DataSource dataSource) {
		if (this.products.size() <= 1) {
			configure(factory.getJpaPropertyMap(), dataSource, this.products.isEmpty() ? null : this.products.get(0));
			return;
		}
		PersistenceProvider provider = factory.getPersistenceProvider();
		if (provider == null && factory.getJpaVendorAdapter() != null) {
			provider = factory.getJpaVendorAdapter().getPersistenceProvider();
		}
		TargetAccess access = access(dataSource);
		factory.setPersistenceProvider(
				new ProductPersistenceProvider((provider != null) ? provider : new HibernatePersistenceProvider(),
						this.products, (settings, product) -> configure(settings, dataSource, product),
						(access != null) ? access::resolve : this.routes::resolve));
	}

	/** Whether a factory was prepared, or has a connection provider of its own. */
	static boolean isConfigured(LocalContainerEntityManagerFactoryBean factory) {
		return factory.getPersistenceProvider() instanceof ProductPersistenceProvider
				|| factory.getJpaPropertyMap().containsKey(AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER);
	}

	/**
	 * Adds what is missing to the settings of a factory that can build one session
	 * factory only.
	 * @param settings the settings so far
	 * @param dataSource the routing DataSource, or one that wraps it
	 */
	void configure(Map<String, Object> settings, DataSource dataSource) {
		if (this.products.size() > 1) {
			throw new FailureAnalyzedException(
					"A LocalSessionFactoryBean or LocalEntityManagerFactoryBean builds a SessionFactory that speaks to one"
							+ " product, and the sources are of " + this.products + ".",
					"Use a LocalContainerEntityManagerFactoryBean, such as Spring Boot's, which has a session factory per"
							+ " product.");
		}
		configure(settings, dataSource, this.products.isEmpty() ? null : this.products.get(0));
	}

	/**
	 * Adds what is missing to the settings of a session factory.
	 * @param settings the settings so far
	 * @param dataSource the routing DataSource, or one that wraps it
	 * @param product the product the factory speaks to, or {@code null} if not known
	 */
	public void configure(Map<String, Object> settings, DataSource dataSource, @Nullable HibernateProduct product) {
		if (product != null) {
			settings.putAll(this.properties.getOrDefault(product, Map.of()));
		}
		if (!settings.containsKey(AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER)) {
			MultiTenantConnectionProvider<?> own = this.providers.getIfAvailable();
			settings.put(AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER,
					(own != null) ? own : provider(settings, dataSource, product));
		}
		settings.computeIfAbsent(AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER, (name) -> this.resolvers
			.getIfAvailable(() -> new CurrentSourceResolver(this.routes, access(dataSource))));
		settings.putIfAbsent(AvailableSettings.ALLOW_METADATA_ON_BOOT, false);
		settings.putIfAbsent("hibernate.query.mutation_strategy.persistent.create_tables", false);
		settings.putIfAbsent("hibernate.query.mutation_strategy.global_temporary.create_tables", false);
		if (product != null) {
			product.settings().forEach(settings::putIfAbsent);
		}
		refuseSchemaTools(settings);
	}

	/**
	 * Refuses Hibernate's schema tools: they would work on one database, or fail, and
	 * never on those that come later.
	 * @param settings settings of a session factory
	 * @throws FailureAnalyzedException if the start would make, change or check a schema
	 */
	static void refuseSchemaTools(Map<String, ?> settings) {
		refuseSchemaTools(settings, AvailableSettings.HBM2DDL_AUTO);
		refuseSchemaTools(settings, AvailableSettings.JAKARTA_HBM2DDL_DATABASE_ACTION);
	}

	private static void refuseSchemaTools(Map<String, ?> settings, String name) {
		Object value = settings.get(name);
		if (value != null && !value.toString().isEmpty() && !value.toString().equals("none")) {
			throw new FailureAnalyzedException("Hibernate was to " + value
					+ " the schema at the start, and knows of one database only, not of all sources (setting '" + name
					+ "', in Spring Boot 'spring.jpa.hibernate.ddl-auto' or 'spring.jpa.generate-ddl'; create-drop is"
					+ " Spring Boot's own choice where work without a tenant goes to an embedded database).",
					"Set 'spring.jpa.hibernate.ddl-auto' to none, and let Liquibase make the schema of every source:"
							+ " 'app.tenancy.liquibase.change-log'. In a test, or to validate, call"
							+ " SessionFactory.getSchemaManager() inside TenantContext.run, once per source.");
		}
	}

	private SourceConnectionProvider provider(Map<String, Object> settings, DataSource dataSource,
			@Nullable HibernateProduct product) {
		TargetAccess access = access(dataSource);
		SourceIdentifiers identifiers = identifiers(settings, access);
		settings.put(AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER, identifiers);
		return new SourceConnectionProvider(dataSource, this.routes, identifiers, product,
				new SessionGuard(this.routes, identifiers, this.loaded, access), access);
	}

	/** The rules that the router asks. */
	private static @Nullable TargetAccess access(DataSource dataSource) {
		RoutingDataSource router = RoutingDataSource.behind(dataSource);
		return (router != null) ? router.access() : null;
	}

	private SourceIdentifiers identifiers(Map<String, Object> settings, @Nullable TargetAccess access) {
		Object own = settings.get(AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER);
		if (own == null) {
			own = this.resolvers.getIfAvailable();
		}
		if (own == null) {
			return new CurrentSourceResolver(this.routes, access);
		}
		if (own instanceof CurrentTenantIdentifierResolver<?> resolver) {
			return new ApplicationsResolver(resolver, this.routes, access);
		}
		throw new IllegalStateException("The setting '" + AvailableSettings.MULTI_TENANT_IDENTIFIER_RESOLVER
				+ "' names a class, and MultiDB needs the object, to check that it tells sources apart. Define the"
				+ " resolver as a bean, or set '" + AvailableSettings.MULTI_TENANT_CONNECTION_PROVIDER + "', too.");
	}

}
