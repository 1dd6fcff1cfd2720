package io.multidb.jpa;

import java.sql.SQLException;

import javax.sql.DataSource;

import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.engine.spi.SharedSessionContractImplementor;
import org.jspecify.annotations.Nullable;

import org.springframework.orm.jpa.EntityManagerFactoryInfo;
import org.springframework.orm.jpa.EntityManagerHolder;

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

	/**
	 * Creates the reader.
	 * @param registry where sources are found
	 */
	public BoundSessionReader(SourceRegistry registry) {
		this.registry = registry;
	}

	@Override
	public @Nullable BoundResource read(Object key, Object resource) {
		if (!(resource instanceof EntityManagerHolder holder)) {
			return null;
		}
		SharedSessionContractImplementor session;
		try {
			session = holder.getEntityManager().unwrap(SharedSessionContractImplementor.class);
		}
		catch (IllegalStateException ex) {
			// It holds a stateless session alone, on a connection that is bound, too.
			return null;
		}
		MultiTenantConnectionProvider<?> provider = session.getFactory()
			.getServiceRegistry()
			.getService(MultiTenantConnectionProvider.class);
		if (provider instanceof SourceConnectionProvider ours) {
			String source = ours.identifiers().sourceOf(session.getTenantIdentifierValue());
			return new BoundResource(SESSION, (source != null) ? this.registry.find(source) : null);
		}
		return isRouting(key) ? new BoundResource(SESSION, null) : null;
	}

	/** With a connection provider of the application's own, nothing tells the source. */
	private static boolean isRouting(Object key) {
		DataSource dataSource = (key instanceof EntityManagerFactoryInfo factory) ? factory.getDataSource() : null;
		try {
			return dataSource != null && dataSource.isWrapperFor(RoutingDataSource.class);
		}
		catch (SQLException ex) {
			return false;
		}
	}

}
