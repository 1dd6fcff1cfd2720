package io.multidb.catalog;

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

import org.jspecify.annotations.Nullable;

import io.multidb.source.DatabaseProduct;

/**
 * The SQL of the catalog's tables, on connections that others open, begin transactions on
 * and close. Immutable and thread-safe.
 */
final class Tables {

	private static final Map<String, List<String>> COLUMNS = columns();

	/** Rows per round trip of a whole read. */
	private static final int FETCHED = 1000;

	private final CatalogSettings settings;

	private final DatabaseProduct product;

	Tables(CatalogSettings settings, DatabaseProduct product) {
		this.settings = settings;
		this.product = product;
	}

	private static Map<String, List<String>> columns() {
		Map<String, List<String>> columns = new LinkedHashMap<>();
		columns.put("revision", List.of("id", "revision", "source_removed", "permission_removed", "mapping_removed"));
		columns.put("source", List.of("name", "display_name", "url", "username", "password", "type", "jurisdiction",
				"attributes", "active", "searchable", "read_only", "revision"));
		columns.put("permission", List.of("source", "user_name", "permission", "granted_by", "granted_at", "revision"));
		columns.put("mapping", List.of("tenant", "source", "revision"));
		return columns;
	}

	/** The tables are not what they must be; the message says what to do. */
	static final class WrongTablesException extends SQLException {

		private static final long serialVersionUID = 1L;

		WrongTablesException(String message) {
			super(message, "42000");
		}

	}

	/**
	 * Looks at the tables.
	 * @return whether all are there
	 * @throws WrongTablesException if one has another shape
	 */
	boolean areThere(Connection connection) throws SQLException {
		boolean all = true;
		for (Map.Entry<String, List<String>> each : COLUMNS.entrySet()) {
			Set<String> found = columnsOf(connection, this.settings.table(each.getKey()));
			Set<String> missing = new TreeSet<>(each.getValue());
			missing.removeAll(found);
			if (found.isEmpty()) {
				all = false;
			}
			else if (!missing.isEmpty()) {
				throw new WrongTablesException("The table '" + this.settings.table(each.getKey()) + "' in the source '"
						+ this.settings.source() + "' is no table of a catalog: it has no column "
						+ String.join(", ", missing) + ". Add what is missing, or have other tables made by setting"
						+ " 'app.tenancy.catalog.table-prefix'.");
			}
		}
		return all;
	}

	private static Set<String> columnsOf(Connection connection, String table) throws SQLException {
		DatabaseMetaData metaData = connection.getMetaData();
		Set<String> found = new TreeSet<>();
		try (ResultSet columns = metaData.getColumns(null, connection.getSchema(),
				table.replace("_", metaData.getSearchStringEscape() + "_"), null)) {
			while (columns.next()) {
				found.add(columns.getString("COLUMN_NAME").toLowerCase(Locale.ROOT));
			}
		}
		return found;
	}

	WrongTablesException missing(String table) {
		return new WrongTablesException("The source '" + this.settings.source()
				+ "' has no tables of a catalog, such as '" + this.settings.table(table)
				+ "', and nothing makes them: add spring-boot-starter-liquibase, or run"
				+ " io/multidb/catalog/tables.sql of this library's jar.");
	}

