package io.multidb.source;

import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link Background}.
 */
class BackgroundTests {

	@Test
	void noMoreThreadsThanTheLimitOpenWhatNobodyWaitsForAnyMore() throws Exception {
		CountDownLatch silent = new CountDownLatch(1);
		AtomicInteger opening = new AtomicInteger();
		AtomicInteger opened = new AtomicInteger();
		try (Background background = new Background()) {
			for (int i = 0; i < Background.OPENING; i++) {
				assertThat(background.open(() -> {
					opening.incrementAndGet();
					waitFor(silent);
					opened.incrementAndGet();
				}, in(Duration.ofMinutes(1)))).isTrue();
			}
			await().until(() -> opening.get() == Background.OPENING);
			assertThatExceptionOfType(SQLTimeoutException.class)
				.isThrownBy(() -> background.open(opened::incrementAndGet, in(Duration.ofMillis(20))));
			// What ends and closes is not kept waiting.
			CountDownLatch beside = new CountDownLatch(1);
			assertThat(background.beside(beside::countDown)).isTrue();
			beside.await();
			silent.countDown();
			assertThat(background.open(opened::incrementAndGet, in(Duration.ofMinutes(1)))).isTrue();
			await().until(() -> opened.get() == Background.OPENING + 1);
			boolean unused = background.refuse();
			for (int i = 0; i < Background.OPENING + 1; i++) {
				assertThat(background.open(opened::incrementAndGet, in(Duration.ofMinutes(1)))).isFalse();
			}
		}
	}

	private static void waitFor(CountDownLatch latch) {
		try {
			latch.await();
		}
		catch (InterruptedException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private static Deadline in(Duration time) {
		return new Deadline(System.nanoTime() + time.toNanos());
	}

}
