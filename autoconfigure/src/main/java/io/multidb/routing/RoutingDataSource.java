package io.multidb.routing;

import java.sql.Connection;
import java.sql.ConnectionBuilder;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLTransientConnectionException;
import java.sql.ShardingKeyBuilder;
import java.util.Map;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.ConnectionProxy;
import org.springframework.jdbc.datasource.lookup.AbstractRoutingDataSource;

import io.multidb.MultiDbException;
import io.multidb.Operation;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.UnknownSourceException;
import io.multidb.access.Permit;
import io.multidb.source.Deadline;

/**
 * The one {@link DataSource} in front of all sources: each connection belongs to the
 * source of the calling thread's target. Thread-safe.
 * <p>
 * What {@link AbstractRoutingDataSource} offers beyond that and this class cannot honour
 * is refused: connections with other credentials, builders, a default target, leniency.
 */
public final class RoutingDataSource extends AbstractRoutingDataSource {

	/** SQLSTATE 08001: the client could not establish the connection. */
	private static final String CANNOT_CONNECT = "08001";

	/** SQLSTATE 08003: there is no such connection. */
	private static final String NO_CONNECTION = "08003";

	private final Routes routes;

	/** {@code null} where there are no rules. */
	private final @Nullable TargetAccess access;

	/** {@code null} where nobody counts. */
	private volatile @Nullable RouteCounts counts;

	/**
	 * Creates the DataSource.
	 * @param routes the way from a target to a source
	 */
	public RoutingDataSource(Routes routes) {
		this(routes, null);
	}

	/**
	 * Creates the DataSource.
	 * @param routes the way from a target to a source
	 * @param access asked before a connection is taken, or {@code null} if everybody may
	 * use every source
	 */
	public RoutingDataSource(Routes routes, @Nullable TargetAccess access) {
		this.routes = routes;
		this.access = access;
		super.setLenientFallback(false);
		super.setTargetDataSources(Map.of());
	}

	/**
	 * Takes a connection of the current target's source.
	 * @return a connection that refuses work under another source's target
	 * @throws SQLTransientConnectionException if the source is unavailable
	 * @throws SQLNonTransientConnectionException if there is no target, it leads to no
	 * source, or the user may not use that; the cause says which
	 */
	@Override
	public Connection getConnection() throws SQLException {
		RouteCounts counting = this.counts;
		return (counting == null) ? connection() : counted(counting);
	}

	private Connection counted(RouteCounts counting) throws SQLException {
		Connection connection;
		try {
			connection = connection();
		}
		catch (SQLException | RuntimeException ex) {
			counting.failed(ex);
			throw ex;
		}
		counting.routed();
		return connection;
	}

	private Connection connection() throws SQLException {
		Target target = Target.current();
		try {
			while (true) {
				Routes.Resolution resolution = (this.access == null) ? this.routes.resolution(target)
						: this.access.resolution(target);
				try {
					Deadline deadline = Deadline.of(resolution.target());
					if (this.access != null) {
						return permitted(this.access, resolution, deadline);
					}
					return (deadline == null) ? new GuardedConnection(resolution)
							: new TimedConnection(resolution, false, deadline);
				}
				catch (UnknownSourceException ex) {
					if (!resolution.source().isGone()) {
						throw ex;
					}
					// It went between the look-up and the lease; another may be there by
					// now, or else the next look-up says that there is none.
				}
			}
		}
		catch (MultiDbException ex) {
			throw asSqlException(ex);
		}
	}

	private static Connection permitted(TargetAccess access, Routes.Resolution resolution, @Nullable Deadline deadline)
			throws SQLException {
		Permit permit = access.permit(resolution.target(), resolution.source());
		return permit.isReadOnly() ? new ReadingConnection(resolution, access, permit, deadline)
				: new PermittedConnection(resolution, access, Operation.WRITE, deadline);
	}

	/**
	 * Has counted what becomes of asking for connections, from now on.
	 * @param counts counts it
	 */
	public void count(RouteCounts counts) {
		this.counts = counts;
	}

