package io.multidb.autoconfigure;

import java.util.HashMap;
import java.util.Map;

import org.springframework.boot.logging.LogLevel;
import org.springframework.boot.logging.LoggerConfiguration;
import org.springframework.boot.logging.LoggerConfiguration.ConfigurationScope;
import org.springframework.boot.logging.LoggerConfiguration.LevelConfiguration;
import org.springframework.boot.logging.LoggingSystem;

import io.multidb.source.SourceRegistry;

/**
 * Lets the log show warnings and errors only, until it is closed.
 */
final class QuietLog implements AutoCloseable {

	/** What a command says itself, in one line. */
	private static final Map<String, LogLevel> SAID = Map.of(SourceRegistry.class.getName(), LogLevel.ERROR,
			"liquibase", LogLevel.OFF);

	private final LoggingSystem logging;

	/** The levels that were set by somebody. */
	private final Map<String, LogLevel> before = new HashMap<>();

	QuietLog(ClassLoader classLoader) {
		this.logging = LoggingSystem.get(classLoader);
		for (LoggerConfiguration logger : this.logging.getLoggerConfigurations()) {
			LevelConfiguration own = logger.getLevelConfiguration(ConfigurationScope.DIRECT);
			if (own != null && !own.isCustom()) {
				this.before.put(logger.getName(), own.getLevel());
			}
		}
		this.before.forEach((name, level) -> {
			if (level.compareTo(LogLevel.WARN) < 0) {
				this.logging.setLogLevel(name, LogLevel.WARN);
			}
		});
		SAID.forEach(this.logging::setLogLevel);
	}

	@Override
	public void close() {
		SAID.keySet().forEach((name) -> this.logging.setLogLevel(name, null));
		this.before.forEach(this.logging::setLogLevel);
	}

}
