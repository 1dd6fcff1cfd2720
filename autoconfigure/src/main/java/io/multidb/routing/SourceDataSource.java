package io.multidb.routing;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.util.function.Supplier;
import java.util.logging.Logger;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.annotation.Autowired;

import io.multidb.MultiDbException;
import io.multidb.SourceAccessDeniedException;
import io.multidb.Target;
import io.multidb.UnknownSourceException;
import io.multidb.access.Permit;
import io.multidb.source.LeasedConnection;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * One source as a {@link DataSource}, whatever the current target is: for what belongs to
 * the application and not to a tenant, such as a scheduler's tables or the sessions of
 * all users. Thread-safe.
 * <p>
 * The source is looked up for each connection, so that it may be removed and added again.
 * There is nothing to close; the {@link SourceRegistry} owns the pool.
 */
public final class SourceDataSource implements DataSource {

	private final SourceRegistry registry;

	private final String source;

	private final Supplier<@Nullable TargetAccess> accessSupplier;

	/** {@code null} where there are no rules. */
	private @Nullable TargetAccess access;

	/** Written after it. */
	private volatile boolean accessFound;

	/**
	 * Creates the DataSource for work that is not its user's, such as looking up where a
	 * tenant is; nothing is looked up or opened.
	 * @param registry where the source is found
	 * @param source the source's name
	 */
	public SourceDataSource(SourceRegistry registry, String source) {
		this(registry, source, () -> null);
	}

	/**
	 * Creates the DataSource; nothing is looked up or opened.
	 * @param registry where the source is found
	 * @param source the source's name
	 * @param access what is asked before a connection is taken; found when that is first
	 * needed, as what routes are made of may itself need this DataSource
	 */
	@Autowired
	public SourceDataSource(SourceRegistry registry, String source, ObjectProvider<TargetAccess> access) {
		this(registry, source, access::getIfAvailable);
	}

	private SourceDataSource(SourceRegistry registry, String source, Supplier<@Nullable TargetAccess> access) {
		this.registry = registry;
		this.source = source;
		this.accessSupplier = access;
	}

	/**
	 * Takes a connection of the source, opening it if that is needed.
	 * @return a connection that works under any target
	 * @throws java.sql.SQLTransientConnectionException if the source is unavailable
	 * @throws java.sql.SQLNonTransientConnectionException if there is no such source (any
	 * more), or the user may not use it; the cause says which
	 */
	@Override
	public Connection getConnection() throws SQLException {
		try {
			while (true) {
				Source found = this.registry.get(this.source);
				try {
					TargetAccess rules = access();
					return (rules == null) ? found.getConnection() : permitted(rules, found);
				}
				catch (UnknownSourceException ex) {
					if (!found.isGone()) {
						throw ex;
					}
					// It went between the look-up and the lease; another may be there by
					// now, or else the next look-up says that there is none.
				}
			}
		}
		catch (MultiDbException ex) {
			throw RoutingDataSource.asSqlException(ex);
		}
	}

	/** Two threads that do so at first find the same. */
	private @Nullable TargetAccess access() {
		if (!this.accessFound) {
			this.access = this.accessSupplier.get();
			this.accessFound = true;
		}
		return this.access;
	}

	private static Connection permitted(TargetAccess access, Source found) throws SQLException {
		Permit permit = access.permit(Target.ofSource(found.name()), found);
		return permit.isReadOnly() ? new Reading(found, permit) : found.getConnection();
	}

	/** Of a user who may read only, or wants to. */
	private static final class Reading extends LeasedConnection {

		private final Source source;

		private final Permit permit;

		Reading(Source source, Permit permit) throws SQLException {
			super(source, true);
			this.source = source;
			this.permit = permit;
		}

		@Override
		public Source source() {
			return this.source;
		}

		@Override
		protected SQLException writeRefused(SQLException failure) {
			SourceAccessDeniedException denied = this.permit.writeDenied();
			return (denied != null) ? RoutingDataSource.asSqlException(denied) : super.writeRefused(failure);
		}

	}

	/**
	 * Whether a DataSource leads to one source.
	 * @param dataSource one of these itself, or a DataSource that wraps it and says so
	 * @return whether it does, as far as it tells
	 */
	public static boolean isBehind(DataSource dataSource) {
		try {
			return dataSource.isWrapperFor(SourceDataSource.class);
		}
		catch (SQLException | RuntimeException ex) {
			return false;
		}
	}

	@Override
	public Connection getConnection(String username, String password) throws SQLException {
		throw new SQLFeatureNotSupportedException(
				"Source '" + this.source + "' connects with its own credentials, not with those of a caller");
	}

	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		throw new SQLException("The DataSource of source '" + this.source + "' is no wrapper of one " + type.getName()
				+ "; a connection of it can be unwrapped");
	}

	@Override
	public boolean isWrapperFor(Class<?> type) {
		return type.isInstance(this);
	}

	@Override
	public PrintWriter getLogWriter() {
		throw new UnsupportedOperationException("A source writes no log of its own");
	}

	@Override
	public void setLogWriter(PrintWriter out) {
		throw new UnsupportedOperationException("A source writes no log of its own");
	}

	/** {@code 0}: the pool's own timeout applies. */
	@Override
	public int getLoginTimeout() {
		return 0;
	}

	@Override
	public void setLoginTimeout(int seconds) {
		throw new UnsupportedOperationException(
				"Set 'app.datasources." + this.source + ".hikari.connection-timeout' instead");
	}

	@Override
	public Logger getParentLogger() {
		return Logger.getLogger(Logger.GLOBAL_LOGGER_NAME);
	}

	@Override
	public String toString() {
		return "DataSource of source '" + this.source + "'";
	}

}
