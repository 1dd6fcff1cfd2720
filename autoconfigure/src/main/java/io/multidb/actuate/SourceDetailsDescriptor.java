package io.multidb.actuate;

import java.time.Instant;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.OperationResponseBody;

/**
 * Everything that is shown of one source. What is {@code null} does not appear.
 *
 * @param source what the list has of it
 * @param attributes the application's own data; values are sanitized
 * @param events what happened to it lately, the latest first; empty for one that has not
 * been used for long
 * @param tenants tenants that were mapped to it at run time, the first 100; {@code null}
 * if that is not known yet
 * @param server the budget of its database server; {@code null} if it has none, or nobody
 * has connected to it
 */
public record SourceDetailsDescriptor(SourceDescriptor source, Map<String, Object> attributes,
		List<EventDescriptor> events, @Nullable List<String> tenants,
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

}
