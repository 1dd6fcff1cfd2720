package io.multidb.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.core.Ordered;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.util.function.SingletonSupplier;

import io.multidb.SourceContext;
import io.multidb.access.Grants;
import io.multidb.access.Permission;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.MappingStore;
import io.multidb.routing.ShardMap;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;

/**
 * The catalog of sources, of permissions on them, of mappings of tenants to sources and
 * of the places of tenants that are spread: what is in it, and changing it without a
 * restart. A bean where {@code app.tenancy.catalog.source} is set.
 * <p>
 * <b>Reading</b> asks the memory of this node, which follows the tables on all nodes; it
 * costs no query, and works while the catalog is down, as of its last known state.
 * <p>
 * <b>Changing</b> is work on the catalog's source, as inside of
 * {@code SourceContext.enter(source)}. Without a transaction on that source it has one of
 * its own, and when the method returns this node knows of the change and its sources can
 * be used. Inside of one it takes part in it: nothing is seen before it is committed, and
 * nothing is changed if it is rolled back; mappings are in force when the commit returns,
 * and sources follow soon afterwards. Inside of a transaction on another source it is
 * refused with {@link io.multidb.SourceSwitchException}, as every switch is. Other nodes
 * follow within milliseconds where the database tells them (PostgreSQL), or else within
 * {@code app.tenancy.catalog.poll-interval}.
 * <p>
 * Thread-safe. Failures of the database are {@code DataAccessException}s.
 */
public final class Catalog implements AutoCloseable {

	/** A node that cannot keep up is not waited for: the change is committed. */
	private static final Duration FOLLOWED = Duration.ofSeconds(5);

	private final CatalogSettings settings;

	private final CatalogReader reader;

	private final SingletonSupplier<JdbcTemplate> jdbc;

	private final CatalogGrants grants;

	private final CatalogMappings mappings;

	private final CatalogShards shards;

	private final Predicate<Duration> awaitApplied;

