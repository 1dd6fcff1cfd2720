package io.multidb;

/**
 * What becomes of a transaction or session of another source that is open when
 * {@link Tenant @Tenant} or {@link UseSource @UseSource} is to switch.
 */
public enum OpenTransaction {

	/** The switch is refused with {@link SourceSwitchException}. */
	REFUSE,

	/**
	 * The transaction and its persistence context are set aside while the method runs and
	 * put back afterwards. What the method does on the other source is not undone when
	 * the outer transaction rolls back. A method that marks its transaction for rollback
	 * by hand needs a {@code @Transactional} of its own.
	 */
	SUSPEND

}
