package io.multidb.actuate;

/**
 * Which of HikariCP's and Spring Boot's own meters of pools there are, beside those of
 * {@link DatasourcesMeter}, for the sources that have a tag of their own.
 */
public enum HikariMeters {

	/** None. */
	NONE,

	/**
	 * The gauges {@code hikaricp.connections.*} with the tag {@code pool}, and
	 * {@code jdbc.connections.*} with the tag {@code name}, of SQLite files too. They
	 * cost nothing but when they are read.
	 */
	GAUGES,

	/**
	 * The timers and the counter of HikariCP's, too, of pools of HikariCP's: they more
	 * than double what taking a connection costs.
	 */
	ALL

}
