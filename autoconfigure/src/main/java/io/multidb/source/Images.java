package io.multidb.source;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The images of one product: filled databases in which nobody works, so that others are
 * made as copies of them. Each is this process's own and known to nobody else. Of those
 * who need one at the same time, one makes it and the others wait. Thread-safe.
 *
 * @param <I> the product's kind of image
 */
final class Images<I extends Images.Image> implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(Images.class);

	/** Longer than a migration takes; a server that says nothing must not hold up all. */
	static final Duration PATIENCE = Duration.ofMinutes(2);

	/** So long nobody tries to make an image where none could be made. */
	private static final Duration WITHOUT = Duration.ofMinutes(1);

	private static final int ATTEMPTS = 3;

	/** A filled database that is copied. */
	interface Image {

		/** Whether a copy of it is what would be made of a new database, now. */
		boolean isCurrent();

		/** Deletes it, also while it is copied. */
		void delete();

	}

	/** The image was there a moment ago, and cannot be copied any more. */
	static final class LostException extends Exception {

		private static final long serialVersionUID = 1L;

		LostException(Exception cause) {
			super(cause);
		}

	}

	/** The two ways of making a database. */
	interface Making<I> {

		/**
		 * Copies an image.
		 * @return whether a database was made; {@code false} if it was there
		 */
		boolean copy(I image) throws Exception;

		/**
		 * Fills a new database.
		 * @param keep takes an image of it; {@code null} if none is needed
		 * @return whether a database was made; {@code false} if it was there
		 */
		boolean fill(@Nullable Consumer<I> keep) throws Exception;

	}

	/** What became of an attempt to make an image. */
	private final class Claim {

		private final CountDownLatch ended = new CountDownLatch(1);

		private volatile @Nullable I image;

		private volatile long endedAt;

		void keep(I made) {
			this.image = made;
			if (Images.this.closed) {
				made.delete();
			}
		}

		void end() {
			this.endedAt = System.nanoTime();
			this.ended.countDown();
		}

		/**
		 * Waits for the image.
		 * @return whether the attempt has ended
		 */
		boolean await() throws InterruptedException {
			return this.ended.await(Images.this.patience.toMillis(), TimeUnit.MILLISECONDS);
		}

		/** An attempt in vain holds nobody up, and is repeated only after a while. */
		boolean isInVain() {
			return this.image == null && System.nanoTime() - this.endedAt < WITHOUT.toNanos();
		}

	}

	/** By all that decides what a new database will contain. */
	private final Map<SourceDefinition, Claim> claims = new ConcurrentHashMap<>();

	private final Duration patience;

	private volatile boolean closed;

	/**
	 * Creates it, without images.
	 * @param patience how long to wait for an image that another thread makes; who has
	 * waited in vain fills his database himself
	 */
	Images(Duration patience) {
		this.patience = patience;
	}

	/**
	 * Makes a database.
	 * @param kind the same for all databases that are filled alike
	 * @param making makes it
	 */
	DatabaseCreator.Outcome create(SourceDefinition kind, Making<I> making) throws Exception {
		for (int attempt = 0; kind.copied() && attempt < ATTEMPTS; attempt++) {
			Claim mine = new Claim();
			Claim first = this.claims.putIfAbsent(kind, mine);
			if (first == null) {
				try {
					return filled(making.fill(mine::keep));
				}
				finally {
					mine.end();
				}
			}
			if (!first.await()) {
				break;
			}
			I image = first.image;
			if (image != null && image.isCurrent()) {
				try {
					return making.copy(image) ? DatabaseCreator.Outcome.COPIED : DatabaseCreator.Outcome.EXISTED;
				}
				catch (LostException ex) {
					logger.info("{}: the image is lost, another one is made: {}", kind.name(),
							String.valueOf(ex.getMessage()));
				}
			}
			else if (first.isInVain()) {
				break;
			}
			if (this.claims.remove(kind, first) && image != null) {
				image.delete();
			}
		}
		return filled(making.fill(null));
	}

	private static DatabaseCreator.Outcome filled(boolean made) {
		return made ? DatabaseCreator.Outcome.FILLED : DatabaseCreator.Outcome.EXISTED;
	}

	boolean isEmpty() {
		return this.claims.isEmpty();
	}

	@Override
	public void close() {
		this.closed = true;
		for (SourceDefinition kind : List.copyOf(this.claims.keySet())) {
			Claim claim = this.claims.remove(kind);
			I image = (claim != null) ? claim.image : null;
			if (image != null) {
				image.delete();
			}
		}
	}

}
