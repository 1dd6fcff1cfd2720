package io.multidb.source;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLongArray;

import org.jspecify.annotations.Nullable;

/**
 * Who wrote to a source a short while ago. A table of fixed size without keys: two
 * callers that share a slot read from the primary more often than they need to, never
 * less. Thread-safe without locks; per process.
 */
final class RecentWrites {

	/** A power of two; 64 KB, from the first write on. */
	private static final int SLOTS = 1 << 13;

	private static final long START = System.nanoTime();

	/**
	 * The slots of one caller.
	 *
	 * @param mine where it is looked for, and remembered, as itself
	 * @param unnamed where writes without a session are remembered, which count for every
	 * session of the tenant
	 * @param anybody where all writes of the tenant are remembered, for callers without a
	 * session
	 */
	record Caller(int mine, int unnamed, int anybody) {

		static Caller of(@Nullable String tenant, @Nullable String session) {
			int unnamed = slot(tenant, "unnamed");
			int anybody = slot(tenant, "anybody");
			return new Caller((session != null) ? slot(tenant, "session " + session) : unnamed, unnamed, anybody);
		}

		private static int slot(@Nullable String tenant, String what) {
			int hash = 31 * Objects.hashCode(tenant) + what.hashCode();
			// The spreading step of MurmurHash3, as neighbouring ids have neighbouring
			// hash codes.
			hash = (hash ^ (hash >>> 16)) * 0x85ebca6b;
			return (hash ^ (hash >>> 13)) & (SLOTS - 1);
		}

	}

	private final long sticky;

	/** When somebody wrote last, by slot, in nanoseconds since the start; 0 for never. */
	private volatile @Nullable AtomicLongArray times;

	RecentWrites(Duration sticky) {
		this.sticky = sticky.toNanos();
	}

	void add(Caller caller) {
		if (this.sticky == 0) {
			return;
		}
		AtomicLongArray table = table();
		long now = now();
		table.set(caller.mine(), now);
		table.set(caller.anybody(), now);
	}

	boolean has(Caller caller) {
		AtomicLongArray table = this.times;
		if (table == null) {
			return false;
		}
		long now = now();
		if (caller.mine() == caller.unnamed()) {
			return isRecent(table.get(caller.anybody()), now);
		}
		return isRecent(table.get(caller.mine()), now) || isRecent(table.get(caller.unnamed()), now);
	}

	private boolean isRecent(long time, long now) {
		return time != 0 && now - time < this.sticky;
	}

	private static long now() {
		return System.nanoTime() - START + 1;
	}

	private AtomicLongArray table() {
		AtomicLongArray table = this.times;
		return (table != null) ? table : makeTable();
	}

	private synchronized AtomicLongArray makeTable() {
		AtomicLongArray table = this.times;
		if (table == null) {
			table = new AtomicLongArray(SLOTS);
			this.times = table;
		}
		return table;
	}

}
