package io.multidb.source;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * So many physical connections one database server may have from this process: a permit
 * is taken where one is made and given back when it is closed.
 * <p>
 * Who finds no permit queues up and closes the least recently used idle connection of
 * another pool, whose permit goes to the first in the queue. If nothing is idle, it
 * announces that it starves and looks once more; from then on, whoever gives a connection
 * back to its pool sees that and passes it on. The one writes the announcement and reads
 * the pools, the other writes its pool and reads the announcement, so that one of the two
 * sees the other.
 * <p>
 * Thread-safe. What is said to be is guarded by {@code lock}, which is never held during
 * I/O.
 */
final class ServerBudget {

	private static final Logger logger = LoggerFactory.getLogger(ServerBudget.class);

	/**
	 * A pool that others wait in keeps what comes back to it, unless somebody in the
	 * queue has waited for longer: about as long as a few transactions and a connect.
	 */
	static final Duration PATIENCE = Duration.ofMillis(20);

	/** So many a server is taken to have until it has been asked. */
	static final int UNKNOWN = 10;

	/**
	 * A server that refuses a connection, as others use it too, is not tried again with
	 * more than it has accepted for so long, doubled each time.
	 */
	private static final Duration FIRST_PAUSE = Duration.ofMillis(20);

	private static final Duration LAST_PAUSE = Duration.ofSeconds(1);

	/**
	 * Who waits looks by itself after so long, doubled each time: HikariCP tells nobody
	 * when it has tested an idle connection, or made one that nobody waits for any more.
	 */
	private static final Duration FIRST_LOOK = Duration.ofMillis(50);

	/**
	 * Of so many permits one is kept free, up to four in all: who needs one then waits
	 * for no connection to be closed, as that is done behind him.
	 */
	private static final int PERMITS_PER_SPARE = 16;

	private static final int MOST_SPARE = 4;

	/** What a PostgreSQL has for users who are no superusers. */
	private static final String CAPACITY = "SELECT current_setting('max_connections')::int"
			+ " - current_setting('superuser_reserved_connections')::int"
			+ " - coalesce(current_setting('reserved_connections', true)::int, 0)";

	/** Connection exceptions, out of resources, ended by an operator, system errors. */
	private static final Pattern LOST_CONNECTION = Pattern.compile("08|53|57|58");

	/** Whose connections they are: one source's pool, or what is to become one. */
	interface Holder {

		/** The source's name. */
		String source();

		/** Whether somebody waits for a connection of it. */
		boolean isWanted();

		/** How many callers wait in its pool. */
		int waiting();

		/** How many connections are idle in its pool. */
		int idle();

		/** Closes a connection that is idle in its pool, if there is one. */
		boolean giveUpIdle();

		/** A connection of it is being closed. */
		default void closing() {
		}

	}

	/** Makes a connection with the driver. */
	@FunctionalInterface
	interface Connector {

		Connection connect() throws SQLException;

	}

	/** One that waits for a permit. All of it is guarded by lock. */
	private final class Claim {

		private final Holder holder;

		private final long since = System.nanoTime();

		private final Condition changed = ServerBudget.this.lock.newCondition();

		private boolean served;

		private boolean withdrawn;

		private boolean starving;

		Claim(Holder holder) {
			this.holder = holder;
		}

		boolean isImpatient() {
			return System.nanoTime() - this.since > PATIENCE.toNanos();
		}

	}

	private final String server;

	private final ServerSettings settings;

	private final IntConsumer attention;

	private final Executor background;

	private final ReentrantLock lock = new ReentrantLock();

	/** Who waits, the first first; guarded by lock. */
	private final Deque<Claim> queue = new ArrayDeque<>();

	private final Set<BudgetedConnection> open = ConcurrentHashMap.newKeySet();

	/** Guarded by lock. */
	private int permits;

	/** Whether the permits are a guess, to be replaced; guarded by lock. */
	private boolean asked;

	/** Connections that are open or being made; guarded by lock. */
	private int taken;

	/** Connections that are being closed in the background; guarded by lock. */
	private int closing;

	/** So many the server accepted before it refused one; guarded by lock. */
	private int accepted;

	/** Until then no more than that are made; guarded by lock. */
	private long acceptedUntil = System.nanoTime();

	/** In nanoseconds; guarded by lock. */
	private long pause;

	/** What the server said when it refused one; guarded by lock. */
	private @Nullable SQLException refusal;

	/** Connections that were closed for others. */
	private final LongAdder stolen = new LongAdder();

	/** Guarded by lock. */
	private boolean closed;

	/** Whether somebody waits who found nothing idle; written under lock. */
	private volatile boolean starving;

