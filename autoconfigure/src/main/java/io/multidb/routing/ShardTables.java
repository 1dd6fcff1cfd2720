package io.multidb.routing;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.source.LeasedConnection;
import io.multidb.source.SourceRegistry;

/**
 * Remembers tenants' places in the sources themselves. Each has two tables:
 * {@code multidb_shard}, with one row that says whose shard it is and what the list of
 * all is, and {@code multidb_shard_tenant}, with the tenants that were placed in it.
 * <p>
 * Why no tenant is ever placed twice: it is placed only by a process that has seen its
 * own generation of the list in all sources, then looked for the tenant in all of them,
 * and in a transaction that holds the row of the source while that generation is still in
 * it. A row's generation only grows. If two processes with different lists each missed
 * the tenant that the other one placed, each source would have had the other's generation
 * first, and one of both would have had to shrink.
 * <p>
 * Thread-safe. A list is compared by one thread at a time.
 */
public final class ShardTables implements ShardMap {

	private static final Duration RETRY = Duration.ofSeconds(1);

	/** So often others may interfere with a change of the list before it is given up. */
	private static final int ATTEMPTS = 5;

	/** The generation of sources whose tenants' places are known elsewhere. */
	private static final int HANDED_OVER = Integer.MAX_VALUE;

	private final SourceRegistry registry;

	/** By list; there are as many as routes. */
	private final Map<Shards, Comparison> comparisons = new ConcurrentHashMap<>();

	/** The sources of all lists. */
	private volatile Set<String> declared = Set.of();

	/**
	 * Creates the map; nothing is opened.
	 * @param registry where sources are found
	 */
	public ShardTables(SourceRegistry registry) {
		this.registry = registry;
	}

	@Override
	public void declare(Collection<Shards> lists) {
		this.declared = lists.stream().flatMap((list) -> list.sources().stream()).collect(Collectors.toSet());
	}

	@Override
	public void check(Shards shards) {
		comparison(shards).ensureDone();
	}

	@Override
	public String place(String tenant, Shards shards) {
		Comparison comparison = comparison(shards);
		List<String> sources = shards.preferredBy(tenant);
		String found = comparison.isDone() ? null : find(tenant, sources, (failure) -> {
		});
		if (found != null) {
			return found;
		}
		try {
			comparison.ensureDoneNow();
			// Only what is looked for after the comparison counts.
			found = find(tenant, sources, (failure) -> {
				throw failure;
			});
		}
		catch (SourceUnavailableException ex) {
			throw new SourceUnavailableException(ex.source(), "It cannot be told in which of " + shards + " tenant '"
					+ tenant + "' was placed, so it is not placed anew. " + ex.getMessage(), ex.retryAfter(), ex);
		}
		return (found != null) ? found : placeIn(sources.get(0), tenant, shards, comparison);
	}

	/**
	 * Gives away where tenants are, to another map that is to know it from here on. The
	 * sources place nobody any more, whichever process asks them to, and refuse to be
	 * used without the other map. To be repeated until {@link #handedOver} was called.
	 * @param shards the sources
	 * @return the tenants that were placed, by source
	 * @throws InvalidDatasourcesException if the list is not the recorded one or its
	 * successor, or the tenants' places were given away for good before
	 * @throws SourceUnavailableException if that cannot be done now
	 */
	public Map<String, List<String>> handOver(Shards shards) {
		Map<String, @Nullable Recorded> recorded = recorded(shards);
		List<String> mistakes = new ArrayList<>();
		boolean begun = false;
		for (Map.Entry<String, @Nullable Recorded> each : recorded.entrySet()) {
			Recorded row = each.getValue();
			if (row == null || !row.isHandedOver()) {
				continue;
			}
			begun = true;
			if (!row.source().equals(each.getKey())) {
				mistakes.add(notIts(each.getKey(), row.source()));
			}
			else if (row.complete()) {
				mistakes.add("Where the tenants of the source '" + each.getKey()
						+ "' are was known by a catalog, and not by"
						+ " the one that is configured: put that one back, or its tables from a backup. Or else they would"
						+ " be placed anew.");
			}
			else if (!row.sources().equals(shards.sources())) {
				mistakes.add("That a catalog is to know where the tenants of " + row.sources()
						+ " are was begun and not finished. Start with that list once, then with " + shards + ".");
			}
		}
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
		if (!begun) {
			check(shards);
			comparison(shards).begin();
		}
		Map<String, List<String>> tenants = new LinkedHashMap<>();
		shards.sources().forEach((source) -> tenants.put(source, handOver(source, shards)));
		return tenants;
	}

