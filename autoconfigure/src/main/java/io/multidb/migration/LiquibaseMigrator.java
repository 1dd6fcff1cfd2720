package io.multidb.migration;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

import liquibase.Contexts;
import liquibase.GlobalConfiguration;
import liquibase.LabelExpression;
import liquibase.Liquibase;
import liquibase.RuntimeEnvironment;
import liquibase.Scope;
import liquibase.UpdateSummaryEnum;
import liquibase.changelog.ChangeLogIterator;
import liquibase.changelog.ChangeSet;
import liquibase.changelog.DatabaseChangeLog;
import liquibase.changelog.FastCheckService;
import liquibase.changelog.filter.ContextChangeSetFilter;
import liquibase.changelog.filter.DbmsChangeSetFilter;
import liquibase.changelog.filter.IgnoreChangeSetFilter;
import liquibase.changelog.filter.LabelChangeSetFilter;
import liquibase.change.CheckSum;
import liquibase.changelog.visitor.ListVisitor;
import liquibase.exception.LiquibaseException;
import liquibase.integration.spring.SpringLiquibase;
import liquibase.integration.spring.SpringResourceAccessor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.core.io.ResourceLoader;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.util.StringUtils;

import io.multidb.source.LiquibaseSettings;
import io.multidb.source.MigrationState;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;

/**
 * Migrates a source with Liquibase, unless the rows of its {@code databasechangelog}
 * table already say that the change log has been run. Thread-safe.
 * <p>
 * The first source of each change log is always given to Liquibase. What the table says
 * afterwards, identity and checksum of every change set, is the fingerprint by which the
 * next sources are recognised with a single query. A change log with {@code runAlways},
 * or with a change set that left no row, has no fingerprint; one whose files have changed
 * since is read again.
 */
public final class LiquibaseMigrator implements SourceMigrator {

	/** What decides which change sets run. */
	private record Key(LiquibaseSettings settings, String product, @Nullable String schema) {
	}

	/** A change set that has run, as its row in Liquibase's table says. */
	private record Row(@Nullable String id, @Nullable String author, @Nullable String path, @Nullable String checksum,
			@Nullable String execType) {

		String identity() {
			return LiquibaseMigrator.identity(this.id, this.author, this.path);
		}

		boolean isRun() {
			return this.execType != null && Set.of("EXECUTED", "RERAN", "MARK_RAN").contains(this.execType);
		}

		@Override
		public String toString() {
			return identity() + "\n" + this.checksum + "\n" + isRun();
		}

	}

	/**
	 * What a table must say.
	 *
	 * @param rows each selected change set
	 * @param files where they were read
	 * @param seen whole tables that say so: normalizing paths takes longer than reading
	 * rows, and most databases of a change log have the same
	 */
	private record Fingerprint(Set<String> rows, ChangeLogFiles files, Set<List<Row>> seen) {

		boolean isIn(List<Row> table) {
			if (this.seen.contains(table)) {
				return true;
			}
			boolean found = texts(table).containsAll(this.rows);
			if (found && this.seen.size() < MOST_SEEN) {
				this.seen.add(table);
			}
			return found;
		}

	}

	/** Whose turn it is to migrate a database. */
	private enum Turn {

		/** This thread's, and certainly no other's. */
		ALONE,

		/** Another one's. */
		OTHERS,

		/** Liquibase's own lock has to tell. */
		UNKNOWN

	}

	private static final Logger logger = LoggerFactory.getLogger(LiquibaseMigrator.class);

	/** SQLite's result code for a database that another connection is writing. */
	private static final int SQLITE_BUSY = 5;

	private static final String POSTGRESQL = "PostgreSQL";

	/** Sources with parameters of their own have fingerprints of their own. */
	private static final int MOST_FINGERPRINTS = 1000;

	private static final int MOST_SEEN = 100;

	/** An advisory lock's number, the same in every process: "multidb" in ASCII. */
	private static final long LOCK = 0x6d756c74696462L;

	/** So long others may take before Liquibase is asked all the same, to say why. */
	private static final Duration OTHERS_TIMEOUT = Duration.ofMinutes(2);

	private static final Duration OTHERS_PAUSE = Duration.ofMillis(100);

	/** In seconds; Liquibase looks every 10 seconds whether another process is done. */
	private static final long LOCK_POLL_RATE = 1;

	private final ResourceLoader resourceLoader;

	private final Map<Key, Fingerprint> fingerprints = new ConcurrentHashMap<>();