	/**
	 * Creates a budget.
	 * @param attention is told when it begins to wait for connections that are given
	 * back, by 1, and when it ends, by -1
	 * @param background closes connections; may refuse to
	 */
	ServerBudget(String server, ServerSettings settings, IntConsumer attention, Executor background) {
		this.background = background;
		this.server = server;
		this.settings = settings;
		this.attention = attention;
		Integer configured = settings.maxConnections();
		this.asked = configured != null;
		this.permits = (configured != null) ? settings.permits(configured) : UNKNOWN;
	}

	/**
	 * Makes a connection within the budget.
	 * @param holder for whom
	 * @param timeout how long to wait for a permit; {@code null} for as long as it is
	 * wanted
	 * @param connector makes it
	 * @throws NoPermitException if there was no permit in time, or it is not wanted any
	 * more
	 */
	Connection connect(Holder holder, @Nullable Duration timeout, Connector connector) throws SQLException {
		long start = System.nanoTime();
		boolean again = false;
		while (true) {
			take(holder, start, timeout, again);
			BudgetedConnection connection = null;
			try {
				keepSpare(holder);
				connection = new BudgetedConnection(connector.connect(), this, holder);
				this.open.add(connection);
				return connection;
			}
			catch (SQLException ex) {
				if (!PostgresRefusal.isOfServer(ex)) {
					throw ex;
				}
				refused(ex);
				again = true;
			}
			finally {
				if (connection == null) {
					giveBack();
				}
			}
		}
	}

	private void take(Holder holder, long start, @Nullable Duration timeout, boolean again) throws SQLException {
		Claim claim = claim(holder, start, again);
		if (claim == null) {
			return;
		}
		boolean served = false;
		try {
			long look = FIRST_LOOK.toNanos();
			while (!isServed(claim, start)) {
				if (makeRoom(holder) || announce(claim)) {
					continue;
				}
				await(claim, start, timeout, look);
				look *= 2;
			}
			served = true;
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SQLException("Interrupted while waiting for a connection of server '" + this.server + "'",
					"08001", ex);
		}
		finally {
			if (!served) {
				leave(claim);
			}
		}
	}

	/**
	 * Takes a permit, or queues up.
	 * @param again whether the server refused what it had a permit for
	 * @return {@code null} if it has the permit
	 */
	private @Nullable Claim claim(Holder holder, long start, boolean again) throws NoPermitException {
		this.lock.lock();
		try {
			if (this.queue.isEmpty() && !this.closed && this.taken < limit()) {
				this.taken++;
				return null;
			}
			if (this.closed || !holder.isWanted()) {
				throw exhausted(start);
			}
			Claim claim = new Claim(holder);
			if (again) {
				this.queue.addFirst(claim);
			}
			else {
				this.queue.addLast(claim);
			}
			serve();
			return claim;
		}
		finally {
			this.lock.unlock();
		}
	}

