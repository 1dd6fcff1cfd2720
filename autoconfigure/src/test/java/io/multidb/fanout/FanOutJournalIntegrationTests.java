package io.multidb.fanout;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.SourceContext;
import io.multidb.fanout.FanOutJournal.Recorded;
import io.multidb.fanout.FanOutJournal.State;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link FanOutJournal} in PostgreSQL, whose connections may be lost.
 */
class FanOutJournalIntegrationTests {

	private static final Duration LONG = Duration.ofMinutes(2);

	private static final List<String> SOURCES = List.of("ca", "nowhere", "ny");

	private static TestPostgres postgres;

	@TempDir
	private Path directory;

	private final Sources sources = new Sources();

	private Cutter cutter;

	private FanOutJournal journal;

	private FanOut fanOut;

	@BeforeAll
	static void start() {
		postgres = TestPostgres.start();
	}

	@AfterAll
	static void stop() throws Exception {
		postgres.close();
	}

	@BeforeEach
	void open() throws Exception {
		SourceDefinition direct = postgres.source("direct", "postgres").build();
		int port = Integer.parseInt(direct.url().text().replaceAll(".*:(\\d+)/.*", "$1"));
		this.cutter = new Cutter(port);
		this.sources
			.with(SourceDefinition.named("journal")
				.url("jdbc:postgresql://localhost:" + this.cutter.port() + "/postgres")
				.username(direct.username())
				.password(direct.password()))
			.with(Sources.sqlite("ca", this.directory))
			.with(Sources.sqlite("ny", this.directory));
		this.journal = new FanOutJournal(this.sources.registry(), "journal", Duration.ZERO);
		this.fanOut = new FanOut(this.sources.registry(),
				new RoutingDataSource(new Routes(List.of(), null, this.sources.registry())), LONG, 256, this.journal);
		assertThat(this.journal.find("none")).isNull();
	}

	@AfterEach
	void close() throws Exception {
		this.fanOut.close();
		this.journal.close();
		this.sources.close();
		this.cutter.close();
		try (Connection connection = postgres.connect("postgres")) {
			Sources.execute(connection, "drop table multidb_execution");
		}
		await().until(() -> Sources.threads("multidb-").isEmpty());
	}

	@Test
	void whatWasCommittedWithoutAnAnswerIsNeitherWrittenTwiceNorLost() {
		for (int i = 0; i < 5; i++) {
			this.cutter.cutAnswers(1);
			// That the execution has begun is committed before it ends.
			FanOutResult<String> result = this.fanOut.over(SOURCES).call(() -> {
				await().until(() -> this.cutter.left() == 0);
				return ask();
			});
			assertRecorded(result.id());
		}
	}

	@Test
	void anOutcomeThatWasCommittedWithoutAnAnswerIsNotLost() {
		for (int i = 0; i < 5; i++) {
			FanOutResult<String> result = this.fanOut.over(SOURCES)
				.onOutcome((outcome) -> this.cutter.cutAnswers(1))
				.call(FanOutJournalIntegrationTests::ask);
			assertRecorded(result.id());
		}
	}

	@Test
	void whatCannotBeWrittenForAWhileIsWrittenLaterAndTheAnswerDoesNotWait() {
		this.cutter.cutCommits(7);
		FanOutResult<String> result = this.fanOut.over(SOURCES).call(FanOutJournalIntegrationTests::ask);
		assertThat(result.count(SourceOutcome.Status.COMPLETED)).isEqualTo(2);
		assertThat(result.took()).isLessThan(LONG);
		await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> assertRecorded(result.id()));
	}

	@Test
	void whatWasNotCommittedAsItsServerProcessWasKilledIsWrittenAgain() throws Exception {
		try (Connection other = postgres.connect("postgres")) {
			Sources.execute(other, "create sequence commits");
			Sources.execute(other, """
					create function kill_first() returns trigger language plpgsql as $$ begin
					if nextval('commits') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
					return null; end $$""");
			Sources.execute(other, "create constraint trigger kill_first after insert or update on multidb_execution"
					+ " deferrable initially deferred for each row when (new.status = 'completed') execute function kill_first()");
			FanOutResult<String> result = this.fanOut.over(SOURCES).call(FanOutJournalIntegrationTests::ask);
			assertRecorded(result.id());
			assertThat(Sources.query(other, "select last_value > 1 from commits")).isEqualTo("t");
			Sources.execute(other, "drop function kill_first cascade");
			Sources.execute(other, "drop sequence commits");
		}
	}

	@Test
	void whatPostgresHasNoPlaceForIsLeftOut() {
		FanOutResult<String> result = this.fanOut.over(List.of("ca")).call(() -> {
			throw new IllegalStateException("\0" + "x".repeat(998) + "\uD83D\uDE00");
		});
		Recorded recorded = this.journal.find(result.id());
		assertThat(recorded).isNotNull();
		assertThat(recorded.entries().get(0).failure()).isEqualTo(" " + "x".repeat(998));
	}

	private static String ask() {
		String source = SourceContext.require();
		if ("nowhere".equals(source)) {
			throw new IllegalStateException("on purpose");
		}
		return source;
	}

	private void assertRecorded(String id) {
		Recorded recorded = this.journal.find(id);
		assertThat(recorded).isNotNull();
		assertThat(recorded.entries()).extracting(FanOutJournal.Entry::state)
			.containsExactly(State.COMPLETED, State.FAILED, State.COMPLETED);
	}

	/**
	 * Hands on what goes to a server and comes back, but cuts the connection at a commit,
	 * or where that is answered.
	 */
	private static final class Cutter implements AutoCloseable {

		private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

		private final int target;

		/** So many answers to a commit. */
		private final AtomicInteger answers = new AtomicInteger();

		/** So many commits before they reach the server. */
		private final AtomicInteger commits = new AtomicInteger();

		Cutter(int target) throws IOException {
			this.target = target;
			start(this::accept);
		}

		int port() {
			return this.listener.getLocalPort();
		}

		void cutAnswers(int count) {
			this.answers.set(count);
		}

		void cutCommits(int count) {
			this.commits.set(count);
		}

		int left() {
			return this.answers.get();
		}

		private void accept() throws IOException {
			while (true) {
				Socket client = this.listener.accept();
				Socket server = new Socket(InetAddress.getLoopbackAddress(), this.target);
				start(() -> copy(client, server, this.commits));
				start(() -> copy(server, client, this.answers));
			}
		}

		private static void copy(Socket from, Socket to, AtomicInteger cuts) throws IOException {
			try (from; to) {
				InputStream in = from.getInputStream();
				OutputStream out = to.getOutputStream();
				byte[] buffer = new byte[64 * 1024];
				int count = in.read(buffer);
				while (count >= 0) {
					// The command, or the tag of its answer
					boolean commit = new String(buffer, 0, count, StandardCharsets.ISO_8859_1).contains("COMMIT\0");
					if (commit && cuts.getAndUpdate((left) -> Math.max(0, left - 1)) > 0) {
						return;
					}
					out.write(buffer, 0, count);
					count = in.read(buffer);
				}
			}
		}

		private interface Work {

			void run() throws IOException;

		}

		private static void start(Work work) {
			Thread thread = new Thread(() -> {
				try {
					work.run();
				}
				catch (IOException ex) {
					// It was closed.
				}
			}, "cutter");
			thread.setDaemon(true);
			thread.start();
		}

		@Override
		public void close() throws IOException {
			this.listener.close();
		}

	}

}