	/**
	 * Whether every change of a row gives it the next revision, so that those that are
	 * newer than another one are all that have changed since.
	 */
	boolean areStamped(Connection connection) throws SQLException {
		String sql = (this.product == DatabaseProduct.SQLITE)
				? "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name IN (?, ?, ?)"
				: "SELECT COUNT(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
						+ " WHERE t.tgname = ? AND t.tgenabled <> 'D' AND c.oid IN (to_regclass(?), to_regclass(?), to_regclass(?))";
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			int index = 1;
			if (this.product != DatabaseProduct.SQLITE) {
				statement.setString(index++, this.settings.table("stamp"));
			}
			for (String table : List.of("source", "permission", "mapping")) {
				statement.setString(index++,
						this.settings.table(table) + ((this.product == DatabaseProduct.SQLITE) ? "_updated" : ""));
			}
			try (ResultSet result = statement.executeQuery()) {
				return result.next() && result.getInt(1) == 3;
			}
		}
	}

	/** Begins a transaction that sees one state of all tables. */
	void beginSnapshot(Connection connection) throws SQLException {
		if (this.product == DatabaseProduct.SQLITE) {
			// Or else it takes the write lock.
			connection.setReadOnly(true);
			connection.setAutoCommit(false);
			return;
		}
		connection.setAutoCommit(false);
		try (Statement statement = connection.createStatement()) {
			// Not read-only: such a transaction may go to a replica, which lags. Not for
			// the session, which a proxy may share.
			statement.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
		}
	}

	/** The revision's row: the revision, and when rows of each table were removed. */
	record Revision(long revision, long sourceRemoved, long permissionRemoved, long mappingRemoved) {
	}

	Revision revision(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement();
				ResultSet row = statement.executeQuery("SELECT revision, source_removed, permission_removed,"
						+ " mapping_removed FROM " + this.settings.table("revision") + " WHERE id = 1")) {
			if (!row.next()) {
				throw new WrongTablesException("The table '" + this.settings.table("revision") + "' in the source '"
						+ this.settings.source() + "' has no row with the id 1: insert (1, 0, 0, 0, 0).");
			}
			return new Revision(row.getLong(1), row.getLong(2), row.getLong(3), row.getLong(4));
		}
	}

	/** Takes one row of a result. */
	interface RowReader {

		void read(ResultSet row) throws SQLException;

	}

	/**
	 * Reads rows of a table, in the order of {@link #COLUMNS}.
	 * @param after only those with a higher revision; -1 for all
	 */
	void read(Connection connection, String table, long after, RowReader reader) throws SQLException {
		String sql = "SELECT " + String.join(", ", COLUMNS.getOrDefault(table, List.of())) + " FROM "
				+ this.settings.table(table) + ((after >= 0) ? " WHERE revision > " + after : "");
		try (Statement statement = connection.createStatement()) {
			statement.setFetchSize(FETCHED);
			try (ResultSet rows = statement.executeQuery(sql)) {
				while (rows.next()) {
					reader.read(rows);
				}
			}
		}
	}

	/**
	 * Reads some rows of sources, in the order of their names.
	 * @param after where the ones before have ended; empty for the first
	 */
	List<SourceRow> readPage(Connection connection, String after) throws SQLException {
		List<SourceRow> page = new ArrayList<>();
		try (PreparedStatement statement = connection
			.prepareStatement("SELECT " + String.join(", ", COLUMNS.getOrDefault("source", List.of())) + " FROM "
					+ this.settings.table("source") + " WHERE name > ? ORDER BY name LIMIT " + FETCHED)) {
			statement.setString(1, after);
			try (ResultSet rows = statement.executeQuery()) {
				while (rows.next()) {
					page.add(source(rows));
				}
			}
		}
		return page;
	}

	/** A row of sources, whose attributes are not read yet. */
	record SourceRow(CatalogSource source, @Nullable String attributes, @Nullable String problem) {
	}

	static SourceRow source(ResultSet row) throws SQLException {
		List<String> problems = new ArrayList<>();
		String attributes = row.getString(8);
		CatalogSource source = CatalogSource.named(String.valueOf(row.getString(1)))
			.displayName(row.getString(2))
			.url((row.getString(3) != null) ? row.getString(3) : "")
			.username(row.getString(4))
			.password(row.getString(5))
			.type(row.getString(6))
			.jurisdiction(row.getString(7))
			.active(is(row.getString(9), true, "active", problems))
			.searchable(is(row.getString(10), true, "searchable", problems))
			.readOnly(is(row.getString(11), false, "read_only", problems))
			.build();
		return new SourceRow(source, attributes, problems.isEmpty() ? null : String.join(" ", problems));
	}

	/** Tables that were made by hand may have other types. */
	private static boolean is(@Nullable String value, boolean byDefault, String column, List<String> problems) {
		if (value == null) {
			return byDefault;
		}
		return switch (value.strip().toLowerCase(Locale.ROOT)) {
			case "1", "t", "true", "y", "yes" -> true;
			case "0", "f", "false", "n", "no" -> false;
			default -> {
				problems.add("its column '" + column + "' is neither true nor false.");
				yield false;
			}
		};
	}

	/** Every change begins with this: until its transaction ends, no other one begins. */
	void nextRevision(Connection connection, @Nullable String removedFrom) throws SQLException {
		String removed = (removedFrom != null) ? ", " + removedFrom + "_removed = revision + 1" : "";
		int count = update(connection, "UPDATE " + this.settings.table("revision") + " SET revision = revision + 1"
				+ removed + " WHERE id = 1");
		if (count == 0) {
			revision(connection);
		}
	}

	/** After a change, so that it is heard of where no trigger tells. */
	void tell(Connection connection) throws SQLException {
		if (this.product == DatabaseProduct.POSTGRESQL) {
			try (PreparedStatement statement = connection.prepareStatement("SELECT pg_notify(?, '')")) {
				statement.setString(1, channel());
				statement.execute();
			}
		}
	}

	String channel() {
		return this.settings.table("changed");
	}

	void save(Connection connection, CatalogSource row, @Nullable String password) throws SQLException {
		upsert(connection, "source", 1, values(row, password));
	}

	/** Adds a row; whether there was none of its name. */
	boolean insert(Connection connection, CatalogSource row, @Nullable String password) throws SQLException {
		return update(connection, insert("source", values(row, password)) + " DO NOTHING", values(row, password)) > 0;
	}

	private static @Nullable Object[] values(CatalogSource row, @Nullable String password) {
		return new @Nullable Object[] { row.name(), row.displayName(), row.url(), row.username(), password, row.type(),
				row.jurisdiction(), Rows.json(row.attributes()), row.active(), row.searchable(), row.readOnly() };
	}

	void saveMapping(Connection connection, String tenant, String source) throws SQLException {
		upsert(connection, "mapping", 1, tenant, source);
	}

	void savePermission(Connection connection, String source, String user, String permission, @Nullable String by,
			@Nullable String at) throws SQLException {
		upsert(connection, "permission", 2, source, user, permission, by, at);
	}

	private void upsert(Connection connection, String table, int keys, @Nullable Object... values) throws SQLException {
		List<String> columns = COLUMNS.getOrDefault(table, List.of());
		List<String> changed = columns.subList(keys, columns.size());
		String sql = insert(table, values) + " (" + String.join(", ", columns.subList(0, keys)) + ") DO UPDATE SET "
				+ String.join(", ", changed.stream().map((column) -> column + " = EXCLUDED." + column).toList());
		int unused = update(connection, sql, values);
	}

	/** What comes next says what to do on a conflict. */
	private String insert(String table, @Nullable Object... values) {
		return "INSERT INTO " + this.settings.table(table) + " ("
				+ String.join(", ", COLUMNS.getOrDefault(table, List.of())) + ") VALUES (" + "?, ".repeat(values.length)
				+ currentRevision() + ") ON CONFLICT";
	}

	private String currentRevision() {
		return "(SELECT revision FROM " + this.settings.table("revision") + ")";
	}

	/**
	 * Changes some columns of a source's row, and no others.
	 * @return whether there is such a row
	 */
	boolean change(Connection connection, String name, Map<String, ? extends @Nullable Object> columns)
			throws SQLException {
		List<@Nullable Object> values = new ArrayList<>(columns.values());
		values.add(name);
		return update(connection,
				"UPDATE " + this.settings.table("source") + " SET "
						+ String.join("", columns.keySet().stream().map((column) -> column + " = ?, ").toList())
						+ "revision = " + currentRevision() + " WHERE name = ?",
				values.toArray()) > 0;
	}

	/** Whether any source's row was added or changed after a revision. */
	boolean hasChangedSince(Connection connection, long revision) throws SQLException {
		try (PreparedStatement statement = connection
			.prepareStatement("SELECT 1 FROM " + this.settings.table("source") + " WHERE revision > ? LIMIT 1")) {
			statement.setLong(1, revision);
			try (ResultSet row = statement.executeQuery()) {
				return row.next();
			}
		}
	}

	/** Deletes a source's row if it is as that revision has left it. */
	boolean deleteAsOf(Connection connection, String name, long revision) throws SQLException {
		return update(connection, "DELETE FROM " + this.settings.table("source") + " WHERE name = ? AND revision = ?",
				name, revision) > 0;
	}

	/** Deletes what has these keys, the first columns of the table. */
	boolean delete(Connection connection, String table, String... keys) throws SQLException {
		List<String> columns = COLUMNS.getOrDefault(table, List.of()).subList(0, keys.length);
		return update(connection,
				"DELETE FROM " + this.settings.table(table) + " WHERE "
						+ String.join(" AND ", columns.stream().map((column) -> column + " = ?").toList()),
				(Object[]) keys) > 0;
	}

	boolean isThere(Connection connection, String name) throws SQLException {
		try (PreparedStatement statement = connection
			.prepareStatement("SELECT 1 FROM " + this.settings.table("source") + " WHERE name = ?")) {
			statement.setString(1, name);
			try (ResultSet row = statement.executeQuery()) {
				return row.next();
			}
		}
	}

	private static int update(Connection connection, String sql, @Nullable Object... values) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			for (int i = 0; i < values.length; i++) {
				statement.setObject(i + 1, values[i]);
			}
			return statement.executeUpdate();
		}
	}

}
