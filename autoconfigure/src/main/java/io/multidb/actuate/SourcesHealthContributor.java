package io.multidb.actuate;

import java.io.Serial;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.DisposableBean;
import org.springframework.boot.health.contributor.CompositeHealthContributor;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthContributor;
import org.springframework.boot.health.contributor.HealthContributors;
import org.springframework.boot.health.contributor.HealthIndicator;

import io.multidb.source.DaemonThreads;
import io.multidb.source.ReplicaState;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

/**
 * The health of every source, as it is now: an open pool is asked for a connection that
 * answers, what is unavailable says why, what is cold is UNKNOWN and stays cold. Only an
 * essential source is ever DOWN.
 * <p>
 * The sources of one report are tested at the same time, each with a time-out. A test
 * that hangs is not repeated before it has ended, and is waited for once: who asks later
 * hears at once that there is no answer. Essential sources have threads of their own, so
 * that no other source keeps them from being tested; what could not be tested yet, as too
 * many hang, is said to be in the state that it is in. What a test has found is good for
 * a short while, so that many who ask cost no more than one. Thread-safe.
 */
public final class SourcesHealthContributor implements CompositeHealthContributor, DisposableBean {

	/** Up to so many, a report lists cold sources too; beyond, it counts them. */
	static final int LISTED = 100;

	/** So many that are not cold it lists at most, beside all essential ones. */
	static final int LISTED_IN_USE = 500;

	/** The child that counts what is not listed; no source can have this name. */
	static final String REST = "*";

	/** The detail that says why a source could not be tested yet. */
	static final String NOT_TESTED = "notTested";

	/** So many tests are under way at a time of essential sources, and as many others. */
	static final int THREADS = 64;

	private static final Duration KEEP_ALIVE = Duration.ofSeconds(10);

	private final SourceRegistry registry;

	private final Map<String, HealthIndicator> others;

	private final Duration timeout;

	private final Duration cache;

	/** Tests under way, by source. */
	private final Map<Source, Test> tests = new ConcurrentHashMap<>();

	/** What tests have found lately, by the identities of sources. */
	private final Map<String, Found> found = new ConcurrentHashMap<>();

	private final ThreadPoolExecutor essential;

	private final ThreadPoolExecutor further;

	/**
	 * Creates the contributor; no thread is started before the first test, and none stays
	 * after the last.
	 * @param registry the sources
	 * @param timeout how long one source may take to answer
	 */
	public SourcesHealthContributor(SourceRegistry registry, Duration timeout) {
		this(registry, timeout, Duration.ZERO, Map.of());
	}

	/**
	 * Creates the contributor, with children beside the sources.
	 * @param registry the sources
	 * @param timeout how long one source may take to answer
	 * @param cache how long what was found is good for those who ask next; zero for not
	 * at all
	 * @param others further children, by names that no source can have
	 */
	public SourcesHealthContributor(SourceRegistry registry, Duration timeout, Duration cache,
			Map<String, HealthIndicator> others) {
		this.registry = registry;
		this.cache = cache;
		this.others = Map.copyOf(others);
		this.timeout = timeout;
		ThreadFactory threads = DaemonThreads.numbered("multidb-health-");
		this.essential = executor(threads);
		this.further = executor(threads);
	}

	private static ThreadPoolExecutor executor(ThreadFactory threads) {
		Handover waiting = new Handover();
		return new ThreadPoolExecutor(0, THREADS, KEEP_ALIVE.toMillis(), TimeUnit.MILLISECONDS, waiting, threads,
				(task, full) -> {
					if (full.isShutdown()) {
						throw new RejectedExecutionException("The application has ended");
					}
					((Test) task).isQueued();
					waiting.keep(task);
				});
	}

	/**
	 * Lets an idle thread have the next task, where there is one: an ordinary queue would
	 * have one started for each poll until there are as many as may be, and keep them.
	 */
	private static final class Handover extends LinkedTransferQueue<Runnable> {

		@Serial
		private static final long serialVersionUID = 1L;

		@Override
		public boolean offer(Runnable task) {
			return tryTransfer(task);
		}

		/** All threads there may be are busy. */
		void keep(Runnable task) {
			boolean unused = super.offer(task);
		}

	}

	@Override
	public @Nullable HealthContributor getContributor(String name) {
		HealthIndicator other = this.others.get(name);
		if (other != null) {
			return other;
		}
		Source source = this.registry.find(name);
		return (source != null) ? new Report(List.of(source)).indicator(source) : null;
	}

