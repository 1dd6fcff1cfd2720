package io.multidb.catalog;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.routing.Comparison;
import io.multidb.routing.ShardMap;
import io.multidb.routing.ShardTables;
import io.multidb.routing.Shards;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.LeasedConnection;
import io.multidb.source.SourceRegistry;

/**
 * Remembers tenants' places in two tables of the catalog: one row per tenant, whose key
 * decides between processes, and one per source with the list that it is part of.
 * <p>
 * A list is changed in one transaction. A tenant is placed in one of its own, whatever
 * the caller has open, which inserts its row and then holds that of the source, so that
 * nobody is placed in a source that is being left out. Before a source is recorded, its
 * own tables give away the tenants that were placed in it without a catalog, and refuse
 * to be used without one from then on.
 * <p>
 * Thread-safe. A list is compared by one thread at a time.
 */
final class CatalogShards implements ShardMap {

	private static final Logger logger = LoggerFactory.getLogger(CatalogShards.class);

	private static final Duration RETRY = Duration.ofSeconds(1);

	/** So often others may interfere with a change of the list before it is given up. */
	private static final int ATTEMPTS = 5;

	private static final int BATCH = 1000;

	private final CatalogSettings settings;

	private final SourceRegistry registry;

	private final ShardTables own;

	private final DatabaseProduct product;

	/** By list; there are as many as routes. */
	private final Map<Shards, Comparison> comparisons = new ConcurrentHashMap<>();

	/** The sources of all lists. */
	private volatile Set<String> declared = Set.of();

	/**
	 * The row of a source.
	 *
	 * @param source the source
	 * @param generation that of the list
	 * @param complete whether the source's own tables refuse to be used without this
	 * @param sources the list that it is part of, or that it was left out by
	 */
	private record Recorded(String source, int generation, boolean complete, List<String> sources) {

		/** Once it is left out, the others may be another list's business. */
		Set<String> listed(Set<String> declared) {
			Set<String> listed = new TreeSet<>(this.sources);
			if (!listed.contains(this.source)) {
				listed.removeAll(declared);
			}
			return listed;
		}

	}

	CatalogShards(CatalogSettings settings, SourceRegistry registry) {
		this.settings = settings;
		this.registry = registry;
		this.own = new ShardTables(registry);
		this.product = registry.get(settings.source()).definition().url().product();
	}

	@Override
	public void declare(Collection<Shards> lists) {
		this.declared = lists.stream().flatMap((list) -> list.sources().stream()).collect(Collectors.toSet());
		this.own.declare(lists);
	}

	@Override
	public void check(Shards shards) {
		comparison(shards).ensureDone();
	}

	private Comparison comparison(Shards shards) {
		return this.comparisons.computeIfAbsent(shards, (list) -> new Comparison(this.registry, list,
				this.settings.source(), (comparison) -> compare(list, comparison)));
	}

	@Override
	public String place(String tenant, Shards shards) {
		String found;
		try {
			found = find(tenant);
			if (found == null) {
				comparison(shards).ensureDoneNow();
			}
		}
		catch (SourceUnavailableException ex) {
			throw new SourceUnavailableException(ex.source(), "It cannot be told where tenant '" + tenant
					+ "' was placed, so it is not placed anew. " + ex.getMessage(), ex.retryAfter(), ex);
		}
		if (found == null) {
			found = placeIn(shards.preferredBy(tenant).get(0), tenant, shards);
		}
		if (!shards.sources().contains(found) && this.registry.find(found) == null) {
			throw new SourceUnavailableException(found,
					"Tenant '" + tenant + "' was placed in '" + found + "', which this process does not know.", RETRY,
					null);
		}
		return found;
	}

	private @Nullable String find(String tenant) {
		return in((connection) -> find(connection, tenant)).orElse(null);
	}

	private Optional<String> find(Connection connection, String tenant) throws SQLException {
		return string(connection, "SELECT source FROM " + table("place") + " WHERE tenant = ?", tenant);
	}

	private String placeIn(String source, String tenant, Shards shards) {
		String placed;
		try {
			placed = inTransaction((connection) -> {
				int inserted = update(connection,
						"INSERT INTO " + table("place") + " (tenant, source) VALUES (?, ?) ON CONFLICT DO NOTHING",
						tenant, source);
				if (inserted == 0) {
					return find(connection, tenant);
				}
				Optional<String> current = string(connection,
						"SELECT source FROM " + table("place_list")
								+ " WHERE source = ? AND generation = ? AND sources = ? AND complete = 1"
								+ ((this.product == DatabaseProduct.SQLITE) ? "" : " FOR SHARE"),
						source, shards.generation(), String.join(",", shards.sources()));
				if (current.isEmpty()) {
					connection.rollback();
				}
				return current;
			}).orElse(null);
		}
		catch (SourceUnavailableException ex) {
			// Perhaps another process was first, or this one's commit did arrive.
			placed = find(tenant);
			if (placed == null) {
				throw ex;
			}
		}
		if (placed == null) {
			comparison(shards).begin();
			throw new SourceUnavailableException(source, "The list of sources of which '" + source
					+ "' is one was changed while this process runs with " + shards + ", generation "
					+ shards.generation()
					+ ". Tenants that have a place keep it; new ones are placed by processes that have the new list.",
					RETRY, null);
		}
		return placed;
	}

