package io.multidb.jdbc;

import org.springframework.data.jdbc.core.dialect.JdbcArrayColumns;
import org.springframework.data.jdbc.core.dialect.JdbcDialect;
import org.springframework.data.relational.core.dialect.AbstractDialect;
import org.springframework.data.relational.core.dialect.IdGeneration;
import org.springframework.data.relational.core.dialect.InsertRenderContext;
import org.springframework.data.relational.core.dialect.InsertRenderContexts;
import org.springframework.data.relational.core.dialect.LimitClause;
import org.springframework.data.relational.core.dialect.LockClause;
import org.springframework.data.relational.core.sql.LockOptions;
import org.springframework.data.relational.core.sql.render.UpsertRenderContext;
import org.springframework.data.relational.core.sql.IdentifierProcessing;
import org.springframework.data.relational.core.sql.IdentifierProcessing.LetterCasing;
import org.springframework.data.relational.core.sql.IdentifierProcessing.Quoting;

/**
 * The SQL that SQLite and PostgreSQL both understand. Spring Data JDBC makes the SQL of a
 * type once, whatever database it is for, so that one dialect has to serve all sources;
 * and for SQLite it has none of its own. What only one of the two can do is refused:
 * locks, upserts, arrays. Thread-safe.
 */
final class CommonDialect extends AbstractDialect implements JdbcDialect {

	/** SQLite does not mind the case, PostgreSQL keeps names in lower case. */
	private static final IdentifierProcessing NAMES = IdentifierProcessing.create(Quoting.ANSI,
			LetterCasing.LOWER_CASE);

	private static final IdGeneration IDS = new IdGeneration() {

		@Override
		public boolean sequencesSupported() {
			return false;
		}

	};

	@Override
	public IdentifierProcessing getIdentifierProcessing() {
		return NAMES;
	}

	@Override
	public IdGeneration getIdGeneration() {
		return IDS;
	}

	@Override
	public LimitClause limit() {
		return new Limit();
	}

	@Override
	public LockClause lock() {
		return new NoLock();
	}

	@Override
	public InsertRenderContext getInsertRenderContext() {
		// " DEFAULT VALUES", which both know.
		return InsertRenderContexts.MS_SQL_SERVER;
	}

	@Override
	public UpsertRenderContext getUpsertRenderContext() {
		return () -> false;
	}

	@Override
	public JdbcArrayColumns getArraySupport() {
		return JdbcArrayColumns.Unsupported.INSTANCE;
	}

	@Override
	public String getName() {
		return "SQLite and PostgreSQL";
	}

	private static final class Limit implements LimitClause {

		@Override
		public String getLimit(long limit) {
			return "LIMIT " + limit;
		}

		@Override
		public String getOffset(long offset) {
			// SQLite knows no OFFSET alone.
			return getLimitOffset(Long.MAX_VALUE, offset);
		}

		@Override
		public String getLimitOffset(long limit, long offset) {
			return "LIMIT " + limit + " OFFSET " + offset;
		}

		@Override
		public LimitClause.Position getClausePosition() {
			return LimitClause.Position.AFTER_ORDER_BY;
		}

	}

	/** A lock that is silently not taken would be worse than none. */
	private static final class NoLock implements LockClause {

		@Override
		public String getLock(LockOptions lockOptions) {
			throw new UnsupportedOperationException(
					"Spring Data JDBC's @Lock is not to be had on SQLite, which locks the"
							+ " whole file. Begin the transaction with a write instead; or, if all sources are PostgreSQL, set"
							+ " 'spring.data.jdbc.dialect=postgresql'.");
		}

		@Override
		public LockClause.Position getClausePosition() {
			return LockClause.Position.AFTER_ORDER_BY;
		}

	}

}
