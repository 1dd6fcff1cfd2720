package io.multidb.source;

import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

import org.jspecify.annotations.Nullable;

/**
 * The budgets of all database servers, by server. Thread-safe.
 */
final class ServerBudgets {

	private final Map<String, ServerSettings> settings;

	private final Map<String, ServerBudget> budgets = new ConcurrentHashMap<>();

	private final AtomicInteger starving = new AtomicInteger();

	private volatile boolean closed;

	/**
	 * Creates the budgets; none is in force yet.
	 * @param settings by name, or by host and port
	 */
	ServerBudgets(Map<String, ServerSettings> settings) {
		this.settings = Map.copyOf(settings);
	}

	/**
	 * The budget of a source's server.
	 * @return {@code null} if it has none: a file, or a server that was not configured and
	 * cannot be asked
	 */
	@Nullable ServerBudget find(SourceDefinition definition) {
		String server = server(definition);
		if (server == null) {
			return null;
		}
		ServerSettings configured = this.settings.get(server);
		if (definition.product() != DatabaseProduct.POSTGRESQL
				&& (configured == null || configured.maxConnections() == null)) {
			return null;
		}
		ServerBudget budget = this.budgets.computeIfAbsent(server, (name) -> new ServerBudget(name,
				(configured != null) ? configured : ServerSettings.DEFAULTS, this.starving));
		if (this.closed) {
			budget.close();
		}
		return budget;
	}

	private static @Nullable String server(SourceDefinition definition) {
		if (definition.product() == DatabaseProduct.SQLITE) {
			return null;
		}
		String host = (definition.server() != null) ? definition.server() : definition.url().server();
		return (host != null) ? host.toLowerCase(Locale.ROOT) : null;
	}

	/** Whether somebody waits for a connection of any server and found nothing idle. */
	boolean areStarving() {
		return this.starving.get() > 0;
	}

	/** Something was given back to some pool. */
	void passOn() {
		this.budgets.values().forEach(ServerBudget::passOn);
	}

	/** Nobody waits any more. */
	void close() {
		this.closed = true;
		this.budgets.values().forEach(ServerBudget::close);
	}

}
