package io.multidb;

import java.time.Duration;

import org.awaitility.Awaitility;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * How all tests await what they do not say otherwise of: they look often, so that they go
 * on at once, and give up late, as a machine may be busy. A test that claims that
 * something takes no longer says how long.
 */
public final class Awaiting implements BeforeAllCallback {

	@Override
	public void beforeAll(ExtensionContext context) {
		Awaitility.setDefaultPollDelay(Duration.ZERO);
		Awaitility.setDefaultPollInterval(Duration.ofMillis(10));
		Awaitility.setDefaultTimeout(Duration.ofSeconds(60));
	}

}
