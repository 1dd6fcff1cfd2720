package io.multidb.catalog;

import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.core.Ordered;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.jdbc.datasource.SimpleConnectionHandle;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.util.ReflectionUtils;
import org.springframework.util.function.SingletonSupplier;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceContext;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.access.Grants;
import io.multidb.access.Permission;
import io.multidb.discovery.ProvidedSources;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.MappingStore;
import io.multidb.routing.NumberedMappingStore.Revision;
import io.multidb.routing.ShardMap;
import io.multidb.source.Source;
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
 * be used: one that is open has been opened anew, unless its server does not let it be
 * opened, or has not within 5 s, and it serves as before until then; and one that is
 * taken out of use is refused from then on. A listener of what happens to sources or to
 * the catalog is not kept waiting for itself. Inside of a transaction on that source it
 * takes part in it: nothing is seen before it is committed, and nothing is changed if it
 * is rolled back; mappings are in force when the commit returns, and sources follow soon
 * afterwards. Inside of a transaction on another source it is refused with
 * {@link io.multidb.SourceSwitchException}, as every switch is. One change waits for
 * another as long as for a connection, or as {@code lock_timeout} says where that is set.
 * Other nodes follow within milliseconds where the database tells them (PostgreSQL), or
 * else within {@code app.tenancy.catalog.poll-interval}.
 * <p>
 * Thread-safe. Failures of the database are {@code DataAccessException}s.
 */
public final class Catalog implements AutoCloseable {

	/** A node that cannot keep up is not waited for: the change is committed. */
	private static final Duration FOLLOWED = Duration.ofSeconds(5);

	/** So often what fits is looked for anew while others change the catalog. */
	private static final int LOOKS = 100;

	private final CatalogSettings settings;

	private final SourceRegistry registry;

	private final CatalogReader reader;

	private final SingletonSupplier<JdbcTemplate> jdbc;

	private final CatalogGrants grants;

	private final CatalogMappings mappings;

	private final CatalogShards shards;

	private final Supplier<ProvidedSources> provided;

	/**
	 * Creates the catalog; nothing is read or started.
	 * @param settings where it is
	 * @param registry the sources, among them the catalog's own
	 * @param router gives the DataSource in front of them, which may need this catalog to
	 * be made
	 * @param migrator makes the tables, if it makes any
	 * @param events is told what happens to the catalog
	 * @param provided makes sources of this catalog's rows, and needs this catalog to be
	 * made
	 */
	public Catalog(CatalogSettings settings, SourceRegistry registry, Supplier<? extends DataSource> router,
			SourceMigrator migrator, Consumer<CatalogEvent> events, Supplier<ProvidedSources> provided) {
		this.settings = settings;
		this.registry = registry;
		this.jdbc = SingletonSupplier.of(() -> new JdbcTemplate(router.get()));
		this.reader = new CatalogReader(settings, registry, migrator, events);
		this.grants = new CatalogGrants(this.reader, registry);
		this.mappings = new CatalogMappings(this::write, this.reader, settings.source());
		this.shards = new CatalogShards(settings, registry);
		this.provided = provided;
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
		return this.reader.known().sources().get(name);
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
		return this.reader.known()
			.sources()
			.values()
			.stream()
			.filter(which)
			.sorted(Comparator.comparing(CatalogSource::name))
			.toList();
	}

	/**
	 * Adds a row, or changes all of the one of this name. A password that is not a
	 * reference is encrypted, also one that was encrypted with a former key. Whether its
	 * database is another source's is not looked at: no node uses such a row, and each
	 * one's log says why.
	 * @param source the row
	 * @throws IllegalArgumentException if a URL, password or name is not allowed; nothing
	 * has changed
	 * @see #add
	 * @see #replace
	 */
	public void save(CatalogSource source) {
		String password = stored(source);
		boolean unused = write(source.name(), null, (tables, connection) -> {
			tables.save(connection, source, password);
			return true;
		});
	}

	/**
	 * What was written.
	 *
	 * @param revision of the row, until it is changed again
	 * @param followed whether this node knows of it, and has taken it in; {@code false}
	 * inside of a transaction, if that takes longer than 5 s, and if the source is open
	 * and could not be opened as it is now, so that it serves as before
	 */
	public record Saved(long revision, boolean followed) {
	}

