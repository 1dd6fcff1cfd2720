package io.multidb.actuate;

import java.time.Instant;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.OperationResponseBody;

/**
 * Everything that is shown of one source, which may have been removed while it was in use
 * and drains. What is {@code null} does not appear.
 *
 * @param source what the list has of it
 * @param attributes the application's own data; values are sanitized
 * @param events what happened to it lately, the latest first; empty for one that has not
 * been used for long
 * @param operations what operators had done to it on this node, the last 5, the latest
 * first
 * @param tenants tenants that were mapped to it at run time, the first 100 by name;
 * {@code null} if that is not known yet
 * @param server the budget of its database server; {@code null} if it has none, or nobody
 * has connected to it
 */
public record SourceDetailsDescriptor(SourceDescriptor source, Map<String, Object> attributes,
		List<EventDescriptor> events, List<OperationStateDescriptor> operations, @Nullable List<String> tenants,
		SourcesDescriptor.@Nullable ServerDescriptor server) implements OperationResponseBody {

	/**
	 * Something that happened to a source.
	 *
	 * @param at when
	 * @param type what, in one word or two, such as {@code opened} or
	 * {@code replica-left-out}
	 * @param message what, as the log has it
	 */
	public record EventDescriptor(Instant at, String type, String message) {

	}

	/**
	 * Something that an operator wanted to be done, and what has become of it.
	 *
	 * @param id its own; the answer to the request for it has it, too
	 * @param operation such as {@code migrate}
	 * @param by who wanted it; {@code null} for nobody who is known
	 * @param via {@code http}, {@code jmx} or {@code page}
	 * @param status {@code queued}, {@code running}, {@code done} or {@code failed}
	 * @param since when it was wanted
	 * @param ended when it ended; {@code null} if it has not
	 * @param outcome what has become of it, in a word, such as {@code up-to-date}
	 * @param message the same for people, or why it failed
	 */
	public record OperationStateDescriptor(String id, String operation, @Nullable String by, String via, String status,
			Instant since, @Nullable Instant ended, @Nullable String outcome, @Nullable String message) {

		OperationStateDescriptor saying(String text) {
			return new OperationStateDescriptor(this.id, this.operation, this.by, this.via, this.status, this.since,
					this.ended, this.outcome, text);
		}

	}

}
