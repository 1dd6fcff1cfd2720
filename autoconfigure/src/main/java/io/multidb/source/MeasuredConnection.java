package io.multidb.source;

/**
 * A physical connection of a HikariCP pool, on which can be noted since when it is lent.
 * Touched by its borrower alone.
 */
abstract class MeasuredConnection extends ForwardingConnection {

	/** See {@link LeaseCounts}. */
	private long lentSince = LeaseCounts.UNTIMED;

	final long lentSince(long since) {
		long before = this.lentSince;
		this.lentSince = since;
		return before;
	}

}
