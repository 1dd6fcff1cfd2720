package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.ApplicationListener;
import org.springframework.context.event.ContextClosedEvent;

/**
 * Hands events of sources and mappings to Spring, in order. Events from before all beans
 * are there are kept until they are: publishing would create listeners on the thread of a
 * migration, amid the start. After the context is closed there is nobody to tell.
 * Thread-safe.
 */
class SourceEventPublisher
		implements Consumer<Object>, SmartInitializingSingleton, ApplicationListener<ContextClosedEvent> {

	private static final Logger logger = LoggerFactory.getLogger(SourceEventPublisher.class);

	private final ApplicationEventPublisher publisher;

	/** Kept events; {@code null} once they have been handed on. Guarded by this. */
	private @Nullable List<Object> kept = new ArrayList<>();

	private volatile boolean closed;

	SourceEventPublisher(ApplicationEventPublisher publisher) {
		this.publisher = publisher;
	}

	@Override
	public void accept(Object event) {
		synchronized (this) {
			if (this.kept != null) {
				this.kept.add(event);
				return;
			}
		}
		if (!this.closed) {
			this.publisher.publishEvent(event);
		}
	}

	/**
	 * A listener that fails must neither fail the start nor keep the others from hearing.
	 */
	private void publish(Object event) {
		try {
			this.publisher.publishEvent(event);
		}
		catch (RuntimeException ex) {
			logger.warn("A listener failed on {}", event, ex);
		}
	}

	@Override
	public void afterSingletonsInstantiated() {
		while (true) {
			List<Object> next;
			synchronized (this) {
				next = this.kept;
				this.kept = (next == null || next.isEmpty()) ? null : new ArrayList<>();
			}
			if (next == null || next.isEmpty()) {
				return;
			}
			next.forEach(this::publish);
		}
	}

	@Override
	public void onApplicationEvent(ContextClosedEvent event) {
		// A child context tells its parent's listeners, too.
		if (event.getApplicationContext().equals(this.publisher)) {
			this.closed = true;
		}
	}

}
