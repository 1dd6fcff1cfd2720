package io.multidb;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for {@link TenantContext} and {@link SourceContext}.
 */
class TenantContextTests {

	@AfterEach
	void leavesNothingBehind() {
		assertThat(TenantContext.current()).isNull();
		assertThat(SourceContext.current()).isNull();
	}

	@Test
	void nobodyIsCurrentBeforeAnyoneEntered() {
		assertThat(TenantContext.current()).isNull();
		assertThat(Target.current()).hasToString("no tenant");
	}

	@Test
	void innerTenantEndsAndOuterComesBack() {
		try (Scope outer = TenantContext.enter("lisbon")) {
			try (Scope inner = TenantContext.enter("porto")) {
				assertThat(TenantContext.current()).isEqualTo("porto");
			}
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void hundredNestedTenantsComeBackOneByOne() {
		List<Scope> scopes = new ArrayList<>();
		for (int i = 0; i < 100; i++) {
			scopes.add(TenantContext.enter("t" + i));
		}
		for (int i = 99; i >= 0; i--) {
			assertThat(TenantContext.current()).isEqualTo("t" + i);
			scopes.get(i).close();
		}
	}

	@Test
	void tenantEndsWhenTheTaskThrows() {
		assertThatThrownBy(() -> TenantContext.run("lisbon", () -> {
			throw new IllegalArgumentException("no");
		})).isInstanceOf(IllegalArgumentException.class);
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void tenantEndsWhenTheTaskThrowsAnError() {
		assertThatThrownBy(() -> TenantContext.run("lisbon", () -> {
			throw new StackOverflowError();
		})).isInstanceOf(StackOverflowError.class);
		assertThat(TenantContext.current()).isNull();
	}

	@Test
	void callGivesTheResult() {
		String result = TenantContext.call("lisbon", () -> "for " + TenantContext.require());
		assertThat(result).isEqualTo("for lisbon");
	}

	@Test
	void callThrowsTheCheckedExceptionAndNoOther() {
		ScopedCallable<String, IOException> task = () -> {
			throw new IOException("disk");
		};
		// Compiles because call declares IOException, not Exception.
		try {
			TenantContext.call("lisbon", task);
		}
		catch (IOException ex) {
			assertThat(ex).hasMessage("disk");
			return;
		}
		throw new AssertionError("The exception was swallowed");
	}

	@Test
	void nullTenantIsNoTenantAndChangesNothing() {
		try (Scope outer = TenantContext.enter("lisbon")) {
			assertThatExceptionOfType(NoTenantException.class).isThrownBy(() -> TenantContext.enter(null));
			assertThat(TenantContext.current()).isEqualTo("lisbon");
		}
	}

	@Test
	void requireNamesTheThreadThatHasNoTenant() {
		assertThatExceptionOfType(NoTenantException.class).isThrownBy(TenantContext::require)
			.withMessageContaining(Thread.currentThread().getName())
			.withMessageContaining("TenantContext.enter");
	}

	@Test
	void sourceKeepsTheTenant() {
		try (Scope tenant = TenantContext.enter("lisbon"); Scope source = SourceContext.enter("archive")) {
			assertThat(TenantContext.current()).isEqualTo("lisbon");
			assertThat(SourceContext.require()).isEqualTo("archive");
		}
	}

	@Test
	void sourceNeedsNoTenant() {
		SourceContext.run("archive", () -> {
			assertThat(SourceContext.current()).isEqualTo("archive");
			assertThat(TenantContext.current()).isNull();
		});
	}

	@Test
	void tenantInsideOfASourceGoesByItsRouteAgain() {
		try (Scope source = SourceContext.enter("archive"); Scope tenant = TenantContext.enter("lisbon")) {
			assertThat(SourceContext.current()).isNull();
		}
	}

	@Test
	void requiredSourceMustBeNamed() {
		try (Scope tenant = TenantContext.enter("lisbon")) {
			assertThatExceptionOfType(IllegalStateException.class).isThrownBy(SourceContext::require);
		}
	}

	@Test
	void callOnASourceGivesTheResult() {
		assertThat(SourceContext.<String, RuntimeException>call("archive", SourceContext::require))
			.isEqualTo("archive");
	}

	@Test
	void newThreadInheritsNothing() throws Exception {
		AtomicReference<Target> seen = new AtomicReference<>();
		try (Scope scope = TenantContext.enter("lisbon")) {
			Thread thread = new Thread(() -> seen.set(Target.current()));
			thread.start();
			thread.join();
		}
		assertThat(seen.get().tenant()).isNull();
	}

	@Test
	void targetTakenAlongIsCurrentOnTheOtherThread() throws Exception {
		AtomicReference<String> seen = new AtomicReference<>();
		try (Scope scope = TenantContext.enter("lisbon")) {
			Target target = Target.current();
			Thread thread = new Thread(() -> {
				try (Scope there = target.enter()) {
					seen.set(TenantContext.current());
				}
			});
			thread.start();
			thread.join();
		}
		assertThat(seen).hasValue("lisbon");
	}

	@Test
	void noTargetTakenAlongHidesTheTenantOfTheOtherThread() {
		Target nobody = Target.current();
		try (Scope tenant = TenantContext.enter("lisbon"); Scope none = nobody.enter()) {
			assertThat(TenantContext.current()).isNull();
		}
	}

	@Test
	void pooledThreadNeverKeepsATenant() throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(2);
		try {
			for (int i = 0; i < 500; i++) {
				String tenant = "t" + i;
				boolean fails = i % 3 == 0;
				Future<String> before = pool.submit(() -> {
					String found = TenantContext.current();
					TenantContext.call(tenant, () -> {
						if (fails) {
							throw new IllegalArgumentException();
						}
						return null;
					});
					return found;
				});
				if (fails) {
					assertThatThrownBy(before::get).hasCauseInstanceOf(IllegalArgumentException.class);
				}
				else {
					assertThat(before.get()).isNull();
				}
				assertThat(pool.submit(TenantContext::current).get()).isNull();
			}
		}
		finally {
			pool.shutdownNow();
		}
	}

	@Test
	void twoThreadsNeverSeeEachOthersTenant() throws Exception {
		int rounds = 2000;
		CyclicBarrier barrier = new CyclicBarrier(2);
		ExecutorService pool = Executors.newFixedThreadPool(2);
		try {
			List<Future<Integer>> strangers = new ArrayList<>();
			for (String name : List.of("lisbon", "porto")) {
				strangers.add(pool.submit(() -> {
					int strange = 0;
					for (int i = 0; i < rounds; i++) {
						try (Scope scope = TenantContext.enter(name + i)) {
							barrier.await(60, TimeUnit.SECONDS);
							strange += (name + i).equals(TenantContext.current()) ? 0 : 1;
							barrier.await(60, TimeUnit.SECONDS);
						}
						strange += (TenantContext.current() != null) ? 1 : 0;
					}
					return strange;
				}));
			}
			for (Future<Integer> each : strangers) {
				assertThat(each.get()).isZero();
			}
		}
		finally {
			pool.shutdownNow();
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "a", "7", "_", "-", "Acme", "acme", "acme.eu", "a.", "a..b", "a-b_c.d", "chat-1001", "CON",
			"null" })
	void wellFormedIdsAreTaken(String tenant) {
		assertThat(TenantContext.check(tenant)).isSameAs(tenant);
	}

	@Test
	void idOf64CharactersIsTaken() {
		assertThat(TenantContext.check("x".repeat(64))).hasSize(64);
	}

	@ParameterizedTest
	@MethodSource("malformedIds")
	void malformedIdsAreRefused(String tenant) {
		assertThatExceptionOfType(InvalidTenantException.class).isThrownBy(() -> TenantContext.enter(tenant))
			.satisfies((ex) -> assertThat(ex.tenant()).isEqualTo(tenant));
	}

	static Stream<String> malformedIds() {
		return Stream.of("", " ", "\t", "   ", "x".repeat(65), "x".repeat(300), "../x", "a/b", "a\\b", "a\0b", "'",
				"\"", "a'b", "`a`", "%2e", "%2e%2e%2fx", ".", "..", ".hidden", "a b", " a", "a ", "a\n", "a\r\nb",
				"\u0430cme", "\uff41cme", "acm\u00e9", "acme\u200b", "\u202eacme", "\ud83d\ude00", "\ud800", "a:b",
				"a;b", "a?b", "a#b", "a&b", "a=b", "a@b", "a,b", "a*b", "{id}", "${id}", "a|b", "a~b", "a+b", "\u0660",
				"\u017f", "\u212a");
	}

	@Test
	void refusedIdIsPrintedEscaped() {
		assertThatExceptionOfType(InvalidTenantException.class)
			.isThrownBy(() -> TenantContext.enter("a\r\n2026 INFO forged \"x\" \u202e \u001b[31m"))
			.satisfies((ex) -> assertThat(ex.getMessage()).doesNotContain("\r", "\n", "\u202e", "\u001b")
				.contains("a\\u000d\\u000a2026 INFO forged \\u0022x\\u0022"));
	}

	@Test
	void refusedIdIsPrintedInPart() {
		assertThatExceptionOfType(InvalidTenantException.class)
			.isThrownBy(() -> TenantContext.enter("\n".repeat(1_000_000)))
			.satisfies((ex) -> assertThat(ex.getMessage()).hasSizeLessThan(700).contains("length 1000000"));
	}

	@Test
	void messagesOfUnknownNamesAreEscapedAndBounded() {
		String evil = "x\n" + "y".repeat(10_000);
		assertThat(new UnknownSourceException(evil, "Why.")).message().hasSizeLessThan(200).doesNotContain("\n");
		assertThat(new UnknownTenantException(evil, "Why.")).message().hasSizeLessThan(200).doesNotContain("\n");
		try (Scope scope = SourceContext.enter(evil)) {
			assertThat(new WrongSourceException("main", Target.current())).message()
				.hasSizeLessThan(500)
				.doesNotContain("\n");
		}
	}

}