	/**
	 * Creates the catalog; nothing is read or started.
	 * @param settings where it is
	 * @param registry the sources, among them the catalog's own
	 * @param router gives the DataSource in front of them, which may need this catalog to
	 * be made
	 * @param migrator makes the tables, if it makes any
	 * @param events is told what happens to the catalog
	 * @param awaitApplied waits until sources are as definitions say, so long at most
	 */
	public Catalog(CatalogSettings settings, SourceRegistry registry, Supplier<? extends DataSource> router,
			SourceMigrator migrator, Consumer<CatalogEvent> events, Predicate<Duration> awaitApplied) {
		this.settings = settings;
		this.jdbc = SingletonSupplier.of(() -> new JdbcTemplate(router.get()));
		this.reader = new CatalogReader(settings, registry, migrator, events);
		this.grants = new CatalogGrants(this.reader, registry);
		this.mappings = new CatalogMappings(this, this.reader, settings.source());
		this.shards = new CatalogShards(settings, registry);
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
	 * Where the catalog is.
	 * @return the name of its source
	 */
	public String source() {
		return this.settings.source();
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
	 * The catalog in numbers; costs less than {@link #status()}.
	 * @return a snapshot
	 */
	public CatalogFigures figures() {
		return this.reader.figures();
	}

	/**
	 * Has reading watched from now on.
	 * @param watch watches it
	 */
	public void watch(Watch watch) {
		this.reader.watch(watch);
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
	 * Whether a source is one of the catalog's, so that changing its row changes it.
	 * @param definition the source's definition
	 * @return whether that is a row's; {@code false} if what is declared goes before it
	 */
	public boolean defines(SourceDefinition definition) {
		return this.reader.rows().isOrigin(definition.name(), definition);
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

	/**
	 * Grants a user a permission on a source, in place of the one that he had. It is not
	 * one on every tenant that shares the source with others.
	 * @param source the name of a source of the catalog
	 * @param user the user's name
	 * @param level how much
	 * @param by who grants it, or {@code null} if that is not known
	 * @throws IllegalArgumentException if the catalog has no such source
	 */
	public void grant(String source, String user, Permission.Level level, @Nullable String by) {
		boolean granted = write(null, (tables, connection) -> {
			boolean there = tables.isThere(connection, source);
			if (there) {
				tables.savePermission(connection, source, user, level.name().toLowerCase(Locale.ROOT), by,
						Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
			}
			return there;
		});
		if (!granted) {
			throw new IllegalArgumentException(
					"There is no source '" + source + "' in the catalog to which '" + user + "' could be let.");
		}
	}

	/**
	 * Takes a user's permission on a source back.
	 * @param source the source's name
	 * @param user the user's name
	 * @return whether there was one
	 */
	public boolean revoke(String source, String user) {
		return write("permission", (tables, connection) -> tables.delete(connection, "permission", source, user));
	}

	/**
	 * The permissions on one source.
	 * @param source the source's name
	 * @return a snapshot by the users' names, sorted
	 */
	public Map<String, Permission> permissions(String source) {
		Map<String, Permission> found = new TreeMap<>();
		this.reader.permissions().forEach((user, sources) -> {
			Permission permission = sources.get(source);
			if (permission != null) {
				found.put(user, permission);
			}
		});
		return found;
	}

	/**
	 * The catalog's permissions, for the rules about who may use which source. They bind
	 * the catalog's sources alone.
	 * @return the permissions, as this node knows them at any time
	 */
	public Grants grants() {
		return this.grants;
	}

	/**
	 * The catalog as the place where mappings of tenants to sources are kept.
	 * @return the store
	 */
	public MappingStore mappings() {
		return this.mappings;
	}

	/**
	 * The catalog as the place where it is kept which tenants of a route with several
	 * sources are in which of them.
	 * @return the map
	 */
	public ShardMap shards() {
		return this.shards;
	}

	/** What is done to the tables in one transaction. */
	interface Change {

		boolean apply(Tables tables, Connection connection) throws SQLException;

	}

	/**
	 * A change that was made.
	 *
	 * @param result what it returned
	 * @param revision the revision that it made
	 * @param committed whether it is there for good; if not, it is part of the caller's
	 * transaction
	 */
	record Written(boolean result, long revision, boolean committed) {
	}

	private boolean write(@Nullable String removedFrom, Change change) {
		Written written = write(removedFrom, change, (revision) -> {
		});
		if (written.committed() && this.reader.awaitRevision(written.revision(), FOLLOWED)) {
			boolean unused = this.awaitApplied.test(FOLLOWED);
		}
		return written.result();
	}

	/**
	 * Changes the tables, and does not wait until this node follows.
	 * @param committed is given the revision that was made, on this thread, before this
	 * method returns, or, in a transaction of the caller's, after that was committed; not
	 * at all if the change is rolled back
	 */
	Written write(@Nullable String removedFrom, Change change, LongConsumer committed) {
		Written written;
		try (var scope = SourceContext.enter(this.settings.source())) {
			JdbcTemplate template = this.jdbc.obtain();
			DataSource router = Objects.requireNonNull(template.getDataSource());
			written = Objects.requireNonNull(
					template.execute((Connection connection) -> transact(connection, router, removedFrom, change)));
		}
		if (written.committed()) {
			this.reader.wake();
			committed.accept(written.revision());
		}
		else {
			TransactionSynchronizationManager
				.registerSynchronization(new Committing(written.revision(), committed, this.reader::wake));
		}
		return written;
	}

	private Written transact(Connection connection, DataSource router, @Nullable String removedFrom, Change change)
			throws SQLException {
		if (isInTransaction(connection, router)) {
			boolean result = apply(connection, removedFrom, change);
			// Nobody else changes it before the transaction ends.
			return new Written(result, this.reader.tables().revision(connection).revision(), false);
		}
		boolean autoCommit = connection.getAutoCommit();
		connection.setAutoCommit(false);
		boolean committed = false;
		try {
			boolean result = apply(connection, removedFrom, change);
			long revision = this.reader.tables().revision(connection).revision();
			connection.commit();
			committed = true;
			return new Written(result, revision, true);
		}
		finally {
			if (!committed) {
				connection.rollback();
			}
			connection.setAutoCommit(autoCommit);
		}
	}

	private boolean apply(Connection connection, @Nullable String removedFrom, Change change) throws SQLException {
		this.reader.tables().nextRevision(connection, removedFrom);
		boolean result = change.apply(this.reader.tables(), connection);
		this.reader.tables().tell(connection);
		return result;
	}

	/** Tells of a change when the transaction that it is part of is committed. */
	private static final class Committing implements TransactionSynchronization {

		private final long revision;

		private final LongConsumer committed;

		private final Runnable ended;

		private final Set<Object> later = Collections.newSetFromMap(new IdentityHashMap<>());

		private boolean undone;

		Committing(long revision, LongConsumer committed, Runnable ended) {
			this.revision = revision;
			this.committed = committed;
			this.ended = ended;
		}

		/**
		 * Before others, as what they do after the commit is to find the change in force;
		 * and the last change first, as those before it must not be in force even for a
		 * moment.
		 */
		@Override
		public int getOrder() {
			return Ordered.HIGHEST_PRECEDENCE + (int) (Integer.MAX_VALUE - this.revision % Integer.MAX_VALUE);
		}

		@Override
		public void savepoint(Object savepoint) {
			this.later.add(savepoint);
		}

		@Override
		public void savepointRollback(Object savepoint) {
			this.undone |= !this.later.contains(savepoint);
		}

		@Override
		public void afterCommit() {
			if (!this.undone) {
				this.committed.accept(this.revision);
			}
		}

		@Override
		public void afterCompletion(int status) {
			this.ended.run();
		}

	}

	private static boolean isInTransaction(Connection connection, DataSource router) throws SQLException {
		Connection bound = DataSourceUtils.getTargetConnection(connection);
		return TransactionSynchronizationManager.isActualTransactionActive()
				&& DataSourceUtils.isConnectionTransactional(bound, router) && !connection.getAutoCommit();
	}

	/** Ends following the tables. */
	@Override
	public void close() {
		this.mappings.close();
		this.reader.close();
	}

}
