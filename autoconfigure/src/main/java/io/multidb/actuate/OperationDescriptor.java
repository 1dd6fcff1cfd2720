package io.multidb.actuate;

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
 * if it goes on in the background
 * @param scope {@code this-node}: as long as this process runs; {@code all-nodes}: on all
 * nodes, and after the next start; {@code null} where nothing was to be kept
 * @param message the same for people
 * @param migrations how far the source has been migrated
 */
public record OperationDescriptor(String operation, @Nullable String source, @Nullable String tenant, String outcome,
		@Nullable String scope, String message,
		@Nullable MigrationsRunDescriptor migrations) implements OperationResponseBody {

	static final String THIS_NODE = "this-node";

	static final String ALL_NODES = "all-nodes";

	static OperationDescriptor of(String operation, String source, String outcome, @Nullable String scope,
			String message) {
		return new OperationDescriptor(operation, source, null, outcome, scope, message, null);
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
