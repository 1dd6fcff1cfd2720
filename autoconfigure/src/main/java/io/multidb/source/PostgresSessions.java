package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.util.ClassUtils;

/**
 * Finds out whether connections of one source have sessions of PostgreSQL's to
 * themselves. Behind a proxy that gives a session to others after each transaction, what
 * is set for a session reaches others and not who set it, and a statement that the driver
 * has prepared there may be another one of the same name. Such a proxy cannot be told
 * from one that leaves each its session, so any proxy is taken for it. Thread-safe.
 */
final class PostgresSessions {

	private static final Logger logger = LoggerFactory.getLogger(SourceRegistry.class);

	private static final String PREPARE_THRESHOLD = "prepareThreshold";

	private static final Pattern SEARCH_PATH = Pattern.compile("search_path=(\\S+)");

	/** A setting is reset to that of the role, whatever was set for the session. */
	private static final String REFUSES_WRITES = "SELECT pg_is_in_recovery() OR reset_val = 'on' FROM pg_settings"
			+ " WHERE name = 'default_transaction_read_only'";

	private static final boolean DRIVER = ClassUtils.isPresent("org.postgresql.PGConnection",
			PostgresSessions.class.getClassLoader());

	private final SourceDefinition definition;

	/** Whether it was said how often a statement is run before it is prepared. */
	private final boolean ownThreshold;

	/** As the driver is to ask for it; {@code null} if it is not. */
	private final @Nullable String schema;

	/** Whether there may be a proxy, which leaves each connection its session. */
	private final boolean pooled;

	/** {@code null} until a connection could be asked. */
	private volatile @Nullable Boolean shared;

	PostgresSessions(SourceDefinition definition, Properties properties, boolean pooled) {
		this.definition = definition;
		this.pooled = pooled;
		this.schema = schema(definition, properties);
		this.ownThreshold = properties.containsKey(PREPARE_THRESHOLD)
				|| definition.url().parameter(PREPARE_THRESHOLD) != null;
	}

	/**
	 * Makes a connection safe to use.
	 * @param connection was just made, and nothing was set on it
	 * @return the connection, or one that refuses what would be set for others
	 * @throws SQLException if its source asks for what such a connection cannot do
	 */
	Connection settle(Connection connection) throws SQLException {
		if (!DRIVER || !connection.isWrapperFor(PGConnection.class)) {
			return connection;
		}
		if (this.pooled) {
			checkSchema(connection);
			return connection;
		}
		Boolean known = this.shared;
		boolean news = known == null;
		if (known == null) {
			known = Driver.isShared(connection);
			this.shared = known;
		}
		if (!known) {
			return connection;
		}
		if (!this.ownThreshold) {
			Driver.prepareNothing(connection);
		}
		checkSchema(connection);
		boolean reading = this.definition.readOnly();
		if (reading && !refusesWrites(connection)) {
			throw refused("refuses writes by a setting of the session",
					"Take out " + this.definition.property("read-only")
							+ " and connect as a role that may only read, or as one"
							+ " with default_transaction_read_only");
		}
		if (news) {
			logger.info("{}: goes through a proxy such as PgBouncer: no statements are prepared on the server{},"
					+ " and nothing is set for a session ('app.tenancy.servers.<name>.session-pooling' is false)",
					this.definition.name(), this.ownThreshold ? " beyond its own " + PREPARE_THRESHOLD : "");
		}
		return new SharedSessionConnection(connection, this.definition, reading);
	}

	/** Whether a connection goes through a proxy. */
	static boolean isShared(Connection connection) throws SQLException {
		return Driver.isShared(connection);
	}

	/**
	 * Whether a server's or a role's transactions are read-only, whoever has the session.
	 */
	static boolean refusesWrites(Connection connection) throws SQLException {
		return Driver.ask(connection, REFUSES_WRITES).startsWith("t");
	}

	/** A proxy may be told to ignore what it does not know. */
	private void checkSchema(Connection connection) throws SQLException {
		String schema = this.schema;
		if (schema != null && !Driver.ask(connection, "SELECT current_setting('search_path')").equals(schema)) {
			throw new Refusal("Source '" + this.definition.name() + "' has the schema '" + schema
					+ "', which a proxy in front of the server does not pass on. Connect directly, or as a role of its own"
					+ " whose search_path it is (ALTER ROLE … SET search_path), and take it out of the source's settings.");
		}
	}

	private static @Nullable String schema(SourceDefinition definition, Properties properties) {
		String schema = parameter(definition, properties, "currentSchema");
		String options = parameter(definition, properties, "options");
		Matcher inOptions = SEARCH_PATH.matcher((options != null) ? options : "");
		return (schema == null && inOptions.find()) ? inOptions.group(1) : schema;
	}

	/** As the driver reads it. */
	static @Nullable String parameter(SourceDefinition definition, Properties properties, String name) {
		String value = definition.url().parameter(name);
		return (value != null) ? value : properties.getProperty(name);
	}

	private SQLException refused(String what, String advice) {
		return refused(this.definition, what, advice);
	}

	/** Says what is not done, and what to do. */
	static SQLException refused(SourceDefinition definition, String what, String advice) {
		return new Refusal("Source '" + definition.name() + "' " + what + ", and goes through a proxy such as"
				+ " PgBouncer, which may give the session to others after each transaction. " + advice
				+ "; or, if the proxy leaves each connection its session, set 'app.tenancy.servers"
				+ ((definition.server() != null) ? "." + definition.server() : "[" + definition.url().server() + "]")
				+ ".session-pooling' to true.");
	}

	/** The connection was made, and cannot be used; the message says what to do. */
	static final class Refusal extends SQLException {

		private static final long serialVersionUID = 1L;

		Refusal(String message) {
			super(message, "55000");
		}

	}

	/** Loaded where the driver is there. */
	private static final class Driver {

		/** A proxy makes up what the server says of itself, to pass on cancellations. */
		static boolean isShared(Connection connection) throws SQLException {
			String process = ask(connection, "SELECT pg_backend_pid()");
			return !process.equals(String.valueOf(connection.unwrap(PGConnection.class).getBackendPID()));
		}

		static void prepareNothing(Connection connection) throws SQLException {
			connection.unwrap(PGConnection.class).setPrepareThreshold(0);
		}

		static String ask(Connection connection, String sql) throws SQLException {
			try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(sql)) {
				row.next();
				return String.valueOf(row.getString(1));
			}
		}

	}

}
