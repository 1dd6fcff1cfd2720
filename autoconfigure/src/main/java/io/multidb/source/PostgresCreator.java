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
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes PostgreSQL databases through a template's {@code maintenance} source. The first
 * of a template is filled under a temporary name, then published by {@code ALTER
 * DATABASE … RENAME}, which fails if the name exists. The others are copies, made by
 * {@code CREATE DATABASE … TEMPLATE}, of an image: a copy of the first, to which nobody
 * can connect.
 * <p>
 * While it fills a database it holds an advisory lock on the temporary name, so that
 * others can tell a dead owner from a slow one; leftovers of dead owners are dropped once
 * they are ten minutes old. An image needs no lock: its process makes another one when it
 * is six hours old, or was dropped, so that everybody may drop one that is twelve.
 */
final class PostgresCreator implements DatabaseCreator {

	private static final Logger logger = LoggerFactory.getLogger(PostgresCreator.class);

	private static final String PREFIX = "multidb_tmp_";

	private static final Pattern TEMPORARY = Pattern.compile(PREFIX + "(\\d+)_[0-9a-f]+");

	private static final Duration LEFTOVER_AGE = Duration.ofMinutes(10);

	private static final String IMAGE_PREFIX = "multidb_image_";

	private static final Pattern IMAGE = Pattern.compile(IMAGE_PREFIX + "(\\d+)_[0-9a-f]+");

	private static final Duration IMAGE_AGE = Duration.ofHours(6);

	private static final Duration LEFTOVER_IMAGE_AGE = IMAGE_AGE.multipliedBy(2);

	/** The application waits so long for its images to be dropped when it ends. */
	private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

	/**
	 * What CREATE DATABASE … TEMPLATE does not copy: grants, limits, settings, comments.
	 */
	private static final String HAS_MORE_THAN_ITS_CONTENT = """
			SELECT EXISTS (SELECT 1 FROM pg_database d WHERE datname = ? AND (datacl IS NOT NULL OR datconnlimit <> -1
			OR EXISTS (SELECT 1 FROM pg_db_role_setting WHERE setdatabase = d.oid)
			OR shobj_description(d.oid, 'pg_database') IS NOT NULL))""";

	private static final String DUPLICATE_DATABASE = "42P04";

	/**
	 * It was dropped, or belongs to somebody else now, or somebody is connected to it.
	 */
	private static final Set<String> LOST_IMAGE = Set.of("3D000", "42501", "55006");

	/** What the loser of two renames gets that overlap. */
	private static final String UNIQUE_VIOLATION = "23505";

	/** Takes a connection of the source with this name. */
	@FunctionalInterface
	interface MaintenanceConnections {

		Connection get(String source) throws SQLException;

	}

	/**
	 * A copy of the first database of a template.
	 *
	 * @param madeAt in {@link System#nanoTime()}
	 */
	private record Image(PostgresCreator creator, String maintenance, String name, long madeAt,
			BooleanSupplier current) implements Images.Image {

		@Override
		public boolean isCurrent() {
			return System.nanoTime() - this.madeAt < IMAGE_AGE.toNanos() && this.current.getAsBoolean();
		}

		@Override
		public void delete() {
			this.creator.drop(this);
		}

	}

	private final Images<Image> images = new Images<>(Images.PATIENCE);

	private final MaintenanceConnections connections;

	/** In {@link System#nanoTime()}. */
	private final Map<String, Long> swept = new ConcurrentHashMap<>();

	PostgresCreator(MaintenanceConnections connections) {
		this.connections = connections;
	}

	@Override
	public boolean exists(SourceDefinition definition) throws SQLException {
		try (Connection maintenance = this.connections.get(maintenanceOf(definition))) {
			return exists(maintenance, definition);
		}
	}

