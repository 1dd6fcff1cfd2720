package io.multidb.catalog;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Properties;

import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

import io.multidb.source.PoolSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

/**
 * Hears of changes from PostgreSQL, on a connection of its own: LISTEN belongs to a
 * session, which a pool would lend to others. Used by one thread; {@link #close()} may be
 * called by any, and ends a wait.
 */
final class Notifications implements AutoCloseable {

	/** In seconds. */
	private static final String CONNECT_TIMEOUT = "10";

	private static final int ANSWER_SECONDS = 5;

	private final Connection connection;

	private Notifications(Connection connection) {
		this.connection = connection;
	}

	/**
	 * Connects and listens; what changes afterwards is told.
	 * @throws SQLException if that cannot be, as behind a proxy that gives sessions to
	 * others
	 */
	static Notifications open(SourceRegistry registry, SourceDefinition definition, String channel)
			throws SQLException {
		// As the pool connects, such as with certificates
		Properties properties = new Properties();
		properties.putAll(PoolSettings.bind(definition.hikari()).getDataSourceProperties());
		put(properties, "user", definition.username());
		put(properties, "password", definition.password());
		properties.setProperty("connectTimeout", CONNECT_TIMEOUT);
		properties.setProperty("tcpKeepAlive", "true");
		properties.setProperty("ApplicationName", "multidb-catalog");
		Connection connection = DriverManager.getConnection(definition.url().text(), properties);
		boolean listening = false;
		try {
			registry.requireOwnSession(definition, connection, "listens for changes",
					"Let it connect directly to hear of them at once");
			try (Statement statement = connection.createStatement()) {
				statement.execute("LISTEN " + channel);
			}
			listening = true;
			return new Notifications(connection);
		}
		finally {
			if (!listening) {
				connection.close();
			}
		}
	}

	private static void put(Properties properties, String key, @Nullable String value) {
		if (value != null) {
			properties.setProperty(key, value);
		}
	}

	/**
	 * Waits until something is told.
	 * @return whether something was; {@code false} after the time
	 * @throws SQLException if the connection is gone
	 */
	boolean await(Duration timeout) throws SQLException {
		PGNotification[] told = this.connection.unwrap(PGConnection.class)
			.getNotifications((int) Math.max(1, timeout.toMillis()));
		if (told != null && told.length > 0) {
			return true;
		}
		if (!this.connection.isValid(ANSWER_SECONDS)) {
			throw new SQLException("The connection that listens for changes does not answer", "08006");
		}
		return false;
	}

	@Override
	public void close() {
		try {
			this.connection.abort(Runnable::run);
		}
		catch (SQLException ex) {
			// It is gone all the same.
		}
	}

}
