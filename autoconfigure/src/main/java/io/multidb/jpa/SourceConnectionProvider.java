package io.multidb.jpa;

import java.io.Serial;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

import javax.sql.DataSource;

import org.hibernate.engine.jdbc.connections.spi.MultiTenantConnectionProvider;
import org.hibernate.service.UnknownUnwrapTypeException;
import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Operation;
import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TargetAccess;
import io.multidb.source.LeasedConnection;
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

	private final transient SourceIdentifiers identifiers;

	private final @Nullable HibernateProduct product;

	private final transient SessionGuard guard;

	/** {@code null} where there are no rules. */
	private final transient @Nullable TargetAccess access;

	/**
	 * Creates the provider of one session factory.
	 * @param dataSource the routing DataSource, or one that wraps it
	 * @param routes the way from a target to a source
	 * @param identifiers whence the session factory has its identifiers
	 * @param product the product it speaks to, or {@code null} where that is not known
	 * @param guard what it registers with its session factory
	 * @param access the rules that made a session have no source, or {@code null}
	 */
	SourceConnectionProvider(DataSource dataSource, Routes routes, SourceIdentifiers identifiers,
			@Nullable HibernateProduct product, SessionGuard guard, @Nullable TargetAccess access) {
		this.access = access;
		this.dataSource = dataSource;
		this.routes = routes;
		this.identifiers = identifiers;
		this.product = product;
		this.guard = guard;
	}

	SessionGuard guard() {
		return this.guard;
	}

	/**
	 * Whether it serves these routes, and not another application's in the same process.
	 */
	boolean isOf(Routes others) {
		return this.routes == others;
	}

	SourceIdentifiers identifiers() {
		return this.identifiers;
	}

	@Override
	public Connection getConnection(Object identifier) throws SQLException {
		try {
			if (this.access != null) {
				this.access.check(Target.current(), Operation.READ);
			}
			check(identifier);
		}
		catch (MultiDbException ex) {
			throw RoutingDataSource.asSqlException(ex);
		}
		Connection connection = this.dataSource.getConnection();
		// One that would be fetched with its first statement, from whatever source is
		// current by then, is fetched by this question.
		boolean leased = connection.isWrapperFor(LeasedConnection.class);
		Boolean onFallback = this.identifiers.isOnFallback(identifier);
		if (leased && onFallback != null) {
			// What it caches is kept under its identifier.
			connection.unwrap(LeasedConnection.class).stayOn(onFallback);
		}
		return connection;
	}

	private void check(Object identifier) {
		Source source = this.routes.resolve(Target.current());
		if (!source.name().equals(this.identifiers.sourceOf(identifier)) || !this.identifiers.isCurrent(identifier)) {
			throw SessionGuard.wrongSession(this.identifiers.sourceOf(identifier), identifier);
		}
		HibernateProduct its = HibernateProduct.of(source.definition().url());
		if (this.product != null && its != null && this.product != its) {
			throw new WrongProductException(source.name(), its, List.of(this.product));
		}
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
