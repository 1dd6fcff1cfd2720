package io.multidb.source;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.IntConsumer;

import org.jspecify.annotations.Nullable;

/**
 * The budgets of all database servers, by server. Thread-safe.
 */
final class ServerBudgets {

	private final Map<String, ServerSettings> settings = new HashMap<>();

	private final Map<String, ServerBudget> budgets = new ConcurrentHashMap<>();

	private final IntConsumer attention;

	private final Executor background;

	private volatile boolean closed;

	/**
	 * Creates the budgets; none is in force yet.
	 * @param settings by name, or by host and port
	 * @param attention is told how many more budgets wait for connections that are given
	 * back, or fewer
	 * @param background closes connections
	 */
	ServerBudgets(Map<String, ServerSettings> settings, IntConsumer attention, Executor background) {
		this.background = background;
		settings.forEach((name, of) -> this.settings.put(name.toLowerCase(Locale.ROOT), of));
		this.attention = attention;
	}

	/**
	 * The budget of a source's server.
	 * @return {@code null} if it has none: a file, or a server that was not configured
	 * and cannot be asked
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
				(configured != null) ? configured : ServerSettings.DEFAULTS, this.attention, this.background));
		if (this.closed) {
			budget.close();
		}
		return budget;
	}

	/**
	 * The server of a source.
	 * @return its name in lower case, or its host and port; {@code null} if it has none
	 * or it cannot be told
	 */
	static @Nullable String server(SourceDefinition definition) {
		if (definition.product() == DatabaseProduct.SQLITE) {
			return null;
		}
		String host = (definition.server() != null) ? definition.server() : definition.url().server();
		return (host != null) ? host.toLowerCase(Locale.ROOT) : null;
	}

	/**
	 * What a source waits for at its server.
	 * @return a sentence with numbers, or {@code null} if it does not wait
	 */
	@Nullable String shortage(SourceDefinition definition) {
		String server = server(definition);
		ServerBudget budget = (server != null) ? this.budgets.get(server) : null;
		return (budget != null) ? budget.shortage(definition.name()) : null;
	}

	/** How all are that were used, sorted by server. */
	List<ServerState> states() {
		return this.budgets.values()
			.stream()
			.map(ServerBudget::state)
			.sorted(Comparator.comparing(ServerState::server))
			.toList();
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
