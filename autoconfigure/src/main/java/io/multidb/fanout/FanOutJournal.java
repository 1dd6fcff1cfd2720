package io.multidb.fanout;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Delayed;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.ReentrantLock;

import com.fasterxml.jackson.annotation.JsonValue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.UncategorizedSQLException;
import org.springframework.jdbc.support.SQLStateSQLExceptionTranslator;

import io.multidb.MultiDbException;
import io.multidb.source.DaemonThreads;
import io.multidb.source.JdbcUrl;
import io.multidb.source.SourceRegistry;

/**
 * What became of every fan-out, in the table {@code multidb_execution} of one source: one
 * row for each source of each execution. The table is made at the first use, unless it is
 * there.
 * <p>
 * Written behind the back of whoever asks, by one thread: an answer waits for the journal
 * until its deadline at most, and one that cannot be written is only logged. Thread-safe.
 */
public final class FanOutJournal implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(FanOutJournal.class);

	/** Compared as text: it sorts like the times do. */
	private static final DateTimeFormatter TIME = DateTimeFormatter
		.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT)
		.withZone(ZoneOffset.UTC);

	private static final List<String> TABLE = List.of("""
			create table if not exists multidb_execution (
			execution_id varchar(36) not null, position integer not null, source varchar(64) not null,
			status varchar(16) not null, row_count bigint not null, milliseconds bigint not null,
			failure varchar(1000), started_at varchar(24) not null, primary key (execution_id, position))""",
			"create index if not exists multidb_execution_started on multidb_execution (started_at)");

	private static final String INSERT = """
			insert into multidb_execution (status, row_count, milliseconds, failure, execution_id, position, source,
			started_at) values (?, ?, ?, ?, ?, ?, ?, ?)""";

	private static final String UPDATE = """
			update multidb_execution set status = ?, row_count = ?, milliseconds = ?, failure = ?
			where execution_id = ? and position = ?""";

	private static final String SELECT = "select source, status, row_count, milliseconds, failure, started_at, position"
			+ " from multidb_execution where execution_id = ? order by position";

	private static final int LONGEST_FAILURE = 1000;

	/**
	 * A commit without an answer may still be under way when it is looked for the first
	 * time; what collides with it then has come after it.
	 */
	private static final int ATTEMPTS = 3;

	/** When an outcome is tried again that could not be written. */
	private static final List<Duration> AGAIN = List.of(Duration.ofMillis(200), Duration.ofSeconds(1),
			Duration.ofSeconds(5), Duration.ofSeconds(30));

	/** So many executions may wait to be written; what comes then is not recorded. */
	private static final int MANY = 1000;

	/** What happens within this time is written at once. */
	private static final Duration AT_ONCE = Duration.ofMillis(20);

	private static final long PRUNING = TimeUnit.HOURS.toNanos(1);

	private static final Duration CLOSING = Duration.ofSeconds(2);

	/** Where a source is in an execution. */
	public enum State {

		/** Its turn has not come. */
		PENDING,

		/** It is being asked. */
		RUNNING,

		/** See {@link SourceOutcome.Status}; so are the others. */
		COMPLETED, FAILED, TIMED_OUT, REFUSED, UNAVAILABLE;

		/** In lower case with dashes, as in JSON: {@code timed-out}. */
		@Override
		@JsonValue
		public String toString() {
			return name().toLowerCase(Locale.ROOT).replace('_', '-');
		}

		static State of(String text) {
			return valueOf(text.toUpperCase(Locale.ROOT).replace('-', '_'));
		}

	}

	/**
	 * One source of an execution.
	 *
	 * @param source the source's name
	 * @param state where it is
	 * @param count how many rows it gave; 0 unless it is completed
	 * @param milliseconds how long it took; 0 until it has ended
	 * @param failure what happened; {@code null} unless it failed in some way
	 */
	public record Entry(String source, State state, long count, long milliseconds, @Nullable String failure) {
	}

	/**
	 * One fan-out.
	 *
	 * @param id its id
	 * @param startedAt when it began
	 * @param entries its sources, in their order
	 */
	public record Recorded(String id, Instant startedAt, List<Entry> entries) {

		/** Cannot be changed. */
		public Recorded {
			entries = List.copyOf(entries);
		}

	}

	private final SourceRegistry registry;

	private final String source;

	private final Duration keep;

	private final List<Duration> again;

	private final ReentrantLock lock = new ReentrantLock();

	/** Guarded by lock; {@code null} until something is to be written. */
	private @Nullable ScheduledThreadPoolExecutor writer;

	/** Guarded by lock. */
	private boolean closed;

	private final AtomicInteger unwritten = new AtomicInteger();

	/** Touched by the writer. */
	private boolean down;

	/** Likewise. */
	private boolean made;

	/** Likewise; in {@link System#nanoTime()}. */
	private long prunedAt = System.nanoTime() - PRUNING;

	/**
	 * Creates a journal; nothing is opened or started.
	 * @param registry where its source is found
	 * @param source the name of the source that has its table
	 * @param keep how long executions are kept; zero for ever
	 */
	public FanOutJournal(SourceRegistry registry, String source, Duration keep) {
		this(registry, source, keep, AGAIN);
	}

	FanOutJournal(SourceRegistry registry, String source, Duration keep, List<Duration> again) {
		this.registry = registry;
		this.source = source;
		this.keep = keep;
		this.again = again;
	}

	/** In how long each is to be written that waits for it. */
	List<Duration> planned() {
		this.lock.lock();
		try {
			return (this.writer == null) ? List.of()
					: this.writer.getQueue()
						.stream()
						.map((work) -> Duration.ofNanos(((Delayed) work).getDelay(TimeUnit.NANOSECONDS)))
						.toList();
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * What was recorded of a fan-out, which may be still going on.
	 * @param id its id, see {@link FanOutResult#id()}
	 * @return what was recorded, or {@code null} if there is nothing (any more)
	 * @throws DataAccessException if the journal cannot be read
	 * @throws MultiDbException if its source cannot be used
	 */
	public @Nullable Recorded find(String id) {
		try (Connection connection = connect()) {
			make(connection);
			try (PreparedStatement statement = connection.prepareStatement(SELECT)) {
				statement.setString(1, id);
				try (ResultSet rows = statement.executeQuery()) {
					return read(id, rows);
				}
			}
			finally {
				end(connection);
			}
		}
		catch (SQLException ex) {
			throw translate("reading of execution", ex);
		}
	}

	private static @Nullable Recorded read(String id, ResultSet rows) throws SQLException {
		List<Entry> entries = new ArrayList<>();
		Instant startedAt = Instant.EPOCH;
		while (rows.next()) {
			entries.add(entry(rows));
			startedAt = Instant.from(TIME.parse(rows.getString(6)));
		}
		return entries.isEmpty() ? null : new Recorded(id, startedAt, entries);
	}

	private static Entry entry(ResultSet rows) throws SQLException {
		return new Entry(rows.getString(1), State.of(rows.getString(2)), rows.getLong(3), rows.getLong(4),
				rows.getString(5));
	}

	/**
	 * Deletes old executions.
	 * @param age how long ago those began that are deleted
	 * @return how many rows there were
	 * @throws DataAccessException if that failed
	 * @throws MultiDbException if its source cannot be used
	 */
	public int prune(Duration age) {
		try (Connection connection = connect()) {
			make(connection);
			int pruned = prune(connection, age);
			end(connection);
			return pruned;
		}
		catch (SQLException ex) {
			throw translate("pruning of executions", ex);
		}
	}

	private static int prune(Connection connection, Duration age) throws SQLException {
		try (PreparedStatement statement = connection
			.prepareStatement("delete from multidb_execution where started_at < ?")) {
			statement.setString(1, TIME.format(Instant.now().minus(age)));
			return statement.executeUpdate();
		}
	}

	private static DataAccessException translate(String what, SQLException failure) {
		DataAccessException known = new SQLStateSQLExceptionTranslator().translate(what, null, failure);
		return (known != null) ? known : new UncategorizedSQLException(what, null, failure);
	}

	private Connection connect() throws SQLException {
		return this.registry.get(this.source).getConnection();
	}

	private static void make(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			for (String part : TABLE) {
				statement.execute(part);
			}
		}
	}

	private static void end(Connection connection) throws SQLException {
		if (!connection.getAutoCommit()) {
			connection.commit();
		}
	}

	/**
	 * Begins to record an execution.
	 * @return where to say what becomes of it
	 */
	Recording begin(String id, List<String> sources) {
		Execution execution = new Execution(id, sources);
		if (this.unwritten.incrementAndGet() > MANY || !later(() -> write(execution), AT_ONCE)) {
			this.unwritten.decrementAndGet();
			logger.warn("{}: the journal is behind by {} fan-outs; {} is not recorded", this.source, MANY, id);
			return Recording.NONE;
		}
		return execution;
	}

	private boolean later(Runnable work, Duration delay) {
		this.lock.lock();
		try {
			if (this.closed) {
				return false;
			}
			if (this.writer == null) {
				ScheduledThreadPoolExecutor fresh = new ScheduledThreadPoolExecutor(1,
						DaemonThreads.named("multidb-journal"));
				fresh.setKeepAliveTime(10, TimeUnit.SECONDS);
				fresh.allowCoreThreadTimeOut(true);
				this.writer = fresh;
			}
			Future<?> unused = this.writer.schedule(work, delay.toMillis(), TimeUnit.MILLISECONDS);
			return true;
		}
		catch (RejectedExecutionException | OutOfMemoryError ex) {
			// Closed, or no thread is to be had: the answer matters more.
			return false;
		}
		finally {
			this.lock.unlock();
		}
	}

	private void write(Execution execution) {
		boolean last = execution.ended;
		execution.scheduled.set(false);
		if (execution.over || execution.waiting) {
			return;
		}
		boolean done = false;
		try {
			writeOnce(execution, last);
			done = true;
			if (this.down) {
				this.down = false;
				logger.info("{}: the journal of fan-outs is written again", this.source);
			}
		}
		catch (SQLException | RuntimeException ex) {
			if (!this.down) {
				this.down = true;
				logger.warn("{}: the journal of fan-outs cannot be written: {}", this.source,
						JdbcUrl.mask(String.valueOf(ex.getMessage())));
			}
		}
		finally {
			if (last) {
				if (done || !laterAgain(execution)) {
					execution.over = true;
					this.unwritten.decrementAndGet();
				}
				// An answer does not wait for another attempt.
				execution.written.complete(null);
			}
		}
	}

	private boolean laterAgain(Execution execution) {
		if (execution.attempts == this.again.size()) {
			logger.debug("{}: what became of fan-out {} could not be written into the journal", this.source,
					execution.id);
			return false;
		}
		execution.waiting = later(() -> {
			execution.waiting = false;
			write(execution);
		}, this.again.get(execution.attempts++));
		return execution.waiting;
	}

	/** Whether or not a commit was answered whose connection is lost. */
	private void writeOnce(Execution execution, boolean last) throws SQLException {
		for (int attempt = 1;; attempt++) {
			try {
				write(execution, last);
				return;
			}
			catch (SQLException ex) {
				if (attempt == ATTEMPTS || !isWorthAnother(ex)) {
					throw ex;
				}
				logger.debug("{}: the journal of fan-outs is written to again", this.source, JdbcUrl.mask(ex));
			}
		}
	}

	/** The connection was lost, or what is to be inserted is there by now. */
	private static boolean isWorthAnother(SQLException failure) {
		String state = failure.getSQLState();
		return state != null && (state.startsWith("08") || state.startsWith("57P") || state.startsWith("23"));
	}

	private void write(Execution execution, boolean last) throws SQLException {
		try (Connection connection = connect()) {
			boolean automatic = connection.getAutoCommit();
			if (!this.made) {
				make(connection);
				end(connection);
				this.made = true;
			}
			connection.setAutoCommit(false);
			try {
				if (execution.inDoubt) {
					execution.read(connection);
				}
				execution.inDoubt = true;
				execution.write(connection);
				if (last && !this.keep.isZero() && System.nanoTime() - this.prunedAt >= PRUNING) {
					this.prunedAt = System.nanoTime();
					int pruned = prune(connection, this.keep);
					logger.debug("{}: {} old rows of the journal of fan-outs deleted", this.source, pruned);
				}
				connection.commit();
			}
			catch (SQLException | RuntimeException ex) {
				// The table may be gone.
				this.made = false;
				undo(connection, automatic, ex);
				throw ex;
			}
			connection.setAutoCommit(automatic);
			execution.wrote();
			execution.inDoubt = false;
		}
	}

	/** As far as there still is a connection. */
	private static void undo(Connection connection, boolean automatic, Exception failure) {
		try {
			connection.rollback();
			connection.setAutoCommit(automatic);
		}
		catch (SQLException | RuntimeException ex) {
			failure.addSuppressed(ex);
		}
	}

	/** Not too long, and without what PostgreSQL has no place for. */
	private static String storable(String failure) {
		String text = failure.replace('\0', ' ');
		if (text.length() <= LONGEST_FAILURE) {
			return text;
		}
		boolean half = Character.isHighSurrogate(text.charAt(LONGEST_FAILURE - 1));
		return text.substring(0, half ? LONGEST_FAILURE - 1 : LONGEST_FAILURE);
	}

	/** Writes what there is to be written, for a short while, and ends. */
	@Override
	public void close() {
		ScheduledThreadPoolExecutor begun;
		this.lock.lock();
		try {
			this.closed = true;
			begun = this.writer;
		}
		finally {
			this.lock.unlock();
		}
		if (begun == null) {
			return;
		}
		begun.shutdown();
		try {
			if (!begun.awaitTermination(CLOSING.toMillis(), TimeUnit.MILLISECONDS)) {
				logger.warn("{}: {} fan-outs could not be written into the journal any more", this.source,
						this.unwritten.get());
				begun.shutdownNow();
			}
		}
		catch (InterruptedException ex) {
			begun.shutdownNow();
			Thread.currentThread().interrupt();
		}
	}

	/** Where to say what becomes of an execution; waits for nothing but when asked to. */
	interface Recording {

		/** Records nothing. */
		Recording NONE = new Recording() {
		};

		/** A source is asked. */
		default void running(int index) {
		}

		/** A source has an outcome. */
		default void ended(int index, SourceOutcome outcome) {
		}

		/** All have: waits until that is written, but not beyond a time. */
		default void await(long deadline) {
		}

	}

	/** Whoever is told of an execution's beginning. */
	interface Recorder {

		Recording begin(String id, List<String> sources);

	}

	private final class Execution implements Recording {

		private final String id;

		private final String startedAt = TIME.format(Instant.now());

		private final AtomicReferenceArray<Entry> current;

		private final AtomicBoolean scheduled = new AtomicBoolean(true);

		private final CompletableFuture<@Nullable Void> written = new CompletableFuture<>();

		private volatile boolean ended;

		/**
		 * It is in the table, or never will be; touched by the writer, as the next ones.
		 */
		private boolean over;

		/** Its outcome could not be written, and is tried again at its time. */
		private boolean waiting;

		/** How often its outcome could not be written. */
		private int attempts;

		/** The table may have more than what is known of it. */
		private boolean inDoubt;

		/** What the table has. */
		private final @Nullable Entry[] inTable;

		/** What it has after the transaction. */
		private final @Nullable Entry[] next;

		Execution(String id, List<String> sources) {
			this.id = id;
			this.current = new AtomicReferenceArray<>(sources.size());
			this.inTable = new Entry[sources.size()];
			this.next = new Entry[sources.size()];
			for (int i = 0; i < sources.size(); i++) {
				this.current.set(i, new Entry(sources.get(i), State.PENDING, 0, 0, null));
			}
		}

		@Override
		public void running(int index) {
			Entry pending = this.current.get(index);
			// Unless it has an outcome by now.
			if (pending.state() == State.PENDING && this.current.compareAndSet(index, pending,
					new Entry(pending.source(), State.RUNNING, 0, 0, null))) {
				changed();
			}
		}

		@Override
		public void ended(int index, SourceOutcome outcome) {
			String failure = outcome.failure();
			this.current.set(index, new Entry(outcome.source(), State.valueOf(outcome.status().name()), outcome.count(),
					outcome.milliseconds(), (failure != null) ? storable(failure) : null));
			changed();
		}

		private void changed() {
			if (this.scheduled.compareAndSet(false, true) && !later(() -> FanOutJournal.this.write(this), AT_ONCE)) {
				this.scheduled.set(false);
			}
		}

		@Override
		public void await(long deadline) {
			this.ended = true;
			if (!later(() -> FanOutJournal.this.write(this), Duration.ZERO)) {
				return;
			}
			try {
				Object unused = this.written.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
			catch (TimeoutException | ExecutionException ex) {
				// It is written later, or it was logged that it cannot be.
			}
		}

		private void read(Connection connection) throws SQLException {
			Arrays.fill(this.inTable, null);
			try (PreparedStatement statement = connection.prepareStatement(SELECT)) {
				statement.setString(1, this.id);
				try (ResultSet rows = statement.executeQuery()) {
					while (rows.next()) {
						this.inTable[rows.getInt(7)] = entry(rows);
					}
				}
			}
		}

		private void write(Connection connection) throws SQLException {
			try (PreparedStatement insert = connection.prepareStatement(INSERT);
					PreparedStatement update = connection.prepareStatement(UPDATE)) {
				int inserts = 0;
				int updates = 0;
				for (int i = 0; i < this.inTable.length; i++) {
					Entry entry = this.current.get(i);
					this.next[i] = entry;
					if (this.inTable[i] == null) {
						set(insert, i, entry);
						insert.setString(7, entry.source());
						insert.setString(8, this.startedAt);
						insert.addBatch();
						inserts++;
					}
					else if (!entry.equals(this.inTable[i])) {
						set(update, i, entry);
						update.addBatch();
						updates++;
					}
				}
				if (inserts > 0) {
					int[] unused = insert.executeBatch();
				}
				if (updates > 0) {
					int[] unused = update.executeBatch();
				}
			}
		}

		private void set(PreparedStatement statement, int index, Entry entry) throws SQLException {
			statement.setString(1, entry.state().toString());
			statement.setLong(2, entry.count());
			statement.setLong(3, entry.milliseconds());
			statement.setString(4, entry.failure());
			statement.setString(5, this.id);
			statement.setInt(6, index);
		}

		private void wrote() {
			System.arraycopy(this.next, 0, this.inTable, 0, this.next.length);
		}

	}

}
