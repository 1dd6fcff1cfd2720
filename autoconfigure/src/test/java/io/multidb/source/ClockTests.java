package io.multidb.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for a clock that is set while sources are in use. {@code RoomsTests} sees to it
 * that nothing else compares its times.
 */
class ClockTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private final SettableClock clock = new SettableClock();

	/** Of those that tried to open the source. */
	private final List<Thread> openers = new CopyOnWriteArrayList<>();

	private volatile boolean broken = true;

	@AfterEach
	void close() {
		this.sources.close();
	}

	private SourceRegistry registry() {
		return this.sources.with((SourceMigrator) (definition, connection) -> {
			this.openers.add(Thread.currentThread());
			if (this.broken) {
				throw new IllegalStateException("not yet");
			}
			return SourceMigrator.Outcome.UNTOUCHED;
		}).with(this.clock).with(Sources.sqlite("a", this.directory)).registry();
	}

	private static SourceUnavailableException refusal(Source source) {
		return catchThrowableOfType(SourceUnavailableException.class, () -> Sources.query(source, "select 1"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "PT1H", "PT-1H" })
	void whatIsUnavailableIsRefusedAndComesBackAsIfNobodyHadSetTheClock(Duration jump) throws Exception {
		Source a = registry().get("a");
		assertThat(refusal(a)).hasMessageContaining("not yet");
		this.openers.clear();
		this.clock.jump(jump);
		for (int i = 0; i < 100; i++) {
			assertThat(refusal(a).retryAfter()).isBetween(Duration.ZERO, Duration.ofSeconds(45));
		}
		assertThat(this.openers).as("tried by callers").doesNotContain(Thread.currentThread());
		await().atMost(Duration.ofSeconds(30)).until(() -> !this.openers.isEmpty());
		this.clock.jump(jump);
		this.broken = false;
		await().atMost(Duration.ofSeconds(60)).until(() -> a.state() instanceof SourceState.Cold);
		assertThat(Sources.query(a, "select 1")).isEqualTo("1");
		await().untilAsserted(() -> assertThat(this.sources.events)
			.filteredOn((event) -> event instanceof SourceEvent.Recovered recovered
					&& recovered.after().compareTo(Duration.ZERO) > 0
					&& recovered.after().compareTo(Duration.ofMinutes(2)) < 0)
			.hasSize(1));
	}

	@Test
	void whatIsShownGoesByTheClockAsItIs() {
		Source a = registry().get("a");
		this.clock.jump(Duration.ofHours(-1));
		assertThat(refusal(a)).isNotNull();
		assertThat(a.state()).isInstanceOfSatisfying(SourceState.Unavailable.class,
				(unavailable) -> assertThat(unavailable.nextTry()).isBetween(unavailable.since(),
						this.clock.instant().plusSeconds(45)));
	}

	@Test
	@EnabledOnOs(OS.LINUX)
	void theOwnerOfATemporaryFileIsKnownByACountThatNobodyCanSet() throws Exception {
		String status = Files.readString(Path.of("/proc/self/stat"));
		assertThat(ProcessIdentity.CURRENT.toString())
			.endsWith("-" + status.substring(status.lastIndexOf(')')).split(" ", -1)[20]);
	}

	/** Goes on by itself, as clocks do. */
	private static final class SettableClock extends Clock {

		private volatile Duration ahead = Duration.ZERO;

		void jump(Duration jump) {
			this.ahead = this.ahead.plus(jump);
		}

		@Override
		public Instant instant() {
			return Clock.systemUTC().instant().plus(this.ahead);
		}

		@Override
		public ZoneId getZone() {
			return ZoneOffset.UTC;
		}

		@Override
		public Clock withZone(ZoneId zone) {
			return this;
		}

	}

}
