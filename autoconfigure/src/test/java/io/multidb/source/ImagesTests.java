package io.multidb.source;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for waiting for an image that somebody else makes.
 */
class ImagesTests {

	private static final SourceDefinition KIND = SourceDefinition.named("kind").url("jdbc:sqlite:any.db").build();

	private static Images.Making<Images.Image> making(CountDownLatch begun, CountDownLatch mayEnd) {
		return new Images.Making<>() {

			@Override
			public boolean copy(Images.Image image) {
				throw new IllegalStateException("there is no image");
			}

			@Override
			public boolean fill(@Nullable Consumer<Images.Image> keep) throws InterruptedException {
				begun.countDown();
				mayEnd.await();
				return true;
			}

		};
	}

	@Test
	void whoHasWaitedInVainFillsHisDatabaseHimself() throws Exception {
		CountDownLatch begun = new CountDownLatch(1);
		CountDownLatch mayEnd = new CountDownLatch(1);
		try (Images<Images.Image> images = new Images<>(Duration.ofMillis(100))) {
			CompletableFuture<DatabaseCreator.Outcome> stuck = CompletableFuture.supplyAsync(() -> {
				try {
					return images.create(KIND, making(begun, mayEnd));
				}
				catch (Exception ex) {
					throw new IllegalStateException(ex);
				}
			});
			begun.await();
			assertThat(images.create(KIND, making(new CountDownLatch(1), new CountDownLatch(0))))
				.isEqualTo(DatabaseCreator.Outcome.FILLED);
			assertThat(stuck).isNotDone();
			mayEnd.countDown();
			assertThat(stuck.join()).isEqualTo(DatabaseCreator.Outcome.FILLED);
		}
	}

}
