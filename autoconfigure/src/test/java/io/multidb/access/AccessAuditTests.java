package io.multidb.access;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

import org.junit.jupiter.api.Test;

import org.springframework.boot.actuate.audit.AuditEvent;

import io.multidb.Operation;
import io.multidb.source.Race;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link AccessAudit}.
 */
class AccessAuditTests {

	private final AtomicLong time = new AtomicLong(-5);

	private final List<AuditEvent> events = new CopyOnWriteArrayList<>();

	private final AccessAudit audit = audit(true);

	private AccessAudit audit(boolean uses) {
		return new AccessAudit(this.events::add, Duration.ofMinutes(1), uses, this.time::get);
	}

	private void later(Duration duration) {
		this.time.addAndGet(duration.toNanos());
	}

	private static AccessEvent denied(String user, String source) {
		return new AccessEvent(user, "t", source, Operation.READ, false, "No.");
	}

	private static AccessEvent granted(String user, String source) {
		return new AccessEvent(user, null, source, Operation.WRITE, true, null);
	}

	@Test
	void aLoopIsToldOncePerIntervalAndHowOften() {
		for (int i = 0; i < 1000; i++) {
			this.audit.decided(denied("bob", "main"));
		}
		assertThat(this.events).hasSize(1);
		assertThat(this.events.get(0).getData()).doesNotContainKey("repeated").containsEntry("reason", "No.");
		later(Duration.ofSeconds(59));
		this.audit.decided(denied("bob", "main"));
		assertThat(this.events).hasSize(1);
		later(Duration.ofSeconds(1));
		this.audit.decided(denied("bob", "main"));
		assertThat(this.events).hasSize(2);
		assertThat(this.events.get(1).getData()).containsEntry("repeated", 1000L);
	}

	@Test
	void differentUsersSourcesAndTypesAreToldEach() {
		this.audit.decided(denied("bob", "main"));
		this.audit.decided(denied("eve", "main"));
		this.audit.decided(denied("bob", "other"));
		this.audit.decided(denied(null, "main"));
		this.audit.decided(granted("bob", "main"));
		assertThat(this.events).extracting(AuditEvent::getPrincipal).containsExactly("bob", "eve", "bob", "", "bob");
		assertThat(this.events).extracting(AuditEvent::getType)
			.containsExactly(AccessAudit.DENIED, AccessAudit.DENIED, AccessAudit.DENIED, AccessAudit.DENIED,
					AccessAudit.GRANTED);
	}

	@Test
	void inventedNamesNeitherFillTheMemoryNorTheLog() {
		int flood = 100_000;
		for (int i = 0; i < flood; i++) {
			this.audit.decided(denied("user" + i, "source" + i));
			this.audit.decided(granted("user" + i, "source" + i));
		}
		assertThat(this.audit.size()).isEqualTo(2 * AccessAudit.MOST);
		assertThat(this.events).hasSize(2 * AccessAudit.MOST + 2);
		assertThat(this.events).filteredOn((event) -> event.getData().containsKey("others"))
			.extracting(AuditEvent::getType)
			.containsExactlyInAnyOrder(AccessAudit.DENIED, AccessAudit.GRANTED);
		later(Duration.ofMinutes(1));
		this.events.clear();
		this.audit.decided(denied("bob", "main"));
		assertThat(this.events).hasSize(1);
		assertThat(this.events.get(0).getPrincipal()).isEqualTo("bob");
		assertThat(this.audit.size()).isEqualTo(AccessAudit.MOST + 1);
		for (int i = 0; i < flood; i++) {
			this.audit.decided(denied("user" + i, "source" + i));
		}
		assertThat(this.audit.size()).isEqualTo(2 * AccessAudit.MOST);
		assertThat(this.events).filteredOn((event) -> event.getData().containsKey("others"))
			.extracting((event) -> event.getData().get("others"))
			.containsExactly((long) flood - AccessAudit.MOST);
	}

	@Test
	void nobodyHidesInHisFloodWhatOthersDo() {
		int flood = 5000;
		for (int i = 0; i < flood; i++) {
			this.audit.decided(denied("eve", "source" + i));
		}
		assertThat(this.events).hasSize(AccessAudit.MOST_OF_USER + 1)
			.allSatisfy((event) -> assertThat(event.getPrincipal()).isEqualTo("eve"));
		assertThat(this.events.get(AccessAudit.MOST_OF_USER).getData()).containsExactly(Map.entry("others", 1L));
		this.events.clear();
		this.audit.decided(denied("bob", "main"));
		assertThat(this.events).extracting(AuditEvent::getPrincipal).containsExactly("bob");
		later(Duration.ofMinutes(1));
		this.events.clear();
		this.audit.decided(denied("eve", "again"));
		assertThat(this.events).hasSize(1);
		assertThat(this.events.get(0).getData()).containsEntry("source", "again");
		assertThat(this.audit.size()).isEqualTo(1);
	}

	@Test
	void longNamesAreShortened() {
		this.audit.decided(denied("u".repeat(1_000_000), "s".repeat(1_000_000)));
		assertThat(this.events.get(0).getPrincipal()).hasSize(101);
		assertThat(this.events.get(0).getData().get("source").toString()).hasSize(101);
	}

	@Test
	void manyThreadsTellTheSameOnce() throws Exception {
		AtomicInteger told = new AtomicInteger();
		for (int round = 0; round < 20; round++) {
			String source = "source" + round;
			Race.run(4, () -> {
				for (int i = 0; i < 200; i++) {
					this.audit.decided(denied("bob", source));
					this.audit.decided(denied("user" + told.getAndIncrement(), "flood"));
				}
				return null;
			});
			assertThat(this.events)
				.filteredOn(
						(event) -> source.equals(event.getData().get("source")) && event.getPrincipal().equals("bob"))
				.hasSizeLessThanOrEqualTo(1);
		}
		assertThat(this.audit.size()).isEqualTo(AccessAudit.MOST);
	}

	@Test
	void usesNeedNotBeTold() {
		AccessAudit refusals = audit(false);
		refusals.decided(granted("ada", "main"));
		assertThat(this.events).isEmpty();
		refusals.decided(denied("bob", "main"));
		assertThat(this.events).hasSize(1);
	}

	@Test
	void aPublisherThatFailsHarmsNobody() {
		AccessAudit failing = new AccessAudit((event) -> {
			throw new IllegalStateException("full");
		}, Duration.ofMinutes(1), true);
		failing.decided(denied("bob", "main"));
	}

}
