package io.multidb.task;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;

import io.micrometer.context.ContextRegistry;
import io.micrometer.context.ContextSnapshot;
import io.micrometer.context.ContextSnapshotFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.slf4j.MDC;

import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceSwitchException;
import io.multidb.SwitchGuard;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.access.Access;
import io.multidb.access.AccessListener;
import io.multidb.access.TaskUser;
import io.multidb.access.UserContext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * Tests for {@link TargetThreadLocalAccessor}.
 */
@ExtendWith(OutputCaptureExtension.class)
class TargetThreadLocalAccessorTests {

	private final ContextSnapshotFactory snapshots = ContextSnapshotFactory.builder().build();

	private final TargetThreadLocalAccessor accessor = new TargetThreadLocalAccessor();

	@AfterEach
	void leavesNothingBehind() {
		assertThat(Target.current()).isSameAs(Target.none());
		assertThat(MDC.get("tenant")).isNull();
	}

	@Test
	void isFoundByItsServiceFile() {
		assertThat(ContextRegistry.getInstance().getThreadLocalAccessors())
			.hasAtLeastOneElementOfType(TargetThreadLocalAccessor.class);
	}

	@Test
	void whatCannotBeSetLeavesNothingOnTheThread() {
		AtomicBoolean down = new AtomicBoolean();
		try (Access access = new Access(List::of, () -> {
			if (down.get()) {
				throw new IllegalStateException("Its session store is down");
			}
			return null;
		}, AccessListener.NONE)) {
			assertThat(access.user()).isNull();
			Object captured = TenantContext.call("lisbon", this.accessor::getValue);
			down.set(true);
			assertThatIllegalStateException().isThrownBy(() -> this.accessor.setValue(captured));
			assertThat(Target.current()).isSameAs(Target.none());
			down.set(false);
			TaskUser nobody = TaskUser.current();
			Object ofAda = UserContext.call("ada", this.accessor::getValue);
			SwitchGuard refusing = (from, to, leaving) -> {
				throw new IllegalStateException("refused");
			};
			try (SwitchGuard.Registration registration = SwitchGuard.register(refusing)) {
				assertThatIllegalStateException().isThrownBy(() -> this.accessor.setValue(ofAda));
			}
			assertThat(TaskUser.current()).isEqualTo(nobody);
		}
	}

	@Test
	void snapshotTakesTheTargetToAnotherThread() throws Exception {
		ContextSnapshot snapshot = captureIn("lisbon");
		onAnotherThread(() -> {
			try (ContextSnapshot.Scope set = snapshot.setThreadLocals()) {
				assertThat(TenantContext.current()).isEqualTo("lisbon");
				assertThat(MDC.get("tenant")).isEqualTo("lisbon");
			}
			assertThat(TenantContext.current()).isNull();
			assertThat(MDC.get("tenant")).isNull();
		});
	}

	@Test
	void snapshotTakesANamedSourceAlongWithItsTenant() throws Exception {
		ContextSnapshot snapshot;
		try (Scope tenant = TenantContext.enter("lisbon"); Scope source = SourceContext.enter("archive")) {
			snapshot = this.snapshots.captureAll();
		}
		onAnotherThread(() -> {
			try (ContextSnapshot.Scope set = snapshot.setThreadLocals()) {
				assertThat(TenantContext.current()).isEqualTo("lisbon");
				assertThat(SourceContext.current()).isEqualTo("archive");
			}
		});
	}

