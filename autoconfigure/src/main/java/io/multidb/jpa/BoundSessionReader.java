package io.multidb.jpa;

import java.util.Map;
import java.util.stream.Stream;

import javax.sql.DataSource;

import jakarta.persistence.EntityManager;
import org.hibernate.cfg.JdbcSettings;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.engine.spi.SharedSessionContractImplementor;
import org.jspecify.annotations.Nullable;

import org.springframework.orm.jpa.EntityManagerFactoryInfo;
import org.springframework.orm.jpa.EntityManagerFactoryUtils;
import org.springframework.orm.jpa.EntityManagerHolder;

import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.transaction.BoundResource;
import io.multidb.transaction.BoundResourceReader;

/**
 * Tells of a Hibernate session that is bound to the thread which source it was opened
 * for. Thread-safe.
 */
public final class BoundSessionReader implements BoundResourceReader {

	private static final String SESSION = "an open Hibernate session";

	private final SourceRegistry registry;

	private final Routes routes;

	/**
	 * Creates the reader.
	 * @param registry where sources are found
	 * @param routes tell the sessions of this application's router from those of others
	 */
	public BoundSessionReader(SourceRegistry registry, Routes routes) {
		this.registry = registry;
		this.routes = routes;
	}

	@Override
	public @Nullable BoundResource read(Object key, Object resource) {
		EntityManager entityManager = entityManager(key, resource);
		if (entityManager == null) {
			return null;
		}
		SharedSessionContractImplementor session;
		try {
			session = entityManager.unwrap(SharedSessionContractImplementor.class);
		}
		catch (RuntimeException ex) {
			// Another provider's, or closed.
			return isRouting(key) ? new BoundResource(SESSION, null) : null;
		}
		MultiTenantConnectionProvider<?> provider = session.getFactory()
			.getServiceRegistry()
			.getService(MultiTenantConnectionProvider.class);
		if (provider instanceof SourceConnectionProvider ours) {
			return ours.isOf(this.routes) ? read(session, ours.identifiers()) : null;
		}
		return (isRouting(key) || isRouting(session)) ? new BoundResource(SESSION, null) : null;
	}

	private BoundResource read(SharedSessionContractImplementor session, SourceIdentifiers identifiers) {
		String source = identifiers.areOfSources() ? identifiers.sourceOf(session.getTenantIdentifierValue()) : null;
		return new BoundResource(SESSION, (source != null) ? this.registry.find(source) : null);
	}

	private static @Nullable EntityManager entityManager(Object key, Object resource) {
		if (key instanceof EntityManager managedByTheApplication) {
			return managedByTheApplication;
		}
		if (resource instanceof EntityManagerHolder holder) {
			try {
				return holder.getEntityManager();
			}
			catch (IllegalStateException ex) {
				// It holds a stateless session alone, on a connection that is bound, too.
				return null;
			}
		}
		return (resource instanceof EntityManager bound) ? bound : null;
	}

	/** With a connection provider of the application's own, nothing tells the source. */
	private boolean isRouting(Object key) {
		return key instanceof EntityManagerFactoryInfo factory && leadsToRouter(factory.getDataSource());
	}

	/** Of a session factory that was built by hand. */
	private boolean isRouting(SharedSessionContractImplementor session) {
		Map<String, Object> settings = session.getFactory().getProperties();
		return Stream
			.of(JdbcSettings.JAKARTA_NON_JTA_DATASOURCE, JdbcSettings.JAKARTA_JTA_DATASOURCE,
					"hibernate.connection.datasource")
			.anyMatch((name) -> leadsToRouter(settings.get(name)));
	}

	private boolean leadsToRouter(@Nullable Object object) {
		RoutingDataSource router = (object instanceof DataSource dataSource) ? RoutingDataSource.behind(dataSource)
				: null;
		return router != null && router.isOf(this.routes);
	}

	@Override
	public void discard(Object resource) {
		if (resource instanceof EntityManagerHolder holder) {
			EntityManager entityManager = holder.getEntityManager();
			if (entityManager.isOpen() && entityManager.getTransaction().isActive()) {
				entityManager.getTransaction().rollback();
			}
			EntityManagerFactoryUtils.closeEntityManager(entityManager);
		}
	}

}
