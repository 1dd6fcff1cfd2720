package io.multidb.source;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

/**
 * The sources that are open, or being opened: not more than the limits allow, of all and
 * of one server, of which the least recently used idle one gives way to the next.
 * <p>
 * Who finds no place queues up, says where it waits for something to become idle, and
 * looks once more; from then on, whoever makes a source idle there, or leaves it, serves
 * the queue, first come, first served. The one writes that it waits and reads the pools,
 * the other writes its pool and reads who waits, so that one of the two sees the other.
 * Who waits for a source of one server keeps nobody of another from a place, takes none
 * meanwhile, and has nothing closed that would not help it.
 * <p>
 * Thread-safe; everything but {@code now}, {@code waiting} and {@code closing} is changed
 * under and guarded by {@code lock}, under which a source's lock may be taken, never the
 * other way round.
 */
final class OpenPools {

	/**
	 * So many pools that gave way may wait to be closed by others than who needs more.
	 */
	private static final int MAX_CLOSING = 16;

	/**
	 * Who waits looks by itself after so long, doubled each time: an aborted connection,
	 * or one that a server's budget takes away, makes a pool idle without telling.
	 */
	private static final Duration FIRST_LOOK = Duration.ofMillis(50);

	private static final Pattern PLAIN_KEY = Pattern.compile("[a-z0-9-]+");

	private final PoolLimits limits;

	/** Of sources whose server has none of its own: that of all, or none. */
	private final List<OpenLimit> common;

	/** By server, the server's own first. */
	private final Map<String, List<OpenLimit>> ofServers = new HashMap<>();

	private final IntConsumer attention;

	/**
	 * Not a fair one: where all processors are busy, each that it is handed to would
	 * first have to wait for one of them, and all others for him. The queue is fair.
	 */
	private final ReentrantLock lock = new ReentrantLock();

	/** Read without the lock, too. */
	private final Map<Source, Place> places = new ConcurrentHashMap<>();

	/** How many places there were. */
	private long numbers;

	/** Who waits, the first first. */
	private final Deque<Claim> queue = new ArrayDeque<>();

	/** Whether the queue is being served, by this thread. */
	private boolean serving;

	private boolean closed;

	/** Changed under lock, read without. */
	private final AtomicInteger waiting = new AtomicInteger();

	/** How many were given up, by why. */
	private final Map<PoolEnd, LongAdder> ends = new ConcurrentHashMap<>();

	/** Pools that gave way and are closed without grace, until they are, by pool. */
	private final Map<Pool, Source> closing = new ConcurrentHashMap<>();

	/**
	 * The time by which pools note when they were used: how many have been opened, and
	 * how often it was looked for idle ones. Which of two was used later matters only
	 * where one of them gives way to a third.
	 */
	private volatile int now;

	/** As many sources as may be open are in use, which is no fault of this one. */
	static final class NoPlaceException extends Exception {

		private static final long serialVersionUID = 1L;

		NoPlaceException(String message) {
			super(message, null, false, false);
		}

	}

	/** One that waits for a place. All of it is guarded by lock. */
	private final class Claim {

		private final Source source;

		private final List<OpenLimit> limits;

		private final Thread thread = Thread.currentThread();

		private final Condition changed = OpenPools.this.lock.newCondition();

		/** Which one keeps it waiting. */
		private @Nullable OpenLimit full;

		private boolean served;

		Claim(Source source, List<OpenLimit> limits) {
			this.source = source;
			this.limits = limits;
		}

		/** To be said before it is looked for something idle there. */
		void waitsFor(@Nullable OpenLimit limit) {
			if (limit != this.full) {
				if (this.full != null) {
					this.full.waiting(-1);
				}
				if (limit != null) {
					limit.waiting(1);
				}
				this.full = limit;
			}
		}

	}

