package io.multidb.transaction;

import java.sql.Connection;
import java.sql.SQLException;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.ConnectionHandle;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.SimpleConnectionHandle;
import org.springframework.jdbc.support.JdbcUtils;

import io.multidb.routing.RoutingDataSource;
import io.multidb.source.LeasedConnection;
import io.multidb.source.Source;

/**
 * Recognises the router's connection in a transaction, also where the application has
 * wrapped the router. Thread-safe.
 */
final class BoundConnectionReader implements BoundResourceReader {

	private final RoutingDataSource router;

	BoundConnectionReader(RoutingDataSource router) {
		this.router = router;
	}

	@Override
	public @Nullable BoundResource read(Object key, Object resource) {
		if (!(key instanceof DataSource dataSource) || !(resource instanceof ConnectionHolder holder)
				|| !leadsToRouter(dataSource)) {
			return null;
		}
		return new BoundResource("a transaction", source(holder.getConnectionHandle()));
	}

	private boolean leadsToRouter(DataSource dataSource) {
		DataSource target = dataSource;
		while (target instanceof DelegatingDataSource delegating && delegating.getTargetDataSource() != null) {
			target = delegating.getTargetDataSource();
		}
		if (target == this.router) {
			return true;
		}
		try {
			return target.isWrapperFor(RoutingDataSource.class)
					&& target.unwrap(RoutingDataSource.class) == this.router;
		}
		catch (SQLException | RuntimeException ex) {
			// A router of the application's own that cannot say where it leads now.
			return false;
		}
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
