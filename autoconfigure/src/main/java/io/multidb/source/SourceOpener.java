package io.multidb.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The I/O of a source's life: connecting, creating, migrating, making the pool. Keeps no
 * state of any source; {@link Source} sees to it that one thread at a time is in here for
 * it. Thread-safe.
 */
final class SourceOpener implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(SourceOpener.class);

	/** The database of a template's source is not there. */
	static final class MissingDatabaseException extends Exception {

		private static final long serialVersionUID = 1L;

		MissingDatabaseException() {
			super("missing database", null, false, false);
		}

	}

	/** The database does not answer; the message says why and what to do. */
	static final class CannotConnectException extends Exception {

		private static final long serialVersionUID = 1L;

		/** {@code null} if it was reached, or nobody knows. */
		private final @Nullable Long unreachedAt;

		CannotConnectException(SourceDefinition definition, SQLException cause) {
			this(definition, cause, null);
		}

		CannotConnectException(SourceDefinition definition, SQLException cause, @Nullable Long unreachedAt) {
			super(ConnectFailure.explain(definition, cause), cause);
			this.unreachedAt = unreachedAt;
		}

		/**
		 * Without the driver having been asked.
		 * @param reason a sentence that says why, and what to do
		 */
		CannotConnectException(SourceDefinition definition, String reason) {
			super("Source '" + definition.name() + "' cannot be connected at " + definition.url().masked() + ": "
					+ reason, null, false, false);
			this.unreachedAt = null;
		}

		/**
		 * When its server was asked, if that could not be reached.
		 * @return in {@link System#nanoTime()}; {@code null} if something else is wrong
		 */
		@Nullable Long unreachedAt() {
			return this.unreachedAt;
		}

	}

	/** How long the end waits for those who prepare a database. */
	private static final Duration END = Duration.ofSeconds(5);

	private final Map<DatabaseProduct, DatabaseCreator> creators;

	private final SourceMigrator migrator;

	private final Supplier<ScheduledExecutorService> poolScheduler;

	private final ServerBudgets budgets;

	private final ReachedServers reached;

	/** By the source's name. */
	private final Predicate<String> replicas;

	/**
	 * What is connected but not yet in a pool, and its product: ended with the registry.
	 * Its monitor is told when one goes.
	 */
	private final Map<Connection, DatabaseProduct> underWay = new ConcurrentHashMap<>();

	private volatile boolean closed;

	private volatile Watch watch = Watch.NONE;

	/** By the source's name. */
	private volatile Function<String, @Nullable MetricsTrackerFactory> trackers = (name) -> null;

	SourceOpener(Map<DatabaseProduct, DatabaseCreator> creators, SourceMigrator migrator,
			Supplier<ScheduledExecutorService> poolScheduler, ServerBudgets budgets, ReachedServers reached,
			Predicate<String> replicas) {
		this.replicas = replicas;
		this.budgets = budgets;
		this.reached = reached;
		this.creators = creators;
		this.migrator = migrator;
		this.poolScheduler = poolScheduler;
	}

	void track(Function<String, @Nullable MetricsTrackerFactory> trackers) {
		this.trackers = trackers;
	}

	void watch(Watch watch) {
		this.watch = watch;
	}

	/**
	 * Makes the database of a template's source unless it is there.
	 * @return whether this call made it
	 */
	boolean create(SourceDefinition definition, Consumer<SourceEvent> events) throws Exception {
		DatabaseCreator creator = this.creators.get(definition.product());
		if (creator == null || definition.template() == null) {
			return false;
		}
		long start = System.nanoTime();
		DatabaseCreator.Outcome outcome = this.watch.over(Watch.Activity.CREATE, definition,
				() -> creator.create(definition, this::fill), (made) -> switch (made) {
					case EXISTED -> "existed";
					case COPIED -> "copied";
					case FILLED -> "created";
				});
		if (outcome == DatabaseCreator.Outcome.EXISTED) {
			return false;
		}
		events.accept(new SourceEvent.Created(definition.name(), definition.template(),
				outcome == DatabaseCreator.Outcome.COPIED, since(start)));
		return true;
	}

	private @Nullable BooleanSupplier fill(SourceDefinition temporary) throws Exception {
		Connection connection = migrated(temporary, connections(temporary, PoolSettings.read(temporary.hikari()), true),
				(event) -> {
				});
		try {
			return temporary.copied() ? this.migrator.copyable(temporary, connection) : null;
		}
		finally {
			close(connection);
		}
	}

	/** Deletes what databases are copied from, while there are still pools. */
	void deleteImages() {
		this.creators.values().forEach(DatabaseCreator::close);
	}

	/** Whether a database is there, as far as its product can be asked. */
	boolean exists(SourceDefinition definition) throws SQLException, IOException {
		DatabaseCreator creator = this.creators.get(definition.product());
		return creator == null || creator.exists(definition);
	}

	/**
	 * Connects, migrates and disconnects again.
	 */
	void prepare(SourceDefinition definition, boolean mayMakeFile, Consumer<SourceEvent> events) throws Exception {
		close(migrated(definition, connections(definition, PoolSettings.read(definition.hikari()), mayMakeFile),
				events));
	}

	/**
	 * Connects, migrates and makes the pool, with the connection as its first.
	 * @param mayMakeFile whether a file of SQLite's that is not there is made
	 * @param patience how long to wait for a permit of its server
	 */
	Pool open(SourceDefinition definition, boolean mayMakeFile, Duration patience, Consumer<SourceEvent> events)
			throws Exception {
		return this.watch.over(Watch.Activity.OPEN, definition, () -> pool(definition, mayMakeFile, patience, events),
				(pool) -> "opened");
	}

	private Pool pool(SourceDefinition definition, boolean mayMakeFile, Duration patience, Consumer<SourceEvent> events)
			throws Exception {
		HikariConfig config = PoolSettings.read(definition.hikari());
		SqliteFile file = isPlainFile(definition) ? SqliteFile.of(definition, null) : null;
		PhysicalDataSource physical = connections(definition, config, mayMakeFile);
		physical.waitAtMost(patience);
		Connection connection = migrated(definition, physical, events);
		boolean pooled = false;
		try {
			Pool pool;
			if (file != null) {
				pool = new SqliteConnections(definition, config, physical, connection, SqliteFile.of(definition, file),
						this.poolScheduler);
			}
			else {
				physical.offer(connection);
				HikariConfig own = PoolSettings.bind(definition.hikari());
				own.setMetricsTrackerFactory(this.trackers.apply(definition.name()));
				pool = new HikariConnections(definition, own, physical, this.poolScheduler.get());
			}
			left(connection);
			pooled = true;
			return pool;
		}
		finally {
			if (!pooled) {
				close(connection);
			}
		}
	}

	/**
	 * Reads from a database, of which nothing is made, migrated or changed.
	 * @return what was found; {@code null} if there is no database, and it could be made
	 */
	<T> @Nullable T look(SourceDefinition definition, ConnectionReader<T> reader) throws Exception {
		if (isMissingFile(definition) && (definition.template() != null || isWritable(definition))) {
			return null;
		}
		PhysicalDataSource physical = physical(definition, PoolSettings.read(definition.hikari()), false);
		physical.onlyLook(definition);
		Connection connection;
		try {
			connection = connect(definition, physical);
		}
		catch (MissingDatabaseException ex) {
			return null;
		}
		try {
			refuseWrites(definition, connection);
			return reader.read(definition, connection);
		}
		finally {
			rollBack(connection);
			close(connection);
		}
	}

	private static void refuseWrites(SourceDefinition definition, Connection connection)
			throws SQLException, CannotConnectException {
		if (definition.product() != DatabaseProduct.SQLITE) {
			if (!connection.isReadOnly()) {
				connection.setReadOnly(true);
			}
			return;
		}
		if (!definition.readOnly()) {
			SqliteQueryOnly.set(connection, true);
		}
		// SQLite reads nothing of a file when it opens it.
		try (Statement statement = connection.createStatement()) {
			statement.execute("PRAGMA schema_version");
		}
		catch (SQLException ex) {
			throw new CannotConnectException(definition, ex);
		}
	}

	/** Whether its file could be made. */
	private static boolean isWritable(SourceDefinition definition) {
		Path directory = definition.url().sqliteFile().toAbsolutePath().normalize().getParent();
		return !definition.readOnly() && directory != null && Files.isDirectory(directory)
				&& Files.isWritable(directory);
	}

	private static boolean isPlainFile(SourceDefinition definition) {
		return definition.product() == DatabaseProduct.SQLITE && definition.url().isPlainSqliteFile();
	}

	private PhysicalDataSource connections(SourceDefinition definition, HikariConfig config, boolean mayMakeFile)
			throws Exception {
		if (definition.template() != null && isMissingFile(definition)) {
			throw new MissingDatabaseException();
		}
		if (!mayMakeFile && isMissingFile(definition)) {
			throw new CannotConnectException(definition,
					"its file is gone. A file that was there is not made anew: put it back, or restart the application.");
		}
		return physical(definition, config,
				(mayMakeFile || !isPlainFile(definition)) && definition.template() == null && !definition.temporary());
	}

	private PhysicalDataSource physical(SourceDefinition definition, HikariConfig config, boolean mayCreateFile)
			throws CannotConnectException {
		try {
			return new PhysicalDataSource(definition, properties(config), config.getConnectionInitSql(), mayCreateFile,
					this.budgets.find(definition), Duration.ofMillis(config.getConnectionTimeout()));
		}
		catch (SQLException ex) {
			throw new CannotConnectException(definition, ex);
		}
	}

	private static boolean isMissingFile(SourceDefinition definition) {
		return isPlainFile(definition) && !Files.exists(definition.url().sqliteFile());
	}

	private static Properties properties(HikariConfig config) {
		Properties properties = new Properties();
		properties.putAll(config.getDataSourceProperties());
		return properties;
	}

	/** A promise of its driver's, which replicas do not need: they get no writes. */
	private void requireReadOnly(SourceDefinition definition, Connection connection)
			throws SQLException, CannotConnectException {
		if (!definition.readOnly() || definition.product() != DatabaseProduct.OTHER
				|| this.replicas.test(definition.name())) {
			return;
		}
		connection.setReadOnly(true);
		try {
			ReadOnlySession.requireMoreThanAHint(connection);
		}
		catch (SQLException ex) {
			throw new CannotConnectException(definition, "It cannot be read-only. " + ex.getMessage()
					+ ". Connect as a user that may only read, and take out " + definition.property("read-only") + ".");
		}
	}

	/** A connection to an up-to-date database, not yet in a pool. */
	private Connection migrated(SourceDefinition definition, PhysicalDataSource physical, Consumer<SourceEvent> events)
			throws Exception {
		Connection connection = connect(definition, physical);
		boolean upToDate = false;
		try {
			requireReadOnly(definition, connection);
			long start = System.nanoTime();
			SourceMigrator.Outcome outcome = migrate(definition, connection);
			if (outcome == SourceMigrator.Outcome.MIGRATED) {
				events.accept(new SourceEvent.Migrated(definition.name(),
						String.valueOf(definition.liquibase().changeLog()), since(start)));
			}
			if (outcome != SourceMigrator.Outcome.UNTOUCHED) {
				// What a migration set on its connection must not reach the application.
				close(connection);
				connection = connect(definition, physical);
			}
			if (this.closed) {
				throw new IllegalStateException("The application is shutting down");
			}
			upToDate = true;
			return connection;
		}
		finally {
			if (!upToDate) {
				close(connection);
			}
		}
	}

	private SourceMigrator.Outcome migrate(SourceDefinition definition, Connection connection) throws Exception {
		if (definition.liquibase().changeLog() == null) {
			return this.migrator.migrate(definition, connection);
		}
		return this.watch.over(Watch.Activity.MIGRATE, definition, () -> this.migrator.migrate(definition, connection),
				(outcome) -> outcome.name().toLowerCase(Locale.ROOT));
	}

	private Connection connect(SourceDefinition definition, PhysicalDataSource physical) throws Exception {
		Connection connection;
		long askedAt = System.nanoTime();
		try {
			connection = physical.connect();
			this.reached.reached(definition);
		}
		catch (NoPermitException ex) {
			throw ex;
		}
		catch (SQLException ex) {
			if (ex.getCause() instanceof InterruptedException interrupted) {
				throw interrupted;
			}
			if (definition.template() != null && isMissing(definition, ex)) {
				throw new MissingDatabaseException();
			}
			boolean unreached = ConnectFailure.isUnreached(ex);
			if (unreached) {
				this.reached.unreached(definition, askedAt);
			}
			throw new CannotConnectException(definition, ex, unreached ? askedAt : null);
		}
		this.underWay.put(connection, definition.product());
		if (this.closed) {
			close(connection);
			throw new IllegalStateException("The application is shutting down");
		}
		return connection;
	}

	private static boolean isMissing(SourceDefinition definition, SQLException failure) {
		return ConnectFailure.isMissingDatabase(definition, failure) || isMissingFile(definition);
	}

	/** A proxy closes the session of who leaves in the middle of a transaction. */
	private static void rollBack(Connection connection) {
		try {
			if (!connection.getAutoCommit()) {
				connection.rollback();
			}
		}
		catch (SQLException ex) {
			logger.debug("Ending a transaction failed", ex);
		}
	}

	private void close(@Nullable Connection connection) {
		if (connection == null) {
			return;
		}
		try {
			connection.close();
		}
		catch (SQLException ex) {
			logger.debug("Closing a connection failed", JdbcUrl.mask(ex));
		}
		finally {
			left(connection);
		}
	}

	private void left(Connection connection) {
		synchronized (this.underWay) {
			this.underWay.remove(connection);
			this.underWay.notifyAll();
		}
	}

	private static Duration since(long start) {
		return Duration.ofNanos(System.nanoTime() - start);
	}

	/**
	 * Ends what is under way: a migration loses its connection and fails, and so does
	 * what it would do next.
	 */
	@Override
	public void close() {
		this.closed = true;
		if (!this.underWay.isEmpty()) {
			List<Runnable> cuts = new ArrayList<>();
			this.underWay.forEach((connection, product) -> cuts.add(() -> cut(connection, product)));
			Background.closeAll(cuts);
			awaitEnd();
		}
	}

	private static void cut(Connection connection, DatabaseProduct product) {
		try {
			if (product == DatabaseProduct.SQLITE) {
				// Its abort does nothing; and a statement alone is not the whole of it.
				SqliteInterrupt.interrupt(connection);
				connection.close();
			}
			else {
				connection.abort(Runnable::run);
			}
		}
		catch (SQLException ex) {
			logger.debug("Aborting a connection failed", JdbcUrl.mask(ex));
		}
	}

	private void awaitEnd() {
		long until = System.nanoTime() + END.toNanos();
		synchronized (this.underWay) {
			try {
				for (long left = END.toNanos(); !this.underWay.isEmpty()
						&& left > 0; left = until - System.nanoTime()) {
					TimeUnit.NANOSECONDS.timedWait(this.underWay, left);
				}
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
			if (!this.underWay.isEmpty()) {
				logger.warn("{} databases are still being prepared; their connections are closed",
						this.underWay.size());
			}
		}
	}

}
