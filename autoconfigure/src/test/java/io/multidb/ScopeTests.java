package io.multidb;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.MDC;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * Tests for {@link Scope}.
 */
class ScopeTests {

	@BeforeEach
	void clearLog() {
		MDC.clear();
	}

	@AfterEach
	void leavesNothingBehind() {
		assertThat(TenantContext.current()).isNull();
		MDC.clear();
	}

	@Test
	void closingAnOuterScopeEndsTheInnerOnesAndSaysWhich() {
		Scope before = TenantContext.enter("braga");
		Scope outer = TenantContext.enter("lisbon");
		TenantContext.enter("porto");
		SourceContext.enter("archive");

		assertThatExceptionOfType(IllegalStateException.class).isThrownBy(outer::close)
			.withMessageContainingAll("'lisbon'", "'porto'", "'archive'", "'braga'", "reverse order");

		assertThat(TenantContext.current()).isEqualTo("braga");
		before.close();
	}

	@Test
	void scopeThatEndedWithItsOuterOneDoesNothingWhenClosedLater() {
		Scope outer = TenantContext.enter("lisbon");
		Scope inner = TenantContext.enter("porto");
		assertThatThrownBy(outer::close).isInstanceOf(IllegalStateException.class);

		try (Scope next = TenantContext.enter("faro")) {
			inner.close();
			outer.close();
			assertThat(TenantContext.current()).isEqualTo("faro");
		}
	}

	@Test
	void secondCloseDoesNothing() {
		Scope scope = TenantContext.enter("lisbon");
		scope.close();
		try (Scope next = TenantContext.enter("porto")) {
			scope.close();
			assertThat(TenantContext.current()).isEqualTo("porto");
		}
	}

	@Test
	void exceptionOfTheBodyStaysPrimary() {
		Throwable thrown = catchThrowable(() -> {
			try (Scope outer = TenantContext.enter("lisbon")) {
				TenantContext.enter("forgotten");
				throw new IllegalArgumentException("body");
			}
		});
		assertThat(thrown).isInstanceOf(IllegalArgumentException.class).hasMessage("body");
		assertThat(thrown.getSuppressed()).singleElement().asString().contains("IllegalStateException", "'forgotten'");
	}

	@Test
	void forgottenScopeIsNotSilentWhenTheBodyReturns() {
		assertThatExceptionOfType(IllegalStateException.class)
			.isThrownBy(() -> TenantContext.run("lisbon", () -> TenantContext.enter("forgotten")))
			.withMessageContaining("'forgotten'");
	}

