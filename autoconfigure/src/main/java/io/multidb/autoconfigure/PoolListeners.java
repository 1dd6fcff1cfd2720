package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.source.LeaseCounts;
import io.multidb.source.PoolListener;
import io.multidb.source.Source;

/**
 * Tells several who want to know of pools, none of whom keeps it from the others.
 * Immutable and thread-safe.
 */
final class PoolListeners implements PoolListener {

	private static final Logger logger = LoggerFactory.getLogger(PoolListeners.class);

	private final List<PoolListener> listeners;

	PoolListeners(List<PoolListener> listeners) {
		this.listeners = List.copyOf(listeners);
	}

	@Override
	public void opened(Source source, LeaseCounts counts) {
		tell(source.name(), (listener) -> listener.opened(source, counts));
	}

	/** HikariCP tells one only: the first who wants it. */
	@Override
	public @Nullable MetricsTrackerFactory tracker(String source) {
		List<MetricsTrackerFactory> wanted = new ArrayList<>();
		tell(source, (listener) -> {
			MetricsTrackerFactory tracker = wanted.isEmpty() ? listener.tracker(source) : null;
			if (tracker != null) {
				wanted.add(tracker);
			}
		});
		return wanted.isEmpty() ? null : wanted.get(0);
	}

	@Override
	public void removed(Source source) {
		tell(source.name(), (listener) -> listener.removed(source));
	}

	private void tell(String source, Consumer<PoolListener> news) {
		for (PoolListener listener : this.listeners) {
			try {
				news.accept(listener);
			}
			catch (RuntimeException | LinkageError ex) {
				logger.warn("{}: a listener to its pools failed", source, ex);
			}
		}
	}

}