	/**
	 * Adds a row, unless there is one of its name, or its source is in conflict with
	 * others: this node knows of all rows when that is looked at, and no row changes in
	 * between, whoever else changes the catalog. Other nodes may have sources of their
	 * own that are not looked at; inside of a transaction, neither are rows that were
	 * changed since this node has read them. A password is kept as by {@link #save}.
	 * @param source the row
	 * @return what was written
	 * @throws IllegalArgumentException if a URL, password or name is not allowed
	 * @throws InvalidDatasourcesException if there is such a row, or the database or name
	 * is another source's
	 * @throws SourceUnavailableException if this node does not follow the catalog
	 */
	public Saved add(CatalogSource source) {
		String password = stored(source);
		return write(source.name(), () -> {
			if (find(source.name()) != null) {
				throw isThere(source.name());
			}
			refuseConflicts(source.change().password(password).build());
			return (tables, connection) -> {
				if (!tables.insert(connection, source, password)) {
					throw isThere(source.name());
				}
				return true;
			};
		});
	}

	private static InvalidDatasourcesException isThere(String name) {
		return new InvalidDatasourcesException(List.of("There is a source '" + name + "' in the catalog already."));
	}

	/**
	 * Gives a row another address or other credentials, and changes nothing else of it.
	 * With a URL, all three are replaced as one unit; without, what is given. Conflicts
	 * with others are looked at as by {@link #add}.
	 * @param name the row's name
	 * @param url its new URL, or {@code null} to keep it
	 * @param username the user, or {@code null} for none, or to keep him
	 * @param password the password, which is kept as by {@link #save}, or {@code null}
	 * for none, or to keep it
	 * @return what was written
	 * @throws IllegalArgumentException if the URL or password is not allowed
	 * @throws InvalidDatasourcesException if the database is another source's
	 * @throws UnknownSourceException if there is no such row
	 * @throws SourceUnavailableException if this node does not follow the catalog
	 */
	public Saved replace(String name, @Nullable String url, @Nullable String username, @Nullable String password) {
		return write(name, () -> {
			CatalogSource row = find(name);
			if (row == null) {
				throw unknown(name);
			}
			boolean all = url != null;
			CatalogSource changed = row.change()
				.url((url != null) ? url : row.url())
				.username((all || username != null) ? username : row.username())
				.password((all || password != null) ? password : row.password())
				.build();
			Map<String, @Nullable String> columns = new LinkedHashMap<>();
			if (all) {
				columns.put("url", url);
			}
			if (all || username != null) {
				columns.put("username", username);
			}
			if (all || password != null) {
				String stored = stored(changed);
				columns.put("password", stored);
				changed = changed.change().password(stored).build();
			}
			if (all) {
				refuseConflicts(changed);
			}
			else {
				// Its database stays, whoever else wants that.
				SourceDefinition unused = defined(changed);
			}
			return (tables, connection) -> {
				if (!tables.change(connection, name, columns)) {
					throw unknown(name);
				}
				return true;
			};
		});
	}

	private static UnknownSourceException unknown(String name) {
		return new UnknownSourceException(name, "There is no source of this name in the catalog.");
	}

	/** What is written for a row's password, if all of the row is right. */
	private @Nullable String stored(CatalogSource source) {
		try {
			String password = this.reader.rows().stored(source);
			SourceDefinition unused = this.reader.rows().define(source.change().password(password).build());
			return password;
		}
		catch (IllegalArgumentException ex) {
			throw notSaved(source, ex);
		}
	}

	private static IllegalArgumentException notSaved(CatalogSource source, IllegalArgumentException why) {
		return new IllegalArgumentException("The source '" + source.name() + "' cannot be saved: " + why.getMessage());
	}

	private SourceDefinition defined(CatalogSource source) {
		try {
			return this.reader.rows().define(source);
		}
		catch (IllegalArgumentException ex) {
			throw notSaved(source, ex);
		}
	}

	/** Beside what this node knows; a row that is not active is in nobody's way. */
	private void refuseConflicts(CatalogSource source) {
		SourceDefinition definition = defined(source);
		Map<String, SourceDefinition> others = this.reader.definitions();
		List<String> mistakes = source.active()
				? this.registry.conflicts(definition, (others != null) ? others.values() : List.of()) : List.of();
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
	}

