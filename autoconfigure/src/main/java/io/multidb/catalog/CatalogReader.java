package io.multidb.catalog;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
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
import io.multidb.access.Permission;
import io.multidb.discovery.SourceProvider;
import io.multidb.routing.NumberedMappingStore;
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

	/** Rows of one read whose mistakes get a line each. */
	private static final int TOLD = 20;

	private final CatalogSettings settings;

	private final SourceRegistry registry;

	private final SourceMigrator migrator;

	private final Consumer<CatalogEvent> events;

	private final Rows rows;

	private final Tables tables;

	private final DatabaseProduct product;

	private final Map<String, CatalogSource> sources = new ConcurrentHashMap<>();

	private final Map<String, SourceDefinition> definitions = new ConcurrentHashMap<>();

	private final Map<String, String> problems = new ConcurrentHashMap<>();

	/** By user and source. */
	private final Map<String, Map<String, Permission>> permissions = new ConcurrentHashMap<>();

	/** Sources by tenant; none before they were read. */
	private volatile NumberedMappingStore.@Nullable Contents mappings;

	private final List<Consumer<Set<String>>> listeners = new CopyOnWriteArrayList<>();

	private final List<Runnable> mappingListeners = new CopyOnWriteArrayList<>();

	/** Permissions with mistakes that were told; the thread's alone. */
	private final Set<String> misgranted = new HashSet<>();

	/** The thread's alone. */
	private boolean unboundTold;

	private volatile long revision = -1;

	/** How often an older state was put back; the thread's alone. */
	private long restored;

	/** Somebody has made a revision that was read before. */
	private volatile boolean putBack;

	private volatile @Nullable Instant readAt;

	/** In {@link System#nanoTime()}; of no meaning before {@code readAt} is there. */
	private volatile long readNanos;

	private final AtomicLong failedReads = new AtomicLong();

	private volatile Watch watch = Watch.NONE;

	private volatile @Nullable String error;

	/** Whether the tables were looked at; the thread's alone, as are the next two. */
	private boolean prepared;

	private boolean stamped;

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
	}

	@Override
	public String name() {
		return "catalog '" + this.settings.source() + "'";
	}

	@Override
	public @Nullable Map<String, SourceDefinition> definitions() {
		return (this.revision >= 0) ? this.definitions : null;
	}

	@Override
	public @Nullable String problem(String name) {
		return this.problems.get(name);
	}

	@Override
	public void onChange(Consumer<Set<String>> listener) {
		this.listeners.add(listener);
	}

	Map<String, CatalogSource> sources() {
		return this.sources;
	}

	Map<String, Map<String, Permission>> permissions() {
		return this.permissions;
	}

	NumberedMappingStore.@Nullable Contents mappings() {
		return this.mappings;
	}

	/** Has everything read, as an older state was put back. */
	void readAnew() {
		this.putBack = true;
		wake();
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
		return new CatalogFigures(this.sources.size(), this.problems.size(), this.revision, age,
				this.failedReads.get());
	}

	CatalogStatus status() {
		return new CatalogStatus(this.sources.size(), this.revision, this.readAt, this.notifications != null,
				this.error, this.problems);
	}

	/**
	 * Begins to read.
	 * @param timeout how long to wait for the first attempt
	 */
	void start(Duration timeout) {
		Thread reader = new Thread(this::run, "multidb-catalog");
		reader.setDaemon(true);
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
	 * Waits until a revision was read.
	 * @return whether it was; {@code false} also for the thread that reads
	 */
	boolean awaitRevision(long wanted, Duration timeout) {
		wake();
		return !Thread.currentThread().equals(this.thread) && await(() -> this.revision >= wanted, timeout);
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
			if (again && this.revision >= 0) {
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
				logger.debug("{}: the connection that listens is lost", name(), ex);
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
		return this.registry.get(this.settings.source()).getConnection();
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
				logger.warn("{}: its tables are there, but could not be brought up to date", name(), ex);
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
			Notifications opened = Notifications.open(definition, this.tables.channel());
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

	/** What one read has found. */
	private static final class Found {

		private final List<Tables.SourceRow> sources = new ArrayList<>();

		private boolean allSources;

		private final List<Granted> permissions = new ArrayList<>();

		private boolean allPermissions;

		private final Map<String, String> mappings = new HashMap<>();

		private boolean allMappings;

	}

	/** A row of permissions, whose level may be none. */
	private record Granted(String user, String source, @Nullable String level, @Nullable String by,
			@Nullable String at) {
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
		long before = this.revision;
		Watch.Watched watched = this.watch.begin(Watch.Activity.CATALOG_READ, this.settings.source(), this.product);
		String outcome = "failed";
		Throwable failure = null;
		try {
			read();
			outcome = (this.revision == before) ? "unchanged" : "changed";
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
		Found found = new Found();
		Tables.Revision now;
		boolean older = this.putBack;
		try (Connection connection = connect()) {
			this.tables.beginSnapshot(connection);
			try {
				now = this.tables.revision(connection);
				if (now.revision() == this.revision && this.scan == null && !older && !this.partly) {
					return;
				}
				older |= now.revision() < this.revision;
				boolean all = !this.stamped || this.revision < 0 || older || this.partly;
				found.allSources = all || now.sourceRemoved() > this.revision;
				this.tables.read(connection, "source", found.allSources ? -1 : this.revision,
						(row) -> found.sources.add(Tables.source(row)));
				all |= scan(connection, found);
				found.allPermissions = all || now.permissionRemoved() > this.revision;
				this.tables.read(connection, "permission", found.allPermissions ? -1 : this.revision,
						(row) -> found.permissions
							.add(new Granted(String.valueOf(row.getString(2)), String.valueOf(row.getString(1)),
									row.getString(3), row.getString(4), row.getString(5))));
				found.allMappings = all || now.mappingRemoved() > this.revision;
				this.tables.read(connection, "mapping", found.allMappings ? -1 : this.revision, (row) -> found.mappings
					.put(String.valueOf(row.getString(1)), String.valueOf(row.getString(2))));
			}
			finally {
				connection.rollback();
				connection.setAutoCommit(true);
			}
		}
		boolean first = this.revision < 0;
		boolean doubtful = this.partly;
		this.partly = true;
		Set<String> saved = new LinkedHashSet<>();
		Set<String> removed = new LinkedHashSet<>();
		takePermissions(found);
		take(found, saved, removed, doubtful);
		if (older) {
			this.restored++;
			this.putBack = false;
		}
		takeMappings(found, now.revision());
		this.lock.lock();
		try {
			this.revision = now.revision();
		}
		finally {
			this.lock.unlock();
		}
		tell(first, doubtful, saved, removed);
		this.mappingListeners.forEach(Runnable::run);
		this.partly = false;
		if (this.scan != null) {
			this.scan.taken();
		}
		this.lock.lock();
		try {
			this.something.signalAll();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Reads some of what is still to be read again; whether that is the last of it. */
	private boolean scan(Connection connection, Found found) throws SQLException {
		Scan current = this.scan;
		if (found.allSources) {
			this.scan = null;
			return current != null;
		}
		if (current == null || !current.rest().isZero()) {
			return false;
		}
		current.begun = System.nanoTime();
		List<Tables.SourceRow> page = this.tables.readPage(connection, current.after);
		if (!page.isEmpty()) {
			current.after = page.get(page.size() - 1).source().name();
		}
		current.ended = page.isEmpty();
		found.sources.addAll(page);
		return current.ended;
	}

	private void tell(boolean first, boolean doubtful, Set<String> saved, Set<String> removed) {
		if (first || doubtful) {
			this.listeners.forEach((listener) -> listener.accept(Set.of()));
		}
		if (first) {
			publish(new CatalogEvent.Loaded(this.sources.size()));
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

	private void take(Found found, Set<String> saved, Set<String> removed, boolean doubtful) {
		int told = 0;
		Set<String> names = new HashSet<>();
		for (Tables.SourceRow row : found.sources) {
			String name = row.source().name();
			names.add(name);
			String problem = row.problem();
			CatalogSource source = row.source();
			try {
				source = source.change().attributes(Rows.attributes(row.attributes())).build();
			}
			catch (IllegalArgumentException ex) {
				problem = String.valueOf(ex.getMessage());
			}
			if (source.equals(this.sources.put(name, source)) && problem == null && !this.problems.containsKey(name)
					&& !doubtful) {
				continue;
			}
			saved.add(name);
			problem = (problem != null) ? problem : define(source);
			if (problem == null) {
				this.problems.remove(name);
			}
			else {
				this.definitions.remove(name);
				if (!problem.equals(this.problems.put(name, problem)) && ++told <= TOLD) {
					logger.warn("{}: the row of '{}' is not used: {}", name(), printable(name), problem);
				}
			}
		}
		if (told > TOLD) {
			logger.warn("{}: {} more rows are not used", name(), told - TOLD);
		}
		Scan current = this.scan;
		if (current != null) {
			current.names.addAll(names);
			if (current.ended) {
				names = current.names;
				this.scan = null;
			}
		}
		if (found.allSources || (current != null && current.ended)) {
			removed.addAll(this.sources.keySet());
			removed.removeAll(names);
			for (String name : removed) {
				this.definitions.remove(name);
				this.problems.remove(name);
				this.sources.remove(name);
			}
		}
	}

	/** Before the sources: none is to be open to all until its permissions are there. */
	private void takePermissions(Found found) {
		Map<String, Set<String>> kept = new HashMap<>();
		for (Granted row : found.permissions) {
			Permission.Level level = level(row);
			Map<String, Permission> ofUser = this.permissions.computeIfAbsent(row.user(),
					(user) -> new ConcurrentHashMap<>());
			if (level == null) {
				ofUser.remove(row.source());
			}
			else {
				kept.computeIfAbsent(row.user(), (user) -> new HashSet<>()).add(row.source());
				ofUser.put(row.source(), new Permission(level, row.by(), instant(row.at())));
			}
		}
		if (found.allPermissions) {
			this.permissions.keySet().retainAll(kept.keySet());
			this.permissions.forEach((user, sources) -> sources.keySet().retainAll(kept.getOrDefault(user, Set.of())));
		}
		if (!this.settings.permissions() && !this.permissions.isEmpty() && !this.unboundTold) {
			this.unboundTold = true;
			logger.warn("{}: it has permissions, which bind nobody: set 'app.tenancy.catalog.permissions' to true",
					name());
		}
	}

	private Permission.@Nullable Level level(Granted row) {
		String text = (row.level() != null) ? row.level().strip().toLowerCase(Locale.ROOT) : "";
		switch (text) {
			case "read" -> {
				return Permission.Level.READ;
			}
			case "admin" -> {
				return Permission.Level.ADMIN;
			}
			default -> {
				if (this.misgranted.size() < TOLD
						&& this.misgranted.add(row.user() + "\n" + row.source() + "\n" + text)) {
					logger.warn("{}: the permission of '{}' on '{}' allows nothing: it is neither 'read' nor 'admin'",
							name(), printable(row.user()), printable(row.source()));
				}
				return null;
			}
		}
	}

	private static @Nullable Instant instant(@Nullable String text) {
		try {
			return (text != null) ? Instant.parse(text) : null;
		}
		catch (DateTimeParseException ex) {
			// Written by others, in a form of their own.
			return null;
		}
	}

	/** The same map as before if nothing in it has changed. */
	private void takeMappings(Found found, long read) {
		NumberedMappingStore.Contents former = this.mappings;
		Map<String, String> known = (former != null) ? former.mappings() : Map.of();
		if (found.allMappings || !found.mappings.isEmpty()) {
			Map<String, String> all = new HashMap<>(found.allMappings ? Map.of() : known);
			all.putAll(found.mappings);
			known = all.equals(known) ? known : Collections.unmodifiableMap(all);
		}
		this.mappings = new NumberedMappingStore.Contents(known,
				new NumberedMappingStore.Revision(this.restored, read));
	}

	/** Puts a row's definition in place; says what is wrong with it if there is none. */
	private @Nullable String define(CatalogSource source) {
		if (!source.active()) {
			this.definitions.remove(source.name());
			return null;
		}
		try {
			this.definitions.put(source.name(), this.rows.define(source));
			return null;
		}
		catch (IllegalArgumentException ex) {
			return String.valueOf(ex.getMessage());
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
					(this.revision < 0) ? "so its sources are not known" : "the last known state serves on", reason);
			publish(new CatalogEvent.Unavailable(reason));
		}
	}

	private String withoutSecrets(Throwable failure) {
		String text = JdbcUrl.mask((failure instanceof MultiDbException || failure instanceof SQLException)
				? String.valueOf(failure.getMessage()) : failure.toString());
		Source source = this.registry.find(this.settings.source());
		String password = (source != null) ? source.definition().password() : null;
		return (password != null && !password.isEmpty()) ? text.replace(password, "***") : text;
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
