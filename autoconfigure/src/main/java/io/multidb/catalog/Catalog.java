package io.multidb.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.SourceContext;
import io.multidb.discovery.SourceProvider;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * The catalog of sources: what is in it, and changing it without a restart. A bean where
 * {@code app.tenancy.catalog.source} is set.
 * <p>
 * <b>Reading</b> asks the memory of this node, which follows the tables on all nodes; it
 * costs no query, and works while the catalog is down, as of its last known state.
 * <p>
 * <b>Changing</b> is work on the catalog's source, as inside of
 * {@code SourceContext.enter(source)}. Without a transaction on that source it has one of
 * its own, and when the method returns this node knows of the change and its sources can
 * be used. Inside of one it takes part in it: nothing is seen before it is committed, and
 * nothing is changed if it is rolled back; sources follow soon afterwards. Inside of a
 * transaction on another source it is refused with
 * {@link io.multidb.SourceSwitchException}, as every switch is. Other nodes follow within
 * milliseconds where the database tells them (PostgreSQL), or else within
 * {@code app.tenancy.catalog.poll-interval}.
 * <p>
 * Thread-safe. Failures of the database are {@code DataAccessException}s.
 */
public final class Catalog implements AutoCloseable {

	/** A node that cannot keep up is not waited for: the change is committed. */
	private static final Duration FOLLOWED = Duration.ofSeconds(5);

	private final CatalogSettings settings;

	private final CatalogReader reader;

	private final DataSource router;

	private final JdbcTemplate jdbc;

	private final Predicate<Duration> awaitApplied;

	/**
	 * Creates the catalog; nothing is read or started.
	 * @param settings where it is
	 * @param registry the sources, among them the catalog's own
	 * @param router the DataSource in front of them
	 * @param migrator makes the tables, if it makes any
	 * @param events is told what happens to the catalog
	 * @param awaitApplied waits until sources are as definitions say, so long at most
	 */
	public Catalog(CatalogSettings settings, SourceRegistry registry, DataSource router, SourceMigrator migrator,
			Consumer<CatalogEvent> events, Predicate<Duration> awaitApplied) {
		this.settings = settings;
		this.router = router;
		this.jdbc = new JdbcTemplate(router);
		this.reader = new CatalogReader(settings, registry, migrator, events);
		this.awaitApplied = awaitApplied;
	}

	/**
	 * Begins to follow the tables. To be called once.
	 * @param timeout how long to wait for a first attempt to read them; a catalog that is
	 * down is tried again behind it
	 */
	public void start(Duration timeout) {
		this.reader.start(timeout);
	}

	/**
	 * The catalog as a provider of sources: those whose rows are active and right.
	 * @return the provider
	 */
	public SourceProvider provider() {
		return this.reader;
	}

	/**
	 * How the catalog is, as this node sees it.
	 * @return a snapshot
	 */
	public CatalogStatus status() {
		return this.reader.status();
	}

	/**
	 * Finds a row.
	 * @param name the source's name
	 * @return the row, active or not; {@code null} if there is none
	 */
	public @Nullable CatalogSource find(String name) {
		return this.reader.sources().get(name);
	}

	/**
	 * All rows.
	 * @return a snapshot of all rows, active or not, sorted by name
	 */
	public List<CatalogSource> all() {
		return sorted((source) -> true);
	}

	/**
	 * The sources that questions to all sources go to.
	 * @return a snapshot of the rows that are active and searchable, sorted by name;
	 * without those that have mistakes
	 */
	public List<CatalogSource> searchable() {
		Map<String, String> refused = this.reader.status().refused();
		return sorted((source) -> source.active() && source.searchable() && !refused.containsKey(source.name()));
	}

	private List<CatalogSource> sorted(Predicate<CatalogSource> which) {
		return this.reader.sources()
			.values()
			.stream()
			.filter(which)
			.sorted(Comparator.comparing(CatalogSource::name))
			.toList();
	}

	/**
	 * Adds a row, or changes the one of this name. A password that is not a reference is
	 * encrypted, also one that was encrypted with a former key.
	 * @param source the row
	 * @throws IllegalArgumentException if a URL, password or name is not allowed; nothing
	 * has changed
	 */
	public void save(CatalogSource source) {
		String password;
		try {
			password = this.reader.rows().stored(source);
			this.reader.rows().define(source.change().password(password).build());
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException(
					"The source '" + source.name() + "' cannot be saved: " + ex.getMessage());
		}
		boolean unused = write(null, (tables, connection) -> {
			tables.save(connection, source, password);
			return true;
		});
	}

	/**
	 * Takes a source out of use: it takes no new work, and what is in use may finish. Its
	 * row stays.
	 * @param name the source's name
	 * @return whether there is such a row
	 */
	public boolean deactivate(String name) {
		return write(null, (tables, connection) -> tables.setActive(connection, name, false));
	}

	/**
	 * Puts a source to use again that was deactivated.
	 * @param name the source's name
	 * @return whether there is such a row
	 */
	public boolean activate(String name) {
		return write(null, (tables, connection) -> tables.setActive(connection, name, true));
	}

	/**
	 * Removes a row, and thereby its source, as {@link #deactivate} does. Its database is
	 * left alone.
	 * @param name the source's name
	 * @return whether there was such a row
	 */
	public boolean remove(String name) {
		return write("source", (tables, connection) -> tables.delete(connection, "source", name));
	}

	/** What is done to the tables in one transaction. */
	private interface Change {

		boolean apply(Tables tables, Connection connection) throws SQLException;

	}

	/** A change, and the revision to wait for; -1 for none. */
	private record Written(boolean result, long revision) {
	}

	private boolean write(@Nullable String removedFrom, Change change) {
		Written written;
		try (var scope = SourceContext.enter(this.settings.source())) {
			written = this.jdbc.execute((Connection connection) -> transact(connection, removedFrom, change));
		}
		if (written == null) {
			return false;
		}
		if (written.revision() >= 0 && this.reader.awaitRevision(written.revision(), FOLLOWED)) {
			boolean unused = this.awaitApplied.test(FOLLOWED);
		}
		return written.result();
	}

	private Written transact(Connection connection, @Nullable String removedFrom, Change change) throws SQLException {
		if (isInTransaction(connection)) {
			boolean result = apply(connection, removedFrom, change);
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void afterCompletion(int status) {
					Catalog.this.reader.wake();
				}

			});
			return new Written(result, -1);
		}
		boolean autoCommit = connection.getAutoCommit();
		connection.setAutoCommit(false);
		try {
			boolean result = apply(connection, removedFrom, change);
			long revision = this.reader.tables().revision(connection).revision();
			connection.commit();
			return new Written(result, revision);
		}
		catch (SQLException | RuntimeException | Error ex) {
			connection.rollback();
			throw ex;
		}
		finally {
			connection.setAutoCommit(autoCommit);
		}
	}

	private boolean apply(Connection connection, @Nullable String removedFrom, Change change) throws SQLException {
		this.reader.tables().nextRevision(connection, removedFrom);
		boolean result = change.apply(this.reader.tables(), connection);
		this.reader.tables().tell(connection);
		return result;
	}

	private boolean isInTransaction(Connection connection) throws SQLException {
		Connection bound = DataSourceUtils.getTargetConnection(connection);
		return TransactionSynchronizationManager.isActualTransactionActive()
				&& DataSourceUtils.isConnectionTransactional(bound, this.router) && !connection.getAutoCommit();
	}

	/** Ends following the tables. */
	@Override
	public void close() {
		this.reader.close();
	}

}