	/**
	 * Creates it.
	 * @param attention is told how many more wait, or fewer
	 */
	OpenPools(PoolLimits limits, IntConsumer attention) {
		this.limits = limits;
		this.attention = attention;
		this.common = (limits.maxOpen() > 0) ? List.of(new OpenLimit(limits.maxOpen(), "'app.tenancy.max-open'", ""))
				: List.of();
		limits.servers().forEach((name, server) -> {
			if (server.maxOpen() > 0) {
				List<OpenLimit> both = new ArrayList<>();
				both.add(new OpenLimit(server.maxOpen(), property(name), " of server '" + name + "'"));
				both.addAll(this.common);
				this.ofServers.put(name.toLowerCase(Locale.ROOT), List.copyOf(both));
			}
		});
	}

	private static String property(String server) {
		String key = PLAIN_KEY.matcher(server).matches() ? "." + server : "[" + server + "]";
		return "'app.tenancy.servers" + key + ".max-open'";
	}

	private List<OpenLimit> limits(SourceDefinition definition) {
		if (this.ofServers.isEmpty()) {
			return this.common;
		}
		String server = ServerBudgets.server(definition);
		return (server != null) ? this.ofServers.getOrDefault(server, this.common) : this.common;
	}

	int now() {
		return this.now;
	}

	private void tick() {
		int last = this.now;
		this.now = last + 1;
	}

	/** How many wait for a pool to become idle. */
	int waiting() {
		return this.waiting.get();
	}

	int size() {
		return open().size();
	}

	/** What is open; a snapshot. */
	List<Source> open() {
		this.lock.lock();
		try {
			return this.places.values().stream().filter(Place::isOpen).map(Place::source).toList();
		}
		finally {
			this.lock.unlock();
		}
	}

	/**
	 * Takes a place for a source that is to be opened, of the least recently used idle
	 * one if there is no other; it is to be {@link #entered} or {@link #abandoned}.
	 * @param wanted by which definition it is to be opened; if it is open by another one,
	 * it has its place, unless that is of another server
	 * @param timeout how long to wait for one
	 * @return whether it has a place; {@code false} if the source was removed while it
	 * waited
	 * @throws NoPlaceException if there was none in time
	 */
	boolean enter(Source source, SourceDefinition wanted, Duration timeout)
			throws InterruptedException, NoPlaceException {
		List<OpenLimit> under = limits(wanted);
		closeSome();
		this.lock.lockInterruptibly();
		try {
			tick();
			OpenLimit full = full(source, under);
			while (full != null && !full.isWaitedFor() && evictOne(full)) {
				full = full(source, under);
			}
			if (full != null) {
				return awaitPlace(new Claim(source, under), timeout);
			}
			take(source, under, Thread.currentThread());
			return true;
		}
		finally {
			this.lock.unlock();
		}
	}

	private void take(Source source, List<OpenLimit> under, Thread opener) {
		Place place = this.places.get(source);
		if (place == null) {
			place = new Place(source, this.numbers++);
			this.places.put(source, place);
		}
		place.opening(under, opener);
	}

	/** The limit that keeps a source from being opened, or {@code null}. */
	private @Nullable OpenLimit full(Source source, List<OpenLimit> under) {
		for (OpenLimit each : under) {
			if (each.isFull()) {
				Place place = this.places.get(source);
				if (place == null || !place.isOpenUnder(each)) {
					return each;
				}
			}
		}
		return null;
	}

