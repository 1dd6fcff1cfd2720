package io.multidb.source;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;

import org.jspecify.annotations.Nullable;

/**
 * Metadata that asks its {@link LeasedConnection} before it asks the database. Metadata
 * is not read in a hurry, so a proxy does.
 */
final class LeasedMetaData implements InvocationHandler {

	private final LeasedConnection connection;

	private final DatabaseMetaData delegate;

	private LeasedMetaData(LeasedConnection connection, DatabaseMetaData delegate) {
		this.connection = connection;
		this.delegate = delegate;
	}

	static DatabaseMetaData of(LeasedConnection connection, DatabaseMetaData delegate) {
		return (DatabaseMetaData) Proxy.newProxyInstance(LeasedMetaData.class.getClassLoader(),
				new Class<?>[] { DatabaseMetaData.class }, new LeasedMetaData(connection, delegate));
	}

	@Override
	public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] arguments) throws Throwable {
		if (method.getDeclaringClass() == DatabaseMetaData.class) {
			this.connection.check();
		}
		if (method.getName().equals("unwrap")) {
			this.connection.expose();
		}
		if (method.getName().equals("getConnection")) {
			return this.connection;
		}
		try {
			Object result = method.invoke(this.delegate, arguments);
			return (result instanceof ResultSet rows && method.getReturnType() == ResultSet.class)
					? new LeasedResultSet(this.connection, null, rows) : result;
		}
		catch (InvocationTargetException ex) {
			throw ex.getTargetException();
		}
	}

}
