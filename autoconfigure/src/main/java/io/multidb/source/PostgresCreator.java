package io.multidb.source;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes PostgreSQL databases through a template's {@code maintenance} source: under a
 * temporary name, then published by {@code ALTER DATABASE … RENAME}, which fails if the
 * name exists.
 * <p>
 * While it works it holds an advisory lock on the temporary name, so that others can tell
 * a dead owner from a slow one; leftovers of dead owners are dropped once they are ten
 * minutes old.
 */
final class PostgresCreator implements DatabaseCreator {

	private static final Logger logger = LoggerFactory.getLogger(PostgresCreator.class);

	private static final String PREFIX = "multidb_tmp_";

	private static final Pattern TEMPORARY = Pattern.compile(PREFIX + "(\\d+)_[0-9a-f]+");

	private static final Duration LEFTOVER_AGE = Duration.ofMinutes(10);

	private static final String DUPLICATE_DATABASE = "42P04";

	/** What the loser of two renames gets that overlap. */
	private static final String UNIQUE_VIOLATION = "23505";

	/** Takes a connection of the source with this name. */
	@FunctionalInterface
	interface MaintenanceConnections {

		Connection get(String source) throws SQLException;

	}

	private final MaintenanceConnections connections;

	private final Map<String, Instant> swept = new ConcurrentHashMap<>();

	PostgresCreator(MaintenanceConnections connections) {
		this.connections = connections;
	}

	@Override
	public boolean exists(SourceDefinition definition) throws SQLException {
		try (Connection maintenance = this.connections.get(maintenanceOf(definition))) {
			return exists(maintenance, definition.url().databaseName());
		}
	}

