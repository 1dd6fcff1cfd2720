package io.multidb.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.MultiDbException;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.NumberedMappingStore.Revision;
import io.multidb.source.DaemonThreads;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.JdbcUrl;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;

/**
 * Knows what the catalog's tables say: reads them at the start, and again when they
 * change. PostgreSQL's notifications are only a hint when to look, the row of the
 * revision says whether anything has changed, and looking now and then finds what no hint
 * told. After each reconnection of the one that listens, and after each failure,
 * everything is read again, behind what has changed since.
 * <p>
 * Thread-safe. One thread reads, and alone writes what is known; others read that without
 * a lock, row by row. While the catalog cannot be read, the last known state stays.
 * {@code lock} guards only waking, stopping and waiting.
 */
final class CatalogReader implements SourceProvider, AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(CatalogReader.class);

	private static final String CHANGE_LOG = "classpath:io/multidb/catalog/tables.sql";

	private static final Duration FIRST_RETRY = Duration.ofMillis(500);

	private static final Duration STOP_TIMEOUT = Duration.ofSeconds(5);

	private final CatalogSettings settings;

	private final SourceRegistry registry;

	private final SourceMigrator migrator;

	private final Consumer<CatalogEvent> events;

	private final Rows rows;

	private final Tables tables;

	private final DatabaseProduct product;

	private final KnownCatalog known;

	private final List<Consumer<Set<String>>> listeners = new CopyOnWriteArrayList<>();

	private final List<Runnable> mappingListeners = new CopyOnWriteArrayList<>();

	/** What was read last. */
	private volatile Revision revision = new Revision(0, -1);

	/** What listeners have heard of, too. */
	private volatile Revision told = this.revision;

	/**
	 * Somebody has seen that an older state was put back, when that had been so often
	 * before; never less again.
	 */
	private final AtomicLong putBack = new AtomicLong(-1);

	private volatile @Nullable Instant readAt;

	/** In {@link System#nanoTime()}; of no meaning before {@code readAt} is there. */
	private volatile long readNanos;

	private final AtomicLong failedReads = new AtomicLong();

	private volatile Watch watch = Watch.NONE;

	private volatile @Nullable String error;

	/**
	 * Whether the tables were looked at; changed by the thread alone, as the next two.
	 */
	private boolean prepared;

	private volatile boolean stamped;

	private int failures;

	/**
	 * Whether what was read last may have been taken in, or told, in part only; the
	 * thread's alone.
	 */
	private boolean partly;

	/** What is still to be read again, if anything is; the thread's alone. */
	private @Nullable Scan scan;

	/** How often in a row it could not listen; the thread's alone. */
	private int unheard;

	private @Nullable SourceDefinition listensAt;

	/** Why it cannot listen; the thread's alone. */
	private @Nullable String deaf;

	private volatile @Nullable Notifications notifications;

	private final ReentrantLock lock = new ReentrantLock();

	private final Condition something = this.lock.newCondition();

	/** Guarded by lock. */
	private boolean woken;

	/** Guarded by lock. */
	private boolean tried;

	private volatile boolean stopping;

	private volatile @Nullable Thread thread;

	CatalogReader(CatalogSettings settings, SourceRegistry registry, SourceMigrator migrator,
			Consumer<CatalogEvent> events) {
		this.settings = settings;
		this.registry = registry;
		this.migrator = migrator;
		this.events = events;
		this.product = registry.get(settings.source()).definition().url().product();
		this.tables = new Tables(settings, this.product);
		this.rows = new Rows(name(), settings.urls(), settings.credentials());
		this.known = new KnownCatalog(name(), settings.permissions(), this.rows);
	}

	@Override
	public String name() {
		return "catalog '" + this.settings.source() + "'";
	}

	@Override
	public @Nullable Map<String, SourceDefinition> definitions() {
		return (this.revision.number() >= 0) ? this.known.definitions() : null;
	}

	@Override
	public @Nullable String problem(String name) {
		return this.known.problems().get(name);
	}

	@Override
	public void onChange(Consumer<Set<String>> listener) {
		this.listeners.add(listener);
	}

	/** What is known; to be read only. */
	KnownCatalog known() {
		return this.known;
	}

	/** What was read last, which some may not have heard of yet; -1 before the first. */
	Revision revision() {
		return this.revision;
	}

	/**
	 * The place of a change. Only where an older state was put back, one has a number
	 * that was read before: everything is read anew then.
	 * @param before what had been read before it was made
	 * @param number its number
	 */
	Revision made(Revision before, long number) {
		return (number > before.number()) ? new Revision(before.restored(), number) : putBack(before, number);
	}

	/**
	 * The place of what is in the tables.
	 * @param before what had been read before that was looked at
	 * @param number the number that is there
	 */
	Revision found(Revision before, long number) {
		return (number >= before.number()) ? new Revision(before.restored(), number) : putBack(before, number);
	}

	private Revision putBack(Revision before, long number) {
		this.putBack.accumulateAndGet(before.restored(), Math::max);
		wake();
		// By now that may have been noticed, and even more than that.
		return new Revision(Math.max(this.revision.restored(), before.restored() + 1), number);
	}

	/** Has somebody told after mappings were read, on the thread that reads. */
	void onMappingsChange(Runnable listener) {
		this.mappingListeners.add(listener);
	}

	Tables tables() {
		return this.tables;
	}

	Rows rows() {
		return this.rows;
	}

	void watch(Watch watch) {
		this.watch = watch;
	}

	CatalogFigures figures() {
		Duration age = (this.readAt != null) ? Duration.ofNanos(System.nanoTime() - this.readNanos) : null;
		return new CatalogFigures(this.known.sources().size(), this.revision.number(), age, this.failedReads.get());
	}

	CatalogStatus status() {
		return new CatalogStatus(this.known.sources().size(), this.revision.number(), this.readAt,
				this.notifications != null, this.error, this.known.problems());
	}

	/**
	 * Begins to read.
	 * @param timeout how long to wait for the first attempt
	 */
	void start(Duration timeout) {
		Thread reader = DaemonThreads.named("multidb-catalog").newThread(this::run);
		this.thread = reader;
		reader.start();
		boolean unused = await(() -> this.tried, timeout);
	}

	/** Has the catalog looked at soon. */
	void wake() {
		this.lock.lock();
		try {
			this.woken = true;
			this.something.signalAll();
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Waits until a revision was read, and those who follow were told of it.
	 * @return whether they were; {@code false} also for the thread that reads
	 */
	boolean awaitRevision(Revision wanted, Duration timeout) {
		wake();
		return !Thread.currentThread().equals(this.thread) && await(() -> this.told.compareTo(wanted) >= 0, timeout);
	}

	/** Whether the rows that changed are those with a higher revision. */
	boolean isStamped() {
		return this.stamped;
	}

	/** The last revision that was read and told; -1 before the first. */
	Revision told() {
		return this.told;
	}

	private interface State {

		boolean isReached();

	}

	private boolean await(State state, Duration timeout) {
		this.lock.lock();
		try {
			long left = timeout.toNanos();
			while (!state.isReached() && !this.stopping) {
				if (left <= 0) {
					return false;
				}
				left = this.something.awaitNanos(left);
			}
			return state.isReached();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			return false;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Nothing but being closed ends it, as nobody would begin it again. */
	private void run() {
		while (!this.stopping) {
			try {
				look();
				pause();
			}
			catch (Throwable ex) {
				// Not even the failure could be dealt with, as without any memory.
				this.error = ex.getClass().getName();
				this.partly = true;
				LockSupport.parkNanos(FIRST_RETRY.toNanos());
			}
		}
	}

	private void look() {
		try {
			boolean again = prepare();
			again |= listen();
			if (again && this.revision.number() >= 0) {
				this.scan = new Scan();
			}
			readWatched();
			succeeded();
		}
		catch (Throwable ex) {
			failed(ex);
		}
		finally {
			this.lock.lock();
			try {
				this.tried = true;
				this.something.signalAll();
			}
			finally {
				this.lock.unlock();
			}
		}
	}

	/** Until there is something to be read, as far as is known. */
	private void pause() {
		Scan current = this.scan;
		Duration rest = (this.failures == 0 && current != null) ? current.rest() : null;
		if (rest != null && rest.isZero()) {
			return;
		}
		Notifications heard = this.notifications;
		if (heard != null && this.failures == 0) {
			if (woken()) {
				return;
			}
			try {
				boolean unused = heard.await((rest != null) ? rest : this.settings.pollInterval());
			}
			catch (SQLException ex) {
				logger.debug("{}: the connection that listens is lost: {}", name(), withoutSecrets(ex));
				deafen();
			}
			return;
		}
		this.lock.lock();
		try {
			long left = ((rest != null) ? rest : retryIn()).toNanos();
			while (!this.woken && !this.stopping && left > 0) {
				left = this.something.awaitNanos(left);
			}
			this.woken = false;
		}
		catch (InterruptedException ex) {
			// Only who stops it interrupts it.
			logger.debug("{}: interrupted", name());
		}
		finally {
			this.lock.unlock();
		}
	}

	private boolean woken() {
		this.lock.lock();
		try {
			boolean was = this.woken;
			this.woken = false;
			return was;
		}
		finally {
			this.lock.unlock();
		}
	}

	private Duration retryIn() {
		int inARow = Math.max(this.failures, this.unheard);
		if (inARow == 0) {
			return this.settings.pollInterval();
		}
		Duration delay = FIRST_RETRY.multipliedBy(1L << Math.min(inARow - 1, 10));
		return (delay.compareTo(this.settings.pollInterval()) < 0) ? delay : this.settings.pollInterval();
	}

	private Connection connect() throws SQLException {
		Connection connection = this.registry.get(this.settings.source()).getConnection();
		try {
			if (!connection.getAutoCommit()) {
				connection.setAutoCommit(true);
			}
			return connection;
		}
		catch (SQLException | RuntimeException ex) {
			connection.close();
			throw ex;
		}
	}

	/**
	 * Makes the tables, or finds that they are there.
	 * @return whether they were looked at
	 */
	private boolean prepare() throws Exception {
		if (this.prepared) {
			return false;
		}
		try (Connection connection = connect()) {
			boolean there = this.tables.areThere(connection);
			try {
				migrate(connection);
			}
			catch (Exception ex) {
				if (!there) {
					throw ex;
				}
				logger.warn("{}: its tables are there, but could not be brought up to date: {}", name(),
						withoutSecrets(ex));
			}
			if (!this.tables.areThere(connection)) {
				throw this.tables.missing("source");
			}
			this.stamped = this.tables.areStamped(connection);
			if (!this.stamped) {
				logger.info("{}: its tables have no triggers, so they are read as a whole when the revision changes",
						name());
			}
		}
		this.prepared = true;
		return true;
	}

	private void migrate(Connection connection) throws Exception {
		Source source = this.registry.get(this.settings.source());
		LiquibaseSettings changeLog = new LiquibaseSettings(CHANGE_LOG, List.of(), List.of(),
				Map.of("prefix", this.settings.tablePrefix()));
		SourceMigrator.Outcome outcome = this.migrator.migrate(SourceDefinition.named(source.name())
			.url(source.definition().url().text())
			.liquibase(changeLog)
			.build(), connection);
		logger.debug("{}: tables {}", name(), outcome);
	}

	/**
	 * Listens, unless it does.
	 * @return whether it begins to, so that everything must be read
	 */
	private boolean listen() {
		if (this.product != DatabaseProduct.POSTGRESQL) {
			return false;
		}
		SourceDefinition definition = this.registry.get(this.settings.source()).definition();
		if (this.notifications != null && definition.equals(this.listensAt)) {
			return false;
		}
		deafen();
		try {
			Notifications opened = Notifications.open(this.registry, definition, this.tables.channel());
			this.notifications = opened;
			this.listensAt = definition;
			if (this.stopping) {
				opened.close();
			}
			this.deaf = null;
			this.unheard = 0;
			return true;
		}
		catch (SQLException ex) {
			String reason = withoutSecrets(ex);
			if (!reason.equals(this.deaf)) {
				logger.warn("{}: no connection that listens for changes, they are looked for every {} s: {}", name(),
						this.settings.pollInterval().toSeconds(), reason);
			}
			this.deaf = reason;
			this.unheard++;
			return false;
		}
	}

	private void deafen() {
		Notifications former = this.notifications;
		this.notifications = null;
		if (former != null) {
			former.close();
		}
	}

	/**
	 * Everything is read again, some rows at a time and in a tenth of the time, so that
	 * changes do not wait for it: what was changed since is read before each.
	 */
	private static final class Scan {

		/** So many times as long as rows were read, none are. */
		private static final int REST = 9;

		/** When the next rows are due, in {@link System#nanoTime()}. */
		private long next = System.nanoTime();

		/** When those that are being read were begun; 0 if none are. */
		private long begun;

		private String after = "";

		private boolean ended;

		/** All there are, as far as was read. */
		private final Set<String> names = new HashSet<>();

		/** How long until then. */
		Duration rest() {
			return Duration.ofNanos(Math.max(0, this.next - System.nanoTime()));
		}

		/** What was read has been taken in. */
		void taken() {
			if (this.begun != 0) {
				long now = System.nanoTime();
				this.next = now + REST * (now - this.begun);
				this.begun = 0;
			}
		}

	}

	private void readWatched() throws SQLException {
		long before = this.revision.number();
		Watch.Watched watched = this.watch.begin(Watch.Activity.CATALOG_READ, this.settings.source(), this.product);
		String outcome = "failed";
		Throwable failure = null;
		try {
			read();
			outcome = (this.revision.number() == before) ? "unchanged" : "changed";
		}
		catch (SQLException | RuntimeException ex) {
			failure = new IllegalStateException(withoutSecrets(ex));
			throw ex;
		}
		finally {
			watched.end(outcome, failure);
		}
	}

	private void read() throws SQLException {
		KnownCatalog.Found found = new KnownCatalog.Found();
		Tables.Revision now;
		Revision former = this.revision;
		long read = former.number();
		boolean older = this.putBack.get() == former.restored();
		try (Connection connection = connect()) {
			this.tables.beginSnapshot(connection);
			try {
				now = this.tables.revision(connection);
				if (now.revision() == read && this.scan == null && !older && !this.partly) {
					return;
				}
				older |= now.revision() < read;
				boolean all = !this.stamped || read < 0 || older || this.partly;
				found.allSources = all || now.sourceRemoved() > read;
				this.tables.read(connection, "source", found.allSources ? -1 : read,
						(row) -> found.sources.add(Tables.source(row)));
				// A right that was taken away ends before all sources are read again.
				all |= scan(connection, found);
				found.allPermissions = all || now.permissionRemoved() > read;
				this.tables.read(connection, "permission", found.allPermissions ? -1 : read,
						(row) -> found.permissions.add(new KnownCatalog.Granted(String.valueOf(row.getString(2)),
								String.valueOf(row.getString(1)), row.getString(3), row.getString(4),
								row.getString(5))));
				found.allMappings = all || now.mappingRemoved() > read;
				this.tables.read(connection, "mapping", found.allMappings ? -1 : read, (row) -> found.mappings
					.put(String.valueOf(row.getString(1)), String.valueOf(row.getString(2))));
			}
			finally {
				connection.rollback();
				connection.setAutoCommit(true);
			}
		}
		boolean first = read < 0;
		boolean doubtful = this.partly;
		this.partly = true;
		this.known.takePermissions(found);
		KnownCatalog.Changes changes = this.known.takeSources(found, allNames(found), doubtful);
		Revision current = new Revision(former.restored() + (older ? 1 : 0), now.revision());
		this.known.takeMappings(found, current);
		this.revision = current;
		tell(first, doubtful, changes.saved(), changes.removed());
		this.mappingListeners.forEach(Runnable::run);
		this.partly = false;
		if (this.scan != null) {
			this.scan.taken();
		}
		this.lock.lock();
		try {
			this.told = current;
			this.something.signalAll();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Reads some of what is still to be read again; whether that is the first of it. */
	private boolean scan(Connection connection, KnownCatalog.Found found) throws SQLException {
		Scan current = this.scan;
		if (found.allSources) {
			this.scan = null;
			return current != null;
		}
		if (current == null || !current.rest().isZero()) {
			return false;
		}
		boolean first = current.after.isEmpty();
		current.begun = System.nanoTime();
		List<Tables.SourceRow> page = this.tables.readPage(connection, current.after);
		if (!page.isEmpty()) {
			current.after = page.get(page.size() - 1).source().name();
		}
		current.ended = page.isEmpty();
		found.sources.addAll(page);
		return first;
	}

	/** The names of all rows, if everything has been read by now. */
	private @Nullable Set<String> allNames(KnownCatalog.Found found) {
		Scan current = this.scan;
		if (!found.allSources && current == null) {
			return null;
		}
		Set<String> names = new HashSet<>();
		found.sources.forEach((row) -> names.add(row.source().name()));
		if (current == null) {
			return names;
		}
		current.names.addAll(names);
		if (!current.ended) {
			return null;
		}
		this.scan = null;
		return current.names;
	}

	private void tell(boolean first, boolean doubtful, Set<String> saved, Set<String> removed) {
		if (first || doubtful) {
			this.listeners.forEach((listener) -> listener.accept(Set.of()));
		}
		if (first) {
			publish(new CatalogEvent.Loaded(this.known.sources().size()));
		}
		else if (!saved.isEmpty() || !removed.isEmpty()) {
			Set<String> names = new HashSet<>(saved);
			names.addAll(removed);
			if (!doubtful) {
				this.listeners.forEach((listener) -> listener.accept(names));
			}
			publish(new CatalogEvent.Changed(saved, removed));
		}
	}

	/** Names come from outside, and must not begin a line of their own. */
	static String printable(String name) {
		return name.replaceAll("[^\\x20-\\x7e]", "?").substring(0, Math.min(name.length(), 64));
	}

	private void succeeded() {
		this.readNanos = System.nanoTime();
		this.readAt = Instant.now();
		this.failures = 0;
		if (this.error != null) {
			this.error = null;
			logger.info("{}: can be read again", name());
			publish(new CatalogEvent.Recovered());
		}
	}

	private void failed(Throwable failure) {
		if (this.stopping) {
			return;
		}
		this.failures++;
		this.failedReads.incrementAndGet();
		// It may be another one when it comes back, so everything is read then.
		this.prepared = false;
		deafen();
		String reason = withoutSecrets(failure);
		if (!reason.equals(this.error)) {
			this.error = reason;
			logger.warn("{}: cannot be read, {}: {}", name(),
					(this.revision.number() < 0) ? "so its sources are not known" : "the last known state serves on",
					reason);
			publish(new CatalogEvent.Unavailable(reason));
		}
	}

	private String withoutSecrets(Throwable failure) {
		String text = (failure instanceof MultiDbException || failure instanceof SQLException)
				? String.valueOf(failure.getMessage()) : failure.toString();
		Source source = this.registry.find(this.settings.source());
		return (source != null) ? source.definition().masked(text) : JdbcUrl.mask(text);
	}

	private void publish(CatalogEvent event) {
		try {
			this.events.accept(event);
		}
		catch (RuntimeException | LinkageError | AssertionError ex) {
			logger.warn("{}: a listener failed on {}", name(), event.getClass().getSimpleName(), ex);
		}
	}

	/** Ends the thread and its connection. */
	@Override
	public void close() {
		this.stopping = true;
		Thread reader = this.thread;
		wake();
		deafen();
		if (reader != null && !reader.equals(Thread.currentThread())) {
			reader.interrupt();
			try {
				reader.join(TimeUnit.MILLISECONDS.convert(STOP_TIMEOUT));
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
			deafen();
		}
	}

}
