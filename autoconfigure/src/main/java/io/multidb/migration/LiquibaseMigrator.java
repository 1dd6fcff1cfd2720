package io.multidb.migration;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import liquibase.Contexts;
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
import liquibase.changelog.visitor.ListVisitor;
import liquibase.exception.LiquibaseException;
import liquibase.integration.spring.SpringLiquibase;
import liquibase.integration.spring.SpringResourceAccessor;
import org.jspecify.annotations.Nullable;

import org.springframework.core.io.ResourceLoader;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.util.StringUtils;

import io.multidb.source.LiquibaseSettings;
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
	private record Key(LiquibaseSettings settings, String product) {
	}

	private record Fingerprint(Set<String> rows, ChangeLogFiles files) {
	}

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
	public boolean migrate(SourceDefinition definition, Connection connection) throws Exception {
		LiquibaseSettings settings = definition.liquibase();
		if (settings.changeLog() == null) {
			return false;
		}
		Key key = new Key(settings, connection.getMetaData().getDatabaseProductName());
		if (isUpToDate(key, connection)) {
			return false;
		}
		Run run = new Run(key, connection);
		try {
			run.afterPropertiesSet();
		}
		catch (LiquibaseException ex) {
			throw new MigrationFailedException(definition, ex);
		}
		finally {
			// It remembers by URL that a database is up to date, whatever becomes of the
			// file.
			Scope.getCurrentScope().getSingleton(FastCheckService.class).clearCache();
		}
		return true;
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
			return new HashSet<>(rows(connection).values()).containsAll(fingerprint.rows());
		}
		catch (SQLException ex) {
			// No such table: it is a new database.
			return false;
		}
	}

	/** Change sets that have run, by identity. */
	private static Map<String, String> rows(Connection connection) throws SQLException {
		Map<String, String> rows = new HashMap<>();
		try (Statement statement = connection.createStatement();
				ResultSet result = statement
					.executeQuery("SELECT ID, AUTHOR, FILENAME, MD5SUM, EXECTYPE FROM DATABASECHANGELOG")) {
			while (result.next()) {
				String identity = identity(result.getString(1), result.getString(2), result.getString(3));
				rows.put(identity, identity + "\n" + result.getString(4) + "\n" + isRun(result.getString(5)));
			}
		}
		return rows;
	}

	private static boolean isRun(@Nullable String execType) {
		return execType != null && Set.of("EXECUTED", "RERAN", "MARK_RAN").contains(execType);
	}

	private static String identity(String id, String author, String path) {
		return id + "\n" + author + "\n" + DatabaseChangeLog.normalizePath(path);
	}

	/** One run of Liquibase on one connection. */
	private final class Run extends SpringLiquibase {

		private final Key key;

		private final Connection connection;

		private final ChangeLogFiles files;

		Run(Key key, Connection connection) {
			this.key = key;
			this.connection = connection;
			this.files = new ChangeLogFiles(LiquibaseMigrator.this.resourceLoader);
			setResourceLoader(LiquibaseMigrator.this.resourceLoader);
			// Closing is the caller's.
			setDataSource(new SingleConnectionDataSource(connection, true));
			setChangeLog(key.settings().changeLog());
			setContexts(StringUtils.collectionToCommaDelimitedString(key.settings().contexts()));
			setLabelFilter(StringUtils.collectionToCommaDelimitedString(key.settings().labelFilter()));
			setChangeLogParameters(key.settings().parameters());
			setShowSummary(UpdateSummaryEnum.OFF);
			setAnalyticsEnabled(false);
		}

		@Override
		protected SpringResourceAccessor createResourceOpener() {
			return this.files;
		}

		@Override
		protected void performUpdate(Liquibase liquibase) throws LiquibaseException {
			Scope.getCurrentScope().getSingleton(FastCheckService.class).clearCache();
			super.performUpdate(liquibase);
			try {
				Set<String> fingerprint = fingerprint(liquibase);
				if (fingerprint != null) {
					LiquibaseMigrator.this.fingerprints.put(this.key, new Fingerprint(fingerprint, this.files));
				}
			}
			catch (SQLException ex) {
				throw new LiquibaseException(ex);
			}
		}

		private @Nullable Set<String> fingerprint(Liquibase liquibase) throws LiquibaseException, SQLException {
			Map<String, String> rows = rows(this.connection);
			Set<String> fingerprint = new HashSet<>();
			for (ChangeSet changeSet : selected(liquibase)) {
				String row = rows.get(identity(changeSet.getId(), changeSet.getAuthor(), changeSet.getFilePath()));
				if (row == null || !row.endsWith("\ntrue") || changeSet.isAlwaysRun()) {
					return null;
				}
				fingerprint.add(row);
			}
			return fingerprint;
		}

		private Set<ChangeSet> selected(Liquibase liquibase) throws LiquibaseException {
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

}
