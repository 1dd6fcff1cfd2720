package io.multidb.transaction;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for {@link Suspension} where something in it fails; the rest is in
 * {@link SwitchCheckTests}.
 */
class SuspensionTests {

	private final List<String> told = new ArrayList<>();

	/** Of the router are the keys that begin with its name. */
	private final Router router = new Router();

	private final TransactionSynchronization synchronization = new Telling();

	@BeforeEach
	void begin() {
		TransactionSynchronizationManager.initSynchronization();
		TransactionSynchronizationManager.registerSynchronization(this.synchronization);
		TransactionSynchronizationManager.setActualTransactionActive(true);
		TransactionSynchronizationManager.setCurrentTransactionName("outer");
		for (int i = 0; i < 5; i++) {
			TransactionSynchronizationManager.bindResource("router " + i, "outer " + i);
		}
		TransactionSynchronizationManager.bindResource("other", "outer");
	}

	@AfterEach
	void clear() {
		TransactionSynchronizationManager.clear();
		List.copyOf(TransactionSynchronizationManager.getResourceMap().keySet())
			.forEach(TransactionSynchronizationManager::unbindResource);
	}

	@Test
	void whatFailsInTheMiddleOfSettingAsideLeavesEverythingAsItWas() {
		Map<Object, Object> before = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
		this.router.failAt = 3;
		assertThatIllegalStateException().isThrownBy(() -> Suspension.begin(this.router)).withMessage("cannot be told");
		assertOuterIsWhole(before);
		assertThat(this.router.discarded).isEmpty();
		assertThat(this.told).containsExactly("suspend", "resume beside 6");
	}

	@Test
	void whatFailsFirstIsTold() {
		Map<Object, Object> before = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
		TransactionSynchronization failing = new TransactionSynchronization() {
			@Override
			public void resume() {
				throw new IllegalArgumentException("cannot resume");
			}
		};
		TransactionSynchronizationManager.registerSynchronization(failing);
		this.router.failAt = 3;
		assertThatIllegalStateException().isThrownBy(() -> Suspension.begin(this.router))
			.withMessage("cannot be told")
			.satisfies((ex) -> assertThat(ex.getSuppressed()).singleElement()
				.isInstanceOf(IllegalArgumentException.class));
		assertThat(TransactionSynchronizationManager.getResourceMap()).isEqualTo(before);
		assertThat(TransactionSynchronizationManager.getSynchronizations()).containsExactlyInAnyOrder(failing,
				this.synchronization);
	}

	@Test
	void aSynchronizationThatCannotBeSuspendedIsToldEvenIfAnotherCannotBeResumed() {
		List<TransactionSynchronization> synchronizations = List.of(new TransactionSynchronization() {
			@Override
			public void resume() {
				throw new IllegalArgumentException("cannot resume");
			}
		}, new TransactionSynchronization() {
			@Override
			public void suspend() {
				throw new IllegalStateException("cannot suspend");
			}
		});
		synchronizations.forEach(TransactionSynchronizationManager::registerSynchronization);
		assertThatIllegalStateException().isThrownBy(() -> Suspension.begin(this.router)).withMessage("cannot suspend");
		assertThat(this.told).containsExactly("suspend", "resume beside 6");
		assertThat(TransactionSynchronizationManager.getSynchronizations()).hasSize(3);
	}

	@Test
	void whatFailsInTheMiddleOfPuttingBackKeepsNothingFromBeingPutBack() {
		Map<Object, Object> before = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
		Suspension suspension = Suspension.begin(this.router);
		for (int i = 0; i < 5; i++) {
			TransactionSynchronizationManager.bindResource("router " + i, "inner " + i);
		}
		this.router.failAt = 2;
		assertThatThrownBy(suspension::close).hasMessage("cannot be told");
		assertOuterIsWhole(before);
		assertThat(this.router.discarded).hasSize(5).allMatch((each) -> each.toString().startsWith("inner"));
		assertThat(this.told).containsExactly("suspend", "resume beside 6");
	}

	private void assertOuterIsWhole(Map<Object, Object> before) {
		assertThat(TransactionSynchronizationManager.getResourceMap()).isEqualTo(before);
		assertThat(TransactionSynchronizationManager.getSynchronizations()).containsExactly(this.synchronization);
		assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isTrue();
		assertThat(TransactionSynchronizationManager.getCurrentTransactionName()).isEqualTo("outer");
	}

	private final class Telling implements TransactionSynchronization {

		@Override
		public void suspend() {
			SuspensionTests.this.told.add("suspend");
		}

		@Override
		public void resume() {
			SuspensionTests.this.told.add("resume beside " + TransactionSynchronizationManager.getResourceMap().size());
		}

	}

	private static final class Router implements Suspension.Kept {

		private final List<Object> discarded = new ArrayList<>();

		/** Counted down with each resource of the router's; fails at zero. */
		private int failAt;

		@Override
		public boolean contains(Object key, Object resource) {
			boolean mine = key.toString().startsWith("router");
			if (mine && --this.failAt == 0) {
				throw new IllegalStateException("cannot be told");
			}
			return mine;
		}

		@Override
		public void discard(Object resource) {
			this.discarded.add(resource);
		}

	}

}
