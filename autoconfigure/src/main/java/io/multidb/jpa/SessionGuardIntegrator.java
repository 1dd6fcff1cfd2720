package io.multidb.jpa;

import javax.sql.DataSource;

import org.hibernate.boot.Metadata;
import org.hibernate.boot.spi.BootstrapContext;
import org.hibernate.cfg.TransactionSettings;
import org.hibernate.engine.jdbc.connections.internal.DataSourceConnectionProvider;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.integrator.spi.Integrator;

import org.springframework.boot.diagnostics.FailureAnalyzedException;

/**
 * Registers a {@link SessionGuard} with every session factory that has its connections
 * from a {@link SourceConnectionProvider}, and has others checked that do not seem to
 * have any to do with a router. Hibernate finds it as a service.
 */
public final class SessionGuardIntegrator implements Integrator {

	@Override
	public void integrate(Metadata metadata, BootstrapContext context, SessionFactoryImplementor factory) {
		MultiTenantConnectionProvider<?> provider = factory.getServiceRegistry()
			.getService(MultiTenantConnectionProvider.class);
		if (provider instanceof SourceConnectionProvider ours) {
			refuseLateSessions(factory);
			ours.guard().register(factory.getEventListenerRegistry());
		}
		else if (provider == null && factory.getServiceRegistry()
			.getService(ConnectionProvider.class) instanceof DataSourceConnectionProvider connections) {
			DataSource dataSource = connections.getDataSource();
			if (!RoutedEntityManagerFactoryPostProcessor.isRouting(dataSource)) {
				connections.setDataSource(new RevealingDataSource(dataSource));
			}
		}
	}

	/** Hibernate opens one of its own for an entity that it does not belong to. */
	private static void refuseLateSessions(SessionFactoryImplementor factory) {
		if (factory.getSessionFactoryOptions().isInitializeLazyStateOutsideTransactionsEnabled()) {
			throw new FailureAnalyzedException(
					"Hibernate was to load what is lazy after an entity's session is closed (setting '"
							+ TransactionSettings.ENABLE_LAZY_LOAD_NO_TRANS
							+ "'), and would load it from the source that"
							+ " is current then, which may be another one than the entity's.",
					"Remove the setting, and load what is needed while the session is open: with a fetch join, an"
							+ " @EntityGraph or a @Transactional method around it, or with 'spring.jpa.open-in-view'.");
		}
	}

}
