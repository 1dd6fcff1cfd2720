package io.multidb.transaction;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * What was open on a thread when it switched to another source, set aside until the
 * switch is over: as a transaction manager does for {@code NOT_SUPPORTED}, but for every
 * manager and for sessions without a transaction alike. Belongs to its thread.
 */
final class Suspension implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(Suspension.class);

	private final Kept kept;

	private final Map<Object, Object> resources = new LinkedHashMap<>();

	/** {@code null} where no synchronization was active. */
	private final @Nullable List<TransactionSynchronization> synchronizations;

	private final @Nullable String name = TransactionSynchronizationManager.getCurrentTransactionName();

	private final boolean readOnly = TransactionSynchronizationManager.isCurrentTransactionReadOnly();

	private final @Nullable Integer isolation = TransactionSynchronizationManager.getCurrentTransactionIsolationLevel();

	private final boolean active = TransactionSynchronizationManager.isActualTransactionActive();

	private Suspension(Kept kept) {
		this.kept = kept;
		this.synchronizations = TransactionSynchronizationManager.isSynchronizationActive() ? suspendAll() : null;
	}

	/**
	 * Sets aside what is open; all of it or, if that fails, nothing.
	 * @param kept knows the router's resources
	 * @return puts everything back
	 */
	static Suspension begin(Kept kept) {
		Suspension suspension = new Suspension(kept);
		try {
			unbind(kept, suspension.resources);
		}
		catch (RuntimeException | Error ex) {
			suspension.putBackAfter(ex, Map.of());
			throw ex;
		}
		set(null, false, null, false);
		return suspension;
	}

	/** The router's resources among all that Spring keeps for a thread. */
	interface Kept {

		boolean contains(Object key, Object resource);

		/** Closes a resource that was left open. */
		void discard(Object resource);

	}

	private static List<TransactionSynchronization> suspendAll() {
		List<TransactionSynchronization> all = TransactionSynchronizationManager.getSynchronizations();
		List<TransactionSynchronization> suspended = new ArrayList<>();
		try {
			for (TransactionSynchronization each : all) {
				each.suspend();
				suspended.add(each);
			}
		}
		catch (RuntimeException | Error ex) {
			for (TransactionSynchronization each : suspended) {
				try {
					each.resume();
				}
				catch (RuntimeException | Error further) {
					ex.addSuppressed(further);
				}
			}
			throw ex;
		}
		TransactionSynchronizationManager.clearSynchronization();
		return all;
	}

	/**
	 * @param unbound gets each resource as it is taken, for the case that another fails
	 */
	private static void unbind(Kept kept, Map<Object, Object> unbound) {
		// A copy: the map is a view of what is taken out of it.
		new LinkedHashMap<>(TransactionSynchronizationManager.getResourceMap()).forEach((key, resource) -> {
			if (kept.contains(key, resource)) {
				unbound.put(key, TransactionSynchronizationManager.unbindResource(key));
			}
		});
	}

	/**
	 * Puts everything back as it was. What the work in between left open is closed: the
	 * outer transaction must find its own.
	 * @throws RuntimeException the first that is thrown on the way; everything is put
	 * back all the same
	 */
	@Override
	public void close() {
		Map<Object, Object> leftOpen = new LinkedHashMap<>();
		try {
			unbind(this.kept, leftOpen);
		}
		catch (RuntimeException | Error ex) {
			putBackAfter(ex, leftOpen);
			throw ex;
		}
		putBack(leftOpen);
	}

	private void putBackAfter(Throwable failure, Map<Object, Object> leftOpen) {
		try {
			putBack(leftOpen);
		}
		catch (RuntimeException | Error ex) {
			failure.addSuppressed(ex);
		}
	}

	/** Resources first: synchronizations may look for them when they are resumed. */
	private void putBack(Map<Object, Object> leftOpen) {
		leftOpen.values().forEach(this::discard);
		if (TransactionSynchronizationManager.isSynchronizationActive()) {
			TransactionSynchronizationManager.clearSynchronization();
		}
		this.resources.forEach((key, resource) -> {
			Object inTheWay = TransactionSynchronizationManager.unbindResourceIfPossible(key);
			if (inTheWay != null) {
				discard(inTheWay);
			}
			TransactionSynchronizationManager.bindResource(key, resource);
		});
		set(this.name, this.readOnly, this.isolation, this.active);
		if (this.synchronizations != null) {
			TransactionSynchronizationManager.initSynchronization();
			resume(this.synchronizations);
		}
	}

	private void discard(Object resource) {
		try {
			this.kept.discard(resource);
		}
		catch (RuntimeException ex) {
			logger.debug("Closing what was left open failed", ex);
		}
	}

	private static void resume(List<TransactionSynchronization> synchronizations) {
		Throwable failure = null;
		for (TransactionSynchronization each : synchronizations) {
			try {
				each.resume();
			}
			catch (RuntimeException | Error ex) {
				failure = (failure != null) ? failure : ex;
			}
			TransactionSynchronizationManager.registerSynchronization(each);
		}
		if (failure instanceof Error error) {
			throw error;
		}
		if (failure instanceof RuntimeException exception) {
			throw exception;
		}
	}

	private static void set(@Nullable String name, boolean readOnly, @Nullable Integer isolation, boolean active) {
		TransactionSynchronizationManager.setCurrentTransactionName(name);
		TransactionSynchronizationManager.setCurrentTransactionReadOnly(readOnly);
		TransactionSynchronizationManager.setCurrentTransactionIsolationLevel(isolation);
		TransactionSynchronizationManager.setActualTransactionActive(active);
	}

}
