package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;

import org.jspecify.annotations.Nullable;

/**
 * A connection through a proxy that may give its session to others after each
 * transaction: refuses what the driver would set for the session, which would reach
 * others, and not this one. As thread-safe as the driver's connection.
 */
final class SharedSessionConnection extends ForwardingConnection {

	private final Connection physical;

	private final SourceDefinition definition;

	/** Whether the server takes no writes, so that nothing is to be set. */
	private final boolean reading;

	private boolean readOnly;

	SharedSessionConnection(Connection physical, SourceDefinition definition, boolean reading) {
		this.physical = physical;
		this.definition = definition;
		this.reading = reading;
	}

	@Override
	Connection target() {
		return this.physical;
	}

	@Override
	public void setTransactionIsolation(int level) throws SQLException {
		if (level != this.physical.getTransactionIsolation()) {
			throw PostgresSessions.refused(this.definition, "was asked for another isolation level",
					"Begin the transaction with SET TRANSACTION ISOLATION LEVEL as its first statement, or set"
							+ " default_transaction_isolation for the role");
		}
	}

	@Override
	public void setSchema(@Nullable String schema) throws SQLException {
		throw PostgresSessions.refused(this.definition, "was asked for another schema",
				"Use names with their schema, or a source per schema with a role of its own");
	}

	/**
	 * For transactions, which the driver begins as read-only ones. Outside of them, its
	 * {@code readOnlyMode=always} would set it for the session.
	 */
	@Override
	public void setReadOnly(boolean readOnly) throws SQLException {
		if (!this.reading) {
			if (!this.physical.getAutoCommit()) {
				this.physical.setReadOnly(readOnly);
			}
			this.readOnly = readOnly;
		}
	}

	@Override
	public boolean isReadOnly() throws SQLException {
		return this.reading || this.readOnly;
	}

	@Override
	public void setAutoCommit(boolean autoCommit) throws SQLException {
		if (autoCommit && this.physical.isReadOnly()) {
			this.physical.commit();
			this.physical.setReadOnly(false);
		}
		this.physical.setAutoCommit(autoCommit);
		if (!autoCommit && this.readOnly && !this.physical.isReadOnly()) {
			this.physical.setReadOnly(true);
		}
	}

	/** Whether a connection is, or stands before, one of these. */
	static @Nullable SharedSessionConnection of(Connection connection) throws SQLException {
		return connection.isWrapperFor(SharedSessionConnection.class) ? connection.unwrap(SharedSessionConnection.class)
				: null;
	}

	/**
	 * Makes sure that it refuses writes outside of transactions, too.
	 * @throws SQLException if that would have to be set for the session
	 */
	void requireRefusedWrites() throws SQLException {
		if (!this.reading && !PostgresSessions.refusesWrites(this.physical)) {
			throw PostgresSessions.refused(this.definition, "was to refuse writes by a setting of the session",
					"Connect as a role with default_transaction_read_only");
		}
	}

}
