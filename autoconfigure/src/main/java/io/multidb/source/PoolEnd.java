package io.multidb.source;

/**
 * Why a pool was given up while the application runs.
 */
public enum PoolEnd {

	/** Nobody had used it for {@code app.tenancy.idle-timeout}. */
	IDLE,

	/** It was idle, and another source needed its place. */
	EVICTED,

	/** Somebody asked for that. */
	DRAINED,

	/** Its source has another definition. */
	REPLACED,

	/** Its source was removed. */
	REMOVED,

	/** Its database does not answer any more, or another file is in its place. */
	LOST

}
