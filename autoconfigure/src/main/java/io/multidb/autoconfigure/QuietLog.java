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

	private static final String OF_COMMANDS = SourceRegistry.class.getName();

	private final LoggingSystem logging;

	private final Map<String, LogLevel> before = new HashMap<>();

	QuietLog(ClassLoader classLoader) {
		this.logging = LoggingSystem.get(classLoader);
		for (LoggerConfiguration logger : this.logging.getLoggerConfigurations()) {
			LevelConfiguration own = logger.getLevelConfiguration(ConfigurationScope.DIRECT);
			if (own != null && !own.isCustom() && own.getLevel().compareTo(LogLevel.WARN) < 0) {
				this.before.put(logger.getName(), own.getLevel());
				this.logging.setLogLevel(logger.getName(), LogLevel.WARN);
			}
		}
		// What becomes unavailable is said by the command.
		this.logging.setLogLevel(OF_COMMANDS, LogLevel.ERROR);
	}

	@Override
	public void close() {
		this.logging.setLogLevel(OF_COMMANDS, null);
		this.before.forEach(this.logging::setLogLevel);
	}

}