	private boolean awaitPlace(Claim claim, Duration timeout) throws InterruptedException, NoPlaceException {
		boolean ended = false;
		this.queue.addLast(claim);
		this.waiting.incrementAndGet();
		// Whoever gives a connection back from now on tells us.
		this.attention.accept(1);
		try {
			serve();
			if (!claim.served && mayExceed(claim)) {
				claim.limits.forEach(this::evictIfFull);
				serve(claim);
			}
			long left = timeout.toNanos();
			long look = FIRST_LOOK.toNanos();
			while (!claim.served) {
				if (this.closed) {
					throw new NoPlaceException(
							"Source '" + claim.source.name() + "' was not opened: the application has ended.");
				}
				if (claim.source.isGone()) {
					return false;
				}
				if (left <= 0) {
					throw full(claim, timeout);
				}
				long rest = claim.changed.awaitNanos(Math.min(left, look));
				left -= Math.min(left, look) - rest;
				if (rest <= 0) {
					look *= 2;
					serve();
				}
			}
			ended = true;
			return true;
		}
		finally {
			this.queue.remove(claim);
			claim.waitsFor(null);
			this.waiting.decrementAndGet();
			this.attention.accept(-1);
			if (claim.served && !ended) {
				abandoned(claim.source);
			}
		}
	}

	/**
	 * Who is to wait for nobody: where that is wanted, and for what a source needs that
	 * this very thread opens, such as its template's maintenance; it would have that wait
	 * for itself.
	 */
	private boolean mayExceed(Claim claim) {
		OpenLimit full = claim.full;
		return full != null && (this.limits.whenFull() == PoolLimits.WhenFull.EXCEED
				|| full.opening().stream().anyMatch(Place::isOpenedByThisThread));
	}

	private void serve(Claim claim) {
		claim.waitsFor(null);
		take(claim.source, claim.limits, claim.thread);
		claim.served = true;
		claim.changed.signal();
	}

	/** Gives places to those who wait, as far as there are, or something is idle. */
	private void serve() {
		if (this.serving || this.queue.isEmpty()) {
			return;
		}
		this.serving = true;
		try {
			Set<OpenLimit> inUse = new HashSet<>();
			for (Claim claim : this.queue) {
				if (!claim.served && !claim.source.isGone() && hasRoom(claim, inUse)) {
					serve(claim);
				}
			}
		}
		finally {
			this.serving = false;
		}
	}

	/**
	 * Whether there is a place, or one was made.
	 * @param inUse where nothing is idle
	 */
	private boolean hasRoom(Claim claim, Set<OpenLimit> inUse) {
		OpenLimit full = full(claim.source, claim.limits);
		while (full != null) {
			claim.waitsFor(full);
			if (inUse.contains(full) || !evictOne(full)) {
				inUse.add(full);
				return false;
			}
			full = full(claim.source, claim.limits);
		}
		return true;
	}

	private boolean evictOne(OpenLimit limit) {
		Place victim = limit.leastRecentlyUsed(this.now);
		while (victim != null && !evict(victim)) {
			// Somebody was faster.
			victim.usedAt(this.now);
			victim = limit.leastRecentlyUsed(this.now);
		}
		return victim != null;
	}

	/** As far as something is idle. */
	private void evictIfFull(OpenLimit limit) {
		boolean unused = limit.isFull() && evictOne(limit);
	}

	private boolean evict(Place victim) {
		Pool pool = victim.source().pool();
		if (pool == null) {
			return false;
		}
		if (pool.grace().isZero()) {
			this.closing.put(pool, victim.source());
		}
		boolean evicted = victim.source().life().closeIfIdle(PoolEnd.EVICTED);
		if (!evicted || pool.phase() == Pool.Phase.CLOSED) {
			// Otherwise we are told, but that may have been before.
			this.closing.remove(pool);
		}
		return evicted;
	}

	/**
	 * Who opens sources faster than others close what gave way does that itself, so that
	 * there are never many more handles than there may be. It waits for nobody.
	 */
	private void closeSome() {
		for (Source each : this.closing.values()) {
			if (this.closing.size() <= MAX_CLOSING) {
				return;
			}
			each.life().closeDrained();
		}
	}

	private NoPlaceException full(Claim claim, Duration timeout) {
		String why = (claim.full != null) ? claim.full.explain() : "";
		return new NoPlaceException(
				"Source '" + claim.source.name() + "' was not opened within " + Source.seconds(timeout) + ": " + why);
	}

