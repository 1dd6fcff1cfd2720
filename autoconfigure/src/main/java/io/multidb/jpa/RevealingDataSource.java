package io.multidb.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.lang.reflect.UndeclaredThrowableException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.Statement;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.core.InfrastructureProxy;
import org.springframework.jdbc.datasource.ConnectionProxy;
import org.springframework.jdbc.datasource.DelegatingDataSource;

import io.multidb.routing.RoutingDataSource;

/**
 * The DataSource of a session factory that is not set up for a router: refuses what comes
 * from one all the same. A connection that Spring fetches when it is first used tells
 * nothing before, and is asked when its first statement is made, which fetches it anyway.
 * To Spring's transactions it is what it wraps. As thread-safe as that.
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
		if (connection instanceof ConnectionProxy lazy) {
			return (Connection) Proxy.newProxyInstance(RevealingDataSource.class.getClassLoader(),
					new Class<?>[] { ConnectionProxy.class }, new RevealedLater(lazy));
		}
		if (RoutingDataSource.isRouted(connection)) {
			connection.close();
			throw refused();
		}
		return connection;
	}

	private SQLException refused() {
		return new SQLNonTransientConnectionException("Hibernate works on " + obtainTargetDataSource()
				+ ", which leads to a RoutingDataSource and does not say so: sessions and caches would be of all"
				+ " sources at once. Let its isWrapperFor and unwrap ask the DataSource it wraps, as Spring's"
				+ " DelegatingDataSource does, or give Hibernate the router itself.");
	}

	/** A connection that can tell where it is from when it is fetched. */
	private final class RevealedLater implements InvocationHandler {

		private final ConnectionProxy lazy;

		private boolean asked;

		RevealedLater(ConnectionProxy lazy) {
			this.lazy = lazy;
		}

		@Override
		@SuppressWarnings("ReferenceEquality") // it is what equals means for a connection
		public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] args) throws Throwable {
			boolean unwrapped = method.getName().equals("unwrap");
			if (args != null && method.getName().equals("equals")) {
				return proxy == args[0];
			}
			if (unwrapped && args != null && args[0] instanceof Class<?> type && type.isInstance(proxy)) {
				return proxy;
			}
			if (!this.asked && (unwrapped || Statement.class.isAssignableFrom(method.getReturnType()))) {
				if (RoutingDataSource.isRouted(target())) {
					throw refused();
				}
				this.asked = true;
			}
			try {
				return method.invoke(this.lazy, args);
			}
			catch (InvocationTargetException ex) {
				throw ex.getTargetException();
			}
		}

		/** What it throws is not declared. */
		private Connection target() throws Throwable {
			try {
				return this.lazy.getTargetConnection();
			}
			catch (UndeclaredThrowableException ex) {
				throw ex.getUndeclaredThrowable();
			}
		}

	}

}
