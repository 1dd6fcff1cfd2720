package io.multidb.actuate;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.DisposableBean;
import org.springframework.boot.health.contributor.CompositeHealthContributor;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthContributor;
import org.springframework.boot.health.contributor.HealthContributors;
import org.springframework.boot.health.contributor.HealthIndicator;

import io.multidb.source.JdbcUrl;
import io.multidb.source.ReplicaState;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

/**
 * The health of every source, as it is now: an open pool is asked for a connection that
 * answers, what is unavailable says why, what is cold is UNKNOWN and stays cold. Only an
 * essential source is ever DOWN.
 * <p>
 * The sources of one report are tested at the same time, each with a time-out; a test
 * that hangs is not repeated before it has ended. Thread-safe.
 */
public final class SourcesHealthContributor implements CompositeHealthContributor, DisposableBean {

	/** Up to so many, a report lists cold sources too; beyond, it counts them. */
	static final int LISTED = 100;

	/** The child that counts what is not listed; no source can have this name. */
	static final String REST = "*";

	private static final int THREADS = 64;

	private final SourceRegistry registry;

	private final Map<String, HealthIndicator> others;

	private final Duration timeout;

	/** Tests under way, by source. */
	private final Map<Source, CompletableFuture<Boolean>> tests = new ConcurrentHashMap<>();

	private final ThreadPoolExecutor executor;

	/**
	 * Creates the contributor; no thread is started before the first test, and none stays
	 * after the last.
	 * @param registry the sources
	 * @param timeout how long one source may take to answer
	 */
	public SourcesHealthContributor(SourceRegistry registry, Duration timeout) {
		this(registry, timeout, Map.of());
	}

	/**
	 * Creates the contributor, with children beside the sources.
	 * @param registry the sources
	 * @param timeout how long one source may take to answer
	 * @param others further children, by names that no source can have
	 */
	public SourcesHealthContributor(SourceRegistry registry, Duration timeout, Map<String, HealthIndicator> others) {
		this.registry = registry;
		this.others = Map.copyOf(others);
		this.timeout = timeout;
		AtomicInteger number = new AtomicInteger();
		this.executor = new ThreadPoolExecutor(THREADS, THREADS, 10, TimeUnit.SECONDS, new LinkedBlockingQueue<>(),
				(task) -> {
					Thread thread = new Thread(task, "multidb-health-" + number.incrementAndGet());
					thread.setDaemon(true);
					return thread;
				});
		this.executor.allowCoreThreadTimeOut(true);
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
		List<Source> all = this.registry.sources();
		List<Source> listed = (all.size() <= LISTED) ? all
				: all.stream().filter((source) -> !(source.state() instanceof SourceState.Cold)).toList();
		Report report = new Report(listed);
		Stream<HealthContributors.Entry> entries = listed.stream()
			.map((source) -> new HealthContributors.Entry(source.name(), report.indicator(source)));
		int rest = all.size() - listed.size();
		Stream<HealthContributors.Entry> further = this.others.entrySet()
			.stream()
			.map((other) -> new HealthContributors.Entry(other.getKey(), other.getValue()));
		entries = Stream.concat(entries, further);
		return (rest > 0) ? Stream.concat(entries, Stream.of(new HealthContributors.Entry(REST, count(rest))))
				: entries;
	}

	private static HealthIndicator count(int cold) {
		return () -> Health.unknown().withDetail("state", "cold").withDetail("count", cold).build();
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
				long until = System.nanoTime() + SourcesHealthContributor.this.timeout.toNanos();
				this.asked.clear();
				this.answers.clear();
				for (Source each : this.sources) {
					if (each.state() instanceof SourceState.Open) {
						this.answers.put(each, new Answer(begin(each), until));
					}
				}
			}
			this.asked.add(source);
			return this.answers.get(source);
		}

	}

	/** A test under way, and the value of System.nanoTime() until which to wait. */
	private record Answer(CompletableFuture<Boolean> test, long until) {

	}

	/** A test that hangs is waited for again, and not joined by a second one. */
	private CompletableFuture<Boolean> begin(Source source) {
		return this.tests.computeIfAbsent(source, (key) -> {
			CompletableFuture<Boolean> test = new CompletableFuture<>();
			this.executor.execute(() -> {
				try {
					test.complete(key.test());
				}
				catch (Throwable ex) {
					test.completeExceptionally(ex);
				}
				finally {
					this.tests.remove(key);
				}
			});
			return test;
		});
	}

	private Health health(Source source, Answer answer) {
		try {
			answer.test().get(Math.max(0, answer.until() - System.nanoTime()), TimeUnit.NANOSECONDS);
			return fromState(source);
		}
		catch (ExecutionException ex) {
			Throwable cause = (ex.getCause() != null) ? ex.getCause() : ex;
			return failing(source, JdbcUrl.mask(String.valueOf(cause.getMessage()))).build();
		}
		catch (TimeoutException ex) {
			return failing(source, "No answer within " + this.timeout.toMillis() + " ms").build();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			return failing(source, "Interrupted while waiting for an answer").build();
		}
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
		return describe(health, source).withDetail("error", error);
	}

	private static Health.Builder describe(Health.Builder health, Source source) {
		health.withDetail("state", source.state().getClass().getSimpleName().toLowerCase(Locale.ROOT))
			.withDetail("url", source.definition().url().masked())
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
			described.put(replica.name(), replica.inUse() ? "in use" + lag : "left out: " + replica.reason());
		}
		return described;
	}

	@Override
	public void destroy() {
		this.executor.shutdownNow();
	}

}
