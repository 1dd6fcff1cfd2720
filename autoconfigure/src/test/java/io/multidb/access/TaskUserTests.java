package io.multidb.access;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

import io.micrometer.context.ContextSnapshot;
import io.micrometer.context.ContextSnapshotFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

import io.multidb.Operation;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.task.TargetTaskDecorator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * Tests for {@link TaskUser}, {@link UserContext} and {@link Access} without databases.
 */
class TaskUserTests {

	private final Users users = new Users();

	private final Users others = new Users();

	@AutoClose
	private final Access access = access(this.users);

	@AutoClose("shutdownNow")
	private final ExecutorService worker = Executors.newSingleThreadExecutor();

	private static Access access(CurrentUser users, SourceAccess... rules) {
		return new Access(() -> List.of(rules), users, AccessListener.NONE);
	}

	@AfterEach
	void leavesNothingBehind() throws Exception {
		this.users.set(null);
		this.others.set(null);
		this.access.close();
		assertThat(TaskUser.current()).isSameAs(TaskUser.none());
		assertThat(this.worker.submit(TaskUser::current).get(1, TimeUnit.MINUTES)).isSameAs(TaskUser.none());
	}

	private String onWorker(Runnable decorated, AtomicReference<String> seen) throws Exception {
		this.worker.submit(decorated).get(1, TimeUnit.MINUTES);
		return seen.get();
	}

	@Test
	void aTaskHasTheUserOfItsSubmitter() throws Exception {
		AtomicReference<String> seen = new AtomicReference<>();
		this.users.set("ada");
		Runnable task = new TargetTaskDecorator().decorate(() -> seen.set(this.access.user()));
		this.users.set("bob");
		assertThat(onWorker(task, seen)).isEqualTo("ada");
		this.users.set(null);
		assertThat(onWorker(new TargetTaskDecorator().decorate(() -> seen.set(this.access.user())), seen)).isNull();
		assertThat(this.worker.submit(this.access::user).get(1, TimeUnit.MINUTES)).isNull();
	}

	@Test
	void twoContextsDoNotMixTheirUsers() throws Exception {
		AtomicReference<String> seen = new AtomicReference<>();
		try (Access other = access(this.others)) {
			this.users.set("ada");
			this.others.set("eve");
			Runnable task = new TargetTaskDecorator().decorate(() -> seen.set(this.access.user() + " " + other.user()));
			assertThat(onWorker(task, seen)).isEqualTo("ada eve");
			UserContext.run("nightly", () -> seen.set(this.access.user() + " " + other.user()));
			assertThat(seen).hasValue("nightly nightly");
		}
	}

	@Test
	void aNamedUserHidesTheThreadsAndIsPutBack() {
		this.users.set("ada");
		UserContext.run("nightly", () -> {
			assertThat(this.access.user()).isEqualTo("nightly");
			this.users.set("bob");
			assertThat(this.access.user()).isEqualTo("nightly");
			UserContext.run("weekly", () -> assertThat(this.access.user()).isEqualTo("weekly"));
			assertThat(this.access.user()).isEqualTo("nightly");
		});
		assertThat(this.access.user()).isEqualTo("bob");
		assertThatIllegalStateException().isThrownBy(() -> UserContext.run("nightly", () -> {
			throw new IllegalStateException("task");
		}));
		assertThat(this.access.user()).isEqualTo("bob");
		assertThatIllegalArgumentException().isThrownBy(() -> UserContext.run("", () -> {
		}));
	}

	@Test
	void aSnapshotTakesTheUserAlong() throws Exception {
		ContextSnapshotFactory snapshots = ContextSnapshotFactory.builder().build();
		AtomicReference<String> seen = new AtomicReference<>();
		this.users.set("ada");
		ContextSnapshot snapshot = snapshots.captureAll();
		this.users.set(null);
		ContextSnapshot nobodys = snapshots.captureAll();
		this.worker.submit(() -> {
			this.users.set("left behind");
			try (ContextSnapshot.Scope set = snapshot.setThreadLocals()) {
				seen.set(this.access.user());
				try (ContextSnapshot.Scope inner = nobodys.setThreadLocals()) {
					seen.set(seen.get() + " " + this.access.user());
				}
				seen.set(seen.get() + " " + this.access.user());
			}
			this.users.set(null);
		}).get(1, TimeUnit.MINUTES);
		assertThat(seen).hasValue("ada null ada");
	}

	@Test
	void aReactiveChainHasTheUserOfItsSubscriber() {
		Hooks.enableAutomaticContextPropagation();
		try {
			this.users.set("ada");
			Mono<String> user = Mono.fromCallable(this.access::user)
				.subscribeOn(Schedulers.boundedElastic())
				.flatMap((first) -> Mono.fromCallable(() -> first + " " + this.access.user())
					.subscribeOn(Schedulers.parallel()));
			assertThat(user.block(Duration.ofMinutes(1))).isEqualTo("ada ada");
		}
		finally {
			Hooks.disableAutomaticContextPropagation();
		}
	}

	@Test
	void aRuleThatThrowsOrDecidesNothingAllowsNothing() {
		SourceAccess silent = (user, tenant, source, operation) -> null;
		SourceAccess failing = (user, tenant, source, operation) -> {
			throw new IllegalStateException("rule");
		};
		Target target = Target.ofSource("main");
		try (Access nothing = access(this.users, silent); Access failure = access(this.users, failing)) {
			assertThatExceptionOfType(SourceAccessDeniedException.class)
				.isThrownBy(() -> nothing.check(target, "main", Operation.READ));
			assertThat(nothing.isAllowed(target, "main", Operation.READ)).isFalse();
			for (int i = 0; i < 2; i++) {
				assertThatIllegalStateException().isThrownBy(() -> failure.check(target, "main", Operation.READ));
				assertThatIllegalStateException().isThrownBy(() -> failure.permit(target, "main", false));
			}
		}
	}

	@Test
	void findingTheUserMayNeedWhatIsGuarded() {
		AtomicReference<Access> itself = new AtomicReference<>();
		CurrentUser stored = () -> {
			itself.get().check(Target.ofSource("sessions"), "sessions", Operation.WRITE);
			return "ada";
		};
		try (Access asking = access(stored, (user, tenant, source, operation) -> source.equals("main")
				? AccessDecision.allow() : AccessDecision.deny("No."))) {
			itself.set(asking);
			assertThat(SourceContext
				.<Permit, RuntimeException>call("main", () -> asking.permit(Target.current(), "main", false))
				.isReadOnly()).isFalse();
		}
	}

	@Test
	void namesInMessagesAreShortAndOnOneLine() {
		SourceAccessDeniedException denied = new SourceAccessDeniedException("a\nb", "t'; drop", "s".repeat(1000),
				Operation.READ, null);
		assertThat(denied.getMessage()).contains("a\\u000ab", "t\\u0027; drop")
			.doesNotContain("\n")
			.hasSizeLessThan(300);
		assertThat(denied.user()).isEqualTo("a\nb");
	}

}