	private List<String> handOver(String source, Shards shards) {
		return inTransaction(source, (connection) -> {
			if (update(connection,
					"UPDATE multidb_shard SET generation = ?, complete = 0"
							+ " WHERE sources = ? AND (generation <= ? OR (generation = ? AND complete = 0))",
					HANDED_OVER, String.join(",", shards.sources()), shards.generation(), HANDED_OVER) == 0) {
				throw new SourceUnavailableException(source,
						"The list of sources " + shards + " is being changed by other processes at the same time.",
						RETRY, null);
			}
			List<String> tenants = new ArrayList<>();
			try (Statement statement = connection.createStatement();
					ResultSet rows = statement.executeQuery("SELECT tenant FROM multidb_shard_tenant")) {
				while (rows.next()) {
					tenants.add(rows.getString(1));
				}
			}
			return tenants;
		});
	}

	/**
	 * Makes it final that another map knows where tenants are.
	 * @param source a source that {@link #handOver} was called for
	 * @throws SourceUnavailableException if it cannot be done now
	 */
	public void handedOver(String source) {
		in(source, (connection) -> update(connection, "UPDATE multidb_shard SET complete = 1 WHERE generation = ?",
				HANDED_OVER));
	}

	private Map<String, @Nullable Recorded> recorded(Shards shards) {
		Map<String, @Nullable Recorded> recorded = new LinkedHashMap<>();
		for (String source : shards.sources()) {
			recorded.put(source, in(source, ShardTables::read).orElse(null));
		}
		return recorded;
	}

	private Comparison comparison(Shards shards) {
		return this.comparisons.computeIfAbsent(shards,
				(list) -> new Comparison(this.registry, list, list.sources().get(0), (comparison) -> {
					comparison.refuseOpening();
					new Recording(list).compare();
				}));
	}

	/**
	 * Where a tenant was placed.
	 * @param undecided is told if nobody knows of it, but not all could be asked
	 */
	private @Nullable String find(String tenant, List<String> sources, Consumer<SourceUnavailableException> undecided) {
		SourceUnavailableException failure = null;
		for (String source : sources) {
			try {
				if (isPlaced(source, tenant)) {
					return source;
				}
			}
			catch (SourceUnavailableException ex) {
				failure = (failure != null) ? failure : ex;
			}
		}
		if (failure != null) {
			undecided.accept(failure);
		}
		return null;
	}

	private boolean isPlaced(String source, String tenant) {
		String owner = in(source, (connection) -> Optional.ofNullable(owner(connection, tenant))).orElse(null);
		if (owner != null && !owner.equals(source)) {
			throw new SourceUnavailableException(source, notIts(source, owner), RETRY, null);
		}
		return owner != null;
	}

	private static String notIts(String source, String owner) {
		return "The database of the source '" + source + "' is the one in which tenants of '" + owner
				+ "' were placed. Give it that name again: where tenants are is known by it.";
	}

	private String placeIn(String source, String tenant, Shards shards, Comparison comparison) {
		try {
			boolean current = inTransaction(source, (connection) -> {
				if (update(connection,
						"UPDATE multidb_shard SET generation = generation WHERE generation = ? AND sources = ?",
						shards.generation(), String.join(",", shards.sources())) == 0) {
					return false;
				}
				if (owner(connection, tenant) == null) {
					update(connection, "INSERT INTO multidb_shard_tenant (tenant) VALUES (?)", tenant);
				}
				return true;
			});
			if (current) {
				return source;
			}
		}
		catch (SourceUnavailableException ex) {
			// Perhaps another process was first, or this one's commit did arrive.
			if (isPlaced(source, tenant)) {
				return source;
			}
			throw ex;
		}
		comparison.begin();
		throw new SourceUnavailableException(source, "The list of sources of which '" + source
				+ "' is one was changed while this process runs with " + shards + ", generation " + shards.generation()
				+ ". Tenants that have a place keep it; new ones are placed by processes that have the new list.",
				RETRY, null);
	}

	/** Whose the database is in which a tenant was placed; {@code null} if it was not. */
	private static @Nullable String owner(Connection connection, String tenant) throws SQLException {
		try (PreparedStatement select = connection.prepareStatement("SELECT multidb_shard.source"
				+ " FROM multidb_shard, multidb_shard_tenant WHERE multidb_shard_tenant.tenant = ?")) {
			select.setString(1, tenant);
			try (ResultSet rows = select.executeQuery()) {
				return rows.next() ? rows.getString(1) : null;
			}
		}
	}

