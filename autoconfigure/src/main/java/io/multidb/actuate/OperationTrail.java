package io.multidb.actuate;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.boot.actuate.audit.AuditEvent;

import io.multidb.source.JdbcUrl;
import io.multidb.source.SourceRegistry;

/**
 * Has every operation leave a trail, whatever becomes of it: a line in the log, an audit
 * event, and what the source's details tell. Thread-safe.
 */
final class OperationTrail {

	private static final Logger logger = LoggerFactory.getLogger(SourceOperations.class);

	private final Consumer<AuditEvent> audit;

	private final OperationHistory history;

	/**
	 * Creates a trail.
	 * @param audit is told of every operation
	 * @param history remembers what became of those on sources
	 */
	OperationTrail(Consumer<AuditEvent> audit, OperationHistory history) {
		this.audit = audit;
		this.history = history;
	}

	/** Does something with a source, on this thread. */
	OperationDescriptor withSource(Operator by, String operation, String source, Supplier<OperationDescriptor> work) {
		String id = UUID.randomUUID().toString();
		return follow(by, operation, "source", source, note(id, by, operation, source), work).withId(id);
	}

	/** Does something with a tenant, on this thread. */
	OperationDescriptor withTenant(Operator by, String operation, String tenant, Supplier<OperationDescriptor> work) {
		return follow(by, operation, "tenant", tenant, null, work);
	}

	/**
	 * Notes that somebody wants something done with a source, later.
	 * @return {@code null} for what cannot be a source's name, which is not kept
	 */
	OperationHistory.@Nullable Noted note(String id, Operator by, String operation, String source) {
		return SourceRegistry.isName(source) ? this.history.note(id, by, operation, source) : null;
	}

	/** Does what was noted. */
	OperationDescriptor withSource(Operator by, String operation, String source, OperationHistory.@Nullable Noted noted,
			Supplier<OperationDescriptor> work) {
		return follow(by, operation, "source", source, noted, work);
	}

	private OperationDescriptor follow(Operator by, String operation, String kind, String subject,
			OperationHistory.@Nullable Noted noted, Supplier<OperationDescriptor> work) {
		Map<String, @Nullable Object> data = data(by, operation, kind, subject);
		if (noted != null) {
			noted.run();
		}
		try {
			OperationDescriptor done = work.get();
			if (noted != null) {
				noted.end(done);
			}
			data.put("outcome", done.outcome());
			if (done.tenant() != null && done.source() != null) {
				data.put("source", done.source());
			}
			if (done.scope() != null) {
				data.put("scope", done.scope());
			}
			logger.info("{}: {} by {} ({}): {}", printable(subject), operation, printable(String.valueOf(by.name())),
					by.via(), done.outcome());
			return done;
		}
		catch (RuntimeException | Error ex) {
			// Who asked may have gone, or be told less.
			String reason = JdbcUrl.mask((ex instanceof RuntimeException failure && Problem.of(failure) != null)
					? String.valueOf(ex.getMessage()) : ex.toString())
				.replaceAll("\\p{Cntrl}+", " ");
			data.put("reason", reason);
			if (noted != null) {
				noted.fail(reason);
			}
			logger.warn("{}: {} by {} ({}) failed: {}", printable(subject), operation,
					printable(String.valueOf(by.name())), by.via(), reason);
			throw ex;
		}
		finally {
			data.putIfAbsent("outcome", "failed");
			publish(new AuditEvent(by.name(), SourceOperations.AUDIT_TYPE, data));
		}
	}

	/** Somebody wants what another has begun, of whom it is told what becomes of it. */
	void join(Operator by, String operation, String source) {
		Map<String, @Nullable Object> data = data(by, operation, "source", source);
		data.put("outcome", "joined");
		logger.info("{}: {} by {} ({}): joined", printable(source), operation, printable(String.valueOf(by.name())),
				by.via());
		publish(new AuditEvent(by.name(), SourceOperations.AUDIT_TYPE, data));
	}

	private static Map<String, @Nullable Object> data(Operator by, String operation, String kind, String subject) {
		Map<String, @Nullable Object> data = new LinkedHashMap<>();
		data.put("operation", operation);
		data.put(kind, printable(subject));
		data.put("via", by.via());
		return data;
	}

	/** What listens must not undo what was done. */
	private void publish(AuditEvent event) {
		try {
			this.audit.accept(event);
		}
		catch (RuntimeException | LinkageError | AssertionError ex) {
			logger.error("The audit event {} could not be published", event, ex);
		}
	}

	/** Names come from outside, and must not begin a line of their own. */
	static String printable(String name) {
		String text = name.replaceAll("[^\\x20-\\x7e]", "?");
		return (text.length() > 64) ? text.substring(0, 64) + "…" : text;
	}

}
