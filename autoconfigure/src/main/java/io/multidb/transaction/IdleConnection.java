package io.multidb.transaction;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.ConnectionHandle;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.jdbc.datasource.SimpleConnectionHandle;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * A connection of the router that is kept for the thread although no transaction of the
 * router is open: inside a transaction of another DataSource, Spring keeps every
 * connection until that ends. It holds nothing that could be lost, so a switch need not
 * be refused because of it.
 */
final class IdleConnection {

	private IdleConnection() {
	}

	/**
	 * Gives the connection back, if it is idle and in no transaction.
	 * @param key the DataSource it is bound to
	 * @param resource what is bound there
	 * @param others what other DataSources than the router's have bound
	 * @return whether it is gone
	 */
	static boolean release(Object key, @Nullable Object resource, List<ConnectionHolder> others) {
		if (!(resource instanceof ConnectionHolder holder) || holder.isOpen() || !isAutoCommit(holder)
				|| !TransactionSynchronizationManager.isSynchronizationActive()) {
			return false;
		}
		// What is in use is not given back, whichever synchronization is asked.
		others.forEach(ConnectionHolder::requested);
		try {
			return release(key);
		}
		finally {
			others.forEach(ConnectionHolder::released);
		}
	}

	private static boolean release(Object key) {
		List<TransactionSynchronization> synchronizations = TransactionSynchronizationManager.getSynchronizations();
		for (TransactionSynchronization each : synchronizations) {
			// Only this kind gives back a connection that no transaction manager took.
			if (each.getClass().getEnclosingClass() != DataSourceUtils.class) {
				continue;
			}
			each.suspend();
			if (TransactionSynchronizationManager.hasResource(key)) {
				each.resume();
				continue;
			}
			TransactionSynchronizationManager.clearSynchronization();
			TransactionSynchronizationManager.initSynchronization();
			for (TransactionSynchronization other : synchronizations) {
				if (!other.equals(each)) {
					TransactionSynchronizationManager.registerSynchronization(other);
				}
			}
			return true;
		}
		return false;
	}

	/** Without it, work not yet committed would be lost. */
	private static boolean isAutoCommit(ConnectionHolder holder) {
		ConnectionHandle handle = holder.getConnectionHandle();
		if (handle == null) {
			return true;
		}
		if (!(handle instanceof SimpleConnectionHandle)) {
			return false;
		}
		try {
			Connection connection = handle.getConnection();
			return connection.getAutoCommit();
		}
		catch (SQLException ex) {
			return false;
		}
	}

}