	private static boolean exists(Connection maintenance, SourceDefinition definition) throws SQLException {
		return ask(maintenance, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = ?)",
				definition.url().databaseName());
	}

	@Override
	public Outcome create(SourceDefinition definition, Filling filling) throws Exception {
		try (Connection maintenance = maintenance(definition)) {
			if (exists(maintenance, definition)) {
				return Outcome.EXISTED;
			}
			sweep(maintenance, maintenanceOf(definition));
		}
		SourceDefinition kind = temporary(definition, String.valueOf(definition.template()), "any");
		return this.images.create(kind, new Images.Making<>() {

			@Override
			public boolean copy(Image image) throws Exception {
				return PostgresCreator.this.copy(image, definition);
			}

			@Override
			public boolean fill(@Nullable Consumer<Image> keep) throws Exception {
				return PostgresCreator.this.fill(definition, filling, keep);
			}

		});
	}

	private boolean copy(Image image, SourceDefinition definition) throws SQLException, Images.LostException {
		try (Connection maintenance = maintenance(definition)) {
			execute(maintenance, "CREATE DATABASE " + quote(definition.url().databaseName()) + " TEMPLATE "
					+ quote(image.name()) + owner(definition, maintenance));
			return true;
		}
		catch (SQLException ex) {
			if (isDuplicate(ex)) {
				return false;
			}
			if (LOST_IMAGE.contains(ex.getSQLState())) {
				throw new Images.LostException(ex);
			}
			throw ex;
		}
	}

	private boolean fill(SourceDefinition definition, Filling filling, @Nullable Consumer<Image> keep)
			throws Exception {
		try (Connection maintenance = maintenance(definition)) {
			String temporary = nameOf(PREFIX, Instant.now());
			ask(maintenance, "SELECT pg_advisory_lock(hashtextextended(?, 0))", temporary);
			try {
				return fillAndPublish(definition, maintenance, temporary, filling, keep);
			}
			finally {
				unlock(maintenance, temporary);
			}
		}
	}

	private static String nameOf(String prefix, Instant time) {
		return prefix + time.getEpochSecond() + "_" + UUID.randomUUID().toString().replace("-", "").substring(0, 16);
	}

	/** CREATE DATABASE runs in no transaction, whatever the pool's default is. */
	private Connection maintenance(SourceDefinition definition) throws SQLException {
		Connection maintenance = this.connections.get(maintenanceOf(definition));
		maintenance.setAutoCommit(true);
		return maintenance;
	}

	private boolean fillAndPublish(SourceDefinition definition, Connection maintenance, String temporary,
			Filling filling, @Nullable Consumer<Image> keep) throws Exception {
		boolean published = false;
		try {
			execute(maintenance, "CREATE DATABASE " + quote(temporary) + owner(definition, maintenance));
			BooleanSupplier current = filling.fill(toBeFilled(definition, maintenance, temporary));
			if (keep != null && current != null) {
				keepImage(definition, maintenance, temporary, current, keep);
			}
			published = rename(maintenance, temporary, definition.url().databaseName());
			return published;
		}
		finally {
			if (!published) {
				drop(maintenance, temporary);
			}
		}
	}

	/**
	 * Without an image, the next database is filled like this one. Some servers and roles
	 * may make databases and not copy them.
	 */
	private void keepImage(SourceDefinition definition, Connection maintenance, String temporary,
			BooleanSupplier current, Consumer<Image> keep) {
		try {
			if (ask(maintenance, HAS_MORE_THAN_ITS_CONTENT, temporary)) {
				logger.info("{}: its database has grants, limits, settings or a comment of its own, so the next one is"
						+ " no copy of it", definition.name());
				return;
			}
			long madeAt = System.nanoTime();
			String image = nameOf(IMAGE_PREFIX, Instant.now());
			execute(maintenance, "CREATE DATABASE " + quote(image) + " TEMPLATE " + quote(temporary)
					+ " ALLOW_CONNECTIONS false" + owner(definition, maintenance));
			keep.accept(new Image(this, maintenanceOf(definition), image, madeAt, current));
		}
		catch (SQLException ex) {
			logger.warn("{}: no image could be made, so the next database is filled itself: {}", definition.name(),
					ex.toString());
		}
	}

	private void drop(Image image) {
		try (Connection maintenance = this.connections.get(image.maintenance())) {
			maintenance.setAutoCommit(true);
			drop(maintenance, image.name());
		}
		catch (SQLException | RuntimeException ex) {
			logger.warn("Database {} could not be dropped; it is dropped later: {}", image.name(), ex.toString());
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
			ask(maintenance, "SELECT pg_advisory_unlock(hashtextextended(?, 0))", name);
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

	/**
	 * Reached as the maintenance source is: a proxy in front of the tenants' databases
	 * would keep connections to it, and so keep it from being copied, renamed or dropped.
	 */
	private static SourceDefinition toBeFilled(SourceDefinition definition, Connection maintenance, String temporary)
			throws SQLException {
		String url = maintenance.getMetaData().getURL();
		return temporary(definition, definition.name(),
				(url != null) ? definition.url().withServerOf(new JdbcUrl(url)).withDatabaseName(temporary)
						: definition.url().withDatabaseName(temporary));
	}

	private static SourceDefinition temporary(SourceDefinition definition, String name, String database) {
		return temporary(definition, name, definition.url().withDatabaseName(database));
	}

	private static SourceDefinition temporary(SourceDefinition definition, String name, JdbcUrl url) {
		return SourceDefinition.named(name)
			.url(url.text())
			.username(definition.username())
			.password(definition.password())
			.driverClassName(definition.driverClassName())
			.server(definition.server())
			.hikari(definition.hikari())
			.liquibase(definition.liquibase())
			.copied(definition.copied())
			.temporary()
			.build();
	}

	private static boolean rename(Connection maintenance, String temporary, String database) throws SQLException {
		try {
			execute(maintenance, "ALTER DATABASE " + quote(temporary) + " RENAME TO " + quote(database));
			return true;
		}
		catch (SQLException ex) {
			if (isDuplicate(ex)) {
				return false;
			}
			throw ex;
		}
	}

	private static boolean isDuplicate(SQLException failure) {
		return DUPLICATE_DATABASE.equals(failure.getSQLState()) || UNIQUE_VIOLATION.equals(failure.getSQLState());
	}

	private void sweep(Connection maintenance, String maintenanceSource) {
		long time = System.nanoTime();
		Long last = this.swept.put(maintenanceSource, time);
		if (last != null && time - last < LEFTOVER_AGE.toNanos()) {
			this.swept.put(maintenanceSource, last);
			return;
		}
		try {
			for (String leftover : leftovers(maintenance, Instant.now())) {
				dropIfOwnerIsDead(maintenance, leftover);
			}
		}
		catch (SQLException ex) {
			logger.warn("{}: could not look for leftover databases: {}", maintenanceSource, ex.toString());
		}
	}

	private static List<String> leftovers(Connection maintenance, Instant now) throws SQLException {
		List<String> names = query(maintenance, "SELECT datname FROM pg_database WHERE starts_with(datname, ?)",
				"multidb_", (rows) -> {
					List<String> found = new ArrayList<>();
					while (rows.next()) {
						found.add(rows.getString(1));
					}
					return found;
				});
		return names.stream()
			.filter((name) -> isOlder(name, TEMPORARY, now.minus(LEFTOVER_AGE))
					|| isOlder(name, IMAGE, now.minus(LEFTOVER_IMAGE_AGE)))
			.toList();
	}

	private static boolean isOlder(String name, Pattern pattern, Instant time) {
		Matcher matcher = pattern.matcher(name);
		return matcher.matches() && Instant.ofEpochSecond(Long.parseLong(matcher.group(1))).isBefore(time);
	}

	private static void dropIfOwnerIsDead(Connection maintenance, String leftover) throws SQLException {
		if (!ask(maintenance, "SELECT pg_try_advisory_lock(hashtextextended(?, 0))", leftover)) {
			return;
		}
		try {
			// Not WITH (FORCE): a database with a connection is somebody's.
			execute(maintenance, "DROP DATABASE IF EXISTS " + quote(leftover));
			logger.info("Dropped database {}, left behind by a process that died", leftover);
		}
		finally {
			unlock(maintenance, leftover);
		}
	}

	/** Others must not wait for a server that does not answer. */
	@Override
	public void close() {
		if (this.images.isEmpty()) {
			this.images.close();
			return;
		}
		Thread closer = new Thread(this.images::close, "multidb-images");
		closer.setDaemon(true);
		closer.start();
		try {
			closer.join(CLOSE_TIMEOUT.toMillis());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	private static boolean ask(Connection maintenance, String sql, String name) throws SQLException {
		return query(maintenance, sql, name,
				(rows) -> rows.next() && rows.getObject(1) instanceof Boolean answer && answer);
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
