package io.multidb.sample;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

import io.multidb.source.TestPostgres;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.http.MediaType;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.ActiveProfiles;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The same, unchanged, with the profile {@code postgres}: on a server, and villages'
 * elections in files.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@ActiveProfiles("postgres")
@DirtiesContext
class SamplePostgresIntegrationTests {

	@AutoClose
	private static final TestPostgres server = TestPostgres.start();

	@TempDir
	static Path data;

	private SampleClient sample;

	@DynamicPropertySource
	static void useServer(DynamicPropertyRegistry registry) {
		TestSampleApplication.properties(server).forEach((name, value) -> registry.add(name, () -> value));
		registry.add("app.datasources.user.url", () -> "jdbc:sqlite:" + data.resolve("user.db"));
		registry.add("sample.courts.directory", () -> data.resolve("courts").toString());
		registry.add("app.datasources.village.url", () -> "jdbc:sqlite:" + data.resolve("{id}.db"));
	}

	@BeforeEach
	void connect(@LocalServerPort int port) {
		this.sample = SampleClient.at(port);
	}

	@Test
	void theCatalogOfCourtsIsOnTheServerAndTheirDatabasesAreFiles() {
		this.sample.http()
			.post()
			.uri(this.sample.address() + "/searches")
			.headers((headers) -> headers.setBasicAuth("ada", "ada"))
			.contentType(MediaType.APPLICATION_JSON)
			.body(Map.of("q", "contract"))
			.exchange()
			.expectStatus()
			.isOk()
			.expectBody()
			.jsonPath("$.summary.sourcesSearched")
			.isEqualTo(3);
		JdbcClient courts = TestSampleApplication.open(server, "courts");
		assertThat(courts.sql("SELECT name FROM multidb_source ORDER BY name").query(String.class).list())
			.containsExactly("ca_supreme", "federal_district", "ny_appeals");
		assertThat(courts.sql("SELECT DISTINCT status FROM multidb_execution").query(String.class).list())
			.containsExactly("completed");
	}

	@Test
	void electionsAreDatabasesOnTheServer() {
		this.sample.vote("mayor", "Ada").expectStatus().isCreated();
		this.sample.vote("mayor", "Bob").expectStatus().isCreated();
		this.sample.vote("mayor", "Bob").expectStatus().isCreated();
		this.sample.results("mayor").expectStatus().isOk().expectBody(String.class).isEqualTo("{\"Bob\":2,\"Ada\":1}");
		assertThat(votesIn("election_mayor")).containsExactly("Ada", "Bob", "Bob");
	}

	@Test
	void oneElectionIsAFileAndOneADatabaseOnTheServerAtTheSameTime() throws Exception {
		int votes = 16;
		ExecutorService threads = Executors.newFixedThreadPool(votes);
		try {
			List<Callable<Void>> both = new ArrayList<>();
			for (int i = 0; i < votes; i++) {
				String election = (i % 2 == 0) ? "village-both" : "both";
				both.add(() -> {
					this.sample.vote(election, election).expectStatus().isCreated();
					return null;
				});
			}
			for (Future<Void> each : threads.invokeAll(both)) {
				each.get();
			}
		}
		finally {
			threads.shutdownNow();
		}
		this.sample.results("both").expectBody(String.class).isEqualTo("{\"both\":8}");
		this.sample.results("village-both").expectBody(String.class).isEqualTo("{\"village-both\":8}");
		assertThat(votesIn("election_both")).hasSize(8).containsOnly("both");
		assertThat(new SampleFiles(data).open("both.db").sql("SELECT candidate FROM vote").query(String.class).list())
			.hasSize(8)
			.containsOnly("village-both");
		assertThat(databases()).doesNotContain("election_village-both", "election_village_both");
	}

	@Test
	void lisbonIsNotLisbonInLowerCase() {
		this.sample.vote("Lisbon", "Ada").expectStatus().isCreated();
		this.sample.results("lisbon").expectStatus().isNotFound();
		this.sample.vote("lisbon", "Bob").expectStatus().isCreated();
		assertThat(votesIn("election_Lisbon")).containsExactly("Ada");
		assertThat(votesIn("election_lisbon")).containsExactly("Bob");
	}

	@Test
	void readingAnUnknownElectionIsNotFoundAndMakesNoDatabase() {
		List<String> before = databases();
		this.sample.results("unknown").expectStatus().isNotFound();
		this.sample.vote("unknown", " ").expectStatus().isBadRequest();
		this.sample.vote("it's", "Ada").expectStatus().isBadRequest();
		assertThat(databases()).isEqualTo(before);
		this.sample.vote("unknown", "Ada").expectStatus().isCreated();
		this.sample.results("unknown").expectStatus().isOk();
	}

