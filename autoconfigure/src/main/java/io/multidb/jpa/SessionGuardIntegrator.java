package io.multidb.jpa;

import org.hibernate.boot.Metadata;
import org.hibernate.boot.spi.BootstrapContext;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.integrator.spi.Integrator;

/**
 * Registers a {@link SessionGuard} with every session factory that has its connections
 * from a {@link SourceConnectionProvider}. Hibernate finds it as a service.
 */
public final class SessionGuardIntegrator implements Integrator {

	@Override
	public void integrate(Metadata metadata, BootstrapContext context, SessionFactoryImplementor factory) {
		MultiTenantConnectionProvider<?> provider = factory.getServiceRegistry()
			.getService(MultiTenantConnectionProvider.class);
		if (provider instanceof SourceConnectionProvider ours) {
			ours.guard().register(factory.getEventListenerRegistry());
		}
	}

}
