package io.multidb.actuate;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

import com.zaxxer.hikari.metrics.IMetricsTracker;

/**
 * What HikariCP tells of every connection of one pool. Thread-safe.
 */
final class HikariTracker implements IMetricsTracker {

	private final Supplier<List<HikariTimers>> timers;

	/**
	 * Creates a tracker.
	 * @param timers gives where to record it; none while the source has no meters of its
	 * own
	 */
	HikariTracker(Supplier<List<HikariTimers>> timers) {
		this.timers = timers;
	}

	@Override
	public void recordConnectionCreatedMillis(long millis) {
		for (HikariTimers each : this.timers.get()) {
			each.creation().record(millis, TimeUnit.MILLISECONDS);
		}
	}

	@Override
	public void recordConnectionAcquiredNanos(long nanos) {
		for (HikariTimers each : this.timers.get()) {
			each.acquire().record(nanos, TimeUnit.NANOSECONDS);
		}
	}

	@Override
	public void recordConnectionUsageMillis(long millis) {
		for (HikariTimers each : this.timers.get()) {
			each.usage().record(millis, TimeUnit.MILLISECONDS);
		}
	}

	@Override
	public void recordConnectionTimeout() {
		for (HikariTimers each : this.timers.get()) {
			each.timeout().increment();
		}
	}

}
