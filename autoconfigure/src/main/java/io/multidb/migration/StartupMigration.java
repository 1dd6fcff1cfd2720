package io.multidb.migration;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import javax.sql.DataSource;

import liquibase.exception.LiquibaseException;
import liquibase.integration.spring.SpringLiquibase;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.beans.factory.DisposableBean;
import org.springframework.boot.diagnostics.FailureAnalyzedException;

import io.multidb.source.DaemonThreads;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * Migrates the declared sources when the application starts, several at a time. One that
 * fails, or takes too long, holds up neither the others nor the start, unless it is told
 * to: it stays unavailable, is shown by health, and is tried again.
 * <p>
 * It is a {@link SpringLiquibase} so that Spring Boot's own, which would run without a
 * tenant, stays away, and so that whatever needs a migrated database waits for it.
 */
public final class StartupMigration extends SpringLiquibase implements DisposableBean {

	private static final Logger logger = LoggerFactory.getLogger(StartupMigration.class);

	private static final Duration PROGRESS_EVERY = Duration.ofSeconds(5);

	/** So many sources are named in one line of the log. */
	private static final int NAMED = 5;

	private final SourceRegistry registry;

	private final int parallelism;

	private final Duration timeout;

	private final boolean failFast;

	private final AtomicInteger succeeded = new AtomicInteger();

	/** What failed, and why. */
	private final Map<String, String> failures = Collections.synchronizedMap(new TreeMap<>());

	/** What has neither been migrated nor failed yet. */
	private final Set<String> waitingFor = Collections.synchronizedSet(new TreeSet<>());

	private volatile @Nullable ExecutorService executor;

	/**
	 * Creates the migration; it runs when the bean is initialized.
	 * @param registry the sources
	 * @param dataSource the router, for those who ask which DataSource is migrated
	 * @param parallelism how many sources are migrated at a time, at least 1
	 * @param timeout how long the start waits at most, in all
	 * @param failFast whether the start fails when a source does, or is not done in time
	 */
	public StartupMigration(SourceRegistry registry, DataSource dataSource, int parallelism, Duration timeout,
			boolean failFast) {
		this.registry = registry;
		this.parallelism = parallelism;
		this.timeout = timeout;
		this.failFast = failFast;
		setDataSource(dataSource);
	}

	@Override
	public void afterPropertiesSet() throws LiquibaseException {
		List<String> names = new ArrayList<>();
		for (Source source : this.registry.sources()) {
			if (source.definition().liquibase().changeLog() != null && source.definition().template() == null) {
				names.add(source.name());
			}
		}
		if (!names.isEmpty()) {
			migrate(names);
		}
	}

	private void migrate(List<String> names) throws LiquibaseException {
		long start = System.nanoTime();
		CountDownLatch pending = new CountDownLatch(names.size());
		ExecutorService workers = Executors.newFixedThreadPool(Math.min(this.parallelism, names.size()),
				DaemonThreads.numbered("multidb-migration-"));
		this.executor = workers;
		this.waitingFor.addAll(names);
		for (String name : names) {
			workers.execute(() -> {
				try {
					this.registry.prepare(name);
					this.succeeded.incrementAndGet();
				}
				catch (Throwable ex) {
					this.failures.put(name, String.valueOf(ex.getMessage()));
				}
				finally {
					this.waitingFor.remove(name);
					pending.countDown();
				}
			});
		}
		workers.shutdown();
		try {
			await(pending, names.size(), start);
			report(names.size());
		}
		catch (LiquibaseException ex) {
			// A bean that could not be initialized is not destroyed.
			workers.shutdownNow();
			throw ex;
		}
	}

	private void await(CountDownLatch pending, int total, long start) throws LiquibaseException {
		try {
			while (true) {
				long left = this.timeout.minusNanos(System.nanoTime() - start).toMillis();
				boolean last = left <= PROGRESS_EVERY.toMillis();
				if (pending.await(last ? Math.max(left, 0) : PROGRESS_EVERY.toMillis(), TimeUnit.MILLISECONDS)
						|| last) {
					return;
				}
				logger.info("{}", progress(total));
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new LiquibaseException("Interrupted while sources were being migrated", ex);
		}
	}

	private String progress(int total) {
		String waiting = some(this.waitingFor);
		return "migrated " + this.succeeded + " of " + total + ", " + this.failures.size() + " failed"
				+ (waiting.isEmpty() ? "" : ", waiting for " + waiting);
	}

	private void report(int total) throws LiquibaseException {
		String progress = progress(total);
		if (this.failures.isEmpty() && this.waitingFor.isEmpty()) {
			logger.info("{}", progress);
			return;
		}
		if (!this.waitingFor.isEmpty()) {
			progress += " for longer than " + this.timeout.toMillis() + " ms";
		}
		if (this.failFast) {
			throw refusal(progress);
		}
		String failed = some(this.failures.keySet());
		logger.warn("{}; the start goes on{}, health shows why", progress,
				failed.isEmpty() ? "" : " without " + failed);
	}

	/** The cause is what Spring Boot prints in place of a stack trace. */
	private LiquibaseException refusal(String progress) {
		String refusal = "Sources " + progress + ", and 'app.tenancy.liquibase.fail-fast' is set.";
		Map<String, String> failed = new TreeMap<>(this.failures);
		StringBuilder description = new StringBuilder(refusal).append('\n');
		failed.forEach((name, reason) -> description.append("\n  - ").append(name).append(": ").append(reason));
		return new LiquibaseException(refusal + " " + failed,
				new FailureAnalyzedException(description.toString(),
						"Mend what is said above, give sources that are waited for more time by"
								+ " 'app.tenancy.liquibase.startup-timeout', or let the application start without them:"
								+ " 'app.tenancy.liquibase.fail-fast=false'."));
	}

	private static String some(Set<String> names) {
		List<String> snapshot = List.of(names.toArray(new String[0]));
		return String.join(", ", snapshot.subList(0, Math.min(NAMED, snapshot.size())))
				+ ((snapshot.size() > NAMED) ? ", …" : "");
	}

	/** Ends what the start did not wait for. */
	@Override
	public void destroy() {
		ExecutorService running = this.executor;
		if (running != null) {
			running.shutdownNow();
		}
	}

}