	@Override
	public Stream<HealthContributors.Entry> stream() {
		Listing listing = list();
		Report report = new Report(listing.listed());
		Stream<HealthContributors.Entry> entries = listing.listed()
			.stream()
			.map((source) -> new HealthContributors.Entry(source.name(), report.indicator(source)));
		Stream<HealthContributors.Entry> further = this.others.entrySet()
			.stream()
			.map((other) -> new HealthContributors.Entry(other.getKey(), other.getValue()));
		entries = Stream.concat(entries, further);
		return listing.rest().isEmpty() ? entries
				: Stream.concat(entries, Stream.of(new HealthContributors.Entry(REST, count(listing.rest()))));
	}

	/**
	 * What a report is about.
	 *
	 * @param listed the sources that are listed, by name
	 * @param rest how many there are besides, by state
	 */
	private record Listing(List<Source> listed, Map<String, Integer> rest) {
	}

	private Listing list() {
		List<Source> few = new ArrayList<>();
		List<Source> inUse = new ArrayList<>();
		Map<String, Integer> states = new TreeMap<>();
		this.registry.stream().forEach((source) -> {
			SourceState state = source.state();
			states.merge(SourcesView.status(state), 1, Integer::sum);
			if (few.size() <= LISTED) {
				few.add(source);
			}
			if (!(state instanceof SourceState.Cold)) {
				inUse.add(source);
			}
		});
		if (few.size() <= LISTED) {
			few.sort(Comparator.comparing(Source::name));
			return new Listing(few, Map.of());
		}
		inUse.sort(
				Comparator.comparing((Source source) -> !source.definition().essential()).thenComparing(Source::name));
		List<Source> listed = new ArrayList<>();
		for (Source source : inUse) {
			if (listed.size() < LISTED_IN_USE || source.definition().essential()) {
				listed.add(source);
				states.merge(SourcesView.status(source.state()), -1, Integer::sum);
			}
		}
		states.values().removeIf((count) -> count <= 0);
		listed.sort(Comparator.comparing(Source::name));
		return new Listing(listed, states);
	}

	private static HealthIndicator count(Map<String, Integer> rest) {
		int count = rest.values().stream().mapToInt(Integer::intValue).sum();
		return () -> Health.unknown().withDetail("count", count).withDetail("states", rest).build();
	}

	/**
	 * One look at some sources: the first that is asked for begins the tests of all, so
	 * that together they take no longer than the slowest. One that is asked for a second
	 * time begins another look.
	 */
	private final class Report {

		private final List<Source> sources;

		private final Map<Source, Answer> answers = new HashMap<>();

		private final Set<Source> asked = new HashSet<>();

		Report(List<Source> sources) {
			this.sources = sources;
		}

		HealthIndicator indicator(Source source) {
			return () -> {
				Answer answer = test(source);
				return (answer != null) ? health(source, answer) : fromState(source);
			};
		}

		private synchronized @Nullable Answer test(Source source) {
			if (this.asked.isEmpty() || this.asked.contains(source)) {
				this.asked.clear();
				this.answers.clear();
				forget();
				for (Source each : this.sources) {
					if (each.state() instanceof SourceState.Open) {
						this.answers.put(each, answer(each));
					}
				}
			}
			this.asked.add(source);
			return this.answers.get(source);
		}

	}

	/** What a test says, or will say. */
	private sealed interface Answer {

	}

	/**
	 * What a test has found.
	 *
	 * @param error what was wrong, or {@code null} for nothing
	 * @param at the value of System.nanoTime()
	 */
	private record Found(@Nullable String error, long at) implements Answer {
	}

	/** A test under way, or one that waits until another has ended. */
	private final class Test implements Answer, Runnable {

		private final Source source;

		private final CompletableFuture<Found> end = new CompletableFuture<>();

		private final long asked = System.nanoTime();

		/** When its time began; {@code null} while it waits for a thread. */
		private volatile @Nullable Long begun = this.asked;

		Test(Source source) {
			this.source = source;
		}

		void isQueued() {
			this.begun = null;
		}

