package io.multidb.fanout;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

import io.multidb.SourceContext;
import io.multidb.fanout.FanOutJournal.Recorded;
import io.multidb.fanout.FanOutJournal.State;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link FanOutJournal}, with a real database.
 */
@ExtendWith(OutputCaptureExtension.class)
class FanOutJournalTests {

	private static final Duration LONG = Duration.ofMinutes(2);

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private FanOutJournal journal;

	private FanOut fanOut;

	@BeforeEach
	void open() {
		this.sources.with(Sources.sqlite("journal", this.directory).internal(true))
			.with(Sources.sqlite("ca", this.directory))
			.with(Sources.sqlite("ny", this.directory));
		this.journal = new FanOutJournal(this.sources.registry(), "journal", Duration.ZERO);
		this.fanOut = fanOut(this.journal);
	}

	private FanOut fanOut(FanOutJournal to) {
		return new FanOut(this.sources.registry(),
				new RoutingDataSource(new Routes(List.of(), null, this.sources.registry())), LONG, 256, to);
	}

	@AfterEach
	void close() {
		this.fanOut.close();
		this.journal.close();
		this.sources.close();
		await().until(() -> Sources.threads("multidb-").isEmpty());
	}

	@Test
	void anAnswerIsRecordedWhenItComes() {
		FanOutResult<Integer> result = this.fanOut.over(List.of("ny", "nowhere", "ca"))
			.query((jdbc) -> jdbc.sql("select 1 union select 2").query(Integer.class).list());
		Recorded recorded = this.journal.find(result.id());
		assertThat(recorded).isNotNull();
		assertThat(recorded.id()).isEqualTo(result.id());
		assertThat(recorded.entries()).extracting(FanOutJournal.Entry::source).containsExactly("ny", "nowhere", "ca");
		assertThat(recorded.entries()).extracting(FanOutJournal.Entry::state)
			.containsExactly(State.COMPLETED, State.FAILED, State.COMPLETED);
		assertThat(recorded.entries()).extracting(FanOutJournal.Entry::count).containsExactly(2L, 0L, 2L);
		assertThat(recorded.entries()).extracting(FanOutJournal.Entry::milliseconds)
			.isEqualTo(result.outcomes().stream().map(SourceOutcome::milliseconds).toList());
		assertThat(recorded.entries().get(1).failure()).contains("nowhere");
		assertThat(recorded.entries().get(0).failure()).isNull();
	}

	@Test
	void whatIsGoingOnCanBeSeen() throws Exception {
		CountDownLatch released = new CountDownLatch(1);
		FanOut one = new FanOut(this.sources.registry(),
				new RoutingDataSource(new Routes(List.of(), null, this.sources.registry())), LONG, 1, this.journal);
		FutureTask<FanOutResult<String>> call = new FutureTask<>(() -> one.over(List.of("ny", "ca")).call(() -> {
			released.await();
			return "done";
		}));
		new Thread(call).start();
		await().until(() -> states(id()), List.of(State.RUNNING, State.PENDING)::equals);
		released.countDown();
		FanOutResult<String> result = call.get(60, TimeUnit.SECONDS);
		assertThat(states(result.id())).containsExactly(State.COMPLETED, State.COMPLETED);
		one.close();
	}

	@Test
	void aFailureThatIsLongIsCut() {
		FanOutResult<Object> result = this.fanOut.over(List.of("ny")).call(() -> {
			throw new IllegalStateException("x".repeat(5000));
		});
		assertThat(result.outcomes().get(0).failure()).isEqualTo("x".repeat(2000) + "…");
		assertThat(this.journal.find(result.id()).entries().get(0).failure()).hasSize(1000);
	}

	@Test
	void whatWasNotRecordedIsNotFound() {
		assertThat(this.journal.find("none")).isNull();
	}

	@Test
	void whatIsOldIsPruned() {
		FanOutResult<String> result = this.fanOut.over(List.of("ny", "ca")).call(SourceContext::require);
		assertThat(this.journal.prune(Duration.ofHours(1))).isZero();
		assertThat(this.journal.find(result.id())).isNotNull();
		await().until(() -> this.journal.prune(Duration.ZERO) == 2);
		assertThat(this.journal.find(result.id())).isNull();
	}

	@Test
	void whatIsTooOldIsPrunedByItself() throws Exception {
		FanOutResult<String> old = this.fanOut.over(List.of("ny")).call(SourceContext::require);
		Sources.execute(this.sources.registry().get("journal"),
				"update multidb_execution set started_at = '2020-01-01T00:00:00.000Z'");
		try (FanOutJournal keeping = new FanOutJournal(this.sources.registry(), "journal", Duration.ofDays(30));
				FanOut another = fanOut(keeping)) {
			FanOutResult<String> result = another.over(List.of("ny")).call(SourceContext::require);
			assertThat(keeping.find(result.id())).isNotNull();
			assertThat(keeping.find(old.id())).isNull();
		}
	}

