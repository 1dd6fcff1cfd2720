package io.multidb.page;

import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;

class PoolSamplesTests {

	@TempDir
	private Path directory;

	private final AtomicLong nanoTime = new AtomicLong(Long.MAX_VALUE - 1);

	private final PoolSamples samples = new PoolSamples(this.nanoTime::get);

	private SourceRegistry registry(String... names) {
		Sources sources = new Sources();
		for (String name : names) {
			sources.with(Sources.sqlite(name, this.directory));
		}
		return sources.registry();
	}

	private void pass(Duration time) {
		this.nanoTime.addAndGet(time.toNanos());
	}

	@Test
	void keepsWhatWasLentWhileSomebodyLooked() throws Exception {
		try (SourceRegistry registry = registry("lisbon", "porto")) {
			this.samples.take(registry.stream());
			pass(Duration.ofSeconds(2));
			Connection connection = registry.get("lisbon").getConnection();
			this.samples.take(registry.stream());
			pass(Duration.ofSeconds(2));
			connection.close();
			this.samples.take(registry.stream());
			pass(Duration.ofSeconds(1));
			PoolSamples.Samples lisbon = this.samples.of("lisbon");
			assertThat(lisbon.active()).containsExactly(null, 1, 0);
			assertThat(lisbon.idle()).containsExactly(null, 0, 1);
			assertThat(lisbon.waiting()).containsExactly(null, 0, 0);
			assertThat(lisbon.secondsAgo()).containsExactly(5.0, 3.0, 1.0);
			assertThat(this.samples.of("porto").active()).isEmpty();
			assertThat(this.samples.of("madrid").active()).isEmpty();
		}
	}

	@Test
	void takesNoMoreForManyWhoLook() throws Exception {
		try (SourceRegistry registry = registry("lisbon")) {
			registry.get("lisbon").getConnection().close();
			for (int i = 0; i < 100; i++) {
				this.samples.take(registry.stream());
				pass(Duration.ofMillis(100));
			}
			assertThat(this.samples.of("lisbon").active()).hasSize(7);
		}
	}

	@Test
	void forgetsTheOldest() throws Exception {
		try (SourceRegistry registry = registry("lisbon")) {
			registry.get("lisbon").getConnection().close();
			for (int i = 0; i < 3 * PoolSamples.SAMPLES + 7; i++) {
				this.samples.take(registry.stream());
				pass(Duration.ofSeconds(2));
			}
			PoolSamples.Samples lisbon = this.samples.of("lisbon");
			assertThat(lisbon.active()).hasSize(PoolSamples.SAMPLES).doesNotContainNull();
			assertThat(lisbon.secondsAgo()).first().isEqualTo(2.0 * PoolSamples.SAMPLES);
			assertThat(lisbon.secondsAgo()).last().isEqualTo(2.0);
		}
	}

	@Test
	void beginsAnewWhenNobodyHasLookedForLong() throws Exception {
		try (SourceRegistry registry = registry("lisbon")) {
			registry.get("lisbon").getConnection().close();
			this.samples.take(registry.stream());
			pass(Duration.ofHours(1));
			this.samples.take(registry.stream());
			assertThat(this.samples.of("lisbon").active()).hasSize(1);
		}
	}

	@Test
	void showsGapsWhileItWasNotOpenAndThenForgetsIt() throws Exception {
		try (SourceRegistry registry = registry("lisbon")) {
			registry.get("lisbon").getConnection().close();
			this.samples.take(registry.stream());
			registry.remove("lisbon");
			pass(Duration.ofSeconds(2));
			this.samples.take(registry.stream());
			assertThat(this.samples.of("lisbon").active()).containsExactly(0, null);
			for (int i = 0; i < PoolSamples.SAMPLES; i++) {
				pass(Duration.ofSeconds(2));
				this.samples.take(registry.stream());
			}
			assertThat(this.samples.of("lisbon").active()).isEmpty();
		}
	}

	@Test
	void opensNothing() {
		try (SourceRegistry registry = registry("lisbon")) {
			this.samples.take(registry.stream());
			assertThat(registry.get("lisbon").poolState()).isNull();
		}
	}

}