	@Test
	void snapshotWithoutTargetHidesWhatIsThere() {
		ContextSnapshot nothing = this.snapshots.captureAll();
		try (Scope left = TenantContext.enter("lisbon")) {
			try (ContextSnapshot.Scope set = nothing.setThreadLocals()) {
				assertThat(TenantContext.current()).isNull();
				assertThat(MDC.get("tenant")).isNull();
			}
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void missingValueIsClearedWhereTheFactorySaysSo() {
		ContextSnapshotFactory clearing = ContextSnapshotFactory.builder()
			.clearMissing(true)
			.captureKeyPredicate((key) -> false)
			.build();
		try (Scope left = TenantContext.enter("lisbon")) {
			try (ContextSnapshot.Scope set = clearing.captureAll().setThreadLocals()) {
				assertThat(TenantContext.current()).isNull();
			}
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void snapshotsNest() {
		ContextSnapshot lisbon = captureIn("lisbon");
		ContextSnapshot porto = captureIn("porto");
		try (ContextSnapshot.Scope outer = lisbon.setThreadLocals()) {
			try (ContextSnapshot.Scope inner = porto.setThreadLocals()) {
				try (ContextSnapshot.Scope again = porto.setThreadLocals()) {
					assertThat(TenantContext.current()).isEqualTo("porto");
				}
				assertThat(TenantContext.current()).isEqualTo("porto");
			}
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void snapshotsClosedOutOfOrderLeaveNothing() {
		ContextSnapshot.Scope outer = captureIn("lisbon").setThreadLocals();
		ContextSnapshot.Scope inner = captureIn("porto").setThreadLocals();
		outer.close();
		assertThat(TenantContext.current()).isNull();
		inner.close();
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void innerSnapshotThatIsNeverClosedEndsWithTheOuterOne() {
		ContextSnapshot.Scope outer = captureIn("lisbon").setThreadLocals();
		captureIn("porto").setThreadLocals();
		captureIn("lisbon").setThreadLocals();
		outer.close();
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void innerSnapshotThatIsNeverClosedEndsWithTheOuterOneWithoutTarget() {
		ContextSnapshot.Scope outer = this.snapshots.captureAll().setThreadLocals();
		captureIn("lisbon").setThreadLocals();
		outer.close();
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void secondCloseDoesNothing() {
		ContextSnapshot.Scope first = captureIn("lisbon").setThreadLocals();
		first.close();
		try (ContextSnapshot.Scope other = captureIn("porto").setThreadLocals()) {
			first.close();
			assertThat(TenantContext.current()).isEqualTo("porto");
		}
		first.close();
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void closingOnAnotherThreadChangesNothingThere() throws Exception {
		try (ContextSnapshot.Scope here = captureIn("lisbon").setThreadLocals();
				ContextSnapshot.Scope inside = captureIn("braga").setThreadLocals()) {
			onAnotherThread(() -> {
				inside.close();
				assertThat(TenantContext.current()).isNull();
				try (ContextSnapshot.Scope set = captureIn("porto").setThreadLocals()) {
					inside.close();
					here.close();
					assertThat(TenantContext.current()).isEqualTo("porto");
				}
			});
			assertThat(TenantContext.current()).isEqualTo("braga");
		}
	}

	@Test
	void scopeForgottenInsideASnapshotEndsWithItAndIsTold(CapturedOutput output) {
		try (ContextSnapshot.Scope set = captureIn("lisbon").setThreadLocals()) {
			TenantContext.enter("forgotten");
		}
		assertThat(TenantContext.current()).isNull();
		assertThat(output).contains("ERROR", "Something was left open", "'forgotten'");
	}

	@Test
	void targetThatEndedInBetweenIsNotPutBack() {
		Scope ended = TenantContext.enter("lisbon");
		ContextSnapshot.Scope set = captureIn("porto").setThreadLocals();
		assertThatIllegalStateException().isThrownBy(ended::close).withMessageContaining("'porto'");

		set.close();
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void othersAreRestoredAlsoAfterAForgottenScope() {
		ThreadLocal<String> other = new ThreadLocal<>();
		ContextRegistry registry = new ContextRegistry().registerThreadLocalAccessor("other", other)
			.registerThreadLocalAccessor(this.accessor);
		other.set("former");
		ContextSnapshot snapshot = ContextSnapshotFactory.builder().contextRegistry(registry).build().captureAll();
		other.set("now");
		try (ContextSnapshot.Scope set = snapshot.setThreadLocals()) {
			TenantContext.enter("forgotten");
		}
		assertThat(other.get()).isEqualTo("now");
	}

	@Test
	void snapshotThatWorkInProgressForbidsIsRefusedAndChangesNothing() {
		ContextSnapshot porto = captureIn("porto");
		try (Scope scope = TenantContext.enter("lisbon"); SwitchGuard.Registration busy = refusing(false)) {
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(porto::setThreadLocals);
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void snapshotThatEndsWhileWorkIsOpenEndsAllTheSameAndIsTold(CapturedOutput output) {
		ContextSnapshot.Scope set = captureIn("porto").setThreadLocals();
		try (SwitchGuard.Registration busy = refusing(true)) {
			set.close();
		}
		assertThat(TenantContext.current()).isNull();
		assertThat(output).contains("Something was left open", "on purpose");
	}

	private static SwitchGuard.Registration refusing(boolean whenLeaving) {
		return SwitchGuard.register((from, to, leaving) -> {
			if (leaving == whenLeaving) {
				throw new SourceSwitchException(null, "on purpose", null);
			}
		});
	}

	@Test
	void capturesOfOneTargetAreEqual() {
		try (Scope scope = TenantContext.enter("lisbon")) {
			assertThat(this.accessor.getValue()).isEqualTo(this.accessor.getValue())
				.hasSameHashCodeAs(this.accessor.getValue())
				.hasToString("tenant 'lisbon'");
			try (Scope other = TenantContext.enter("porto")) {
				assertThat(this.accessor.getValue()).hasToString("tenant 'porto'");
			}
		}
	}

	@Test
	void anythingButATargetIsRefused() {
		assertThatIllegalArgumentException().isThrownBy(() -> this.accessor.setValue("lisbon"))
			.withMessageContainingAll("io.multidb.target", "java.lang.String");
	}

	@Test
	void setAndClearedWithoutEverBeingRestoredLeavesNoTarget() {
		Object former = this.accessor.getValue();
		for (int i = 0; i < 3; i++) {
			this.accessor.setValue(captured("lisbon"));
			this.accessor.setValue();
			assertThat(TenantContext.current()).isNull();
		}
		this.accessor.restore(former);
	}

	private Object captured(String tenant) {
		return TenantContext.call(tenant, this.accessor::getValue);
	}

	private ContextSnapshot captureIn(String tenant) {
		return TenantContext.call(tenant, () -> this.snapshots.captureAll());
	}

	private static void onAnotherThread(Runnable work) throws Exception {
		ExecutorService executor = Executors.newSingleThreadExecutor();
		try {
			CompletableFuture.runAsync(work, executor).get();
		}
		finally {
			executor.shutdown();
		}
	}

}
