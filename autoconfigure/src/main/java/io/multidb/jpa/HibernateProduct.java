package io.multidb.jpa;

import java.util.LinkedHashMap;
import java.util.Map;

import org.hibernate.cfg.AvailableSettings;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteJDBCLoader;

import org.springframework.boot.jdbc.DatabaseDriver;
import org.springframework.util.ClassUtils;

import io.multidb.source.JdbcUrl;

/**
 * What Hibernate is told of a database product, so that it need not connect to ask.
 */
public final class HibernateProduct {

	private HibernateProduct() {
	}

	/**
	 * The name by which Hibernate knows the product of a URL.
	 * @param url the URL of a source or template
	 * @return the name, or {@code null} for a product that is not known here
	 */
	public static @Nullable String nameOf(JdbcUrl url) {
		return switch (DatabaseDriver.fromJdbcUrl(url.text())) {
			case SQLITE -> "SQLite";
			case POSTGRESQL -> "PostgreSQL";
			case H2 -> "H2";
			case HSQLDB -> "HSQL Database Engine";
			case MYSQL -> "MySQL";
			case MARIADB -> "MariaDB";
			case ORACLE -> "Oracle";
			case SQLSERVER -> "Microsoft SQL Server";
			case DB2 -> "DB2";
			case HANA -> "HDB";
			default -> null;
		};
	}

	/**
	 * The settings by which a session factory starts without any database.
	 * @param product the product's name
	 * @return settings, each to be left out where the application has its own
	 */
	public static Map<String, Object> settings(String product) {
		Map<String, Object> settings = new LinkedHashMap<>();
		settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_NAME, product);
		if (product.equals("SQLite") && ClassUtils.isPresent("org.sqlite.SQLiteJDBCLoader", null)) {
			// The driver is the database; its dialect takes it for version 2 otherwise.
			String version = SQLiteJDBCLoader.getVersion();
			String[] parts = version.split("\\.", 3);
			settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_VERSION, version);
			settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_MAJOR_VERSION, parts[0]);
			settings.put(AvailableSettings.JAKARTA_HBM2DDL_DB_MINOR_VERSION, parts[1]);
		}
		return settings;
	}

}
