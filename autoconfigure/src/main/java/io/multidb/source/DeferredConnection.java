package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLTransientConnectionException;
import java.sql.SQLWarning;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;

/**
 * A connection of a source that has replicas or a fallback, or that is lent to read only.
 * Which database it leads to is decided at the first statement: Spring takes the
 * connection of a transaction first, and then asks for a read-only one. Between replicas
 * and their primary it is decided anew when {@code setReadOnly} is called between two
 * transactions, as in a session that stays open in view; between source and fallback it
 * never is.
 * <p>
 * Nothing is taken by a transaction without a statement. {@code close}, {@code abort} and
 * {@code isClosed} may be called from any thread; otherwise as thread-safe as the
 * driver's connection.
 */
final class DeferredConnection extends ForwardingConnection {

	private static final AtomicReferenceFieldUpdater<DeferredConnection, @Nullable Taken> TAKEN = AtomicReferenceFieldUpdater
		.newUpdater(DeferredConnection.class, Taken.class, "taken");

	/**
	 * The connection behind this one.
	 *
	 * @param lent the connection, and whose it is
	 * @param readOnly whether it was asked to refuse writes, as it does not do by itself
	 */
	private record Taken(Lenders.Lent lent, boolean readOnly) {

		Connection connection() {
			return this.lent.connection();
		}

	}

	private final Source primary;

	private final Lenders lenders;

	/** Whether it refuses writes for as long as it is lent. */
	private final boolean reading;

	/** {@code null} where there are no replicas. */
	private final RecentWrites.@Nullable Caller caller;

	/** Decided by the first statement, and never again. */
	private Fallback.@Nullable Side side;

	private volatile @Nullable Taken taken;

	private volatile boolean closed;

	private boolean readOnly;

	private boolean autoCommit;

	/** Whether something was begun that commit or rollback ends. */
	private boolean begun;

	/** Whether something was written, as far as can be told, since it was taken. */
	private volatile boolean written;

	private @Nullable String catalog;

	private @Nullable String schema;

	private @Nullable Integer isolation;

	private @Nullable Integer holdability;

	private @Nullable NetworkTimeout networkTimeout;

	private record NetworkTimeout(Executor executor, int milliseconds) {
	}

	DeferredConnection(Source primary, Lenders lenders, boolean reading) {
		this.primary = primary;
		this.lenders = lenders;
		this.reading = reading;
		this.readOnly = reading;
		this.caller = lenders.caller();
		this.autoCommit = lenders.autoCommit();
	}

	@Override
	Connection target() throws SQLException {
		Taken current = this.taken;
		return (current != null) ? current.connection() : take();
	}

	/** The same, which has decided already, as there is nothing to decide. */
	DeferredConnection taken() throws SQLException {
		try {
			Connection unused = take();
			return this;
		}
		catch (SQLException ex) {
			if (ex.getCause() instanceof MultiDbException failure) {
				throw failure;
			}
			throw ex;
		}
	}

	private Connection take() throws SQLException {
		refuseClosed();
		Taken fresh = choose();
		boolean ready = false;
		try {
			prepare(fresh);
			ready = true;
		}
		finally {
			if (!ready) {
				giveBack(fresh);
			}
		}
		if (!TAKEN.compareAndSet(this, null, fresh)) {
			// By two threads at the same time
			giveBack(fresh);
			return target();
		}
		if (this.closed) {
			// Meanwhile, by another thread
			close();
			throw closed();
		}
		return fresh.connection();
	}

	private Taken choose() throws SQLException {
		try {
			Lenders.Lent lent = this.lenders.lend(this.readOnly, this.caller, this.side);
			this.side = lent.side();
			if (this.reading) {
				lent = refusing(lent);
			}
			boolean always = this.reading || (lent.fallback() != null && lent.fallback().refusesWrites());
			boolean replica = lent.fallback() == null && lent.source() != this.primary;
			return new Taken(lent, this.readOnly && !always && !replica);
		}
		catch (SourceUnavailableException ex) {
			throw new SQLTransientConnectionException(ex.getMessage(), "08001", ex);
		}
		catch (MultiDbException ex) {
			throw new SQLNonTransientConnectionException(ex.getMessage(), "08003", ex);
		}
	}