	/** Looks at what this node knows, and says what is to be written. */
	private interface Look {

		Change look();

	}

	/** Somebody has changed a source's row that this node has not read yet. */
	private static final class OutdatedException extends RuntimeException {

		private static final long serialVersionUID = 1L;

		private final transient Revision revision;

		OutdatedException(Revision revision) {
			super(null, null, false, false);
			this.revision = revision;
		}

	}

	/**
	 * Writes what fits to what this node knows, once no row of a source is newer than
	 * that.
	 */
	private Saved write(String name, Look look) {
		// What a transaction itself has changed is newer than what can be read.
		boolean alone = !TransactionSynchronizationManager.isActualTransactionActive();
		for (int i = 0; i < LOOKS; i++) {
			Revision known = alone ? follow() : this.reader.told();
			Change change = look.look();
			try {
				Written written = write(null, (tables, connection) -> {
					Revision last = this.reader.found(known, tables.revision(connection).revision() - 1);
					if (alone && isOutdated(known, last, tables, connection)) {
						throw new OutdatedException(last);
					}
					return change.apply(tables, connection);
				}, (revision) -> {
				});
				return new Saved(written.revision().number(), isFollowed(name, written));
			}
			catch (OutdatedException ex) {
				if (!this.reader.awaitRevision(ex.revision, FOLLOWED)) {
					break;
				}
			}
		}
		throw new SourceUnavailableException(this.settings.source(), "The source '" + name
				+ "' was not saved: others have changed the catalog, and this node has not followed yet. Try again.",
				Duration.ofSeconds(1), null);
	}

	private boolean isOutdated(Revision known, Revision last, Tables tables, Connection connection)
			throws SQLException {
		return last.compareTo(known) > 0 && (last.restored() != known.restored() || !this.reader.isStamped()
				|| tables.hasChangedSince(connection, known.number()));
	}

	/**
	 * Waits until this node knows what is in the tables now.
	 * @return the revision that it knows
	 */
	private Revision follow() {
		try (var scope = SourceContext.enter(this.settings.source())) {
			Revision before = this.reader.revision();
			Tables.Revision now = this.jdbc.obtain()
				.execute((Connection connection) -> this.reader.tables().revision(connection));
			boolean unused = this.reader
				.awaitRevision(this.reader.found(before, Objects.requireNonNull(now).revision()), FOLLOWED);
		}
		Revision known = this.reader.told();
		boolean unused = this.provided.get().awaitApplied(FOLLOWED);
		return known;
	}

	private boolean isFollowed(@Nullable String source, Written written) {
		if (!written.committed() || !this.reader.awaitRevision(written.revision(), FOLLOWED)) {
			return false;
		}
		ProvidedSources sources = this.provided.get();
		return (source != null) ? sources.awaitApplied(source, FOLLOWED) : sources.awaitApplied(FOLLOWED);
	}

	/**
	 * Takes a source out of use: it takes no new work, and what is in use may finish. Its
	 * row stays.
	 * @param name the source's name
	 * @return whether there is such a row
	 */
	public boolean deactivate(String name) {
		return write(name, null, (tables, connection) -> tables.change(connection, name, Map.of("active", false)));
	}

	/**
	 * Puts a source to use again that was deactivated.
	 * @param name the source's name
	 * @return whether there is such a row
	 */
	public boolean activate(String name) {
		return write(name, null, (tables, connection) -> tables.change(connection, name, Map.of("active", true)));
	}

	/**
	 * Removes a row, and thereby its source, as {@link #deactivate} does. Its database is
	 * left alone.
	 * @param name the source's name
	 * @return whether there was such a row
	 */
	public boolean remove(String name) {
		return write(name, "source", (tables, connection) -> tables.delete(connection, "source", name));
	}

