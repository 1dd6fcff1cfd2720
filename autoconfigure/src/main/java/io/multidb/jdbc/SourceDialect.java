package io.multidb.jdbc;

import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.jdbc.DatabaseDriver;
import org.springframework.data.jdbc.core.dialect.JdbcDb2Dialect;
import org.springframework.data.jdbc.core.dialect.JdbcDialect;
import org.springframework.data.jdbc.core.dialect.JdbcH2Dialect;
import org.springframework.data.jdbc.core.dialect.JdbcHsqlDbDialect;
import org.springframework.data.jdbc.core.dialect.JdbcOracleDialect;
import org.springframework.data.jdbc.core.dialect.JdbcPostgresDialect;
import org.springframework.data.jdbc.core.dialect.JdbcSqlServerDialect;

/**
 * Chooses Spring Data JDBC's dialect by the products of the declared sources, without
 * connecting to one of them.
 */
public final class SourceDialect {

	private SourceDialect() {
	}

	/**
	 * The dialect for sources of some products.
	 * @param products the products
	 * @return the dialect, or {@code null} if there is none that serves them all
	 */
	public static @Nullable JdbcDialect of(Set<DatabaseDriver> products) {
		if (products.size() == 1) {
			JdbcDialect dialect = of(products.iterator().next());
			if (dialect != null) {
				return dialect;
			}
		}
		boolean common = !products.isEmpty()
				&& Set.of(DatabaseDriver.SQLITE, DatabaseDriver.POSTGRESQL).containsAll(products);
		return common ? new CommonDialect() : null;
	}

	private static @Nullable JdbcDialect of(DatabaseDriver product) {
		return switch (product) {
			case POSTGRESQL -> JdbcPostgresDialect.INSTANCE;
			case H2 -> JdbcH2Dialect.INSTANCE;
			case HSQLDB -> JdbcHsqlDbDialect.INSTANCE;
			case ORACLE -> JdbcOracleDialect.INSTANCE;
			case SQLSERVER -> JdbcSqlServerDialect.INSTANCE;
			case DB2 -> JdbcDb2Dialect.INSTANCE;
			default -> null;
		};
	}

}