	private boolean isServed(Claim claim, long start) throws NoPermitException {
		this.lock.lock();
		try {
			serve();
			if (claim.withdrawn) {
				throw exhausted(start);
			}
			return claim.served;
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Lets those who give a connection back know.
	 * @return whether this was news, so that it must look once more
	 */
	private boolean announce(Claim claim) {
		this.lock.lock();
		try {
			if (claim.starving || claim.served || claim.withdrawn) {
				return false;
			}
			claim.starving = true;
			starve();
			return true;
		}
		finally {
			this.lock.unlock();
		}
	}

	private void await(Claim claim, long start, @Nullable Duration timeout, long look)
			throws InterruptedException, NoPermitException {
		this.lock.lockInterruptibly();
		try {
			long now = System.nanoTime();
			long left = (timeout != null) ? timeout.toNanos() - (now - start) : Long.MAX_VALUE;
			if (left <= 0 && !claim.served) {
				throw exhausted(start);
			}
			long pauseLeft = this.acceptedUntil - now;
			long wait = Math.min(left, (pauseLeft > 0) ? Math.min(pauseLeft, look) : look);
			while (wait > 0 && !claim.served && !claim.withdrawn) {
				wait = claim.changed.awaitNanos(wait);
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	private void leave(Claim claim) {
		this.lock.lock();
		try {
			if (claim.served) {
				this.taken--;
			}
			else {
				this.queue.remove(claim);
			}
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** How many there may be at the moment; guarded by lock. */
	private int limit() {
		return (this.acceptedUntil - System.nanoTime() > 0) ? Math.min(this.permits, this.accepted) : this.permits;
	}

	/** Gives what is free to those who came first; guarded by lock. */
	private void serve() {
		withdrawIf((claim) -> this.closed || !claim.holder.isWanted());
		while (!this.queue.isEmpty() && this.taken < limit()) {
			Claim first = this.queue.remove();
			this.taken++;
			first.served = true;
			first.changed.signal();
		}
		starve();
	}

	/** Guarded by lock. */
	private void withdrawIf(Predicate<Claim> condition) {
		this.queue.removeIf((claim) -> {
			claim.withdrawn = condition.test(claim);
			if (claim.withdrawn) {
				claim.changed.signal();
			}
			return claim.withdrawn;
		});
	}

	/** Guarded by lock. */
	private void starve() {
		boolean now = false;
		for (Claim claim : this.queue) {
			now |= claim.starving;
		}
		if (now != this.starving) {
			this.starving = now;
			this.attention.accept(now ? 1 : -1);
		}
	}

	private void giveBack() {
		this.lock.lock();
		try {
			this.taken--;
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** A connection was closed. */
	void closed(BudgetedConnection connection) {
		this.open.remove(connection);
		giveBack();
	}

	/**
	 * The server has fewer connections left than we took it to have: no more than it
	 * accepted are made for a while, so that idle ones are closed for those who need one.
	 */
	private void refused(SQLException ex) {
		this.lock.lock();
		try {
			long now = System.nanoTime();
			long over = now - this.acceptedUntil;
			if (over >= 0) {
				boolean first = this.pause == 0 || over > LAST_PAUSE.toNanos();
				this.pause = first ? FIRST_PAUSE.toNanos() : Math.min(2 * this.pause, LAST_PAUSE.toNanos());
				this.acceptedUntil = now + this.pause;
			}
			this.accepted = this.taken - 1;
			this.refusal = ex;
			this.asked = this.settings.maxConnections() != null;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Whether a proxy in front of the server leaves each connection its session. */
	boolean isSessionPooling() {
		return this.settings.sessionPooling();
	}

	/**
	 * Asks the server how many connections it has, unless that is known.
	 * @param connection a connection that was just made, and may be given up
	 */
	void ask(Connection connection) throws SQLException {
		this.lock.lock();
		try {
			if (this.asked) {
				return;
			}
			this.asked = true;
		}
		finally {
			this.lock.unlock();
		}
		boolean answered = false;
		int capacity;
		try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(CAPACITY)) {
			row.next();
			capacity = row.getInt(1);
			answered = true;
		}
		catch (SQLException ex) {
			if (LOST_CONNECTION.matcher(String.valueOf(ex.getSQLState())).lookingAt()) {
				throw ex;
			}
			logger.info("{}: does not tell how many connections it has, so there is no budget for it: {}", this.server,
					ex.getMessage());
			capacity = Integer.MAX_VALUE;
			answered = true;
		}
		finally {
			if (!answered) {
				unasked();
			}
		}
		learn(capacity);
	}

	private void unasked() {
		this.lock.lock();
		try {
			this.asked = false;
		}
		finally {
			this.lock.unlock();
		}
	}

	private void learn(int capacity) {
		int share = (capacity == Integer.MAX_VALUE) ? capacity : this.settings.permits(capacity);
		this.lock.lock();
		try {
			if (share != this.permits && capacity != Integer.MAX_VALUE) {
				logger.info("{}: a budget of {} connections; the server has {}", this.server, share, capacity);
			}
			this.permits = share;
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Closes the least recently used connection that is idle in another pool. */
	private boolean makeRoom(@Nullable Holder needy) {
		for (Holder holder : leastRecentlyUsed()) {
			if (!holder.equals(needy) && holder.giveUpIdle()) {
				this.stolen.increment();
				return true;
			}
		}
		return false;
	}

	/** By the connection that each has not used for longest, as that one is idle. */
	private List<Holder> leastRecentlyUsed() {
		long now = System.nanoTime();
		Map<Holder, Long> unusedFor = new HashMap<>();
		for (BudgetedConnection connection : this.open) {
			unusedFor.merge(connection.holder(), now - connection.lastUsed(), Math::max);
		}
		return unusedFor.entrySet()
			.stream()
			.sorted(Comparator.comparingLong((Map.Entry<Holder, Long> entry) -> -entry.getValue()))
			.map(Map.Entry::getKey)
			.toList();
	}

	/** Sees to it that the next ones find a permit, if anything is idle. */
	private void keepSpare(Holder needy) {
		this.lock.lock();
		try {
			int spare = Math.min(this.permits / PERMITS_PER_SPARE, MOST_SPARE);
			if (this.permits - this.taken + this.closing >= spare) {
				return;
			}
			this.closing++;
		}
		finally {
			this.lock.unlock();
		}
		boolean begun = false;
		try {
			this.background.execute(() -> closeSpare(needy));
			begun = true;
		}
		finally {
			if (!begun) {
				closedSpare();
			}
		}
	}

	private void closeSpare(Holder needy) {
		boolean closed = false;
		try {
			closed = makeRoom(needy);
		}
		finally {
			closedSpare();
		}
		if (closed) {
			// Who took one meanwhile counted on this one.
			keepSpare(needy);
		}
	}

	private void closedSpare() {
		this.lock.lock();
		try {
			this.closing--;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Whether somebody waits who found nothing idle. */
	boolean isStarving() {
		return this.starving;
	}

	/**
	 * Whether a connection that is about to go back to its pool is to be closed instead:
	 * nobody waits for it there, or others have waited for too long.
	 */
	boolean needsFrom(Holder holder) {
		if (!this.starving) {
			return false;
		}
		this.lock.lock();
		try {
			Claim other = null;
			for (Claim claim : this.queue) {
				if (!claim.holder.equals(holder) && claim.holder.isWanted()) {
					other = claim;
					break;
				}
			}
			if (other == null || (holder.waiting() > 0 && !other.isImpatient())) {
				return false;
			}
			// It has had its turn, and must not get back at once what it gives away.
			List<Claim> own = this.queue.stream().filter((claim) -> claim.holder.equals(holder)).toList();
			this.queue.removeAll(own);
			this.queue.addAll(own);
			this.stolen.increment();
			return true;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Something was given back to some pool. */
	void passOn() {
		if (this.starving) {
			prune();
			boolean unused = this.starving && makeRoom(null);
		}
	}

	/** Those who waited in a pool may have gone, or been served there. */
	void prune() {
		this.lock.lock();
		try {
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Lets nothing wait for a pool any more. */
	void withdraw(Holder holder) {
		this.lock.lock();
		try {
			withdrawIf((claim) -> claim.holder.equals(holder));
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * What a source waits for here.
	 * @return a sentence with numbers, or {@code null} if it does not wait
	 */
	@Nullable String shortage(String source) {
		this.lock.lock();
		try {
			for (Claim claim : this.queue) {
				if (claim.holder.source().equals(source)) {
					return explain(claim.since);
				}
			}
			return null;
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Guarded by lock. */
	private NoPermitException exhausted(long since) {
		return new NoPermitException(explain(since), isRefusedLately() ? this.refusal : null);
	}

	/** Guarded by lock. */
	private boolean isRefusedLately() {
		return this.refusal != null && System.nanoTime() - this.acceptedUntil < LAST_PAUSE.toNanos();
	}

	/** Guarded by lock. */
	private String explain(long since) {
		int idle = this.open.stream().map(BudgetedConnection::holder).distinct().mapToInt(Holder::idle).sum();
		long waited = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - since);
		String numbers = "(permits " + this.permits + ", in use or being made " + Math.max(0, this.taken - idle)
				+ ", idle " + idle + ", waiting " + this.queue.size() + ") for " + waited + " ms";
		if (isRefusedLately()) {
			return "Server '" + this.server + "' has no connection left, as others use it too " + numbers + ": "
					+ ((this.refusal != null) ? this.refusal.getMessage() : "")
					+ ". Raise the 'reserve' or the 'nodes' of its budget, or its max_connections.";
		}
		return "The budget of server '" + this.server + "' had no permit left " + numbers
				+ ". Look for slow statements, and for work that needs a second connection while it holds one; or raise"
				+ " its 'max-connections'.";
	}

	/** How it is now. */
	ServerState state() {
		int idle = this.open.stream().map(BudgetedConnection::holder).distinct().mapToInt(Holder::idle).sum();
		this.lock.lock();
		try {
			Integer limit = (this.permits < Integer.MAX_VALUE) ? this.permits : null;
			return new ServerState(this.server, limit, Math.max(0, this.taken - idle), idle, this.queue.size(),
					this.stolen.sum());
		}
		finally {
			this.lock.unlock();
		}
	}

	int permits() {
		this.lock.lock();
		try {
			return this.permits;
		}
		finally {
			this.lock.unlock();
		}
	}

	int taken() {
		this.lock.lock();
		try {
			return this.taken;
		}
		finally {
			this.lock.unlock();
		}
	}

	int waiting() {
		this.lock.lock();
		try {
			return this.queue.size();
		}
		finally {
			this.lock.unlock();
		}
	}

	/** Nobody waits any more. */
	void close() {
		this.lock.lock();
		try {
			this.closed = true;
			serve();
		}
		finally {
			this.lock.unlock();
		}
	}

	@Override
	public String toString() {
		return "budget of server '" + this.server + "'";
	}

}