	/**
	 * A source got the pool that it has entered for: the place is its own until
	 * {@link #left}.
	 */
	void entered(Source source) {
		this.lock.lock();
		try {
			// It may have been drained since.
			change(source, (source.pool() != null) ? this::open : Place::abandoned);
		}
		finally {
			this.lock.unlock();
		}
	}

	private void open(Place place) {
		place.opened(this.now, System.nanoTime());
	}

	/** What a source has entered for did not come to be; nothing if it had not. */
	void abandoned(Source source) {
		change(source, Place::abandoned);
	}

	/** A source has no pool any more, unless it has another one since. */
	void left(Source source) {
		change(source, (place) -> {
			if (source.pool() == null) {
				place.closed();
			}
		});
	}

	private void change(Source source, Consumer<Place> change) {
		this.lock.lock();
		try {
			Place place = this.places.get(source);
			if (place != null) {
				change.accept(place);
				if (place.isUnused()) {
					this.places.remove(source);
				}
				serve();
			}
		}
		finally {
			this.lock.unlock();
		}
	}

	/** A connection of a source was given back: it may have become idle. */
	void returned(Source source) {
		if (this.waiting.get() == 0) {
			return;
		}
		Place place = this.places.get(source);
		Pool pool = source.pool();
		if (place != null && place.isWanted() && pool != null && pool.leases() == 0) {
			this.lock.lock();
			try {
				serve();
			}
			finally {
				this.lock.unlock();
			}
		}
	}

	/** A pool is given up. */
	void ended(PoolEnd why) {
		this.ends.computeIfAbsent(why, (first) -> new LongAdder()).increment();
	}

	/** How many were given up. */
	long ends(PoolEnd why) {
		LongAdder count = this.ends.get(why);
		return (count != null) ? count.sum() : 0;
	}

	/** A pool is closed. */
	void closed(Pool pool) {
		this.closing.remove(pool);
	}

	/**
	 * Closes what has not been used since it was idle for the first time, longer ago than
	 * the limit says; and what is open beyond a limit.
	 */
	void closeIdle() {
		this.lock.lock();
		try {
			tick();
			long time = System.nanoTime();
			for (Place each : this.places.values()) {
				Pool pool = each.source().pool();
				if (each.isOpen() && pool != null && isIdleForTooLong(each, time) && pool.mayBeClosedWhenIdle()) {
					each.source().life().closeIfIdle(PoolEnd.IDLE);
				}
			}
			this.common.forEach(this::evictSurplus);
			this.ofServers.values().forEach((each) -> evictSurplus(each.get(0)));
		}
		finally {
			this.lock.unlock();
		}
	}

	private boolean isIdleForTooLong(Place place, long time) {
		Duration idle = Duration.ofNanos(place.idleFor(time));
		return !this.limits.idleTimeout().isZero() && idle.compareTo(this.limits.idleTimeout()) >= 0;
	}

	private void evictSurplus(OpenLimit limit) {
		boolean evicted = true;
		while (evicted && limit.isExceeded()) {
			evicted = evictOne(limit);
		}
	}

	/** Lets nobody wait any more. */
	void close() {
		this.lock.lock();
		try {
			this.closed = true;
			this.queue.forEach((claim) -> claim.changed.signal());
		}
		finally {
			this.lock.unlock();
		}
	}

	/** How often to look for idle ones; {@code null} for never. */
	@Nullable Duration interval() {
		Duration idle = this.limits.idleTimeout();
		if (idle.isZero() && this.limits.whenFull() == PoolLimits.WhenFull.WAIT) {
			return null;
		}
		long millis = idle.isZero() ? TimeUnit.SECONDS.toMillis(10) : idle.toMillis() / 4;
		return Duration.ofMillis(Math.min(TimeUnit.SECONDS.toMillis(30), Math.max(50, millis)));
	}

	/** Whether there is anything to look at. */
	boolean isEmpty() {
		return this.places.values().stream().noneMatch(Place::isOpen);
	}

}
