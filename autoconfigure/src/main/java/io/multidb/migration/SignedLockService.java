package io.multidb.migration;

import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import liquibase.Scope;
import liquibase.changelog.ChangeLogHistoryServiceFactory;
import liquibase.database.Database;
import liquibase.database.ObjectQuotingStrategy;
import liquibase.database.core.PostgresDatabase;
import liquibase.database.core.SQLiteDatabase;
import liquibase.datatype.DataTypeFactory;
import liquibase.exception.DatabaseException;
import liquibase.exception.LockException;
import liquibase.executor.Executor;
import liquibase.executor.ExecutorService;
import liquibase.lockservice.StandardLockService;
import liquibase.statement.DatabaseFunction;
import liquibase.statement.core.RawParameterizedSqlStatement;
import liquibase.statement.core.SelectFromDatabaseChangeLogLockStatement;
import liquibase.statement.core.UpdateStatement;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.source.ProcessIdentity;

/**
 * Liquibase's lock, signed by the process that takes it: that of a process that was
 * killed is taken over, as it would never be given back. Public as Liquibase makes it;
 * used only for the migrations of sources on PostgreSQL and SQLite.
 */
public final class SignedLockService extends StandardLockService {

	private static final Logger logger = LoggerFactory.getLogger(SignedLockService.class);

	/** Where Liquibase's scope has a {@link Migration} while a source is migrated. */
	static final String MIGRATION = "io.multidb.migration";

	private static final String SIGNATURE = "multidb ";

	/** A process and, where there are such, the server's session in which it migrates. */
	private static final Pattern SIGNED = Pattern.compile(SIGNATURE + "([0-9a-f]+)-(\\d+)-(\\d+)(?:@(\\d+))?");

	/**
	 * For which the lock is.
	 *
	 * @param source the name of the source that is migrated
	 * @param alone whether this session has the lock that ends with a session, so that
	 * nobody else of ours migrates it who has a session of his own
	 */
	record Migration(String source, boolean alone) {
	}

	/**
	 * Creates it; called by Liquibase.
	 */
	public SignedLockService() {
	}

	@Override
	public int getPriority() {
		return PRIORITY_DATABASE;
	}

	@Override
	public boolean supports(Database database) {
		return migration() != null && (database instanceof PostgresDatabase || database instanceof SQLiteDatabase);
	}

	@Override
	public boolean acquireLock() throws LockException {
		if (this.hasChangeLogLock) {
			return true;
		}
		this.quotingStrategy = this.database.getObjectQuotingStrategy();
		try {
			this.database.rollback();
			init();
			if (!take(null)) {
				String left = leftBehind();
				if (left == null || !take(left)) {
					// Another one has it, or was faster.
					return false;
				}
				logger.warn("{}: took over the lock of its migration, left behind by a process that was killed ({})",
						Objects.requireNonNull(migration()).source(), left);
			}
			this.database.commit();
			this.hasChangeLogLock = true;
			Scope.getCurrentScope().getSingleton(ChangeLogHistoryServiceFactory.class).resetAll();
			this.database.setCanCacheLiquibaseTableInfo(true);
			return true;
		}
		catch (DatabaseException ex) {
			throw new LockException(ex);
		}
		finally {
			rollback();
		}
	}

	private static @Nullable Migration migration() {
		return Scope.getCurrentScope().get(MIGRATION, Migration.class);
	}

	/**
	 * Signs the row that is the lock.
	 * @param left the signature of a process that has certainly ended
	 * @return whether it was free, or that one's
	 */
	private boolean take(@Nullable String left) throws DatabaseException {
		String catalog = this.database.getLiquibaseCatalogName();
		String schema = this.database.getLiquibaseSchemaName();
		String table = this.database.getDatabaseChangeLogLockTableName();
		// As Liquibase's own generator does
		this.database.setObjectQuotingStrategy(ObjectQuotingStrategy.LEGACY);
		try {
			String free = column("LOCKED") + " = "
					+ DataTypeFactory.getInstance()
						.fromDescription("boolean", this.database)
						.objectToSql(false, this.database);
			UpdateStatement statement = new UpdateStatement(catalog, schema, table).addNewColumnValue("LOCKED", true)
				.addNewColumnValue("LOCKGRANTED", new DatabaseFunction(this.database.getCurrentDateTimeFunction()))
				.addNewColumnValue("LOCKEDBY", SIGNATURE + ProcessIdentity.CURRENT + session())
				.setWhereClause(column("ID") + " = 1 AND ("
						+ ((left != null) ? column("LOCKEDBY") + " = '" + left + "'" : free) + ")");
			return executor().update(statement) > 0;
		}
		finally {
			this.database.setObjectQuotingStrategy(this.quotingStrategy);
		}
	}

	private String column(String name) {
		return this.database.escapeColumnName(this.database.getLiquibaseCatalogName(),
				this.database.getLiquibaseSchemaName(), this.database.getDatabaseChangeLogLockTableName(), name);
	}

	/** The signature of a process that cannot give the lock back any more. */
	private @Nullable String leftBehind() throws DatabaseException {
		String owner = executor().queryForObject(new SelectFromDatabaseChangeLogLockStatement("LOCKEDBY"),
				String.class);
		Matcher signed = SIGNED.matcher((owner != null) ? owner : "");
		if (!signed.matches()) {
			return null;
		}
		boolean dead = new ProcessIdentity(signed.group(1), Long.parseLong(signed.group(2)),
				Long.parseLong(signed.group(3)))
			.isDead();
		return (dead || hasEnded(signed.group(4))) ? owner : null;
	}

	/** Where only one session can have the advisory lock, the one that has it. */
	private String session() throws DatabaseException {
		return isAlone() ? "@" + executor().queryForLong(new RawParameterizedSqlStatement("SELECT pg_backend_pid()"))
				: "";
	}

	/**
	 * Whether another's session has certainly ended: this one has the advisory lock, and
	 * the server knows no such session. Behind a pooler, which shares sessions and so the
	 * lock, it would still be there.
	 */
	private boolean hasEnded(@Nullable String session) throws DatabaseException {
		return session != null && isAlone() && executor().queryForLong(
				new RawParameterizedSqlStatement("SELECT count(*) FROM pg_stat_activity WHERE pid = " + session)) == 0;
	}

	private static boolean isAlone() {
		return Objects.requireNonNull(migration()).alone();
	}

	private Executor executor() {
		return Scope.getCurrentScope().getSingleton(ExecutorService.class).getExecutor("jdbc", this.database);
	}

	private void rollback() {
		try {
			this.database.rollback();
		}
		catch (DatabaseException ex) {
			logger.debug("Could not end a transaction", ex);
		}
	}

}