	/**
	 * Creates the migrator.
	 * @param resourceLoader finds change logs
	 */
	public LiquibaseMigrator(ResourceLoader resourceLoader) {
		this.resourceLoader = resourceLoader;
	}

	@Override
	public Outcome migrate(SourceDefinition definition, Connection connection) throws Exception {
		LiquibaseSettings settings = definition.liquibase();
		if (settings.changeLog() == null) {
			return Outcome.UNTOUCHED;
		}
		Key key = key(definition, connection);
		long start = System.nanoTime();
		while (!isUpToDate(key, connection)) {
			boolean expired = System.nanoTime() - start > OTHERS_TIMEOUT.toNanos();
			Turn turn = tryLock(key, connection);
			if (expired || turn != Turn.OTHERS) {
				try {
					Run run = new Run(key, connection,
							new SignedLockService.Migration(definition.name(), turn == Turn.ALONE));
					run.afterPropertiesSet();
					return run.outcome;
				}
				catch (LiquibaseException ex) {
					if (expired || !(isBusy(ex) || isCheckForgotten(ex))) {
						throw new MigrationFailedException(definition, ex);
					}
					endTransaction(connection);
				}
				finally {
					// It remembers by URL that a database is up to date, whatever becomes
					// of the file.
					Scope.getCurrentScope().getSingleton(FastCheckService.class).clearCache();
					unlock(key, connection);
				}
			}
			logger.debug("{}: another process is migrating it, trying again", definition.name());
			Thread.sleep(OTHERS_PAUSE.toMillis());
		}
		return Outcome.UNTOUCHED;
	}

	private static Key key(SourceDefinition definition, Connection connection) throws SQLException {
		return new Key(definition.liquibase(), connection.getMetaData().getDatabaseProductName(),
				connection.getSchema());
	}

	/**
	 * None that has no fingerprint, as with {@code runAlways}.
	 */
	@Override
	public @Nullable BooleanSupplier copyable(SourceDefinition definition, Connection connection) throws SQLException {
		Key key = key(definition, connection);
		Fingerprint fingerprint = this.fingerprints.get(key);
		if (fingerprint == null || !fingerprint.rows().equals(texts(rows(key, connection)))) {
			return null;
		}
		return () -> !fingerprint.files().haveChanged();
	}

	@Override
	public @Nullable MigrationState state(SourceDefinition definition, Connection connection) throws Exception {
		if (definition.liquibase().changeLog() == null) {
			return null;
		}
		Key key = key(definition, connection);
		Map<String, Row> rows = new HashMap<>();
		if (hasTable(key, connection)) {
			rows(key, connection).forEach((row) -> rows.put(row.identity(), row));
		}
		int pending = 0;
		try {
			for (ChangeSet changeSet : new Look(key, connection).selected()) {
				Row row = rows.get(identity(changeSet.getId(), changeSet.getAuthor(), changeSet.getFilePath()));
				if (row == null || !row.isRun() || changeSet.isAlwaysRun()
						|| (changeSet.isRunOnChange() && !changeSet.isCheckSumValid(CheckSum.parse(row.checksum())))) {
					pending++;
				}
			}
		}
		finally {
			endTransaction(connection);
		}
		return new MigrationState((int) rows.values().stream().filter(Row::isRun).count(), pending);
	}

	/** Asked for it, a database without it would end a transaction. */
	private static boolean hasTable(Key key, Connection connection) throws SQLException {
		for (String name : List.of("DATABASECHANGELOG", "databasechangelog")) {
			try (ResultSet tables = connection.getMetaData()
				.getTables(connection.getCatalog(), key.schema(), name, null)) {
				if (tables.next()) {
					return true;
				}
			}
		}
		return false;
	}

	/**
	 * Liquibase's lock is a row of a table, and processes that start together fail in
	 * making that table. PostgreSQL has locks that need none; they belong to the session,
	 * so that those of a dead process are gone.
	 */
	private static Turn tryLock(Key key, Connection connection) {
		if (!key.product().equals(POSTGRESQL)) {
			return Turn.UNKNOWN;
		}
		try {
			return select(connection, "SELECT pg_try_advisory_lock(" + LOCK + ")") ? Turn.ALONE : Turn.OTHERS;
		}
		catch (SQLException ex) {
			logger.debug("This server has no advisory locks; Liquibase's own lock has to do", ex);
			return Turn.UNKNOWN;
		}
	}

