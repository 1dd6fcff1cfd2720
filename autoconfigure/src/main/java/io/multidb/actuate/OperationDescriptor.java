package io.multidb.actuate;

import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.OperationResponseBody;

/**
 * What an operation has done. What is {@code null} does not appear.
 *
 * @param operation which: {@code add}, {@code replace}, {@code remove}, {@code drain},
 * {@code retry}, {@code migrate}, {@code map} or {@code unmap}
 * @param source the source that it was about
 * @param tenant the tenant that it was about
 * @param outcome what has become of it, in a word, such as {@code added}; {@code running}
 * if it goes on in the background, {@code queued} if it has not even begun; {@code saved}
 * if it is in the catalog, and this node had not followed in time
 * @param scope {@code this-node}: as long as this process runs; {@code all-nodes}: on all
 * nodes, and after the next start; {@code null} where nothing was to be kept
 * @param message the same for people
 * @param migrations how far the source has been migrated
 * @param id by which the source's details tell what has become of it; {@code null} for
 * one that is about a tenant
 */
public record OperationDescriptor(String operation, @Nullable String source, @Nullable String tenant, String outcome,
		@Nullable String scope, String message, @Nullable MigrationsRunDescriptor migrations,
		@Nullable String id) implements OperationResponseBody {

	static final String THIS_NODE = "this-node";

	static final String ALL_NODES = "all-nodes";

	private static final Set<String> PENDING = Set.of("queued", "running", "saved");

	static OperationDescriptor of(String operation, String source, String outcome, @Nullable String scope,
			String message) {
		return new OperationDescriptor(operation, source, null, outcome, scope, message, null, null);
	}

	OperationDescriptor withId(@Nullable String ofOperation) {
		return new OperationDescriptor(this.operation, this.source, this.tenant, this.outcome, this.scope, this.message,
				this.migrations, ofOperation);
	}

	/** Whether it is over, so that its outcome is the last word on this node. */
	boolean isOver() {
		return !PENDING.contains(this.outcome);
	}

	/**
	 * How far a source has been migrated.
	 *
	 * @param run how many changes have been run
	 * @param pending how many would be run now
	 */
	public record MigrationsRunDescriptor(int run, int pending) {

	}

}
