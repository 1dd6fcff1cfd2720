package io.multidb.jpa;

import java.util.LinkedHashMap;
import java.util.Map;

import org.hibernate.cfg.AvailableSettings;
import org.hibernate.dialect.DatabaseVersion;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteJDBCLoader;

import org.springframework.boot.jdbc.DatabaseDriver;
import org.springframework.util.ClassUtils;

import io.multidb.source.JdbcUrl;

/**
 * A database product that Hibernate can be told of, so that it need not connect to ask.
 */
public enum HibernateProduct {

	/** SQLite, by the dialect in hibernate-community-dialects. */
	SQLITE("SQLite"),

	/** PostgreSQL. */
	POSTGRESQL("PostgreSQL"),

	/** H2. */
	H2("H2"),

	/** HSQLDB. */
	HSQLDB("HSQL Database Engine"),

	/** MySQL. */
	MYSQL("MySQL"),

	/** MariaDB. */
	MARIADB("MariaDB"),

	/** Oracle Database. */
	ORACLE("Oracle"),

	/** Microsoft SQL Server. */
	SQLSERVER("Microsoft SQL Server"),

	/** Db2. */
	DB2("DB2"),

	/** SAP HANA. */
	HANA("HDB");

	/** As its driver's metadata has it. */
	private final String databaseName;

	HibernateProduct(String databaseName) {
		this.databaseName = databaseName;
	}

	/**
	 * The product of a URL.
	 * @param url the URL of a source or template
	 * @return the product, or {@code null} for one that is not known here
	 */
	public static @Nullable HibernateProduct of(JdbcUrl url) {
		// For every session: the two that come most often without asking all drivers.
		return switch (url.product()) {
			case SQLITE -> SQLITE;
			case POSTGRESQL -> POSTGRESQL;
			case OTHER -> switch (DatabaseDriver.fromJdbcUrl(url.text())) {
				case H2 -> H2;
				case HSQLDB -> HSQLDB;
				case MYSQL -> MYSQL;
				case MARIADB -> MARIADB;
				case ORACLE -> ORACLE;
				case SQLSERVER -> SQLSERVER;
				case DB2 -> DB2;
				case HANA -> HANA;
				default -> null;
			};
		};
	}

	/**
	 * The settings by which a session factory starts without any database.
	 * @return settings, each to be left out where the application has its own
	 */
	Map<String, Object> settings() {
		Map<String, Object> settings = new LinkedHashMap<>();
		settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_NAME, this.databaseName);
		if (this == SQLITE && ClassUtils.isPresent("org.sqlite.SQLiteJDBCLoader", null)) {
			// The driver is the database; its dialect takes it for version 2 otherwise.
			String version = SQLiteJDBCLoader.getVersion();
			String[] parts = version.split("\\.", 3);
			settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_VERSION, version);
			settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_MAJOR_VERSION, parts[0]);
			settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_MINOR_VERSION, parts[1]);
			if (ClassUtils.isPresent("org.hibernate.community.dialect.SQLiteDialect", null)) {
				settings.put(AvailableSettings.DIALECT, new SqliteConstraintDialect(
						DatabaseVersion.make(Integer.valueOf(parts[0]), Integer.valueOf(parts[1]))));
			}
		}
		return settings;
	}

	@Override
	public String toString() {
		return this.databaseName;
	}

}