	private static void unlock(Key key, Connection connection) {
		if (key.product().equals(POSTGRESQL)) {
			try {
				endTransaction(connection);
				select(connection, "SELECT pg_advisory_unlock(" + LOCK + ")");
			}
			catch (SQLException ex) {
				// The session ends with its connection, and the lock with it.
				logger.debug("Could not give back the migration lock", ex);
			}
		}
	}

	private static boolean select(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
			return result.next() && result.getBoolean(1);
		}
	}

	/**
	 * Processes that start together make Liquibase's own tables at the same time. SQLite
	 * refuses a transaction that has read before another wrote, whatever the busy
	 * time-out; Liquibase knows nothing of that, but can always be run again.
	 */
	private static boolean isBusy(Throwable failure) {
		Throwable cause = failure;
		for (int depth = 0; cause != null && depth < 20; depth++, cause = cause.getCause()) {
			if (cause instanceof SQLException ex && ex.getErrorCode() == SQLITE_BUSY
					&& String.valueOf(ex.getMessage()).contains("SQLITE_BUSY")) {
				return true;
			}
		}
		return false;
	}

	/**
	 * What Liquibase found out about all databases is in one map of the process. It is
	 * emptied by whoever makes Liquibase's table in one of them, or is done here, be it
	 * at the moment in which another looks up what he has just put there. Nothing has
	 * been changed by then.
	 */
	private static boolean isCheckForgotten(Throwable failure) {
		Throwable cause = failure;
		for (int depth = 0; cause != null && depth < 20; depth++, cause = cause.getCause()) {
			StackTraceElement[] trace = cause.getStackTrace();
			if (cause instanceof NullPointerException && trace.length > 0
					&& trace[0].getClassName().equals(FastCheckService.class.getName())) {
				return true;
			}
		}
		return false;
	}

	private static void endTransaction(Connection connection) throws SQLException {
		if (!connection.getAutoCommit()) {
			connection.rollback();
			connection.setAutoCommit(true);
		}
	}

	private boolean isUpToDate(Key key, Connection connection) {
		Fingerprint fingerprint = this.fingerprints.get(key);
		if (fingerprint == null) {
			return false;
		}
		if (fingerprint.files().haveChanged()) {
			this.fingerprints.remove(key, fingerprint);
			return false;
		}
		try {
			return fingerprint.isIn(rows(key, connection));
		}
		catch (SQLException ex) {
			// No such table: it is a new database.
			return false;
		}
	}

	private static List<Row> rows(Key key, Connection connection) throws SQLException {
		List<Row> rows = new ArrayList<>();
		try (Statement statement = connection.createStatement();
				ResultSet result = statement
					.executeQuery("SELECT ID, AUTHOR, FILENAME, MD5SUM, EXECTYPE FROM " + table(key, connection))) {
			while (result.next()) {
				rows.add(new Row(result.getString(1), result.getString(2), result.getString(3), result.getString(4),
						result.getString(5)));
			}
		}
		return rows;
	}

	private static Set<String> texts(List<Row> rows) {
		return rows.stream().map(Row::toString).collect(Collectors.toSet());
	}

	/** In the schema where Liquibase works, not wherever a search path finds one. */
	private static String table(Key key, Connection connection) throws SQLException {
		if (key.schema() == null) {
			return "DATABASECHANGELOG";
		}
		String quote = connection.getMetaData().getIdentifierQuoteString();
		return quote + key.schema().replace(quote, quote + quote) + quote + ".DATABASECHANGELOG";
	}

	private static String identity(@Nullable String id, @Nullable String author, @Nullable String path) {
		return id + "\n" + author + "\n" + DatabaseChangeLog.normalizePath(path);
	}

	/** Liquibase on one connection. */
	private class Look extends SpringLiquibase {

		private final Connection connection;

		Look(Key key, Connection connection) {
			this.connection = connection;
			setResourceLoader(LiquibaseMigrator.this.resourceLoader);
			setChangeLog(key.settings().changeLog());
			setContexts(StringUtils.collectionToCommaDelimitedString(key.settings().contexts()));
			setLabelFilter(StringUtils.collectionToCommaDelimitedString(key.settings().labelFilter()));
			setChangeLogParameters(key.settings().parameters());
			setAnalyticsEnabled(false);
		}

		/** What would run on an empty database. */
		Set<ChangeSet> selected() throws LiquibaseException {
			// Closing is the caller's.
			return selected(createLiquibase(this.connection));
		}

		Set<ChangeSet> selected(Liquibase liquibase) throws LiquibaseException {
			Contexts contexts = new Contexts(getContexts());
			LabelExpression labels = new LabelExpression(getLabelFilter());
			ListVisitor visitor = new ListVisitor();
			new ChangeLogIterator(liquibase.getDatabaseChangeLog(), new ContextChangeSetFilter(contexts),
					new LabelChangeSetFilter(labels), new DbmsChangeSetFilter(liquibase.getDatabase()),
					new IgnoreChangeSetFilter())
				.run(visitor, new RuntimeEnvironment(liquibase.getDatabase(), contexts, labels));
			return new HashSet<>(visitor.getSeenChangeSets());
		}

	}

	/** One run of Liquibase on one connection. */
	private final class Run extends Look {

		private final Key key;

		private final Connection connection;

		private final ChangeLogFiles files;

		/** Read outside of any transaction, as a missing table would end it. */
		private final String before;

		private Outcome outcome = Outcome.CHECKED;

		private final SignedLockService.Migration migration;

		Run(Key key, Connection connection, SignedLockService.Migration migration) {
			super(key, connection);
			this.key = key;
			this.migration = migration;
			this.connection = connection;
			this.before = lastRun();
			this.files = new ChangeLogFiles(LiquibaseMigrator.this.resourceLoader);
			// Closing is the caller's.
			setDataSource(new SingleConnectionDataSource(connection, true));
			setShowSummary(UpdateSummaryEnum.OFF);
		}

		@Override
		public void afterPropertiesSet() throws LiquibaseException {
			try {
				Scope.child(Map.of(GlobalConfiguration.CHANGELOGLOCK_POLL_RATE.getKey(), LOCK_POLL_RATE,
						SignedLockService.MIGRATION, this.migration), super::afterPropertiesSet);
			}
			catch (LiquibaseException | RuntimeException ex) {
				throw ex;
			}
			catch (Exception ex) {
				throw new LiquibaseException(ex);
			}
		}

		@Override
		protected SpringResourceAccessor createResourceOpener() {
			return this.files;
		}

		@Override
		protected Liquibase createLiquibase(Connection connection) throws LiquibaseException {
			WholeChangeSets changeSets = new WholeChangeSets();
			Liquibase liquibase = super.createLiquibase(changeSets.over(connection));
			liquibase.setChangeExecListener(changeSets);
			return liquibase;
		}

		@Override
		protected void performUpdate(Liquibase liquibase) throws LiquibaseException {
			Scope.getCurrentScope().getSingleton(FastCheckService.class).clearCache();
			super.performUpdate(liquibase);
			try {
				this.outcome = lastRun().equals(this.before) ? Outcome.CHECKED : Outcome.MIGRATED;
				Set<String> fingerprint = fingerprint(liquibase);
				if (fingerprint != null) {
					if (LiquibaseMigrator.this.fingerprints.size() >= MOST_FINGERPRINTS) {
						LiquibaseMigrator.this.fingerprints.clear();
					}
					LiquibaseMigrator.this.fingerprints.put(this.key,
							new Fingerprint(fingerprint, this.files, ConcurrentHashMap.newKeySet()));
				}
			}
			catch (SQLException ex) {
				throw new LiquibaseException(ex);
			}
		}

		/**
		 * How many change sets have run, and when the last one did; empty if none has.
		 */
		private String lastRun() {
			try (Statement statement = this.connection.createStatement();
					ResultSet result = statement
						.executeQuery("SELECT COUNT(*), MAX(DATEEXECUTED) FROM " + table(this.key, this.connection))) {
				return result.next() ? result.getString(1) + " " + result.getString(2) : "";
			}
			catch (SQLException ex) {
				return "";
			}
		}

		private @Nullable Set<String> fingerprint(Liquibase liquibase) throws LiquibaseException, SQLException {
			Map<String, Row> rows = new HashMap<>();
			rows(this.key, this.connection).forEach((row) -> rows.put(row.identity(), row));
			Set<String> fingerprint = new HashSet<>();
			for (ChangeSet changeSet : selected(liquibase)) {
				Row row = rows.get(identity(changeSet.getId(), changeSet.getAuthor(), changeSet.getFilePath()));
				if (row == null || !row.isRun() || changeSet.isAlwaysRun()) {
					return null;
				}
				fingerprint.add(row.toString());
			}
			return fingerprint;
		}

	}

}
