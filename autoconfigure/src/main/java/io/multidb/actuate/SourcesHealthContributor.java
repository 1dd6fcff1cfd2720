package io.multidb.actuate;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
		this.registry = registry;
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
		Source source = this.registry.find(name);
		return (source != null) ? indicator(source) : null;
	}

	@Override
	public Stream<HealthContributors.Entry> stream() {
		List<Source> sources = this.registry.sources();
		List<HealthContributors.Entry> entries = new ArrayList<>();
		int rest = 0;
		for (Source source : sources) {
			if (source.state() instanceof SourceState.Cold && sources.size() > LISTED) {
				rest++;
			}
			else {
				entries.add(new HealthContributors.Entry(source.name(), indicator(source)));
			}
		}
		if (rest > 0) {
			int cold = rest;
			HealthIndicator count = () -> Health.unknown()
				.withDetail("state", "cold")
				.withDetail("count", cold)
				.build();
			entries.add(new HealthContributors.Entry(REST, count));
		}
		return entries.stream();
	}

	/** Begins the test at once, so that all sources of one report are tested together. */
	private HealthIndicator indicator(Source source) {
		long start = System.nanoTime();
		CompletableFuture<Boolean> test = (source.state() instanceof SourceState.Open) ? test(source) : null;
		return () -> health(source, test, start);
	}

	private CompletableFuture<Boolean> test(Source source) {
		return this.tests.computeIfAbsent(source, (key) -> {
			CompletableFuture<Boolean> test = new CompletableFuture<>();
			this.executor.execute(() -> {
				try {
					boolean open = key.test();
					this.tests.remove(key);
					test.complete(open);
				}
				catch (Throwable ex) {
					this.tests.remove(key);
					test.completeExceptionally(ex);
				}
			});
			return test;
		});
	}

	private Health health(Source source, @Nullable CompletableFuture<Boolean> test, long start) {
		if (test != null) {
			try {
				test.get(Math.max(0, this.timeout.toNanos() - (System.nanoTime() - start)), TimeUnit.NANOSECONDS);
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
		return fromState(source);
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
		return health.withDetail("state", source.state().getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT))
			.withDetail("url", source.definition().url().masked())
			.withDetail("essential", source.definition().essential());
	}

	@Override
	public void destroy() {
		this.executor.shutdownNow();
	}

}
