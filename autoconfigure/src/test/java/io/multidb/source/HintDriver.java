package io.multidb.source;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Properties;

import org.jspecify.annotations.Nullable;

/**
 * SQLite under another name, for which {@code setReadOnly} is a hint:
 * {@code jdbc:hint:<file>} says so as H2 and SQL Server do, {@code jdbc:hint:mariadb:…}
 * does not, as MariaDB Connector/J 3.5.6.
 */
public final class HintDriver extends TestDriver {

	private static final String PREFIX = "jdbc:hint:";

	private static final String MARIADB = "mariadb:";

	public HintDriver() {
		super(PREFIX);
	}

	static SourceDefinition.Builder source(String name, String file) {
		return SourceDefinition.named(name).url(PREFIX + file).driverClassName(HintDriver.class.getName());
	}

	@Override
	public Connection connect(String url, Properties info) throws SQLException {
		String file = url.substring(PREFIX.length());
		boolean mariaDb = file.startsWith(MARIADB);
		return new Hinted(
				DriverManager.getConnection("jdbc:sqlite:" + (mariaDb ? file.substring(MARIADB.length()) : file)),
				mariaDb);
	}

	private static final class Hinted extends ForwardingConnection {

		private final Connection target;

		private final boolean mariaDb;

		private boolean readOnly;

		Hinted(Connection target, boolean mariaDb) {
			this.target = target;
			this.mariaDb = mariaDb;
		}

		@Override
		Connection target() {
			return this.target;
		}

		@Override
		public void setReadOnly(boolean readOnly) {
			this.readOnly = readOnly;
		}

		@Override
		public boolean isReadOnly() {
			return this.mariaDb && this.readOnly;
		}

		@Override
		public DatabaseMetaData getMetaData() throws SQLException {
			DatabaseMetaData target = this.target.getMetaData();
			return (DatabaseMetaData) Proxy.newProxyInstance(HintDriver.class.getClassLoader(),
					new Class<?>[] { DatabaseMetaData.class }, (proxy, method, arguments) -> {
						if (method.getName().equals("getDriverName")) {
							return this.mariaDb ? "MariaDB Connector/J" : "Hint";
						}
						return invoke(target, method, arguments);
					});
		}

		private static @Nullable Object invoke(DatabaseMetaData target, Method method, Object @Nullable [] arguments)
				throws Throwable {
			try {
				return method.invoke(target, arguments);
			}
			catch (InvocationTargetException ex) {
				throw ex.getTargetException();
			}
		}

	}

}
