package io.multidb.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Threads that take requests from a schedule, which does not wait for them. Thread-safe.
 */
final class SteadyLoad implements AutoCloseable {

	/** What is asked for. */
	interface Requests {

		/** Which kind of request is next, from 0 on. */
		int draw(Random random);

		void run(int kind, Random random) throws Exception;

	}

	/** What came of the requests of one kind that were begun in a span of time. */
	static final class Recording {

		/** A failure, and how long it took to say so. */
		private record Failure(int count, long nanos, long most) {

			Failure plus(long more) {
				return new Failure(this.count + 1, this.nanos + more, Math.max(this.most, more));
			}

		}

		private long[] nanos = new long[1024];

		private int size;

		private int served;

		private final Map<String, Failure> failures = new TreeMap<>();

		private synchronized void add(long took, String failure) {
			if (this.size == this.nanos.length) {
				this.nanos = Arrays.copyOf(this.nanos, 2 * this.size);
			}
			this.nanos[this.size++] = took;
			if (failure.isEmpty()) {
				this.served++;
			}
			else {
				this.failures.put(failure, this.failures.getOrDefault(failure, new Failure(0, 0, 0)).plus(took));
			}
		}

		synchronized int served() {
			return this.served;
		}

		synchronized int failed() {
			return this.size - this.served;
		}

		/** In milliseconds. */
		synchronized double percentile(double part) {
			if (this.size == 0) {
				return Double.NaN;
			}
			long[] sorted = Arrays.copyOf(this.nanos, this.size);
			Arrays.sort(sorted);
			return sorted[Math.min(this.size - 1, (int) (this.size * part))] / 1e6;
		}

		/** The failures, those that took longest first. */
		synchronized String failures() {
			List<String> texts = new ArrayList<>();
			this.failures.entrySet()
				.stream()
				.sorted((one, other) -> Long.compare(other.getValue().most(), one.getValue().most()))
				.forEach((entry) -> texts.add(String.format(Locale.ROOT, "%d × %s (%.2f ms, at most %.0f)",
						entry.getValue().count(), entry.getKey(),
						entry.getValue().nanos() / 1e6 / entry.getValue().count(), entry.getValue().most() / 1e6)));
			return texts.isEmpty() ? "nothing" : String.join("; ", texts);
		}

	}

	/** A request that waited no longer than this was in time: threads wake up late. */
	private static final long PUNCTUAL = TimeUnit.MILLISECONDS.toNanos(2);

	private final Requests requests;

	private final int kinds;

	private final double rate;

	private final long start = System.nanoTime();

	private final AtomicLong next = new AtomicLong();

	private final List<Thread> threads = new ArrayList<>();

	private volatile List<Recording> recordings;

	private volatile boolean closed;

	/**
	 * Starts it.
	 * @param kinds how many kinds of requests there are
	 * @param rate requests per second
	 */
	SteadyLoad(int threads, int kinds, double rate, Requests requests) {
		this.requests = requests;
		this.kinds = kinds;
		this.rate = rate;
		this.recordings = fresh();
		for (int i = 0; i < threads; i++) {
			Random random = new Random(i);
			Thread thread = new Thread(() -> work(random), "load-" + i);
			thread.setDaemon(true);
			this.threads.add(thread);
		}
		this.threads.forEach(Thread::start);
	}

	private List<Recording> fresh() {
		List<Recording> fresh = new ArrayList<>();
		for (int i = 0; i < this.kinds; i++) {
			fresh.add(new Recording());
		}
		return fresh;
	}

	/**
	 * Begins a new span.
	 * @return what is recorded from now on, by kind
	 */
	List<Recording> record() {
		List<Recording> fresh = fresh();
		this.recordings = fresh;
		return fresh;
	}

	/** Interrupts one of its threads, wherever that is. */
	void interrupt(Random random) {
		this.threads.get(random.nextInt(this.threads.size())).interrupt();
	}

	private void work(Random random) {
		while (!this.closed) {
			long due = this.start + (long) (this.next.getAndIncrement() * 1e9 / this.rate);
			long left = due - System.nanoTime();
			while (left > 0 && !this.closed) {
				// An interrupt is meant for a request, and would not let it park.
				boolean unused = Thread.interrupted();
				LockSupport.parkNanos(left);
				left = due - System.nanoTime();
			}
			List<Recording> now = this.recordings;
			int kind = this.requests.draw(random);
			// What waited for a thread waited for its answer.
			long began = (-left > PUNCTUAL) ? due : System.nanoTime();
			String failure = "";
			try {
				this.requests.run(kind, random);
			}
			catch (Exception ex) {
				failure = describe(ex);
			}
			now.get(kind).add(System.nanoTime() - began, failure);
		}
	}

	/** The innermost of ours, or else what came. */
	private static String describe(Exception failure) {
		String name = failure.getClass().getSimpleName();
		for (Throwable cause = failure.getCause(); cause != null; cause = cause.getCause()) {
			if (cause.getClass().getName().startsWith("io.multidb")) {
				name = name + " by " + cause.getClass().getSimpleName();
				break;
			}
		}
		return name;
	}

	@Override
	public void close() throws InterruptedException {
		this.closed = true;
		for (Thread thread : this.threads) {
			thread.join(TimeUnit.SECONDS.toMillis(30));
		}
	}

}