	private void compare(Shards shards, Comparison comparison) {
		for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
			Map<String, Recorded> rows = in(this::rows);
			Map<String, Recorded> recorded = new TreeMap<>(rows);
			recorded.keySet().retainAll(shards.sources());
			refuseMistakes(shards, recorded);
			List<String> fresh = shards.sources().stream().filter((source) -> !recorded.containsKey(source)).toList();
			boolean current = fresh.isEmpty()
					&& recorded.values().stream().allMatch((row) -> row.generation() == shards.generation());
			if (!current || !recorded.values().stream().allMatch(Recorded::complete)) {
				comparison.refuseOpening();
			}
			try {
				if (current || record(shards, rows, recorded, tenantsOf(shards, fresh))) {
					complete(shards);
					return;
				}
			}
			catch (InvalidDatasourcesException ex) {
				// Perhaps another process is recording it, and is not ready.
				if (attempt == ATTEMPTS - 1) {
					throw ex;
				}
			}
		}
		throw unavailable("Its list of sources " + shards + " is being changed by other processes at the same time.",
				null);
	}

	private static void refuseMistakes(Shards shards, Map<String, Recorded> recorded) {
		List<String> mistakes = new ArrayList<>();
		recorded.forEach((source, row) -> {
			String mistake = shards.mistake("in the catalog, for '" + source + "'", row.generation(), row.sources());
			if (mistake != null) {
				mistakes.add(mistake);
			}
		});
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
	}

	/** Those that sources which are not recorded yet have placed without a catalog. */
	private Map<String, List<String>> tenantsOf(Shards shards, List<String> fresh) {
		if (fresh.size() == shards.sources().size()) {
			return this.own.handOver(shards);
		}
		Map<String, List<String>> tenants = new LinkedHashMap<>();
		// One by one, so that it does not matter which of them are to be added.
		fresh.forEach((source) -> tenants.putAll(this.own.handOver(new Shards(List.of(source), 1))));
		return tenants;
	}

	/**
	 * Records the list.
	 * @return whether it did; if not, somebody else has changed it
	 */
	private boolean record(Shards shards, Map<String, Recorded> rows, Map<String, Recorded> recorded,
			Map<String, List<String>> tenants) {
		Set<String> removed = new TreeSet<>();
		recorded.values().forEach((row) -> removed.addAll(row.listed(this.declared)));
		shards.sources().forEach(removed::remove);
		Set<String> all = new TreeSet<>(removed);
		all.addAll(shards.sources());
		String list = String.join(",", shards.sources());
		return inTransaction((connection) -> {
			for (String source : all) {
				Recorded former = rows.get(source);
				int changed = (former == null)
						? update(connection,
								"INSERT INTO " + table("place_list")
										+ " (source, generation, complete, sources) VALUES (?, ?, 0, ?)"
										+ " ON CONFLICT DO NOTHING",
								source, shards.generation(), list)
						: update(connection, "UPDATE " + table("place_list")
								+ " SET generation = ?, sources = ? WHERE source = ? AND generation = ? AND sources = ?",
								shards.generation(), list, source, former.generation(),
								String.join(",", former.sources()));
				if (changed == 0) {
					connection.rollback();
					return false;
				}
			}
			for (String source : removed) {
				refuseTenants(connection, source, shards);
			}
			for (Map.Entry<String, List<String>> each : tenants.entrySet()) {
				take(connection, each.getKey(), each.getValue());
			}
			return true;
		});
	}

	private void refuseTenants(Connection connection, String source, Shards shards) throws SQLException {
		String tenants = string(connection, "SELECT COUNT(*) FROM " + table("place") + " WHERE source = ?", source)
			.orElse("0");
		if (!"0".equals(tenants)) {
			throw new InvalidDatasourcesException(List.of("The source '" + source + "' cannot be left out of " + shards
					+ ": " + tenants + " tenants are placed in it. Stop all other processes, which remember where these"
					+ " are; then move their data, name the source they are in then in '" + table("place")
					+ "' of the catalog, and start with the shorter list."));
		}
	}

	private void take(Connection connection, String source, List<String> tenants) throws SQLException {
		try (PreparedStatement insert = connection.prepareStatement(
				"INSERT INTO " + table("place") + " (tenant, source) VALUES (?, ?) ON CONFLICT DO NOTHING")) {
			int waiting = 0;
			for (String tenant : tenants) {
				insert.setString(1, tenant);
				insert.setString(2, source);
				insert.addBatch();
				if (++waiting == BATCH) {
					int[] unused = insert.executeBatch();
					waiting = 0;
				}
			}
			int[] unused = insert.executeBatch();
		}
		if (tenants.isEmpty()) {
			return;
		}
		Set<String> taken = new HashSet<>();
		try (PreparedStatement select = connection
			.prepareStatement("SELECT tenant FROM " + table("place") + " WHERE source = ?")) {
			select.setString(1, source);
			try (ResultSet rows = select.executeQuery()) {
				while (rows.next()) {
					taken.add(rows.getString(1));
				}
			}
		}
		for (String tenant : tenants) {
			if (!taken.contains(tenant)) {
				throw new InvalidDatasourcesException(List.of("Tenant '" + tenant + "' was placed in '" + source
						+ "', and the catalog says that it is in another source: delete it from 'multidb_shard_tenant' in '"
						+ source + "' or from '" + table("place") + "' in the catalog, whichever is wrong."));
			}
		}
		logger.info("{}: the catalog knows its {} tenants from here on", source, tenants.size());
	}

	/** Only now sources may not be used without the catalog, which knows all of them. */
	private void complete(Shards shards) {
		Map<String, Recorded> rows = in(this::rows);
		for (String source : shards.sources()) {
			Recorded row = rows.get(source);
			if (row != null && !row.complete()) {
				this.own.handedOver(source);
				int unused = in((connection) -> update(connection,
						"UPDATE " + table("place_list") + " SET complete = 1 WHERE source = ?", source));
			}
		}
	}

	private Map<String, Recorded> rows(Connection connection) throws SQLException {
		Map<String, Recorded> rows = new TreeMap<>();
		try (Statement statement = connection.createStatement();
				ResultSet found = statement
					.executeQuery("SELECT source, generation, complete, sources FROM " + table("place_list"))) {
			while (found.next()) {
				rows.put(found.getString(1), new Recorded(found.getString(1), found.getInt(2), found.getInt(3) != 0,
						List.of(found.getString(4).split(","))));
			}
		}
		return rows;
	}

	private String table(String name) {
		return this.settings.table(name);
	}

	private static Optional<String> string(Connection connection, String sql, Object... parameters)
			throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			set(statement, parameters);
			try (ResultSet rows = statement.executeQuery()) {
				return rows.next() ? Optional.of(rows.getString(1)) : Optional.empty();
			}
		}
	}

	private static int update(Connection connection, String sql, Object... parameters) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			set(statement, parameters);
			return statement.executeUpdate();
		}
	}

	private static void set(PreparedStatement statement, Object... parameters) throws SQLException {
		for (int i = 0; i < parameters.length; i++) {
			statement.setObject(i + 1, parameters[i]);
		}
	}

	/**
	 * On the catalog itself, with a connection that is no part of what the caller does.
	 */
	private <T> T in(Work<T> work) {
		try (Connection connection = this.registry.get(this.settings.source()).getConnection()) {
			if (connection instanceof LeasedConnection leased) {
				leased.stayOn(false);
			}
			if (!connection.getAutoCommit()) {
				connection.setAutoCommit(true);
			}
			return work.with(connection);
		}
		catch (SQLException ex) {
			if (ex.getCause() instanceof SourceUnavailableException failure) {
				throw failure;
			}
			throw unavailable(ex.getMessage() + hint(ex), ex);
		}
	}

	private <T> T inTransaction(Work<T> work) {
		return in((connection) -> {
			connection.setAutoCommit(false);
			boolean done = false;
			try {
				boolean unused = LockTimeout.set(connection, this.product,
						this.registry.get(this.settings.source()).patience());
				T result = work.with(connection);
				connection.commit();
				done = true;
				return result;
			}
			finally {
				if (!done) {
					connection.rollback();
				}
				connection.setAutoCommit(true);
			}
		});
	}

	private SourceUnavailableException unavailable(String why, @Nullable SQLException cause) {
		return new SourceUnavailableException(this.settings.source(),
				"The catalog '" + this.settings.source() + "': " + why, RETRY, cause);
	}

	private String hint(SQLException ex) {
		boolean missing = "42P01".equals(ex.getSQLState()) || String.valueOf(ex.getMessage()).contains("no such table");
		return missing ? " " + new Tables(this.settings, this.product).missing("place").getMessage() : "";
	}

	@FunctionalInterface
	private interface Work<T> {

		T with(Connection connection) throws SQLException;

	}

}
