package io.multidb.access;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * The span in which a thread decides, finds out for whom, or tells of it. What rules and
 * listeners do with databases of their own in it is not asked about, and is apart from
 * the transaction in which they were asked: Spring would bind a connection that nobody
 * was asked about to the thread, and go on with it afterwards. Belongs to its thread.
 */
final class Deciding implements AutoCloseable {

	private static final ThreadLocal<@Nullable Deciding> CURRENT = new ThreadLocal<>();

	/** Inside another, or with nothing open, there is nothing to be put back. */
	private static final Deciding NOTHING_OPEN = new Deciding(Map.of(), null);

	private static final Deciding INNER = new Deciding(Map.of(), null);

	private final Map<Object, Object> resources;

	/** {@code null} where no synchronization was active. */
	private final @Nullable List<TransactionSynchronization> synchronizations;

	private final @Nullable String name = TransactionSynchronizationManager.getCurrentTransactionName();

	private final boolean readOnly = TransactionSynchronizationManager.isCurrentTransactionReadOnly();

	private final @Nullable Integer isolation = TransactionSynchronizationManager.getCurrentTransactionIsolationLevel();

	private final boolean active = TransactionSynchronizationManager.isActualTransactionActive();

	private Deciding(Map<Object, Object> resources, @Nullable List<TransactionSynchronization> synchronizations) {
		this.resources = resources;
		this.synchronizations = synchronizations;
	}

	/** Whether the calling thread decides. */
	static boolean isOpen() {
		return CURRENT.get() != null;
	}

	static Deciding begin() {
		if (isOpen()) {
			return INNER;
		}
		Deciding span = NOTHING_OPEN;
		if (isAnythingOpen()) {
			// A copy: the map is a view of what is taken out of it.
			span = new Deciding(new LinkedHashMap<>(TransactionSynchronizationManager.getResourceMap()),
					TransactionSynchronizationManager.isSynchronizationActive()
							? TransactionSynchronizationManager.getSynchronizations() : null);
			clear();
		}
		CURRENT.set(span);
		return span;
	}

	private static boolean isAnythingOpen() {
		return TransactionSynchronizationManager.isSynchronizationActive()
				|| TransactionSynchronizationManager.isActualTransactionActive()
				|| !TransactionSynchronizationManager.getResourceMap().isEmpty();
	}

	/**
	 * Nothing is suspended by those who manage it, so that neither they nor their
	 * databases notice: it is out of sight, and that is all.
	 */
	private static void clear() {
		for (Object key : new LinkedHashMap<>(TransactionSynchronizationManager.getResourceMap()).keySet()) {
			TransactionSynchronizationManager.unbindResourceIfPossible(key);
		}
		TransactionSynchronizationManager.clear();
	}

	/** Puts back what was open, in place of whatever was left open meanwhile. */
	@Override
	public void close() {
		if (this == INNER) {
			return;
		}
		CURRENT.remove();
		if (isAnythingOpen()) {
			clear();
		}
		if (this == NOTHING_OPEN) {
			return;
		}
		this.resources.forEach(TransactionSynchronizationManager::bindResource);
		TransactionSynchronizationManager.setCurrentTransactionName(this.name);
		TransactionSynchronizationManager.setCurrentTransactionReadOnly(this.readOnly);
		TransactionSynchronizationManager.setCurrentTransactionIsolationLevel(this.isolation);
		TransactionSynchronizationManager.setActualTransactionActive(this.active);
		if (this.synchronizations != null) {
			TransactionSynchronizationManager.initSynchronization();
			this.synchronizations.forEach(TransactionSynchronizationManager::registerSynchronization);
		}
	}

}
