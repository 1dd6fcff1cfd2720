package io.multidb.access;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.Target;

/**
 * What one connection may be used for. Immutable.
 */
public final class Permit {

	private final Access access;

	private final Target target;

	private final String source;

	private final @Nullable String user;

	private final Operation operation;

	/** {@code null} where it was not asked for, or allowed. */
	private final @Nullable AccessDecision write;

	Permit(Access access, Target target, String source, @Nullable String user, Operation operation,
			@Nullable AccessDecision write) {
		this.access = access;
		this.target = target;
		this.source = source;
		this.user = user;
		this.operation = operation;
		this.write = write;
	}

	/**
	 * Whether the connection must refuse writes.
	 * @return whether it is for reading only
	 */
	public boolean isReadOnly() {
		return this.operation == Operation.READ;
	}

	/**
	 * Says why a write was refused.
	 * @return {@code null} if its user might have written, but wanted to read only
	 */
	public @Nullable SourceAccessDeniedException writeDenied() {
		return (this.write != null)
				? this.access.denied(this.user, this.target, this.source, Operation.WRITE, this.write.reason()) : null;
	}

}