	/**
	 * The router that a DataSource leads to.
	 * @param dataSource the router itself, or a DataSource that wraps it and says so
	 * @return the router, or {@code null} if it leads to none, as far as it tells
	 */
	public static @Nullable RoutingDataSource behind(DataSource dataSource) {
		try {
			return dataSource.isWrapperFor(RoutingDataSource.class) ? dataSource.unwrap(RoutingDataSource.class) : null;
		}
		catch (SQLException | RuntimeException ex) {
			// A router of the application's own that cannot say where it leads now.
			return null;
		}
	}

	/**
	 * Whether it goes these ways, and not those of another application in the same
	 * process.
	 * @param others the way from a target to a source
	 * @return whether they are its own
	 */
	public boolean isOf(Routes others) {
		return this.routes == others;
	}

	/**
	 * The rules that are asked before a connection is taken.
	 * @return the rules, or {@code null} if there are none
	 */
	public @Nullable TargetAccess access() {
		return this.access;
	}

	/**
	 * The form in which JDBC methods throw a failure of this library.
	 * @param failure the failure
	 * @return an exception with the failure as its cause; transient if trying again may
	 * help
	 */
	public static SQLException asSqlException(MultiDbException failure) {
		return (failure instanceof SourceUnavailableException)
				? new SQLTransientConnectionException(failure.getMessage(), CANNOT_CONNECT, failure)
				: new SQLNonTransientConnectionException(failure.getMessage(), NO_CONNECTION, failure);
	}

	/**
	 * Whether a connection came from a router, also through others that hide the router
	 * itself. One that is yet to be opened by a proxy is not asked, as that would open
	 * it.
	 * @param connection the connection
	 * @return whether it did, as far as it tells
	 */
	public static boolean isRouted(Connection connection) {
		return guarded(connection) != null;
	}

	/**
	 * Whether a connection came from a router that goes certain ways, and not from that
	 * of another application in the same process.
	 * @param connection the connection
	 * @param routes the way from a target to a source
	 * @return whether it did, as far as it tells
	 */
	public static boolean isRouted(Connection connection, Routes routes) {
		GuardedConnection guarded = guarded(connection);
		return guarded != null && guarded.isOf(routes);
	}

	private static @Nullable GuardedConnection guarded(Connection connection) {
		try {
			if (connection instanceof GuardedConnection guarded) {
				return guarded;
			}
			return (!(connection instanceof ConnectionProxy) && connection.isWrapperFor(GuardedConnection.class))
					? connection.unwrap(GuardedConnection.class) : null;
		}
		catch (SQLException | RuntimeException | LinkageError ex) {
			// Of an application's own, and perhaps of a driver older than the method.
			return null;
		}
	}

	@Override
	public Connection getConnection(String username, String password) throws SQLException {
		throw unsupported("getConnection(username, password): a source connects with its own credentials");
	}

	@Override
	public ConnectionBuilder createConnectionBuilder() throws SQLException {
		throw unsupported("createConnectionBuilder()");
	}

	@Override
	public ShardingKeyBuilder createShardingKeyBuilder() throws SQLException {
		throw unsupported("createShardingKeyBuilder()");
	}

	private static SQLException unsupported(String what) {
		return new SQLFeatureNotSupportedException("A RoutingDataSource does not support " + what);
	}

	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		throw new SQLException("A RoutingDataSource is no wrapper of one " + type.getName()
				+ "; ask the SourceRegistry for a source, or a connection of it");
	}

	@Override
	public boolean isWrapperFor(Class<?> type) {
		return type.isInstance(this);
	}

	@Override
	public void setDefaultTargetDataSource(Object defaultTargetDataSource) {
		throw new UnsupportedOperationException("A default exists only as a route: {tenants: \"*\", source: …}");
	}

	@Override
	public void setLenientFallback(boolean lenientFallback) {
		throw new UnsupportedOperationException("A tenant without a route is refused, always");
	}

	@Override
	public void setTargetDataSources(Map<Object, Object> targetDataSources) {
		throw new UnsupportedOperationException("Sources are added to the SourceRegistry");
	}

	/**
	 * Everything goes through {@link #getConnection()}, which alone guards what it gives.
	 */
	@Override
	protected DataSource determineTargetDataSource() {
		return this;
	}

	@Override
	protected Object determineCurrentLookupKey() {
		return this.routes.resolve(Target.current()).name();
	}

}
