package io.multidb.source;

import java.util.concurrent.atomic.AtomicReference;

import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link DaemonThreads}.
 */
class DaemonThreadsTests {

	@Test
	void inheritNothingAndKeepNoProcessAlive() throws Exception {
		InheritableThreadLocal<String> user = new InheritableThreadLocal<>();
		user.set("anna");
		AtomicReference<String> seen = new AtomicReference<>("nobody");
		Thread thread = DaemonThreads.named("multidb-x").newThread(() -> seen.set(user.get()));
		user.remove();
		thread.start();
		thread.join();
		assertThat(thread.isDaemon()).isTrue();
		assertThat(seen.get()).isNull();
	}

	/** That of an executable jar is not the system's. */
	@Test
	void haveTheClassLoaderOfWhoMakesThem() {
		ClassLoader former = Thread.currentThread().getContextClassLoader();
		ClassLoader own = new ClassLoader(former) {
		};
		Thread.currentThread().setContextClassLoader(own);
		try {
			assertThat(DaemonThreads.named("multidb-x").newThread(() -> {
			}).getContextClassLoader()).isSameAs(own);
		}
		finally {
			Thread.currentThread().setContextClassLoader(former);
		}
	}

	@Test
	void areNamedOrNumbered() {
		DaemonThreads named = DaemonThreads.named("multidb-x");
		DaemonThreads numbered = DaemonThreads.numbered("multidb-y-");
		assertThat(named.newThread(() -> {
		}).getName()).isEqualTo(named.newThread(() -> {
		}).getName()).isEqualTo("multidb-x");
		assertThat(numbered.newThread(() -> {
		}).getName()).isEqualTo("multidb-y-1");
		assertThat(numbered.newThread(() -> {
		}).getName()).isEqualTo("multidb-y-2");
	}

}
