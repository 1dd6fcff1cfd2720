package io.multidb.source;

import java.sql.DriverManager;
import java.sql.SQLException;

import org.jspecify.annotations.Nullable;

import org.springframework.util.ClassUtils;

/**
 * The drivers of well-known products, and the dependencies that bring them along.
 */
enum JdbcDriver {

	/** Of PostgreSQL. */
	POSTGRESQL("jdbc:postgresql:", "org.postgresql:postgresql", "org.postgresql.Driver"),

	/** Of SQLite. */
	SQLITE("jdbc:sqlite:", "org.xerial:sqlite-jdbc", "org.sqlite.JDBC"),

	/** Of MySQL. */
	MYSQL("jdbc:mysql:", "com.mysql:mysql-connector-j", "com.mysql.cj.jdbc.Driver"),

	/** Of MariaDB. */
	MARIADB("jdbc:mariadb:", "org.mariadb.jdbc:mariadb-java-client", "org.mariadb.jdbc.Driver"),

	/** Of H2. */
	H2("jdbc:h2:", "com.h2database:h2", "org.h2.Driver"),

	/** Of Oracle's database. */
	ORACLE("jdbc:oracle:", "com.oracle.database.jdbc:ojdbc17", "oracle.jdbc.OracleDriver"),

	/** Of Microsoft's. */
	SQL_SERVER("jdbc:sqlserver:", "com.microsoft.sqlserver:mssql-jdbc", "com.microsoft.sqlserver.jdbc.SQLServerDriver");

	private final String prefix;

	private final String dependency;

	private final String className;

	JdbcDriver(String prefix, String dependency, String className) {
		this.prefix = prefix;
		this.dependency = dependency;
		this.className = className;
	}

	/** The product's own, or {@code null} where the product is not known. */
	static @Nullable JdbcDriver of(String url) {
		for (JdbcDriver each : values()) {
			if (url.startsWith(each.prefix)) {
				return each;
			}
		}
		return null;
	}

	/** By group and artifact. */
	String dependency() {
		return this.dependency;
	}

	String className() {
		return this.className;
	}

	/**
	 * Whether nothing could connect to a URL of the product: its own driver is not on the
	 * class path, and no other one that is registered by now accepts the URL. One that is
	 * on the class path is not asked, as it may be registered later.
	 */
	boolean isMissing(String url) {
		return !ClassUtils.isPresent(this.className, ClassUtils.getDefaultClassLoader())
				&& !ClassUtils.isPresent(this.className, JdbcDriver.class.getClassLoader()) && !isAccepted(url);
	}

	/** As it is found when a source is opened. */
	private static boolean isAccepted(String url) {
		try {
			return DriverManager.getDriver(url) != null;
		}
		catch (SQLException ex) {
			return false;
		}
	}

}
