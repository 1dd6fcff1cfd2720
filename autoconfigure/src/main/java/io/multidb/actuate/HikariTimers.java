package io.multidb.actuate;

import java.util.List;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;

/**
 * The timers and the counter that HikariCP's own tracker makes, under its names.
 *
 * @param creation how long making a connection took
 * @param acquire how long one was waited for
 * @param usage how long one was lent
 * @param timeout how often there was none in time
 */
record HikariTimers(Timer creation, Timer acquire, Timer usage, Counter timeout) {

	static HikariTimers of(String pool, MeterRegistry registry) {
		return new HikariTimers(timer("creation", "Connection creation time", pool, registry),
				timer("acquire", "Connection acquire time", pool, registry),
				timer("usage", "Connection usage time", pool, registry),
				Counter.builder("hikaricp.connections.timeout")
					.description("Connection timeout total count")
					.tag("pool", pool)
					.register(registry));
	}

	private static Timer timer(String name, String description, String pool, MeterRegistry registry) {
		return Timer.builder("hikaricp.connections." + name)
			.description(description)
			.tag("pool", pool)
			.register(registry);
	}

	List<Meter> meters() {
		return List.of(this.creation, this.acquire, this.usage, this.timeout);
	}

}
