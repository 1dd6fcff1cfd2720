package io.multidb.actuate;

import io.micrometer.common.docs.KeyName;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.docs.MeterDocumentation;
import org.jspecify.annotations.Nullable;

/**
 * The meters of sources, routes and tenants, with their tags and what they say. Those
 * that {@link DatasourcesObservation observations} make are there.
 */
public enum DatasourcesMeter implements MeterDocumentation {

	/** Connections that the routing DataSource was asked for. */
	ROUTES("datasources.routes", Meter.Type.COUNTER, null,
			"Connections that the routing DataSource was asked for, by what became of that", Key.OUTCOME),

	/** Connections that are lent. */
	LEASES_ACTIVE("datasources.leases.active", Meter.Type.GAUGE, null, "Connections that are lent", Key.SOURCE),

	/** Threads that wait for a connection. */
	LEASES_WAITING("datasources.leases.waiting", Meter.Type.GAUGE, null,
			"Threads that wait for a connection of an open source", Key.SOURCE),

	/** How many connections were lent, and how long they were waited for. */
	LEASES_WAIT("datasources.leases.wait", Meter.Type.TIMER, null,
			"How long connections were waited for, without the opening of their source", Key.SOURCE),

	/** How many connections were lent, and for how long. */
	LEASES_USAGE("datasources.leases.usage", Meter.Type.TIMER, null, "How long connections were lent", Key.SOURCE),

	/** Threads that got no connection in time. */
	LEASES_TIMEOUTS("datasources.leases.timeouts", Meter.Type.COUNTER, null,
			"Threads that got no connection of an open source in time", Key.SOURCE),

	/** Connections that are open and not lent. */
	CONNECTIONS_IDLE("datasources.connections.idle", Meter.Type.GAUGE, null, "Connections that are open and not lent",
			Key.SOURCE),

	/** Connections that there may be. */
	CONNECTIONS_MAX("datasources.connections.max", Meter.Type.GAUGE, null,
			"Connections that there may be, of open sources", Key.SOURCE),

	/** Sources that are unavailable. */
	UNAVAILABLE("datasources.unavailable", Meter.Type.GAUGE, null,
			"1 while the source is unavailable, its users are refused at once, and it is tried again", Key.SOURCE),

	/** Sources by their state. */
	SOURCES("datasources.sources", Meter.Type.GAUGE, null, "Sources that are known, by state", Key.STATE),

	/** Pools that were given up. */
	POOLS_CLOSED("datasources.pools.closed", Meter.Type.COUNTER, null, "Pools that were given up, by the reason",
			Key.REASON),

	/** Threads that wait for a place among the open sources. */
	POOLS_WAITING("datasources.pools.waiting", Meter.Type.GAUGE, null,
			"Threads that wait until another source is idle, as no more may be open"),

	/** Connections that this process may have at a server. */
	SERVER_LIMIT("datasources.server.limit", Meter.Type.GAUGE, null,
			"Connections that this process may have at a database server; NaN where it does not tell", Key.SERVER),

	/** Connections of a server that are lent or being made. */
	SERVER_ACTIVE("datasources.server.active", Meter.Type.GAUGE, null,
			"Connections of a database server that are lent or being made", Key.SERVER),

	/** Connections of a server that are open and not lent. */
	SERVER_IDLE("datasources.server.idle", Meter.Type.GAUGE, null,
			"Connections of a database server that are open and not lent", Key.SERVER),

	/** Who waits for a connection of a server to be made. */
	SERVER_WAITING("datasources.server.waiting", Meter.Type.GAUGE, null,
			"Connections that are to be made, and for which the budget of the database server has no permit",
			Key.SERVER),

	/** Idle connections of a server that were closed for others. */
	SERVER_STOLEN("datasources.server.stolen", Meter.Type.COUNTER, null,
			"Connections that were closed so that another source of the same database server could have one",
			Key.SERVER),

	/** Work that was refused to a user. */
	ACCESS_REFUSALS("datasources.access.refusals", Meter.Type.COUNTER, null,
			"Work that a user was not allowed to do, by what was wanted", Key.OPERATION),

	/** Questions of fan-outs, by what became of them. */
	FANOUT_OUTCOMES("datasources.fanout.outcomes", Meter.Type.COUNTER, null,
			"Questions to one source as part of a fan-out, by what became of them", Key.OUTCOME),

	/** Threads of fan-outs that were stopped and have not let go. */
	FANOUT_LATE("datasources.fanout.late", Meter.Type.GAUGE, null,
			"Threads of fan-outs that their deadline has stopped and that have not let go yet"),

	/** How long ago the catalog was read. */
	CATALOG_AGE("datasources.catalog.age", Meter.Type.GAUGE, "seconds",
			"How long ago the catalog was read last, or found unchanged; NaN if it never was"),

	/** The catalog's revision. */
	CATALOG_REVISION("datasources.catalog.revision", Meter.Type.GAUGE, null,
			"The revision of the catalog that was read last; -1 if none was"),

	/** Sources in the catalog. */
	CATALOG_SOURCES("datasources.catalog.sources", Meter.Type.GAUGE, null, "Rows of sources in the catalog"),

	/** Rows of the catalog that are not used. */
	CATALOG_REFUSED("datasources.catalog.refused", Meter.Type.GAUGE, null,
			"Rows of sources in the catalog that are not used, as something is wrong with them"),

	/** How often the catalog could not be read. */
	CATALOG_FAILURES("datasources.catalog.failures", Meter.Type.COUNTER, null,
			"How often the catalog could not be read");

	/** The value of the tag of what has none of its own. */
	public static final String OTHER = "other";

	private final String meter;

	private final Meter.Type type;

	private final @Nullable String baseUnit;

	private final String description;

	private final @Nullable Key key;

	DatasourcesMeter(String meter, Meter.Type type, @Nullable String baseUnit, String description) {
		this(meter, type, baseUnit, description, null);
	}

	DatasourcesMeter(String meter, Meter.Type type, @Nullable String baseUnit, String description, @Nullable Key key) {
		this.meter = meter;
		this.type = type;
		this.baseUnit = baseUnit;
		this.description = description;
		this.key = key;
	}

	@Override
	public String getName() {
		return this.meter;
	}

	@Override
	public Meter.Type getType() {
		return this.type;
	}

	@Override
	public @Nullable String getBaseUnit() {
		return this.baseUnit;
	}

	@Override
	public KeyName[] getKeyNames() {
		return (this.key != null) ? new KeyName[] { this.key } : EMPTY;
	}

	/**
	 * What it says.
	 * @return a few words
	 */
	public String description() {
		return this.description;
	}

	/** The tags. */
	public enum Key implements KeyName {

		/** A source's name, or {@value DatasourcesMeter#OTHER}. */
		SOURCE("source"),

		/** A database server, or {@value DatasourcesMeter#OTHER}. */
		SERVER("server"),

		/** What became of it. */
		OUTCOME("outcome"),

		/** Where sources are in their life. */
		STATE("state"),

		/** Why something was done. */
		REASON("reason"),

		/** {@code read} or {@code write}. */
		OPERATION("operation");

		private final String key;

		Key(String key) {
			this.key = key;
		}

		@Override
		public String asString() {
			return this.key;
		}

	}

}