	/**
	 * Removes a row, as {@link #remove(String)} does, unless it has been changed since.
	 * @param name the source's name
	 * @param revision the revision of the row that is meant
	 * @return whether it was there, and as it was
	 */
	public boolean remove(String name, long revision) {
		return write(name, "source", (tables, connection) -> tables.deleteAsOf(connection, name, revision));
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
		boolean granted = write(null, null, (tables, connection) -> {
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
		return write(null, "permission", (tables, connection) -> tables.delete(connection, "permission", source, user));
	}

	/**
	 * The permissions on one source.
	 * @param source the source's name
	 * @return a snapshot by the users' names, sorted
	 */
	public Map<String, Permission> permissions(String source) {
		Map<String, Permission> found = new TreeMap<>();
		this.reader.known().permissions().forEach((user, sources) -> {
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
	 * @param revision its place in the order of all
	 * @param committed whether it is there for good; if not, it is part of the caller's
	 * transaction
	 */
	record Written(boolean result, Revision revision, boolean committed) {
	}

	/** Waits for what becomes of a source, if it is about one. */
	private boolean write(@Nullable String source, @Nullable String removedFrom, Change change) {
		Written written = write(removedFrom, change, (revision) -> {
		});
		boolean unused = isFollowed(source, written);
		return written.result();
	}

	/**
	 * Changes the tables, and does not wait until this node follows.
	 * @param committed is given the change's place in the order of all, on this thread,
	 * before this method returns, or, in a transaction of the caller's, after that was
	 * committed; not at all if the change is rolled back
	 */
	Written write(@Nullable String removedFrom, Change change, Consumer<@Nullable Revision> committed) {
		Written written;
		Revision before = this.reader.revision();
		try (var scope = SourceContext.enter(this.settings.source())) {
			JdbcTemplate template = this.jdbc.obtain();
			DataSource router = Objects.requireNonNull(template.getDataSource());
			written = Objects.requireNonNull(template
				.execute((Connection connection) -> transact(connection, router, removedFrom, change, before)));
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

	private Written transact(Connection connection, DataSource router, @Nullable String removedFrom, Change change,
			Revision before) throws SQLException {
		Source source = this.registry.get(this.settings.source());
		if (isInTransaction(connection, router)) {
			boolean bounded = LockTimeout.set(connection, source.definition().url().product(), source.patience());
			boolean result = apply(connection, removedFrom, change);
			if (bounded) {
				LockTimeout.clear(connection);
			}
			// Nobody else changes it before the transaction ends.
			return new Written(result, this.reader.made(before, this.reader.tables().revision(connection).revision()),
					false);
		}
		boolean autoCommit = connection.getAutoCommit();
		connection.setAutoCommit(false);
		boolean committed = false;
		try {
			boolean unused = LockTimeout.set(connection, source.definition().url().product(), source.patience());
			boolean result = apply(connection, removedFrom, change);
			long number = this.reader.tables().revision(connection).revision();
			connection.commit();
			committed = true;
			return new Written(result, this.reader.made(before, number), true);
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

		private final Revision revision;

		private final Consumer<@Nullable Revision> committed;

		private final Runnable ended;

		private final Set<Object> later = Collections.newSetFromMap(new IdentityHashMap<>());

		private boolean undone;

		Committing(Revision revision, Consumer<@Nullable Revision> committed, Runnable ended) {
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
			return Ordered.HIGHEST_PRECEDENCE + (int) (Integer.MAX_VALUE - this.revision.number() % Integer.MAX_VALUE);
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

	/**
	 * Not where the connection is only kept for the thread, as of a transaction on
	 * another DataSource: nobody would commit what is done with it.
	 */
	private static boolean isInTransaction(Connection connection, DataSource router) throws SQLException {
		Connection bound = DataSourceUtils.getTargetConnection(connection);
		return TransactionSynchronizationManager.isActualTransactionActive()
				&& DataSourceUtils.isConnectionTransactional(bound, router) && !connection.getAutoCommit()
				&& isCommitted(TransactionSynchronizationManager.getResource(router));
	}

	/** A manager of sessions has a handle of its own, and any other says so. */
	private static boolean isCommitted(@Nullable Object holder) {
		if (!(holder instanceof ConnectionHolder connections)
				|| !(connections.getConnectionHandle() instanceof SimpleConnectionHandle)) {
			return true;
		}
		Method active = ReflectionUtils.findMethod(ConnectionHolder.class, "isTransactionActive");
		if (active == null) {
			return true;
		}
		ReflectionUtils.makeAccessible(active);
		return Boolean.TRUE.equals(ReflectionUtils.invokeMethod(active, connections));
	}

	/** Ends following the tables. */
	@Override
	public void close() {
		this.mappings.close();
		this.reader.close();
	}

}