	@Test
	void closingOnAnotherThreadIsRefusedAndChangesNothing() {
		try (Scope scope = TenantContext.enter("lisbon")) {
			assertThatThrownBy(() -> CompletableFuture.runAsync(() -> {
				try (Scope own = TenantContext.enter("porto")) {
					assertThatExceptionOfType(IllegalStateException.class).isThrownBy(scope::close)
						.withMessageContaining("another thread");
					assertThat(TenantContext.current()).isEqualTo("porto");
					assertThat(MDC.get("tenant")).isEqualTo("porto");
				}
				throw new CompletionException(new IllegalArgumentException("reached the end"));
			}).join()).hasRootCauseMessage("reached the end");
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void loggingContextFollowsTheTenant() {
		try (Scope outer = TenantContext.enter("lisbon")) {
			assertThat(MDC.get("tenant")).isEqualTo("lisbon");
			try (Scope inner = TenantContext.enter("porto")) {
				assertThat(MDC.get("tenant")).isEqualTo("porto");
			}
			assertThat(MDC.get("tenant")).isEqualTo("lisbon");
		}
		assertThat(MDC.getCopyOfContextMap()).satisfiesAnyOf((map) -> assertThat(map).isNull(),
				(map) -> assertThat(map).doesNotContainKey("tenant"));
	}

	@Test
	void loggingContextKeepsTheTenantOnASource() {
		try (Scope tenant = TenantContext.enter("lisbon"); Scope source = SourceContext.enter("archive")) {
			assertThat(MDC.get("tenant")).isEqualTo("lisbon");
		}
	}

	@Test
	void loggingContextFollowsWhenScopesAreClosedOutOfOrder() {
		try (Scope before = TenantContext.enter("braga")) {
			Scope outer = TenantContext.enter("lisbon");
			TenantContext.enter("porto");
			assertThatThrownBy(outer::close).isInstanceOf(IllegalStateException.class);
			assertThat(MDC.get("tenant")).isEqualTo("braga");
		}
		assertThat(MDC.get("tenant")).isNull();
	}

	@Test
	void applicationsOwnValueInTheLoggingContextComesBack() {
		MDC.put("tenant", "mine");
		try (Scope scope = TenantContext.enter("lisbon")) {
			assertThat(MDC.get("tenant")).isEqualTo("lisbon");
		}
		assertThat(MDC.get("tenant")).isEqualTo("mine");
	}

	@Test
	void applicationsOwnValueIsHiddenWhereThereIsNoTenant() {
		MDC.put("tenant", "mine");
		try (Scope scope = SourceContext.enter("archive")) {
			assertThat(MDC.get("tenant")).isNull();
		}
		assertThat(MDC.get("tenant")).isEqualTo("mine");
	}

	@Test
	void tenantIsLoggedAgainAfterTheApplicationClearedTheLoggingContext() {
		try (Scope outer = TenantContext.enter("lisbon")) {
			MDC.clear();
			try (Scope inner = TenantContext.enter("lisbon")) {
				assertThat(MDC.get("tenant")).isEqualTo("lisbon");
			}
		}
		assertThat(MDC.get("tenant")).isNull();
	}

	@Test
	void otherKeysOfTheLoggingContextAreLeftAlone() {
		MDC.put("request", "42");
		try (Scope scope = TenantContext.enter("lisbon")) {
			assertThat(MDC.get("request")).isEqualTo("42");
		}
		assertThat(MDC.get("request")).isEqualTo("42");
	}

	@Test
	void guardIsAskedBeforeAScopeOpensAndAfterItEnded() {
		List<String> asked = new ArrayList<>();
		try (SwitchGuard.Registration registration = SwitchGuard.register((from, to, leaving) -> asked
			.add(from + " -> " + to + (leaving ? " left" : "") + ", in " + Target.current()))) {
			TenantContext.run("lisbon", () -> TenantContext.run("porto", () -> {
			}));
		}
		TenantContext.run("faro", () -> {
		});
		assertThat(asked).containsExactly("no tenant -> tenant 'lisbon', in no tenant",
				"tenant 'lisbon' -> tenant 'porto', in tenant 'lisbon'",
				"tenant 'porto' -> tenant 'lisbon' left, in tenant 'lisbon'",
				"tenant 'lisbon' -> no tenant left, in no tenant");
	}

	@Test
	void refusedScopeIsNotOpened() {
		try (SwitchGuard.Registration registration = SwitchGuard.register((from, to, leaving) -> {
			throw new IllegalStateException("refused");
		})) {
			assertThatThrownBy(() -> TenantContext.enter("lisbon")).hasMessage("refused");
			assertThat(TenantContext.current()).isNull();
			assertThat(MDC.get("tenant")).isNull();
		}
	}

	@Test
	void scopeHasEndedWhateverAGuardSays() {
		Scope scope = TenantContext.enter("lisbon");
		try (SwitchGuard.Registration registration = SwitchGuard.register((from, to, leaving) -> {
			throw new IllegalStateException("refused");
		})) {
			assertThatThrownBy(scope::close).hasMessage("refused");
			assertThat(TenantContext.current()).isNull();
			assertThat(MDC.get("tenant")).isNull();
		}
	}

	@Test
	void whatIsKeptLastsUntilTheOutermostScopeEnds() {
		assertThat(Target.keep("outside")).isFalse();
		assertThat(Target.kept()).isNull();
		try (Scope outer = TenantContext.enter("lisbon")) {
			try (Scope inner = TenantContext.enter("porto")) {
				assertThat(Target.keep("inside")).isTrue();
			}
			assertThat(Target.kept()).isEqualTo("inside");
			try (Scope inner = TenantContext.enter("faro")) {
				assertThat(Target.kept()).isEqualTo("inside");
			}
		}
		assertThat(Target.kept()).isNull();
		try (Scope next = TenantContext.enter("lisbon")) {
			assertThat(Target.kept()).isNull();
		}
	}

	@Test
	void whatIsKeptEndsWithScopesThatWereForgotten() {
		Scope outer = TenantContext.enter("lisbon");
		Scope forgotten = TenantContext.enter("porto");
		assertThat(forgotten).isNotNull();
		assertThat(Target.keep("kept")).isTrue();
		assertThatExceptionOfType(IllegalStateException.class).isThrownBy(outer::close);
		assertThat(Target.kept()).isNull();
	}

	@Test
	void whatWasLeftOpenIsEndedAtOnce() {
		MDC.put(Scope.MDC_KEY, "own");
		Scope outer = TenantContext.enter("lisbon");
		Scope inner = TenantContext.enter("porto");
		assertThat(Target.keep("kept")).isTrue();
		assertThat(Scope.endAll()).hasToString("tenant 'porto'");
		assertThat(Target.current()).isSameAs(Target.none());
		assertThat(Target.kept()).isNull();
		assertThat(MDC.get(Scope.MDC_KEY)).isEqualTo("own");
		inner.close();
		outer.close();
		assertThat(Scope.endAll()).isSameAs(Target.none());
		assertThat(MDC.get(Scope.MDC_KEY)).isEqualTo("own");
	}

}
