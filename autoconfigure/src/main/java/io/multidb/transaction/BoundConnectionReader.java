package io.multidb.transaction;

import java.sql.Connection;
import java.sql.SQLException;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.ConnectionHandle;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.jdbc.datasource.SimpleConnectionHandle;
import org.springframework.jdbc.support.JdbcUtils;

import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.LeasedConnection;
import io.multidb.source.Source;

/**
 * Recognises the router's connection in a transaction, also where the application has
 * wrapped the router. Thread-safe.
 */
final class BoundConnectionReader implements BoundResourceReader {

	private final Routes routes;

	BoundConnectionReader(Routes routes) {
		this.routes = routes;
	}

	@Override
	public @Nullable BoundResource read(Object key, Object resource) {
		if (!(key instanceof DataSource dataSource) || !(resource instanceof ConnectionHolder holder)
				|| !(leadsToRouter(dataSource) || isRouted(holder.getConnectionHandle()))) {
			return null;
		}
		return new BoundResource("a transaction", source(holder.getConnectionHandle()));
	}

	private boolean leadsToRouter(DataSource dataSource) {
		RoutingDataSource router = RoutingDataSource.behind(dataSource);
		return router != null && router.isOf(this.routes);
	}

	/**
	 * Also where the DataSource hides the router; a handle of Hibernate's may open one.
	 */
	private boolean isRouted(@Nullable ConnectionHandle handle) {
		return handle instanceof SimpleConnectionHandle
				&& RoutingDataSource.isRouted(handle.getConnection(), this.routes);
	}

	/** A session that has no connection yet takes one, of the target it was begun for. */
	private static @Nullable Source source(@Nullable ConnectionHandle handle) {
		if (handle == null) {
			return null;
		}
		try {
			Connection connection = handle.getConnection();
			return connection.unwrap(LeasedConnection.class).source();
		}
		catch (SQLException | RuntimeException ex) {
			return null;
		}
	}

	/** The pool rolls back what was not committed. */
	@Override
	public void discard(Object resource) {
		ConnectionHandle handle = (resource instanceof ConnectionHolder holder) ? holder.getConnectionHandle() : null;
		if (handle instanceof SimpleConnectionHandle) {
			JdbcUtils.closeConnection(handle.getConnection());
		}
	}

}
