package io.multidb.migration;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;

import liquibase.change.Change;
import liquibase.changelog.ChangeSet;
import liquibase.changelog.DatabaseChangeLog;
import liquibase.changelog.visitor.AbstractChangeExecListener;
import liquibase.database.Database;
import liquibase.exception.MigrationFailedException;
import org.jspecify.annotations.Nullable;

/**
 * Lets a change set be committed together with the row that says that it has run.
 * Liquibase commits first the one and then the other, so that a process that is killed in
 * between leaves a change set of which nobody knows. A change set with
 * {@code runInTransaction="false"} stays as Liquibase has it. Used by one run, on one
 * thread.
 */
final class WholeChangeSets extends AbstractChangeExecListener {

	/** Whether the next commit is that of a change set without its row. */
	private boolean early;

	/**
	 * The connection for Liquibase.
	 * @param connection the one that all goes to
	 */
	@SuppressWarnings("ReferenceEquality") // it is what equals means for a connection
	Connection over(Connection connection) {
		return (Connection) Proxy.newProxyInstance(WholeChangeSets.class.getClassLoader(),
				new Class<?>[] { Connection.class }, (proxy, method, arguments) -> switch (method.getName()) {
					case "equals" -> proxy == arguments[0];
					case "hashCode" -> System.identityHashCode(proxy);
					case "commit" -> this.early ? later() : invoke(connection, method, arguments);
					case "rollback" -> {
						// It has failed; of an Error, no listener is told.
						this.early &= arguments != null;
						yield invoke(connection, method, arguments);
					}
					default -> invoke(connection, method, arguments);
				});
	}

	private static @Nullable Object invoke(Connection connection, Method method, @Nullable Object[] arguments)
			throws Throwable {
		try {
			return method.invoke(connection, arguments);
		}
		catch (InvocationTargetException ex) {
			throw ex.getTargetException();
		}
	}

	/** Its row follows, and is committed by Liquibase as well. */
	private @Nullable Object later() {
		this.early = false;
		return null;
	}

	/** Behind its preconditions, which end with a rollback of their own. */
	@Override
	public void willRun(Change change, ChangeSet changeSet, DatabaseChangeLog changeLog, Database database) {
		this.early = changeSet.isRunInTransaction() && database.supportsDDLInTransaction();
	}

}