	private static boolean exists(Connection maintenance, String database) throws SQLException {
		return query(maintenance, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = ?)", database,
				(rows) -> rows.next() && rows.getBoolean(1));
	}

	@Override
	public boolean create(SourceDefinition definition, Filling filling) throws Exception {
		String database = definition.url().databaseName();
		try (Connection maintenance = this.connections.get(maintenanceOf(definition))) {
			// CREATE DATABASE runs in no transaction, whatever the pool's default is.
			maintenance.setAutoCommit(true);
			if (exists(maintenance, database)) {
				return false;
			}
			sweep(maintenance, maintenanceOf(definition));
			String temporary = PREFIX + Instant.now().getEpochSecond() + "_"
					+ UUID.randomUUID().toString().replace("-", "").substring(0, 16);
			lock(maintenance, "SELECT pg_advisory_lock(hashtextextended(?, 0))", temporary);
			try {
				return fillAndPublish(definition, maintenance, temporary, filling);
			}
			finally {
				unlock(maintenance, temporary);
			}
		}
	}

	private static boolean fillAndPublish(SourceDefinition definition, Connection maintenance, String temporary,
			Filling filling) throws Exception {
		boolean published = false;
		try {
			execute(maintenance, "CREATE DATABASE " + quote(temporary) + owner(definition, maintenance));
			filling.fill(temporary(definition, temporary));
			published = rename(maintenance, temporary, definition.url().databaseName());
			return published;
		}
		finally {
			if (!published) {
				drop(maintenance, temporary);
			}
		}
	}

	/** What ended the creation is what the caller must hear of. */
	private static void drop(Connection maintenance, String temporary) {
		try {
			execute(maintenance, "DROP DATABASE IF EXISTS " + quote(temporary));
		}
		catch (SQLException ex) {
			logger.warn("Database {} could not be dropped; it is dropped later: {}", temporary, ex.toString());
		}
	}

	/** A lock that cannot be given back ends with its session. */
	private static void unlock(Connection maintenance, String name) throws SQLException {
		try {
			lock(maintenance, "SELECT pg_advisory_unlock(hashtextextended(?, 0))", name);
		}
		catch (SQLException ex) {
			maintenance.abort(Runnable::run);
		}
	}

	private static String maintenanceOf(SourceDefinition definition) {
		String maintenance = definition.maintenance();
		if (maintenance == null) {
			throw new IllegalStateException(definition.property("maintenance")
					+ " is missing: it names the source on which CREATE DATABASE runs");
		}
		return maintenance;
	}

	/** Since PostgreSQL 15 only the owner may create tables in the public schema. */
	private static String owner(SourceDefinition definition, Connection maintenance) throws SQLException {
		String user = (definition.url().user() != null) ? definition.url().user() : definition.username();
		return (user == null || user.equals(maintenance.getMetaData().getUserName())) ? "" : " OWNER " + quote(user);
	}

	private static SourceDefinition temporary(SourceDefinition definition, String database) {
		return SourceDefinition.named(definition.name())
			.url(definition.url().withDatabaseName(database).text())
			.username(definition.username())
			.password(definition.password())
			.driverClassName(definition.driverClassName())
			.server(definition.server())
			.hikari(definition.hikari())
			.liquibase(definition.liquibase())
			.temporary()
			.build();
	}

	private static boolean rename(Connection maintenance, String temporary, String database) throws SQLException {
		try {
			execute(maintenance, "ALTER DATABASE " + quote(temporary) + " RENAME TO " + quote(database));
			return true;
		}
		catch (SQLException ex) {
			if (DUPLICATE_DATABASE.equals(ex.getSQLState()) || UNIQUE_VIOLATION.equals(ex.getSQLState())) {
				return false;
			}
			throw ex;
		}
	}

	private void sweep(Connection maintenance, String maintenanceSource) {
		Instant now = Instant.now();
		Instant last = this.swept.put(maintenanceSource, now);
		if (last != null && last.plus(LEFTOVER_AGE).isAfter(now)) {
			this.swept.put(maintenanceSource, last);
			return;
		}
		try {
			for (String leftover : leftovers(maintenance, now)) {
				dropIfOwnerIsDead(maintenance, leftover);
			}
		}
		catch (SQLException ex) {
			logger.warn("{}: could not look for leftover databases: {}", maintenanceSource, ex.toString());
		}
	}

	private static List<String> leftovers(Connection maintenance, Instant now) throws SQLException {
		List<String> leftovers = query(maintenance, "SELECT datname FROM pg_database WHERE starts_with(datname, ?)",
				PREFIX, (rows) -> {
					List<String> names = new ArrayList<>();
					while (rows.next()) {
						names.add(rows.getString(1));
					}
					return names;
				});
		return leftovers.stream().filter((name) -> {
			Matcher matcher = TEMPORARY.matcher(name);
			return matcher.matches()
					&& Instant.ofEpochSecond(Long.parseLong(matcher.group(1))).plus(LEFTOVER_AGE).isBefore(now);
		}).toList();
	}

	private static void dropIfOwnerIsDead(Connection maintenance, String leftover) throws SQLException {
		if (!lock(maintenance, "SELECT pg_try_advisory_lock(hashtextextended(?, 0))", leftover)) {
			return;
		}
		try {
			// Not WITH (FORCE): a database with a connection is somebody's.
			execute(maintenance, "DROP DATABASE IF EXISTS " + quote(leftover));
			logger.info("Dropped database {}, left behind by a process that died while creating it", leftover);
		}
		finally {
			unlock(maintenance, leftover);
		}
	}

	private static boolean lock(Connection maintenance, String sql, String name) throws SQLException {
		return query(maintenance, sql, name,
				(rows) -> rows.next() && rows.getObject(1) instanceof Boolean locked && locked);
	}

	@FunctionalInterface
	private interface RowReader<T> {

		T read(ResultSet rows) throws SQLException;

	}

	private static <T> T query(Connection connection, String sql, String parameter, RowReader<T> reader)
			throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			statement.setString(1, parameter);
			try (ResultSet rows = statement.executeQuery()) {
				return reader.read(rows);
			}
		}
	}

	private static void execute(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

	private static String quote(String identifier) {
		return '"' + identifier.replace("\"", "\"\"") + '"';
	}

}