		@Override
		public void run() {
			if (this.begun == null) {
				this.begun = System.nanoTime();
			}
			String error = null;
			try {
				boolean unused = this.source.test();
			}
			catch (Throwable ex) {
				error = this.source.definition().masked(String.valueOf(ex.getMessage()));
			}
			Found result = new Found(error, System.nanoTime());
			if (!SourcesHealthContributor.this.cache.isZero()) {
				SourcesHealthContributor.this.found.put(this.source.identity(), result);
			}
			// Whoever asks from here on finds that, or begins anew.
			SourcesHealthContributor.this.tests.remove(this.source);
			this.end.complete(result);
		}

		/**
		 * Waits once, as long as a test may take.
		 * @throws TimeoutException if it has not ended
		 */
		Found await() throws TimeoutException, InterruptedException, ExecutionException {
			long left = SourcesHealthContributor.this.timeout.toNanos() - (System.nanoTime() - this.asked);
			return this.end.get(Math.max(0, left), TimeUnit.NANOSECONDS);
		}

		/** Whether it has had all its time. */
		boolean hangs() {
			@Nullable Long since = this.begun;
			return since != null && System.nanoTime() - since >= SourcesHealthContributor.this.timeout.toNanos();
		}

	}

	private Answer answer(Source source) {
		Found known = this.found.get(source.identity());
		return (known != null && isFresh(known)) ? known : begin(source);
	}

	private boolean isFresh(Found known) {
		return System.nanoTime() - known.at() < this.cache.toNanos();
	}

	/** Sources come and go. */
	private void forget() {
		this.found.values().removeIf((known) -> !isFresh(known));
	}

	/** How many findings are remembered. */
	int remembered() {
		return this.found.size();
	}

	/** A test that hangs is waited for again, and not joined by a second one. */
	private Test begin(Source source) {
		return this.tests.computeIfAbsent(source, (key) -> {
			Test test = new Test(key);
			(key.definition().essential() ? this.essential : this.further).execute(test);
			return test;
		});
	}

	private Health health(Source source, Answer answer) {
		try {
			Found result = (answer instanceof Test test) ? test.await() : (Found) answer;
			return (result.error() != null) ? failing(source, result.error()).build() : fromState(source);
		}
		catch (ExecutionException ex) {
			throw new IllegalStateException("A test never ends so", ex);
		}
		catch (TimeoutException ex) {
			return (answer instanceof Test test && !test.hangs()) ? notTested(source)
					: failing(source, "No answer within " + this.timeout.toMillis() + " ms").build();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			return failing(source, "Interrupted while waiting for an answer").build();
		}
	}

	private static Health notTested(Source source) {
		Health health = fromState(source);
		return Health.status(health.getStatus())
			.withDetails(health.getDetails())
			.withDetail(NOT_TESTED, "The tests of " + THREADS + " other sources have not ended")
			.build();
	}

	private static Health fromState(Source source) {
		SourceState state = source.state();
		if (state instanceof SourceState.Unavailable unavailable) {
			return failing(source, unavailable.reason()).withDetail("since", unavailable.since())
				.withDetail("nextTry", unavailable.nextTry())
				.build();
		}
		Health.Builder health = (state instanceof SourceState.Open) ? Health.up() : Health.unknown();
		return describe(health, source).build();
	}

	private static Health.Builder failing(Source source, String error) {
		Health.Builder health = source.definition().essential() ? Health.down() : Health.unknown();
		return describe(health, source).withDetail("error", SourcesView.hidden(error));
	}

	private static Health.Builder describe(Health.Builder health, Source source) {
		health.withDetail("state", SourcesView.status(source.state()))
			.withDetail("url", SourcesView.hidden(source.definition().url()))
			.withDetail("essential", source.definition().essential());
		String fallback = source.fallback();
		if (fallback != null) {
			health.withDetail("fallback", fallback);
		}
		List<ReplicaState> replicas = source.replicas();
		return replicas.isEmpty() ? health : health.withDetail("replicas", describe(replicas));
	}

	private static Map<String, String> describe(List<ReplicaState> replicas) {
		Map<String, String> described = new LinkedHashMap<>();
		for (ReplicaState replica : replicas) {
			String lag = (replica.lag() != null) ? ", at most " + replica.lag().toMillis() + " ms behind" : "";
			described.put(replica.name(), replica.inUse() ? "in use" + lag : left(replica));
		}
		return described;
	}

	private static String left(ReplicaState replica) {
		String reason = replica.reason();
		return (reason != null) ? "left out: " + SourcesView.hidden(reason) : "left out";
	}

	@Override
	public void destroy() {
		this.essential.shutdownNow();
		this.further.shutdownNow();
	}

}
