package io.multidb.sample.elections;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

import io.multidb.sample.SampleClient;
import io.multidb.sample.SampleFiles;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.http.MediaType;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The elections over HTTP, their files seen with plain JDBC.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@DirtiesContext
class ElectionsTests {

	private static final int THREADS = 32;

	@TempDir
	static Path data;

	@AutoClose("shutdownNow")
	private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);

	private final SampleFiles files = new SampleFiles(data);

	private SampleClient sample;

	@DynamicPropertySource
	static void useTemporaryFolder(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((name, value) -> registry.add(name, () -> value));
	}

	@BeforeEach
	void connect(@LocalServerPort int port) {
		this.sample = SampleClient.at(port);
	}

	@Test
	void countsVotes() {
		this.sample.vote("mayor", "Ada").expectStatus().isCreated();
		this.sample.results("mayor").expectStatus().isOk().expectBody(String.class).isEqualTo("{\"Ada\":1}");
		this.sample.vote("mayor", "Bob").expectStatus().isCreated();
		this.sample.vote("mayor", "Bob").expectStatus().isCreated();
		this.sample.results("mayor").expectBody(String.class).isEqualTo("{\"Bob\":2,\"Ada\":1}");
	}

	@Test
	void firstVoteMakesTheFile() {
		assertThat(this.files.list()).doesNotContain("elections/first.db");
		this.sample.vote("first", "Ada").expectStatus().isCreated();
		assertThat(this.files.list()).contains("elections/first.db");
		assertThat(votesIn("elections/first.db")).containsExactly("Ada");
	}

	@Test
	void readingAnUnknownElectionIsNotFoundAndMakesNoFile() {
		TreeSet<String> before = this.files.list();
		this.sample.results("unknown")
			.expectStatus()
			.isNotFound()
			.expectHeader()
			.contentType(MediaType.APPLICATION_PROBLEM_JSON);
		assertThat(this.files.list()).isEqualTo(before);
		this.sample.vote("unknown", "Ada").expectStatus().isCreated();
		this.sample.results("unknown").expectStatus().isOk();
	}

	@Test
	void mainDatabaseHoldsNoVote() {
		this.sample.vote("not-in-main", "Ada").expectStatus().isCreated();
		for (String other : List.of("main.db", "archive.db")) {
			assertThat(tablesIn(other)).contains("message").doesNotContain("vote");
		}
		assertThat(tablesIn("elections/not-in-main.db")).contains("vote").doesNotContain("message");
	}

	@ParameterizedTest
	@ValueSource(strings = { "{}", "{\"candidate\":null}", "{\"candidate\":\"\"}", "{\"candidate\":\" \\t\"}", "null",
			"{", "[]", "{\"candidate\":\"a\\u0000b\"}", "{\"candidate\":\"\\ud800\"}" })
	void badVoteIsRefusedAndMakesNoFile(String body) {
		TreeSet<String> before = this.files.list();
		this.sample.post("/elections/bad-vote/votes", body).expectStatus().isBadRequest();
		assertThat(this.files.list()).isEqualTo(before);
	}

	@Test
	void badVoteIsToldWhatIsBad() {
		this.sample.vote("bad-vote", " ")
			.expectBody()
			.jsonPath("$.detail")
			.isEqualTo("Invalid request: candidate must not be blank.");
		this.sample.vote("bad-vote", "a".repeat(101))
			.expectBody()
			.jsonPath("$.detail")
			.isEqualTo("Invalid request: candidate must have at most 100 characters.");
	}

	@ParameterizedTest
	@ValueSource(strings = { "..%2Fx", "..%5Cx", "%2e%2e", "..", ".hidden", "a%00b", "a%0Ab", "%22quoted%22", "it's",
			"l%D1%96sbon", "%EF%BC%A1", "%20", "%C2%A0", "a%3Fmode=memory", "a%23", "%7Bid%7D", "a:b", "100%25" })
	void badElectionIsRefusedAndMakesNoFile(String id) {
		refusesAndMakesNoFile(id);
	}

	@Test
	void tooLongElectionIsRefusedAndMakesNoFile() {
		refusesAndMakesNoFile("a".repeat(300));
	}

	@Test
	void lisbonIsNotLisbonInLowerCase() {
		this.sample.vote("Lisbon", "Ada").expectStatus().isCreated();
		this.sample.results("lisbon").expectStatus().isNotFound();
		this.sample.vote("lisbon", "Bob").expectStatus().isCreated();
		assertThat(votesIn("elections/=lisbon.db")).containsExactly("Ada");
		assertThat(votesIn("elections/lisbon.db")).containsExactly("Bob");
	}

	@Test
	void concurrentFirstVotesMakeOneFileAndAllCount() throws Exception {
		for (int round = 0; round < 5; round++) {
			String election = "race-" + round;
			TreeSet<String> expected = this.files.list();
			expected.add("elections/" + election + ".db");
			atOnce(IntStream.range(0, THREADS).mapToObj((i) -> election).toList(), (any) -> "Ada");
			assertThat(this.files.list()).isEqualTo(expected);
			assertThat(votesIn("elections/" + election + ".db")).hasSize(THREADS).containsOnly("Ada");
		}
	}

	@Test
	void concurrentVotesOfDifferentElectionsNeverMix() throws Exception {
		List<String> elections = IntStream.range(0, 8).mapToObj((i) -> "apart-" + i).toList();
		for (int round = 0; round < 5; round++) {
			atOnce(IntStream.range(0, 64).mapToObj((i) -> elections.get(i % elections.size())).toList(),
					(election) -> election);
		}
		for (String election : elections) {
			assertThat(votesIn("elections/" + election + ".db")).hasSize(40).containsOnly(election);
			this.sample.results(election).expectBody(String.class).isEqualTo("{\"" + election + "\":40}");
		}
	}

	private void refusesAndMakesNoFile(String id) {
		TreeSet<String> before = this.files.list();
		this.sample.vote(id, "Ada").expectStatus().is4xxClientError();
		this.sample.results(id).expectStatus().is4xxClientError();
		assertThat(this.files.list()).isEqualTo(before);
	}

	/** One vote per entry, as close together as threads can be. */
	private void atOnce(List<String> elections, UnaryOperator<String> candidateOf) throws Exception {
		List<Callable<Void>> votes = new ArrayList<>();
		for (String election : elections) {
			votes.add(() -> {
				this.sample.vote(election, candidateOf.apply(election)).expectStatus().isCreated();
				return null;
			});
		}
		for (Future<Void> vote : this.threads.invokeAll(votes)) {
			vote.get();
		}
	}

	private List<String> votesIn(String file) {
		return this.files.open(file).sql("SELECT candidate FROM vote").query(String.class).list();
	}

	private List<String> tablesIn(String file) {
		return this.files.open(file)
			.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
			.query(String.class)
			.list();
	}

}