	@Test
	void aJournalThatIsDownNeitherFailsNorDelaysTheAnswerBeyondTheDeadline(CapturedOutput output) throws Exception {
		assertThat(this.fanOut.over(List.of("ny")).call(SourceContext::require).isComplete()).isTrue();
		try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + this.directory.resolve("journal.db"))) {
			Sources.execute(other, "begin immediate");
			FanOutResult<String> result = this.fanOut.over(List.of("ny", "ca"))
				.timeout(Duration.ofMillis(300))
				.call(SourceContext::require);
			assertThat(result.isComplete()).isTrue();
			await().until(output::getOut,
					(text) -> text.contains("journal: the journal of fan-outs cannot be written"));
			Sources.execute(other, "rollback");
		}
		FanOutResult<String> next = this.fanOut.over(List.of("ny", "ca")).call(SourceContext::require);
		await().until(() -> states(next.id()), List.of(State.COMPLETED, State.COMPLETED)::equals);
		assertThat(output).contains("journal of fan-outs is written again");
	}

	/** However many writes were due when it ended. */
	@Test
	void anOutcomeThatCannotBeWrittenIsTriedAgainOnceAtATime() {
		Duration notNow = Duration.ofHours(1);
		try (FanOutJournal none = new FanOutJournal(this.sources.registry(), "nowhere", Duration.ZERO,
				List.of(notNow, notNow, notNow, notNow))) {
			for (int i = 1; i <= 3; i++) {
				FanOutJournal.Recording recording = none.begin("execution-" + i, List.of("ca"));
				recording.running(0);
				recording.ended(0, new SourceOutcome("ca", SourceOutcome.Status.COMPLETED, 1, 1, null));
				recording.await(System.nanoTime() + LONG.toNanos());
				await().untilAsserted(() -> assertThat(none.planned()).allMatch((in) -> in.toMinutes() > 1));
				assertThat(none.planned()).hasSize(i);
			}
		}
	}

	@Test
	void aJournalThatIsFullOrReadOnlyKeepsNothingBack() throws Exception {
		Path file = this.directory.resolve("full.db");
		try (Connection made = DriverManager.getConnection("jdbc:sqlite:" + file)) {
			Sources.execute(made, "create table other (x)");
		}
		for (String url : List.of("?max_page_count=1", "?open_mode=1")) {
			SourceRegistry registry = this.sources.registry();
			registry.add(SourceDefinition.named("full").url("jdbc:sqlite:" + file + url).build());
			FanOutJournal full = new FanOutJournal(registry, "full", Duration.ZERO);
			try (full; FanOut another = fanOut(full)) {
				for (int i = 0; i < 3; i++) {
					assertThat(another.over(List.of("ny", "ca")).call(SourceContext::require).isComplete()).isTrue();
				}
				Sources.assertIdle(registry.get("full"));
				try (Connection free = DriverManager.getConnection("jdbc:sqlite:" + file)) {
					Sources.execute(free, "begin exclusive");
				}
			}
			assertThat(registry.remove("full")).isTrue();
		}
	}

	@Test
	void aJournalThatIsNoSourceIsOnlyLogged(CapturedOutput output) {
		try (FanOutJournal none = new FanOutJournal(this.sources.registry(), "nowhere", Duration.ZERO);
				FanOut another = fanOut(none)) {
			for (int i = 0; i < 5; i++) {
				assertThat(another.over(List.of("ny")).call(SourceContext::require).isComplete()).isTrue();
			}
			assertThat(output.getOut().split("cannot be written", -1)).hasSize(2);
		}
	}

	@Test
	void aTableThatWasDroppedIsMadeAgain() throws Exception {
		assertThat(this.fanOut.over(List.of("ny")).call(SourceContext::require).isComplete()).isTrue();
		Sources.execute(this.sources.registry().get("journal"), "drop table multidb_execution");
		FanOutResult<String> lost = this.fanOut.over(List.of("ny")).call(SourceContext::require);
		assertThat(lost.isComplete()).isTrue();
		FanOutResult<String> next = this.fanOut.over(List.of("ny")).call(SourceContext::require);
		assertThat(states(next.id())).containsExactly(State.COMPLETED);
	}

	@Test
	void thousandsOfSourcesAreRecorded() {
		List<String> names = IntStream.range(0, 5000).mapToObj((i) -> "source-" + i).toList();
		FanOutResult<String> result = this.fanOut.over(names).call(SourceContext::require);
		assertThat(states(result.id())).hasSize(5000).containsOnly(State.COMPLETED);
	}

	private List<State> states(String id) {
		Recorded recorded = this.journal.find(id);
		return (recorded != null) ? recorded.entries().stream().map(FanOutJournal.Entry::state).toList() : List.of();
	}

	private String id() throws Exception {
		this.journal.find("none");
		String id = Sources.query(this.sources.registry().get("journal"),
				"select execution_id from multidb_execution limit 1");
		return (id != null) ? id : "none";
	}

}
