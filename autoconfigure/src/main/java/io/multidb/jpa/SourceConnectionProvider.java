package io.multidb.jpa;

import java.io.Serial;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import javax.sql.DataSource;

import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.service.UnknownUnwrapTypeException;
import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Target;
import io.multidb.WrongSourceException;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.Source;

/**
 * Gives a Hibernate session connections of its own source, and refuses once the thread's
 * target is another. They come from the routing DataSource, so they are guarded.
 * Thread-safe.
 */
final class SourceConnectionProvider implements MultiTenantConnectionProvider<Object> {

	@Serial
	private static final long serialVersionUID = 1L;

	private final transient DataSource dataSource;

	private final transient Routes routes;

	private final transient CurrentTenantIdentifierResolver<?> resolver;

	private final @Nullable HibernateProduct product;

	/** Only for an application's own resolver: which source each identifier has meant. */
	private final transient Map<Object, String> sources = new ConcurrentHashMap<>();

	/**
	 * Creates the provider of one session factory.
	 * @param dataSource the routing DataSource, or one that wraps it
	 * @param routes the way from a target to a source
	 * @param resolver whence the session factory has its identifiers
	 * @param product the product it speaks to, or {@code null} where that is not known
	 */
	SourceConnectionProvider(DataSource dataSource, Routes routes, CurrentTenantIdentifierResolver<?> resolver,
			@Nullable HibernateProduct product) {
		this.dataSource = dataSource;
		this.routes = routes;
		this.resolver = resolver;
		this.product = product;
	}

	@Override
	public Connection getConnection(Object identifier) throws SQLException {
		try {
			check(identifier);
		}
		catch (MultiDbException ex) {
			throw RoutingDataSource.asSqlException(ex);
		}
		return this.dataSource.getConnection();
	}

	private void check(Object identifier) {
		Source source = this.routes.resolve(Target.current());
		if (!isOf(identifier, source)) {
			throw new WrongSourceException(identifier.toString(), Target.current());
		}
		HibernateProduct its = HibernateProduct.of(source.definition().url());
		if (this.product != null && its != null && this.product != its) {
			throw new WrongProductException(source.name(), its, List.of(this.product));
		}
	}

	private boolean isOf(Object identifier, Source source) {
		if (this.resolver instanceof CurrentSourceResolver) {
			return identifier.equals(source.name());
		}
		String known = this.sources.putIfAbsent(identifier, source.name());
		return (known == null || known.equals(source.name()))
				&& identifier.equals(this.resolver.resolveCurrentTenantIdentifier());
	}

	@Override
	public void releaseConnection(Object identifier, Connection connection) throws SQLException {
		connection.close();
	}

	/**
	 * For Hibernate's schema tools, which know no tenant: a connection of the current
	 * target's source, if there is a target.
	 */
	@Override
	public Connection getAnyConnection() throws SQLException {
		return this.dataSource.getConnection();
	}

	@Override
	public void releaseAnyConnection(Connection connection) throws SQLException {
		connection.close();
	}

	/** A session keeps the connection that its transaction runs on. */
	@Override
	public boolean supportsAggressiveRelease() {
		return false;
	}

	@Override
	public boolean isUnwrappableAs(Class<?> type) {
		return type.isInstance(this) || type.isInstance(this.dataSource);
	}

	@Override
	public <T> T unwrap(Class<T> type) {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		if (type.isInstance(this.dataSource)) {
			return type.cast(this.dataSource);
		}
		throw new UnknownUnwrapTypeException(type);
	}

}
