package io.multidb.routing;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

import io.multidb.SourceUnavailableException;

/**
 * Puts the calls of a store that does not number its changes in a row. Thread-safe;
 * {@code calls} is held while the store is asked and what it says is taken.
 */
final class SerializedMappings implements NumberedMappingStore {

	private static final Duration RETRY = Duration.ofSeconds(1);

	/** No source is what is unavailable, and none is named so. */
	private static final String NAME = "*mappings";

	private final MappingStore store;

	private final Duration timeout;

	private final ReentrantLock calls = new ReentrantLock();

	/**
	 * Creates it.
	 * @param store the store
	 * @param timeout how long another thread's change is waited for
	 */
	SerializedMappings(MappingStore store, Duration timeout) {
		this.store = store;
		this.timeout = timeout;
	}

	@Override
	public <T> T read(Function<Contents, T> taken) {
		this.calls.lock();
		try {
			return taken.apply(new Contents(Map.copyOf(this.store.load()), null));
		}
		finally {
			this.calls.unlock();
		}
	}

	@Override
	public void change(String tenant, @Nullable String source, Consumer<@Nullable Revision> kept) {
		lock(tenant);
		try {
			if (source != null) {
				this.store.save(tenant, source);
			}
			else {
				this.store.remove(tenant);
			}
			kept.accept(null);
		}
		finally {
			this.calls.unlock();
		}
	}

	/**
	 * Not for ever: who has it may wait in the store's database for a transaction in
	 * which this thread has changed a mapping before.
	 */
	private void lock(String tenant) {
		boolean interrupted = false;
		try {
			if (this.calls.tryLock(this.timeout.toMillis(), TimeUnit.MILLISECONDS)) {
				return;
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			interrupted = true;
		}
		throw new SourceUnavailableException(NAME,
				"The mapping of tenant '" + tenant + "' could not be changed: "
						+ (interrupted ? "the thread was interrupted."
								: "other mappings were being changed for longer than " + this.timeout.toMillis()
										+ " ms, perhaps by who waits for the transaction that is open on this thread:"
										+ " end that, and try again."),
				RETRY, null);
	}

	@Override
	public void whenChanged(Runnable changed) {
		this.store.whenChanged(changed);
	}

}
