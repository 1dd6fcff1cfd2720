package io.multidb.jpa;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;

import javax.sql.DataSource;

import org.springframework.core.InfrastructureProxy;
import org.springframework.jdbc.datasource.DelegatingDataSource;

import io.multidb.routing.RoutingDataSource;

/**
 * The DataSource of a session factory that is not set up for a router: refuses what comes
 * from one all the same. To Spring's transactions it is what it wraps. As thread-safe as
 * that.
 */
final class RevealingDataSource extends DelegatingDataSource implements InfrastructureProxy {

	RevealingDataSource(DataSource dataSource) {
		super(dataSource);
	}

	@Override
	public Connection getConnection() throws SQLException {
		return checked(super.getConnection());
	}

	@Override
	public Connection getConnection(String username, String password) throws SQLException {
		return checked(super.getConnection(username, password));
	}

	/** A transaction manager finds this one in Hibernate, and JDBC has the other. */
	@Override
	public Object getWrappedObject() {
		return obtainTargetDataSource();
	}

	private Connection checked(Connection connection) throws SQLException {
		if (!RoutingDataSource.isRouted(connection)) {
			return connection;
		}
		connection.close();
		throw new SQLNonTransientConnectionException("Hibernate works on " + obtainTargetDataSource()
				+ ", which leads to a RoutingDataSource and does not say so: sessions and caches would be of all"
				+ " sources at once. Let its isWrapperFor and unwrap ask the DataSource it wraps, as Spring's"
				+ " DelegatingDataSource does, or give Hibernate the router itself.");
	}

}
