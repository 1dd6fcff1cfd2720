package io.multidb.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;

import org.jspecify.annotations.Nullable;

/**
 * A physical connection that gives its permit back when it is really closed or aborted,
 * exactly once, whoever does that and however often. Knows when it was used last. As
 * thread-safe as the driver's connection.
 */
final class BudgetedConnection extends MeasuredConnection {

	private static final AtomicIntegerFieldUpdater<BudgetedConnection> ENDED = AtomicIntegerFieldUpdater
		.newUpdater(BudgetedConnection.class, "ended");

	private static final ThreadLocal<Boolean> UNTESTED = new ThreadLocal<>();

	private final Connection physical;

	private final ServerBudget budget;

	private final ServerBudget.Holder holder;

	/** 1 once somebody closes it and gives the permit back; set through ENDED. */
	@SuppressWarnings("UnusedVariable")
	private volatile int ended;

	/**
	 * A value of System.nanoTime(). Read by other threads, which may see an older one.
	 */
	private long lastUsed = System.nanoTime();

	BudgetedConnection(Connection physical, ServerBudget budget, ServerBudget.Holder holder) {
		this.physical = physical;
		this.budget = budget;
		this.holder = holder;
	}

	ServerBudget.Holder holder() {
		return this.holder;
	}

	long lastUsed() {
		return this.lastUsed;
	}

	@Override
	Connection target() {
		return this.physical;
	}

	@Override
	Connection using(@Nullable String sql) {
		this.lastUsed = System.nanoTime();
		return this.physical;
	}

	/** Takes something from a pool to close it, which then need not work any more. */
	@FunctionalInterface
	interface Taking<T> {

		T take() throws SQLException;

	}

	/** HikariCP asks the server whether a connection is alive before it gives it away. */
	static <T> T untested(Taking<T> taking) throws SQLException {
		UNTESTED.set(true);
		try {
			return taking.take();
		}
		finally {
			UNTESTED.remove();
		}
	}

	@Override
	public boolean isValid(int timeout) throws SQLException {
		return UNTESTED.get() != null || this.physical.isValid(timeout);
	}

	@Override
	public void close() throws SQLException {
		end(() -> AwaitedCloseSocketFactory.closeAndAwait(this.physical::close));
	}

	/** The driver may do the work later, on a thread of the executor. */
	@Override
	public void abort(Executor executor) throws SQLException {
		this.physical.abort((work) -> executor.execute(() -> end(work::run)));
		if (this.physical.isClosed()) {
			end(() -> {
			});
		}
	}

	private <E extends Exception> void end(AwaitedCloseSocketFactory.Closing<E> closing) throws E {
		boolean first = ENDED.compareAndSet(this, 0, 1);
		if (first) {
			this.holder.closing();
		}
		try {
			closing.run();
		}
		finally {
			if (first) {
				this.budget.closed(this);
			}
		}
	}

	@Override
	public String toString() {
		return this.physical.toString();
	}

}
