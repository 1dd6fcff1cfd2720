package io.multidb.jpa;

import java.sql.SQLException;

import org.hibernate.community.dialect.SQLiteDialect;
import org.hibernate.dialect.DatabaseVersion;
import org.hibernate.exception.ConstraintViolationException;
import org.hibernate.exception.ConstraintViolationException.ConstraintKind;
import org.hibernate.exception.spi.SQLExceptionConversionDelegate;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/**
 * SQLite's dialect, which says of a violated constraint no more than that something went
 * wrong, and this one says what: so that an application can catch the same exception on
 * all products.
 */
final class SqliteConstraintDialect extends SQLiteDialect {

	SqliteConstraintDialect(DatabaseVersion version) {
		super(version);
	}

	@Override
	public SQLExceptionConversionDelegate buildSQLExceptionConversionDelegate() {
		SQLExceptionConversionDelegate others = super.buildSQLExceptionConversionDelegate();
		return (exception, message, sql) -> {
			ConstraintKind kind = violated(exception);
			return (kind != null)
					? new ConstraintViolationException(message, exception, sql, kind,
							getViolatedConstraintNameExtractor().extractConstraintName(exception))
					: others.convert(exception, message, sql);
		};
	}

	private static @Nullable ConstraintKind violated(SQLException exception) {
		if (!(exception instanceof SQLiteException violation)
				|| violation.getErrorCode() != SQLiteErrorCode.SQLITE_CONSTRAINT.code) {
			return null;
		}
		return switch (violation.getResultCode()) {
			case SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID ->
				ConstraintKind.UNIQUE;
			case SQLITE_CONSTRAINT_NOTNULL -> ConstraintKind.NOT_NULL;
			case SQLITE_CONSTRAINT_FOREIGNKEY -> ConstraintKind.FOREIGN_KEY;
			case SQLITE_CONSTRAINT_CHECK -> ConstraintKind.CHECK;
			default -> ConstraintKind.OTHER;
		};
	}

}
