package io.multidb.routing;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.InvalidDatasourcesException;
import io.multidb.Scope;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.source.Deadline;
import io.multidb.source.Race;
import io.multidb.source.SourceMigrator;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link Comparison}.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ComparisonTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final AtomicInteger compared = new AtomicInteger();

	@BeforeEach
	void open() {
		this.sources.with(Sources.sqlite("a", this.directory).hikari(Map.of("connection-timeout", "300")));
	}

	private Comparison comparison(Consumer<Comparison> compare) {
		return new Comparison(this.sources.registry(), new Shards(List.of("a"), 1), "a", (comparison) -> {
			this.compared.incrementAndGet();
			compare.accept(comparison);
		});
	}

	private static SourceUnavailableException down() {
		return new SourceUnavailableException("a", "It is down.", Duration.ofSeconds(1), null);
	}

	@Test
	void isDoneOnceUntilItIsToBeDoneAgain() {
		Comparison comparison = comparison((mine) -> {
		});
		comparison.ensureDoneNow();
		comparison.ensureDone();
		assertThat(comparison.isDone()).isTrue();
		assertThat(this.compared).hasValue(1);
		comparison.begin();
		comparison.ensureDoneNow();
		assertThat(this.compared).hasValue(2);
	}

	@Test
	void ofManyTenantsThatWaitOneTriesWhatFails() throws Exception {
		CountDownLatch failing = new CountDownLatch(1);
		Comparison comparison = comparison((mine) -> {
			// The others are there by then, and wait.
			await().until(() -> failing.getCount() == 0);
			throw down();
		});
		AtomicInteger there = new AtomicInteger();
		long begun = System.nanoTime();
		List<Object> outcomes = Race.run(16, () -> {
			if (there.incrementAndGet() == 16) {
				failing.countDown();
			}
			comparison.ensureDoneNow();
			return "done";
		});
		assertThat(outcomes).allMatch(SourceUnavailableException.class::isInstance);
		long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun);
		assertThat(this.compared).hasValueLessThanOrEqualTo((int) seconds + 1);
		int before = this.compared.get();
		// Whoever starts wants to know what is the matter now.
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(comparison::ensureDone);
		assertThat(this.compared).hasValue(before + 1);
	}

	@Test
	void whatFailedIsTriedAgainAfterASecond() {
		Comparison comparison = comparison((mine) -> {
			if (this.compared.get() == 1) {
				throw new InvalidDatasourcesException(List.of("It is another list."));
			}
		});
		long begun = System.nanoTime();
		assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(comparison::ensureDoneNow)
			.withMessageContaining("It is another list.");
		await().ignoreException(SourceUnavailableException.class).until(() -> {
			comparison.ensureDoneNow();
			return true;
		});
		assertThat(System.nanoTime() - begun).isGreaterThanOrEqualTo(TimeUnit.SECONDS.toNanos(1));
		assertThat(this.compared).hasValue(2);
	}

	@Test
	void whatFailedForOneThreadAloneIsTriedByTheNext() {
		Comparison comparison = comparison((mine) -> {
			if (this.compared.get() == 1) {
				Thread.currentThread().interrupt();
			}
			if (this.compared.get() < 3) {
				throw down();
			}
		});
		try {
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(comparison::ensureDoneNow);
		}
		finally {
			assertThat(Thread.interrupted()).isTrue();
		}
		Deadline deadline = new Deadline(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(20));
		deadline.begin();
		try (Scope scope = Target.none().within(deadline).enter()) {
			await().until(() -> deadline.left() <= 0);
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(comparison::ensureDoneNow);
		}
		comparison.ensureDoneNow();
		assertThat(comparison.isDone()).isTrue();
	}

	/** As another thread does that looks for a tenant; it may be over in a moment. */
	@Test
	void thatASourceIsBeingOpenedIsNotRemembered() throws Exception {
		CountDownLatch opening = new CountDownLatch(1);
		CountDownLatch opened = new CountDownLatch(1);
		this.sources.with(Sources.sqlite("slow", this.directory)).with((definition, connection) -> {
			opening.countDown();
			await().until(() -> opened.getCount() == 0);
			return SourceMigrator.Outcome.UNTOUCHED;
		});
		Comparison comparison = new Comparison(this.sources.registry(), new Shards(List.of("a", "slow"), 1), "a",
				(mine) -> {
					mine.refuseOpening();
					this.compared.incrementAndGet();
				});
		ExecutorService executor = Executors.newSingleThreadExecutor();
		try {
			Future<String> first = executor
				.submit(() -> Sources.query(this.sources.registry().get("slow"), "select 'open'"));
			assertThat(opening.await(30, TimeUnit.SECONDS)).isTrue();
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(comparison::ensureDoneNow)
				.withMessageContaining("'slow' is being opened or migrated");
			opened.countDown();
			assertThat(first.get(30, TimeUnit.SECONDS)).isEqualTo("open");
			comparison.ensureDoneNow();
			assertThat(this.compared).hasValue(1);
		}
		finally {
			executor.shutdownNow();
		}
	}

	@Test
	void isWaitedForNoLongerThanAConnection() throws Exception {
		CountDownLatch comparing = new CountDownLatch(1);
		CountDownLatch over = new CountDownLatch(1);
		Comparison comparison = comparison((mine) -> {
			comparing.countDown();
			await().until(() -> over.getCount() == 0);
		});
		ExecutorService executor = Executors.newSingleThreadExecutor();
		try {
			Future<?> first = executor.submit(comparison::ensureDone);
			assertThat(comparing.await(30, TimeUnit.SECONDS)).isTrue();
			assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(comparison::ensureDoneNow)
				.withMessageContaining("[a] is still being compared")
				.withMessageContaining("after 300 ms");
			over.countDown();
			first.get(30, TimeUnit.SECONDS);
			comparison.ensureDoneNow();
			assertThat(this.compared).hasValue(1);
		}
		finally {
			executor.shutdownNow();
		}
	}

	@Test
	void theThreadThatDoesItIsToldSo() {
		Comparison comparison = comparison(
				(mine) -> assertThatExceptionOfType(SourceUnavailableException.class).isThrownBy(mine::ensureDoneNow)
					.withMessageContaining("[a] is being compared with the recorded one by this very thread"));
		comparison.ensureDone();
		assertThat(this.compared).hasValue(1);
	}

}
