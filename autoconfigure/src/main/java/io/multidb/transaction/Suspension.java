package io.multidb.transaction;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiPredicate;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.jdbc.datasource.ConnectionHandle;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.jdbc.support.JdbcUtils;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * What was open on a thread when it switched to another source, set aside until the
 * switch is over: as a transaction manager does for {@code NOT_SUPPORTED}, but for every
 * manager and for sessions without a transaction alike. Belongs to its thread.
 */
final class Suspension {

	private static final Logger logger = LoggerFactory.getLogger(Suspension.class);

	/** The router's resources. */
	private final BiPredicate<Object, Object> ours;

	private final Map<Object, Object> resources = new LinkedHashMap<>();

	/** {@code null} where no synchronization was active. */
	private final @Nullable List<TransactionSynchronization> synchronizations;

	private final @Nullable String name = TransactionSynchronizationManager.getCurrentTransactionName();

	private final boolean readOnly = TransactionSynchronizationManager.isCurrentTransactionReadOnly();

	private final @Nullable Integer isolation = TransactionSynchronizationManager.getCurrentTransactionIsolationLevel();

	private final boolean active = TransactionSynchronizationManager.isActualTransactionActive();

	private Suspension(BiPredicate<Object, Object> ours) {
		this.ours = ours;
		this.synchronizations = TransactionSynchronizationManager.isSynchronizationActive() ? suspendAll() : null;
	}

	/**
	 * Sets aside what is open.
	 * @param ours tells the router's resources, by key and value
	 * @return puts everything back
	 */
	static Suspension begin(BiPredicate<Object, Object> ours) {
		Suspension suspension = new Suspension(ours);
		suspension.resources.putAll(unbind(ours));
		if (suspension.synchronizations != null) {
			set(null, false, null, false);
		}
		return suspension;
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
			suspended.forEach(TransactionSynchronization::resume);
			throw ex;
		}
		TransactionSynchronizationManager.clearSynchronization();
		return all;
	}

	private static Map<Object, Object> unbind(BiPredicate<Object, Object> ours) {
		Map<Object, Object> unbound = new LinkedHashMap<>();
		// A copy: the map is a view of what is taken out of it.
		new LinkedHashMap<>(TransactionSynchronizationManager.getResourceMap()).forEach((key, resource) -> {
			if (ours.test(key, resource)) {
				unbound.put(key, TransactionSynchronizationManager.unbindResource(key));
			}
		});
		return unbound;
	}

	/**
	 * Puts everything back as it was. What the work in between left open is closed: the
	 * outer transaction must find its own.
	 */
	void end() {
		unbind(this.ours).values().forEach(Suspension::discard);
		this.resources.forEach(TransactionSynchronizationManager::bindResource);
		if (this.synchronizations != null) {
			if (TransactionSynchronizationManager.isSynchronizationActive()) {
				TransactionSynchronizationManager.clearSynchronization();
			}
			set(this.name, this.readOnly, this.isolation, this.active);
			TransactionSynchronizationManager.initSynchronization();
			for (TransactionSynchronization each : this.synchronizations) {
				each.resume();
				TransactionSynchronizationManager.registerSynchronization(each);
			}
		}
	}

	/** The pool rolls back what was not committed. */
	private static void discard(Object resource) {
		ConnectionHandle handle = (resource instanceof ConnectionHolder holder) ? holder.getConnectionHandle() : null;
		if (handle == null) {
			return;
		}
		try {
			JdbcUtils.closeConnection(handle.getConnection());
		}
		catch (RuntimeException ex) {
			logger.debug("Closing what was left open failed", ex);
		}
	}

	private static void set(@Nullable String name, boolean readOnly, @Nullable Integer isolation, boolean active) {
		TransactionSynchronizationManager.setCurrentTransactionName(name);
		TransactionSynchronizationManager.setCurrentTransactionReadOnly(readOnly);
		TransactionSynchronizationManager.setCurrentTransactionIsolationLevel(isolation);
		TransactionSynchronizationManager.setActualTransactionActive(active);
	}

}