	private static Lenders.Lent refusing(Lenders.Lent lent) throws SQLException {
		boolean ready = false;
		try {
			boolean refusing = lent.refusing() || lent.source().refuseWritesThroughout(lent.connection());
			ready = true;
			return new Lenders.Lent(lent.source(), lent.connection(), lent.fallback(), refusing);
		}
		finally {
			if (!ready) {
				lent.source().discard(lent.connection());
				Fallback.giveBack(lent);
			}
		}
	}

	boolean isReading() {
		return this.reading;
	}

	static SQLException notUnwrapped() {
		return new SQLException("A connection that is lent to read only is not unwrapped: with the driver's own,"
				+ " anything can be done", "25006");
	}

	/** Whoever has the driver's own connection may do anything to it. */
	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (this.reading && !type.isInstance(this)) {
			throw notUnwrapped();
		}
		return super.unwrap(type);
	}

	@Override
	public boolean isWrapperFor(Class<?> type) throws SQLException {
		return type.isInstance(this) || (!this.reading && super.isWrapperFor(type));
	}

	/** Asked before anything is run. */
	private void refuseToWrite(Taken current, @Nullable String sql) throws SQLException {
		Source source = current.lent().source();
		if ((sql != null && ReadingText.mayWrite(source.product(), sql))
				|| !ReadOnlySession.isIntact(source.product(), current.connection())) {
			throw new SQLException(
					"This connection of source '" + this.primary.name()
							+ "' was taken to read only, and the statement did not run, as it might change that",
					"25006");
		}
	}

	/** What was set while there was no connection to set it on. */
	private void prepare(Taken fresh) throws SQLException {
		Connection connection = fresh.connection();
		if (this.networkTimeout != null) {
			connection.setNetworkTimeout(this.networkTimeout.executor(), this.networkTimeout.milliseconds());
		}
		if (this.catalog != null) {
			connection.setCatalog(this.catalog);
		}
		if (this.schema != null) {
			connection.setSchema(this.schema);
		}
		if (this.holdability != null) {
			connection.setHoldability(this.holdability);
		}
		if (fresh.readOnly()) {
			fresh.lent().source().refuseWrites(connection, true);
		}
		if (this.isolation != null) {
			connection.setTransactionIsolation(this.isolation);
		}
		if (connection.getAutoCommit() != this.autoCommit) {
			connection.setAutoCommit(this.autoCommit);
		}
	}

	private static void giveBack(Taken taken) throws SQLException {
		Fallback.giveBack(taken.lent(), taken.readOnly());
	}

	/**
	 * Says why a write was refused by a fallback that takes none.
	 * @return {@code null} if it was not
	 */
	@Nullable SourceUnavailableException writeRefused(SQLException failure) {
		Taken current = this.taken;
		Fallback fallback = (current != null) ? current.lent().fallback() : null;
		return (fallback != null && fallback.refusesWrites()) ? fallback.writeRefused(failure) : null;
	}

	/** The connection behind this one; {@code null} if there is none yet. */
	@Nullable Connection current() {
		Taken current = this.taken;
		return (current != null) ? current.connection() : null;
	}

	/** Decides instead of the first statement, unless that has. */
	void stayOn(Fallback.Side decided) {
		if (this.side == null) {
			this.side = decided;
		}
	}

	private boolean hasTarget() {
		return this.taken != null;
	}

	private void refuseClosed() throws SQLException {
		if (this.closed) {
			throw closed();
		}
	}

	private static SQLException closed() {
		return new SQLException("The connection is closed", "08003");
	}

	/**
	 * For a statement that may write. In a transaction that is not read-only anything
	 * may; outside of one, what is no plain query.
	 */
	@Override
	Connection using(@Nullable String sql) throws SQLException {
		Connection connection = target();
		Taken current = this.taken;
		if (this.reading && current != null) {
			refuseToWrite(current, sql);
		}
		this.begun = !this.autoCommit;
		boolean ownWork = this.side == Fallback.Side.SOURCE && !this.readOnly;
		if (sql != null && ownWork && (!this.autoCommit || !isQuery(sql))) {
			this.written = true;
			this.lenders.written(this.caller);
		}
		return connection;
	}

	private static boolean isQuery(String sql) {
		String text = sql.stripLeading();
		return text.regionMatches(true, 0, "select", 0, 6) || text.regionMatches(true, 0, "values", 0, 6)
				|| text.regionMatches(true, 0, "show", 0, 4);
	}

	/** What was written is there from now on. */
	private void remember() {
		if (this.written) {
			this.lenders.written(this.caller);
		}
	}

	@Override
	public void close() throws SQLException {
		this.closed = true;
		Taken last = TAKEN.getAndSet(this, null);
		if (last != null) {
			try {
				giveBack(last);
			}
			finally {
				remember();
			}
		}
	}

	/**
	 * Ends it, with the connection behind it.
	 * @return whether that sees to it that its owner is interrupted
	 */
	boolean cut(TimedLease lease) {
		this.closed = true;
		Taken last = TAKEN.getAndSet(this, null);
		return last != null && lease.cut(last.lent().source(), last.connection(), () -> {
			try {
				giveBack(last);
			}
			catch (SQLException | RuntimeException ex) {
				// It is closed all the same.
			}
		});
	}

	@Override
	public boolean isClosed() throws SQLException {
		Taken current = this.taken;
		return this.closed || (current != null && current.connection().isClosed());
	}

	@Override
	public void abort(Executor executor) throws SQLException {
		Taken current = this.taken;
		if (current != null) {
			current.connection().abort(executor);
		}
		else {
			close();
		}
	}

	@Override
	public boolean isValid(int timeout) throws SQLException {
		Taken current = this.taken;
		return !this.closed && (current == null || current.connection().isValid(timeout));
	}

	@Override
	public void setReadOnly(boolean readOnly) throws SQLException {
		refuseClosed();
		if (this.reading || readOnly == this.readOnly) {
			return;
		}
		if (this.begun) {
			throw new SQLException("A transaction cannot be made read-only, or the opposite, once it has begun",
					"25001");
		}
		Taken former = this.taken;
		if (former != null && TAKEN.compareAndSet(this, former, null)) {
			giveBack(former);
			remember();
			this.written = false;
		}
		this.readOnly = readOnly;
	}

	@Override
	public boolean isReadOnly() {
		return this.readOnly;
	}

	@Override
	public void setAutoCommit(boolean autoCommit) throws SQLException {
		refuseClosed();
		if (hasTarget()) {
			target().setAutoCommit(autoCommit);
			if (autoCommit && !this.autoCommit) {
				this.begun = false;
				remember();
			}
		}
		this.autoCommit = autoCommit;
	}

	@Override
	public boolean getAutoCommit() throws SQLException {
		refuseClosed();
		return this.autoCommit;
	}

	@Override
	public void commit() throws SQLException {
		refuseClosed();
		if (hasTarget()) {
			try {
				target().commit();
				this.begun = false;
			}
			finally {
				// Also if it is not known whether it was done
				remember();
			}
		}
	}

	@Override
	public void rollback() throws SQLException {
		refuseClosed();
		if (hasTarget()) {
			target().rollback();
			this.begun = false;
		}
	}

	@Override
	public void setCatalog(@Nullable String catalog) throws SQLException {
		refuseClosed();
		this.catalog = catalog;
		if (hasTarget()) {
			target().setCatalog(catalog);
		}
	}

	@Override
	public void setSchema(@Nullable String schema) throws SQLException {
		refuseClosed();
		this.schema = schema;
		if (hasTarget()) {
			target().setSchema(schema);
		}
	}

	@Override
	public void setTransactionIsolation(int level) throws SQLException {
		refuseClosed();
		this.isolation = level;
		if (hasTarget()) {
			target().setTransactionIsolation(level);
		}
	}

	@Override
	public void setHoldability(int holdability) throws SQLException {
		refuseClosed();
		this.holdability = holdability;
		if (hasTarget()) {
			target().setHoldability(holdability);
		}
	}

	@Override
	public void setNetworkTimeout(Executor executor, int milliseconds) throws SQLException {
		refuseClosed();
		this.networkTimeout = new NetworkTimeout(executor, milliseconds);
		if (hasTarget()) {
			target().setNetworkTimeout(executor, milliseconds);
		}
	}

	@Override
	public @Nullable SQLWarning getWarnings() throws SQLException {
		refuseClosed();
		return hasTarget() ? target().getWarnings() : null;
	}

	@Override
	public void clearWarnings() throws SQLException {
		refuseClosed();
		if (hasTarget()) {
			target().clearWarnings();
		}
	}

	@Override
	public void beginRequest() throws SQLException {
		if (hasTarget()) {
			target().beginRequest();
		}
	}

	@Override
	public void endRequest() throws SQLException {
		if (hasTarget()) {
			target().endRequest();
		}
	}

	@Override
	public String toString() {
		Taken current = this.taken;
		return (current != null) ? current.lent().source() + ", " + current.connection() : "not taken yet";
	}

}
