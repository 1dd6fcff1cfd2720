package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.List;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

import io.multidb.source.LeaseCounts;
import io.multidb.source.PoolListener;
import io.multidb.source.Source;

import static org.assertj.core.api.Assertions.assertThat;

class PoolListenersTests {

	private final MetricsTrackerFactory factory = (pool, stats) -> {
		throw new AssertionError("No pool is made here");
	};

	private final List<String> asked = new ArrayList<>();

	private final class Listener implements PoolListener {

		private final @Nullable MetricsTrackerFactory tracker;

		private final boolean failing;

		Listener(@Nullable MetricsTrackerFactory tracker, boolean failing) {
			this.tracker = tracker;
			this.failing = failing;
		}

		@Override
		public void opened(Source source, LeaseCounts counts) {
		}

		@Override
		public @Nullable MetricsTrackerFactory tracker(String source) {
			PoolListenersTests.this.asked.add(source);
			if (this.failing) {
				throw new IllegalStateException("A listener's own mistake");
			}
			return this.tracker;
		}

		@Override
		public void removed(Source source) {
		}

	}

	@Test
	void oneThatFailsKeepsTheTrackerFromNobody() {
		PoolListeners listeners = new PoolListeners(List.of(new Listener(null, true), new Listener(null, false),
				new Listener(this.factory, false), new Listener((pool, stats) -> null, false)));
		assertThat(listeners.tracker("lisbon")).isSameAs(this.factory);
		assertThat(this.asked).hasSize(3);
	}

	@Test
	void noneWantsOne() {
		assertThat(new PoolListeners(List.of(new Listener(null, false))).tracker("lisbon")).isNull();
	}

}