	private static int update(Connection connection, String sql, Object... parameters) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			for (int i = 0; i < parameters.length; i++) {
				statement.setObject(i + 1, parameters[i]);
			}
			return statement.executeUpdate();
		}
	}

	/** What one source says of itself and of the others. */
	private static Optional<Recorded> read(Connection connection) throws SQLException {
		makeTables(connection);
		try (Statement statement = connection.createStatement();
				ResultSet rows = statement
					.executeQuery("SELECT source, generation, complete, sources FROM multidb_shard")) {
			return rows.next() ? Optional.of(new Recorded(rows.getString(1), rows.getInt(2), rows.getInt(3) != 0,
					List.of(rows.getString(4).split(",")))) : Optional.empty();
		}
	}

	private static void makeTables(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			try (ResultSet unused = statement.executeQuery("SELECT count(*) FROM multidb_shard")) {
				return;
			}
			catch (SQLException ex) {
				create(statement, "multidb_shard_tenant (tenant VARCHAR(64) NOT NULL PRIMARY KEY)");
				create(statement, "multidb_shard (id INTEGER NOT NULL PRIMARY KEY, source VARCHAR(64) NOT NULL,"
						+ " generation INTEGER NOT NULL, complete INTEGER NOT NULL, sources TEXT NOT NULL)");
			}
		}
	}

	/** PostgreSQL lets one of two fail that create the same table at the same time. */
	private static void create(Statement statement, String table) throws SQLException {
		String sql = "CREATE TABLE IF NOT EXISTS " + table;
		try {
			statement.executeUpdate(sql);
		}
		catch (SQLException ex) {
			statement.executeUpdate(sql);
		}
	}

	/** On the source itself, never on its fallback, which knows of no tenant. */
	private <T> T in(String source, Work<T> work) {
		try (Connection connection = this.registry.get(source).getConnection()) {
			if (connection instanceof LeasedConnection leased) {
				leased.stayOn(false);
			}
			if (!connection.getAutoCommit()) {
				connection.setAutoCommit(true);
			}
			return work.with(connection);
		}
		catch (SQLException ex) {
			throw unavailable(source, ex);
		}
		catch (UnknownSourceException ex) {
			throw new SourceUnavailableException(source,
					ex.getMessage() + " Tenants may have been placed in it, so it cannot be done without.", RETRY, ex);
		}
	}

	private <T> T inTransaction(String source, Work<T> work) {
		return in(source, (connection) -> {
			connection.setAutoCommit(false);
			boolean done = false;
			try {
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

	private static SourceUnavailableException unavailable(String source, SQLException ex) {
		if (ex.getCause() instanceof SourceUnavailableException failure) {
			return failure;
		}
		return new SourceUnavailableException(source,
				"Source '" + source + "' did not say which tenants were placed in it: " + ex.getMessage(), RETRY, ex);
	}

	@FunctionalInterface
	private interface Work<T> {

		T with(Connection connection) throws SQLException;

	}

	/**
	 * The row of a source.
	 *
	 * @param source whose it is
	 * @param generation that of the list
	 * @param complete whether all sources of the list have had it
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

		boolean isHandedOver() {
			return this.generation == HANDED_OVER;
		}

		boolean is(Shards shards) {
			return this.generation == shards.generation() && this.sources.equals(shards.sources());
		}

	}

	/** Records a list in its sources, unless it is recorded. */
	private final class Recording {

		private final Shards shards;

		Recording(Shards shards) {
			this.shards = shards;
		}

		void compare() {
			for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
				Map<String, @Nullable Recorded> recorded = recorded(this.shards);
				Set<String> listed = listed(recorded);
				if (recorded.containsValue(null) && !listed.isEmpty()) {
					// Another process may have recorded them all while they were read.
					recorded = recorded(this.shards);
				}
				List<String> mistakes = mistakes(recorded, listed);
				if (!mistakes.isEmpty()) {
					throw new InvalidDatasourcesException(mistakes);
				}
				if (recorded.values().stream().allMatch((each) -> each != null && each.is(this.shards))) {
					recorded.forEach((source, each) -> complete(source));
					return;
				}
				removed(recorded).forEach(this::leave);
				recorded.forEach(this::record);
			}
			throw new SourceUnavailableException(this.shards.sources().get(0),
					"The list of sources " + this.shards + " is being changed by other processes at the same time.",
					RETRY, null);
		}

		private List<String> mistakes(Map<String, @Nullable Recorded> recorded, Set<String> listed) {
			List<String> mistakes = new ArrayList<>();
			recorded.forEach((source, each) -> {
				String mistake = (each != null) ? mistake(source, each)
						: listed.contains(source) ? "The database of the" + " source '" + source
								+ "' does not know that it is one of " + listed
								+ ", over which tenants were spread: it may be an empty one in place of theirs, who would be"
								+ " placed anew. Put the right one back." : null;
				if (mistake != null) {
					mistakes.add(mistake);
				}
			});
			return mistakes.isEmpty() ? mistakesOfRemoval(recorded) : mistakes;
		}

		private @Nullable String mistake(String source, Recorded each) {
			if (!each.source().equals(source)) {
				return notIts(source, each.source());
			}
			if (each.isHandedOver()) {
				return "Where the tenants of the source '" + source
						+ "' are is known by a catalog, and no longer by the"
						+ " source itself: name that again by 'app.tenancy.catalog.source'.";
			}
			return this.shards.mistake("in '" + source + "'", each.generation(), each.sources());
		}

		/** What must have a row: the sources of all lists that have come into force. */
		private Set<String> listed(Map<String, @Nullable Recorded> recorded) {
			Set<String> listed = new TreeSet<>();
			recorded.values().forEach((each) -> {
				if (each != null && (each.complete() || each.generation() < this.shards.generation())) {
					listed.addAll(each.sources());
				}
			});
			return listed;
		}

		private Set<String> removed(Map<String, @Nullable Recorded> recorded) {
			Set<String> removed = new TreeSet<>();
			recorded.values().forEach((each) -> {
				if (each != null) {
					removed.addAll(each.listed(ShardTables.this.declared));
				}
			});
			this.shards.sources().forEach(removed::remove);
			return removed;
		}

		private List<String> mistakesOfRemoval(Map<String, @Nullable Recorded> recorded) {
			List<String> mistakes = new ArrayList<>();
			for (String source : removed(recorded)) {
				if (ShardTables.this.registry.find(source) == null) {
					mistakes.add("The source '" + source + "' is left out of " + this.shards
							+ ", and whether tenants are placed in it cannot be told, as it is not declared. Declare it"
							+ " under 'app.datasources' until the shorter list is in force.");
				}
				else {
					int tenants = in(source, (connection) -> {
						makeTables(connection);
						return tenants(connection);
					});
					if (tenants > 0) {
						mistakes.add(notEmpty(source, tenants));
					}
				}
			}
			return mistakes;
		}

		private String notEmpty(String source, int tenants) {
			return "The source '" + source + "' cannot be left out of " + this.shards + ": " + tenants
					+ " tenants are placed in it. Stop all other processes, which remember where these are; then move their"
					+ " data, insert them into 'multidb_shard_tenant' of the source they are in then, delete them from that"
					+ " of '" + source + "', and start with the shorter list.";
		}

		private static int tenants(Connection connection) throws SQLException {
			try (Statement statement = connection.createStatement();
					ResultSet rows = statement.executeQuery("SELECT count(*) FROM multidb_shard_tenant")) {
				return rows.next() ? rows.getInt(1) : 0;
			}
		}

		/**
		 * From here on, nobody places a tenant in a source that is listed no more. One
		 * that has no row yet is given one, or a process that is just recording a former
		 * list would come after.
		 */
		private void leave(String source) {
			int tenants = inTransaction(source, (connection) -> {
				int left = update(connection,
						"INSERT INTO multidb_shard (id, source, generation, complete, sources)"
								+ " VALUES (1, ?, ?, 0, ?) ON CONFLICT DO NOTHING",
						source, this.shards.generation(), list());
				left += update(connection,
						"UPDATE multidb_shard SET generation = ?, complete = 0, sources = ? WHERE generation < ?",
						this.shards.generation(), list(), this.shards.generation());
				int still = (left > 0) ? tenants(connection) : 0;
				if (still > 0) {
					connection.rollback();
				}
				return still;
			});
			if (tenants > 0) {
				throw new InvalidDatasourcesException(List.of(notEmpty(source, tenants)));
			}
		}

		private void record(String source, @Nullable Recorded former) {
			if (former != null && former.is(this.shards)) {
				return;
			}
			try {
				in(source, (connection) -> (former == null)
						? update(connection,
								"INSERT INTO multidb_shard (id, source, generation, complete, sources)"
										+ " VALUES (1, ?, ?, 0, ?)",
								source, this.shards.generation(), list())
						: update(connection,
								"UPDATE multidb_shard SET generation = ?, complete = 0, sources = ? WHERE generation = ?",
								this.shards.generation(), list(), former.generation()));
			}
			catch (SourceUnavailableException ex) {
				if (former != null || in(source, ShardTables::read).isEmpty()) {
					throw ex;
				}
				// Another process was first; the next attempt sees what it recorded.
			}
		}

		private void complete(String source) {
			in(source,
					(connection) -> update(connection,
							"UPDATE multidb_shard SET complete = 1 WHERE generation = ? AND complete = 0",
							this.shards.generation()));
		}

		private String list() {
			return String.join(",", this.shards.sources());
		}

	}

}