	@Test
	void concurrentFirstVotesMakeOneDatabaseAndAllCount() throws Exception {
		List<String> expected = databases();
		expected.add("election_race");
		Collections.sort(expected);
		int votes = 32;
		ExecutorService threads = Executors.newFixedThreadPool(votes);
		try {
			Callable<Void> vote = () -> {
				this.sample.vote("race", "Ada").expectStatus().isCreated();
				return null;
			};
			for (Future<Void> each : threads.invokeAll(Collections.nCopies(votes, vote))) {
				each.get();
			}
		}
		finally {
			threads.shutdownNow();
		}
		assertThat(databases()).isEqualTo(expected);
		assertThat(votesIn("election_race")).hasSize(votes);
	}

	@Test
	void mappedChatsAreInTheArchiveAndAllOthersInMain() {
		this.sample.write("1001", "Kept").expectStatus().isCreated();
		this.sample.write("77", "Hello").expectStatus().isCreated();
		this.sample.messages("1001").expectBody().json("[{\"text\":\"Kept\"}]");
		this.sample.messages("77").expectBody().json("[{\"text\":\"Hello\"}]");
		assertThat(chatsIn("archive")).containsExactly("1001");
		assertThat(chatsIn("main")).containsExactly("77");
	}

	@Test
	void appsShareADatabaseOnTheServerAndOneKeepsItsFile() {
		this.sample.add("auth", "Ada").expectStatus().isCreated();
		this.sample.add("driver", "to Sintra").expectStatus().isCreated();
		this.sample.add("user", "Grace").expectStatus().isCreated();
		this.sample.records("auth").expectBody().json("[{\"text\":\"Ada\"}]");
		assertThat(TestSampleApplication.open(server, "apps")
			.sql("SELECT text FROM login UNION SELECT text FROM trip UNION SELECT text FROM profile ORDER BY text")
			.query(String.class)
			.list()).containsExactly("Ada", "to Sintra");
		assertThat(new SampleFiles(data).open("user.db").sql("SELECT text FROM profile").query(String.class).list())
			.containsExactly("Grace");
	}

	@Test
	void aChatIsMovedToTheArchiveWhileMessagesAreSent() throws Exception {
		ExecutorService threads = Executors.newFixedThreadPool(4);
		List<Future<Integer>> sent = new ArrayList<>();
		try {
			for (int i = 0; i < 100; i++) {
				String text = "message " + i;
				sent.add(threads
					.submit(() -> this.sample.write("moved", text).returnResult(String.class).getStatus().value()));
				if (i == 50) {
					sent.get(20).get();
					this.sample.http()
						.put()
						.uri(this.sample.address() + "/chats/moved/source")
						.contentType(MediaType.APPLICATION_JSON)
						.body("{\"source\":\"archive\"}")
						.exchange()
						.expectStatus()
						.isOk();
				}
			}
			int accepted = 0;
			for (Future<Integer> each : sent) {
				assertThat(each.get()).isIn(201, 503);
				accepted += (each.get() == 201) ? 1 : 0;
			}
			String count = "SELECT count(DISTINCT text) || '/' || count(*) FROM message WHERE chat = 'moved'";
			assertThat(TestSampleApplication.open(server, "archive").sql(count).query(String.class).single())
				.isEqualTo(accepted + "/" + accepted);
			assertThat(TestSampleApplication.open(server, "main").sql(count).query(String.class).single())
				.isEqualTo("0/0");
		}
		finally {
			threads.shutdownNow();
		}
	}

	@Test
	void longestTextFits() {
		String text = "\uD83C\uDF89".repeat(2000);
		this.sample.write("1002x", text).expectStatus().isCreated();
		this.sample.messages("1002x").expectBody().jsonPath("$[0].text").isEqualTo(text);
		this.sample.vote("long", "é".repeat(100)).expectStatus().isCreated();
	}

	@Test
	void mainDatabaseHoldsNoVote() {
		this.sample.vote("not-in-main", "Ada").expectStatus().isCreated();
		for (String other : List.of("main", "archive", "postgres")) {
			assertThat(TestSampleApplication.open(server, other)
				.sql("SELECT tablename FROM pg_tables WHERE tablename = 'vote'")
				.query(String.class)
				.list()).isEmpty();
		}
	}

	@Test
	void healthShowsTheServersSources() {
		this.sample.vote("healthy", "Ada").expectStatus().isCreated();
		this.sample.health()
			.expectStatus()
			.isOk()
			.expectBody()
			.jsonPath("$.components.datasources.components.election-healthy.status")
			.isEqualTo("UP");
	}

	private List<String> votesIn(String database) {
		return TestSampleApplication.open(server, database)
			.sql("SELECT candidate FROM vote ORDER BY id")
			.query(String.class)
			.list();
	}

	private List<String> chatsIn(String database) {
		return TestSampleApplication.open(server, database)
			.sql("SELECT DISTINCT chat FROM message WHERE chat IN ('77', '1001')")
			.query(String.class)
			.list();
	}

	/** Those with temporary names too, but not what elections are copied from. */
	private List<String> databases() {
		return new ArrayList<>(TestSampleApplication.open(server, "postgres")
			.sql("SELECT datname FROM pg_database WHERE datname NOT LIKE 'multidb\\_image\\_%'")
			.query(String.class)
			.list()
			.stream()
			.sorted()
			.toList());
	}

}
